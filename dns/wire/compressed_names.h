// Which RDATA may hold compressed names: the types of RFC 1035 alone (RFC 3597 section 4).
#pragma once

#include <cstddef>

#include "dns/wire/types.h"

namespace clusterdns::dns {

// Where they stand: octets before the first, and how many follow each other.
struct CompressedNames {
  std::size_t before = 0;
  unsigned count = 0;
};

[[nodiscard]] constexpr CompressedNames compressed_names_of(RRType type) noexcept {
  switch (static_cast<std::uint16_t>(type)) {
    case 2:   // NS
    case 3:   // MD
    case 4:   // MF
    case 5:   // CNAME
    case 7:   // MB
    case 8:   // MG
    case 9:   // MR
    case 12:  // PTR
      return {0, 1};
    case 6:   // SOA
    case 14:  // MINFO
      return {0, 2};
    case 15:  // MX
      return {2, 1};
    default: return {};
  }
}

}  // namespace clusterdns::dns
