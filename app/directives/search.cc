// search [SUFFIX…] { OPTION… }
#include "app/corefile/options.h"
#include "app/directives/directive.h"
#include "dns/search/search_stage.h"

namespace clusterdns::app {
namespace {

constexpr std::int64_t kMaxNdots = 15;  // resolv.conf(5)

using Options = dns::SearchStage::Options;

constexpr Option kOptions[] = {
    option<[](const Directive& line, Options& options) {
      options.ndots = static_cast<unsigned>(parse_integer(line.args[0], 0, kMaxNdots));
    }>("ndots", "N", "names with fewer dots are tried, 0 to 15", "5"),
    option<[](const Directive& line, Options& options) {
      options.clients = address_ranges(line.args);
    }>("clients", "CIDR…", "whose names are completed", "loopback"),
};

}  // namespace

std::span<const Option> search_options() { return kOptions; }

void set_up_search(const Directive& directive, BlockSetup& setup) {
  Options options;
  require_arguments(directive, 0, dns::SearchStage::kMaxSuffixes, "search [SUFFIX…]");
  refuse_option_names(directive.args, kOptions);
  for (const Token& token : directive.args) {
    setup.environment.problems.attempt([&] {
      for (const std::string& text : parse_zones({&token, 1}, setup.block)) {
        const dns::Name suffix = zone_name(text, token.at);
        if (suffix.is_root()) fail(token, "is the root, which is tried last anyway; remove it");
        options.suffixes.push_back(suffix);
      }
    });
  }
  if (options.suffixes.empty()) {
    options.suffixes = dns::SearchStage::pod_search_list(
        "default", setup.cluster_zone.value_or(zone_name("cluster.local.", directive.name.at)));
  }
  read_options(directive, kOptions, setup.environment.problems, options);
  setup.route.stages.push_back(std::make_shared<dns::SearchStage>(std::move(options)));
}

}  // namespace clusterdns::app
