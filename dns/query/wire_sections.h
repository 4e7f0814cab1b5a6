// Records that are sent as they stand behind the question of a message: what an upstream said, just
// now or from the cache.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "dns/query/encoder.h"

namespace clusterdns::dns {

// The sections of a message, in octets that hold nothing but their records. Compression pointers
// refer to a message that begins with a header and one question, `begin` octets in all, and are
// true in every response to a question with a name as long. A view: whoever fills it keeps the
// octets.
struct WireSections {
  const std::uint8_t* octets = nullptr;  // the first record's
  const std::uint16_t* ttls = nullptr;   // offset in the message of each record's TTL, in order
  std::uint16_t begin = 0;
  std::array<std::uint16_t, 3> end{};      // offset in the message behind each section
  std::array<std::uint16_t, 3> records{};  // of each section
  // Records of the answer section that are one RRset of addresses or mail servers, side by side,
  // and may be sent from any of them on: no pointer leads into them, and their owner takes as many
  // octets in each. `turn_count` below 2: none.
  std::uint16_t turn_first = 0;  // index of the record
  std::uint16_t turn_count = 0;
  std::uint32_t saved = 0;  // octets that compression saves, see Answer::plain_size
};

// What is known of an upstream's reply besides its records.
struct ReplyHead {
  std::uint16_t flags = 0;                      // second word of the header
  std::uint16_t rcode = 0;                      // with the upper bits of OPT
  std::optional<std::uint16_t> extended_error;  // RFC 8914 INFO-CODE
  bool kept_failure = false;                    // a failure that the cache remembers (RFC 9520)
  bool silence = false;                         // with `kept_failure`: nobody gave an answer
};
// Says in `answer` what of it is said to who asked `query`.
void set_reply_head(const ReplyHead& head, const Query& query, Answer& answer) noexcept;
// The Extended DNS Errors of it alone: its own, then "Cached Error" (RFC 8914 section 4.14) where
// it is a failure that was kept.
void set_reply_error(const ReplyHead& head, Answer& answer) noexcept;

// As RRsetRef::ttl: each record keeps its own.
inline constexpr std::uint32_t kTtlAsItStands = 0xFFFFFFFF;

// Adds the sections to `answer`, every record with `ttl`, the turnable RRset beginning with its
// record number `turn` modulo their count. `sections` must live until the answer is encoded.
// REQUIRES: nothing was added to `answer` before, and the question has a name of the same length.
void add_wire_sections(const WireSections& sections, std::uint32_t ttl, std::uint32_t turn,
                       Answer& answer) noexcept;

// Whether add_wire_sections() added something to `answer`.
[[nodiscard]] bool has_wire_sections(const Answer& answer) noexcept;

}  // namespace clusterdns::dns
