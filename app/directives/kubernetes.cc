// kubernetes [ZONE…] { OPTION… }
#include <algorithm>
#include <array>
#include <cstdlib>
#include <list>
#include <optional>

#include "app/corefile/files.h"
#include "app/corefile/options.h"
#include "app/corefile/paths.h"
#include "app/directives/cluster_tables.h"
#include "app/directives/directive.h"
#include "app/directives/kubernetes_metrics.h"
#include "app/directives/last_good.h"
#include "registry/kubernetes/config.h"
#include "registry/manifests/gateway_reader.h"
#include "registry/selector.h"
#include "registry/validation.h"
#include "zones/cluster_stage.h"
#include "zones/reverse_name.h"

namespace clusterdns::app {
namespace {

constexpr std::chrono::seconds kMinLease{1};
// A silence of more than a minute is what this option is there to rule out.
constexpr std::chrono::seconds kMaxLease{60};
constexpr std::int64_t kMaxTtl = 3600;  // CoreDNS's

registry::LabelSelector parse_selector(const Directive& property, std::string* text) {
  for (const Token& token : property.args) *text += (text->empty() ? "" : " ") + token.text;
  auto selector = registry::LabelSelector::parse(*text);
  if (!selector) {
    fail(property.args[0].at,
         in_quotes(*text) + " is not a label selector: " + selector.error().what);
  }
  return std::move(*selector);
}

// How to reach the API server, as the directive says it.
struct ApiProperties {
  bool named = false;  // some property asks for the API
  registry::kubernetes::SourceOptions options;
  std::chrono::milliseconds startup_timeout{5000};

