// The zone part of a Corefile: what may stand before `{`, and in directives that take zones.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "app/corefile/ast.h"

namespace clusterdns::app {

// The port a listener of this scheme has when none is written (RFC 1035, RFC 7858, RFC 8484,
// RFC 9250). For "dns" it is `dns_port`, which `-dns.port` sets.
[[nodiscard]] std::uint16_t default_port(std::string_view scheme, std::uint16_t dns_port);
[[nodiscard]] std::uint16_t effective_port(const ZoneKey& key, std::uint16_t dns_port);

// Whether what is served by this scheme is inside of TLS, of those that are supported.
[[nodiscard]] inline bool uses_tls(std::string_view scheme) {
  return scheme == "tls" || scheme == "https";
}

// `[SCHEME://]ZONE[:PORT]`. A CIDR becomes the reverse zones that cover it exactly: one if the
// prefix ends at a label boundary (8 bits for IPv4, 4 for IPv6), else 2 to 128 of the next one.
// Port 0 lets the system choose. Throws ConfigError.
[[nodiscard]] std::vector<ZoneKey> parse_zone_key(std::string_view text, const Position& at,
                                                  std::vector<Warning>& warnings);

// `ZONE` alone, the same way: lower-case, with the trailing dot; a CIDR may become several.
[[nodiscard]] std::vector<std::string> parse_zone(std::string_view text, const Position& at);

// Whether `zone` is below in-addr.arpa. or ip6.arpa., or one of them. `zone` is normalised.
[[nodiscard]] bool is_reverse_zone(std::string_view zone);

}  // namespace clusterdns::app
