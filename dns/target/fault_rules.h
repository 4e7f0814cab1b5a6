// The rules of `fault`: which answers to change, and how.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dns/net/address_ranges.h"
#include "dns/query/expression.h"
#include "dns/target/effects.h"
#include "dns/target/lookups.h"
#include "dns/wire/name.h"

namespace clusterdns::dns {

// How many times each action was done. Any thread.
using ActionCounters = std::array<std::atomic<std::uint64_t>, kActions>;

// Names that a rule is about.
struct NamePattern {
  enum class Kind : std::uint8_t { Exact, Below, Expression };
  Kind kind = Kind::Exact;
  Name name;  // lower-case
  std::optional<Expression> expression;

  [[nodiscard]] bool matches(const Query& query) const noexcept;
};

// When an entry of a timeline drops answers; times in ns since the scenario began.
struct Schedule {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t down = 0;  // flap: so long nothing is answered,
  std::int64_t up = 0;    // then so long all is
  double from = 1;        // ramp: the part that is lost at its begin
  double to = 1;          // and at its end

  // The part of the answers that is lost at `now`.
  [[nodiscard]] double loss(std::int64_t now) const noexcept;
};

struct FaultRule {
  std::string name;
  std::optional<AddressRanges> clients;
  std::vector<NamePattern> names;  // one of them; none: any
  std::vector<RRType> types;       // likewise
  std::optional<Transport> transport;
  std::optional<bool> edns;
  std::uint32_t first = 0;                                       // 0: any
  std::uint32_t every = 0;                                       // likewise
  std::optional<std::pair<std::int64_t, std::int64_t>> between;  // ns
  std::optional<double> probability;
  std::optional<Schedule> schedule;
  bool go_on = false;  // the next rule is looked at, too
  std::vector<Instruction> actions;
  mutable ActionCounters done{};
};

// Rules that begin together: those of the Corefile, or of one scenario.
struct RuleGroup {
  std::string name;                   // the scenario's; empty: of the Corefile
  std::uint64_t number = 0;           // of counts; another one after a reset
  std::optional<std::uint64_t> seed;  // of its own
  std::int64_t since_ns = 0;          // monotonic clock
  std::shared_ptr<const std::vector<std::unique_ptr<FaultRule>>> rules;
  std::shared_ptr<Lookups> lookups;  // that it is measured by; nullptr: it is not
};
// In the order in which they are looked at.
using ActiveRules = std::vector<RuleGroup>;

// Adds to `effects` what the rules do to the answer of `exchange`, and counts it. Returns the first
// rule that acts; nullptr: none does.
[[nodiscard]] const FaultRule* apply_rules(const ActiveRules& rules, std::uint64_t seed,
                                           const Exchange& exchange, FaultCounts& counts,
                                           Effects& effects);

void count_actions(const Effects& effects, std::size_t from, ActionCounters& counters) noexcept;

}  // namespace clusterdns::dns
