// synthetic ZONE… { clients CIDR… }
#include <algorithm>

#include "app/corefile/options.h"
#include "app/directives/target.h"
#include "dns/target/synthetic.h"

namespace clusterdns::app {
namespace {

constexpr Option kOptions[] = {
    option<[](const Directive& line, dns::SyntheticStage::Options& options) {
      options.clients = address_ranges(line.args);
    }>("clients", "CIDR…", "whose queries are answered, others are REFUSED",
       "loopback, private and link-local addresses"),
};

}  // namespace

std::span<const Option> synthetic_options() { return kOptions; }

std::vector<dns::Name> read_target_zones(const Directive& directive, BlockSetup& setup) {
  std::vector<dns::Name> zones;
  for (const Token& token : directive.args) {
    setup.environment.problems.attempt([&] {
      for (const std::string& text : parse_zones({&token, 1}, setup.block)) {
        const dns::Name zone = zone_name(text, token.at);
        const auto [known, fresh] =
            setup.target_zones.try_emplace(text, directive.name.text, token.at);
        if (!fresh) {
          fail(token, "is already a zone of `" + known->second.first + "` (" +
                          to_string(known->second.second) +
                          "); a zone can stand in `synthetic` or `fault` once; remove one of them");
        }
        zones.push_back(zone);
      }
    });
  }
  return zones;
}

void set_up_synthetic(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 1, kAnyNumber, "synthetic ZONE…");
  refuse_option_names(directive.args, kOptions);
  dns::SyntheticStage::Options options;
  options.zones = read_target_zones(directive, setup);
  read_options(directive, kOptions, setup.environment.problems, options);
  setup.route.stages.push_back(
      std::make_shared<dns::SyntheticStage>(std::move(options), setup.environment.workers));
}

}  // namespace clusterdns::app
