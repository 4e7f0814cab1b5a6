// A zone as another server sends it (AXFR, RFC 5936), message by message, into a table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dns/wire/name.h"
#include "zones/file/zone_table.h"

namespace clusterdns::zones {

// Records of a transfer that may lie outside of the zone.
inline constexpr std::size_t kMaxOutside = 100'000;

// One transfer's, on one thread.
class TransferReader {
 public:
  // `id` is that of the query.
  TransferReader(const dns::Name& zone, std::uint16_t id,
                 std::size_t most_records = kMaxZoneRecords,
                 std::size_t most_octets = kMaxZoneOctets);

  enum class State : std::uint8_t {
    More,    // another message is to come
    Done,    // the zone is complete
    Failed,  // see error()
  };
  // A whole message, as it came. REQUIRES: More so far.
  [[nodiscard]] State take(std::span<const std::uint8_t> message);
  [[nodiscard]] const std::string& error() const noexcept { return error_; }
  // Records that are not in the zone, and were left out.
  [[nodiscard]] std::size_t outside() const noexcept { return outside_; }

  // As ZoneTable::Builder::finish(). REQUIRES: Done.
  [[nodiscard]] std::unique_ptr<const ZoneTable> finish(std::string* error,
                                                        std::vector<std::string>* warnings);

 private:
  [[nodiscard]] State fail(std::string why);

  const dns::Name zone_;
  const std::uint16_t id_;
  ZoneTable::Builder builder_;
  std::vector<std::uint8_t> soa_;  // RDATA of the first record
  std::string error_;
  std::size_t outside_ = 0;
  bool begun_ = false;
};

}  // namespace clusterdns::zones
