// Reverse names: addresses as names below in-addr.arpa and ip6.arpa.
#pragma once

#include <cstdint>
#include <optional>

#include "dns/wire/name.h"
#include "registry/ip_address.h"

namespace clusterdns::zones {

// What a name below in-addr.arpa or ip6.arpa stands for.
struct ReverseName {
  registry::IpAddress address;  // the octets or nibbles given; the rest zero
  unsigned units = 0;           // octets (IPv4, of 4) or nibbles (IPv6, of 32) given
  bool too_long = false;        // more labels than an address has
  [[nodiscard]] bool complete() const noexcept { return units == (address.is_v4() ? 4u : 32u); }
};

// `name` is lower-case. nullopt when it is not below in-addr.arpa or ip6.arpa, or when a label is
// not an octet without leading zeros (RFC 1035 3.5) or a nibble (RFC 3596 2.5).
[[nodiscard]] std::optional<ReverseName> parse_reverse_name(dns::NameView name) noexcept;

// "10.0.244.10.in-addr.arpa." and the like, in wire form.
[[nodiscard]] dns::Name reverse_name(const registry::IpAddress& address) noexcept;

// True for in-addr.arpa, ip6.arpa and names below them; `name` is lower-case.
[[nodiscard]] bool is_reverse_zone(dns::NameView name) noexcept;

}  // namespace clusterdns::zones
