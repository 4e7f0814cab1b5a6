#include "dns/forward/upstream_address.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "dns/forward/resolv_conf.h"

namespace clusterdns::dns {
namespace {

using boost::asio::ip::address;

// IPv4-mapped IPv6 addresses are the IPv4 addresses they hold; scopes do not tell hosts apart.
address plain(const address& a) {
  if (a.is_v4()) return a;
  const auto v6 = a.to_v6();
  if (v6.is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, v6);
  }
  return boost::asio::ip::address_v6(v6.to_bytes());
}

bool is_of_this_machine(const address& a, const std::vector<address>& interfaces) {
  if (a.is_unspecified() || a.is_loopback()) return true;
  return std::any_of(interfaces.begin(), interfaces.end(),
                     [&](const address& own) { return plain(own) == a; });
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0 || port > 65535) {
    return std::nullopt;
  }
  return static_cast<std::uint16_t>(port);
}

}  // namespace

Endpoint make_endpoint(const address& a, std::uint16_t port) {
  Endpoint endpoint;
  endpoint.port = port;
  if (a.is_v4()) {
    const auto octets = a.to_v4().to_bytes();
    std::copy(octets.begin(), octets.end(), endpoint.address.begin());
  } else {
    endpoint.address = a.to_v6().to_bytes();
    endpoint.v6 = true;
    endpoint.scope_id = static_cast<std::uint32_t>(a.to_v6().scope_id());
  }
  return endpoint;
}

std::optional<Endpoint> parse_upstream(std::string_view text, std::string* error) {
  const auto quoted = [&] { return "'" + std::string(text) + "'"; };
  std::string_view host = text;
  if (const std::size_t scheme = host.find("://"); scheme != std::string_view::npos) {
    if (host.substr(0, scheme) != "dns") {
      *error = quoted() + ": only plain DNS upstreams can be used, write dns://ADDRESS or ADDRESS";
      return std::nullopt;
    }
    host.remove_prefix(scheme + 3);
  }
  std::string_view port_text;
  bool has_port = false;
  if (!host.empty() && host.front() == '[') {
    const std::size_t close = host.find(']');
    if (close == std::string_view::npos || (close + 1 < host.size() && host[close + 1] != ':')) {
      *error = quoted() + ": write an IPv6 address with a port as [2001:db8::1]:53";
      return std::nullopt;
    }
    has_port = close + 1 < host.size();
    if (has_port) port_text = host.substr(close + 2);
    host = host.substr(1, close - 1);
  } else if (const std::size_t colon = host.find(':');
             colon != std::string_view::npos &&
             host.find(':', colon + 1) == std::string_view::npos) {
    has_port = true;
    port_text = host.substr(colon + 1);
    host = host.substr(0, colon);
  }
  std::uint16_t port = kDnsPort;
  if (has_port) {
    const auto number = parse_port(port_text);
    if (!number) {
      *error = quoted() + ": '" + std::string(port_text) + "' is no port, use 1 to 65535";
      return std::nullopt;
    }
    port = *number;
  }
  boost::system::error_code ec;
  const address a = boost::asio::ip::make_address(std::string(host), ec);
  if (ec) {
    *error = quoted() + ": '" + std::string(host) +
             "' is no IP address; upstreams are given by address, since names need an upstream";
    return std::nullopt;
  }
  return make_endpoint(plain(a).is_v4() ? plain(a) : a, port);
}

std::vector<address> interface_addresses() {
  std::vector<address> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    if (entry->ifa_addr->sa_family == AF_INET) {
      sockaddr_in in{};
      std::memcpy(&in, entry->ifa_addr, sizeof in);
      addresses.emplace_back(boost::asio::ip::address_v4(ntohl(in.sin_addr.s_addr)));
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 in6{};
      std::memcpy(&in6, entry->ifa_addr, sizeof in6);
      boost::asio::ip::address_v6::bytes_type octets;
      std::memcpy(octets.data(), &in6.sin6_addr, octets.size());
      addresses.emplace_back(boost::asio::ip::address_v6(octets));
    }
  }
  freeifaddrs(list);
  return addresses;
}

bool is_self(const Endpoint& upstream, const std::vector<Endpoint>& listens,
             const std::vector<address>& interfaces) {
  const address target = plain(upstream.to_address());
  const bool here = is_of_this_machine(target, interfaces);
  for (const Endpoint& listen : listens) {
    if (listen.port == 0 || listen.port != upstream.port) continue;
    const address own = plain(listen.to_address());
    if (own == target) return true;
    if (own.is_unspecified() && here && (own.is_v6() || target.is_v4())) return true;
    // The wildcard as a destination means the loopback address of its family.
    if (target.is_unspecified() && own.is_loopback() && own.is_v4() == target.is_v4()) return true;
  }
  return false;
}

bool is_self(const Endpoint& upstream, const std::vector<Endpoint>& listens) {
  return is_self(upstream, listens, interface_addresses());
}

std::optional<MachineUpstreams> machine_upstreams(const std::string& path,
                                                  const std::string& fallback_path,
                                                  const std::vector<Endpoint>& listens,
                                                  std::string* error) {
  auto conf = load_resolv_conf(path, error);
  if (!conf) return std::nullopt;
  MachineUpstreams machine;
  const auto interfaces = interface_addresses();
  const auto sort_out = [&](const ResolvConf& from, const std::string& name) {
    machine.path = name;
    machine.warnings.insert(machine.warnings.end(), from.warnings.begin(), from.warnings.end());
    for (const address& server : from.nameservers) {
      const Endpoint endpoint = make_endpoint(server, kDnsPort);
      const bool self = is_self(endpoint, listens, interfaces);
      (self ? machine.ourselves : machine.upstreams).push_back(endpoint);
    }
  };
  sort_out(*conf, path);
  if (machine.upstreams.empty() && !machine.ourselves.empty() && !fallback_path.empty() &&
      fallback_path != path) {
    std::string unused;
    if (const auto other = load_resolv_conf(fallback_path, &unused))
      sort_out(*other, fallback_path);
  }
  return machine;
}

}  // namespace clusterdns::dns
