// Makes queries: what we ask others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dns/wire/name.h"
#include "dns/wire/types.h"

namespace clusterdns::dns {

// A query of class IN, without its id.
struct QueryToWrite {
  NameView name;  // in the letter case to be sent
  RRType type{};
  std::uint16_t flags = kFlagRD;             // of RD, AD and CD
  bool edns = false;                         // with an OPT record (RFC 6891)
  bool dnssec_ok = false;                    // RFC 3225; only with `edns`
  std::uint16_t udp_size = kDefaultUdpSize;  // announced in the OPT record, octets
  std::span<const std::uint8_t> options{};   // of the OPT record, in wire form
};

// Header, the longest name, type and class, OPT.
inline constexpr std::size_t kMaxWrittenQuery = kHeaderSize + kMaxNameSize + 4 + kOptRecordSize;

// Writes it with id 0; returns its size. REQUIRES: room for kMaxWrittenQuery octets and the
// options.
std::size_t write_query(const QueryToWrite& query, std::uint8_t* out) noexcept;

}  // namespace clusterdns::dns
