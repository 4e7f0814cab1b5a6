// Goes over the records of a message where they stand, without reading any of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dns/wire/types.h"

namespace clusterdns::dns {

// Type, class, TTL and RDLENGTH: what stands between owner and RDATA (RFC 1035 4.1.3).
inline constexpr std::size_t kRecordFixedSize = 10;

// Offset after the name at `at`, which may end in a compression pointer; where that leads is not
// looked at. 0 when the name does not end within the message, or has a label that is neither plain
// nor a pointer (RFC 1035 4.1.4).
[[nodiscard]] inline std::size_t skip_name(std::span<const std::uint8_t> message,
                                           std::size_t at) noexcept {
  while (at < message.size()) {
    const std::uint8_t length = message[at];
    if (length == 0) return at + 1;
    if ((length & 0xC0) == 0xC0) return at + 2 <= message.size() ? at + 2 : 0;
    if (length > kMaxLabelSize) return 0;
    at += std::size_t{1} + length;
  }
  return 0;
}

// Offset after the name at `at`. 0 unless all of it can be read: pointers lead backwards and so in
// no circle, and what they lead to has at most 255 octets. `*compressed` tells whether there was
// one.
[[nodiscard]] std::size_t check_name(std::span<const std::uint8_t> message, std::size_t at,
                                     bool* compressed = nullptr) noexcept;

// Where one record stands: offsets into the message.
struct RecordPlace {
  std::size_t owner = 0;
  std::size_t fields = 0;  // type, class, TTL, RDLENGTH
  std::size_t rdata = 0;
  std::size_t end = 0;
  unsigned section = 0;  // 0: answer, 1: authority, 2: additional
  unsigned after = 0;    // records of the same section that follow
  RRType type{};
  RRClass rrclass{};

  [[nodiscard]] std::size_t ttl() const noexcept { return fields + 4; }
};

// Walks over the answer, authority and additional sections. Follows no pointer.
class RecordWalker {
 public:
  // `at` is where the question section ends. REQUIRES: a whole header.
  RecordWalker(std::span<const std::uint8_t> message, std::size_t at) noexcept
      : message_(message), at_(at) {
    for (std::size_t i = 0; i < 3; ++i) left_[i] = load_u16(message.data() + 6 + 2 * i);
  }

  // False when no record is left, or the next one does not fit the message.
  [[nodiscard]] bool next(RecordPlace& record) noexcept {
    while (left_[section_] == 0) {
      if (section_ == 2) return false;
      ++section_;
    }
    const std::size_t fields = skip_name(message_, at_);
    if (fields == 0 || message_.size() - fields < kRecordFixedSize) return fail();
    const std::size_t size = load_u16(message_.data() + fields + 8);
    const std::size_t rdata = fields + kRecordFixedSize;
    if (message_.size() - rdata < size) return fail();
    record.owner = at_;
    record.fields = fields;
    record.rdata = rdata;
    record.end = rdata + size;
    record.section = section_;
    record.after = --left_[section_];
    record.type = RRType{load_u16(message_.data() + fields)};
    record.rrclass = RRClass{load_u16(message_.data() + fields + 2)};
    at_ = record.end;
    return true;
  }

  // After next() said false: there were as many records as the header says, to the last octet.
  [[nodiscard]] bool complete() const noexcept { return !failed_ && at_ == message_.size(); }

 private:
  bool fail() noexcept {
    failed_ = true;
    return false;
  }

  std::span<const std::uint8_t> message_;
  std::size_t at_;
  std::array<unsigned, 3> left_{};
  unsigned section_ = 0;
  bool failed_ = false;
};

// Whether a record of the authority section is an SOA: RFC 2308 section 2 tells "no data" by it.
// `at` is where the question section ends. REQUIRES: a whole header.
[[nodiscard]] bool has_authority_soa(std::span<const std::uint8_t> message,
                                     std::size_t at) noexcept;

}  // namespace clusterdns::dns
