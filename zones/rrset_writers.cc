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
constexpr std::uint8_t kSvc[] = {3, 's', 'v', 'c'};

// Calls visit(port number) for what one target answers: every distinct number, or those of one
// named port. `visit` returns false to stop; so does this then.
template <class Visit>
bool for_each_port(const ServiceBlock& block, std::uint16_t set_index, std::uint16_t named_port,
                   std::uint32_t rotation, Visit&& visit) noexcept {
  const auto ports = block.ports(block.port_set(set_index));
  const std::size_t n = ports.size();
  for (std::size_t k = 0; k < n; ++k) {
    const std::size_t i = (k + rotation) % n;
    if (ports[i].number == 0) continue;
    if (named_port != ServiceBlock::kNoPort) {
      if (ports[i].name != named_port) continue;
    } else {
      // Once a number: an RRset holds no record twice (RFC 2181 5).
      bool before = false;
      for (std::size_t j = 0; j < i && !before; ++j) before = ports[j].number == ports[i].number;
      if (before) continue;
    }
    if (!visit(ports[i].number)) return false;
  }
  return true;
}

// Calls visit(endpoint or nullptr, port number) for each SRV answer, in order of sending.
template <class Visit>
void for_each_srv(const ServiceBlock& block, std::uint32_t endpoint, std::uint16_t named_port,
                  std::uint32_t rotation, Visit&& visit) noexcept {
  if (endpoint != ServiceBlock::kNotFound) {
    const ServiceBlock::Endpoint e = block.endpoint(endpoint);
    for_each_port(block, e.port_set, named_port, rotation,
                  [&](std::uint16_t number) { return visit(&e, number); });
    return;
  }
  if (block.kind() == BlockKind::ClusterIP) {
    for_each_port(block, 0, named_port, rotation,
                  [&](std::uint16_t number) { return visit(nullptr, number); });
    return;
  }
  const auto endpoints = block.endpoints();
  const std::size_t n = endpoints.size();
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t i = k + rotation;
    if (i >= n) i -= n;
    const ServiceBlock::Endpoint& e = endpoints[i];
    if (!for_each_port(block, e.port_set, named_port, 0,
                       [&](std::uint16_t number) { return visit(&e, number); })) {
      return;
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

RRsetRef SrvRef::make(const ServiceBlock& block, const std::uint8_t* service,
                      std::size_t service_size, std::uint32_t endpoint, std::uint16_t named_port,
                      std::uint32_t rotation, std::uint32_t ttl, std::uint8_t owner) noexcept {
  RRsetRef r;
  r.data = &block;
  r.more = service;
  r.first = endpoint;
  r.count = (std::uint32_t{named_port} << 16) | static_cast<std::uint32_t>(service_size);
  r.rotation = rotation;
  r.ttl = ttl;
  r.owner = owner;
  r.type = RRType::SRV;
  return r;
}

std::uint32_t count_srv(const ServiceBlock& block, std::uint32_t endpoint,
                        std::uint16_t named_port) noexcept {
  if (endpoint == ServiceBlock::kNotFound) {
    return named_port == ServiceBlock::kNoPort ? block.srv_count()
                                               : block.named_ports()[named_port].srv_count;
  }
  std::uint32_t n = 0;
  for_each_srv(block, endpoint, named_port, 0,
               [&n](const ServiceBlock::Endpoint*, std::uint16_t) { return ++n != 0; });
  return n;
}

Written write_srv(const RRsetRef& rrset, Encoder& encoder) noexcept {
  const Srv srv(rrset);
  const std::uint32_t total = count_srv(srv.block, srv.endpoint, srv.named_port);
  const std::uint32_t weight = total > 100 ? 1 : 100 / std::max<std::uint32_t>(total, 1);
  std::uint32_t written = 0;
  std::uint32_t unwritable = 0;  // in a zone with a long name: no name has so many octets
  encoder.set_mark(encoder.size());
  // The question, or a CNAME's target: it stands in the message already.
  const std::uint16_t owner = encoder.owner_pointer(rrset.owner);
  if (owner == 0) return Written::None;
  ServiceBlock::LabelScratch scratch;
  const std::span<const std::uint8_t> plain_label = srv.plain_label(scratch);
  for_each_srv(
      srv.block, srv.endpoint, srv.named_port, rrset.rotation,
      [&](const ServiceBlock::Endpoint* e, std::uint16_t number) {
        std::span<const std::uint8_t> label;
        if (e != nullptr) label = e->label != 0 ? srv.block.endpoint_name(*e) : plain_label;
        const std::size_t target = label.size() + srv.service_size;
        if (target > dns::kMaxNameSize) {
          ++unwritable;
          return true;
        }
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
  const ServiceBlock::Endpoint* last = nullptr;
  bool first = true;
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
    if (put(srv.block.a_rows(), dns::kARowSize, srv.block.a_count(), owner,
            srv.service_size)) {
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
    write_a_row(row.data(), srv.block.plain_address(srv.endpoint), rrset.ttl);
    if (target <= dns::kMaxPointerTarget) {
      put(row.data(), row.size(), 1, static_cast<std::uint16_t>(0xC000 | target),
          srv.service_size + srv.plain_label(scratch).size());
    }
    encoder.add_records(records);
    return Written::All;
  }
  for_each_srv(srv.block, srv.endpoint, srv.named_port, rrset.rotation,
               [&](const ServiceBlock::Endpoint* e, std::uint16_t) {
                 const std::size_t target = record + 2 + kRecordHead + kSrvFixed;
                 const std::size_t size =
                     srv.service_size + (e != nullptr ? srv.block.endpoint_name(*e).size() : 0);
                 if (size > dns::kMaxNameSize) return true;  // has no record
                 record = target + size;
                 if (!first && e == last) return true;
                 first = false;
                 last = e;
                 if (target > dns::kMaxPointerTarget) return false;
                 const auto owner = static_cast<std::uint16_t>(0xC000 | target);
                 const ServiceBlock& b = srv.block;
                 if (e == nullptr) {
                   return put(b.a_rows(), dns::kARowSize, b.a_count(), owner, size) &&
                          put(b.aaaa_rows(), dns::kAaaaRowSize, b.aaaa_count(), owner, size);
                 }
                 return put(b.a_rows() + e->a_first * dns::kARowSize, dns::kARowSize, e->a_count,
                            owner, size) &&
                        put(b.aaaa_rows() + e->aaaa_first * dns::kAaaaRowSize, dns::kAaaaRowSize,
                            e->aaaa_count, owner, size);
               });
  encoder.add_records(records);
  return Written::All;
}

namespace {

// Whether one of `count` rows at `begin` has the data of `row`; their owners may differ.
bool has_row(const std::uint8_t* begin, std::uint32_t count, std::size_t size,
             const std::uint8_t* row) noexcept {
  for (std::uint32_t i = 0; i < count; ++i) {
    if (std::memcmp(begin + i * size + 2, row + 2, size - 2) == 0) return true;
  }
  return false;
}

}  // namespace

Written write_port_rows(const RRsetRef& rrset, Encoder& encoder) noexcept {
  const auto& block = *static_cast<const ServiceBlock*>(rrset.data);
  const bool v4 = rrset.type == RRType::A;
  const std::size_t row = v4 ? dns::kARowSize : dns::kAaaaRowSize;
  const std::uint8_t* const rows = v4 ? block.a_rows() : block.aaaa_rows();
  const std::uint16_t owner = encoder.owner_pointer(rrset.owner);
  if (owner == 0) return Written::None;
  const auto endpoints = block.endpoints();
  const bool shared = v4 ? block.a_row_count() > block.a_count()
                         : block.aaaa_row_count() > block.aaaa_count();
  std::uint32_t written = 0;
  bool complete = true;
  for (std::size_t k = 0; k < endpoints.size() && complete; ++k) {
    const auto& e = endpoints[(k + rrset.rotation) % endpoints.size()];
    bool has = false;
    for (const auto& port : block.ports(block.port_set(e.port_set))) {
      has = has || port.name == rrset.first;
    }
    if (!has) continue;
    const std::uint32_t first = v4 ? e.a_first : e.aaaa_first;
    const std::uint32_t count = v4 ? e.a_count : e.aaaa_count;
    for (std::uint32_t i = 0; i < count && complete; ++i) {
      // An address under two names has a row for each; an RRset has it once (RFC 2181, 5).
      if (shared && has_row(encoder.position() - written * row, written, row, rows + (first + i) * row)) {
        continue;
      }
      complete = encoder.room() >= row;
      if (!complete) break;
      std::memcpy(encoder.position(), rows + (first + i) * row, row);
      dns::store_u16(encoder.position(), owner);
      encoder.skip(row);
      ++written;
    }
  }
  encoder.add_records(written);
  encoder.add_saved_owners(rrset.owner, written);
  return complete ? Written::All : written == 0 ? Written::None : Written::Part;
}

Written write_ptr(const RRsetRef& rrset, Encoder& encoder) noexcept {
  const auto* const targets = static_cast<const PtrTarget*>(rrset.data);
  const auto& zone = *static_cast<const dns::Name*>(rrset.more);
  std::size_t svc_at = 0;  // where `svc.<zone>` was first written
  std::uint32_t written = 0;
  std::uint32_t unwritable = 0;  // as above
  for (std::uint32_t k = 0; k < rrset.count; ++k) {
    const PtrTarget& target = targets[(k + rrset.rotation) % rrset.count];
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

    if (head_size + sizeof kSvc + zone.size() > dns::kMaxNameSize) {
      ++unwritable;
      continue;
    }
    const std::size_t tail = svc_at != 0 ? 2 : sizeof kSvc + zone.size();
    const std::size_t start = encoder.size();
    if (!encoder.record_head(rrset.owner, RRType::PTR, rrset.ttl) ||
        encoder.room() < 2 + head_size + tail) {
      encoder.rewind(start);
      break;
    }
    encoder.u16(static_cast<std::uint16_t>(head_size + tail));
    encoder.bytes(head.data(), head_size);
    if (svc_at != 0) {
      encoder.u16(static_cast<std::uint16_t>(0xC000 | svc_at));
      encoder.add_saved(sizeof kSvc + zone.size() - tail);
    } else {
      if (encoder.size() <= dns::kMaxPointerTarget) svc_at = encoder.size();
      encoder.bytes(kSvc, sizeof kSvc);
      encoder.bytes(zone.data(), zone.size());
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

Written write_ns_glue(const RRsetRef& rrset, Encoder& encoder) noexcept {
  const std::size_t row = rrset.type == RRType::A ? dns::kARowSize : dns::kAaaaRowSize;
  if (encoder.room() < row * rrset.count) return Written::None;
  std::uint8_t* const to = encoder.position();
  std::memcpy(to, rrset.data, row * rrset.count);
  for (std::uint32_t i = 0; i < rrset.count; ++i) {
    dns::store_u16(to + i * row, static_cast<std::uint16_t>(0xC000 | encoder.mark()));
  }
  encoder.skip(row * rrset.count);
  encoder.add_records(rrset.count);
  // The owner is `ns.dns.` and the zone.
  encoder.add_saved_owners(rrset.owner, rrset.count);
  encoder.add_saved(sizeof kNsDns * rrset.count);
  return Written::All;
}

}  // namespace clusterdns::zones