  // As the options say it, see kSourceOptions.
  std::vector<Token> endpoints;
  std::vector<Token> tls;
  std::vector<Token> kubeconfig;
  // When all properties are read. When only checking, we may not be in the cluster.
  void finish(const Directive& directive, Environment& environment);
};

void ApiProperties::finish(const Directive& directive, Environment& environment) {
  namespace k8s = registry::kubernetes;
  k8s::ApiConfig& api = options.api;
  Position at = directive.name.at;
  try {
    if (environment.elsewhere) {
      api.servers.push_back({"kubernetes.default.svc", 443, true, ""});
    } else if (!kubeconfig.empty()) {
      at = kubeconfig[0].at;
      auto files = k8s::split_kubeconfig_list(kubeconfig[0].text);
      for (auto& file : files) file = expand_path(file.string());
      const std::string context = kubeconfig.size() > 1 ? kubeconfig[1].text : "";
      api = or_last_good(environment, "kubeconfig " + kubeconfig[0].text + "\n" + context, [&] {
        try {
          return k8s::load_kubeconfig(files, context);
        } catch (const k8s::ConfigProblem& e) {
          throw ConfigError(at, e.what());
        }
      });
    } else if (!endpoints.empty()) {
      for (const Token& endpoint : endpoints) {
        at = endpoint.at;
        api.servers.push_back(k8s::parse_api_server(endpoint.text, !tls.empty()));
        if (!tls.empty() && !api.servers.back().tls) {
          api.warnings.push_back(
              to_string(at) + ": " + api.servers.back().host_port() +
              " is not behind TLS, so `tls` has no effect for it; write https://");
        }
      }
      if (!tls.empty()) {
        api.client_certificate_file = expand_path(tls[0].text);
        api.client_key_file = expand_path(tls[1].text);
        api.ca_file = expand_path(tls[2].text);
      }
    } else if (environment.check_only && !environment.ask_apis) {
      // We may not be where the configuration will be.
      api.servers.push_back({"kubernetes.default.svc", 443, true, ""});
    } else {
      api =
          k8s::in_cluster_config([](const char* name) -> const char* { return std::getenv(name); });
    }
  } catch (const k8s::ConfigProblem& e) {
    fail(at, e.what());
  }
  for (const std::string& warning : api.warnings) {
    environment.problems.warn(at, warning);
  }
}

// The same for all ways to write one path. Empty: no path.
std::filesystem::path identity_of(const std::filesystem::path& path) {
  if (path.empty()) return {};
  std::error_code unknown;
  const auto real = std::filesystem::weakly_canonical(std::filesystem::absolute(path), unknown);
  return unknown ? path.lexically_normal() : real;
}

void tell_findings(const ClusterSource& source, Environment& environment) {
  for (const registry::Problem& problem : source.findings()) {
    if (environment.check_only) {
      if (!environment.findings_stay) environment.problems.add(problem);
    } else if (problem.is_error()) {
      environment.logger->error("plugin/kubernetes: {}", to_string(problem));
    } else {
      environment.logger->warn("plugin/kubernetes: {}", to_string(problem));
    }
  }
}

// A path that is not there is a slip in the Corefile, and nothing of it could be served.
void refuse_missing(ClusterSource& source, const std::vector<Token>& paths) {
  if (source.manifests() == nullptr) return;
  for (const std::string& missing : source.manifests()->missing_paths()) {
    for (const Token& path : paths) {
      if (expand_path(path.text) != missing) continue;
      fail(path, "is neither a file nor a folder; name one that exists");
    }
  }
}

void refuse_errors(const ClusterSource& source, const Position& at) {
  std::string errors;
  for (const registry::Problem& problem : source.findings()) {
    if (problem.is_error()) errors += "\n" + to_string(problem);
  }
  if (!errors.empty()) fail(at, "the start is refused because manifests have errors:" + errors);
}

// A reference to the one in the list stays good.
ClusterData& find_or_add(std::list<ClusterData>& clusters, const SourceKey& key) {
  for (ClusterData& each : clusters) {
    if (each.key == key) return each;
  }
  return clusters.emplace_back(ClusterData{key, {}, {}, {}, {}, {}});
}

// How well the objects of `before` are those that `now` selects.
int likeness(const ClusterSource& now, const ClusterSource& before) {
  if (now.api() == nullptr || before.api() == nullptr) return 0;
  const auto& a = now.api()->options();
  const auto& b = before.api()->options();
  if (a.labels == b.labels && a.namespace_labels == b.namespace_labels) return 2;
  return b.labels.empty() && b.namespace_labels.empty() ? 1 : 0;
}

// Whether services are those of a source that did not read labels: until the API server, which
// selects by them, has told.
bool lacks_labels(ClusterSource& source) {
  if (source.api() == nullptr || source.api()->synced() || source.manifests() != nullptr) {
    return false;
  }
  bool any = false;
  source.store().for_each_service(
      [&](const registry::Service& service) { any = any || !service.labels.empty(); });
  return !any;
}

std::shared_ptr<ClusterSource> make_source(
    ApiProperties api, const std::optional<registry::ManifestOptions>& manifests, bool from_api,
    Environment& environment) {
  auto source = from_api ? std::make_shared<ClusterSource>(std::move(api.options), manifests,
                                                           api.startup_timeout, environment.logger)
                         : std::make_shared<ClusterSource>(*manifests);
  if (source->status() != nullptr && environment.metrics != nullptr) {
    // For ever, as long as the source lives: a reload that keeps it must not count it twice.
    environment.metrics->add([board = std::weak_ptr(source->status())](Exposition& out) {
      if (const auto status = board.lock()) collect_kubernetes(status->get(), out);
    });
  }
  if (environment.previous != nullptr) {
    // Another option is no reason to know nothing of the cluster until its API server answers. The
    // first that knows it counts: one that selects alike, or else one that knows all.
    std::vector<const ClusterSource*> before;
    for (const ClusterData& other : environment.previous->clusters) {
      before.push_back(other.source.get());
    }
    std::stable_sort(before.begin(), before.end(),
                     [&](const ClusterSource* a, const ClusterSource* b) {
                       return likeness(*source, *a) > likeness(*source, *b);
                     });
    for (const ClusterSource* const other : before) source->inherit(*other);
  }
  const bool here = environment.check_only
                        ? (!from_api || environment.ask_apis) && !environment.elsewhere
                        : !environment.problems.has_errors();
  if (here) source->load();
  return source;
}

// What the lines of the block are read into.
struct Reading {
  Environment& environment;
  const ServerBlock& block;
  zones::ClusterOptions options = {};
  zones::FeedOptions feed = {};
  zones::TableOptions table = {};
  registry::ManifestOptions manifests = {};
  std::vector<Token> manifest_paths = {};
  ApiProperties api = {};
  std::string labels = {};
  std::string namespace_labels = {};
  std::vector<dns::Name> imported = {};
};

std::chrono::milliseconds milliseconds_of(std::chrono::nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time);
}

void read_manifests(const Directive& line, Reading& reading) {
  for (const Token& token : line.args) {
    const auto path = expand_path(token.text);
    if (!reading.environment.elsewhere && looks_like_corefile(beginning_of(path.string()))) {
      fail(token, "is a Corefile, not a manifest; `clusterdns -conf FILE` serves it");
    }
    reading.manifests.paths.push_back(path);
    reading.manifest_paths.push_back(token);
  }
}

template <auto Member>
void read_ranges(const Directive& line, Reading& reading) {
  require_arguments(line, 1, 2, line.name.text + " CIDR…");
  auto& ranges = reading.manifests.cluster.*Member;
  ranges.clear();
  for (const Token& token : line.args) ranges.push_back(parse_cidr(token));
}

template <auto Member>
void read_words(const Directive& line, Reading& reading) {
  reading.api.*Member = line.args;
  if constexpr (Member != &ApiProperties::tls) reading.api.named = true;
}

// CoreDNS limits its requests by these. Here there is one request for each kind of objects in a
// lease, which no sensible limit would touch.
void read_limit(const Directive& line, Reading&) {
  const Token& number = line.args[0];
  char* end = nullptr;
  const double value = std::strtod(number.text.c_str(), &end);
  if (number.text.empty() || *end != '\0' || !(value >= 0)) {
    fail(number, "is not a valid number; write 0 or more");
  }
}

void read_pods(const Directive& line, Reading& reading) {
  static constexpr std::string_view kModes[] = {"disabled", "insecure", "verified"};
  const std::string_view mode = parse_choice(line.args[0], kModes);
  reading.options.pods = mode == "disabled"   ? zones::PodMode::Disabled
                         : mode == "insecure" ? zones::PodMode::Insecure
                                              : zones::PodMode::Verified;
}

void read_namespaces(const Directive& line, Reading& reading) {
  for (const Token& token : line.args) {
    // Such a name would match nothing, in silence.
    if (!registry::is_dns_label(token.text)) {
      fail(token, "cannot be the name of a namespace; it has to be " +
                      std::string(registry::kDnsLabelRule));
    }
    reading.feed.namespaces.insert(token.text);
  }
}

void read_multicluster(const Directive& line, Reading& reading) {
  if (line.args.empty()) {
    reading.environment.problems.warn(
        line.name.at, "has no effect without a zone; name the zone, for example clusterset.local");
  }
  for (const Token& token : line.args) {
    for (const std::string& zone : parse_zones({&token, 1}, reading.block)) {
      reading.imported.push_back(zone_name(zone, token.at));
    }
  }
}

void read_fallthrough(const Directive& line, Reading& reading) {
  reading.options.fall_through = true;
  if (line.args.empty()) return;
  for (const std::string& zone : parse_zones(line.args, reading.block)) {
    reading.options.fall_through_in.push_back(zone_name(zone, line.name.at));
  }
}

void read_legacy(const Directive& line, Reading& reading) {
  reading.environment.problems.warn(line.name.at, "no longer has any effect; remove it");
}

constexpr Option::Kind kLine = Option::Kind::Line;

// Where objects come from: `gateways` has these too.
constexpr Option kSourceOptions[] = {
    option<&read_words<&ApiProperties::kubeconfig>>(
        "kubeconfig", "FILE [CONTEXT]",
        "how to reach the API server, and as whom: certificates, token, tokenFile, `exec`; several "
        "files with colons between them",
        {}, kLine, true),
    option<&read_words<&ApiProperties::endpoints>>(
        "endpoint", "URL…",
        "the same without a kubeconfig; of several, the next is tried when one fails", {}, kLine,
        true),
    option<&read_words<&ApiProperties::tls>>("tls", "CERT KEY CACERT", "files for `endpoint`", {},
                                             kLine, true),
    option<&read_manifests>(
        "manifests", "PATH…",
        "files and folders ([Manifests](../manifests.md)), `-`: standard input; beside the API, a "
        "service of the manifests hides one of the same name (not in CoreDNS)"),
    option<[](const Directive&, Reading&) {}>(
        "strict", "", "no start while a manifest has an error (not in CoreDNS)", {}, kLine, true),
    option<&read_ranges<&registry::ClusterOptions::service_cidrs>>(
        "service_cidr", "CIDR…",
        "where addresses are allocated that manifests lack (not in CoreDNS)",
        "`10.96.0.0/16` and `fd00:10:96::/112`", kLine, true),
    option<&read_ranges<&registry::ClusterOptions::pod_cidrs>>(
        "pod_cidr", "CIDR…", "the same for pods (not in CoreDNS)",
        "`10.244.0.0/16` and `fd00:10:244::/56`", kLine, true),
    option<[](const Directive& line, Reading& reading) {
      reading.api.startup_timeout = milliseconds_of(parse_duration(line.args[0]));
    }>("startup_timeout", "DURATION",
       "how long the log says that the API server is waited for; other names are answered at once",
       "5s", kLine, true),
    option<[](const Directive& line, Reading& reading) {
      reading.api.options.lease = milliseconds_of(
          parse_duration(line.args[0], BareDuration::Refused, kMinLease, kMaxLease));
    }>("watch_lease", "DURATION",
       "a watch that is silent for longer is given up; 1s to 60s (not in CoreDNS)", "10s", kLine,
       true),
    option<[](const Directive& line, Reading& reading) {
      reading.api.options.snapshot = expand_path(line.args[0].text);
    }>("snapshot", "PATH",
       "the last state on disk, served after a restart until the API server answers; a file for "
       "each "
       "cluster (not in CoreDNS)",
       {}, kLine, true),
};

constexpr Option kOwnOptions[] = {
    option<&read_limit>(
        "apiserver_qps", "N",
        "checked, and without effect: there is one request for each kind in a lease", {}, kLine,
        true),
    option<&read_limit>("apiserver_burst", "N", "likewise", {}, kLine, true),
    option<&read_limit>("apiserver_max_inflight", "N", "likewise", {}, kLine, true),
    option<[](const Directive& line, Reading& reading) {
      reading.options.ttl = static_cast<std::uint32_t>(parse_integer(line.args[0], 0, kMaxTtl));
    }>("ttl", "SECONDS", "0 to 3600", "5", kLine, true),
    option<&read_pods>("pods", "disabled|insecure|verified",
                       "names of pods: none, any address, or addresses of pods of that namespace",
                       "`disabled`", kLine, true),
    option<&read_namespaces>("namespaces", "NAME…",
                             "only these; not together with `namespace_labels`", "all"),
    option<[](const Directive& line, Reading& reading) {
      reading.feed.services = parse_selector(line, &reading.labels);
    }>("labels", "SELECTOR…", "only services with these labels", "all", kLine, true),
    option<[](const Directive& line, Reading& reading) {
      reading.feed.namespace_labels = parse_selector(line, &reading.namespace_labels);
    }>("namespace_labels", "SELECTOR…", "only namespaces with these labels", "all", kLine, true),
    option<[](const Directive&, Reading& reading) {
      reading.table.block.endpoint_pod_names = true;
    }>("endpoint_pod_names", "", "endpoints without a hostname are named as their pod",
       "dashed address", kLine, true),
    option<[](const Directive&, Reading& reading) { reading.feed.no_endpoints = true; }>(
        "noendpoints", "", "as if no service had endpoints", {}, kLine, true),
    option<[](const Directive& line, Reading& reading) {
      static constexpr std::string_view kIgnorable[] = {"empty_service"};
      (void)parse_choice(line.args[0], kIgnorable);
      reading.feed.ignore_empty_service = true;
    }>("ignore", "empty_service", "ClusterIP services without ready endpoints do not exist", {},
       kLine, true),
    option<[](const Directive&, Reading& reading) { reading.options.zonal = true; }>(
        "zonal", "",
        "headless services by topology zone: `ZONE.pin._zone.SERVICE` has that zone's endpoints, "
        "`ZONE.prefer._zone.SERVICE` all where it has none (not in CoreDNS)",
        {}, kLine, true),
    option<&read_multicluster>(
        "multicluster", "[ZONE…]",
        "these zones of the directive hold services imported from other clusters (ServiceImport); "
        "without the right to read them the log says so once",
        {}, kLine, true),
    option<&read_fallthrough>("fallthrough", "[ZONE…]",
                              "names that do not exist go on to the next stage", "NXDOMAIN", kLine,
                              true),
    option<&read_legacy>("upstream", "[WORD…]", "no longer has any effect"),
    option<&read_legacy>("resyncperiod", "[WORD…]", "no longer has any effect"),
};

constexpr std::array kOptions = [] {
  std::array<Option, std::size(kSourceOptions) + std::size(kOwnOptions)> all;
  std::copy(std::begin(kSourceOptions), std::end(kSourceOptions), all.begin());
  std::copy(std::begin(kOwnOptions), std::end(kOwnOptions),
            all.begin() + std::size(kSourceOptions));
  return all;
}();

}  // namespace

