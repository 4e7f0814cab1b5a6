#include "zones/rrset_writers.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace clusterdns::zones {
namespace {

using dns::Encoder;
using dns::RRsetRef;
using dns::RRType;
using dns::Written;

constexpr std::size_t kRecordHead = 10;  // type, class, TTL, RDLENGTH
constexpr std::size_t kSrvFixed = 6;     // priority, weight, port

// SOA timers as CoreDNS has them, in seconds; nobody transfers these zones.
constexpr std::uint32_t kRefresh = 7200;
constexpr std::uint32_t kRetry = 1800;
constexpr std::uint32_t kExpire = 86400;

constexpr std::uint8_t kNsDns[] = {2, 'n', 's', 3, 'd', 'n', 's'};
constexpr std::uint8_t kHostmaster[] = {10, 'h', 'o', 's', 't', 'm', 'a', 's', 't', 'e', 'r'};

// SRV answers of one target that stand side by side.
struct SrvStep {
  const ServiceBlock::Endpoint* endpoint;  // nullptr: the service itself
  std::span<const std::uint16_t> numbers;
  bool first;  // the target's addresses belong to this step
};

// Those of a named port: set after set, within a set endpoint after endpoint.
template <class Visit>
void for_each_at_port(const ServiceBlock& block, std::uint16_t named_port, Visit&& visit) noexcept {
  const auto uses = block.uses(block.named_ports()[named_port]);
  for (std::size_t u = 0; u < uses.size(); ++u) {
    if (uses[u].number == 0) continue;
    // Each number of a set comes with the same targets.
    const bool first = u == 0 || uses[u - 1].set != uses[u].set;
    const std::span<const std::uint16_t> number(&uses[u].number, 1);
    if (block.kind() != BlockKind::Headless) {
      if (!visit({nullptr, number, u == 0})) return;
      continue;
    }
    const ServiceBlock::PortSet& set = block.port_set(uses[u].set);
    if (set.endpoint_count == 0) return;  // as all that follow: a set of addresses only
    for (const auto& e : block.endpoints().subspan(set.endpoint_first, set.endpoint_count)) {
      if (!visit({&e, number, first})) return;
    }
  }
}

// Calls visit(step) for all SRV answers in the order of sending, until it returns false.
template <class Visit>
void for_each_srv(const ServiceBlock& block, std::uint32_t endpoint, std::uint16_t named_port,
                  Visit&& visit) noexcept {
  if (endpoint != ServiceBlock::kNotFound) {
    const ServiceBlock::Endpoint e = block.endpoint(endpoint);
    visit({&e, block.numbers(block.port_set(e.port_set)), true});
  } else if (named_port != ServiceBlock::kNoPort) {
    for_each_at_port(block, named_port, visit);
  } else if (block.kind() == BlockKind::ClusterIP) {
    visit({nullptr, block.numbers(block.port_set(0)), true});
  } else {
    for (const auto& e : block.endpoints().first(block.srv_endpoint_count())) {
      if (!visit({&e, block.numbers(block.port_set(e.port_set)), true})) return;
    }
  }
}

struct Srv {
  const ServiceBlock& block;
  const std::uint8_t* service;
  std::size_t service_size;
  std::uint32_t endpoint;
  std::uint16_t named_port;

  explicit Srv(const RRsetRef& r) noexcept
      : block(*static_cast<const ServiceBlock*>(r.data)),
        service(static_cast<const std::uint8_t*>(r.more)),
        service_size(r.count & 0xFFFF),
        endpoint(r.first),
        named_port(static_cast<std::uint16_t>(r.count >> 16)) {}

  // The label of the one target, when that is a plain endpoint.
  std::span<const std::uint8_t> plain_label(ServiceBlock::LabelScratch& scratch) const noexcept {
    if (endpoint == ServiceBlock::kNotFound || !block.plain()) return {};
    return block.endpoint_label(endpoint, scratch);
  }
};

}  // namespace

