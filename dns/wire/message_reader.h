// Reads records of whole messages: upstream answers, responses to our own client.
// Not for the hot path: names are copied out of compression.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "dns/wire/name.h"

namespace clusterdns::dns {

// One resource record of a message (RFC 1035 4.1.3).
struct Record {
  Name owner;
  RRType type{};
  RRClass rrclass{};
  std::uint32_t ttl = 0;  // seconds
  // RDATA with every compressed name in it written out (types of RFC 1035 and SRV, RFC 3597
  // section 4), so that it can stand in another message.
  std::vector<std::uint8_t> rdata;
};

struct Message {
  std::uint16_t id = 0;
  std::uint16_t flags = 0;  // second word of the header
  std::uint16_t rcode = 0;  // extended by OPT when there is one
  bool has_question = false;
  Name qname;
  RRType qtype{};
  RRClass qclass{};
  std::vector<Record> answer;
  std::vector<Record> authority;
  std::vector<Record> additional;  // without OPT
  bool has_opt = false;
  std::uint16_t opt_udp_size = 0;
  std::uint32_t opt_ttl = 0;              // extended rcode, version, flags
  std::vector<std::uint8_t> opt_options;  // raw options
};

// Strict: counts must match, pointers must go backwards, nothing may follow the last record.
[[nodiscard]] Result<Message> read_message(std::span<const std::uint8_t> message);

// How RDATA stands to what its type says of it.
enum class RdataCheck : std::uint8_t {
  Good,
  // Good, with a compressed name where no name may be compressed (RFC 3597 section 4): to be
  // written out before it is passed on.
  Compressed,
  Bad,
};
// Whether `message[at, end)` is laid out as `type` says: lengths, names that can be read, nothing
// behind them. Types that are not known by their layout are Good. Neither allocates nor throws.
[[nodiscard]] RdataCheck check_rdata(RRType type, std::span<const std::uint8_t> message,
                                     std::size_t at, std::size_t end) noexcept;

// Writes a message, compressing owners and RFC 1035 RDATA names. Records that do not fit `limit`
// octets are left out: by whole RRsets, but for the answer section. There TC is set, and what fits
// of an RRset stays (RFC 2181 9), for clients that never ask again over TCP.
[[nodiscard]] std::vector<std::uint8_t> write_message(const Message& message, std::size_t limit);

// RDATA in presentation format (RFC 1035 5.1, RFC 3596, RFC 2782, RFC 3597 `\# n hex` for unknown
// types and for RDATA that does not parse).
[[nodiscard]] std::string rdata_to_text(RRType type, std::span<const std::uint8_t> rdata);

// "A", "AAAA", ..., "TYPE65280". From text: also TYPEnnn and case-insensitive; false when unknown.
[[nodiscard]] std::string rrtype_to_text(RRType type);
[[nodiscard]] bool rrtype_from_text(std::string_view text, RRType* type);
[[nodiscard]] std::string rcode_to_text(std::uint16_t rcode);
[[nodiscard]] std::string rrclass_to_text(RRClass rrclass);

}  // namespace clusterdns::dns
