// Writers of what is in a zone's table.
#pragma once

#include <cstdint>
#include <span>

#include "dns/query/answer.h"
#include "dns/query/encoder.h"
#include "zones/file/zone_table.h"

namespace clusterdns::zones {

// The RRset of `type` at `node`, owned by names[owner], with its signatures when `dnssec` is set.
// REQUIRES: `rrset` is of `zone` and `node`, which live as long as the answer.
[[nodiscard]] dns::RRsetRef records_of(const ZoneTable& zone, const ZoneTable::Node& node,
                                       const ZoneTable::RRset& rrset, std::uint8_t owner,
                                       bool dnssec, bool rotate) noexcept;

// Writes one record, whose owner need not be a name of the answer. False: there is no room for it,
// as if no name were compressed.
bool write_zone_record(dns::NameView owner, dns::RRType type, std::uint32_t ttl,
                       std::span<const std::uint8_t> rdata, dns::Encoder& encoder) noexcept;

// The addresses that `zone` has of the hosts named in `rrset`: of NS, MX, SRV, SVCB and HTTPS, at
// most kMaxAdditionalHosts of them. `glue`: a referral is of no use without them, so that TC is set
// when they do not fit (RFC 9471). False: the type names no hosts.
inline constexpr std::size_t kMaxAdditionalHosts = 16;
[[nodiscard]] bool addresses_of(const ZoneTable& zone, const ZoneTable::RRset& rrset, bool glue,
                                bool dnssec, dns::RRsetRef* addresses) noexcept;

}  // namespace clusterdns::zones