Written write_srv(const RRsetRef& rrset, Encoder& encoder) noexcept {
  const Srv srv(rrset);
  const std::uint32_t total = count_srv(srv.block, srv.endpoint, srv.named_port);
  const std::uint32_t weight = total > 100 ? 1 : 100 / std::max<std::uint32_t>(total, 1);
  std::uint32_t written = 0;
  std::uint64_t unwritable = 0;  // in a zone with a long name: no name has so many octets
  encoder.set_mark(encoder.size());
  // The question, or a CNAME's target: it stands in the message already.
  const std::uint16_t owner = encoder.owner_pointer(rrset.owner);
  if (owner == 0) return Written::None;
  ServiceBlock::LabelScratch scratch;
  const std::span<const std::uint8_t> plain_label = srv.plain_label(scratch);
  for_each_srv(
      srv.block, srv.endpoint,
      srv.named_port, [&](const SrvStep& step) __attribute__((always_inline)) {
        std::span<const std::uint8_t> label;
        if (step.endpoint != nullptr) {
          label = step.endpoint->label != 0 ? srv.block.endpoint_name(*step.endpoint) : plain_label;
        }
        const std::size_t target = label.size() + srv.service_size;
        if (target > dns::kMaxNameSize) {
          unwritable += step.numbers.size();
          return true;
        }
        for (const std::uint16_t number : step.numbers) {
          if (encoder.room() < 2 + kRecordHead + kSrvFixed + target) return false;
          std::uint8_t* p = encoder.position();
          dns::store_u16(p, owner);
          dns::store_u16(p + 2, static_cast<std::uint16_t>(RRType::SRV));
          dns::store_u16(p + 4, static_cast<std::uint16_t>(dns::RRClass::IN));
          dns::store_u32(p + 6, rrset.ttl);
          dns::store_u16(p + 10, static_cast<std::uint16_t>(kSrvFixed + target));
          dns::store_u16(p + 12, 0);
          dns::store_u16(p + 14, static_cast<std::uint16_t>(weight));
          dns::store_u16(p + 16, number);
          encoder.skip(18);
          if (!label.empty()) encoder.bytes(label.data(), label.size());
          encoder.bytes(srv.service, srv.service_size);
          ++written;
        }
        return true;
      });
  encoder.add_records(written);
  encoder.add_saved_owners(rrset.owner, written);
  return written + unwritable == total ? Written::All
         : written == 0                ? Written::None
                                       : Written::Part;
}

Written write_srv_glue(const RRsetRef& rrset, Encoder& encoder) noexcept {
  const Srv srv(rrset);
  std::size_t record = encoder.mark();
  std::uint32_t records = 0;
  // One RRset of rows under the name at `owner`; whole or not at all.
  const auto put = [&](const std::uint8_t* rows, std::size_t row, std::uint32_t count,
                       std::uint16_t owner, std::size_t owner_size) {
    if (encoder.room() < row * count) return false;
    std::uint8_t* const to = encoder.position();
    for (std::uint32_t i = 0; i < count; ++i) {
      if (row == dns::kARowSize) {
        std::memcpy(to + i * row, rows + i * row, dns::kARowSize);
      } else {
        std::memcpy(to + i * row, rows + i * row, dns::kAaaaRowSize);
      }
      dns::store_u16(to + i * row, owner);
    }
    encoder.skip(row * count);
    encoder.add_saved((owner_size - 2) * count);
    records += count;
    return true;
  };
  if (srv.block.kind() == BlockKind::ClusterIP && srv.endpoint == ServiceBlock::kNotFound) {
    // One target, whatever the number of ports.
    const auto owner = static_cast<std::uint16_t>(0xC000 | (record + 2 + kRecordHead + kSrvFixed));
    if (put(srv.block.a_rows(), dns::kARowSize, srv.block.a_count(), owner, srv.service_size)) {
      put(srv.block.aaaa_rows(), dns::kAaaaRowSize, srv.block.aaaa_count(), owner,
          srv.service_size);
    }
    encoder.add_records(records);
    return Written::All;
  }
  if (srv.endpoint != ServiceBlock::kNotFound && srv.block.plain()) {
    // One target, whatever the number of ports, and no row of its own.
    const std::size_t target = record + 2 + kRecordHead + kSrvFixed;
    ServiceBlock::LabelScratch scratch;
    std::array<std::uint8_t, dns::kARowSize> row;
    dns::put_address_row(row.data(), {srv.block.plain_address(srv.endpoint), 4}, rrset.ttl);
    if (target <= dns::kMaxPointerTarget) {
      put(row.data(), row.size(), 1, static_cast<std::uint16_t>(0xC000 | target),
          srv.service_size + srv.plain_label(scratch).size());
    }
    encoder.add_records(records);
    return Written::All;
  }
  for_each_srv(srv.block, srv.endpoint, srv.named_port, [&](const SrvStep& step) {
    const ServiceBlock& b = srv.block;
    const ServiceBlock::Endpoint* const e = step.endpoint;
    const std::size_t size = srv.service_size + (e != nullptr ? b.endpoint_name(*e).size() : 0);
    if (size > dns::kMaxNameSize) return true;  // has no record
    const std::size_t target = record + 2 + kRecordHead + kSrvFixed;
    record += step.numbers.size() * (2 + kRecordHead + kSrvFixed + size);
    if (!step.first) return true;
    if (target > dns::kMaxPointerTarget) return false;
    const auto owner = static_cast<std::uint16_t>(0xC000 | target);
    if (e == nullptr) {
      return put(b.a_rows(), dns::kARowSize, b.a_count(), owner, size) &&
             put(b.aaaa_rows(), dns::kAaaaRowSize, b.aaaa_count(), owner, size);
    }
    return put(b.a_rows() + e->a_first * dns::kARowSize, dns::kARowSize, e->a_count, owner, size) &&
           put(b.aaaa_rows() + e->aaaa_first * dns::kAaaaRowSize, dns::kAaaaRowSize, e->aaaa_count,
               owner, size);
  });
  encoder.add_records(records);
  return Written::All;
}

