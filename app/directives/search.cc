// search [SUFFIX…] {
//   ndots N         names with fewer dots are tried; 5
//   clients CIDR…   whose names are tried; loopback
// }
#include "app/corefile/arguments.h"
#include "app/directives/directive.h"
#include "zones/reverse_name.h"
#include "zones/search_stage.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kProperties[] = {"ndots", "clients"};
constexpr std::int64_t kMaxNdots = 15;  // resolv.conf(5)

// The cluster zone of this block's `kubernetes`, or the usual one.
dns::Name cluster_zone(const BlockSetup& setup, const Position& at) {
  for (const Directive& directive : setup.block.directives) {
    if (directive.name.text != "kubernetes") continue;
    for (const std::string& text : parse_zones(directive.args, setup.block)) {
      const dns::Name zone = zone_name(text, at);
      if (!zone.is_root() && !zones::is_reverse_zone(zone.view())) return zone;
    }
  }
  return zone_name("cluster.local.", at);
}

}  // namespace

void set_up_search(const Directive& directive, BlockSetup& setup) {
  zones::SearchStage::Options options;
  require_arguments(directive, 0, zones::SearchStage::kMaxSuffixes, "search [SUFFIX…]");
  for (const Token& token : directive.args) {
    const dns::Name suffix = zone_name(token.text, token.at);
    if (suffix.is_root()) {
      throw ConfigError(token.at, "search: '" + token.text +
                                      "' is the root, which is tried last anyway; remove it");
    }
    options.suffixes.push_back(suffix);
  }
  if (options.suffixes.empty()) {
    options.suffixes = zones::SearchStage::pod_search_list(
        "default", cluster_zone(setup, directive.name.at));
  }
  for (const Directive& p : directive.block) {
    if (p.name.text == "ndots") {
      options.ndots = static_cast<unsigned>(parse_integer(only_argument(p, "ndots N"), 0, kMaxNdots));
    } else if (p.name.text == "clients") {
      require_arguments(p, 1, kAnyNumber, "clients CIDR…");
      options.clients = dns::AddressRanges();
      for (const Token& token : p.args) {
        if (!options.clients.add(parse_cidr(token).to_string())) {
          throw ConfigError(token.at, "search: '" + token.text + "' is no address range");
        }
      }
    } else {
      fail_unknown_property(p, "search", kProperties);
    }
    require_no_block(p);
  }
  setup.route.stages.push_back(std::make_shared<zones::SearchStage>(std::move(options)));
}

}  // namespace clusterdns::app
