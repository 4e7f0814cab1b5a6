// kubernetes [ZONE…] {
//   manifests PATH…            files and folders of Kubernetes YAML; our source
//   service_cidr CIDR…         where cluster IPs are given out that manifests lack
//   pod_cidr CIDR…             the same for pods
//   ttl SECONDS                of every answer; 5
//   pods disabled|insecure|verified
//   namespaces NAME…           only these
//   labels SELECTOR            only services with these labels
//   namespace_labels SELECTOR  only namespaces with these labels
//   endpoint_pod_names         endpoints without a hostname are named as their pod
//   noendpoints                as if no service had endpoints
//   ignore empty_service       ClusterIP services without ready endpoints do not exist
//   fallthrough [ZONE…]        names that do not exist go to the next stage
// }
#include <algorithm>
#include <optional>

#include "app/corefile/arguments.h"
#include "app/directives/directive.h"
#include "dns/forward/upstream_address.h"
#include "registry/selector.h"
#include "zones/cluster_stage.h"
#include "zones/reverse_name.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kProperties[] = {
    "manifests", "service_cidr", "pod_cidr", "ttl", "pods", "namespaces", "labels",
    "namespace_labels", "endpoint_pod_names", "noendpoints", "ignore", "fallthrough"};
// Of CoreDNS: they say how to reach the API server.
constexpr std::string_view kApiProperties[] = {
    "endpoint", "tls", "kubeconfig", "multicluster", "zonal", "startup_timeout", "apiserver_qps",
    "apiserver_burst", "apiserver_max_inflight"};
constexpr std::string_view kLegacy[] = {"upstream", "resyncperiod"};
constexpr std::int64_t kMaxTtl = 3600;  // CoreDNS's

template <std::size_t N>
bool is_one_of(std::string_view word, const std::string_view (&words)[N]) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

std::function<bool(const registry::Labels&)> parse_selector(const Directive& property,
                                                            std::string* text) {
  require_arguments(property, 1, kAnyNumber, property.name.text + " SELECTOR");
  for (const Token& token : property.args) *text += (text->empty() ? "" : " ") + token.text;
  const auto selector = registry::LabelSelector::parse(*text);
  if (!selector) {
    throw ConfigError(property.args[0].at, property.name.text + ": '" + *text +
                                               "' is no label selector: " + selector.error().what);
  }
  return [s = *selector](const registry::Labels& labels) { return s.matches(labels); };
}

// `ns.dns` answers what we can be reached at: the bound addresses, or those of the interfaces; the
// loopback ones only when there are no others.
std::vector<registry::IpAddress> server_addresses(const BlockSetup& setup) {
  std::vector<registry::IpAddress> global;
  std::vector<registry::IpAddress> loopback;
  const auto add = [&](const boost::asio::ip::address& a) {
    if (a.is_unspecified() || (a.is_v6() && a.to_v6().is_link_local())) return;
    const auto ip = registry::IpAddress::parse(a.to_string());
    if (ip) (a.is_loopback() ? loopback : global).push_back(*ip);
  };
  for (const auto& bound : bound_addresses(setup.block)) {
    if (!bound.is_unspecified()) {
      add(bound);
      continue;
    }
    for (const auto& a : dns::interface_addresses()) {
      if (a.is_v4() == bound.is_v4()) add(a);
    }
  }
  return global.empty() ? loopback : global;
}

}  // namespace