Written write_port_rows(const RRsetRef& rrset, Encoder& encoder) noexcept {
  const auto& block = *static_cast<const ServiceBlock*>(rrset.data);
  const bool v4 = rrset.type == RRType::A;
  const std::size_t row = v4 ? dns::kARowSize : dns::kAaaaRowSize;
  const std::uint8_t* const rows = v4 ? block.a_rows() : block.aaaa_rows();
  const std::uint16_t owner = encoder.owner_pointer(rrset.owner);
  if (owner == 0) return Written::None;
  const ServiceBlock::NamedPort& port = block.named_ports()[rrset.first];
  const auto uses = block.uses(port);
  const std::uint32_t total = v4 ? port.a_count : port.aaaa_count;
  std::uint32_t written = 0;
  // Rows of use `u` from `from` on, `to` excepted. False without room for the next one.
  const auto go = [&](std::size_t u, std::uint32_t from, std::uint32_t to) {
    // A set's addresses once, whatever the numbers that the name has there.
    if (u != 0 && uses[u - 1].set == uses[u].set) return true;
    const ServiceBlock::Run run = block.rows_of(uses[u].set, v4);
    for (std::uint32_t i = from; i < std::min(to, run.count); ++i) {
      if (encoder.room() < row) return false;
      std::memcpy(encoder.position(), rows + (run.first + i) * row, row);
      dns::store_u16(encoder.position(), owner);
      encoder.skip(row);
      ++written;
    }
    return true;
  };
  constexpr std::uint32_t kAll = 0xFFFFFFFF;
  // The use that holds the address to start with, and its place there.
  std::size_t start = 0;
  std::uint32_t within = rrset.rotation < total ? rrset.rotation : 0;
  if (const auto before = block.before(port); !before.empty()) {
    const auto member = v4 ? &ServiceBlock::Before::a : &ServiceBlock::Before::aaaa;
    const auto it = std::upper_bound(
        before.begin(), before.end(), within,
        [member](std::uint32_t value, const ServiceBlock::Before& b) { return value < b.*member; });
    start = static_cast<std::size_t>(it - before.begin()) - 1;
    within -= before[start].*member;
  }
  bool more = !uses.empty() && go(start, within, kAll);
  for (std::size_t u = start + 1; more && u < uses.size(); ++u) more = go(u, 0, kAll);
  for (std::size_t u = 0; more && u < start; ++u) more = go(u, 0, kAll);
  if (more) go(start, 0, within);
  encoder.add_records(written);
  encoder.add_saved_owners(rrset.owner, written);
  return written == total ? Written::All : written == 0 ? Written::None : Written::Part;
}

