// What the stages of this room answer alike.
#pragma once

#include <array>
#include <cstdint>

#include "dns/query/stage.h"
#include "zones/rrset_writers.h"

namespace clusterdns::zones {

// Resolvers keep "does not exist" for the SOA's TTL or minimum (RFC 2308 section 5), and what does
// not exist here may any moment. Seconds; CoreDNS's bound.
inline constexpr std::uint32_t kMaxSoaTtl = 300;

inline constexpr dns::ExtendedErrorNote kNotReady{true, dns::ExtendedError::NotReady,
                                                  "the registry is not in sync yet"};

[[nodiscard]] inline bool is_transfer(dns::RRType type) noexcept {
  return type == dns::RRType::AXFR || type == dns::RRType::IXFR;
}

inline dns::Verdict refuse_transfer(dns::Answer& answer) noexcept {
  answer.rcode = dns::Rcode::Refused;
  answer.error = {true, dns::ExtendedError::Prohibited, "zone transfer is not offered"};
  return dns::Verdict::Answered;
}

// Makes `soa` the SOA of the zone whose name has the index `owner`; `ttl` is its minimum, too.
inline void set_soa(dns::RRsetRef& soa, std::uint8_t owner, std::uint32_t serial,
                    std::uint32_t ttl) noexcept {
  soa.write = &write_soa;
  soa.type = dns::RRType::SOA;
  soa.ttl = ttl;
  soa.owner = owner;
  soa.first = serial;
  soa.count = ttl;
}

using LabelOffsets = std::array<std::uint8_t, dns::kMaxLabels + 1>;
// Where the labels of `name` begin, the root's too, as Query::label_offset has it. Returns how many
// there are without the root's.
[[nodiscard]] inline unsigned find_labels(dns::NameView name, LabelOffsets& offset) noexcept {
  unsigned labels = 0;
  std::size_t at = 0;
  while (name[at] != 0) {
    offset[labels++] = static_cast<std::uint8_t>(at);
    at += std::size_t{1} + name[at];
  }
  offset[labels] = static_cast<std::uint8_t>(at);
  return labels;
}

}  // namespace clusterdns::zones