std::span<const Option> kubernetes_options() { return kOptions; }
std::span<const Option> kubernetes_source_options() { return kSourceOptions; }

std::vector<registry::IpAddress> server_addresses(const BlockSetup& setup) {
  std::vector<registry::IpAddress> global;
  std::vector<registry::IpAddress> loopback;
  const auto add = [&](const boost::asio::ip::address& a) {
    if (a.is_unspecified() || (a.is_v6() && a.to_v6().is_link_local())) return;
    const auto ip = registry::IpAddress::parse(a.to_string());
    if (ip) (a.is_loopback() ? loopback : global).push_back(*ip);
  };
  for (const auto& bound : setup.addresses) {
    if (!bound.is_unspecified()) {
      add(bound);
      continue;
    }
    for (const auto& [name, a] : setup.environment.interfaces) {
      if (a.is_v4() == bound.is_v4()) add(a);
    }
  }
  return global.empty() ? loopback : global;
}

std::shared_ptr<zones::RecordTable> find_or_make_table(ClusterData& data, const ClusterData* before,
                                                       ClusterData::Table wanted,
                                                       Environment& environment) {
  // The API server has chosen by them, or will have once it has told.
  if (!wanted.imports && lacks_labels(*data.source)) wanted.shown.services = {};
  const auto find = [&wanted](const std::list<ClusterData::Table>& tables) {
    return std::find_if(tables.begin(), tables.end(), [&](const ClusterData::Table& each) {
      return each.imports == wanted.imports && each.shown == wanted.shown &&
             each.options == wanted.options;
    });
  };
  if (const auto it = find(data.tables); it != data.tables.end()) return it->table;
  if (before != nullptr) {
    if (const auto it = find(before->tables); it != before->tables.end()) {
      return data.tables.emplace_back(*it).table;
    }
  }
  ClusterSource& source = *data.source;
  wanted.table = std::make_shared<zones::RecordTable>(environment.reclaim, wanted.options);
  wanted.feed = std::make_shared<zones::TableFeed>(
      wanted.imports ? source.imports() : source.store(), wanted.table, wanted.shown,
      [logger = environment.logger](const std::string& text) {
        logger->warn("plugin/kubernetes: {}", text);
      });
  const auto ready = [table = std::weak_ptr<zones::RecordTable>(wanted.table)] {
    if (const auto still = table.lock()) still->set_ready(true);
  };
  // No snapshot holds all that is imported.
  if (wanted.imports) {
    source.when_synced(ready);
  } else {
    source.when_known(ready);
  }
  return data.tables.emplace_back(std::move(wanted)).table;
}

