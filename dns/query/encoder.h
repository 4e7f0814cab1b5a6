// Turns a decided answer into octets: compression, rotation, size limit, TC, OPT last.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#include "dns/query/answer.h"
#include "dns/wire/query_parser.h"

namespace clusterdns::dns {

// Writes into a buffer of the caller; never allocates, never throws.
class Encoder {
 public:
  // Octets are written at `out`, at most `limit` of them.
  // Records are of class `rrclass`.
  Encoder(std::uint8_t* out, std::size_t limit, Answer& answer,
          RRClass rrclass = RRClass::IN) noexcept
      : base_(out), pos_(out), end_(out + limit), answer_(answer), rrclass_(rrclass) {}

  [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(pos_ - base_); }
  [[nodiscard]] std::size_t room() const noexcept { return static_cast<std::size_t>(end_ - pos_); }
  [[nodiscard]] std::uint8_t* position() noexcept { return pos_; }
  // Goes back to an earlier size(), to drop an RRset that did not fit. Names written after it are
  // forgotten as compression targets; what was saved since is the caller's to restore.
  void rewind(std::size_t size) noexcept;

  // REQUIRES: the caller checked room().
  void u16(std::uint16_t v) noexcept {
    store_u16(pos_, v);
    pos_ += 2;
  }
  void u32(std::uint32_t v) noexcept {
    store_u32(pos_, v);
    pos_ += 4;
  }
  void bytes(const void* data, std::size_t size) noexcept {
    std::memcpy(pos_, data, size);
    pos_ += size;
  }
  void skip(std::size_t size) noexcept { pos_ += size; }

  // The compression pointer to names[owner], or 0 when it is not in the message yet.
  [[nodiscard]] std::uint16_t owner_pointer(std::uint8_t owner) const noexcept {
    const std::uint16_t offset = answer_.names[owner].offset;
    return offset == 0 ? std::uint16_t{0} : static_cast<std::uint16_t>(0xC000 | offset);
  }
  // Writes names[index], compressed; remembers where when that is within a pointer's reach.
  // False when there is no room (nothing is written then).
  bool write_name(std::uint8_t index) noexcept {
    const AnswerName& name = answer_.names[index];
    if (name.offset == 0) [[unlikely]]
      return write_first(index);
    if (room() < 2) return false;
    u16(static_cast<std::uint16_t>(0xC000 | name.offset));
    saved_ += name.size - std::size_t{2};
    return true;
  }
  // Writes any wire name, compressed against the names of the answer that are in the message.
  // Only for owners and for the RDATA of RFC 1035 types (RFC 3597 section 4).
  // `*literal`, when asked for, becomes the number of octets before the pointer.
  bool write_compressed(const std::uint8_t* wire, std::size_t size,
                        std::size_t* literal = nullptr) noexcept;

  // Writes a name of RDATA, compressed likewise. One of the answer's names that is not in the
  // message yet can be referred to from then on.
  bool write_rdata_name(const std::uint8_t* wire, std::size_t size) noexcept;

  // Owner, type, class and TTL; RDLENGTH is left to the caller. False without room for these
  // and RDLENGTH.
  bool record_head(std::uint8_t owner, RRType type, std::uint32_t ttl) noexcept;

  [[nodiscard]] Answer& answer() noexcept { return answer_; }
  // A place in the message that a writer leaves for the one of its additional data: the offset of
  // its first record.
  void set_mark(std::size_t offset) noexcept { mark_ = offset; }
  [[nodiscard]] std::size_t mark() const noexcept { return mark_; }
  [[nodiscard]] const std::uint8_t* message() const noexcept { return base_; }
  // Tells the encoder how many records of the present section were written.
  void add_records(std::uint32_t n) noexcept { records_ += n; }
  // Tells the encoder how many octets compression pointers have saved; see Answer::plain_size.
  void add_saved(std::size_t octets) noexcept { saved_ += octets; }
  // The same for `count` records whose owner is a pointer to names[owner].
  void add_saved_owners(std::uint8_t owner, std::size_t count) noexcept {
    saved_ += (answer_.names[owner].size - std::size_t{2}) * count;
  }

 private:
  // write_name of one that is not in the message yet.
  bool write_first(std::uint8_t index) noexcept;

  friend std::size_t encode_answer(const Query&, Answer&, std::uint16_t, std::uint8_t*,
                                   std::size_t) noexcept;
  std::uint8_t* base_;
  std::uint8_t* pos_;
  std::uint8_t* end_;
  Answer& answer_;
  const RRClass rrclass_;
  std::uint32_t records_ = 0;
  std::size_t mark_ = 0;
  std::size_t saved_ = 0;
};

// Address records, or any records of one size without names in them: `data` points to rows of
// complete records whose owner is a pointer to the question (0xC00C); `more` is unused,
// `first` the index of the first row, `count` their number. Rows are kARowSize or kAaaaRowSize
// octets by type.
inline constexpr std::size_t kARowSize = 16;     // RFC 1035 3.4.1 behind a pointer
inline constexpr std::size_t kAaaaRowSize = 28;  // RFC 3596 2.2 behind a pointer
Written write_rows(const RRsetRef& rrset, Encoder& encoder) noexcept;
// Makes such a row of an address of 4 or 16 octets.
void put_address_row(std::uint8_t* row, std::span<const std::uint8_t> address,
                     std::uint32_t ttl) noexcept;

// CNAME; `first` is the index of the target in Answer::names.
Written write_cname(const RRsetRef& rrset, Encoder& encoder) noexcept;

// One record with RDATA `data` of `count` octets, names in it in full. They are compressed where
// RFC 3597 section 4 allows it; all else is copied.
Written write_rdata(const RRsetRef& rrset, Encoder& encoder) noexcept;

// Encodes the whole response to `query` into `out`, at most `limit` octets, EDNS included. An
// answer that is overfull becomes SERVFAIL; EDNS options that leave no room for the question are
// left out. `our_udp_size` is announced in the OPT record. Sets TC when the answer section is
// incomplete; additional data is left out in silence (RFC 2181 section 9). Returns the size in
// octets. REQUIRES: limit >= 512.
[[nodiscard]] std::size_t encode_answer(const Query& query, Answer& answer,
                                        std::uint16_t our_udp_size, std::uint8_t* out,
                                        std::size_t limit) noexcept;

// A header and, where it was readable, the question: for gates that say no. Returns the size.
[[nodiscard]] std::size_t encode_error(const Query& query, Rcode rcode, std::uint16_t our_udp_size,
                                       std::uint8_t* out, std::size_t limit) noexcept;

}  // namespace clusterdns::dns
