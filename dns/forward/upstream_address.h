// Addresses of upstreams: read from text, and told apart from our own.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dns/net/endpoint.h"
#include "dns/net/interfaces.h"

namespace clusterdns::dns {

// CoreDNS's limit for one `forward`; each upstream costs channels in every worker.
inline constexpr std::size_t kMaxUpstreams = 15;
inline constexpr std::uint16_t kDnsOverTlsPort = 853;  // RFC 7858 3.1

// An upstream as it is written.
struct WrittenUpstream {
  // To be looked up; empty: `endpoint` has an address.
  std::string host = {};
  Endpoint endpoint = {};  // of a `host`: its port alone
  bool tls = false;
  std::string server_name = {};  // what its certificate must be for; empty: not said
};

// "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353", "fe80::1%eth0",
// "dns.example", "dns.example:5353", each also after "dns://" or "tls://". After that, '%' has the
// name of the certificate behind it: "tls://192.0.2.1%dns.example:8853",
// "tls://[2001:db8::1%dns.example]:8853". Port 53, or 853, when none is named. nullopt when the
// text is no such thing; `*error` then says what is wrong and what to do.
[[nodiscard]] std::optional<WrittenUpstream> parse_upstream(std::string_view text,
                                                            std::string* error);

// Whether it can stand in a certificate: a host name or an IP address.
[[nodiscard]] bool is_server_name(std::string_view text);

// Which of our own sockets, which are bound to `listens`, takes a query that is sent to `upstream`:
// its index; nullopt when none does. A wildcard listen takes every address of this machine
// (`interfaces`, all of 127/8, ::1) that has no socket of its own, and a query sent to the wildcard
// address goes to this machine. `::` also counts for IPv4. Port 0 among `listens` matches nothing:
// it is not known yet.
[[nodiscard]] std::optional<std::size_t> find_listener(
    const Endpoint& upstream, const std::vector<Endpoint>& listens,
    const std::vector<InterfaceAddress>& interfaces);

// What a resolv.conf gives us to forward to.
struct MachineUpstreams {
  std::string path;                   // the file that was used
  std::vector<Endpoint> upstreams;    // in file order
  std::vector<Endpoint> ourselves;    // left out: a query to them would come back to us
  std::vector<std::string> warnings;  // lines that were not understood, for the log
};

// systemd-resolved keeps the real upstreams here while /etc/resolv.conf names its own stub.
inline constexpr std::string_view kResolvedUpstreams = "/run/systemd/resolve/resolv.conf";

// The nameservers of `path` that are not ourselves, as `is_self` has it. When all of them are,
// those of `fallback_path` are tried: a machine whose resolv.conf points to us still has upstreams.
// nullopt when `path` cannot be read; `*error` tells why.
[[nodiscard]] std::optional<MachineUpstreams> machine_upstreams(
    const std::string& path, const std::string& fallback_path,
    const std::function<bool(const Endpoint&)>& is_self, std::string* error);

}  // namespace clusterdns::dns
