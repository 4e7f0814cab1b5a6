#include "zones/file/zone_stage.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "dns/query/encoder.h"
#include "dns/resolve/local_names.h"
#include "zones/file/zone_writers.h"
#include "zones/zone_answers.h"

namespace clusterdns::zones {
namespace {

using dns::Answer;
using dns::NameView;
using dns::RRType;
using dns::Verdict;
using Where = ZoneTable::Place::Kind;
using LocalFound = dns::LocalData::Found;

constexpr dns::ExtendedErrorNote kNotLoaded{true, dns::ExtendedError::NotReady,
                                            "the zone is not loaded, or has expired"};
constexpr dns::ExtendedErrorNote kTooLongBehindDname{true, dns::ExtendedError::Other,
                                                     "the name is too long behind a DNAME"};

// The index of what `name` ends in, `size` octets; `owner` is that of `name`.
std::uint8_t add_suffix(NameView name, std::size_t size, std::uint8_t owner,
                        Answer& answer) noexcept {
  if (size == name.size()) return owner;
  if (owner == 0) return answer.add_question_suffix(static_cast<std::uint8_t>(size));
  return answer.add_name(name.data() + (name.size() - size), static_cast<std::uint8_t>(size));
}

// Whether a CNAME of the answer has `name` as its owner: one that leads there closes a circle.
bool has_alias_of(const Answer& answer, NameView name) noexcept {
  return std::ranges::any_of(answer.answers(), [&](const dns::RRsetRef& record) {
    const dns::AnswerName& owner = answer.names[record.owner];
    return record.type == RRType::CNAME && dns::equal_ignoring_case({owner.wire, owner.size}, name);
  });
}

}  // namespace

Verdict take_alias_answer(dns::Exchange& outer, dns::Exchange& inner,
                          dns::Outcome outcome) noexcept {
  if (outcome == dns::Outcome::Dropped) return Verdict::Drop;
  // Nobody here knows: the aliases are the answer (RFC 1034 4.3.2 step 3a).
  if (outcome == dns::Outcome::Unanswered) return Verdict::Answered;
  inner.take_apart();
  Answer& to = outer.answer;
  const Answer& from = inner.answer;
  const auto add = [&](dns::Section section, const dns::RRsetRef& record) {
    const dns::AnswerName& name = from.names[record.owner];
    const auto owner = to.find_or_add_name({name.wire, name.size});
    if (!owner) {
      to.overfull = true;
      return;
    }
    to.add_record(section, *owner, record.type, record.ttl,
                  {static_cast<const std::uint8_t*>(record.data), record.count});
  };
  for (const dns::RRsetRef& record : from.answers()) add(dns::Section::Answer, record);
  // Of a negative answer; servers of other zones are no part of this one.
  for (const dns::RRsetRef& record : from.authorities()) {
    if (record.type != RRType::NS) add(dns::Section::Authority, record);
  }
  to.rcode = from.rcode;  // RFC 6604 section 3
  to.relayed = from.relayed;
  to.truncated = to.truncated || from.truncated;
  if (from.error.set) to.keep_error(from.error);
  return Verdict::Answered;
}

ZoneStage::ZoneStage(Options options, dns::ReclaimDomain& reclaim)
    : options_(std::move(options)), reclaim_(reclaim), zones_(new ZoneList) {}

ZoneStage::~ZoneStage() { delete zones_.load(std::memory_order_relaxed); }

void ZoneStage::publish(std::unique_ptr<const ZoneList> zones) {
  const ZoneList* const old = zones_.exchange(zones.release(), std::memory_order_acq_rel);
  reclaim_.retire(const_cast<ZoneList*>(old), [](void* p) { delete static_cast<ZoneList*>(p); });
}

const std::shared_ptr<const ZoneTable>* ZoneStage::find_zone(const ZoneList& zones,
                                                             const Asked& asked) const noexcept {
  if (!options_.within.empty() &&
      options_.within.find(asked.name, asked.offset, asked.labels) == dns::ZoneSet::kNone) {
    return nullptr;
  }
  std::size_t zone = zones.names.find(asked.name, asked.offset, asked.labels);
  if (zone == dns::ZoneSet::kNone) return nullptr;
  for (const ZoneStage* const sibling : siblings_) {
    const dns::ZoneSet& names = sibling->current().names;
    const std::size_t theirs = names.find(asked.name, asked.offset, asked.labels);
    if (theirs != dns::ZoneSet::kNone && names[theirs].size() > zones.names[zone].size()) {
      return nullptr;
    }
  }
  if (asked.type == RRType::DS && asked.labels != 0 &&
      zones.names[zone].size() == asked.name.size()) [[unlikely]] {
    // It belongs to the zone above (RFC 4035 3.1.4.1), if that is here.
    const std::size_t above = zones.names.find(asked.name.subspan(asked.offset[1]));
    if (above != dns::ZoneSet::kNone) zone = above;
  }
  return &zones.tables[zone];
}

ZoneStage::Found ZoneStage::step(const ZoneTable& zone, const Asked& asked,
                                 Answer& answer) const noexcept {
  Found found;
  found.place = zone.find(asked.name, asked.offset, asked.labels);
  const ZoneTable::Node* const node = found.place.node;
  switch (found.place.kind) {
    case Where::Exact:
    case Where::Wildcard: break;
    case Where::Nothing: found.step = Step::NXDomain; return found;
    case Where::Dname: return synthesize(zone, found.place, asked, answer);
    case Where::Cut:
      // DS is the parent's (RFC 4035 3.1.4.1).
      if (asked.type == RRType::DS && node->name_size == asked.name.size()) {
        found.place.kind = Where::Exact;
        break;
      }
      found.step = Step::Referral;
      return found;
  }
  if (const ZoneTable::RRset* const rrset = zone.find(*node, asked.type)) [[likely]] {
    answer.add_answer(records_of(zone, *node, *rrset, asked.owner, asked.dnssec, options_.rotate));
    dns::RRsetRef addresses;
    if (addresses_of(zone, *rrset, false, asked.dnssec, &addresses)) {
      answer.add_additional(addresses);
    }
    if (found.place.kind == Where::Wildcard && asked.dnssec && zone.has_nsec()) {
      // That no longer name is there (RFC 4035 3.1.3.3).
      if (const ZoneTable::Node* const nsec = zone.find_nsec(asked.name)) {
        const NameView name = zone.name(*nsec);
        answer.add_authority(records_of(
            zone, *nsec, *zone.find(*nsec, RRType::NSEC),
            answer.add_name(name.data(), static_cast<std::uint8_t>(name.size())), true, false));
      }
    }
    return found;
  }
  if (const ZoneTable::RRset* const cname = zone.find(*node, RRType::CNAME);
      cname != nullptr && asked.type != RRType::RRSIG && asked.type != RRType::NSEC) {
    found.step = Step::Alias;
    found.cname = cname;
    found.target = zone.first(*cname);
    found.ttl = cname->ttl;
    return found;
  }
  found.step = Step::NoData;
  return found;
}

ZoneStage::Found ZoneStage::synthesize(const ZoneTable& zone, const ZoneTable::Place& place,
                                       const Asked& asked, Answer& answer) const noexcept {
  Found found;
  found.place = place;
  const ZoneTable::Node& node = *place.node;
  const ZoneTable::RRset& dname = *zone.find(node, RRType::DNAME);
  const dns::RRsetRef records =
      records_of(zone, node, dname, add_suffix(asked.name, node.name_size, asked.owner, answer),
                 asked.dnssec, false);
  // Aliases below it may lead below it again (RFC 2181 section 5: an RRset has no duplicates).
  const auto same = [&](const dns::RRsetRef& other) {
    return other.type == records.type && other.data == records.data && other.more == records.more &&
           other.first == records.first;
  };
  const auto before = answer.answers();
  if (std::none_of(before.begin(), before.end(), same)) answer.add_answer(records);
  const NameView to = zone.first(dname);
  const std::size_t kept = asked.name.size() - node.name_size;
  if (kept + to.size() > dns::kMaxNameSize) {
    found.step = Step::TooLong;
    return found;
  }
  std::array<std::uint8_t, dns::kMaxNameSize> name;
  std::copy_n(asked.name.data(), kept, name.data());
  std::copy(to.begin(), to.end(), name.data() + kept);
  const std::size_t size = kept + to.size();
  const std::uint8_t* const target = answer.keep({name.data(), size});
  // Without memory the answer is overfull, and goes out as SERVFAIL.
  if (target == nullptr) return found;
  found.step = Step::Alias;
  found.target = {target, size};
  found.ttl = dname.ttl;  // RFC 6672 3.1
  return found;
}

void ZoneStage::add_referral(const ZoneTable& zone, const Found& found, const Asked& asked,
                             Answer& answer) const noexcept {
  const ZoneTable::Node& cut = *found.place.node;
  const std::uint8_t owner = add_suffix(asked.name, cut.name_size, asked.owner, answer);
  const ZoneTable::RRset& servers = *zone.find(cut, RRType::NS);
  // Signatures of these are the child's.
  answer.add_authority(records_of(zone, cut, servers, owner, false, false));
  if (asked.dnssec) {
    // That the child is signed, or that it is not (RFC 4035 3.1.4).
    const ZoneTable::RRset* proof = zone.find(cut, RRType::DS);
    if (proof == nullptr) proof = zone.find(cut, RRType::NSEC);
    if (proof != nullptr) {
      answer.add_authority(records_of(zone, cut, *proof, owner, true, false));
    }
  }
  dns::RRsetRef glue;
  if (addresses_of(zone, servers, true, asked.dnssec, &glue)) answer.add_additional(glue);
}

void ZoneStage::add_negative(const ZoneTable& zone, const Found& found, const Asked& asked,
                             Answer& answer) const noexcept {
  dns::RRsetRef soa = records_of(zone, zone.apex(), zone.soa(),
                                 add_suffix(asked.name, zone.origin().size(), asked.owner, answer),
                                 asked.dnssec, false);
  soa.ttl = zone.negative_ttl();
  answer.add_authority(soa);
  if (!asked.dnssec || !zone.has_nsec()) return;
  const ZoneTable::Node* last = nullptr;
  const auto prove = [&](const ZoneTable::Node* node) {
    if (node == nullptr || node == last) return;
    last = node;
    const NameView name = zone.name(*node);
    dns::RRsetRef nsec = records_of(
        zone, *node, *zone.find(*node, RRType::NSEC),
        answer.add_name(name.data(), static_cast<std::uint8_t>(name.size())), true, false);
    nsec.ttl = std::min(nsec.ttl, zone.negative_ttl());  // RFC 9077
    answer.add_authority(nsec);
  };
  // The name, or what stands for it (RFC 4035 3.1.3).
  prove(zone.find_nsec(asked.name));
  if (found.place.kind == Where::Wildcard) {
    prove(zone.find_nsec(zone.name(*found.place.node)));
  } else if (found.place.kind == Where::Nothing && found.place.encloser != nullptr) {
    const NameView encloser = zone.name(*found.place.encloser);
    if (encloser.size() + 2 > dns::kMaxNameSize) return;
    std::array<std::uint8_t, dns::kMaxNameSize> wildcard{1, '*'};
    std::copy(encloser.begin(), encloser.end(), wildcard.begin() + 2);
    prove(zone.find_nsec({wildcard.data(), encloser.size() + 2}));
  }
}

bool ZoneStage::falls_through(const Found& found, NameView name) const noexcept {
  if (options_.fall_through.empty()) return false;
  // CoreDNS takes a name that is only above others for one that does not exist.
  const bool nothing = found.step == Step::NXDomain ||
                       (found.step == Step::NoData && found.place.kind == Where::Exact &&
                        found.place.node->rrset_count == 0);
  return nothing && options_.fall_through.contains(name);
}

Verdict ZoneStage::handle(dns::Exchange& exchange) noexcept {
  return answer_from(*zones_.load(std::memory_order_acquire), exchange);
}

Verdict ZoneStage::answer_from(const ZoneList& zones, dns::Exchange& exchange) noexcept {
  const dns::Query& query = exchange.query;
  Answer& answer = exchange.answer;
  Asked asked{query.name(),   query.label_offset.data(), query.label_count, query.qtype, 0,
              query.dnssec_ok};
  const std::shared_ptr<const ZoneTable>* zone = find_zone(zones, asked);
  if (zone == nullptr) return Verdict::Next;
  if (is_transfer(query.qtype)) [[unlikely]]
    return refuse_transfer(answer);
  LabelOffsets offset;  // of a target
  for (std::size_t links = 0;; ++links) {
    if (*zone == nullptr) [[unlikely]] {
      answer.rcode = dns::Rcode::ServFail;
      answer.error = kNotLoaded;
      return Verdict::Answered;
    }
    const ZoneTable& table = **zone;
    const Found found = step(table, asked, answer);
    if (found.step == Step::Data) [[likely]] {
      answer.authoritative = true;
      return Verdict::Answered;
    }
    // AA is about the first name (RFC 1035 4.1.1).
    answer.authoritative = found.step != Step::Referral || links != 0;
    switch (found.step) {
      case Step::Data: break;
      case Step::Referral: add_referral(table, found, asked, answer); return Verdict::Answered;
      case Step::TooLong:
        answer.rcode = dns::Rcode::YXDomain;  // RFC 6672 2.2
        return Verdict::Answered;
      case Step::NXDomain:
      case Step::NoData:
        if (links == 0 && falls_through(found, asked.name)) {
          answer.authoritative = false;
          return Verdict::Next;
        }
        if (found.step == Step::NXDomain) answer.rcode = dns::Rcode::NXDomain;
        add_negative(table, found, asked, answer);
        return Verdict::Answered;
      case Step::Alias: break;
    }
    const bool loops =
        has_alias_of(answer, found.target) || dns::equal_ignoring_case(found.target, asked.name);
    const std::uint8_t target =
        answer.add_name(found.target.data(), static_cast<std::uint8_t>(found.target.size()));
    if (found.cname != nullptr) {
      answer.add_answer(
          records_of(table, *found.place.node, *found.cname, asked.owner, asked.dnssec, false));
    } else {
      dns::add_alias(answer, asked.owner, target, found.ttl);
    }
    // The alias is what was asked for.
    if (asked.type == RRType::CNAME || asked.type == RRType::ANY) return Verdict::Answered;
    if (loops) {
      answer.error = dns::kChainLoops;
      return Verdict::Answered;
    }
    if (links + 1 == Answer::kMaxChain) {
      answer.error = dns::kChainTooLong;
      return Verdict::Answered;
    }
    asked.name = found.target;
    asked.offset = offset.data();
    asked.labels = find_labels(found.target, offset);
    asked.owner = target;
    zone = find_zone(zones, asked);
    if (zone == nullptr) return exchange.run_from(0, found.target, asked.type, &take_alias_answer);
  }
}

dns::LocalData::Outcome ZoneStage::look_up(NameView name, RRType type, std::uint8_t owner,
                                           Answer& answer, const dns::WorkerContext&) noexcept {
  LabelOffsets offset;
  const unsigned labels = find_labels(name, offset);
  const Asked asked{name, offset.data(), labels, type, owner, false};
  Outcome outcome;
  const auto* const zone = find_zone(*zones_.load(std::memory_order_acquire), asked);
  if (zone == nullptr) return outcome;
  if (*zone == nullptr) {
    outcome.found = LocalFound::NotReady;
    outcome.error = &kNotLoaded;
    return outcome;
  }
  const ZoneTable& table = **zone;
  const Found found = step(table, asked, answer);
  outcome.ttl = table.negative_ttl();
  outcome.zone_size = static_cast<std::uint8_t>(table.origin().size());
  switch (found.step) {
    case Step::Data: outcome.found = LocalFound::Data; break;
    case Step::Alias:
      outcome.found = LocalFound::Alias;
      outcome.alias = found.target;
      outcome.ttl = found.ttl;
      break;
    case Step::NoData:
      outcome.found = falls_through(found, name) ? LocalFound::FallsThrough : LocalFound::NoData;
      break;
    case Step::NXDomain:
      outcome.found = falls_through(found, name) ? LocalFound::FallsThrough : LocalFound::NXDomain;
      break;
    case Step::TooLong:
      outcome.found = LocalFound::Failed;
      outcome.error = &kTooLongBehindDname;
      break;
    // Somebody else's zone.
    case Step::Referral: break;
  }
  return outcome;
}

void ZoneStage::add_soa(NameView name, std::uint8_t owner, Answer& answer) noexcept {
  LabelOffsets offset;
  const unsigned labels = find_labels(name, offset);
  const Asked asked{name, offset.data(), labels, RRType::SOA, owner, false};
  const auto* const zone = find_zone(*zones_.load(std::memory_order_acquire), asked);
  if (zone == nullptr || *zone == nullptr) return;
  Found found;
  found.step = Step::NoData;
  add_negative(**zone, found, asked, answer);
}

}  // namespace clusterdns::zones
