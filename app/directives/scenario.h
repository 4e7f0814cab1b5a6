// Scenarios of `fault`: rules, a timeline of outages, and what is expected of clients meanwhile; a
// YAML file, or what an API is given.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/corefile/problems.h"
#include "dns/target/fault_rules.h"

namespace clusterdns::app {

struct Expectation {
  std::string text;  // "client answers within 6s in 99 %"
  std::chrono::nanoseconds within{};
  double percent = 0;
};

struct Scenario {
  std::optional<std::uint64_t> seed;  // nullopt: the directive's
  // Those of the timeline are among them.
  std::shared_ptr<const std::vector<std::unique_ptr<dns::FaultRule>>> rules;
  std::optional<std::chrono::nanoseconds> length;  // nullopt: until it is stopped
  std::vector<Expectation> expect;
};

// What is wrong goes to `problems`, as `FILE:LINE:COLUMN`.
[[nodiscard]] Scenario read_scenario(const std::string& file, std::string text, Problems& problems);

}  // namespace clusterdns::app