void set_up_kubernetes(const Directive& directive, BlockSetup& setup) {
  zones::ClusterOptions options;
  zones::FeedOptions feed;
  zones::TableOptions table;
  registry::ManifestOptions manifests;
  std::string source_key;
  std::string table_key;
  options.workers = setup.environment.workers;
  options.rotate = setup.rotate;

  std::map<std::string, Position> seen;
  for (const Directive& p : directive.block) {
    const std::string& name = p.name.text;
    const bool repeats = name == "manifests" || name == "namespaces";
    if (const auto [it, fresh] = seen.emplace(name, p.name.at); !fresh && !repeats) {
      fail_repeated(p, it->second);
    }
    if (name == "manifests") {
      require_arguments(p, 1, kAnyNumber, "manifests PATH…");
      for (const Token& token : p.args) manifests.paths.emplace_back(token.text);
    } else if (name == "service_cidr" || name == "pod_cidr") {
      require_arguments(p, 1, 2, name + " CIDR…");
      auto& list = name == "service_cidr" ? manifests.cluster.service_cidrs
                                          : manifests.cluster.pod_cidrs;
      list.clear();
      for (const Token& token : p.args) list.push_back(parse_cidr(token));
    } else if (name == "ttl") {
      options.ttl =
          static_cast<std::uint32_t>(parse_integer(only_argument(p, "ttl SECONDS"), 0, kMaxTtl));
    } else if (name == "pods") {
      static constexpr std::string_view kModes[] = {"disabled", "insecure", "verified"};
      const std::string_view mode = parse_choice(only_argument(p, "pods MODE"), kModes);
      options.pods = mode == "disabled"   ? zones::PodMode::Disabled
                     : mode == "insecure" ? zones::PodMode::Insecure
                                          : zones::PodMode::Verified;
    } else if (name == "namespaces") {
      require_arguments(p, 1, kAnyNumber, "namespaces NAME…");
      for (const Token& token : p.args) feed.namespaces.insert(token.text);
    } else if (name == "labels") {
      std::string text;
      feed.services = parse_selector(p, &text);
      table_key += "labels " + text + "\n";
    } else if (name == "namespace_labels") {
      std::string text;
      feed.namespace_labels = parse_selector(p, &text);
      table_key += "namespace_labels " + text + "\n";
    } else if (name == "endpoint_pod_names") {
      require_bare(p);
      table.block.endpoint_pod_names = true;
    } else if (name == "noendpoints") {
      require_bare(p);
      feed.no_endpoints = true;
    } else if (name == "ignore") {
      const Token& what = only_argument(p, "ignore empty_service");
      static constexpr std::string_view kIgnorable[] = {"empty_service"};
      (void)parse_choice(what, kIgnorable);
      feed.ignore_empty_service = true;
    } else if (name == "fallthrough") {
      options.fall_through = true;
      if (!p.args.empty()) {
        for (const std::string& zone : parse_zones(p.args, setup.block)) {
          options.fall_through_in.push_back(zone_name(zone, p.name.at));
        }
      }
    } else if (is_one_of(name, kLegacy)) {
      setup.environment.logger->warn(
          "plugin/kubernetes: {}: '{}' has no effect any more; remove it", to_string(p.name.at),
          name);
    } else if (is_one_of(name, kApiProperties)) {
      throw ConfigError(p.name.at, "kubernetes: '" + name +
                                       "' belongs to the Kubernetes API as a source, which is not "
                                       "built yet; use `manifests PATH…`");
    } else {
      fail_unknown_property(p, "kubernetes", kProperties);
    }
    require_no_block(p);
  }
  if (!feed.namespaces.empty() && feed.namespace_labels) {
    throw ConfigError(seen.at("namespace_labels"),
                      "kubernetes: 'namespaces' and 'namespace_labels' cannot both be set; keep one");
  }

  for (const std::string& zone : parse_zones(directive.args, setup.block)) {
    options.zones.push_back(zone_name(zone, directive.name.at));
  }
  const bool only_reverse =
      std::all_of(options.zones.begin(), options.zones.end(),
                  [](const dns::Name& zone) { return zones::is_reverse_zone(zone.view()); });
  if (only_reverse) {
    throw ConfigError(directive.name.at,
                      "kubernetes: only reverse zones are named; add the cluster zone, for example "
                      "cluster.local");
  }
  table.reverse = std::any_of(options.zones.begin(), options.zones.end(), [](const dns::Name& zone) {
    return zones::is_reverse_zone(zone.view());
  });
  table.block.ttl = options.ttl;
  feed.pods = options.pods == zones::PodMode::Verified;
  manifests.cluster.keep_target_names = table.block.endpoint_pod_names;
  options.server_addresses = server_addresses(setup);

  Environment& environment = setup.environment;
  std::shared_ptr<ClusterSource> source = environment.handed_in;
  if (!manifests.paths.empty()) {
    for (const auto& path : manifests.paths) source_key += path.string() + "\n";
    for (const auto& cidr : manifests.cluster.service_cidrs) source_key += cidr.to_string() + "\n";
    for (const auto& cidr : manifests.cluster.pod_cidrs) source_key += cidr.to_string() + "\n";
    source_key += manifests.cluster.keep_target_names ? "names\n" : "";
  } else if (source == nullptr) {
    throw ConfigError(directive.name.at,
                      "kubernetes: no source of objects; add `manifests PATH…` (the Kubernetes API "
                      "as a source is not built yet)");
  }
  ClusterData& data = environment.clusters[source_key];
  if (data.source == nullptr) {
    if (source_key.empty()) {
      data.source = source;
    } else {
      data.source = std::make_shared<ClusterSource>(std::move(manifests));
      try {
        data.source->load(*environment.logger);
      } catch (const std::runtime_error& e) {
        throw ConfigError(directive.name.at, std::string("kubernetes: the manifests do not load:\n") + e.what());
      }
    }
  }
  for (const std::string& ns : feed.namespaces) table_key += "namespace " + ns + "\n";
  table_key += "ttl " + std::to_string(options.ttl) + (table.reverse ? " reverse" : "") +
               (table.block.endpoint_pod_names ? " pod_names" : "") +
               (feed.no_endpoints ? " noendpoints" : "") +
               (feed.ignore_empty_service ? " ignore_empty" : "") + (feed.pods ? " pods" : "");
  ClusterData::Table& made = data.tables[table_key];
  if (made.table == nullptr) {
    made.table = std::make_shared<zones::RecordTable>(environment.reclaim, table);
    made.feed = std::make_unique<zones::TableFeed>(data.source->store(), made.table, std::move(feed));
    made.table->set_ready(true);
  }
  setup.route.stages.push_back(
      std::make_shared<zones::ClusterStage>(std::move(options), made.table));
}

}  // namespace clusterdns::app
