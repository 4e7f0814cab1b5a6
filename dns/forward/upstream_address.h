// Addresses of upstreams: read from text, and told apart from our own.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dns/query/stage.h"

namespace clusterdns::dns {

inline constexpr std::uint16_t kDnsPort = 53;  // RFC 1035 4.2
// CoreDNS's limit for one `forward`; each upstream costs channels in every worker.
inline constexpr std::size_t kMaxUpstreams = 15;

[[nodiscard]] Endpoint make_endpoint(const boost::asio::ip::address& address, std::uint16_t port);

// "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353", "fe80::1%eth0", each also
// after "dns://". Port 53 when none is named. nullopt when the text is no such address; `*error`
// then says what is wrong and what to do.
[[nodiscard]] std::optional<Endpoint> parse_upstream(std::string_view text, std::string* error);

// The addresses of this machine's interfaces, from getifaddrs(3); empty when the kernel refuses.
[[nodiscard]] std::vector<boost::asio::ip::address> interface_addresses();

// Whether a query sent to `upstream` would come back to one of our own sockets, which are bound to
// `listens`. A wildcard listen takes every address of this machine (`interfaces`, all of 127/8,
// ::1), and a query sent to the wildcard address goes to this machine. `::` also counts for IPv4.
// Port 0 among `listens` matches nothing: it is not known yet.
[[nodiscard]] bool is_self(const Endpoint& upstream, const std::vector<Endpoint>& listens,
                           const std::vector<boost::asio::ip::address>& interfaces);
// The same with the interface addresses of this moment.
[[nodiscard]] bool is_self(const Endpoint& upstream, const std::vector<Endpoint>& listens);

// What a resolv.conf gives us to forward to.
struct MachineUpstreams {
  std::string path;                   // the file that was used
  std::vector<Endpoint> upstreams;    // in file order
  std::vector<Endpoint> ourselves;    // left out: a query to them would come back to us
  std::vector<std::string> warnings;  // lines that were not understood, for the log
};

// systemd-resolved keeps the real upstreams here while /etc/resolv.conf names its own stub.
inline constexpr std::string_view kResolvedUpstreams = "/run/systemd/resolve/resolv.conf";

// The nameservers of `path` that are not ourselves. When all of them are, those of
// `fallback_path` are tried: a machine whose resolv.conf points to us still has upstreams.
// nullopt when `path` cannot be read; `*error` tells why.
[[nodiscard]] std::optional<MachineUpstreams> machine_upstreams(
    const std::string& path, const std::string& fallback_path, const std::vector<Endpoint>& listens,
    std::string* error);

}  // namespace clusterdns::dns
