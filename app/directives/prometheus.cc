// prometheus [ADDRESS:PORT]
#include "app/corefile/arguments.h"
#include "app/directives/directive.h"

namespace clusterdns::app {
namespace {

// CoreDNS's.
constexpr std::string_view kDefaultAddress = "localhost:9153";

}  // namespace

void set_up_prometheus(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 0, 1, "prometheus [ADDRESS:PORT]");
  const Token address = directive.args.empty()
                            ? Token{std::string(kDefaultAddress), directive.name.at}
                            : directive.args[0];
  AdminPlan& plan = setup.environment.admin;
  plan.addresses.emplace(address.text, parse_http_address(address));
  plan.metrics.insert(address.text);
  for (const Directive& p : directive.block) {
    // The Go runtime's own metrics: there is none here.
    if (p.name.text == "runtime_metrics") continue;
    if (p.name.text == "tls") {
      throw ConfigError(p.name.at, "prometheus: 'tls' is an option of CoreDNS that is not built yet; "
                                   "remove it to serve /metrics over plain HTTP");
    }
    static constexpr std::string_view kKnown[] = {"runtime_metrics"};
    fail_unknown_property(p, "prometheus", kKnown);
  }
  setup.count = true;
}

}  // namespace clusterdns::app
