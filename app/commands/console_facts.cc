#include "app/commands/console_facts.h"

#include <array>
#include <cstdint>

#include "app/base/json.h"
#include "app/commands/server_client.h"
#include "app/corefile/error.h"

namespace clusterdns::app {
namespace {

bool is_local(const std::string& host) {
  if (host == "localhost") return true;
  const auto address = registry::IpAddress::parse(host);
  return address && is_loopback(*address);
}

bool is_unspecified(const registry::IpAddress& address) {
  return address.octets == std::array<std::uint8_t, 16>{};
}

}  // namespace

namespace {

ConsoleFacts read_facts(const ServerUrl& console) {
  ConsoleFacts facts;
  const boost::json::value status = ask_server(console, ServerQuery("status"));
  for (const std::string& zone : texts_member(status.as_object(), "zones")) {
    facts.domains.add_cluster_zone(zone);
    std::string why;
    const auto name = plain_name(zone, &why);
    if (name && !name->ends_with("arpa")) facts.zones.push_back(*name);
  }
  for (const std::string& text : texts_member(status.as_object(), "listeners")) {
    try {
      facts.listeners.push_back(parse_host_port({text, {"listeners", 0, 0}, false}, kDnsPort));
    } catch (const ConfigError&) {
      continue;  // one that a file cannot name, such as with a scope
    }
  }
  for (const auto& item : list_of_server(console, ServerQuery("hosts"))) {
    const std::string host = text_member(item.as_object(), "host");
    facts.domains.add_host(host);
    std::string why;
    if (!facts.host.empty() || !item.as_object().contains("addresses") ||
        texts_member(item.as_object(), "addresses").empty()) {
      continue;
    }
    if (const auto name = plain_name(host, &why)) facts.host = *name;
  }
  return facts;
}

}  // namespace

ConsoleFacts ask_console(const ServerUrl& console) {
  ConsoleFacts facts;
  read_replies(console, [&] { facts = read_facts(console); });
  return facts;
}

std::optional<HostPort> listener_of(const ConsoleFacts& facts, const ServerUrl& console,
                                    bool port_53) {
  const auto loopback = registry::IpAddress{{127, 0, 0, 1}};
  const auto literal = registry::IpAddress::parse(console.host);
  std::optional<HostPort> best;
  int best_rank = 0;
  for (HostPort each : facts.listeners) {
    int rank = 0;
    if (is_local(console.host)) {
      rank = is_loopback(each.address) ? 2 : 1;
      if (is_unspecified(each.address)) each.address = loopback;
    } else if (literal) {
      if (is_unspecified(each.address)) each.address = *literal;
      rank = each.address == *literal ? 1 : 0;
    }
    if (rank == 0) continue;
    if (port_53 && each.port == kDnsPort) rank += 4;
    if (rank > best_rank) {
      best = each;
      best_rank = rank;
    }
  }
  return best;
}

}  // namespace clusterdns::app
