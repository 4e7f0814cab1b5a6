#include "zones/cluster_stage.h"

#include <algorithm>
#include <cstring>

#include "dns/resolve/resolution.h"
#include "zones/host_table.h"
#include "zones/pod_name.h"
#include "zones/reverse_name.h"
#include "zones/zone_answers.h"

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
constexpr std::uint8_t kNs1[] = {3, 'n', 's', '1'};
constexpr std::uint8_t kHostmaster[] = {10, 'h', 'o', 's', 't', 'm', 'a', 's', 't', 'e', 'r'};
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

// The next RRset of the answer section, to be filled in where it stands.
dns::RRsetRef& add_answer(Answer& answer, dns::RRsetWriter write, RRType type, std::uint32_t ttl,
                          std::uint8_t owner) noexcept {
  dns::RRsetRef& r = answer.next_answer();
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
      soa_ttl_(std::min(options_.ttl, kMaxSoaTtl)),
      external_(!options_.external_apex.empty()),
      scratch_(options_.workers) {
  for (const dns::Name& name : options_.zones) {
    if (zone_set_.add(name) != zones_.size()) continue;
    zones_.push_back({name, name.label_count(), is_reverse_zone(name.view())});
  }
  if (zones_.size() > dns::ZoneSet::kFew) many_.swap(zones_);
  std::stable_sort(zones_.begin(), zones_.end(),
                   [](const Zone& a, const Zone& b) { return a.labels > b.labels; });
  for (const dns::Name& name : options_.fall_through_in) fall_through_in_.add(name);
  // The primary zone, which PTR answers point into, is the first that was configured.
  const auto first =
      std::find_if(options_.zones.begin(), options_.zones.end(),
                   [](const dns::Name& name) { return !is_reverse_zone(name.view()); });
  const dns::Name& ptr_zone = options_.ptr_zone ? *options_.ptr_zone : *first;
  // A zone leaves room for that, and an own apex is a label (see the directives).
  behind_services_ =
      external_ ? ptr_zone : dns::Name::from_text("svc").value().append(ptr_zone.view()).value();
  if (external_) {
    apex_label_.push_back(static_cast<std::uint8_t>(options_.external_apex.size()));
    apex_label_.insert(apex_label_.end(), options_.external_apex.begin(),
                       options_.external_apex.end());
    apex_.ns.assign(std::begin(kNs1), std::end(kNs1));
    apex_.hostmaster.assign(std::begin(kHostmaster), std::end(kHostmaster));
    for (auto* const labels : {&apex_.ns, &apex_.hostmaster}) {
      labels->insert(labels->end(), apex_label_.begin(), apex_label_.end());
    }
  }
  ns_a_rows_ = host_rows(options_.server_addresses, registry::IpFamily::V4, options_.ttl);
  ns_a_count_ = static_cast<std::uint32_t>(ns_a_rows_.size() / dns::kARowSize);
  ns_aaaa_rows_ = host_rows(options_.server_addresses, registry::IpFamily::V6, options_.ttl);
  ns_aaaa_count_ = static_cast<std::uint32_t>(ns_aaaa_rows_.size() / dns::kAaaaRowSize);
}

CLUSTERDNS_HOT const ClusterStage::Zone* ClusterStage::find_zone(
    const Asked& asked) const noexcept {
  for (const Zone& zone : zones_) {
    if (zone.labels > asked.labels) continue;
    const std::size_t at = asked.offset[asked.labels - zone.labels];
    const std::size_t size = asked.name.size() - at;
    if (size == zone.name.size() &&
        dns::equal_padded(asked.name.data() + at, zone.name.data(), size)) {
      return &zone;
    }
  }
  if (many_.empty()) return nullptr;
  const std::size_t i = zone_set_.find(asked.name, asked.offset, asked.labels);
  return i == dns::ZoneSet::kNone ? nullptr : &many_[i];
}

bool ClusterStage::falls_through(NameView name) const noexcept {
  return fall_through_in_.empty() || fall_through_in_.contains(name);
}

Verdict ClusterStage::handle(dns::Exchange& exchange) noexcept {
  const dns::Query& query = exchange.query;
  const Asked asked{query.name(), query.label_offset.data(), query.label_count, query.qtype, 0};
  Answer& answer = exchange.answer;
  const Outcome outcome = resolve(asked, answer, *exchange.worker);
  switch (outcome.found) {
    case Found::NotMine:
    case Found::FallsThrough: return Verdict::Next;
    case Found::Data: answer.authoritative = true; return Verdict::Answered;
    case Found::Alias: {
      if (is_transfer(query.qtype)) return refuse_transfer(answer);
      answer.authoritative = true;
      std::uint8_t last = 0;
      const dns::LocalResult result =
          dns::resolve_local(*exchange.route, *exchange.worker, asked.name, query.qtype, answer,
                             &last, &outcome, this);
      return result == dns::LocalResult::Outside ? dns::finish_outside(exchange, last)
                                                 : Verdict::Answered;
    }
    case Found::Failed:
    case Found::NotReady:
      answer.rcode = dns::Rcode::ServFail;
      answer.error = *outcome.error;
      return Verdict::Answered;
    case Found::NXDomain: answer.rcode = dns::Rcode::NXDomain; break;
    case Found::NoData: break;
  }
  if (is_transfer(query.qtype)) return refuse_transfer(answer);
  answer.authoritative = true;
  add_soa(answer.add_question_suffix(outcome.zone_size), answer);
  return Verdict::Answered;
}

void ClusterStage::add_soa(std::uint8_t zone_name, Answer& answer) const noexcept {
  put_soa(answer.next_authority(), zone_name);
}

void ClusterStage::put_soa(dns::RRsetRef& soa, std::uint8_t zone_name) const noexcept {
  set_soa(soa, zone_name, table_->serial(), soa_ttl_);
  if (!external_) return;
  soa.write = &write_named_soa;
  soa.more = &apex_;
}

dns::LocalData::Outcome ClusterStage::look_up(NameView name, RRType type, std::uint8_t owner,
                                              Answer& answer,
                                              const dns::WorkerContext& worker) noexcept {
  LabelOffsets offset;
  const unsigned labels = find_labels(name, offset);
  return resolve({name, offset.data(), labels, type, owner}, answer, worker);
}

CLUSTERDNS_HOT dns::LocalData::Outcome ClusterStage::resolve(
    const Asked& asked, Answer& answer, const dns::WorkerContext& worker) noexcept {
  Outcome outcome;
  const Zone* const zone = find_zone(asked);
  if (zone == nullptr) return outcome;
  outcome.ttl = soa_ttl_;
  outcome.zone_size = static_cast<std::uint8_t>(zone->name.size());
  const unsigned relative = asked.labels - static_cast<unsigned>(zone->labels);
  Found found = Found::NXDomain;
  if (relative == 0) {
    found = resolve_apex(asked, answer, worker);
  } else if (zone->reverse) {
    found = resolve_reverse(asked, answer, worker);
  } else if (external_) [[unlikely]] {
    found = resolve_external(asked, relative, answer, worker, outcome);
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
  if (found == Found::NXDomain) {
    if (!table_->ready()) [[unlikely]] {
      found = Found::NotReady;
      outcome.error = &kNotReady;
    } else if (options_.fall_through && falls_through(asked.name)) {
      found = Found::FallsThrough;
    }
  }
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
  const auto add = [](std::uint8_t* to, std::uint32_t& count, const std::uint8_t* rows,
                      std::size_t row, std::uint32_t n) {
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
    pods_->for_each_at(address, [&](const ServiceBlock& inside) {
      if (inside.find_address(address, 0) == ServiceBlock::kNotFound) return true;
      // The same service, as it is reached from outside. Keys have what find() wants behind them.
      const ServiceBlock* const outside = external_ ? table_->find(inside.key()) : &inside;
      if (outside == nullptr) return true;
      const ServiceBlock& block = *outside;
      found = found || block.a_count() + block.aaaa_count() != 0;
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
    put_soa(answer.next_answer(), asked.owner);
    return Found::Data;
  }
  if (asked.type == RRType::NS) {
    add_answer(answer, external_ ? &write_named_ns : &write_ns, RRType::NS, options_.ttl,
               asked.owner)
        .more = &apex_;
    const auto glue = [&](const std::uint8_t* rows, std::uint32_t count, RRType type) {
      if (count == 0) return;
      dns::RRsetRef& ref = answer.next_additional();
      ref.write = external_ ? &write_named_ns_glue : &write_ns_glue;
      ref.more = &apex_;
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
  dns::RRsetRef& ref = add_answer(answer, &dns::write_rows, asked.type, options_.ttl, asked.owner);
  ref.data = data;
  ref.first = first;
  ref.count = count;
  ref.rotation = start;
  return Found::Data;
}

Found ClusterStage::srv(const Asked& asked, const ServiceBlock& block, std::uint32_t endpoint,
                        std::uint16_t named_port, unsigned service_label,
                        Answer& answer) const noexcept {
  if (count_srv(block, endpoint, named_port) == 0) return Found::NoData;
  const std::size_t at = asked.offset[service_label];
  const auto add = [&](dns::RRsetRef& ref, dns::RRsetWriter writer) {
    SrvRef::set(ref, block, asked.name.data() + at, asked.name.size() - at, endpoint, named_port,
                options_.ttl, asked.owner);
    ref.write = writer;
  };
  add(answer.next_answer(), &write_srv);
  add(answer.next_additional(), &write_srv_glue);
  return Found::Data;
}

Found ClusterStage::resolve_external(const Asked& asked, unsigned relative, Answer& answer,
                                     const dns::WorkerContext& worker, Outcome& outcome) noexcept {
  const std::uint8_t* const name = asked.name.data();
  const std::uint8_t* const last = name + asked.offset[relative - 1];
  if (std::size_t{last[0]} + 1 == apex_label_.size() &&
      std::equal(apex_label_.begin(), apex_label_.end(), last)) {
    if (relative == 1) return Found::NoData;
    return relative == 2 && label_is(name, kNs1) ? server_address(asked, answer, worker)
                                                 : Found::NXDomain;
  }
  // As if `svc` stood between namespace and zone.
  return resolve_service(asked, relative + 1, answer, outcome);
}

bool ClusterStage::has_part(const Asked& asked, unsigned from, unsigned relative) const noexcept {
  const std::size_t at = asked.offset[from];
  return table_->find({asked.name.data() + at, asked.offset[relative - 1] - at}) != nullptr;
}

CLUSTERDNS_HOT Found ClusterStage::endpoint(const Asked& asked, const ServiceBlock& block,
                                            std::uint32_t i, unsigned service_label,
                                            Answer& answer) const noexcept {
  if (i == ServiceBlock::kNotFound) return Found::NXDomain;
  const ServiceBlock::Endpoint e = block.endpoint(i);
  const std::uint32_t counter = e.counters;
  const auto turn = [&](std::uint32_t which, std::uint32_t count) {
    return counter == 0 ? 0 : rotation(block, counter + which, count);
  };
  const bool a = asked.type == RRType::A;
  const bool aaaa = asked.type == RRType::AAAA;
  if (a && block.plain()) {
    dns::RRsetRef& ref = answer.next_answer();
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
    return rows(asked, block.aaaa_rows() + e.aaaa_first * dns::kAaaaRowSize, 0, e.aaaa_count,
                turn(1, e.aaaa_count), answer);
  }
  if (asked.type == RRType::SRV) {
    return srv(asked, block, i, ServiceBlock::kNoPort, service_label, answer);
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
               answer);
  }
  return Found::NoData;
}

CLUSTERDNS_HOT Found ClusterStage::resolve_service(const Asked& asked, unsigned relative,
                                                   Answer& answer, Outcome& outcome) noexcept {
  const std::uint8_t* const name = asked.name.data();
  if (relative == 1) return Found::NoData;  // svc.<zone>
  if (relative == 2)
    return table_->has_namespace(name + asked.offset[0]) ? Found::NoData : Found::NXDomain;
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
      outcome.ttl = options_.ttl;
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
                 answer);
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
  if (asked.type == RRType::SRV) {
    return srv(asked, *block, ServiceBlock::kNotFound, port, service_label, answer);
  }
  if (!a && !aaaa) return Found::NoData;
  const std::uint32_t here = a ? named.a_count : named.aaaa_count;
  const std::uint32_t all = a ? block->a_count() : block->aaaa_count();
  if (here == 0) return Found::NoData;
  const std::uint32_t counter = block->port_counters(port) + (a ? 0u : 1u);
  if (here == all) {
    return rows(asked, a ? block->a_rows() : block->aaaa_rows(), 0, all,
                rotation(*block, counter, all), answer);
  }
  dns::RRsetRef& ref = add_answer(answer, &write_port_rows, asked.type, options_.ttl, asked.owner);
  ref.data = block;
  ref.first = port;
  ref.rotation = rotation(*block, counter, here);
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
  dns::put_address_row(p, {address->octets.data(), address->size()}, options_.ttl);
  return rows(asked, p, 0, 1, 0, answer);
}

Found ClusterStage::resolve_reverse(const Asked& asked, Answer& answer,
                                    const dns::WorkerContext& worker) noexcept {
  const auto reverse = parse_reverse_name(asked.name);
  if (!reverse || reverse->too_long) return Found::NXDomain;
  if (!reverse->complete()) {
    return table_->has_reverse_below(reverse->address, reverse->units) ? Found::NoData
                                                                       : Found::NXDomain;
  }
  std::array<PtrTarget, kMaxPtr>& targets = scratch_[worker.index].ptr;
  std::uint32_t count = 0;
  table_->for_each_at(reverse->address, [&](const ServiceBlock& block) {
    if (block.is_cluster_ip(reverse->address)) {
      // Services may share an address that they are reached at from outside.
      if (external_) {
        targets[count++] = {&block, ServiceBlock::kNotFound};
        return count < kMaxPtr;
      }
      // The address is the service's; that endpoints may have it too says nothing more.
      targets[0] = {&block, ServiceBlock::kNotFound};
      count = 1;
      return false;
    }
    if (external_) return true;
    for (std::uint32_t i = block.find_address(reverse->address, 0);
         i != ServiceBlock::kNotFound && count < kMaxPtr;
         i = block.find_address(reverse->address, i + 1)) {
      targets[count++] = {&block, i};
    }
    return true;  // its own service may come last
  });
  if (count == 0) return Found::NXDomain;
  if (asked.type != RRType::PTR) return Found::NoData;
  // Programs take the first name as the one, so it is always the same: what a pod calls itself, its
  // hostname, before names made of its address; then by their services, in one order for all
  // workers.
  if (count > 1) {
    const auto has_hostname = [](const PtrTarget& target) {
      return target.endpoint != ServiceBlock::kNotFound &&
             target.block->endpoint(target.endpoint).hostname != 0;
    };
    std::sort(targets.begin(), targets.begin() + count,
              [&](const PtrTarget& x, const PtrTarget& y) {
                if (has_hostname(x) != has_hostname(y)) return has_hostname(x);
                const auto kx = x.block->key();
                const auto ky = y.block->key();
                const int order = std::memcmp(kx.data(), ky.data(), std::min(kx.size(), ky.size()));
                if (order != 0) return order < 0;
                return kx.size() != ky.size() ? kx.size() < ky.size() : x.endpoint < y.endpoint;
              });
  }
  dns::RRsetRef& ref = add_answer(answer, &write_ptr, RRType::PTR, options_.ttl, asked.owner);
  ref.data = targets.data();
  ref.more = &behind_services_;
  ref.count = count;
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
  const std::uint8_t zone_name =
      owner == 0 ? answer.add_question_suffix(size) : answer.add_name(zone->name.data(), size);
  add_soa(zone_name, answer);
}

}  // namespace clusterdns::zones
