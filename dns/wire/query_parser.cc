#include "dns/wire/query_parser.h"

#include <algorithm>
#include <bit>

namespace clusterdns::dns {
namespace {

// Offset after an owner name at `at`, which may end in a pointer; 0 when it does not fit.
std::size_t skip_name(std::span<const std::uint8_t> packet, std::size_t at) noexcept {
  while (at < packet.size()) {
    const std::uint8_t length = packet[at];
    if (length == 0) return at + 1;
    if ((length & 0xC0) == 0xC0) return at + 2 <= packet.size() ? at + 2 : 0;
    if ((length & 0xC0) != 0) return 0;
    at += std::size_t{1} + length;
  }
  return 0;
}

// Reads the OPT record's fixed fields (RFC 6891 6.1.3) and checks that its options fill it.
bool read_opt(std::span<const std::uint8_t> packet, std::size_t start, std::size_t fields,
              std::size_t rdata, std::size_t end, Query& query) noexcept {
  if (packet[start] != 0) return false;  // the owner must be the root (RFC 6891 6.1.2)
  for (std::size_t at = rdata; at < end;) {
    if (end - at < 4) return false;
    at += std::size_t{4} + load_u16(packet.data() + at + 2);
    if (at > end) return false;
  }
  query.has_edns = true;
  query.udp_size = load_u16(packet.data() + fields + 2);
  query.edns_version = packet[fields + 5];
  query.dnssec_ok = (packet[fields + 6] & 0x80) != 0;
  query.opt_offset = static_cast<std::uint16_t>(start);
  query.opt_end = static_cast<std::uint16_t>(end);
  return true;
}

// The records behind the question, of which a query may bring OPT and others in the additional
// section (TSIG, for example, which is not for us).
[[gnu::noinline]] Gate parse_records(std::span<const std::uint8_t> packet, std::size_t at,
                                     Query& query) noexcept {
  const std::uint8_t* const p = packet.data();
  // A query brings no records of its own in these sections, but for IXFR's SOA (RFC 1995 3); NSD
  // refuses others too.
  if (load_u16(p + 6) != 0 || (load_u16(p + 8) != 0 && query.qtype != RRType::IXFR)) {
    return Gate::FormErr;
  }
  const unsigned before_additional = 0u + load_u16(p + 6) + load_u16(p + 8);
  const unsigned records = before_additional + load_u16(p + 10);
  for (unsigned i = 0; i < records; ++i) {
    const std::size_t start = at;
    at = skip_name(packet, at);
    if (at == 0 || packet.size() - at < 10) return Gate::FormErr;
    const std::size_t fields = at;
    const auto type = RRType{load_u16(p + fields)};
    const std::size_t rdata = fields + 10;
    at = rdata + load_u16(p + fields + 8);
    if (at > packet.size()) return Gate::FormErr;
    if (type == RRType::OPT) {
      // One OPT at most, and only in the additional section (RFC 6891 6.1.1).
      if (query.has_edns || i < before_additional) return Gate::FormErr;
      if (!read_opt(packet, start, fields, rdata, at, query)) return Gate::FormErr;
    }
  }
  if (at != packet.size()) return Gate::FormErr;
  return query.has_edns && query.edns_version != 0 ? Gate::BadVers : Gate::Pass;
}

}  // namespace

Gate parse_query(std::span<const std::uint8_t> packet, Query& query) noexcept {
  const std::uint8_t* const p = packet.data();
  const std::size_t size = packet.size();
  query.packet = p;
  query.size = size;
  query.question_end = 0;
  query.has_edns = false;
  query.dnssec_ok = false;
  query.udp_size = 0;
  query.qname_size = 0;
  if (size < kHeaderSize) return Gate::Drop;
  query.id = load_u16(p);
  query.flags = load_u16(p + 2);
  if ((query.flags & (kFlagQR | 0x7800)) != 0) [[unlikely]] {
    return (query.flags & kFlagQR) != 0 ? Gate::Drop : Gate::NotImp;
  }
  if (load_u16(p + 4) != 1) [[unlikely]] return Gate::FormErr;

  // The question name: uncompressed, at most 255 octets.
  const std::uint8_t* const name = p + kHeaderSize;
  // Where a length octet may stand at most, so that type and class still follow the root's.
  if (size - kHeaderSize < 5) return Gate::FormErr;
  const std::size_t last = std::min(size - kHeaderSize - 5, kMaxNameSize - 1);
  std::size_t at = 0;
  unsigned labels = 0;
  for (;;) {
    const std::size_t length = name[at];
    query.label_offset[labels] = static_cast<std::uint8_t>(at);
    if (length == 0) break;
    at += 1 + length;
    if (length > kMaxLabelSize || at > last) [[unlikely]] {
      return Gate::FormErr;
    }
    ++labels;
  }
  ++at;
  query.qname_size = static_cast<std::uint8_t>(at);
  query.label_count = static_cast<std::uint8_t>(labels);
  lower_name_padded(name, query.lower.data(), at);
  at += kHeaderSize;
  query.qtype = RRType{load_u16(p + at)};
  query.qclass = RRClass{load_u16(p + at + 2)};
  at += 4;
  query.question_end = static_cast<std::uint16_t>(at);

  // What nearly every query has: nothing more, or one OPT without options.
  std::uint64_t counts;
  std::memcpy(&counts, p + 4, 8);
  static constexpr std::array<std::uint8_t, 8> kQuestionOnly{0, 1, 0, 0, 0, 0, 0, 0};
  static constexpr std::array<std::uint8_t, 8> kWithOne{0, 1, 0, 0, 0, 0, 0, 1};
  if (counts == std::bit_cast<std::uint64_t>(kQuestionOnly)) {
    return at == size ? Gate::Pass : Gate::FormErr;
  }
  if (counts == std::bit_cast<std::uint64_t>(kWithOne) && size == at + kOptRecordSize &&
      p[at] == 0 && load_u16(p + at + 1) == static_cast<std::uint16_t>(RRType::OPT) &&
      load_u16(p + at + 9) == 0) {
    query.has_edns = true;
    query.udp_size = load_u16(p + at + 3);
    query.edns_version = p[at + 6];
    query.dnssec_ok = (p[at + 7] & 0x80) != 0;
    query.opt_offset = static_cast<std::uint16_t>(at);
    query.opt_end = static_cast<std::uint16_t>(size);
    return query.edns_version == 0 ? Gate::Pass : Gate::BadVers;
  }
  return parse_records(packet, at, query);
}

}  // namespace clusterdns::dns
