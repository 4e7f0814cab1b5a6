// kubernetes [ZONE…] {
//   kubeconfig FILE [CONTEXT]  how to reach the API server
//   endpoint URL…              the same without a kubeconfig; in-cluster when neither is given
//   tls CERT KEY CACERT        files for `endpoint`
//   startup_timeout DURATION   how long the log says that the API server is waited for; 5s
//   watch_lease DURATION       how long a watch may be silent; ours
//   snapshot PATH              where the last state is kept for a start without the API; ours
//   apiserver_qps N, apiserver_burst N, apiserver_max_inflight N   checked, and without effect
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
//   multicluster ZONE…         these of the zones hold services imported from other clusters
//   zonal                      headless services by topology zone, below `_zone.<service>`
//   fallthrough [ZONE…]        names that do not exist go to the next stage
// }
#include <algorithm>
#include <cstdlib>
#include <optional>

#include "app/corefile/arguments.h"
#include "app/directives/directive.h"
#include "app/kubernetes_metrics.h"
#include "dns/forward/upstream_address.h"
#include "registry/kubernetes/config.h"
#include "registry/selector.h"
#include "zones/cluster_stage.h"
#include "zones/reverse_name.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kProperties[] = {
    "manifests", "service_cidr", "pod_cidr", "ttl", "pods", "namespaces", "labels",
    "namespace_labels", "endpoint_pod_names", "noendpoints", "ignore", "fallthrough", "endpoint",
    "tls", "kubeconfig", "startup_timeout", "watch_lease", "snapshot", "apiserver_qps",
    "apiserver_burst", "apiserver_max_inflight", "multicluster", "zonal"};
// CoreDNS limits its requests by these. Here there is one request for each kind of objects in a
// lease, which no sensible limit would touch.
constexpr std::string_view kLimits[] = {"apiserver_qps", "apiserver_burst",
                                        "apiserver_max_inflight"};
constexpr std::chrono::seconds kMinLease{1};
// A silence of more than a minute is what this option is there to rule out.
constexpr std::chrono::seconds kMaxLease{60};
constexpr std::string_view kLegacy[] = {"upstream", "resyncperiod"};
// Room for the longest fixed name below it, hostmaster, which stands in every SOA.
constexpr std::size_t kMaxZoneSize = dns::kMaxNameSize - sizeof "\012hostmaster" + 1;
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

// How to reach the API server, as the directive says it.
struct ApiProperties {
  bool named = false;  // some property asks for the API
  registry::kubernetes::SourceOptions options;
  std::chrono::milliseconds startup_timeout{5000};

  // False: the property is none of these.
  bool read(const Directive& p);
  // When all properties are read. `check_only`: we may not be where the configuration will be.
  void finish(const Directive& directive, bool check_only);
  // The same for all that may share one source.
  [[nodiscard]] std::string key() const;

 private:
  std::vector<Token> endpoints_;
  std::vector<Token> tls_;
  std::vector<Token> kubeconfig_;
};

bool ApiProperties::read(const Directive& p) {
  const std::string& name = p.name.text;
  const auto milliseconds = [](std::chrono::nanoseconds time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time);
  };
  if (name == "kubeconfig") {
    require_arguments(p, 1, 2, "kubeconfig FILE [CONTEXT]");
    kubeconfig_ = p.args;
    named = true;
  } else if (name == "endpoint") {
    require_arguments(p, 1, kAnyNumber, "endpoint URL…");
    endpoints_ = p.args;
    named = true;
  } else if (name == "tls") {
    require_arguments(p, 3, 3, "tls CERT KEY CACERT");
    tls_ = p.args;
  } else if (name == "startup_timeout") {
    startup_timeout = milliseconds(parse_duration(only_argument(p, "startup_timeout DURATION")));
  } else if (name == "watch_lease") {
    options.lease = milliseconds(parse_duration(only_argument(p, "watch_lease DURATION"),
                                                BareDuration::Refused, kMinLease, kMaxLease));
  } else if (name == "snapshot") {
    options.snapshot = only_argument(p, "snapshot PATH").text;
  } else if (is_one_of(name, kLimits)) {
    const Token& number = only_argument(p, name + " NUMBER");
    char* end = nullptr;
    const double value = std::strtod(number.text.c_str(), &end);
    if (number.text.empty() || *end != '\0' || !(value >= 0)) {
      throw ConfigError(number.at, name + ": '" + number.text + "' is no number of 0 or more");
    }
  } else {
    return false;
  }
  return true;
}

