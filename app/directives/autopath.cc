// autopath [ZONE…] @kubernetes|RESOLV-CONF
// autopath [ZONE…] namespace { OPTION… }
#include "app/directives/autopath.h"

#include <algorithm>

#include "app/corefile/arguments.h"
#include "app/corefile/options.h"
#include "app/directives/acl.h"
#include "app/directives/directive.h"
#include "app/directives/last_good.h"
#include "dns/net/resolv_conf.h"
#include "dns/search/autopath_stage.h"

namespace clusterdns::app {
namespace {

using dns::AutopathStage;

constexpr std::string_view kUsage = "autopath [ZONE…] @kubernetes|namespace|RESOLV-CONF";
constexpr std::string_view kNamespace = "namespace";

void read_search(const Directive& line, AutopathStage::Options& options) {
  options.suffixes.clear();
  // resolv.conf(5): "search ." is an empty list.
  if (line.args.size() == 1 && line.args[0].text == ".") return;
  for (const Token& token : line.args) {
    const dns::Name suffix = zone_name(token.text, token.at);
    if (suffix.is_root()) {
      fail(token, "is the root, which is tried last anyway; remove it");
    }
    options.suffixes.push_back(suffix);
  }
}

constexpr Option kOptions[] = {
    option<[](const Directive& line, AutopathStage::Options& options) {
      options.clients = address_ranges(line.args);
    }>("clients", "CIDR…", "whose lists are walked: the pods' addresses; required"),
    option<&read_search>("search", "DOMAIN…",
                         "what follows the cluster's names in the pods' lists; `.` for nothing",
                         "of /etc/resolv.conf"),
    option<[](const Directive& line, AutopathStage::Options& options) {
      static constexpr std::string_view kChoices[] = {"nxdomain", "nodata"};
      options.negative_nodata = parse_choice(line.args[0], kChoices) == "nodata";
    }>("negative", "nxdomain|nodata", "what a name that exists nowhere comes to", "nxdomain"),
};

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

// As CoreDNS: what the machine's own resolver would try comes behind the cluster's names.
void add_machines_list(const Token& at, const BlockSetup& setup, AutopathStage::Options& options) {
  if (setup.environment.elsewhere) return;
  try {
    add_search_list(at, "/etc/resolv.conf", setup.environment, options);
  } catch (const ConfigError&) {
    // There is none: the cluster's names alone.
  }
}

void read_namespace(const Directive& directive, const BlockSetup& setup,
                    AutopathStage::Options& options) {
  const Token& source = directive.args.back();
  add_cluster_zones(source, setup, options);
  options.by_namespace = true;
  const OptionPlaces places =
      read_options(directive, kOptions, setup.environment.problems, options);
  if (!places.contains("clients")) {
    fail(source, "needs `clients CIDR…` in its block, the addresses of the pods; write it there");
  }
  if (places.contains("search")) return;
  add_machines_list(source, setup, options);
  // In a pod, where the machine's list begins with the cluster's names: these are tried already.
  std::erase_if(options.suffixes, [&](const dns::Name& suffix) {
    return options.cluster_zones.contains(suffix.view());
  });
}

}  // namespace

std::span<const Option> autopath_options() { return kOptions; }

void set_up_autopath(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 1, kAnyNumber, kUsage);
  const bool by_namespace = directive.args.back().text == kNamespace;
  if (!by_namespace) require_no_block(directive);
  AutopathStage::Options options;
  const Token& source = directive.args.back();
  const std::span<const Token> zones(directive.args.data(), directive.args.size() - 1);
  for (const std::string& zone : parse_zones(zones, setup.block)) {
    options.zones.add(zone_name(zone, directive.name.at));
  }
  if (by_namespace) {
    read_namespace(directive, setup, options);
  } else if (source.text.starts_with('@')) {
    if (source.text != "@kubernetes") {
      fail(source, "is not known; write `@kubernetes`, `namespace` or a file");
    }
    add_cluster_zones(source, setup, options);
    add_machines_list(source, setup, options);
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
