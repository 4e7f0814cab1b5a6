#include "app/commands/report.h"

#include <cstdint>
#include <ctime>
#include <initializer_list>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <boost/json/array.hpp>

#include "app/base/json.h"
#include "app/commands/listing.h"
#include "app/commands/server_client.h"
#include "registry/shown_text.h"

namespace clusterdns::app {
namespace {

namespace json = boost::json;

using Lines = std::vector<std::vector<std::string>>;

std::uint64_t number(const json::object& object, std::string_view name) {
  return object.at(name).to_number<std::uint64_t>();
}
const json::object& part(const json::object& object, std::string_view name) {
  return object.at(name).as_object();
}

// "2 NOERROR, 1 dropped": of counts by word, without those that are 0.
class Counted {
 public:
  void add(std::uint64_t count, std::string_view what) {
    if (count == 0) return;
    text_ += fmt::format("{}{} {}", text_.empty() ? "" : ", ", count, what);
  }
  [[nodiscard]] std::string text() const { return text_.empty() ? "-" : text_; }

 private:
  std::string text_;
};

std::string words(const json::object& counts) {
  Counted result;
  for (const auto& [word, count] : counts) result.add(count.to_number<std::uint64_t>(), word);
  return result.text();
}

std::string chosen(const json::object& counts,
                   std::initializer_list<std::pair<std::string_view, std::string_view>> names) {
  Counted result;
  for (const auto& [name, shown] : names) result.add(number(counts, name), shown);
  return result.text();
}

std::string retries(const json::object& counts) {
  return chosen(
      counts,
      {{"same_id_port", "same id and port"}, {"same_port", "same port"}, {"new_port", "new port"}});
}

std::string fallback(const json::object& counts) {
  return chosen(counts, {{"after_tc", "after TC"}, {"after_silence", "after silence"}});
}

std::string edns(const json::object& counts) {
  Counted result;
  result.add(number(counts, "none"), "none");
  for (const auto& [size, count] : part(counts, "sizes")) {
    result.add(count.to_number<std::uint64_t>(), "of " + std::string(size));
  }
  result.add(number(counts, "do"), "DO");
  result.add(number(counts, "cookie"), "cookie");
  return result.text();
}

// Milliseconds, of some that were kept: "0.4 5000.1".
std::string times(const json::value& values) {
  std::string text;
  for (const auto& each : values.as_array()) {
    text += fmt::format("{}{:.1f}", text.empty() ? "" : " ", each.to_number<double>());
  }
  return text.empty() ? "-" : text;
}

std::string pairs(const json::object& counts) {
  return chosen(counts, {{"both", "both"},
                         {"a_first", "A first"},
                         {"aaaa_first", "AAAA first"},
                         {"one_socket", "one socket"},
                         {"two_sockets", "two sockets"},
                         {"a_only", "A alone"},
                         {"aaaa_only", "AAAA alone"}});
}

std::string utc(double seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string head(const json::object& evidence) {
  const double since = evidence.at("since").to_number<double>();
  std::string text =
      fmt::format("Since {}, {:.1f} s", utc(since), evidence.at("now").to_number<double>() - since);
  if (!evidence.at("seed").is_null()) text += fmt::format("; seed {}", number(evidence, "seed"));
  const json::object& evicted = part(evidence, "evicted");
  const std::string gone = chosen(evicted, {{"clients", "clients"}, {"names", "names"}});
  if (gone != "-") text += "; forgotten for want of room: " + gone;
  return text + "\n";
}

}  // namespace

std::string report_text(const json::object& evidence) {
  Lines clients{{"CLIENT", "QUERIES", "UDP", "TCP", "PORTS", "OUTCOMES", "RETRIES", "REPEATS",
                 "TCP FALLBACK", "EDNS", "PAIRS", "GAP MS"}};
  Lines names{{"CLIENT", "NAME", "TYPE", "QUERIES", "OUTCOMES", "FAULTS", "RETRIES", "INTERVALS MS",
               "REPEATS", "TCP FALLBACK"}};
  Lines searches{{"CLIENT", "BASE", "SEARCH"}};
  for (const auto& each : evidence.at("clients").as_array()) {
    const json::object& client = each.as_object();
    const std::string address = text_member(client, "client");
    const json::object& pair = part(client, "pairs");
    clients.push_back({address, std::to_string(number(client, "queries")),
                       std::to_string(number(client, "udp")), std::to_string(number(client, "tcp")),
                       std::to_string(number(client, "ports")), words(part(client, "outcomes")),
                       retries(part(client, "retries")), std::to_string(number(client, "repeats")),
                       fallback(part(client, "tcp_fallback")), edns(part(client, "edns")),
                       pairs(pair), times(pair.at("gap_ms"))});
    for (const auto& one : client.at("names").as_array()) {
      const json::object& name = one.as_object();
      const json::object& again = part(name, "retries");
      names.push_back({address, text_member(name, "name"), text_member(name, "type"),
                       std::to_string(number(name, "queries")), words(part(name, "outcomes")),
                       words(part(name, "faults")), retries(again), times(again.at("intervals_ms")),
                       std::to_string(number(name, "repeats")),
                       fallback(part(name, "tcp_fallback"))});
    }
    for (const auto& one : client.at("search").as_array()) {
      const json::object& walk = one.as_object();
      std::string steps;
      for (const std::string& step : texts_member(walk, "names")) {
        steps += (steps.empty() ? "" : " ") + step;
      }
      searches.push_back({address, text_member(walk, "base"), std::move(steps)});
    }
  }
  std::ostringstream out;
  out << head(evidence);
  if (clients.size() == 1) out << "\nNobody has asked anything.\n";
  for (Lines* const table : {&clients, &names, &searches}) {
    if (table->size() == 1) continue;
    out << "\n";
    print_columns(std::move(*table), out);
  }
  return out.str();
}

int run_report(const ReportOptions& options, std::ostream& out, std::ostream& err) {
  try {
    ServerQuery query("evidence");
    if (options.client) query.add("client", options.client->to_string());
    if (options.name) query.add("name", *options.name);
    if (options.type) query.add("type", *options.type);
    read_replies(options.server, [&] {
      const json::value evidence = ask_server(options.server, query);
      if (options.format == OutputFormat::Json) {
        out << json_page(evidence);
      } else {
        out << report_text(evidence.as_object());
      }
    });
    return 0;
  } catch (const std::exception& e) {
    err << "clusterdns: " << registry::printable(e.what(), "\n") << "\n";
    return 1;
  }
}

}  // namespace clusterdns::app