void ApiProperties::finish(const Directive& directive, bool check_only) {
  namespace k8s = registry::kubernetes;
  k8s::ApiConfig& api = options.api;
  Position at = directive.name.at;
  try {
    if (!kubeconfig_.empty()) {
      at = kubeconfig_[0].at;
      api = k8s::load_kubeconfig(kubeconfig_[0].text,
                                 kubeconfig_.size() > 1 ? kubeconfig_[1].text : "");
    } else if (!endpoints_.empty()) {
      for (const Token& endpoint : endpoints_) {
        at = endpoint.at;
        api.servers.push_back(k8s::parse_api_server(endpoint.text));
      }
      if (!tls_.empty()) {
        api.client_certificate_file = tls_[0].text;
        api.client_key_file = tls_[1].text;
        api.ca_file = tls_[2].text;
      }
    } else if (check_only) {
      api.servers.push_back({"kubernetes.default.svc", 443, true, ""});
    } else {
      api = k8s::in_cluster_config([](const char* name) -> const char* { return std::getenv(name); });
    }
  } catch (const k8s::ConfigProblem& e) {
    throw ConfigError(at, std::string("kubernetes: ") + e.what());
  }
}

std::string ApiProperties::key() const {
  const auto& o = options;
  std::string key = "api";
  for (const auto& server : o.api.servers) {
    key += (server.tls ? " https://" : " http://") + server.host_port() + server.base_path;
  }
  key += "\nkubeconfig " + o.api.kubeconfig.string() + " " + o.api.context + "\ntls " +
         o.api.client_certificate_file.string() + " " + o.api.client_key_file.string() + " " +
         o.api.ca_file.string() + "\nlabels " + o.labels + "\nnamespace_labels " +
         o.namespace_labels + "\nsnapshot " + o.snapshot.string() + "\nlease " +
         std::to_string(o.lease.count());
  key += o.endpoints ? " endpoints" : "";
  key += o.pods ? " pods" : "";
  key += o.read.target_names ? " names" : "";
  key += o.read.zones ? " zones" : "";
  key += o.multicluster ? " multicluster" : "";
  return key + "\n";
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
  ApiProperties api;
  std::string labels;
  std::string namespace_labels;
  std::string source_key;
  std::string table_key;
  std::vector<dns::Name> imported;
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
      feed.services = parse_selector(p, &labels);
      table_key += "labels " + labels + "\n";
    } else if (name == "namespace_labels") {
      feed.namespace_labels = parse_selector(p, &namespace_labels);
      table_key += "namespace_labels " + namespace_labels + "\n";
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
    } else if (name == "zonal") {
      require_bare(p);
      options.zonal = true;
    } else if (name == "multicluster") {
      if (p.args.empty()) {
        setup.environment.logger->warn(
            "plugin/kubernetes: {}: 'multicluster' without a zone has no effect; name the zone, for "
            "example clusterset.local", to_string(p.name.at));
      }
      for (const Token& token : p.args) imported.push_back(zone_name(token.text, token.at));
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
    } else if (api.read(p)) {
      // Taken.
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
    if (options.zones.back().view().size() > kMaxZoneSize) {
      throw ConfigError(directive.name.at, "kubernetes: the zone '" + zone +
                                               "' is too long for the names below it, such as hostmaster; "
                                               "choose a shorter one");
    }
  }
  const bool only_reverse =
      std::all_of(options.zones.begin(), options.zones.end(),
                  [](const dns::Name& zone) { return zones::is_reverse_zone(zone.view()); });
  if (only_reverse) {
    throw ConfigError(directive.name.at,
                      "kubernetes: only reverse zones are named; add the cluster zone, for example "
                      "cluster.local");
  }
  for (const dns::Name& zone : imported) {
    if (std::find(options.zones.begin(), options.zones.end(), zone) == options.zones.end()) {
      throw ConfigError(seen.at("multicluster"),
                        "kubernetes: 'multicluster' names the zone '" + zone.to_text() +
                            "', which is none of the zones of this kubernetes; add it there");
    }
  }
  if (options.zonal && feed.no_endpoints) {
    throw ConfigError(seen.at("zonal"),
                      "kubernetes: 'zonal' answers from endpoints, which 'noendpoints' leaves out; "
                      "remove one of them");
  }
  table.reverse = std::any_of(options.zones.begin(), options.zones.end(), [](const dns::Name& zone) {
    return zones::is_reverse_zone(zone.view());
  });
  table.block.ttl = options.ttl;
  feed.pods = options.pods == zones::PodMode::Verified;
  manifests.cluster.keep_target_names = table.block.endpoint_pod_names;
  options.server_addresses = server_addresses(setup);
  table.own_addresses = options.server_addresses;
  feed.zonal = options.zonal;

  Environment& environment = setup.environment;
  // A registry that was handed in takes the place of a source that is not named.
  const bool handed_in = environment.handed_in != nullptr && !api.named && manifests.paths.empty();
  const bool from_api = api.named || (manifests.paths.empty() && !handed_in);
  if (!manifests.paths.empty()) {
    for (const auto& path : manifests.paths) source_key += path.string() + "\n";
    for (const auto& cidr : manifests.cluster.service_cidrs) source_key += cidr.to_string() + "\n";
    for (const auto& cidr : manifests.cluster.pod_cidrs) source_key += cidr.to_string() + "\n";
    source_key += manifests.cluster.keep_target_names ? "names\n" : "";
  }
  if (from_api) {
    api.options.labels = labels;
    api.options.namespace_labels = namespace_labels;
    api.options.read = {!labels.empty(), !namespace_labels.empty(),
                        table.block.endpoint_pod_names, options.zonal};
    api.options.multicluster = !imported.empty();
    api.options.endpoints = !feed.no_endpoints;
    api.options.pods = feed.pods;
    api.finish(directive, environment.check_only);
    source_key += api.key();
  }
  ClusterData& data = environment.clusters[source_key];
  if (data.source == nullptr && handed_in) data.source = environment.handed_in;
  // What an API server has told is kept over a change of anything else, all the more while it is
  // away.
  const ClusterData* before = nullptr;
  if (from_api && environment.previous != nullptr) {
    const auto it = environment.previous->find(source_key);
    if (it != environment.previous->end()) before = &it->second;
  }
  if (data.source == nullptr && before != nullptr) data.source = before->source;
  if (data.source == nullptr) {
    std::optional<registry::ManifestOptions> files;
    if (!manifests.paths.empty()) files = std::move(manifests);
    data.source = from_api
                      ? std::make_shared<ClusterSource>(std::move(api.options), std::move(files),
                                                        api.startup_timeout, environment.logger)
                      : std::make_shared<ClusterSource>(std::move(*files));
    if (data.source->status() != nullptr && environment.metrics != nullptr) {
      // For ever, as long as the source lives: a reload that keeps it must not count it twice.
      environment.metrics->add([board = std::weak_ptr(data.source->status())](Exposition& out) {
        if (const auto status = board.lock()) collect_kubernetes(status->get(), out);
      });
    }
    try {
      if (!environment.check_only || !from_api) data.source->load(*environment.logger);
    } catch (const std::runtime_error& e) {
      throw ConfigError(directive.name.at,
                        std::string("kubernetes: the manifests do not load:\n") + e.what());
    }
  }
  for (const std::string& ns : feed.namespaces) table_key += "namespace " + ns + "\n";
  table_key += "ttl " + std::to_string(options.ttl) + (table.reverse ? " reverse" : "") +
               (table.block.endpoint_pod_names ? " pod_names" : "") +
               (feed.no_endpoints ? " noendpoints" : "") +
               (feed.ignore_empty_service ? " ignore_empty" : "") + (feed.pods ? " pods" : "") +
               (feed.zonal ? " zonal" : "");
  if (!table.reverse) {
    for (const auto& address : table.own_addresses) table_key += " " + address.to_string();
  }
  // Imports are no services of this cluster: a table of their own, and a stage that answers from it.
  std::shared_ptr<zones::RecordTable> imports;
  if (!imported.empty()) {
    zones::TableOptions of_imports = table;
    of_imports.reverse = false;
    of_imports.own_addresses.clear();
    of_imports.block.clusters = true;
    zones::FeedOptions shown = feed;
    shown.services = nullptr;
    shown.pods = false;
    shown.zonal = false;
    shown.clusters = true;
    ClusterData::Table& kept = data.tables["imports " + table_key];
    if (kept.table == nullptr && before != nullptr) {
      const auto it = before->tables.find("imports " + table_key);
      if (it != before->tables.end()) kept = it->second;
    }
    if (kept.table == nullptr) {
      kept.table = std::make_shared<zones::RecordTable>(environment.reclaim, of_imports);
      kept.feed = std::make_shared<zones::TableFeed>(data.source->imports(), kept.table,
                                                     std::move(shown));
      data.source->when_synced([table = std::weak_ptr<zones::RecordTable>(kept.table)] {
        if (const auto still = table.lock()) still->set_ready(true);
      });
    }
    imports = kept.table;
  }
  ClusterData::Table& made = data.tables[table_key];
  if (made.table == nullptr && before != nullptr) {
    if (const auto it = before->tables.find(table_key); it != before->tables.end()) made = it->second;
  }
  if (made.table == nullptr) {
    made.table = std::make_shared<zones::RecordTable>(environment.reclaim, table);
    made.feed = std::make_shared<zones::TableFeed>(data.source->store(), made.table, std::move(feed));
    data.source->when_known([table = std::weak_ptr<zones::RecordTable>(made.table)] {
      if (const auto still = table.lock()) still->set_ready(true);
    });
  }
  options.ptr_zone = *std::find_if(
      options.zones.begin(), options.zones.end(),
      [](const dns::Name& zone) { return !zones::is_reverse_zone(zone.view()); });
  if (imports != nullptr) {
    zones::ClusterOptions of_imports = options;
    of_imports.zones = imported;
    of_imports.zonal = false;
    std::erase_if(options.zones, [&](const dns::Name& zone) {
      return std::find(imported.begin(), imported.end(), zone) != imported.end();
    });
    setup.route.stages.push_back(
        std::make_shared<zones::ClusterStage>(std::move(of_imports), imports, made.table));
  }
  if (!options.zones.empty()) {
    setup.route.stages.push_back(
        std::make_shared<zones::ClusterStage>(std::move(options), made.table));
  }
}

}  // namespace clusterdns::app
