// bind ADDRESS|INTERFACE… [{ except ADDRESS|INTERFACE… }]
#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "app/corefile/arguments.h"
#include "app/directives/directive.h"

namespace clusterdns::app {
namespace {

using boost::asio::ip::address;

std::vector<address> interface_addresses(const std::string& name) {
  std::vector<address> found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return found;
  for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || name != i->ifa_name) continue;
    if (i->ifa_addr->sa_family == AF_INET) {
      sockaddr_in v4;
      std::memcpy(&v4, i->ifa_addr, sizeof v4);
      found.emplace_back(boost::asio::ip::address_v4(ntohl(v4.sin_addr.s_addr)));
    } else if (i->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 v6;
      std::memcpy(&v6, i->ifa_addr, sizeof v6);
      boost::asio::ip::address_v6::bytes_type octets;
      std::memcpy(octets.data(), &v6.sin6_addr, octets.size());
      found.emplace_back(boost::asio::ip::address_v6(octets, v6.sin6_scope_id));
    }
  }
  ::freeifaddrs(list);
  return found;
}

std::vector<address> addresses_of(const Token& token) {
  boost::system::error_code error;
  const address parsed = boost::asio::ip::make_address(token.text, error);
  if (!error) return {parsed};
  std::vector<address> found = interface_addresses(token.text);
  if (found.empty()) {
    throw ConfigError(token.at, "bind: '" + token.text +
                                    "' is neither an address nor an interface with addresses; see "
                                    "`ip address` for what there is");
  }
  return found;
}

}  // namespace

std::vector<address> bound_addresses(const ServerBlock& block) {
  std::vector<address> all;
  const auto add = [&all](const address& a) {
    if (std::find(all.begin(), all.end(), a) == all.end()) all.push_back(a);
  };
  bool any = false;
  for (const Directive& directive : block.directives) {
    if (directive.name.text != "bind") continue;
    any = true;
    require_arguments(directive, 1, kAnyNumber, "bind ADDRESS…");
    std::vector<address> except;
    for (const Directive& property : directive.block) {
      static constexpr std::string_view kKnown[] = {"except"};
      if (property.name.text != "except") fail_unknown_property(property, "bind", kKnown);
      require_arguments(property, 1, kAnyNumber, "except ADDRESS…");
      for (const Token& token : property.args) {
        for (const address& a : addresses_of(token)) except.push_back(a);
      }
    }
    for (const Token& token : directive.args) {
      for (const address& a : addresses_of(token)) {
        if (std::find(except.begin(), except.end(), a) == except.end()) add(a);
      }
    }
  }
  if (!any) {
    add(boost::asio::ip::address_v4::any());
    add(boost::asio::ip::address_v6::any());
  }
  return all;
}

unsigned worker_count(const Corefile& corefile) {
  // More threads than that only wait for each other.
  constexpr std::int64_t kMaxWorkers = 256;
  const Token* first = nullptr;
  unsigned count = 0;
  for (const ServerBlock& block : corefile.blocks) {
    for (const Directive& directive : block.directives) {
      if (directive.name.text != "workers") continue;
      require_no_block(directive);
      const Token& token = only_argument(directive, "workers N");
      const auto n = static_cast<unsigned>(parse_integer(token, 1, kMaxWorkers));
      if (first != nullptr && n != count) {
        throw ConfigError(token.at, "workers " + token.text + " differs from workers " +
                                        first->text + " at " + to_string(first->at) +
                                        "; all server blocks share the workers: say it once");
      }
      first = &token;
      count = n;
    }
  }
  return count;
}

}  // namespace clusterdns::app
