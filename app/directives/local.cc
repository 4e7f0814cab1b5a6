// local {
//   localhost_prefix on|off
// }
#include "app/corefile/options.h"
#include "app/directives/directive.h"
#include "dns/fixed/fixed_stages.h"

namespace clusterdns::app {
namespace {

constexpr Option kOptions[] = {
    option<[](const Directive& line, bool& prefix) {
      static constexpr std::string_view kWords[] = {"on", "off"};
      prefix = parse_choice(line.args[0], kWords) == "on";
    }>("localhost_prefix", "on|off",
       "whether names that begin with `localhost.`, as search lists make them, are answered, too",
       "on"),
};

}  // namespace

std::span<const Option> local_options() { return kOptions; }

void set_up_local(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 0, 0, "local");
  bool prefix = true;
  read_options(directive, kOptions, setup.environment.problems, prefix);
  auto stage = std::make_shared<dns::LocalStage>(prefix, setup.environment.workers);
  setup.route.stages.push_back(stage);
  setup.environment.collectors.push_back([stage](Exposition& out) {
    out.counter("coredns_local_localhost_requests_total",
                "Counter of special localhost subdomain requests.", {},
                static_cast<double>(stage->intercepted()));
  });
}

}  // namespace clusterdns::app
