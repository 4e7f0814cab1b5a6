#include "zones/cluster_stage.h"

#include <algorithm>
#include <cstring>

#include "dns/forward/chain.h"
#include "zones/pod_name.h"
#include "zones/reverse_name.h"

// One way of a query through several functions of this file: without calls in between, a tenth
// fewer instructions.
#define CLUSTERDNS_HOT [[gnu::always_inline]] inline

namespace clusterdns::zones {
namespace {

using dns::Answer;
using dns::NameView;
using dns::RRType;
using dns::Verdict;
using Found = dns::LocalData::Found;

constexpr std::uint8_t kSvc[] = {3, 's', 'v', 'c'};
constexpr std::uint8_t kPod[] = {3, 'p', 'o', 'd'};
constexpr std::uint8_t kDns[] = {3, 'd', 'n', 's'};
constexpr std::uint8_t kNs[] = {2, 'n', 's'};
constexpr std::uint8_t kZone[] = {5, '_', 'z', 'o', 'n', 'e'};
constexpr std::uint8_t kPin[] = {3, 'p', 'i', 'n'};
constexpr std::uint8_t kPrefer[] = {6, 'p', 'r', 'e', 'f', 'e', 'r'};
constexpr std::uint8_t kDnsVersion[] = {11, 'd', 'n', 's', '-', 'v', 'e', 'r', 's', 'i', 'o', 'n'};
// TXT RDATA: one character string (RFC 1035 3.3.14) with the schema version.
constexpr std::uint8_t kSchemaVersion[] = {5, '1', '.', '1', '.', '0'};
// The schema changes with the program only; the specification's example and CoreDNS's value.
constexpr std::uint32_t kSchemaVersionTtl = 28800;

template <std::size_t N>
bool label_is(const std::uint8_t* label, const std::uint8_t (&other)[N]) noexcept {
  return label[0] == other[0] && std::memcmp(label, other, N) == 0;
}

std::optional<registry::Protocol> protocol_of(const std::uint8_t* label) noexcept {
  static constexpr std::uint8_t kTcp[] = {4, '_', 't', 'c', 'p'};
  static constexpr std::uint8_t kUdp[] = {4, '_', 'u', 'd', 'p'};
  static constexpr std::uint8_t kSctp[] = {5, '_', 's', 'c', 't', 'p'};
  if (label_is(label, kTcp)) return registry::Protocol::Tcp;
  if (label_is(label, kUdp)) return registry::Protocol::Udp;
  if (label_is(label, kSctp)) return registry::Protocol::Sctp;
  return std::nullopt;
}

std::vector<std::uint8_t> make_rows(const std::vector<registry::IpAddress>& addresses,
                                    registry::IpFamily family, std::uint32_t ttl,
                                    std::uint32_t* count) {
  std::vector<std::uint8_t> rows;
  *count = 0;
  for (const auto& address : addresses) {
    if (address.family != family) continue;
    const std::size_t at = rows.size();
    rows.resize(at + 12 + address.size());
    std::uint8_t* const p = rows.data() + at;
    dns::store_u16(p, 0xC000 | dns::kHeaderSize);
    dns::store_u16(p + 2, static_cast<std::uint16_t>(address.is_v4() ? RRType::A : RRType::AAAA));
    dns::store_u16(p + 4, static_cast<std::uint16_t>(dns::RRClass::IN));
    dns::store_u32(p + 6, ttl);
    dns::store_u16(p + 10, static_cast<std::uint16_t>(address.size()));
    std::memcpy(p + 12, address.octets.data(), address.size());
    ++*count;
  }
  return rows;
}

// The next RRset of the answer section, to be filled in where it stands.
dns::RRsetRef& add_answer(Answer& answer, dns::RRsetWriter write, RRType type, std::uint32_t ttl,
                          std::uint8_t owner) noexcept {
  dns::RRsetRef& r = answer.answer[answer.answer_count++];
  r.write = write;
  r.type = type;
  r.ttl = ttl;
  r.owner = owner;
  return r;
}

}  // namespace

ClusterStage::ClusterStage(ClusterOptions options, std::shared_ptr<const RecordTable> table,
                           std::shared_ptr<const RecordTable> pods)
    : options_(std::move(options)),
      table_(std::move(table)),
      pods_(pods != nullptr ? std::move(pods) : table_),
      scratch_(options_.workers) {
  for (const dns::Name& name : options_.zones) {
    zones_.push_back({name, name.label_count(), is_reverse_zone(name.view())});
  }
  std::stable_sort(zones_.begin(), zones_.end(),
                   [](const Zone& a, const Zone& b) { return a.labels > b.labels; });
  // The primary zone, which PTR answers point into, is the first that was configured.
  const auto first = std::find_if(options_.zones.begin(), options_.zones.end(),
                                  [](const dns::Name& name) { return !is_reverse_zone(name.view()); });
  ptr_zone_ = options_.ptr_zone ? *options_.ptr_zone : *first;
  ns_a_rows_ = make_rows(options_.server_addresses, registry::IpFamily::V4, options_.ttl, &ns_a_count_);
  ns_aaaa_rows_ =
      make_rows(options_.server_addresses, registry::IpFamily::V6, options_.ttl, &ns_aaaa_count_);
}

CLUSTERDNS_HOT const ClusterStage::Zone* ClusterStage::find_zone(const Asked& asked) const noexcept {
  for (const Zone& zone : zones_) {
    if (zone.labels > asked.labels) continue;
    const std::size_t at = asked.offset[asked.labels - zone.labels];
    const std::size_t size = asked.name.size() - at;
    if (size == zone.name.size() &&
        dns::equal_padded(asked.name.data() + at, zone.name.data(), size)) {
      return &zone;
    }
  }
  return nullptr;
}

bool ClusterStage::falls_through(NameView name) const noexcept {
  if (!options_.fall_through) return false;
  if (options_.fall_through_in.empty()) return true;
  for (const dns::Name& zone : options_.fall_through_in) {
    if (zone.is_root() || dns::has_suffix_ignoring_case(name, zone.view())) return true;
  }
  return false;
}

Verdict ClusterStage::handle(dns::QueryContext& ctx) noexcept {
  const dns::Query& query = ctx.query;
  const Asked asked{query.name(), query.label_offset.data(), query.label_count, query.qtype, 0};
  Answer& answer = ctx.answer;
  const Outcome outcome = resolve(asked, answer, *ctx.worker);
  switch (outcome.found) {
    case Found::NotMine: return Verdict::Next;
    case Found::Data: answer.authoritative = true; return Verdict::Answered;
    case Found::Alias: return follow(ctx, outcome);
    case Found::NotReady:
      answer.rcode = dns::Rcode::ServFail;
      answer.error = {true, dns::ExtendedError::NotReady, "the registry is not in sync yet"};
      return Verdict::Answered;
    case Found::NXDomain:
      if (falls_through(asked.name)) return Verdict::Next;
      answer.rcode = dns::Rcode::NXDomain;
      break;
    case Found::NoData: break;
  }
  if (query.qtype == RRType::AXFR || query.qtype == RRType::IXFR) {
    answer.rcode = dns::Rcode::Refused;
    answer.error = {true, dns::ExtendedError::Prohibited, "zone transfer is not offered"};
    return Verdict::Answered;
  }
  answer.authoritative = true;
  add_soa(answer.add_question_suffix(outcome.zone_size), answer);
  return Verdict::Answered;
}

void ClusterStage::add_soa(std::uint8_t zone_name, Answer& answer) const noexcept {
  dns::RRsetRef& soa = answer.authority[answer.authority_count++];
  soa.write = &write_soa;
  soa.type = RRType::SOA;
  soa.ttl = options_.ttl;
  soa.owner = zone_name;
  soa.first = table_->serial();
  soa.count = options_.ttl;
}

dns::LocalData::Outcome ClusterStage::look_up(NameView name, RRType type, std::uint8_t owner,
                                              Answer& answer,
                                              const dns::WorkerContext& worker) noexcept {
  std::array<std::uint8_t, dns::kMaxLabels + 1> offset;
  unsigned labels = 0;
  std::size_t at = 0;
  while (name[at] != 0) {
    offset[labels++] = static_cast<std::uint8_t>(at);
    at += std::size_t{1} + name[at];
  }
  offset[labels] = static_cast<std::uint8_t>(at);
  return resolve({name, offset.data(), labels, type, owner}, answer, worker);
}

CLUSTERDNS_HOT dns::LocalData::Outcome ClusterStage::resolve(const Asked& asked, Answer& answer,
                                              const dns::WorkerContext& worker) noexcept {
  Outcome outcome;
  const Zone* const zone = find_zone(asked);
  if (zone == nullptr) return outcome;
  outcome.ttl = options_.ttl;
  outcome.zone_size = static_cast<std::uint8_t>(zone->name.size());
  const unsigned relative = asked.labels - static_cast<unsigned>(zone->labels);
  Found found = Found::NXDomain;
  if (relative == 0) {
    found = resolve_apex(asked, answer, worker);
  } else if (zone->reverse) {
    found = resolve_reverse(asked, answer, worker);
  } else {
    const std::uint8_t* const last = asked.name.data() + asked.offset[relative - 1];
    if (label_is(last, kSvc)) {
      found = resolve_service(asked, relative, answer, outcome);
    } else if (label_is(last, kPod)) {
      found = resolve_pod(asked, relative, answer, worker);
    } else if (label_is(last, kDns)) {
      if (relative == 1) {
        found = Found::NoData;  // empty non-terminal above ns.dns
      } else if (relative == 2 && label_is(asked.name.data() + asked.offset[0], kNs)) {
        found = server_address(asked, answer, worker);
      }
    } else if (relative == 1 && label_is(last, kDnsVersion)) {
      found = schema_version(asked, answer);
    }
  }
  if (found == Found::NXDomain && !table_->ready()) [[unlikely]] found = Found::NotReady;
  outcome.found = found;
  return outcome;
}

Found ClusterStage::schema_version(const Asked& asked, Answer& answer) const noexcept {
  if (asked.type != RRType::TXT) return Found::NoData;
  dns::RRsetRef& txt =
      add_answer(answer, &dns::write_rdata, RRType::TXT, kSchemaVersionTtl, asked.owner);
  txt.data = kSchemaVersion;
  txt.count = sizeof kSchemaVersion;
  return Found::Data;
}

ClusterStage::NsRows ClusterStage::ns_rows(const dns::WorkerContext& worker) noexcept {
  Scratch& scratch = scratch_[worker.index];
  NsRows own{scratch.ns_a.data(), scratch.ns_aaaa.data(), 0, 0};
  const auto add = [](std::uint8_t* to, std::uint32_t& count, const std::uint8_t* rows, std::size_t row,
                      std::uint32_t n) {
    for (std::uint32_t i = 0; i < n && count < kMaxNs; ++i) {
      bool there = false;
      for (std::uint32_t k = 0; k < count && !there; ++k) {
        there = std::memcmp(to + k * row, rows + i * row, row) == 0;
      }
      if (!there) std::memcpy(to + row * count++, rows + i * row, row);
    }
  };
  bool found = false;
  for (const registry::IpAddress& address : options_.server_addresses) {
    pods_->for_each_at(address, [&](const ServiceBlock& block) {
      if (block.find_address(address, 0) == ServiceBlock::kNotFound) return true;
      found = true;
      add(scratch.ns_a.data(), own.a_count, block.a_rows(), dns::kARowSize, block.a_count());
      add(scratch.ns_aaaa.data(), own.aaaa_count, block.aaaa_rows(), dns::kAaaaRowSize,
          block.aaaa_count());
      return true;
    });
  }
  if (found) return own;
  return {ns_a_rows_.data(), ns_aaaa_rows_.data(), ns_a_count_, ns_aaaa_count_};
}

Found ClusterStage::resolve_apex(const Asked& asked, Answer& answer,
                                 const dns::WorkerContext& worker) noexcept {
  if (asked.type == RRType::SOA) {
    dns::RRsetRef& soa = add_answer(answer, &write_soa, RRType::SOA, options_.ttl, asked.owner);
    soa.first = table_->serial();
    soa.count = options_.ttl;
    return Found::Data;
  }
  if (asked.type == RRType::NS) {
    add_answer(answer, &write_ns, RRType::NS, options_.ttl, asked.owner);
    const auto glue = [&](const std::uint8_t* rows, std::uint32_t count, RRType type) {
      if (count == 0) return;
      dns::RRsetRef& ref = answer.additional[answer.additional_count++];
      ref.write = &write_ns_glue;
      ref.type = type;
      ref.ttl = options_.ttl;
      ref.owner = asked.owner;
      ref.data = rows;
      ref.count = count;
    };
    const NsRows ns = ns_rows(worker);
    glue(ns.a, ns.a_count, RRType::A);
    glue(ns.aaaa, ns.aaaa_count, RRType::AAAA);
    return Found::Data;
  }
  return Found::NoData;
}

Found ClusterStage::server_address(const Asked& asked, Answer& answer,
                                   const dns::WorkerContext& worker) noexcept {
  const NsRows ns = ns_rows(worker);
  if (asked.type == RRType::A) return rows(asked, ns.a, 0, ns.a_count, 0, answer);
  if (asked.type == RRType::AAAA) return rows(asked, ns.aaaa, 0, ns.aaaa_count, 0, answer);
  return Found::NoData;
}

CLUSTERDNS_HOT Found ClusterStage::rows(const Asked& asked, const std::uint8_t* data,
                                        std::uint32_t first, std::uint32_t count,
                                        std::uint32_t start, Answer& answer) const noexcept {
  if (count == 0) return Found::NoData;
  dns::RRsetRef& ref =
      add_answer(answer, &dns::write_rows, asked.type, options_.ttl, asked.owner);
  ref.data = data;
  ref.first = first;
  ref.count = count;
  ref.rotation = start;
  return Found::Data;
}

Found ClusterStage::srv(const Asked& asked, const ServiceBlock& block, std::uint32_t endpoint,
                                          std::uint16_t named_port, unsigned service_label,
                                          std::uint32_t counter, Answer& answer) const noexcept {
  const std::uint32_t count = count_srv(block, endpoint, named_port);
  if (count == 0) return Found::NoData;
  // Whole endpoints rotate where there are some, ports otherwise.
  std::uint32_t positions = count;
  if (endpoint == ServiceBlock::kNotFound && block.kind() == BlockKind::Headless) {
    positions = static_cast<std::uint32_t>(block.endpoints().size());
  } else if (endpoint == ServiceBlock::kNotFound) {
    positions = block.port_set(0).count;
  } else {
    positions = block.port_set(block.endpoint(endpoint).port_set).count;
  }
  const std::size_t at = asked.offset[service_label];
  dns::RRsetRef& ref = answer.answer[answer.answer_count++];
  ref = SrvRef::make(block, asked.name.data() + at, asked.name.size() - at, endpoint, named_port,
                     counter == 0 ? 0 : rotation(block, counter, positions), options_.ttl,
                     asked.owner);
  ref.write = &write_srv;
  dns::RRsetRef& glue = answer.additional[answer.additional_count++];
  glue = ref;
  glue.write = &write_srv_glue;
  return Found::Data;
}

bool ClusterStage::has_part(const Asked& asked, unsigned from, unsigned relative) const noexcept {
  const std::size_t at = asked.offset[from];
  return table_->find({asked.name.data() + at, asked.offset[relative - 1] - at}) != nullptr;
}

CLUSTERDNS_HOT Found ClusterStage::endpoint(const Asked& asked, const ServiceBlock& block, std::uint32_t i,
                                            unsigned service_label, Answer& answer) const noexcept {
  if (i == ServiceBlock::kNotFound) return Found::NXDomain;
  const ServiceBlock::Endpoint e = block.endpoint(i);
  const std::uint32_t counter = e.counters;
  const auto turn = [&](std::uint32_t which, std::uint32_t count) {
    return counter == 0 ? 0 : rotation(block, counter + which, count);
  };
  const bool a = asked.type == RRType::A;
  const bool aaaa = asked.type == RRType::AAAA;
  if (a && block.plain()) {
    dns::RRsetRef& ref = answer.answer[answer.answer_count++];
    ref.write = &dns::write_rdata;
    ref.data = block.plain_address(i);
    ref.count = 4;
    ref.ttl = options_.ttl;
    ref.type = RRType::A;
    ref.owner = asked.owner;
    return Found::Data;
  }
  if (a) {
    return rows(asked, block.a_rows() + e.a_first * dns::kARowSize, 0, e.a_count,
                turn(0, e.a_count), answer);
  }
  if (aaaa) {
    return rows(asked, block.aaaa_rows() + e.aaaa_first * dns::kAaaaRowSize, 0,
                e.aaaa_count, turn(1, e.aaaa_count), answer);
  }
  if (asked.type == RRType::SRV) {
    return srv(asked, block, i, ServiceBlock::kNoPort, service_label,
               counter == 0 ? 0 : counter + 2, answer);
  }
  return Found::NoData;
}

Found ClusterStage::resolve_zonal(const Asked& asked, unsigned relative, Answer& answer) noexcept {
  // <topology zone>.pin|prefer._zone.<service>.<namespace>.svc; the zone may have several labels.
  const std::uint8_t* const name = asked.name.data();
  const unsigned service_label = relative - 3;
  const std::uint8_t* const anchor = name + asked.offset[service_label - 1];
  const std::uint8_t* const directive = name + asked.offset[service_label - 2];
  const bool prefer = label_is(directive, kPrefer);
  if (!label_is(anchor, kZone) || (!prefer && !label_is(directive, kPin))) return Found::NXDomain;
  const std::size_t key_at = asked.offset[service_label];
  const std::size_t key_size = asked.offset[relative - 1] - key_at;
  if (table_->find({anchor, key_size + sizeof kZone}) == nullptr) return Found::NXDomain;
  std::array<std::uint8_t, dns::kMaxNameSize + dns::kPadding> key;
  const std::size_t zone_size = asked.offset[service_label - 2];
  std::memcpy(key.data(), name, zone_size);
  std::memcpy(key.data() + zone_size, name + key_at, key_size);
  std::memset(key.data() + zone_size + key_size, 0, dns::kPadding);
  const ServiceBlock* block = table_->find({key.data(), zone_size + key_size});
  if (block == nullptr && prefer) block = table_->find({name + key_at, key_size});
  if (block == nullptr) return Found::NoData;
  if (asked.type == RRType::A) {
    return rows(asked, block->a_rows(), 0, block->a_count(),
                rotation(*block, ServiceBlock::kCounterA, block->a_count()), answer);
  }
  if (asked.type == RRType::AAAA) {
    return rows(asked, block->aaaa_rows(), 0, block->aaaa_count(),
                rotation(*block, ServiceBlock::kCounterAaaa, block->aaaa_count()), answer);
  }
  if (asked.type == RRType::SRV) {
    return srv(asked, *block, ServiceBlock::kNotFound, ServiceBlock::kNoPort, service_label,
               ServiceBlock::kCounterSrv, answer);
  }
  return Found::NoData;
}

CLUSTERDNS_HOT Found ClusterStage::resolve_service(const Asked& asked, unsigned relative,
                                                   Answer& answer, Outcome& outcome) noexcept {
  const std::uint8_t* const name = asked.name.data();
  if (relative == 1) return Found::NoData;  // svc.<zone>
  if (relative == 2) return table_->has_namespace(name + asked.offset[0]) ? Found::NoData : Found::NXDomain;
  if (relative > 5) {
    return options_.zonal ? resolve_zonal(asked, relative, answer) : Found::NXDomain;
  }

  // <service>.<namespace> stands right before `svc`.
  const unsigned service_label = relative - 3;
  const std::size_t key_at = asked.offset[service_label];
  const ServiceBlock* const block =
      table_->find({name + key_at, asked.offset[relative - 1] - key_at});
  if (block == nullptr) return Found::NXDomain;
  const bool a = asked.type == RRType::A;
  const bool aaaa = asked.type == RRType::AAAA;

  if (relative == 3) {
    if (block->kind() == BlockKind::ExternalName) [[unlikely]] {
      // ANY is answered with nothing, as CoreDNS does.
      if (asked.type == RRType::ANY) return Found::NoData;
      outcome.alias = block->external_name();
      return Found::Alias;
    }
    if (a) {
      return rows(asked, block->a_rows(), 0, block->a_count(),
                  rotation(*block, ServiceBlock::kCounterA, block->a_count()), answer);
    }
    if (aaaa) {
      return rows(asked, block->aaaa_rows(), 0, block->aaaa_count(),
                  rotation(*block, ServiceBlock::kCounterAaaa, block->aaaa_count()), answer);
    }
    if (asked.type == RRType::SRV) {
      return srv(asked, *block, ServiceBlock::kNotFound, ServiceBlock::kNoPort, service_label,
                 ServiceBlock::kCounterSrv, answer);
    }
    return Found::NoData;
  }

  const std::uint8_t* const nearest = name + asked.offset[service_label - 1];
  if (relative == 4) {
    if (nearest[1] == '_') {
      // Above the zonal names of a headless service.
      if (options_.zonal && label_is(nearest, kZone)) {
        return has_part(asked, 0, relative) ? Found::NoData : Found::NXDomain;
      }
      // `_tcp.<service>` is an empty non-terminal when it has named ports of that protocol.
      const auto protocol = protocol_of(nearest);
      return protocol && block->has_protocol(*protocol) ? Found::NoData : Found::NXDomain;
    }
    std::uint32_t i;
    if (block->clusters()) [[unlikely]] {
      // One without a cluster, or the name of a cluster above its endpoints.
      std::array<std::uint8_t, dns::kMaxLabelSize + 2> alone;
      std::memcpy(alone.data(), nearest, std::size_t{1} + nearest[0]);
      alone[std::size_t{1} + nearest[0]] = 0;
      i = block->find_endpoint(alone.data());
      if (i == ServiceBlock::kNotFound && has_part(asked, 0, relative)) return Found::NoData;
    } else {
      i = block->find_endpoint(nearest);
    }
    return endpoint(asked, *block, i, service_label, answer);
  }

  // _port._protocol.<service>
  const std::uint8_t* const port_label = name + asked.offset[0];
  if (block->clusters() && nearest[1] != '_' && port_label[1] != '_') [[unlikely]] {
    // <endpoint>.<cluster>.<service>
    return endpoint(asked, *block, block->find_endpoint(port_label), service_label, answer);
  }
  if (options_.zonal && label_is(nearest, kZone)) [[unlikely]] {
    const bool directive = label_is(port_label, kPin) || label_is(port_label, kPrefer);
    return directive && has_part(asked, 1, relative) ? Found::NoData : Found::NXDomain;
  }
  const auto protocol = protocol_of(nearest);
  if (!protocol || port_label[1] != '_') return Found::NXDomain;
  const std::uint16_t port = block->find_port(port_label, *protocol);
  if (port == ServiceBlock::kNoPort) return Found::NXDomain;
  const ServiceBlock::NamedPort& named = block->named_ports()[port];
  const std::uint32_t counter = ServiceBlock::kCounterPorts + 3u * port;
  if (asked.type == RRType::SRV) {
    return srv(asked, *block, ServiceBlock::kNotFound, port, service_label, counter, answer);
  }
  if (!a && !aaaa) return Found::NoData;
  const std::uint32_t here = a ? named.a_count : named.aaaa_count;
  const std::uint32_t all = a ? block->a_count() : block->aaaa_count();
  if (here == 0) return Found::NoData;
  if (here == all) {
    return rows(asked, a ? block->a_rows() : block->aaaa_rows(), 0, all,
                rotation(*block, counter + (a ? 1 : 2), all), answer);
  }
  dns::RRsetRef& ref =
      add_answer(answer, &write_port_rows, asked.type, options_.ttl, asked.owner);
  ref.data = block;
  ref.first = port;
  ref.rotation = rotation(*block, counter + (a ? 1 : 2),
                          static_cast<std::uint32_t>(block->endpoints().size()));
  return Found::Data;
}

Found ClusterStage::resolve_pod(const Asked& asked, unsigned relative, Answer& answer,
                                                  const dns::WorkerContext& worker) noexcept {
  if (relative == 1) return Found::NoData;  // pod.<zone>
  const std::uint8_t* const name = asked.name.data();
  const std::uint8_t* const ns = name + asked.offset[relative - 2];
  if (!table_->has_namespace(ns)) return Found::NXDomain;
  if (relative == 2) return Found::NoData;
  if (relative > 3 || options_.pods == PodMode::Disabled) return Found::NXDomain;
  const auto address = parse_pod_label(name + asked.offset[0]);
  if (!address) return Found::NXDomain;
  if (options_.pods == PodMode::Verified && !pods_->has_pod(ns, *address)) return Found::NXDomain;
  const RRType type = address->is_v4() ? RRType::A : RRType::AAAA;
  if (asked.type != type) return Found::NoData;
  std::uint8_t* const p = scratch_[worker.index].row.data();
  dns::store_u16(p, 0xC000 | dns::kHeaderSize);
  dns::store_u16(p + 2, static_cast<std::uint16_t>(type));
  dns::store_u16(p + 4, static_cast<std::uint16_t>(dns::RRClass::IN));
  dns::store_u32(p + 6, options_.ttl);
  dns::store_u16(p + 10, static_cast<std::uint16_t>(address->size()));
  std::memcpy(p + 12, address->octets.data(), address->size());
  return rows(asked, p, 0, 1, 0, answer);
}

Found ClusterStage::resolve_reverse(const Asked& asked, Answer& answer,
                                                      const dns::WorkerContext& worker) noexcept {
  const auto reverse = parse_reverse_name(asked.name);
  if (!reverse || reverse->too_long) return Found::NXDomain;
  if (!reverse->complete()) {
    return table_->has_reverse_below(reverse->address, reverse->units) ? Found::NoData : Found::NXDomain;
  }
  std::array<PtrTarget, kMaxPtr>& targets = scratch_[worker.index].ptr;
  std::uint32_t count = 0;
  table_->for_each_at(reverse->address, [&](const ServiceBlock& block) {
    if (block.is_cluster_ip(reverse->address)) {
      // The address is the service's; that endpoints may have it too says nothing more.
      targets[0] = {&block, ServiceBlock::kNotFound};
      count = 1;
      return false;
    }
    for (std::uint32_t i = block.find_address(reverse->address, 0);
         i != ServiceBlock::kNotFound && count < kMaxPtr;
         i = block.find_address(reverse->address, i + 1)) {
      targets[count++] = {&block, i};
    }
    return count < kMaxPtr;
  });
  if (count == 0) return Found::NXDomain;
  if (asked.type != RRType::PTR) return Found::NoData;
  // One order for all workers, whatever the order of the table's slots.
  if (count > 1) {
    std::sort(targets.begin(), targets.begin() + count, [](const PtrTarget& x, const PtrTarget& y) {
      const auto kx = x.block->key();
      const auto ky = y.block->key();
      const int order = std::memcmp(kx.data(), ky.data(), std::min(kx.size(), ky.size()));
      if (order != 0) return order < 0;
      return kx.size() != ky.size() ? kx.size() < ky.size() : x.endpoint < y.endpoint;
    });
  }
  dns::RRsetRef& ref = add_answer(answer, &write_ptr, RRType::PTR, options_.ttl, asked.owner);
  ref.data = targets.data();
  ref.more = &ptr_zone_;
  ref.count = count;
  ref.rotation = rotation(*targets[0].block, ServiceBlock::kCounterPtr, count);
  return Found::Data;
}

void ClusterStage::add_soa(NameView name, std::uint8_t owner, Answer& answer) noexcept {
  std::array<std::uint8_t, dns::kMaxLabels + 1> offset;
  unsigned labels = 0;
  std::size_t at = 0;
  while (name[at] != 0) {
    offset[labels++] = static_cast<std::uint8_t>(at);
    at += std::size_t{1} + name[at];
  }
  offset[labels] = static_cast<std::uint8_t>(at);
  const Zone* const zone = find_zone({name, offset.data(), labels, RRType::SOA, owner});
  if (zone == nullptr) return;
  const auto size = static_cast<std::uint8_t>(zone->name.size());
  const std::uint8_t zone_name = owner == 0 ? answer.add_question_suffix(size)
                                            : answer.add_name(zone->name.data(), size);
  add_soa(zone_name, answer);
}

Verdict ClusterStage::follow(dns::QueryContext& ctx, Outcome alias) noexcept {
  Answer& answer = ctx.answer;
  answer.authoritative = true;
  std::uint8_t owner = 0;
  for (;;) {
    if (!answer.has_room_for_link() || answer.answer_count >= Answer::kMaxChain) {
      // Too long a chain (kMaxChain): what was found so far is the answer.
      answer.error = {true, dns::ExtendedError::Other, "the CNAME chain is too long"};
      return Verdict::Answered;
    }
    bool loop = false;
    for (std::uint8_t i = 0; i < answer.name_count; ++i) {
      loop = loop || dns::equal_ignoring_case({answer.names[i].wire, answer.names[i].size}, alias.alias);
    }
    const std::uint8_t target =
        answer.add_name(alias.alias.data(), static_cast<std::uint8_t>(alias.alias.size()));
    add_answer(answer, &dns::write_cname, RRType::CNAME, alias.ttl, owner).first = target;
    if (ctx.query.qtype == RRType::CNAME) return Verdict::Answered;
    if (loop) {
      answer.error = {true, dns::ExtendedError::Other, "the CNAME chain is a loop"};
      return Verdict::Answered;
    }
    owner = target;
    const NameView name = alias.alias;
    Outcome next;
    dns::LocalData* source = nullptr;
    for (const auto& stage : ctx.route->stages) {
      source = stage->local_data();
      if (source == nullptr) continue;
      next = source->look_up(name, ctx.query.qtype, owner, answer, *ctx.worker);
      if (next.found != Found::NotMine) break;
    }
    switch (next.found) {
      case Found::Data: return Verdict::Answered;
      case Found::Alias: alias = next; continue;
      case Found::NXDomain:
        answer.rcode = dns::Rcode::NXDomain;  // of the last name of the chain (RFC 6604 3)
        [[fallthrough]];
      case Found::NoData: source->add_soa(name, owner, answer); return Verdict::Answered;
      case Found::NotReady:
        answer.rcode = dns::Rcode::ServFail;
        answer.error = {true, dns::ExtendedError::NotReady, "the registry is not in sync yet"};
        return Verdict::Answered;
      case Found::NotMine: break;
    }
    // Outside: the forwarder goes on where we end. Without one the CNAME is the answer.
    if (dns::find_upstream(*ctx.route, name, ctx.client) == nullptr) return Verdict::Answered;
    std::vector<dns::ChainLink> chain;
    for (std::uint8_t i = 0; i < answer.answer_count; ++i) {
      const dns::RRsetRef& link = answer.answer[i];
      const auto& from = answer.names[link.owner];
      const auto& to = answer.names[link.first];
      chain.push_back({dns::Name({from.wire, from.size}), dns::Name({to.wire, to.size}), link.ttl});
    }
    dns::follow_chain(ctx.defer(), std::move(chain), dns::Name(name));
    return Verdict::Deferred;
  }
}

}  // namespace clusterdns::zones
