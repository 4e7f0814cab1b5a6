#include "dns/wire/query_parser.h"

#include <algorithm>
#include <bit>

#include "dns/wire/message_reader.h"
#include "dns/wire/record_walker.h"

namespace clusterdns::dns {
namespace {

// Whether whole options stand in packet[at, end) (RFC 6891 6.1.2).
bool are_options(const std::uint8_t* packet, std::size_t at, std::size_t end) noexcept {
  while (at < end) {
    if (end - at < 4) return false;
    at += std::size_t{4} + load_u16(packet + at + 2);
  }
  return at == end;
}

// Reads the fixed fields of the OPT record in packet[at, end) (RFC 6891 6.1.3) and checks that its
// options fill it.
bool read_opt(const std::uint8_t* packet, std::size_t at, std::size_t end, Query& query) noexcept {
  if (packet[at] != 0) return false;  // the owner must be the root (RFC 6891 6.1.2)
  if (!are_options(packet, at + kOptRecordSize, end)) return false;
  const std::uint8_t* const fields = packet + at + 1;
  query.has_edns = true;
  query.udp_size = load_u16(fields + 2);
  query.edns_version = fields[5];
  query.dnssec_ok = (fields[6] & 0x80) != 0;
  query.opt_offset = static_cast<std::uint16_t>(at);
  query.opt_end = static_cast<std::uint16_t>(end);
  return true;
}

// A record that is neither for us nor in our way: it must be what its type says all the same
// (RFC 1035 4.1.1: "the name server was unable to interpret the query").
bool can_be_read(std::span<const std::uint8_t> packet, const RecordPlace& record) noexcept {
  if (check_name(packet, record.owner) == 0) return false;
  // TSIG signs what stands before it (RFC 8945 5.1).
  if (record.type == RRType::TSIG && (record.section != 2 || record.after != 0)) return false;
  return check_rdata(record.type, packet, record.rdata, record.end) != RdataCheck::Bad;
}

// The records behind the question, of which a query may bring OPT and others in the additional
// section (TSIG, for example, which is not for us).
[[gnu::noinline]] Gate parse_records(std::span<const std::uint8_t> packet, std::size_t at,
                                     Query& query) noexcept {
  const std::uint8_t* const p = packet.data();
  // A query brings no records of its own in these sections, but for IXFR's SOA (RFC 1995 3); NSD
  // refuses others too.
  const unsigned authority = load_u16(p + 8);
  if (load_u16(p + 6) != 0 || (authority != 0 && query.qtype != RRType::IXFR) ||
      authority + load_u16(p + 10) > kMaxQueryRecords) {
    return Gate::FormErr;
  }
  if (authority == 0 && load_u16(p + 10) == 1 && packet.size() - at >= kOptRecordSize &&
      p[at] == 0 && load_u16(p + at + 1) == static_cast<std::uint16_t>(RRType::OPT) &&
      load_u16(p + at + 9) == packet.size() - at - kOptRecordSize) {
    // An OPT with options, and nothing else: a client with cookies.
    if (!read_opt(p, at, packet.size(), query)) return Gate::FormErr;
    return query.edns_version != 0 ? Gate::BadVers : Gate::Pass;
  }
  RecordWalker walker(packet, at);
  RecordPlace record;
  while (walker.next(record)) {
    if (record.type == RRType::OPT) {
      // One OPT at most, and only in the additional section (RFC 6891 6.1.1).
      if (query.has_edns || record.section != 2) return Gate::FormErr;
      if (!read_opt(p, record.owner, record.end, query)) return Gate::FormErr;
    } else if (!can_be_read(packet, record)) {
      return Gate::FormErr;
    }
  }
  if (!walker.complete()) return Gate::FormErr;
  return query.has_edns && query.edns_version != 0 ? Gate::BadVers : Gate::Pass;
}

// For queries that a gate refuses before all their records are read: whether there is an OPT record
// all the same. A response has one then, with the DO bit as it came (RFC 6891 6.1.1, RFC 3225
// section 3).
[[gnu::cold]] void look_for_opt(std::span<const std::uint8_t> packet, Query& query) noexcept {
  std::size_t at = kHeaderSize;
  for (unsigned i = load_u16(packet.data() + 4); i > 0; --i) {
    at = skip_name(packet, at);
    if (at == 0 || packet.size() - at < 4) return;
    at += 4;
  }
  RecordWalker walker(packet, at);
  RecordPlace record;
  while (walker.next(record)) {
    if (record.type != RRType::OPT || record.section != 2) continue;
    (void)read_opt(packet.data(), record.owner, record.end, query);
    return;
  }
}

[[gnu::always_inline]] inline Gate parse(std::span<const std::uint8_t> packet,
                                         Query& query) noexcept {
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
  if (load_u16(p + 4) != 1) [[unlikely]]
    return Gate::FormErr;

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

}  // namespace

Gate parse_query(std::span<const std::uint8_t> packet, Query& query) noexcept {
  const Gate gate = parse(packet, query);
  if (gate == Gate::Pass) [[likely]]
    return gate;
  if ((gate == Gate::FormErr || gate == Gate::NotImp) && !query.has_edns) [[unlikely]] {
    look_for_opt(packet, query);
  }
  return gate;
}

}  // namespace clusterdns::dns
