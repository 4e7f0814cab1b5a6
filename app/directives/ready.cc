// ready [ADDRESS:PORT] { monitor until-ready|continuously }
#include "app/corefile/arguments.h"
#include "app/directives/directive.h"

namespace clusterdns::app {
namespace {

// CoreDNS's.
constexpr std::string_view kDefaultAddress = ":8181";

}  // namespace

void set_up_ready(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 0, 1, "ready [ADDRESS:PORT]");
  const Token address = directive.args.empty()
                            ? Token{std::string(kDefaultAddress), directive.name.at}
                            : directive.args[0];
  AdminPlan& plan = setup.environment.admin;
  plan.addresses.emplace(address.text, parse_http_address(address));
  plan.ready.insert(address.text);
  for (const Directive& p : directive.block) {
    static constexpr std::string_view kKnown[] = {"monitor"};
    if (p.name.text != "monitor") fail_unknown_property(p, "ready", kKnown);
    static constexpr std::string_view kTypes[] = {"until-ready", "continuously"};
    const Token& type = only_argument(p, "monitor until-ready|continuously");
    plan.ready_continuously = parse_choice(type, kTypes) == "continuously";
    require_no_block(p);
  }
}

}  // namespace clusterdns::app
