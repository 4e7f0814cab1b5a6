#include "dns/hosts/hosts_stage.h"

#include "dns/query/encoder.h"

namespace clusterdns::dns {
namespace {

bool at_or_below_any(NameView name, const std::vector<Name>& zones) noexcept {
  for (const Name& zone : zones) {
    if (zone.is_root() || has_suffix_ignoring_case(name, zone.view())) return true;
  }
  return false;
}

// PTR records: `data` points to `count` wire names, one after the other.
Written write_names(const RRsetRef& rrset, Encoder& encoder) noexcept {
  const auto* name = static_cast<const std::uint8_t*>(rrset.data);
  for (std::uint32_t i = 0; i < rrset.count; ++i) {
    std::size_t size = 1;
    while (name[size - 1] != 0) size += std::size_t{1} + name[size - 1];
    const std::size_t before = encoder.size();
    if (!encoder.record_head(rrset.owner, rrset.type, rrset.ttl) || encoder.room() < 2 + size) {
      encoder.rewind(before);
      return i == 0 ? Written::None : Written::Part;
    }
    encoder.u16(static_cast<std::uint16_t>(size));
    encoder.bytes(name, size);
    encoder.add_records(1);
    name += size;
  }
  return Written::All;
}

}  // namespace

HostsStage::HostsStage(Options options, ReclaimDomain& reclaim)
    : options_(std::move(options)), reclaim_(reclaim), table_(new HostsTable(options_.hosts)) {}

HostsStage::~HostsStage() { delete table_.load(std::memory_order_relaxed); }

void HostsStage::publish(std::unique_ptr<HostsTable> table, double modified) {
  entries_.store(table->entries(), std::memory_order_relaxed);
  modified_.store(modified, std::memory_order_relaxed);
  const HostsTable* const old = table_.exchange(table.release(), std::memory_order_acq_rel);
  reclaim_.retire(const_cast<HostsTable*>(old), [](void* p) { delete static_cast<HostsTable*>(p); });
}

bool HostsStage::falls_through(NameView name) const noexcept {
  return at_or_below_any(name, options_.fall_through);
}

bool HostsStage::in_zones(NameView name) const noexcept {
  return at_or_below_any(name, options_.hosts.zones);
}

bool HostsStage::add_records(const HostsTable::Host& host, RRType type, std::uint8_t owner,
                             Answer& answer) const noexcept {
  RRsetRef rrset;
  if (type == RRType::A || type == RRType::AAAA) {
    const auto& rows = type == RRType::A ? host.v4 : host.v6;
    rrset.write = &write_rows;
    rrset.data = rows.data();
    rrset.count =
        static_cast<std::uint32_t>(rows.size() / (type == RRType::A ? kARowSize : kAaaaRowSize));
    if (options_.rotate && rrset.count > 1) {
      const std::uint32_t turn = host.turn.load(std::memory_order_relaxed);
      host.turn.store(turn + 1, std::memory_order_relaxed);
      rrset.rotation = turn % rrset.count;
    }
  } else if (type == RRType::PTR) {
    rrset.write = &write_names;
    rrset.data = host.names.data();
    rrset.count = host.name_count;
  }
  if (rrset.count == 0) return false;
  rrset.ttl = options_.hosts.ttl;
  rrset.type = type;
  rrset.owner = owner;
  answer.answer[answer.answer_count++] = rrset;
  return true;
}

Verdict HostsStage::handle(QueryContext& ctx) noexcept {
  const NameView name = ctx.query.name();
  const RRType type = ctx.query.qtype;
  const HostsTable::Host* const host = table_.load(std::memory_order_acquire)->find(name);
  // Reverse names need not be within the zones.
  if (type == RRType::PTR) {
    if (host == nullptr || !add_records(*host, type, 0, ctx.answer)) return Verdict::Next;
    ctx.answer.authoritative = true;
    return Verdict::Answered;
  }
  if (!in_zones(name)) return Verdict::Next;
  if (host == nullptr || !host->has_addresses()) {
    if (falls_through(name)) return Verdict::Next;
    ctx.answer.rcode = Rcode::ServFail;
    ctx.answer.error = {true, ExtendedError::Other,
                        "not among the hosts, and no fallthrough is configured"};
    return Verdict::Answered;
  }
  if (!add_records(*host, type, 0, ctx.answer) && options_.fall_through_unsupported &&
      type != RRType::A && type != RRType::AAAA && falls_through(name)) {
    return Verdict::Next;
  }
  ctx.answer.authoritative = true;
  return Verdict::Answered;
}

LocalData::Outcome HostsStage::look_up(NameView name, RRType type, std::uint8_t owner,
                                       Answer& answer, const WorkerContext&) noexcept {
  Outcome outcome;
  const HostsTable::Host* const host = table_.load(std::memory_order_acquire)->find(name);
  if (type == RRType::PTR) {
    if (host != nullptr && add_records(*host, type, owner, answer)) outcome.found = Found::Data;
    return outcome;
  }
  if (!in_zones(name)) return outcome;
  if (host == nullptr || !host->has_addresses()) {
    if (!falls_through(name)) outcome.found = Found::NXDomain;
    return outcome;
  }
  outcome.ttl = options_.hosts.ttl;
  if (add_records(*host, type, owner, answer)) {
    outcome.found = Found::Data;
  } else if (!options_.fall_through_unsupported || type == RRType::A || type == RRType::AAAA ||
             !falls_through(name)) {
    outcome.found = Found::NoData;
  }
  return outcome;
}

}  // namespace clusterdns::dns
