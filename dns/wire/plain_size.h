// How long a message would be without name compression: what CoreDNS reports as its size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace clusterdns::dns {

// Octets of `message` with every compressed name written out, OPT records included. Follows the
// types that may hold compressed names (RFC 3597 section 4). A message that does not parse counts
// as it is. Never allocates.
[[nodiscard]] std::size_t plain_size(std::span<const std::uint8_t> message) noexcept;

}  // namespace clusterdns::dns
