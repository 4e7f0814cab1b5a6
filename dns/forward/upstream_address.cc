#include "dns/forward/upstream_address.h"

#include <algorithm>
#include <charconv>

#include "dns/net/resolv_conf.h"

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

bool is_of_this_machine(const address& a, const std::vector<InterfaceAddress>& interfaces) {
  if (a.is_unspecified() || a.is_loopback()) return true;
  return std::any_of(interfaces.begin(), interfaces.end(),
                     [&](const InterfaceAddress& own) { return plain(own.address) == a; });
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0 || port > 65535) {
    return std::nullopt;
  }
  return static_cast<std::uint16_t>(port);
}

// What somebody may have meant to be looked up: an address with an octet too many is none.
bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  const bool letters = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
  if (!letters || text.front() == '.' || text.find("..") != std::string_view::npos) return false;
  if (text.back() == '.') text.remove_suffix(1);
  const std::string_view last = text.substr(text.rfind('.') + 1);
  return !std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

bool is_server_name(std::string_view text) {
  boost::system::error_code ec;
  (void)boost::asio::ip::make_address(std::string(text), ec);
  return !ec || is_host_name(text);
}

std::optional<WrittenUpstream> parse_upstream(std::string_view text, std::string* error) {
  const auto fail = [&](const std::string& why) {
    *error = "'" + std::string(text) + "'" + why;
    return std::nullopt;
  };
  WrittenUpstream upstream;
  std::string_view host = text;
  if (const std::size_t scheme = host.find("://"); scheme != std::string_view::npos) {
    upstream.tls = host.substr(0, scheme) == "tls";
    if (!upstream.tls && host.substr(0, scheme) != "dns") {
      return fail(": '" + std::string(host.substr(0, scheme + 3)) +
                  "' is not supported yet; write the address alone, or tls://ADDRESS");
    }
    host.remove_prefix(scheme + 3);
  }
  std::string_view port_text;
  bool has_port = false;
  const auto cut_port = [&](std::size_t colon) {
    has_port = true;
    port_text = host.substr(colon + 1);
    host = host.substr(0, colon);
  };
  const std::size_t percent = upstream.tls ? host.find('%') : std::string_view::npos;
  if (!host.empty() && host.front() == '[') {
    const std::size_t close = host.find(']');
    if (close == std::string_view::npos || (close + 1 < host.size() && host[close + 1] != ':')) {
      return fail(": write an IPv6 address with a port as [2001:db8::1]:53");
    }
    if (close + 1 < host.size()) cut_port(close + 1);
    host = host.substr(1, close - 1);
  } else if (percent != std::string_view::npos) {
    if (const std::size_t colon = host.find(':', percent); colon != std::string_view::npos) {
      cut_port(colon);
    }
  } else if (const std::size_t colon = host.find(':');
             colon != std::string_view::npos &&
             host.find(':', colon + 1) == std::string_view::npos) {
    cut_port(colon);
  }
  if (percent != std::string_view::npos) {
    const std::size_t mark = host.find('%');
    upstream.server_name = host.substr(mark + 1);
    // Certificates are without the final dot.
    if (upstream.server_name.ends_with('.')) upstream.server_name.pop_back();
    host = host.substr(0, mark);
    if (!is_server_name(upstream.server_name)) {
      return fail(
          ": '" + upstream.server_name +
          "' is not a host name; write tls://ADDRESS%NAME with the name of its certificate");
    }
  }
  std::uint16_t port = upstream.tls ? kDnsOverTlsPort : kDnsPort;
  if (has_port) {
    const auto number = parse_port(port_text);
    if (!number) {
      return fail(": '" + std::string(port_text) +
                  "' is not a valid port; write a number from 1 to 65535");
    }
    port = *number;
  }
  boost::system::error_code ec;
  const address a = boost::asio::ip::make_address(std::string(host), ec);
  if (!ec) {
    upstream.endpoint = make_endpoint(plain(a).is_v4() ? plain(a) : a, port);
    return upstream;
  }
  if (!is_host_name(host)) {
    return fail(" is neither an IP address nor a file nor a host name");
  }
  upstream.host = host;
  upstream.endpoint.port = port;
  return upstream;
}

std::optional<std::size_t> find_listener(const Endpoint& upstream,
                                         const std::vector<Endpoint>& listens,
                                         const std::vector<InterfaceAddress>& interfaces) {
  address target = plain(upstream.to_address());
  // The wildcard as a destination means the loopback address of its family.
  if (target.is_unspecified()) {
    target = target.is_v4() ? address(boost::asio::ip::address_v4::loopback())
                            : address(boost::asio::ip::address_v6::loopback());
  }
  const bool here = is_of_this_machine(target, interfaces);
  std::optional<std::size_t> found;
  bool same_family = false;
  for (std::size_t i = 0; i < listens.size(); ++i) {
    const Endpoint& listen = listens[i];
    if (listen.port == 0 || listen.port != upstream.port) continue;
    const address own = plain(listen.to_address());
    if (own == target) return i;
    if (!own.is_unspecified() || !here || (own.is_v4() && target.is_v6())) continue;
    if (found && (same_family || own.is_v4() != target.is_v4())) continue;
    found = i;
    same_family = own.is_v4() == target.is_v4();
  }
  return found;
}

std::optional<MachineUpstreams> machine_upstreams(
    const std::string& path, const std::string& fallback_path,
    const std::function<bool(const Endpoint&)>& is_self, std::string* error) {
  auto conf = load_resolv_conf(path, error);
  if (!conf) return std::nullopt;
  MachineUpstreams machine;
  const auto sort_out = [&](const ResolvConf& from, const std::string& name) {
    machine.path = name;
    machine.warnings.insert(machine.warnings.end(), from.warnings.begin(), from.warnings.end());
    for (const address& server : from.nameservers) {
      const Endpoint endpoint = make_endpoint(server, kDnsPort);
      const bool self = is_self(endpoint);
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
