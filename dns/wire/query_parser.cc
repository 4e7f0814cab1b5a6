#include "dns/wire/query_parser.h"

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

}  // namespace

Gate parse_query(std::span<const std::uint8_t> packet, Query& query) noexcept {
  const std::uint8_t* const p = packet.data();
  query.packet = p;
  query.size = packet.size();
  query.question_end = 0;
  query.has_edns = false;
  query.dnssec_ok = false;
  query.udp_size = 0;
  query.opt_offset = query.opt_end = 0;
  query.qname_size = 0;
  query.label_count = 0;
  if (packet.size() < kHeaderSize) return Gate::Drop;
  query.id = load_u16(p);
  query.flags = load_u16(p + 2);
  if ((query.flags & kFlagQR) != 0) return Gate::Drop;
  const unsigned opcode = (query.flags >> 11) & 0xF;
  if (opcode != static_cast<unsigned>(Opcode::Query)) return Gate::NotImp;
  if (load_u16(p + 4) != 1) return Gate::FormErr;

  // The question name: uncompressed, at most 255 octets.
  std::size_t at = kHeaderSize;
  std::uint8_t labels = 0;
  for (;;) {
    if (at >= packet.size()) return Gate::FormErr;
    const std::uint8_t length = p[at];
    query.label_offset[labels] = static_cast<std::uint8_t>(at - kHeaderSize);
    if (length == 0) break;
    if (length > kMaxLabelSize) return Gate::FormErr;
    at += std::size_t{1} + length;
    if (at - kHeaderSize >= kMaxNameSize) return Gate::FormErr;
    ++labels;
  }
  ++at;
  if (packet.size() - at < 4) return Gate::FormErr;
  query.qname_size = static_cast<std::uint8_t>(at - kHeaderSize);
  query.label_count = labels;
  lower_name_padded(p + kHeaderSize, query.lower.data(), query.qname_size);
  query.qtype = RRType{load_u16(p + at)};
  query.qclass = RRClass{load_u16(p + at + 2)};
  at += 4;
  query.question_end = static_cast<std::uint16_t>(at);

  // A query brings no records of its own in these sections, but for IXFR's SOA (RFC 1995 3); NSD
  // refuses others too.
  if (load_u16(p + 6) != 0 || (load_u16(p + 8) != 0 && query.qtype != RRType::IXFR)) {
    return Gate::FormErr;
  }
  const unsigned records = 0u + load_u16(p + 6) + load_u16(p + 8) + load_u16(p + 10);
  const unsigned before_additional = 0u + load_u16(p + 6) + load_u16(p + 8);
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
  if (query.has_edns && query.edns_version != 0) return Gate::BadVers;
  return Gate::Pass;
}

}  // namespace clusterdns::dns
