// The longest TTLs that leave a server block, whatever answers in it: those of its cache (CoreDNS's
// cache sits before every source and bounds all answers that pass it).
#pragma once

#include <cstdint>
#include <span>

#include "dns/query/answer.h"
#include "dns/wire/name.h"
#include "dns/wire/query_parser.h"
#include "dns/wire/zone_set.h"

namespace clusterdns::dns {

struct TtlBounds {
  ZoneSet zones;               // questions about names at and below these
  std::uint32_t positive = 0;  // seconds
  std::uint32_t negative = 0;  // seconds; of NXDOMAIN and NODATA

  // Lowers the TTLs in `response`, which `answer` was encoded to. Costs next to nothing when no
  // RRset of the answer has a longer one.
  void apply(const Query& query, const Answer& answer,
             std::span<std::uint8_t> response) const noexcept;
};

}  // namespace clusterdns::dns
