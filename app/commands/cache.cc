#include "app/commands/cache.h"

#include <exception>
#include <string>

#include <fmt/format.h>
#include <boost/json/serialize.hpp>

#include "app/base/json.h"
#include "app/commands/server_client.h"
#include "registry/shown_text.h"

namespace clusterdns::app {
namespace {

namespace json = boost::json;

// "www.example.com. 25 A 198.51.100.1", a line for each record; "gone.example. 25 A NXDOMAIN" of an
// answer without any.
std::string text_of(const json::object& item) {
  std::string marks;
  if (item.at("stale").as_bool()) marks += " (stale)";
  if (item.at("dnssec").as_bool()) marks += " (DNSSEC)";
  std::string text;
  for (const auto& each : item.at("records").as_array()) {
    const auto& record = each.as_object();
    text +=
        registry::printable(fmt::format("{} {} {} {}", text_member(record, "name"),
                                        record.at("ttl").to_number<std::uint64_t>(),
                                        text_member(record, "type"), text_member(record, "data"))) +
        marks + "\n";
  }
  if (!text.empty()) return text;
  const std::string rcode = text_member(item, "rcode");
  return registry::printable(fmt::format(
             "{} {} {} {}", text_member(item, "name"), item.at("ttl").to_number<std::uint64_t>(),
             text_member(item, "type"), rcode == "NOERROR" ? "NODATA" : rcode)) +
         marks + "\n";
}

ServerQuery query_of(const CacheCommandOptions& options, std::string_view path) {
  ServerQuery query(path);
  if (options.name) query.add("name", *options.name);
  return query;
}

void dump(const CacheCommandOptions& options, std::ostream& out) {
  const json::array items = list_of_server(options.server, query_of(options, "cache"));
  if (options.format == OutputFormat::Json) {
    out << json::serialize(json::object{{"items", items}}) << "\n";
    return;
  }
  std::string text;
  for (const auto& item : items) text += text_of(item.as_object());
  out << text;
}

void flush(const CacheCommandOptions& options, std::ostream& out) {
  const json::value reply = tell_server(options.server, query_of(options, "cache/flush"));
  if (options.format == OutputFormat::Json) {
    out << json::serialize(reply) << "\n";
    return;
  }
  const auto flushed = reply.as_object().at("flushed").to_number<std::uint64_t>();
  out << fmt::format("{} {} forgotten\n", flushed, flushed == 1 ? "answer" : "answers");
}

}  // namespace

int run_cache(const CacheCommandOptions& options, std::ostream& out, std::ostream& err) {
  try {
    read_replies(options.server, [&] {
      if (options.flush) {
        flush(options, out);
      } else {
        dump(options, out);
      }
    });
    out.flush();
    return 0;
  } catch (const std::exception& e) {
    err << "clusterdns: " << registry::printable(e.what(), "\n") << "\n";
    return 1;
  }
}

}  // namespace clusterdns::app
