// What the directives `health`, `ready`, `prometheus` and `reload` of all server blocks ask for.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "app/admin/http_server.h"
#include "app/corefile/ast.h"

namespace clusterdns::app {

// After SIGTERM a server that is watched goes on at least until no query came for this long: clients
// and balancers that have not heard yet still ask.
inline constexpr std::chrono::seconds kDrainQuiet{2};
// From SIGTERM to the end at most; kubelet kills after 30 s (terminationGracePeriodSeconds).
inline constexpr std::chrono::seconds kDrainGrace{25};

struct ReloadPlan {
  std::chrono::nanoseconds interval{std::chrono::seconds(30)};
  std::chrono::nanoseconds jitter{std::chrono::seconds(15)};  // around the interval, half each side
};

struct AdminPlan {
  std::map<std::string, HttpAddress> addresses;  // by their text
  std::set<std::string> health, ready, metrics;  // keys of `addresses`
  std::chrono::nanoseconds lameduck{0};          // the longest
  std::chrono::nanoseconds grace{kDrainGrace};   // the longest that is given
  bool grace_given = false;
  bool ready_continuously = false;
  std::optional<ReloadPlan> reload;

  // Whether somebody looks at our readiness and wants time to act on it.
  [[nodiscard]] bool is_watched() const noexcept { return !ready.empty() || lameduck.count() > 0; }
};

// `:PORT`, `ADDRESS:PORT` or `localhost:PORT`. Throws ConfigError.
[[nodiscard]] HttpAddress parse_http_address(const Token& token);

}  // namespace clusterdns::app
