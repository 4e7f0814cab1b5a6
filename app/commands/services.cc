#include "app/commands/services.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <stdexcept>

#include <spdlog/fmt/fmt.h>
#include <spdlog/sinks/base_sink.h>
#include <boost/asio/io_context.hpp>

#include "app/commands/listing.h"
#include "app/commands/server_client.h"
#include "app/corefile/arguments.h"
#include "app/corefile/error.h"
#include "app/corefile/parser.h"
#include "app/instance/instance.h"
#include "app/log/logging.h"
#include "app/views/service_rows.h"
#include "registry/shown_text.h"

namespace clusterdns::app {
namespace {

void print_table(const std::vector<ServiceRow>& rows, std::ostream& out) {
  constexpr std::size_t kShown = 4;
  std::vector<std::vector<std::string>> lines{
      {"NAMESPACE", "NAME", "TYPE", "ADDRESSES", "PORTS", "ENDPOINTS", "DNS NAMES"}};
  for (const ServiceRow& row : rows) {
    lines.push_back(
        {row.ns, row.name, row.type,
         row.external_name.empty() ? join_words(row.addresses, kShown) : row.external_name,
         join_words(row.ports, kShown), join_words(row.endpoints, kShown),
         join_words(row.names, 1)});
  }
  print_columns(lines, out);
}

void print(const std::vector<ServiceRow>& rows, OutputFormat format, std::ostream& out) {
  if (format == OutputFormat::Table) {
    print_table(rows, out);
  } else {
    print_list(rows, service_value, format, out);
  }
}

// Keeps what is said of an API server.
class Lines final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  // The first error; empty: none.
  [[nodiscard]] std::string error() {
    const std::lock_guard lock(mutex_);
    return error_;
  }
  [[nodiscard]] std::vector<std::string> warnings() {
    const std::lock_guard lock(mutex_);
    return warnings_;
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    constexpr std::string_view kOurs = "plugin/kubernetes: ";
    std::string_view text(message.payload.data(), message.payload.size());
    if (text.starts_with(kOurs)) text.remove_prefix(kOurs.size());
    if (message.level >= spdlog::level::err) {
      if (error_.empty()) error_ = text;
    } else if (message.level == spdlog::level::warn) {
      warnings_.emplace_back(text);
    }
  }
  void flush_() override {}

  std::string error_;
  std::vector<std::string> warnings_;
};

// How long an API server has to tell all that it has, and how long another one may come to the help
// of one that failed.
constexpr std::chrono::seconds kAskFor{20};
constexpr std::chrono::seconds kAfterError{2};

// Fills the stores that API servers fill. Throws when one does not answer.
void ask_apis(boost::asio::io_context& io, const Environment& environment, Lines& lines) {
  using Clock = std::chrono::steady_clock;
  std::vector<ClusterSource*> sources;
  for (const ClusterData& data : environment.clusters) {
    if (data.source->api() != nullptr) sources.push_back(data.source.get());
  }
  for (ClusterSource* source : sources) source->watch(io, environment.logger);
  const auto missing = [&] {
    return std::find_if(sources.begin(), sources.end(),
                        [](const ClusterSource* source) { return !source->synced(); });
  };
  Clock::time_point until = Clock::now() + kAskFor;
  bool failed = false;
  while (missing() != sources.end() && Clock::now() < until) {
    io.run_one_for(std::chrono::milliseconds(50));
    if (!failed && !lines.error().empty()) {
      failed = true;
      until = std::min(until, Clock::now() + kAfterError);
    }
  }
  const auto silent = missing();
  std::string text;
  if (silent != sources.end()) {
    const auto& servers = (*silent)->api()->options().api.servers;
    text = "services: " + (servers.empty() ? "the API server" : servers.front().host_port()) +
           " has not told what it has: " +
           (failed ? lines.error() : fmt::format("no answer within {} s", kAskFor.count()));
  }
  for (ClusterSource* source : sources) source->stop();
  if (!text.empty()) throw std::runtime_error(text);
}

}  // namespace

int run_services(const ServicesOptions& options, std::ostream& out, std::ostream& err) {
  try {
    if (options.server) {
      ServerQuery query("services");
      if (options.namespace_name) query.add("namespace", *options.namespace_name);
      std::vector<ServiceRow> rows;
      read_replies(*options.server, [&] {
        for (const auto& item : list_of_server(*options.server, query)) {
          rows.push_back(service_row_from(item));
        }
      });
      print(rows, options.format, out);
      return 0;
    }
    const Corefile corefile = options.corefile
                                  ? load_corefile(*options.corefile)
                                  : parse_corefile(corefile_for_serve(options.cluster), "services");
    boost::asio::io_context io(1);
    dns::ReclaimDomain reclaim(1);
    const auto lines = std::make_shared<Lines>();
    Environment environment{
        reclaim, 1, std::make_shared<spdlog::logger>("services", lines), {}, {}, nullptr, true};
    environment.findings_stay = true;
    environment.ask_apis = true;
    (void)build_configuration(corefile, environment, kDnsPort);
    ask_apis(io, environment, *lines);
    for (const std::string& warning : lines->warnings()) err << warning << "\n";
    // As a server: what is wrong with one object is told, and the others are there.
    for (const ClusterData& data : environment.clusters) {
      for (const auto& problem : data.source->findings())
        err << registry::printable(to_string(problem)) << "\n";
    }
    const std::vector<ServiceRow> rows = service_rows(
        environment.served, [&](const registry::Service& service, const ServedCluster&) {
          return !options.namespace_name || service.key.ns == *options.namespace_name;
        });
    if (options.namespace_name) require_namespace("services", *options.namespace_name, environment);
    print(rows, options.format, out);
    return 0;
  } catch (const std::exception& e) {
    err << "clusterdns: " << registry::printable(e.what(), "\n") << "\n";
    return 1;
  }
}

}  // namespace clusterdns::app