Written write_ptr(const RRsetRef& rrset, Encoder& encoder) noexcept {
  const auto* const targets = static_cast<const PtrTarget*>(rrset.data);
  const auto& behind = *static_cast<const dns::Name*>(rrset.more);
  std::size_t behind_at = 0;  // where it was first written
  std::uint32_t written = 0;
  std::uint32_t unwritable = 0;  // as above
  for (std::uint32_t k = 0; k < rrset.count; ++k) {
    const PtrTarget& target = targets[k];
    std::array<std::uint8_t, 3 * (dns::kMaxLabelSize + 1)> head;
    std::size_t head_size = 0;
    if (target.endpoint != ServiceBlock::kNotFound) {
      ServiceBlock::LabelScratch scratch;
      const auto label = target.block->endpoint_label(target.endpoint, scratch);
      std::memcpy(head.data(), label.data(), label.size());
      head_size = label.size();
    }
    const auto key = target.block->key();
    std::memcpy(head.data() + head_size, key.data(), key.size());
    head_size += key.size();

    if (head_size + behind.size() > dns::kMaxNameSize) {
      ++unwritable;
      continue;
    }
    const std::size_t tail = behind_at != 0 ? 2 : behind.size();
    const std::size_t start = encoder.size();
    if (!encoder.record_head(rrset.owner, RRType::PTR, rrset.ttl) ||
        encoder.room() < 2 + head_size + tail) {
      encoder.rewind(start);
      break;
    }
    encoder.u16(static_cast<std::uint16_t>(head_size + tail));
    encoder.bytes(head.data(), head_size);
    if (behind_at != 0) {
      encoder.u16(static_cast<std::uint16_t>(0xC000 | behind_at));
      encoder.add_saved(behind.size() - tail);
    } else {
      if (encoder.size() <= dns::kMaxPointerTarget) behind_at = encoder.size();
      encoder.bytes(behind.data(), behind.size());
    }
    ++written;
  }
  encoder.add_records(written);
  return written + unwritable == rrset.count ? Written::All
         : written == 0                      ? Written::None
                                             : Written::Part;
}

Written write_soa(const RRsetRef& rrset, Encoder& encoder) noexcept {
  // What follows the owner, with room for what differs from answer to answer.
  static constexpr std::size_t kTtlAt = 4;
  static constexpr std::size_t kFirstPointerAt = kRecordHead + sizeof kNsDns;
  static constexpr std::size_t kSecondPointerAt = kFirstPointerAt + 2 + sizeof kHostmaster;
  static constexpr std::size_t kSerialAt = kSecondPointerAt + 2;
  static constexpr std::size_t kMinimumAt = kSerialAt + 16;
  static constexpr std::size_t kSize = kMinimumAt + 4;
  static constexpr auto kTemplate = [] {
    std::array<std::uint8_t, kSize> t{};
    dns::store_u16(t.data(), static_cast<std::uint16_t>(RRType::SOA));
    dns::store_u16(t.data() + 2, static_cast<std::uint16_t>(dns::RRClass::IN));
    dns::store_u16(t.data() + 8, kSize - kRecordHead);
    std::copy(std::begin(kNsDns), std::end(kNsDns), t.begin() + kRecordHead);
    std::copy(std::begin(kHostmaster), std::end(kHostmaster), t.begin() + kFirstPointerAt + 2);
    dns::store_u32(t.data() + kSerialAt + 4, kRefresh);
    dns::store_u32(t.data() + kSerialAt + 8, kRetry);
    dns::store_u32(t.data() + kSerialAt + 12, kExpire);
    return t;
  }();
  // Nearly always the zone is the end of the question, and stands in the message already.
  if (!encoder.write_name(rrset.owner)) return Written::None;
  const std::uint16_t zone = encoder.owner_pointer(rrset.owner);
  if (zone == 0 || encoder.room() < kSize) return Written::None;
  std::uint8_t* const p = encoder.position();
  std::memcpy(p, kTemplate.data(), kSize);
  dns::store_u32(p + kTtlAt, rrset.ttl);
  dns::store_u16(p + kFirstPointerAt, zone);
  dns::store_u16(p + kSecondPointerAt, zone);
  dns::store_u32(p + kSerialAt, rrset.first);
  dns::store_u32(p + kMinimumAt, rrset.count);
  encoder.skip(kSize);
  encoder.add_saved_owners(rrset.owner, 2);
  encoder.add_records(1);
  return Written::All;
}

