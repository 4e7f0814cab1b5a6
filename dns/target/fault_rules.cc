#include "dns/target/fault_rules.h"

#include <algorithm>

namespace clusterdns::dns {
namespace {

// Draws of a rule itself, beside those of its instructions.
constexpr std::uint32_t kDrawOfRule = 0xFFFFFFFF;
constexpr std::uint32_t kDrawOfSchedule = 0xFFFFFFFE;
// Places of counts, see kFirstPlace.
constexpr std::size_t kEveryPlace = 0;
constexpr std::size_t kFirstNPlace = 1;

// All but what counts or draws.
bool concerns(const FaultRule& rule, std::int64_t since_ns, const Exchange& exchange) noexcept {
  const Query& query = exchange.query;
  if (rule.transport && *rule.transport != exchange.transport) return false;
  if (rule.edns && *rule.edns != query.has_edns) return false;
  if (!rule.types.empty() &&
      std::find(rule.types.begin(), rule.types.end(), query.qtype) == rule.types.end()) {
    return false;
  }
  const std::int64_t now = exchange.received_ns - since_ns;
  if (rule.between && (now < rule.between->first || now >= rule.between->second)) return false;
  if (rule.clients && !rule.clients->contains(exchange.client)) return false;
  return rule.names.empty() ||
         std::any_of(rule.names.begin(), rule.names.end(),
                     [&](const NamePattern& pattern) { return pattern.matches(query); });
}

}  // namespace

bool NamePattern::matches(const Query& query) const noexcept {
  if (kind == Kind::Exact) {
    return query.qname_size == name.size() &&
           std::equal(name.data(), name.data() + name.size(), query.lower.data());
  }
  if (kind == Kind::Below) {
    return query.qname_size > name.size() && has_suffix_ignoring_case(query.name(), name.view());
  }
  try {
    return expression->matches(name_to_text(query.name()));
  } catch (...) {
    return false;  // no memory
  }
}

double Schedule::loss(std::int64_t now) const noexcept {
  if (now < begin || now >= end) return 0;
  if (down != 0) return (now - begin) % (down + up) < down ? 1 : 0;
  const double passed = static_cast<double>(now - begin) / static_cast<double>(end - begin);
  return from + (to - from) * passed;
}

const FaultRule* apply_rules(const ActiveRules& rules, std::uint64_t seed, const Exchange& exchange,
                             FaultCounts& counts, Effects& effects) {
  const FaultRule* first = nullptr;
  for (const RuleGroup& group : rules) {
    for (const auto& each : *group.rules) {
      const FaultRule& rule = *each;
      if (!concerns(rule, group.since_ns, exchange)) continue;
      const double loss =
          rule.schedule ? rule.schedule->loss(exchange.received_ns - group.since_ns) : 1;
      if (loss <= 0) continue;
      const std::size_t before = effects.happened.size();
      bool acts = true;
      const auto act = [&](FaultCounts::Counts* own) {
        const std::uint32_t met = own == nullptr ? 0 : own->met++;
        const Draws draws(group.seed.value_or(seed), rule.name, exchange);
        acts = (!rule.probability || draws.draw(met, kDrawOfRule) < *rule.probability) &&
               (loss >= 1 || draws.draw(met, kDrawOfSchedule) < loss) &&
               (rule.every == 0 || own->next(kEveryPlace) % rule.every == 0) &&
               (rule.first == 0 || own->next(kFirstNPlace) <= rule.first);
        if (acts) evaluate(rule.actions, exchange, draws, met, own, effects);
      };
      if (rule.probability || loss < 1 || rule.every != 0 || rule.first != 0 ||
          needs_counts(rule.actions)) {
        counts.with(group.number, rule.name, exchange,
                    [&](FaultCounts::Counts& own) { act(&own); });
      } else {
        act(nullptr);
      }
      if (!acts) continue;
      count_actions(effects, before, rule.done);
      if (first == nullptr) first = &rule;
      if (!rule.go_on) return first;
    }
  }
  return first;
}

void count_actions(const Effects& effects, std::size_t from, ActionCounters& counters) noexcept {
  for (std::size_t i = from; i < effects.happened.size(); ++i) {
    counters[static_cast<std::size_t>(effects.happened[i].action)].fetch_add(
        1, std::memory_order_relaxed);
  }
}

}  // namespace clusterdns::dns
