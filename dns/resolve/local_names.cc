#include "dns/resolve/local_names.h"

#include <algorithm>

#include "dns/query/encoder.h"

namespace clusterdns::dns {
namespace {

bool has_name(const Answer& answer, NameView name) noexcept {
  for (std::uint16_t i = 0; i < answer.name_count; ++i) {
    if (equal_ignoring_case({answer.names[i].wire, answer.names[i].size}, name)) return true;
  }
  return false;
}

LocalResult fail(Answer& answer, const LocalData::Outcome& outcome, LocalResult result) noexcept {
  answer.rcode = Rcode::ServFail;
  answer.error = *outcome.error;
  return result;
}

}  // namespace

LocalData::Outcome look_up_local(const Route& route, NameView name, RRType type, std::uint8_t owner,
                                 Answer& answer, const WorkerContext& worker,
                                 LocalData** found_in) noexcept {
  LocalData::Outcome nobodys;
  for (const auto& stage : route.stages) {
    LocalData* const data = stage->local_data();
    if (data == nullptr) continue;
    const auto outcome = data->look_up(name, type, owner, answer, worker);
    if (outcome.found == LocalData::Found::NotMine) continue;
    if (outcome.found == LocalData::Found::FallsThrough) {
      nobodys = outcome;
      continue;
    }
    *found_in = data;
    return outcome;
  }
  return nobodys;
}

bool is_local_name(const Route& route, NameView name, const WorkerContext& worker,
                   std::size_t stages) noexcept {
  Answer unused;
  unused.reset(name.data(), static_cast<std::uint8_t>(name.size()));
  for (std::size_t i = 0; i < route.stages.size() && i < stages; ++i) {
    LocalData* const data = route.stages[i]->local_data();
    // A type that no name has: the answer is only where the name is, and no RRset turns.
    if (data != nullptr &&
        data->look_up(name, RRType::OPT, 0, unused, worker).found != LocalData::Found::NotMine) {
      return true;
    }
  }
  return false;
}

LocalResult resolve_local(const Route& route, const WorkerContext& worker, NameView name,
                          RRType type, Answer& answer, std::uint8_t* owner,
                          const LocalData::Outcome* first, LocalData* first_in) noexcept {
  LocalData* holder = first_in;
  LocalData::Outcome outcome =
      first != nullptr ? *first : look_up_local(route, name, type, *owner, answer, worker, &holder);
  for (;;) {
    switch (outcome.found) {
      case LocalData::Found::NotMine:
      case LocalData::Found::FallsThrough: return LocalResult::Outside;
      case LocalData::Found::Data: return LocalResult::Data;
      case LocalData::Found::NoData:
        holder->add_soa(name, *owner, answer);
        return LocalResult::NoData;
      case LocalData::Found::NXDomain:
        answer.rcode = Rcode::NXDomain;
        holder->add_soa(name, *owner, answer);
        return LocalResult::NXDomain;
      case LocalData::Found::Failed: return fail(answer, outcome, LocalResult::Failed);
      case LocalData::Found::NotReady: return fail(answer, outcome, LocalResult::NotReady);
      case LocalData::Found::Alias: break;
    }
    if (answer.answer_count >= Answer::kMaxChain) {
      answer.error = kChainTooLong;
      return LocalResult::Endless;
    }
    const bool loops = has_name(answer, outcome.alias);
    const std::uint8_t target =
        answer.add_name(outcome.alias.data(), static_cast<std::uint8_t>(outcome.alias.size()));
    add_alias(answer, *owner, target, outcome.ttl);
    // The alias is what was asked for.
    if (type == RRType::CNAME || type == RRType::ANY) return LocalResult::Data;
    if (loops) {
      answer.error = kChainLoops;
      return LocalResult::Endless;
    }
    *owner = target;
    name = outcome.alias;
    outcome = look_up_local(route, name, type, *owner, answer, worker, &holder);
  }
}

std::uint32_t bound_alias(Answer& answer) noexcept {
  constexpr std::uint32_t kNone = 0xFFFFFFFF;
  std::uint32_t ttl = kNone;
  for (const RRsetRef& record : answer.answers().subspan(1)) ttl = std::min(ttl, record.ttl);
  if (answer.authority_count != 0) ttl = std::min(ttl, answer.authority[0].ttl);
  return answer.answer[0].ttl = ttl == kNone ? kTtlOfNothing : ttl;
}

void add_alias(Answer& answer, std::uint8_t owner, std::uint8_t target,
               std::uint32_t ttl) noexcept {
  RRsetRef& link = answer.next_answer();
  link = {};
  link.write = &write_cname;
  link.first = target;
  link.count = 1;
  link.ttl = ttl;
  link.type = RRType::CNAME;
  link.owner = owner;
}

}  // namespace clusterdns::dns
