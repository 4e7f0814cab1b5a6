// RRsets in the form that is signed (RFC 4034 sections 3.1.8.1 and 6).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dns/shape/signing_key.h"
#include "dns/wire/name.h"
#include "dns/wire/types.h"

namespace clusterdns::dns {

// RDATA as it is compared and signed: names of the types of RFC 4034 section 6.2 in lower case
// (RFC 6840 section 5.1: those of NSEC as they stand). `rdata` has names in full.
void put_canonical_rdata(RRType type, std::span<const std::uint8_t> rdata,
                         std::vector<std::uint8_t>& to);

// The types that an NSEC record says a name has (RFC 4034 section 4.1.2). `types`: numbers in
// ascending order; `without`: which of them is left out, 0: none.
void put_type_bitmap(std::span<const unsigned> types, unsigned without,
                     std::vector<std::uint8_t>& to);

// One RRset, to be signed by several keys. Made once and used again: its memory stays.
class RRsetToSign {
 public:
  // `owner` in any letter case, `signer` in lower case: the apex of the zone. RDATA in any order;
  // what is there twice is signed once.
  void set(NameView owner, RRType type, std::uint32_t original_ttl, NameView signer,
           std::span<const std::span<const std::uint8_t>> rdata);

  // What `key` signs for that time, in seconds since 1970. Valid until the next call.
  [[nodiscard]] std::span<const std::uint8_t> octets(const SigningKey& key, std::uint32_t inception,
                                                     std::uint32_t expiration);
  // RDATA of the RRSIG record whose octets() were signed last, with `signature`.
  void put_rrsig(std::span<const std::uint8_t> signature, std::vector<std::uint8_t>& to) const;

 private:
  // RDATA of RRSIG without the signature, then the records.
  std::vector<std::uint8_t> octets_;
  std::size_t head_ = 0;  // octets of the former
  std::vector<std::uint8_t> canonical_;
  std::vector<std::span<const std::uint8_t>> sorted_;
  std::vector<std::size_t> ends_;
};

}  // namespace clusterdns::dns