void set_up_kubernetes(const Directive& directive, BlockSetup& setup) {
  Environment& environment = setup.environment;
  Reading reading{.environment = environment, .block = setup.block};
  auto& [unused_environment, unused_block, options, feed, table, manifests, manifest_paths, api,
         labels, namespace_labels, imported] = reading;
  options.workers = environment.workers;
  options.rotate = setup.rotate;
  const OptionPlaces seen = read_options(directive, kOptions, environment.problems, reading);
  if (!feed.namespaces.empty() && !feed.namespace_labels.empty()) {
    environment.problems.error(directive.name.at,
                               "'namespaces' and 'namespace_labels' cannot both be set; keep one");
  }

  refuse_option_names(directive.args, kOptions);
  for (const std::string& zone : parse_zones(directive.args, setup.block)) {
    options.zones.push_back(zone_name(zone, directive.name.at));
    if (options.zones.back().view().size() > kMaxZoneSize) {
      fail(directive.name.at,
           "the zone " + in_quotes(zone) +
               " is too long for the names below it, such as hostmaster; choose a "
               "shorter one");
    }
  }
  const bool only_reverse =
      std::all_of(options.zones.begin(), options.zones.end(),
                  [](const dns::Name& zone) { return zones::is_reverse_zone(zone.view()); });
  if (only_reverse) {
    fail(directive.name.at,
         "only reverse zones are named; add the cluster zone, for example cluster.local");
  }
  for (const dns::Name& zone : imported) {
    if (std::find(options.zones.begin(), options.zones.end(), zone) == options.zones.end()) {
      fail(seen.at("multicluster"), "the zone " + in_quotes(zone.to_text()) +
                                        " is not one of the zones of this directive; add it there");
    }
  }
  if (options.zonal && feed.no_endpoints) {
    fail(seen.at("zonal"),
         "it answers from endpoints, which 'noendpoints' leaves out; remove one of them");
  }
  table.reverse =
      std::any_of(options.zones.begin(), options.zones.end(),
                  [](const dns::Name& zone) { return zones::is_reverse_zone(zone.view()); });
  table.block.ttl = options.ttl;
  feed.pods = options.pods == zones::PodMode::Verified;
  manifests.cluster.keep_target_names = table.block.endpoint_pod_names;
  options.server_addresses = server_addresses(setup);
  table.own_addresses = options.server_addresses;
  feed.zonal = options.zonal;

  if (const auto strict = seen.find("strict"); strict != seen.end() && manifests.paths.empty()) {
    environment.problems.warn(strict->second, "has no effect without 'manifests'; remove it");
  }

  // A registry that was handed in takes the place of a source that is not named.
  const bool handed_in = environment.handed_in != nullptr && !api.named && manifests.paths.empty();
  const bool from_api = api.named || (manifests.paths.empty() && !handed_in);
  SourceKey source_key;
  if (!manifests.paths.empty()) source_key.manifests = manifests;
  if (from_api) {
    api.options.labels = labels;
    api.options.namespace_labels = namespace_labels;
    api.options.read = {!labels.empty(), !namespace_labels.empty(), table.block.endpoint_pod_names,
                        options.zonal, false};
    // What `gateways` wants to know is watched where some block has it.
    if (environment.wants_gateways) {
      const auto rows = registry::gateway_rows();
      api.options.kinds.assign(rows.begin(), rows.end());
      api.options.read.gateways = api.options.read.namespace_labels = true;
    }
    api.options.multicluster = !imported.empty();
    api.options.endpoints = !feed.no_endpoints;
    api.options.pods = feed.pods || environment.wants_gateways;
    api.options.pods_optional = !feed.pods;
    api.finish(directive, environment);
    source_key.api = registry::kubernetes::identity_of(api.options);
  }
  const bool endpoints = !feed.no_endpoints;
  const auto snapshot = from_api ? identity_of(api.options.snapshot) : std::filesystem::path();
  for (const ClusterData& other : environment.clusters) {
    // Each would take the other's for its own, or write over it.
    if (snapshot.empty() || other.key == source_key || other.snapshot != snapshot) continue;
    fail(seen.at("snapshot"), in_quotes(api.options.snapshot.string()) +
                                  " is the snapshot of the `kubernetes` at " + to_string(other.at) +
                                  " too, which reads something else; give each a file of its own");
  }
  // It is for a server to keep one.
  if (environment.check_only) api.options.snapshot.clear();
  ClusterData& data = find_or_add(environment.clusters, source_key);
  if (data.snapshot.empty()) {
    data.snapshot = snapshot;
    data.at = directive.name.at;
  }
  if (data.source == nullptr && handed_in) data.source = environment.handed_in;
  // What an API server has told is kept over a change of anything else, all the more while it is
  // away. So are the last good versions of manifests that are broken just now.
  const ClusterData* before = nullptr;
  if (!handed_in && environment.previous != nullptr) {
    for (const ClusterData& each : environment.previous->clusters) {
      if (each.key == source_key) before = &each;
    }
  }
  if (data.source == nullptr && before != nullptr) data.source = before->source;
  if (data.source == nullptr) {
    data.source = make_source(std::move(api), source_key.manifests, from_api, environment);
    refuse_missing(*data.source, manifest_paths);
    tell_findings(*data.source, environment);
  }
  // A start, that is: while the server runs what is broken keeps its last good version.
  if (const auto strict = seen.find("strict");
      strict != seen.end() && environment.previous == nullptr && !environment.check_only) {
    refuse_errors(*data.source, strict->second);
  }
  if (setup.only_source) {
    environment.served.push_back({data.source, &data.source->store(), nullptr, options.zones});
    return;
  }
  // All addresses are known by their reverse names then, our own too.
  if (table.reverse) table.own_addresses.clear();
  // Imports are no services of this cluster: a table of their own, and a stage that answers from
  // it.
  std::shared_ptr<zones::RecordTable> imports;
  if (!imported.empty()) {
    ClusterData::Table wanted{true, feed, table, {}, {}};
    wanted.options.reverse = false;
    wanted.options.own_addresses.clear();
    wanted.options.block.clusters = true;
    wanted.shown.services = {};
    wanted.shown.pods = false;
    wanted.shown.zonal = false;
    wanted.shown.clusters = true;
    imports = find_or_make_table(data, before, std::move(wanted), environment);
  }
  const std::shared_ptr<zones::RecordTable> own =
      find_or_make_table(data, before, {false, feed, table, {}, {}}, environment);
  options.ptr_zone =
      *std::find_if(options.zones.begin(), options.zones.end(),
                    [](const dns::Name& zone) { return !zones::is_reverse_zone(zone.view()); });
  if (imports != nullptr) {
    zones::ClusterOptions of_imports = options;
    of_imports.zones = imported;
    of_imports.zonal = false;
    std::erase_if(options.zones, [&](const dns::Name& zone) {
      return std::find(imported.begin(), imported.end(), zone) != imported.end();
    });
    environment.served.push_back(
        {data.source, &data.source->imports(), imports, imported, endpoints});
    setup.route.stages.push_back(
        std::make_shared<zones::ClusterStage>(std::move(of_imports), imports, own));
  }
  if (!setup.cluster_zone) {
    for (const dns::Name& zone : options.zones) {
      if (setup.cluster_zone || zone.is_root() || zones::is_reverse_zone(zone.view())) continue;
      setup.cluster_zone = zone;
    }
  }
  if (!options.zones.empty()) {
    environment.served.push_back(
        {data.source, &data.source->store(), own, options.zones, endpoints, options.zonal});
    setup.route.stages.push_back(std::make_shared<zones::ClusterStage>(std::move(options), own));
  }
}

}  // namespace clusterdns::app
