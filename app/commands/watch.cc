#include "app/commands/watch.h"

#include <chrono>
#include <ctime>
#include <optional>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <boost/json/parse.hpp>

#include "app/base/json.h"
#include "app/commands/server_client.h"
#include "registry/shown_text.h"

namespace clusterdns::app {
namespace {

// How long to rest before a server that does not answer is asked again.
constexpr std::chrono::milliseconds kRest{200};

// "15:04:05 changed Service default/web: clusterIP: 10.96.4.1 -> 10.96.4.2"
std::string text_of(const boost::json::object& change) {
  if (const auto* const dropped = change.if_contains("dropped")) {
    return fmt::format("{} changes were lost: they come faster than they are read",
                       dropped->to_number<std::uint64_t>());
  }
  const auto time = static_cast<std::time_t>(change.at("time").to_number<double>());
  std::tm local{};
  ::localtime_r(&time, &local);
  const std::string ns = text_member(change, "namespace");
  std::string text =
      fmt::format("{:02}:{:02}:{:02} {} {} {}{}", local.tm_hour, local.tm_min, local.tm_sec,
                  text_member(change, "change"), text_member(change, "kind"),
                  ns.empty() ? "" : ns + "/", text_member(change, "name"));
  const char* separator = ": ";
  for (const std::string& what : texts_member(change, "what")) {
    text += separator + what;
    separator = "; ";
  }
  return registry::printable(text);  // objects may hold anything
}

}  // namespace

int run_watch(const WatchOptions& options, std::ostream& out, std::ostream& err) {
  try {
    follow_server(options.server, ServerQuery("changes"), [&](std::string_view line) {
      if (options.format == OutputFormat::Json) {
        out << line << "\n";
      } else {
        read_replies(options.server,
                     [&] { out << text_of(boost::json::parse(line).as_object()) << "\n"; });
      }
      out.flush();
      return out.good();
    });
    return 0;
  } catch (const std::exception& e) {
    err << "clusterdns: " << registry::printable(e.what(), "\n") << "\n";
    return 1;
  }
}

int run_wait(const WaitOptions& options, std::ostream& out, std::ostream& err) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + options.timeout;
  std::string why;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(end - Clock::now());
    ServerQuery query("wait");
    query.add("name", options.name);
    if (options.type) query.add("type", *options.type);
    if (options.address) query.add("address", options.address->to_string());
    query.add("timeout", std::to_string(std::max<std::int64_t>(left.count(), 0)));
    try {
      std::optional<int> code;
      read_replies(options.server, [&] {
        const ServerReply reply = get_from_server(options.server, query, left + kServerPatience);
        const auto value = boost::json::parse(reply.body);
        const auto& object = value.as_object();
        if (reply.status == 200) {
          std::string lines;
          for (const auto& each : object.at("records").as_array()) {
            const auto& record = each.as_object();
            lines += registry::printable(text_member(record, "name") + " " +
                                         text_member(record, "type") + " " +
                                         text_member(record, "data")) +
                     "\n";
          }
          out << lines;
          code = 0;
          return;
        }
        why = text_member(object, "detail");
        // Asking again would not help.
        if (reply.status >= 400 && reply.status < 500) {
          err << "clusterdns: " << registry::printable(why) << "\n";
          code = 1;
        }
      });
      if (code) return *code;
    } catch (const std::exception& e) {
      why = e.what();
    }
    if (Clock::now() + kRest >= end) {
      err << "clusterdns: " << options.name
          << " did not resolve in time: " << registry::printable(why) << "\n";
      return 1;
    }
    std::this_thread::sleep_for(kRest);
  }
}

}  // namespace clusterdns::app
