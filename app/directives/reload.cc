// reload [INTERVAL] [JITTER]
#include <algorithm>

#include "app/corefile/arguments.h"
#include "app/directives/directive.h"

namespace clusterdns::app {

void set_up_reload(const Directive& directive, BlockSetup& setup) {
  // CoreDNS's.
  constexpr std::chrono::nanoseconds kMinInterval = std::chrono::seconds(2);
  constexpr std::chrono::nanoseconds kMinJitter = std::chrono::seconds(1);
  require_arguments(directive, 0, 2, "reload [INTERVAL] [JITTER]");
  require_no_block(directive);
  ReloadPlan plan;
  if (!directive.args.empty()) {
    plan.interval = parse_duration(directive.args[0]);
    if (plan.interval < kMinInterval) {
      fail(directive.args[0], "is too short; the shortest interval is 2s");
    }
  }
  if (directive.args.size() > 1) {
    plan.jitter = parse_duration(directive.args[1]);
    if (plan.jitter.count() != 0 && plan.jitter < kMinJitter) {
      fail(directive.args[1], "is too short; the shortest jitter is 1s, and 0s is none");
    }
  }
  plan.jitter = std::min(plan.jitter, plan.interval / 2);
  setup.environment.admin.reload = plan;
}

}  // namespace clusterdns::app
