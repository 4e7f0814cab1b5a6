#include "dns/policy/acl_stage.h"

#include <algorithm>

#include "dns/query/wire_sections.h"

namespace clusterdns::dns {
namespace {

constexpr ExtendedErrorNote kBlocked{true, ExtendedError::Blocked, ""};
// RFC 8914 4.18.
constexpr ExtendedErrorNote kFiltered{true, static_cast<ExtendedError>(17), ""};

// What of a zone is counted: all but Allow.
constexpr std::size_t kPerZone = AclRules::kActions - 1;

std::size_t counter_of(std::size_t zone, AclRules::Action action) noexcept {
  return zone * kPerZone + static_cast<std::size_t>(action) - 1;
}

}  // namespace

void AclRules::add(Rule rule) {
  for (std::size_t i = 0; i < rule.zones.size(); ++i) {
    same_for_all_names_ = same_for_all_names_ && rule.zones[i].size() == 1;
  }
  for (const Policy& policy : rule.policies) {
    same_for_all_types_ = same_for_all_types_ && !policy.types;
  }
  counters_.emplace_back(workers_, kPerZone * rule.zones.size());
  rules_.push_back(std::move(rule));
}

AclRules::Judgement AclRules::judge(NameView name, RRType type,
                                    const Endpoint& client) const noexcept {
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const Rule& rule = rules_[i];
    const std::size_t zone = rule.zones.find(name);
    if (zone == ZoneSet::kNone) continue;
    for (const Policy& policy : rule.policies) {
      if (policy.types &&
          std::find(policy.types->begin(), policy.types->end(), type) == policy.types->end()) {
        continue;
      }
      if (policy.clients && !policy.clients->contains(client)) continue;
      return {policy.action, i, zone};
    }
  }
  return {};
}

void AclRules::count(const Judgement& judgement, unsigned worker) noexcept {
  if (judgement.action == Action::Allow) {
    allowed_.add(worker, 0);
  } else {
    counters_[judgement.rule].add(worker, counter_of(judgement.zone, judgement.action));
  }
}

std::uint64_t AclRules::allowed() const noexcept { return allowed_.total(0); }

std::uint64_t AclRules::total(std::size_t rule, std::size_t zone, Action action) const noexcept {
  return counters_[rule].total(counter_of(zone, action));
}

Verdict AclStage::handle(Exchange& exchange) noexcept {
  const Query& query = exchange.query;
  const auto judgement = rules_->judge(query.name(), query.qtype, exchange.client);
  const bool allowed = judgement.action == AclRules::Action::Allow;
  if (!allowed || place_ == Place::Own) rules_->count(judgement, exchange.worker->index);
  switch (judgement.action) {
    case AclRules::Action::Allow:
      if (place_ == Place::Gate || (rules_->same_for_all_names() && rules_->same_for_all_types())) {
        return Verdict::Next;
      }
      // Without room the answer may tell too much: rather none.
      if (exchange.add_filter(*this)) return Verdict::Next;
      exchange.fail(Rcode::Refused, kBlocked);
      return Verdict::Answered;
    case AclRules::Action::Block: exchange.fail(Rcode::Refused, kBlocked); return Verdict::Answered;
    case AclRules::Action::Filter:
      exchange.fail(Rcode::NoError, kFiltered);
      return Verdict::Answered;
    case AclRules::Action::Drop: break;
  }
  return Verdict::Drop;
}

Verdict AclStage::filter(Exchange& exchange, std::uint64_t) noexcept {
  Answer& answer = exchange.answer;
  // What an upstream said is one piece, and has names that only its records tell. So have addresses
  // of what records of the answer point to: one reference stands for those of many names.
  if (answer.additional_count != 0 || has_wire_sections(answer)) exchange.take_apart();
  // Addresses that nobody asked for tell as much as those that somebody did.
  std::uint16_t kept = 0;
  for (const RRsetRef& record : answer.additionals()) {
    const AnswerName& owner = answer.names[record.owner];
    const auto judgement = rules_->judge({owner.wire, owner.size}, record.type, exchange.client);
    if (judgement.action == AclRules::Action::Allow) answer.additional[kept++] = record;
  }
  answer.additional_count = kept;
  // Owners are names of the question, or where an alias before them leads.
  std::uint8_t allowed = 0;  // the owner before, if it was: thousands of records may share one
  for (std::uint16_t i = 0; i < answer.answer_count; ++i) {
    const std::uint8_t owner = answer.answer[i].owner;
    if (owner == 0 || owner == allowed) continue;
    const AnswerName& name = answer.names[owner];
    const auto action =
        rules_->judge({name.wire, name.size}, exchange.query.qtype, exchange.client).action;
    if (action == AclRules::Action::Allow) {
      allowed = owner;
      continue;
    }
    answer.answer_count = i;
    answer.authority_count = answer.additional_count = 0;
    if (answer.rcode == Rcode::NXDomain) answer.rcode = Rcode::NoError;
    if (!answer.error.set) answer.error = action == AclRules::Action::Filter ? kFiltered : kBlocked;
    break;
  }
  return Verdict::Answered;
}

}  // namespace clusterdns::dns
