// A second, independent DNS message codec for the tests (RFC 1035, 3596, 2782, 6891, 8914).
//
// It shares no code with the product, so that a mistake there cannot hide here. Slow and strict:
// decode() refuses whatever a careful peer could refuse. Names and records become presentation
// text (RFC 1035 section 5.1, RFC 3597 for types it does not know), letter case kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/socket.h"

namespace clusterdns::test {

using Octets = std::vector<std::uint8_t>;

// "A" <-> 1, "TYPE65280" <-> 65280. Throws TestError on unknown text.
[[nodiscard]] std::uint16_t type_from_text(std::string_view text);
[[nodiscard]] std::string type_to_text(std::uint16_t type);
// "IN", "CH", "HS", "NONE", "ANY", "CLASS7".
[[nodiscard]] std::uint16_t class_from_text(std::string_view text);
[[nodiscard]] std::string class_to_text(std::uint16_t klass);
// "NOERROR", "NXDOMAIN", "BADVERS", "RCODE77".
[[nodiscard]] std::string rcode_to_text(int rcode);

inline constexpr std::uint16_t kFlagQR = 0x8000;
inline constexpr std::uint16_t kFlagAA = 0x0400;
inline constexpr std::uint16_t kFlagTC = 0x0200;
inline constexpr std::uint16_t kFlagRD = 0x0100;
inline constexpr std::uint16_t kFlagRA = 0x0080;
inline constexpr std::uint16_t kFlagZ = 0x0040;
inline constexpr std::uint16_t kFlagAD = 0x0020;
inline constexpr std::uint16_t kFlagCD = 0x0010;

inline constexpr std::size_t kHeaderSize = 12;
// OPT without options: root, type, class, TTL, RDLENGTH (RFC 6891, 6.1.2).
inline constexpr std::size_t kOptSize = 11;
inline constexpr std::uint16_t kOptionEde = 15;

struct EdnsOption {
  std::uint16_t code = 0;
  Octets data;
  friend bool operator==(const EdnsOption&, const EdnsOption&) = default;
};

// The OPT pseudo-record, of a query or of a response.
struct Edns {
  std::uint16_t payload_size = 1232;  // octets
  std::uint8_t version = 0;
  bool dnssec_ok = false;
  std::uint16_t z = 0;  // the 15 bits after DO
  std::vector<EdnsOption> options = {};
};

// One question with the usual header; what is unusual is written with WireWriter instead.
struct Query {
  std::string name;  // presentation text, final dot optional
  std::string type = "A";
  std::string klass = "IN";
  std::optional<Edns> edns = std::nullopt;
  std::uint16_t flags = kFlagRD;
  std::uint16_t id = 0;  // 0: encode() takes a random one
};

// Appends to `out` in wire form; values in host byte order. Checks nothing: tests also write
// broken messages with it.
class WireWriter {
 public:
  WireWriter& u8(unsigned value);
  WireWriter& u16(unsigned value);
  WireWriter& u32(std::uint32_t value);
  WireWriter& raw(std::span<const std::uint8_t> octets);
  WireWriter& raw(std::string_view octets);
  // Presentation text with \. and \DDD escapes, uncompressed. Any lengths, also too long ones.
  WireWriter& name(std::string_view text);
  WireWriter& header(std::uint16_t id, std::uint16_t flags, unsigned qd, unsigned an, unsigned ns,
                     unsigned ar);
  WireWriter& question(std::string_view text, std::string_view type, std::string_view klass = "IN");
  WireWriter& opt(const Edns& edns);
  // A record with its length field filled in.
  WireWriter& record(std::string_view owner, std::string_view type, std::uint32_t ttl,
                     std::span<const std::uint8_t> rdata, std::string_view klass = "IN");

  Octets out;
};

[[nodiscard]] std::uint16_t random_id();
[[nodiscard]] Octets encode(const Query& query);
// The wire form of a name, uncompressed.
[[nodiscard]] Octets name_octets(std::string_view text);
[[nodiscard]] std::string lower(std::string_view text);

struct Record {
  std::string owner;  // with final dot, as received
  std::uint16_t type = 0;
  std::uint16_t klass = 0;
  std::uint32_t ttl = 0;   // seconds
  std::string data;        // presentation form
  Octets rdata;            // as received, compression pointers included
  std::size_t offset = 0;  // of the owner in the message
  std::size_t size = 0;    // octets it takes in the message
  bool owner_compressed = false;
  bool rdata_compressed = false;

  // "owner ttl class type data"
  [[nodiscard]] std::string text() const;
};

struct Question {
  std::string name;
  std::uint16_t type = 0;
  std::uint16_t klass = 0;
};

struct Message {
  std::uint16_t id = 0;
  std::uint16_t flags = 0;
  int rcode = 0;  // extended by the OPT record when there is one
  std::vector<Question> questions;
  std::vector<Record> answer;
  std::vector<Record> authority;
  std::vector<Record> additional;  // without OPT
  std::optional<Edns> edns;
  Octets wire;
  std::size_t question_end = 0;  // offset behind the question section

  [[nodiscard]] bool has(std::uint16_t flag) const { return (flags & flag) != 0; }
  [[nodiscard]] int opcode() const { return (flags >> 11) & 0xF; }
  // Presentation of everything, for failure messages.
  [[nodiscard]] std::string text() const;
  // The extended error (RFC 8914) it carries: info code; nullopt: none.
  [[nodiscard]] std::optional<std::uint16_t> extended_error() const;
};

class DecodeError : public TestError {
 public:
  using TestError::TestError;
};

// Throws DecodeError: truncated anywhere, a pointer that does not point backwards, a reserved
// label type, a name over 255 octets, RDATA longer or shorter than its type says, OPT outside the
// additional section or twice, octets left over at the end.
[[nodiscard]] Message decode(std::span<const std::uint8_t> wire);

}  // namespace clusterdns::test
