// gateways [ZONE…] { OPTION… }
//
// It reads the objects of every `kubernetes` in the server block; of two clusters with the same
// host the first one answers. Where the block has no `kubernetes`, the options of that which say
// where objects come from stand here.
#include <algorithm>
#include <map>
#include <optional>

#include "app/corefile/options.h"
#include "app/directives/directive.h"
#include "zones/gateway_stage.h"
#include "zones/reverse_name.h"

namespace clusterdns::app {
namespace {

namespace gw = registry::gateways;

constexpr std::int64_t kMaxTtl = 3600;  // as of `kubernetes`

std::string without_dot(const std::string& zone) {
  return zone.ends_with('.') ? zone.substr(0, zone.size() - 1) : zone;
}

struct Properties {
  zones::GatewayOptions stage;
  zones::HostFeedOptions feed;
  std::vector<Directive> source;  // options for a source of its own
  std::string key;                // the same for all that may share one table
};

// What the lines of the block are read into.
struct Reading {
  Properties& to;
  const ServerBlock& block;
};

void read_sources(const Directive& line, Reading& reading) {
  auto& sources = reading.to.feed.plan.sources;
  sources = {};
  for (const Token& token : line.args) {
    const std::string_view word = parse_choice(token, gw::kSourceNames);
    const auto at = std::find(gw::kSourceNames.begin(), gw::kSourceNames.end(), word);
    sources[static_cast<std::size_t>(at - gw::kSourceNames.begin())] = true;
  }
}

void read_ingress(const Directive& line, Reading& reading) {
  require_arguments(line, 1, gw::kMaxHostAddresses, "ingress ADDRESS…");
  for (const Token& token : line.args) reading.to.feed.ingress.push_back(parse_ip(token));
}

void read_any(const Directive& line, Reading& reading) {
  for (const std::string& zone : parse_zones(line.args, reading.block)) {
    reading.to.feed.plan.any_zones.push_back(without_dot(zone));
  }
}

void read_ttl(const Directive& line, Reading& reading) {
  reading.to.feed.ttl = static_cast<std::uint32_t>(parse_integer(line.args[0], 0, kMaxTtl));
  reading.to.stage.ttl = reading.to.feed.ttl;
}

void read_fallthrough(const Directive& line, Reading& reading) {
  reading.to.stage.fall_through = true;
  if (line.args.empty()) return;
  for (const std::string& zone : parse_zones(line.args, reading.block)) {
    reading.to.stage.fall_through_in.add(zone_name(zone, line.name.at));
  }
}

constexpr Option::Kind kLine = Option::Kind::Line;

constexpr Option kOptions[] = {
    option<&read_sources>("sources", "NAME…",
                          "of `istio`, `ingress`, `gateway-api`, `service`, `service-entry`", "all",
                          kLine, true),
    option<[](const Directive& line, Reading& reading) {
      for (const Token& token : line.args) reading.to.feed.plan.classes.push_back(token.text);
    }>("class", "NAME…",
       "only Ingresses and Gateways of the Gateway API of these classes; an Ingress without a "
       "class "
       "counts, Istio has none",
       "all", kLine, true),
    option<&read_ingress>("ingress", "ADDRESS…", "where a gateway is whose objects name no address",
                          "none: NODATA, with an Extended DNS Error that says what is missing",
                          kLine, true),
    option<&read_any>("any", "ZONE…", "zones in which the host `*` stands for every name",
                      "`*` claims nothing", kLine, true),
    option<[](const Directive& line, Reading& reading) {
      reading.to.stage.inside = address_ranges(line.args);
      reading.to.feed.inside = true;
    }>("inside", "CIDR…", "these clients get the cluster IPs of the Services in front", "nobody",
       kLine, true),
    option<&read_ttl>("ttl", "SECONDS", "0 to 3600", "5", kLine, true),
    option<&read_fallthrough>("fallthrough", "[ZONE…]",
                              "names in a named zone that are not hosts go on", "NXDOMAIN", kLine,
                              true),
};

// All that the table depends on.
std::string key_of(const Properties& properties) {
  const zones::HostFeedOptions& feed = properties.feed;
  std::string key = "zone " + feed.plan.zone + "\nsources";
  for (const bool source : feed.plan.sources) key += source ? " 1" : " 0";
  for (const std::string& zone : feed.plan.cluster_zones) key += "\ncluster " + zone;
  for (const std::string& name : feed.plan.classes) key += "\nclass " + name;
  for (const std::string& zone : feed.plan.any_zones) key += "\nany " + zone + ".";
  for (const registry::IpAddress& address : feed.ingress) key += "\ningress " + address.to_string();
  for (const dns::Name& zone : feed.zones) key += "\nin " + zone.to_text();
  return key + "\nttl " + std::to_string(feed.ttl) + (feed.inside ? " inside" : "");
}

Metrics::Collector gateways_metrics(std::shared_ptr<const zones::HostFigures> figures) {
  return [figures = std::move(figures)](Exposition& out) {
    const auto gauge = [&](std::string_view name, std::string_view help,
                           const std::atomic<std::size_t>& value) {
      out.gauge(name, help, {}, static_cast<double>(value.load(std::memory_order_relaxed)));
    };
    gauge("clusterdns_gateways_objects", "Known objects of gateways.", figures->objects);
    gauge("clusterdns_gateways_hosts", "Hosts that are answered.", figures->hosts);
    gauge("clusterdns_gateways_without_address",
          "Gateways, Ingresses and Services whose hosts have no address.",
          figures->without_address);
    gauge("clusterdns_gateways_left_out", "Hosts that are left out because there are too many.",
          figures->left_out);
    gauge("clusterdns_gateways_bytes", "Octets that hosts and their addresses take.",
          figures->octets);
  };
}

// The sources that the block's `kubernetes` answer from, each once and in their order, or one of
// its own; none when what is wrong with these `kubernetes` has been told.
std::vector<ServedCluster> sources_for(const Directive& directive, const Properties& properties,
                                       BlockSetup& setup, std::size_t first_served) {
  Environment& environment = setup.environment;
  std::vector<ServedCluster> found;
  for (std::size_t i = first_served; i < environment.served.size(); ++i) {
    const ServedCluster& served = environment.served[i];
    const auto known = std::find_if(found.begin(), found.end(), [&](const ServedCluster& each) {
      return each.source == served.source;
    });
    ServedCluster& own = known == found.end() ? found.emplace_back(served) : *known;
    const bool imports = served.store != &served.source->store();
    if (!imports) {
      if (own.zones.empty()) own = served;
    } else if (known == found.end()) {
      // All its zones may be of imports; the cluster's own objects are in the source all the same.
      own.store = &served.source->store();
      own.zones.clear();
    }
  }
  const auto& directives = setup.block.directives;
  const bool has_kubernetes =
      std::any_of(directives.begin(), directives.end(),
                  [](const Directive& each) { return each.name.text == "kubernetes"; });
  if (has_kubernetes && !properties.source.empty()) {
    fail(properties.source.front().name.at,
         "is an option of 'kubernetes', whose objects 'gateways' uses; write it there");
  }
  if (!found.empty() || has_kubernetes) return found;
  Directive own = directive;
  own.args.clear();
  own.args.push_back({"cluster.local", directive.name.at, false});
  own.block = properties.source;
  dns::Route nowhere;
  BlockSetup scratch{setup.block, environment, nowhere};
  scratch.only_source = true;
  set_up_kubernetes(own, scratch);
  ServedCluster served = environment.served.back();
  environment.served.pop_back();
  served.zones.clear();
  return {served};
}

// The hosts of one source; of an earlier configuration where that has the same.
ClusterData::Hosts& hosts_of(const ServedCluster& served, const Properties& properties,
                             Environment& environment) {
  const auto of_source = [&](const ClusterData& each) { return each.source == served.source; };
  const auto at = std::find_if(environment.clusters.begin(), environment.clusters.end(), of_source);
  const std::string key = key_of(properties);
  const auto of_key = [&](const ClusterData::Hosts& each) { return each.key == key; };
  auto found = std::find_if(at->hosts.begin(), at->hosts.end(), of_key);
  if (found == at->hosts.end()) found = at->hosts.insert(at->hosts.end(), {key, {}, {}});
  ClusterData::Hosts& hosts = *found;
  if (hosts.table == nullptr && environment.previous != nullptr) {
    for (const ClusterData& before : environment.previous->clusters) {
      if (!of_source(before)) continue;
      const auto kept = std::find_if(before.hosts.begin(), before.hosts.end(), of_key);
      if (kept != before.hosts.end()) hosts = *kept;
    }
  }
  if (hosts.table == nullptr) {
    hosts.table = std::make_shared<zones::HostTable>(environment.reclaim);
    hosts.feed =
        std::make_shared<zones::HostFeed>(served.source->store(), hosts.table, properties.feed);
    // No snapshot holds what hosts are made of.
    served.source->when_synced([table = std::weak_ptr<zones::HostTable>(hosts.table)] {
      if (const auto still = table.lock()) still->set_ready(true);
    });
  }
  return hosts;
}

void finish(const Directive& directive, Properties properties, BlockSetup& setup,
            std::size_t first_served, std::size_t position) {
  Environment& environment = setup.environment;
  const std::vector<ServedCluster> sources =
      sources_for(directive, properties, setup, first_served);
  if (sources.empty()) return;
  for (std::size_t i = first_served; i < environment.served.size(); ++i) {
    for (const dns::Name& zone : environment.served[i].zones) {
      properties.stage.cluster_zones.add(zone);
      properties.feed.plan.cluster_zones.push_back(without_dot(zone.to_text()));
    }
  }
  properties.feed.zones = properties.stage.zones;
  properties.feed.warn = [logger = environment.logger](const std::string& text) {
    logger->warn("plugin/gateways: {}", text);
  };
  const auto options = std::make_shared<const zones::GatewayOptions>(properties.stage);
  using Stage = zones::GatewayStage;
  Stage::Tables tables;
  std::vector<std::shared_ptr<dns::Stage>> exact, rest;
  for (const ServedCluster& served : sources) {
    const dns::Name* zone = setup.cluster_zone ? &*setup.cluster_zone : nullptr;
    if (sources.size() > 1) {
      const auto forward =
          std::find_if(served.zones.begin(), served.zones.end(), [](const dns::Name& each) {
            return !each.is_root() && !zones::is_reverse_zone(each.view());
          });
      if (forward != served.zones.end()) zone = &*forward;
    }
    if (zone != nullptr) properties.feed.plan.zone = without_dot(zone->to_text());
    const ClusterData::Hosts& hosts = hosts_of(served, properties, environment);
    environment.collectors.push_back(gateways_metrics(hosts.feed->figures()));
    environment.gateways.push_back(
        {served.source, hosts.table, properties.feed, std::vector<dns::Name>(served.zones)});
    exact.push_back(std::make_shared<Stage>(Stage::Part::Exact, options, hosts.table));
    if (rest.size() + 1 < sources.size()) {
      rest.push_back(std::make_shared<Stage>(Stage::Part::Wildcards, options, hosts.table));
      tables.push_back(hosts.table);
    } else {
      rest.push_back(std::make_shared<Stage>(Stage::Part::Rest, options, hosts.table, tables));
    }
  }
  auto& stages = setup.route.stages;
  const auto place = [&](std::size_t index) {
    return stages.begin() + static_cast<std::ptrdiff_t>(index);
  };
  stages.insert(place(std::max(position, setup.behind_search)), rest.begin(), rest.end());
  stages.insert(place(position), exact.begin(), exact.end());
}

}  // namespace

std::span<const Option> gateways_options() { return kOptions; }

void set_up_gateways(const Directive& directive, BlockSetup& setup) {
  Properties properties;
  properties.stage.rotate = setup.rotate;
  refuse_option_names(directive.args, kOptions);
  refuse_option_names(directive.args, kubernetes_source_options());
  if (!directive.args.empty()) {
    for (const std::string& zone : parse_zones(directive.args, setup.block)) {
      properties.stage.zones.push_back(zone_name(zone, directive.name.at));
    }
  }
  // Those of the source are read by `kubernetes`, see source_for().
  Directive own = directive;
  std::erase_if(own.block, [&](const Directive& line) {
    const auto sources = kubernetes_source_options();
    const bool source = std::any_of(sources.begin(), sources.end(), [&](const Option& each) {
      return each.name == line.name.text;
    });
    if (source) properties.source.push_back(line);
    return source;
  });
  Reading reading{properties, setup.block};
  const OptionPlaces seen = read_options(own, kOptions, setup.environment.problems, reading);
  if (properties.stage.fall_through && properties.stage.zones.empty()) {
    setup.environment.problems.warn(
        seen.at("fallthrough"), "has no effect without a zone: what is not a host goes on anyway");
  }
  // `kubernetes` and `search` come later, and say where objects are and where the stages belong.
  setup.finish.push_back([&directive, properties = std::move(properties), &setup,
                          first_served = setup.environment.served.size(),
                          position = setup.route.stages.size()] {
    finish(directive, properties, setup, first_served, position);
  });
}

}  // namespace clusterdns::app
