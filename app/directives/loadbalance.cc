// loadbalance [round_robin | off]
#include "app/corefile/arguments.h"
#include "app/directives/directive.h"

namespace clusterdns::app {

void set_up_loadbalance(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 0, kAnyNumber, "loadbalance [round_robin|off]");
  if (directive.args.empty()) return;
  const Token& policy = directive.args[0];
  if (policy.text == "weighted" || policy.text == "prefer") {
    throw ConfigError(policy.at, "loadbalance " + policy.text +
                                     " is not built yet; use round_robin, which is the default");
  }
  static constexpr std::string_view kPolicies[] = {"round_robin", "off"};
  setup.rotate = parse_choice(policy, kPolicies) == "round_robin";
  setup.route.rotate = setup.rotate;
  require_arguments(directive, 0, 1, "loadbalance [round_robin|off]");
  require_no_block(directive);
}

}  // namespace clusterdns::app
