// Zones signed as a whole, with NSEC: what `sign` writes (RFC 4035 section 2).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dns/shape/signing_key.h"
#include "zones/file/zone_table.h"

namespace clusterdns::app {

// Seconds since 1970.
struct ZoneSigning {
  std::vector<std::shared_ptr<const dns::SigningKey>> keys;  // each signs all
  std::uint32_t inception = 0;
  std::uint32_t expiration = 0;
  std::uint32_t serial = 0;  // of the SOA
};

// Writes `zone`, signed, as a master file: `write` gets it piece by piece, and says whether to go
// on. The SOA and its signatures come first. DNSKEY, CDS and CDNSKEY records are those of the keys,
// whatever the zone has; its RRSIG and NSEC records are made anew. Takes some 30 us a name and type
// with elliptic curves; `abandoned`, set by another thread, ends it. Empty: it is written whole;
// else why not.
[[nodiscard]] std::string sign_zone(const zones::ZoneTable& zone, const ZoneSigning& signing,
                                    const std::function<bool(std::string_view)>& write,
                                    const std::atomic<bool>* abandoned = nullptr);

// What the signatures of the SOA in a signed zone say, each on one line among the first 100.
struct SignedSoa {
  struct Signature {
    std::uint32_t inception = 0;
    std::uint32_t expiration = 0;
    std::uint16_t tag = 0;
  };
  std::vector<Signature> signatures;
};
[[nodiscard]] SignedSoa find_signed_soa(std::string_view text);

// When a zone is signed anew: the last time is so long ago, or so little time is left.
inline constexpr std::uint32_t kResignAfter = 6 * 86'400;
inline constexpr std::uint32_t kResignBefore = 14 * 86'400;
// Why it has to be, at `now`; empty: it has not.
[[nodiscard]] std::string why_sign(const SignedSoa& soa,
                                   std::span<const std::shared_ptr<const dns::SigningKey>> keys,
                                   std::uint32_t now);

}  // namespace clusterdns::app
