// health [ADDRESS:PORT] { OPTION… }
#include <algorithm>

#include "app/corefile/options.h"
#include "app/directives/directive.h"
#include "app/directives/upstream_lookups.h"

namespace clusterdns::app {
namespace {

// CoreDNS's.
constexpr std::string_view kDefaultAddress = ":8080";

void read_grace(const Directive& line, AdminPlan& plan) {
  const auto grace = parse_duration(line.args[0]);
  plan.grace = plan.grace_given ? std::max(plan.grace, grace) : grace;
  plan.grace_given = true;
}

constexpr Option kOptions[] = {
    option<[](const Directive& line, AdminPlan& plan) {
      plan.lameduck = std::max(plan.lameduck, parse_duration(line.args[0]));
    }>("lameduck", "DURATION", "how long to go on answering after SIGTERM"),
    option<&read_grace>("grace", "DURATION",
                        "when to end after SIGTERM even if queries still arrive (not in CoreDNS)",
                        "25s"),
};

}  // namespace

std::span<const Option> health_options() { return kOptions; }

void set_up_health(const Directive& directive, BlockSetup& setup) {
  AdminPlan& plan = setup.environment.admin;
  read_options(directive, kOptions, setup.environment.problems, plan);
  require_arguments(directive, 0, 1, "health [ADDRESS:PORT]");
  const Token address = directive.args.empty()
                            ? Token{std::string(kDefaultAddress), directive.name.at}
                            : directive.args[0];
  plan.serve(with_address(address, setup.environment), plan.health);
}

}  // namespace clusterdns::app
