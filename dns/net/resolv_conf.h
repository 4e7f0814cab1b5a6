// The machine's resolver configuration, by the rules of glibc (resolv.conf(5)).
#pragma once

#include <boost/asio/ip/address.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace clusterdns::dns {

struct ResolvConf {
  // In file order, at most kMaxNameservers. IPv6 link-local addresses keep their scope.
  std::vector<boost::asio::ip::address> nameservers;
  // Presentation format, as written. The last `search` or `domain` line wins.
  std::vector<std::string> search;
  unsigned ndots = 1;            // 0 to 15
  unsigned timeout_seconds = 5;  // 1 to 30
  unsigned attempts = 2;         // 1 to 5
  bool rotate = false;
  bool use_vc = false;  // TCP only
  bool edns0 = false;
  bool trust_ad = false;

  // Lines that could not be used, "path:line: what": glibc passes over them in silence, we tell.
  std::vector<std::string> warnings;
};

// What `forward` takes, as CoreDNS does; files that systemd-resolved or a VPN writes name more than
// the three that glibc's stub uses.
inline constexpr std::size_t kMaxNameservers = 15;
// glibc's MAXNS: a stub asks no more of them.
inline constexpr std::size_t kMaxStubNameservers = 3;
// A resolv.conf is a handful of lines; more is not one.
inline constexpr std::size_t kMaxResolvConfSize = 64 * 1024;  // octets

// Never fails: what cannot be used is passed over, as glibc does, with a warning. `path` is used in
// the warnings alone. Without any nameserver line, glibc uses 127.0.0.1; this does not, since an
// absent forwarder is better than a guessed one.
[[nodiscard]] ResolvConf parse_resolv_conf(std::string_view text, std::string_view path);

// nullopt when the file cannot be read; `*error` tells why.
[[nodiscard]] std::optional<ResolvConf> load_resolv_conf(const std::string& path,
                                                         std::string* error);

}  // namespace clusterdns::dns
