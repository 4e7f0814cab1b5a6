#include "dns/hosts/hosts_stage.h"

#include "dns/query/encoder.h"

namespace clusterdns::dns {
namespace {

constexpr ExtendedErrorNote kNotAmongThem{true, ExtendedError::Other,
                                          "not among the hosts, and no fallthrough is configured"};

// PTR records: `data` points to `count` places of wire names behind `more`.
Written write_names(const RRsetRef& rrset, Encoder& encoder) noexcept {
  const auto* const places = static_cast<const std::uint32_t*>(rrset.data);
  for (std::uint32_t i = 0; i < rrset.count; ++i) {
    const std::uint8_t* const name = static_cast<const std::uint8_t*>(rrset.more) + places[i];
    const std::size_t size = name[-1];
    const std::size_t before = encoder.size();
    if (!encoder.record_head(rrset.owner, rrset.type, rrset.ttl) || encoder.room() < 2 + size) {
      encoder.rewind(before);
      return i == 0 ? Written::None : Written::Part;
    }
    encoder.u16(static_cast<std::uint16_t>(size));
    encoder.bytes(name, size);
    encoder.add_records(1);
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
  reclaim_.retire(const_cast<HostsTable*>(old),
                  [](void* p) { delete static_cast<HostsTable*>(p); });
}

bool HostsStage::add_records(const HostsTable::Host& host, RRType type, std::uint8_t owner,
                             Answer& answer) const noexcept {
  RRsetRef rrset;
  if (type == RRType::A || type == RRType::AAAA) {
    rrset.write = &write_rows;
    rrset.data = type == RRType::A ? host.v4 : host.v6;
    rrset.count = type == RRType::A ? host.v4_count : host.v6_count;
    if (options_.rotate && rrset.count > 1) {
      const std::uint32_t turn = host.turn->load(std::memory_order_relaxed);
      host.turn->store(turn + 1, std::memory_order_relaxed);
      rrset.rotation = turn % rrset.count;
    }
  } else if (type == RRType::PTR) {
    rrset.write = &write_names;
    rrset.data = host.names;
    rrset.more = host.wire;
    rrset.count = host.name_count;
  }
  if (rrset.count == 0) return false;
  rrset.ttl = options_.hosts.ttl;
  rrset.type = type;
  rrset.owner = owner;
  answer.add_answer(rrset);
  return true;
}

Verdict HostsStage::handle(Exchange& exchange) noexcept {
  const NameView name = exchange.query.name();
  const RRType type = exchange.query.qtype;
  const auto host = table_.load(std::memory_order_acquire)->find(name);
  // Reverse names need not be within the zones.
  if (type == RRType::PTR) {
    if (!host || !add_records(*host, type, 0, exchange.answer)) return Verdict::Next;
    exchange.answer.authoritative = true;
    return Verdict::Answered;
  }
  if (!in_zones(name)) return Verdict::Next;
  if (!host || !host->has_addresses()) {
    if (falls_through(name)) return Verdict::Next;
    exchange.answer.rcode = Rcode::ServFail;
    exchange.answer.error = kNotAmongThem;
    return Verdict::Answered;
  }
  if (!add_records(*host, type, 0, exchange.answer) && options_.fall_through_unsupported &&
      type != RRType::A && type != RRType::AAAA && falls_through(name)) {
    return Verdict::Next;
  }
  exchange.answer.authoritative = true;
  return Verdict::Answered;
}

LocalData::Outcome HostsStage::look_up(NameView name, RRType type, std::uint8_t owner,
                                       Answer& answer, const WorkerContext&) noexcept {
  Outcome outcome;
  const auto host = table_.load(std::memory_order_acquire)->find(name);
  if (type == RRType::PTR) {
    if (host && add_records(*host, type, owner, answer)) outcome.found = Found::Data;
    return outcome;
  }
  if (!in_zones(name)) return outcome;
  if (!host || !host->has_addresses()) {
    // That a file has no zone to prove it by is told in the same way whoever asks.
    if (!falls_through(name)) {
      outcome.found = Found::Failed;
      outcome.error = &kNotAmongThem;
    }
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