Written write_ns(const RRsetRef& rrset, Encoder& encoder) noexcept {
  if (!encoder.record_head(rrset.owner, RRType::NS, rrset.ttl)) return Written::None;
  const std::uint16_t zone = encoder.owner_pointer(rrset.owner);
  if (zone == 0 || encoder.room() < 2 + sizeof kNsDns + 2) return Written::None;
  encoder.u16(sizeof kNsDns + 2);
  encoder.set_mark(encoder.size());
  encoder.bytes(kNsDns, sizeof kNsDns);
  encoder.u16(zone);
  encoder.add_saved_owners(rrset.owner, 1);
  encoder.add_records(1);
  return Written::All;
}

namespace {

Written write_glue(const RRsetRef& rrset, Encoder& encoder, std::size_t labels) noexcept {
  const std::size_t row = rrset.type == RRType::A ? dns::kARowSize : dns::kAaaaRowSize;
  if (encoder.room() < row * rrset.count) return Written::None;
  std::uint8_t* const to = encoder.position();
  std::memcpy(to, rrset.data, row * rrset.count);
  for (std::uint32_t i = 0; i < rrset.count; ++i) {
    dns::store_u16(to + i * row, static_cast<std::uint16_t>(0xC000 | encoder.mark()));
  }
  encoder.skip(row * rrset.count);
  encoder.add_records(rrset.count);
  // The owner is these labels and the zone.
  encoder.add_saved_owners(rrset.owner, rrset.count);
  encoder.add_saved(labels * rrset.count);
  return Written::All;
}

const ApexNames& names_of(const RRsetRef& rrset) noexcept {
  return *static_cast<const ApexNames*>(rrset.more);
}

}  // namespace

Written write_ns_glue(const RRsetRef& rrset, Encoder& encoder) noexcept {
  return write_glue(rrset, encoder, sizeof kNsDns);
}

Written write_named_ns_glue(const RRsetRef& rrset, Encoder& encoder) noexcept {
  return write_glue(rrset, encoder, names_of(rrset).ns.size());
}

Written write_named_ns(const RRsetRef& rrset, Encoder& encoder) noexcept {
  const std::vector<std::uint8_t>& ns = names_of(rrset).ns;
  if (!encoder.record_head(rrset.owner, RRType::NS, rrset.ttl)) return Written::None;
  const std::uint16_t zone = encoder.owner_pointer(rrset.owner);
  if (zone == 0 || encoder.room() < 2 + ns.size() + 2) return Written::None;
  encoder.u16(static_cast<std::uint16_t>(ns.size() + 2));
  encoder.set_mark(encoder.size());
  encoder.bytes(ns.data(), ns.size());
  encoder.u16(zone);
  encoder.add_saved_owners(rrset.owner, 1);
  encoder.add_records(1);
  return Written::All;
}

Written write_named_soa(const RRsetRef& rrset, Encoder& encoder) noexcept {
  const ApexNames& names = names_of(rrset);
  if (!encoder.record_head(rrset.owner, RRType::SOA, rrset.ttl)) return Written::None;
  const std::uint16_t zone = encoder.owner_pointer(rrset.owner);
  const std::size_t size = names.ns.size() + 2 + names.hostmaster.size() + 2 + 20;
  if (zone == 0 || encoder.room() < 2 + size) return Written::None;
  encoder.u16(static_cast<std::uint16_t>(size));
  encoder.bytes(names.ns.data(), names.ns.size());
  encoder.u16(zone);
  encoder.bytes(names.hostmaster.data(), names.hostmaster.size());
  encoder.u16(zone);
  for (const std::uint32_t number : {rrset.first, kRefresh, kRetry, kExpire, rrset.count}) {
    encoder.u16(static_cast<std::uint16_t>(number >> 16));
    encoder.u16(static_cast<std::uint16_t>(number));
  }
  encoder.add_saved_owners(rrset.owner, 2);
  encoder.add_records(1);
  return Written::All;
}

}  // namespace clusterdns::zones
