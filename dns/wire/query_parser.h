// A request as the worker sees it: header, question, EDNS. Parsed in place, without allocation.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dns/wire/name.h"
#include "dns/wire/types.h"

namespace clusterdns::dns {

// What became of a datagram or TCP message before any stage sees it. The gates are those of
// NSD's query processing: each ends in silence or in a named rcode.
enum class Gate : std::uint8_t {
  Pass,     // a standard query with one question
  Drop,     // shorter than a header, or a response: never answered (no loops between servers)
  FormErr,  // malformed, not exactly one question, or more than kMaxQueryRecords
  NotImp,   // opcode other than QUERY
  BadVers,  // EDNS version other than 0 (RFC 6891 6.1.3)
};

// Records that a query may bring. Two have a meaning, OPT and TSIG, and IXFR's SOA (RFC 1995); the
// rest is read to see whether it is well formed, which more of them could make dear.
inline constexpr unsigned kMaxQueryRecords = 16;

// Points into the packet it was parsed from. Fields after `flags` hold only as far as the parser
// came: `question_end` is 0 when there is no question to echo.
struct Query {
  const std::uint8_t* packet = nullptr;
  std::size_t size = 0;
  std::uint16_t id = 0;
  std::uint16_t flags = 0;
  std::uint16_t question_end = 0;  // offset after the question; 0: none was read
  std::uint8_t qname_size = 0;     // with the root label
  std::uint8_t label_count = 0;    // without the root label
  RRType qtype{};
  RRClass qclass{};

  bool has_edns = false;
  bool dnssec_ok = false;
  std::uint8_t edns_version = 0;
  std::uint16_t udp_size = 0;    // as the client said; 0 without EDNS
  std::uint16_t opt_offset = 0;  // where the OPT record starts and ends; only with EDNS
  std::uint16_t opt_end = 0;

  // Offset of each label's length octet in `lower`, leftmost label first; then that of the root.
  std::array<std::uint8_t, kMaxLabels + 1> label_offset;
  std::array<std::uint8_t, kMaxNameSize + 1 + kPadding> lower;  // the question name, lower-cased

  [[nodiscard]] NameView name() const noexcept { return {lower.data(), qname_size}; }
  // The question name with the letter case of the request.
  [[nodiscard]] NameView name_as_asked() const noexcept {
    return {packet + kHeaderSize, qname_size};
  }
};

// REQUIRES: kPadding readable octets follow `packet` (receive buffers have them).
// Never throws, never reads further than that, never loops. A compressed question name is a
// FormErr.
[[nodiscard]] Gate parse_query(std::span<const std::uint8_t> packet, Query& query) noexcept;

}  // namespace clusterdns::dns
