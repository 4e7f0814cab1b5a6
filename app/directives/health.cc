// health [ADDRESS:PORT] {
//   lameduck DURATION  how long to go on after SIGTERM
//   grace DURATION     when to end after SIGTERM even if queries still arrive (not in CoreDNS)
// }
#include <algorithm>

#include "app/corefile/arguments.h"
#include "app/directives/directive.h"

namespace clusterdns::app {
namespace {

// CoreDNS's.
constexpr std::string_view kDefaultAddress = ":8080";

}  // namespace

void set_up_health(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 0, 1, "health [ADDRESS:PORT]");
  const Token address = directive.args.empty()
                            ? Token{std::string(kDefaultAddress), directive.name.at}
                            : directive.args[0];
  AdminPlan& plan = setup.environment.admin;
  plan.addresses.emplace(address.text, parse_http_address(address));
  plan.health.insert(address.text);
  for (const Directive& p : directive.block) {
    static constexpr std::string_view kKnown[] = {"lameduck", "grace"};
    if (p.name.text == "lameduck") {
      plan.lameduck =
          std::max(plan.lameduck, parse_duration(only_argument(p, "lameduck DURATION")));
    } else if (p.name.text == "grace") {
      const auto grace = parse_duration(only_argument(p, "grace DURATION"));
      plan.grace = plan.grace_given ? std::max(plan.grace, grace) : grace;
      plan.grace_given = true;
    } else {
      fail_unknown_property(p, "health", kKnown);
    }
    require_no_block(p);
  }
}

}  // namespace clusterdns::app
