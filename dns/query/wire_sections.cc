#include "dns/query/wire_sections.h"

#include <algorithm>
#include <cstring>
#include <span>

namespace clusterdns::dns {
namespace {

constexpr std::uint16_t kExtendedErrorOption = 15;                // RFC 8914 section 2
constexpr std::uint16_t kCachedError = 13;                        // RFC 8914 section 4.14
constexpr std::uint8_t kCachedErrorOption[] = {0, kCachedError};  // as an option's data

// The records of one section, by their number in it.
class Place {
 public:
  Place(const WireSections& sections, std::size_t index) noexcept
      : sections_(sections),
        ttls_(sections.ttls),
        begin_(index == 0 ? sections.begin : sections.end[index - 1]) {
    for (std::size_t i = 0; i < index; ++i) ttls_ += sections.records[i];
  }
  [[nodiscard]] std::size_t ttl(std::size_t record) const noexcept { return ttls_[record]; }
  // A TTL, RDLENGTH and RDATA end a record.
  [[nodiscard]] std::size_t end(std::size_t record) const noexcept {
    const std::size_t at = ttls_[record];
    return at + 6 + load_u16(octet(at + 4));
  }
  [[nodiscard]] std::size_t begin(std::size_t record) const noexcept {
    return record == 0 ? begin_ : end(record - 1);
  }
  // The octet that has offset `at` in the message.
  [[nodiscard]] const std::uint8_t* octet(std::size_t at) const noexcept {
    return sections_.octets + (at - sections_.begin);
  }

 private:
  const WireSections& sections_;
  const std::uint16_t* ttls_;
  std::size_t begin_;
};

// Whole records from the front, in the order they are sent. How many there is room for.
[[gnu::noinline]] std::size_t write_some(const WireSections& sections, const Place& place,
                                         std::size_t records, std::size_t turn, std::uint32_t ttl,
                                         Encoder& encoder) noexcept {
  for (std::size_t i = 0; i < records; ++i) {
    std::size_t record = i;
    if (turn != 0 && i - sections.turn_first < sections.turn_count) {
      record = sections.turn_first + (i - sections.turn_first + turn) % sections.turn_count;
    }
    const std::size_t begin = place.begin(record);
    const std::size_t size = place.end(record) - begin;
    if (size > encoder.room()) return i;
    std::uint8_t* const at = encoder.position();
    std::memcpy(at, place.octet(begin), size);
    if (ttl != kTtlAsItStands) store_u32(at + (place.ttl(record) - begin), ttl);
    encoder.skip(size);
  }
  return records;
}

// `data` is a WireSections, `first` the section, `count` its records, `rotation` the record of the
// turnable RRset to begin with.
Written write_section(const RRsetRef& ref, Encoder& encoder) noexcept {
  const auto& sections = *static_cast<const WireSections*>(ref.data);
  const std::size_t index = ref.first;
  const Place place(sections, index);
  const std::size_t begin = index == 0 ? sections.begin : sections.end[index - 1];
  const std::size_t end = sections.end[index];
  // Pointers are true only where the records stood. A section before this one was left out.
  if (encoder.size() != begin) return Written::None;
  if (end - begin > encoder.room()) {
    const std::size_t written =
        write_some(sections, place, ref.count, ref.rotation, ref.ttl, encoder);
    encoder.add_records(static_cast<std::uint32_t>(written));
    return written == 0 ? Written::None : Written::Part;
  }
  std::uint8_t* const at = encoder.position();
  const std::uint8_t* const from = place.octet(begin);
  if (ref.rotation == 0) {
    std::memcpy(at, from, end - begin);
    if (ref.ttl != kTtlAsItStands) {
      for (std::size_t i = 0; i < ref.count; ++i) store_u32(at + (place.ttl(i) - begin), ref.ttl);
    }
  } else {
    // The RRset from its record `middle` on, then those before.
    const std::size_t first = sections.turn_first;
    const std::size_t middle = first + ref.rotation;
    const std::size_t last = first + sections.turn_count;
    const std::size_t set_begin = place.begin(first) - begin;
    const std::size_t set_middle = place.begin(middle) - begin;
    const std::size_t set_end = place.end(last - 1) - begin;
    std::memcpy(at, from, set_begin);
    std::memcpy(at + set_begin, from + set_middle, set_end - set_middle);
    std::memcpy(at + set_begin + (set_end - set_middle), from + set_begin, set_middle - set_begin);
    std::memcpy(at + set_end, from + set_end, end - begin - set_end);
    if (ref.ttl != kTtlAsItStands) {
      for (std::size_t i = 0; i < ref.count; ++i) {
        std::size_t ttl_at = place.ttl(i) - begin;
        if (i >= first && i < middle) ttl_at += set_end - set_middle;
        if (i >= middle && i < last) ttl_at -= set_middle - set_begin;
        store_u32(at + ttl_at, ref.ttl);
      }
    }
  }
  encoder.skip(end - begin);
  encoder.add_records(ref.count);
  // Known of all sections together, and told with the first of them.
  if (begin == sections.begin) encoder.add_saved(sections.saved);
  return Written::All;
}

}  // namespace

void set_reply_head(const ReplyHead& head, const Query& query, Answer& answer) noexcept {
  // An rcode above 15 cannot be told without OPT (RFC 6891 6.1.3).
  answer.rcode = head.rcode > 15 && !query.has_edns ? Rcode::ServFail : Rcode{head.rcode};
  answer.relayed = true;
  answer.authoritative = (head.flags & kFlagAA) != 0;
  // RFC 6840 5.8: only to those who can tell what it means.
  answer.authentic_data =
      (head.flags & kFlagAD) != 0 && (query.dnssec_ok || (query.flags & kFlagAD) != 0);
  set_reply_error(head, answer);
}

void set_reply_error(const ReplyHead& head, Answer& answer) noexcept {
  if (head.extended_error) [[unlikely]] {
    answer.error = {true, ExtendedError{*head.extended_error}, ""};
  }
  if (!head.kept_failure) [[likely]]
    return;
  if (answer.error.set) {
    // Without room for it the first one stands alone.
    (void)answer.add_option(kExtendedErrorOption, kCachedErrorOption);
  } else {
    answer.error = {true, ExtendedError{kCachedError}, ""};
  }
}

void add_wire_sections(const WireSections& sections, std::uint32_t ttl, std::uint32_t turn,
                       Answer& answer) noexcept {
  const auto section = [&](RRsetRef& to, std::uint32_t index) -> RRsetRef& {
    to = {};
    to.write = &write_section;
    to.data = &sections;
    to.first = index;
    to.count = sections.records[index];
    to.ttl = ttl;
    return to;
  };
  if (sections.records[0] != 0) {
    RRsetRef& records = section(answer.next_answer(), 0);
    if (sections.turn_count > 1) records.rotation = turn % sections.turn_count;
  }
  if (sections.records[1] != 0) section(answer.next_authority(), 1);
  if (sections.records[2] != 0) section(answer.next_additional(), 2);
}

bool has_wire_sections(const Answer& answer) noexcept {
  const auto is_one = [](const RRsetRef& ref) { return ref.write == &write_section; };
  const auto additional = std::span<const RRsetRef>(answer.additional, answer.additional_count);
  const auto authority = std::span<const RRsetRef>(answer.authority, answer.authority_count);
  return std::ranges::any_of(answer.answers(), is_one) || std::ranges::any_of(authority, is_one) ||
         std::ranges::any_of(additional, is_one);
}

}  // namespace clusterdns::dns
