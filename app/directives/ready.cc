// ready [ADDRESS:PORT] { monitor until-ready|continuously }
#include "app/corefile/options.h"
#include "app/directives/directive.h"
#include "app/directives/upstream_lookups.h"

namespace clusterdns::app {
namespace {

// CoreDNS's.
constexpr std::string_view kDefaultAddress = ":8181";

constexpr Option kOptions[] = {
    option<[](const Directive& line, AdminPlan& plan) {
      static constexpr std::string_view kTypes[] = {"until-ready", "continuously"};
      plan.ready_continuously = parse_choice(line.args[0], kTypes) == "continuously";
    }>("monitor", "until-ready|continuously",
       "whether it stays 200 once it was 200, or the sources are asked each time", "until-ready"),
};

}  // namespace

std::span<const Option> ready_options() { return kOptions; }

void set_up_ready(const Directive& directive, BlockSetup& setup) {
  AdminPlan& plan = setup.environment.admin;
  read_options(directive, kOptions, setup.environment.problems, plan);
  require_arguments(directive, 0, 1, "ready [ADDRESS:PORT]");
  const Token address = directive.args.empty()
                            ? Token{std::string(kDefaultAddress), directive.name.at}
                            : directive.args[0];
  plan.serve(with_address(address, setup.environment), plan.ready);
}

}  // namespace clusterdns::app
