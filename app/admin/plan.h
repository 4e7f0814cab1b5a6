// What the directives `health`, `ready`, `prometheus`, `console` and `reload` of all server blocks
// ask for.
#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "app/admin/http_server.h"
#include "app/corefile/ast.h"
#include "app/corefile/problems.h"

namespace clusterdns::app {

// After SIGTERM a server that is watched goes on at least until no query came for this long:
// clients and balancers that have not heard yet still ask.
inline constexpr std::chrono::seconds kDrainQuiet{2};
// From SIGTERM to the end at most; kubelet kills after 30 s (terminationGracePeriodSeconds).
inline constexpr std::chrono::seconds kDrainGrace{25};

struct ReloadPlan {
  std::chrono::nanoseconds interval{std::chrono::seconds(30)};
  std::chrono::nanoseconds jitter{std::chrono::seconds(15)};  // around the interval, half each side
};

// The console of one address.
struct ConsolePlan {
  std::string token;               // empty: none is asked for
  std::vector<std::string> hosts;  // names it is reached by, without a final dot
  std::optional<HttpCertificate> tls;
  bool allow_edit = false;
  std::chrono::nanoseconds history{std::chrono::minutes(15)};
  // When somebody else has the address, the server goes on without a console.
  bool may_be_taken = false;
  Position at;  // where it was written first

  [[nodiscard]] bool says_the_same(const ConsolePlan& other) const {
    return token == other.token && hosts == other.hosts && tls == other.tls &&
           allow_edit == other.allow_edit && history == other.history;
  }
};

// `/metrics` of one address.
struct MetricsPlan {
  std::optional<dns::TlsSettings> tls;
  Position at;  // where it was written first
};

struct AdminPlan {
  std::map<std::string, HttpAddress> addresses;           // by their keys
  std::map<std::string, Position> places;                 // where each was written first
  std::set<std::string> health, ready, metrics, console;  // keys of `addresses`
  std::map<std::string, ConsolePlan> consoles;            // by `console`
  std::map<std::string, MetricsPlan> exporters;           // by `metrics`
  std::chrono::nanoseconds lameduck{0};                   // the longest
  std::chrono::nanoseconds grace{kDrainGrace};            // the longest that is given
  bool grace_given = false;
  bool ready_continuously = false;
  std::optional<ReloadPlan> reload;

  // How long after SIGTERM it takes at most until nothing is served any more.
  [[nodiscard]] std::chrono::nanoseconds drain_most() const noexcept {
    return is_watched() ? std::max(grace, lameduck) : std::chrono::nanoseconds(0);
  }
  // The address is there for a console only that may do without it.
  [[nodiscard]] bool may_be_taken(const std::string& key) const {
    const auto at = consoles.find(key);
    return at != consoles.end() && at->second.may_be_taken && !health.contains(key) &&
           !ready.contains(key) && !metrics.contains(key);
  }
  // Adds the address that `token` is to one of the sets. Throws ConfigError.
  void serve(const Token& token, std::set<std::string>& on);
  // Whether what is served at one address can be: it has TLS, or it has not.
  void check(Problems& problems) const;
  // Whether somebody looks at our readiness and wants time to act on it.
  [[nodiscard]] bool is_watched() const noexcept { return !ready.empty() || lameduck.count() > 0; }
};

// `:PORT`, `ADDRESS:PORT` or `localhost:PORT`. Throws ConfigError.
[[nodiscard]] HttpAddress parse_http_address(const Token& token);

}  // namespace clusterdns::app
