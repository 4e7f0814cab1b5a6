// Fetches a zone from its primaries (AXFR over TCP, RFC 5936).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dns/net/endpoint.h"
#include "dns/wire/name.h"
#include "dns/wire/tsig.h"
#include "zones/file/zone_table.h"

namespace clusterdns::app {

// A primary that says nothing for so long is given up, and so is a transfer that takes so long.
inline constexpr std::chrono::seconds kPrimarySilence{10};
inline constexpr std::chrono::minutes kLongestTransfer{10};

struct ZoneFetch {
  enum class What : std::uint8_t {
    Failed,     // of every primary, see `error`
    Unchanged,  // its serial is not newer
    Fetched,
  };
  What what = What::Failed;
  std::shared_ptr<const zones::ZoneTable> table;  // Fetched
  std::string from;                               // the primary, "192.0.2.1:53"
  std::string error;                              // of each primary
  std::vector<std::string> warnings;
};

// Asks one primary after the other until one answers. With `have` it is first asked for the serial,
// and for the zone only when that is newer (RFC 1982). Blocks; any thread. Ends soon after
// `abandoned` is set. With `key` questions are signed, and only answers that are, too, are taken.
[[nodiscard]] ZoneFetch fetch_zone(const dns::Name& zone, std::span<const dns::Endpoint> primaries,
                                   std::optional<std::uint32_t> have,
                                   const std::shared_ptr<const dns::TsigKey>& key,
                                   const std::atomic<bool>& abandoned);

}  // namespace clusterdns::app
