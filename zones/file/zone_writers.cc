#include "zones/file/zone_writers.h"

#include <array>

#include "dns/query/encoder.h"

namespace clusterdns::zones {
namespace {

using dns::Encoder;
using dns::NameView;
using dns::RRsetRef;
using dns::RRType;
using dns::Written;
using Octets = std::span<const std::uint8_t>;

constexpr std::size_t kNoHosts = static_cast<std::size_t>(-1);

// Where in RDATA the name of a host stands.
std::size_t host_offset(RRType type) noexcept {
  switch (type) {
    case RRType::NS: return 0;
    case RRType::MX:
    case RRType::SVCB:
    case RRType::HTTPS: return 2;
    case RRType::SRV: return 6;
    default: return kNoHosts;
  }
}

RRType covered_type(Octets signature) noexcept {
  return signature.size() < 2 ? RRType{0} : RRType{dns::load_u16(signature.data())};
}

// One record by dns::write_rdata(), which takes it whole or not at all.
bool write_one(const RRsetRef& rrset, RRType type, Octets rdata, Encoder& encoder) noexcept {
  RRsetRef one = rrset;
  one.type = type;
  one.data = rdata.data();
  one.count = static_cast<std::uint32_t>(rdata.size());
  const std::size_t before = encoder.size();
  if (dns::write_rdata(one, encoder) == Written::All) return true;
  encoder.rewind(before);
  return false;
}

// `data`: the RRset; `more`: its table; `first`: the number of its signatures' RRset + 1, or 0.
Written write_zone_records(const RRsetRef& rrset, Encoder& encoder) noexcept {
  const auto& records = *static_cast<const ZoneTable::RRset*>(rrset.data);
  const auto& zone = *static_cast<const ZoneTable*>(rrset.more);
  std::uint32_t written = 0;
  bool full = false;
  // Those from the place on where it starts, then those before.
  for (const bool second : {false, true}) {
    if (second && rrset.rotation == 0) break;
    std::uint32_t i = 0;
    zone.for_each(records, [&](Octets rdata) {
      const bool before = i++ < rrset.rotation;
      if (full || before != second) return;
      if (write_one(rrset, records.type, rdata, encoder)) {
        ++written;
      } else {
        full = true;
      }
    });
  }
  if (!full && rrset.first != 0) {
    zone.for_each(zone.rrset_at(rrset.first - 1), [&](Octets rdata) {
      if (full || covered_type(rdata) != records.type) return;
      full = !write_one(rrset, RRType::RRSIG, rdata, encoder);
    });
  }
  return !full ? Written::All : written == 0 ? Written::None : Written::Part;
}

// Octets that a record takes at most.
std::size_t most_octets(NameView owner, Octets rdata) noexcept {
  return owner.size() + 10 + rdata.size();
}

}  // namespace

bool write_zone_record(NameView owner, RRType type, std::uint32_t ttl, Octets rdata,
                       Encoder& encoder) noexcept {
  if (encoder.room() < most_octets(owner, rdata)) return false;
  if (!encoder.write_compressed(owner.data(), owner.size())) return false;
  encoder.u16(static_cast<std::uint16_t>(type));
  encoder.u16(static_cast<std::uint16_t>(dns::RRClass::IN));
  encoder.u32(ttl);
  encoder.u16(static_cast<std::uint16_t>(rdata.size()));
  if (!rdata.empty()) encoder.bytes(rdata.data(), rdata.size());
  encoder.add_records(1);
  return true;
}

namespace {

// `data`, `more` as above; `first`: where the hosts' names stand in RDATA; `count`: 1 of glue, 2
// with signatures.
Written write_host_addresses(const RRsetRef& rrset, Encoder& encoder) noexcept {
  const auto& records = *static_cast<const ZoneTable::RRset*>(rrset.data);
  const auto& zone = *static_cast<const ZoneTable*>(rrset.more);
  const bool glue = (rrset.count & 1) != 0;
  const bool dnssec = (rrset.count & 2) != 0;
  std::array<const ZoneTable::Node*, kMaxAdditionalHosts> seen;
  std::size_t hosts = 0;
  bool full = false;
  zone.for_each(records, [&](Octets rdata) {
    if (full || hosts == seen.size() || rdata.size() <= rrset.first) return;
    const Octets host = rdata.subspan(rrset.first);
    // The name ends within the RDATA, which was checked; what follows it does not matter here.
    std::size_t size = 0;
    while (host[size] != 0) size += std::size_t{1} + host[size];
    ++size;
    std::array<std::uint8_t, dns::kMaxNameSize + 2 * dns::kPadding> lower;
    dns::lower_name_padded(host.data(), lower.data(), size);
    const ZoneTable::Node* const node = zone.find_node({lower.data(), size});
    if (node == nullptr) return;
    for (std::size_t i = 0; i < hosts; ++i) {
      if (seen[i] == node) return;
    }
    seen[hosts++] = node;
    for (const RRType type : {RRType::A, RRType::AAAA}) {
      const ZoneTable::RRset* const addresses = zone.find(*node, type);
      if (addresses == nullptr) continue;
      const ZoneTable::RRset* const signatures = dnssec ? zone.find(*node, RRType::RRSIG) : nullptr;
      // Whole RRsets (RFC 2181 section 9): first whether there is room, as if no name were
      // compressed.
      std::size_t octets = 0;
      const auto each = [&](const auto& with) {
        zone.for_each(*addresses, [&](Octets address) { with(type, address); });
        if (signatures == nullptr) return;
        zone.for_each(*signatures, [&](Octets signature) {
          if (covered_type(signature) == type) with(RRType::RRSIG, signature);
        });
      };
      each([&](RRType, Octets data) { octets += most_octets(zone.name(*node), data); });
      full = octets > encoder.room();
      if (full) return;
      each([&](RRType of, Octets data) {
        write_zone_record(zone.name(*node), of, addresses->ttl, data, encoder);
      });
    }
  });
  if (full && glue) encoder.answer().truncated = true;
  return Written::All;  // of what there is room for
}

}  // namespace

RRsetRef records_of(const ZoneTable& zone, const ZoneTable::Node& node,
                    const ZoneTable::RRset& rrset, std::uint8_t owner, bool dnssec,
                    bool rotate) noexcept {
  RRsetRef ref;
  ref.type = rrset.type;
  ref.ttl = rrset.ttl;
  ref.owner = owner;
  if (rotate) ref.rotation = zone.next_turn(rrset);
  const ZoneTable::RRset* const signatures =
      dnssec && rrset.type != RRType::RRSIG ? zone.find(node, RRType::RRSIG) : nullptr;
  if (signatures == nullptr && ZoneTable::row_size(rrset.type) != 0) [[likely]] {
    ref.write = &dns::write_rows;
    ref.data = zone.rows(rrset);
    ref.count = rrset.count;
    return ref;
  }
  ref.write = &write_zone_records;
  ref.data = &rrset;
  ref.more = &zone;
  ref.count = rrset.count;
  ref.first = signatures == nullptr ? 0 : zone.number_of(*signatures) + 1;
  return ref;
}

bool addresses_of(const ZoneTable& zone, const ZoneTable::RRset& rrset, bool glue, bool dnssec,
                  RRsetRef* addresses) noexcept {
  const std::size_t offset = host_offset(rrset.type);
  if (offset == kNoHosts) return false;
  *addresses = {};
  addresses->write = &write_host_addresses;
  addresses->data = &rrset;
  addresses->more = &zone;
  addresses->first = static_cast<std::uint32_t>(offset);
  addresses->count = (glue ? 1U : 0U) | (dnssec ? 2U : 0U);
  addresses->ttl = rrset.ttl;
  addresses->type = RRType::A;
  return true;
}

}  // namespace clusterdns::zones
