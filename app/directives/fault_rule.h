// The rules of `fault` as the Corefile and scenarios write them.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "app/corefile/options.h"
#include "dns/target/fault_rules.h"

namespace clusterdns::app {

// More rules of a directive or scenario are a mistake; each is compared with every query.
inline constexpr std::size_t kMaxFaultRules = 1000;

// The rule that `rule NAME { … }` says. What is wrong with its lines goes to `problems`.
// Throws ConfigError.
[[nodiscard]] std::unique_ptr<dns::FaultRule> read_fault_rule(const Directive& rule,
                                                              Problems& problems);
// A number without a sign, in decimal.
[[nodiscard]] std::uint64_t parse_seed(const Token& token);
// In [0, 1].
[[nodiscard]] double parse_probability(const Token& token);

}  // namespace clusterdns::app
