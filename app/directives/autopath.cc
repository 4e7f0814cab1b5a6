// autopath [ZONE…] @kubernetes|RESOLV-CONF
#include <algorithm>

#include "app/corefile/arguments.h"
#include "app/directives/acl.h"
#include "app/directives/directive.h"
#include "app/directives/last_good.h"
#include "dns/net/resolv_conf.h"
#include "dns/search/autopath_stage.h"

namespace clusterdns::app {
namespace {

using dns::AutopathStage;

// The search list of a file; what cannot be used of it is left out.
void add_search_list(const Token& file, const std::string& path, Environment& environment,
                     AutopathStage::Options& options) {
  const auto suffixes = or_last_good(environment, "autopath " + path, [&] {
    std::string error;
    const auto resolv = dns::load_resolv_conf(path, &error);
    if (!resolv) fail(file, "cannot be read: " + error);
    std::vector<dns::Name> names;
    for (const std::string& text : resolv->search) {
      auto name = dns::Name::from_text(text);
      if (!name || name->is_root()) continue;
      name->make_lower();
      names.push_back(*name);
    }
    return names;
  });
  options.suffixes.insert(options.suffixes.end(), suffixes.begin(), suffixes.end());
}

void add_cluster_zones(const Token& at, const BlockSetup& setup, AutopathStage::Options& options) {
  bool any = false;
  for (const Directive& each : setup.block.directives) {
    if (each.name.text != "kubernetes") continue;
    any = true;
    for (const std::string& zone : parse_zones(each.args, setup.block)) {
      const dns::Name name = zone_name(zone, each.name.at);
      if (!zone.ends_with(".arpa.") && !name.is_root()) options.cluster_zones.add(name);
    }
  }
  if (!any) fail(at, "needs `kubernetes` in the same server block; write it there");
}

}  // namespace

void set_up_autopath(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 1, kAnyNumber, "autopath [ZONE…] @kubernetes|RESOLV-CONF");
  require_no_block(directive);
  AutopathStage::Options options;
  const Token& source = directive.args.back();
  const std::span<const Token> zones(directive.args.data(), directive.args.size() - 1);
  for (const std::string& zone : parse_zones(zones, setup.block)) {
    options.zones.add(zone_name(zone, directive.name.at));
  }
  if (source.text.starts_with('@')) {
    if (source.text != "@kubernetes") fail(source, "is not known; write `@kubernetes` or a file");
    add_cluster_zones(source, setup, options);
    // As CoreDNS: what the machine's own resolver would try comes behind the cluster's names.
    if (!setup.environment.elsewhere) {
      try {
        add_search_list(source, "/etc/resolv.conf", setup.environment, options);
      } catch (const ConfigError&) {
        // There is none: the cluster's names alone.
      }
    }
  } else if (!setup.environment.elsewhere) {
    add_search_list(source, source.text, setup.environment, options);
    if (options.suffixes.empty()) {
      setup.environment.problems.warn(source.at, in_quotes(source.text) + " has no search list");
    }
  }
  put_acl_gate(setup);
  auto stage = std::make_shared<AutopathStage>(std::move(options), setup.environment.workers);
  setup.route.stages.push_back(stage);
  setup.environment.collectors.push_back([stage, server = setup.server](Exposition& out) {
    out.counter("coredns_autopath_success_total", "Counter of requests that did autopath.",
                {{"server", server}}, static_cast<double>(stage->successes()));
  });
}

}  // namespace clusterdns::app
