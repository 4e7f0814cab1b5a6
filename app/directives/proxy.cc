// proxy FROM TO… { … }
//
// The directive that CoreDNS had before `forward`, up to 1.4: taken as that, with a warning. Options
// that `forward` has no counterpart for are passed over.
#include <algorithm>

#include "app/corefile/arguments.h"
#include "app/directives/directive.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kProperties[] = {"policy",       "fail_timeout", "max_fails", "max_conns",
                                            "health_check", "except",       "spray",     "protocol",
                                            "upstream"};

}  // namespace

void set_up_proxy(const Directive& directive, BlockSetup& setup) {
  const auto& logger = setup.environment.logger;
  logger->warn("plugin/proxy: {}: 'proxy' is taken as 'forward'; write 'forward' instead",
               to_string(directive.name.at));
  Directive forward = directive;
  forward.block.clear();
  for (const Directive& p : directive.block) {
    const std::string& name = p.name.text;
    if (std::find(std::begin(kProperties), std::end(kProperties), name) == std::end(kProperties)) {
      fail_unknown_property(p, "proxy", kProperties);
    }
    require_no_block(p);
    Directive same = p;
    if (name == "policy") {
      // `first` is what is called sequential now; least_conn and others spread the load.
      const std::string& policy = only_argument(p, "policy NAME").text;
      if (policy == "first") same.args[0].text = "sequential";
      static constexpr std::string_view kOthers[] = {"least_conn", "ip_hash", "header"};
      if (std::find(std::begin(kOthers), std::end(kOthers), policy) != std::end(kOthers)) {
        same.args[0].text = "random";
      }
    } else if (name == "protocol" && p.args.size() == 2 && p.args[0].text == "dns" &&
               p.args[1].text == "force_tcp") {
      same.name.text = "force_tcp";
      same.args.clear();
    } else if (name == "protocol" && !p.args.empty() && p.args[0].text != "dns") {
      throw ConfigError(p.args[0].at, "proxy: protocol '" + p.args[0].text +
                                          "' is not built yet; remove it to ask over plain DNS");
    } else if (name != "except" && name != "max_fails") {
      logger->warn("plugin/proxy: {}: '{}' has no effect any more; remove it", to_string(p.name.at),
                   name);
      continue;
    }
    forward.block.push_back(std::move(same));
  }
  set_up_forward(forward, setup);
}

}  // namespace clusterdns::app
