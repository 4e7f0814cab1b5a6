#include "app/explain/explain.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

#include "dns/search/search_stage.h"
#include "registry/gateway_host.h"
#include "registry/near_word.h"
#include "registry/selector.h"
#include "zones/reverse_name.h"

namespace clusterdns::app {

namespace gw = registry::gateways;
using registry::ObjectKey;
using registry::Pod;
using registry::Service;
using registry::ServiceType;

namespace {

constexpr std::size_t kMaxPods = 100;     // of one Service that are shown
constexpr std::size_t kMaxSubsets = 100;  // of one DestinationRule
constexpr unsigned kPodNdots = 5;         // kubelet's
constexpr std::size_t kMaxAliases = 8;

std::string text_of(const ObjectKey& key) { return key.ns + "/" + key.name; }

std::string without_dot(std::string text) {
  if (text.size() > 1 && text.ends_with('.')) text.pop_back();
  return text;
}

std::string lower_text(const dns::Name& name) {
  dns::Name lower = name;
  lower.make_lower();
  return without_dot(lower.to_text());
}

std::vector<std::string> labels_of(std::string_view name) {
  std::vector<std::string> labels;
  while (!name.empty()) {
    const std::size_t dot = name.find('.');
    labels.emplace_back(name.substr(0, dot));
    name = dot == std::string_view::npos ? std::string_view() : name.substr(dot + 1);
  }
  return labels;
}

template <typename Texts>
std::string joined(const Texts& texts, std::string_view between) {
  std::string all;
  for (const auto& text : texts)
    all += (all.empty() ? "" : std::string(between)) + std::string(text);
  return all;
}

std::string addresses_text(const std::vector<registry::IpAddress>& addresses) {
  std::vector<std::string> texts;
  for (const registry::IpAddress& address : addresses) texts.push_back(address.to_string());
  return joined(texts, " ");
}

std::string count_text(std::size_t count, const char* one) {
  return std::to_string(count) + " " + one + (count == 1 ? "" : "s");
}

bool exists(const ExplainedAnswer& answer) { return answer.rcode == "NOERROR"; }

class Builder {
 public:
  Builder(const ExplainedCluster& cluster, Asker& asker, const ExplainRequest& request)
      : cluster_(cluster),
        store_(*cluster.store),
        zone_(cluster.settings.plan.zone),
        asker_(asker),
        study_(cluster.study != nullptr
                   ? cluster.study
                   : std::make_shared<const ClusterStudy>(store_, cluster.settings)),
        index_(study_->index),
        rules_(study_->rules),
        registry_(study_->hosts) {
    result_.request = request;
  }

  Explanation run() {
    const auto question = explained_question(result_.request.name);
    if (!question) {
      result_.question = result_.request.name;
      result_.answer.rcode = "FORMERR";
      return std::move(result_);
    }
    name_ = question->name;
    if (question->is_address && result_.request.type == dns::RRType::A) {
      result_.request.type = dns::RRType::PTR;
    }
    result_.question = name_.to_text();
    ask();
    build();
    findings();
    result_.truncated = result_.truncated || study_->truncated;
    return std::move(result_);
  }

  // After run(): the name that was found, or that was meant.
  [[nodiscard]] const dns::Name& meant() const noexcept { return meant_; }

 private:
  // --- the question ---

  void ask() {
    const dns::RRType type = result_.request.type;
    meant_ = name_;
    if (result_.request.ns) return ask_as_pod(type);
    result_.answer = asker_.ask(name_, type);
    const std::vector<dns::Name> candidates =
        result_.request.name.ends_with('.') ? std::vector<dns::Name>{} : asker_.search_list(name_);
    const bool searched = result_.answer.stage == "search";
    if (candidates.empty() || (!searched && answered_before_search())) return;
    for (const dns::Name& candidate : candidates) {
      const ExplainedAnswer answer = asker_.ask(candidate, type);
      if (searched && exists(answer)) {
        meant_ = candidate;
        return;
      }
      result_.tried.push_back({candidate.to_text(), answer.rcode});
    }
    if (!exists(result_.answer)) guess(candidates);
  }

  // Nothing is tried of what a stage before `search` answers.
  bool answered_before_search() const {
    const std::string& stage = result_.answer.stage;
    if (stage == "gateways") return has_exact_host(lower_text(name_));
    return stage == "kubernetes" || stage == "hosts";
  }

  bool has_exact_host(const std::string& name) const {
    const gw::Plan& plan = study_->plan;
    const auto at = std::lower_bound(
        plan.claims.begin(), plan.claims.end(), name,
        [](const gw::Claim& claim, const std::string& wanted) { return claim.host < wanted; });
    return at != plan.claims.end() && at->host == name;
  }

  // As the resolver in a pod does it (resolv.conf of kubelet).
  void ask_as_pod(dns::RRType type) {
    std::vector<dns::Name> candidates;
    const bool absolute = result_.request.name.ends_with('.');
    const auto zone = dns::Name::from_text(zone_);
    const std::size_t dots = name_.label_count() - 1;
    std::vector<dns::Name> suffixes;
    if (zone && !absolute) {
      suffixes = dns::SearchStage::pod_search_list(*result_.request.ns, *zone);
    }
    std::vector<dns::Name> completed;
    for (const dns::Name& suffix : suffixes) {
      if (const auto made = name_.append(suffix.view())) completed.push_back(*made);
    }
    const bool first_as_it_is = absolute || dots >= kPodNdots;
    if (first_as_it_is) candidates.push_back(name_);
    candidates.insert(candidates.end(), completed.begin(), completed.end());
    if (!first_as_it_is) candidates.push_back(name_);
    std::vector<ExplainedTry> tried;
    std::optional<std::pair<dns::Name, ExplainedAnswer>> no_data;
    for (const dns::Name& candidate : candidates) {
      ExplainedAnswer answer = asker_.ask(candidate, type);
      result_.answer = answer;
      if (exists(answer) && !answer.records.empty()) {
        meant_ = candidate;
        result_.tried = std::move(tried);
        return;
      }
      tried.push_back({candidate.to_text(), answer.rcode});
      if (exists(answer) && !no_data) no_data = {candidate, std::move(answer)};
    }
    if (no_data) {
      meant_ = no_data->first;
      result_.answer = std::move(no_data->second);
      const std::string itself = meant_.to_text();
      std::erase_if(tried, [&](const ExplainedTry& one) { return one.name == itself; });
      result_.tried = std::move(tried);
      return;
    }
    meant_ = candidates.back();
    tried.pop_back();
    result_.tried = std::move(tried);
    guess(completed);
  }

  // Nobody has the name: which name of the cluster was meant?
  void guess(const std::vector<dns::Name>& completed) {
    const std::string asked = lower_text(name_);
    if (in_cluster(asked) || is_hosted(asked)) return;
    const std::vector<std::string> labels = labels_of(asked);
    for (const dns::Name& candidate : completed) {
      const std::string text = lower_text(candidate);
      const std::vector<std::string> relative = relative_labels(text);
      if (relative.empty() || relative.back() != "svc") continue;
      // `service`, `service.namespace`, `service.namespace.svc`: no more and no less.
      const std::string& last = labels.back();
      const bool fits = labels.size() == 1 ? relative.size() == 3
                        : labels.size() == 2
                            ? relative.size() == 3
                            : labels.size() == 3 && last == "svc" && relative.size() == 3;
      if (!fits) continue;
      if (labels.size() == 2 && index_.namespaces_with(labels[0]).empty() &&
          store_.find_namespace(labels[1]) == nullptr) {
        continue;  // `example.com` is a name of the world
      }
      meant_ = candidate;
      return;
    }
  }

  // --- names ---

  // Labels below the cluster zone; of no cluster's name: none.
  std::vector<std::string> relative_labels(const std::string& name) const {
    const std::string* best = nullptr;
    std::vector<std::string> zones;
    for (const dns::Name& zone : cluster_.zones) {
      if (!zones::is_reverse_zone(zone.view())) zones.push_back(lower_text(zone));
    }
    for (const std::string& zone : zones) {
      if (!gw::is_below(name, zone)) continue;
      if (best == nullptr || zone.size() > best->size()) best = &zone;
    }
    if (best == nullptr) return {};
    return labels_of(name.substr(0, name.size() - best->size() - 1));
  }

  bool in_cluster(const std::string& name) const {
    return std::any_of(cluster_.zones.begin(), cluster_.zones.end(), [&](const dns::Name& zone) {
      const std::string text = lower_text(zone);
      return name == text || gw::is_below(name, text);
    });
  }

  // Whether some object has a host, other than `*`, that stands for the name.
  bool is_hosted(const std::string& name) const {
    const gw::Plan& plan = study_->plan;
    return std::any_of(plan.claims.begin(), plan.claims.end(),
                       [&](const gw::Claim& claim) { return gw::covers(claim.host, name); });
  }

  // --- objects ---

  std::string source_of(const std::string& kind, const ObjectKey& key,
                        const std::string& otherwise = "") const {
    const gw::Place place = cluster_.place ? cluster_.place({kind, key}) : gw::Place{};
    if (!place.file.empty()) return place.file + ":" + std::to_string(place.line);
    if (cluster_.has_api || otherwise.empty()) return "api";
    return otherwise;
  }
  static std::string source_of(const gw::Object& object) {
    if (object.place.file.empty()) return "api";
    return object.place.file + ":" + std::to_string(object.place.line);
  }

  void add(const gw::Object& object, std::string role, std::string detail) {
    const gw::KindNames names = gw::names_of(object.kind);
    put({std::string(names.kind), std::string(names.group), object.key, std::move(role),
         std::move(detail), source_of(object), object.created});
  }
  void add(const Service& service, std::string role, std::string detail) {
    put({"Service", "", service.key, std::move(role), std::move(detail),
         source_of("Service", service.key), registry::created_text(service.created)});
  }
  static std::string created_of(const Pod& pod) {
    return pod.detail ? registry::created_text(pod.detail->created) : "";
  }
  void put(ExplainedObject object) {
    const auto same = [&](const ExplainedObject& other) {
      return std::tie(object.kind, object.group, object.key, object.role) ==
             std::tie(other.kind, other.group, other.key, other.role);
    };
    const auto section = result_.objects.begin() + static_cast<std::ptrdiff_t>(section_);
    const auto at = std::find_if(section, result_.objects.end(), same);
    if (at == result_.objects.end()) {
      result_.truncated = result_.truncated || object.detail.size() > kMaxExplainedDetail;
      object.detail.resize(std::min(object.detail.size(), kMaxExplainedDetail));
      if (++of_role_[object.role] > kMaxExplained) {
        result_.truncated = true;
        return;
      }
      result_.objects.push_back(std::move(object));
    } else if (at->detail.size() + object.detail.size() > kMaxExplainedDetail) {
      result_.truncated = true;
    } else if (at->detail.find(object.detail) == std::string::npos) {
      at->detail += "; " + object.detail;
    }
  }

  void build() {
    const std::string name = lower_text(meant_);
    const std::vector<std::string> asked = labels_of(lower_text(name_));
    if (std::find(asked.begin(), asked.end(), "*") != asked.end()) {
      problem("wildcard-query", gw::Severity::Info, itself(lower_text(name_)),
              exists(result_.answer)
                  ? "'*' is a label as any other here: the answer is that of one name"
                  : "'*' is a label as any other here: no wildcard query is answered",
              "Ask for a name: 'clusterdns services' and 'clusterdns hosts' list them");
    }
    if (zones::is_reverse_zone(meant_.view()) || name.ends_with(".in-addr.arpa") ||
        name.ends_with(".ip6.arpa")) {
      build_reverse();
    } else if (in_cluster(name)) {
      build_cluster_name(name);
    } else {
      build_host(name);
    }
    // Where an alias leads. What a gateway does with a name that is only led to is not this name's
    // problem, and takes none of this name's away.
    const auto own = addresses_;
    is_led_on_ = true;
    std::size_t followed = 0;
    for (const ExplainedRecord& record : result_.answer.records) {
      if (record.type != "CNAME" || ++followed > kMaxAliases) continue;
      const auto target = dns::Name::from_text(record.data);
      if (!target || lower_text(*target) == name) continue;
      const std::string to = lower_text(*target);
      if (in_cluster(to)) {
        build_cluster_name(to);
      } else {
        build_host(to);
      }
    }
    addresses_ = own;
    scopes(name);
  }

  // --- names of the cluster ---

  void problem(std::string code, gw::Severity severity, gw::ObjectName object, std::string text,
               std::string fix) {
    result_.problems.push_back(
        {std::move(code), severity, std::move(object), std::move(text), std::move(fix), ""});
  }
  static gw::ObjectName itself(const std::string& name) { return {"Name", {"", name + "."}}; }

  void build_cluster_name(const std::string& name) {
    const std::vector<std::string> labels = relative_labels(name);
    if (labels.size() < 2) return;
    if (labels.back() == "pod") return build_pod_name(labels, name);
    if (labels.back() != "svc") return;
    const std::string& ns = labels[labels.size() - 2];
    if (ns == "*") return;
    if (store_.find_namespace(ns) == nullptr) return no_such_namespace(labels, ns, name);
    if (labels.size() < 3) return;
    const ObjectKey key{ns, labels[labels.size() - 3]};
    const Service* const service = store_.service(key);
    if (service == nullptr) {
      if (key.name == "*" || (labels.size() == 4 && key.name.starts_with('_'))) return;
      const std::string hint = gw::where_else(index_, key);
      problem("no-such-service", gw::Severity::Error, itself(name),
              "there is no Service '" + key.name + "' in namespace '" + ns + "'",
              hint.empty() ? "Create the Service, or ask for one that exists"
                           : (hint.starts_with("did") ? "Did" + hint.substr(3)
                                                      : "Ask for one that exists: " + hint));
      return;
    }
    build_service(*service);
    if (labels.size() == 5) check_port(*service, labels);
  }

  void no_such_namespace(const std::vector<std::string>& labels, const std::string& ns,
                         const std::string& name) {
    std::string fix;
    if (labels.size() >= 3) {
      const std::vector<std::string> has = index_.namespaces_with(labels[labels.size() - 3]);
      if (!has.empty()) {
        fix = "A Service '" + labels[labels.size() - 3] + "' is in " +
              (has.size() == 1 ? "namespace " : "namespaces ") + joined(has, ", ");
      }
    }
    if (fix.empty()) {
      const auto near = registry::nearest_word(ns, index_.namespaces());
      fix = near ? "Did you mean '" + std::string(*near) + "'?"
                 : "Create the namespace, or ask in one that exists";
    }
    problem("no-such-namespace", gw::Severity::Error, itself(name),
            "there is no namespace '" + ns + "'", fix);
  }

  void check_port(const Service& service, const std::vector<std::string>& labels) {
    const std::string& port = labels[0];
    const std::string& protocol = labels[1];
    if (!port.starts_with('_') || !protocol.starts_with('_')) return;
    std::vector<std::string> names;
    for (const registry::ServicePort& each : service.ports) {
      std::string its = registry::to_string(each.protocol);
      for (char& c : its) c = static_cast<char>(c - 'A' + 'a');
      if (each.name == port.substr(1) && "_" + its == protocol) return;
      if (!each.name.empty()) names.push_back("_" + each.name + "._" + its);
    }
    problem(
        "no-such-port", gw::Severity::Error, {"Service", service.key},
        "it has no port named '" + port.substr(1) + "' of protocol '" + protocol.substr(1) + "'",
        names.empty() ? "Give the port a name: only named ports have SRV names of their own"
                      : "Ask for one that it has: " + joined(names, ", "));
  }

  std::string ports_text(const Service& service) const {
    std::vector<std::string> ports;
    for (const registry::ServicePort& port : service.ports) {
      ports.push_back((port.name.empty() ? "" : port.name + " ") + std::to_string(port.port) +
                      (port.node_port == 0 ? "" : ":" + std::to_string(port.node_port)));
    }
    return joined(ports, ", ");
  }

  void build_service(const Service& service, const std::string& more = "") {
    if (!services_.insert(service.key).second) return;
    const gw::ClusterIndex::Endpoints endpoints = index_.endpoints(service.key);
    std::string detail = to_string(service.type);
    if (service.type == ServiceType::ExternalName) {
      detail += " " + service.external_name;
    } else {
      detail = service.headless ? "headless" : detail + " " + addresses_text(service.cluster_ips);
      if (!service.ports.empty()) detail += ", ports " + ports_text(service);
      detail += ", " + std::to_string(endpoints.ready) + " of " +
                count_text(endpoints.all, "endpoint") + " ready";
    }
    add(service, "destination", more.empty() ? detail : more + "; " + detail);
    const std::string host = service.key.name + "." + service.key.ns + ".svc." + zone_;
    for (const gw::DestinationRule* const rule : rules_.rules_for(host)) {
      std::vector<std::string> subsets;
      for (const gw::Subset& subset : rule->subsets) {
        if (subsets.size() == kMaxSubsets) {
          result_.truncated = true;
          break;
        }
        const std::vector<const Pod*> pods = gw::subset_pods(index_, service, subset);
        const auto ready = std::count_if(pods.begin(), pods.end(), [](const Pod* pod) {
          return gw::ClusterIndex::is_ready(*pod);
        });
        subsets.push_back("subset " + subset.name + ": " +
                          count_text(static_cast<std::size_t>(ready), "ready pod"));
      }
      add(*rule, "policy", subsets.empty() ? "no subsets" : joined(subsets, ", "));
    }
    build_endpoints(service);
    if (service.type == ServiceType::ExternalName) follow(service);
  }

  void build_endpoints(const Service& service) {
    const std::string of_service = source_of("Service", service.key);
    for (const registry::EndpointSlice* const slice : store_.slices(service.key)) {
      std::size_t ready = 0;
      for (const registry::Endpoint& endpoint : slice->endpoints) ready += endpoint.ready ? 1 : 0;
      std::string source = source_of("EndpointSlice", slice->key, " ");
      if (source == " ") source = source_of("Endpoints", service.key, of_service);
      put({"EndpointSlice", "discovery.k8s.io", slice->key, "slice",
           std::to_string(ready) + " of " + count_text(slice->endpoints.size(), "endpoint") +
               " ready",
           source});
    }
    const std::vector<const Pod*> pods = index_.pods(service.key.ns, service.selector);
    for (std::size_t i = 0; i < pods.size() && i < kMaxPods; ++i) {
      const Pod& pod = *pods[i];
      std::string made = of_service;
      if (pod.detail && !pod.detail->owner.empty()) {
        const std::size_t space = pod.detail->owner.find(' ');
        made = source_of(pod.detail->owner.substr(0, space),
                         {pod.key.ns, pod.detail->owner.substr(space + 1)}, of_service);
      }
      put({"Pod", "", pod.key, "pod",
           std::string(gw::ClusterIndex::is_ready(pod) ? "ready" : "not ready") +
               (pod.ips.empty() ? "" : ", " + addresses_text(pod.ips)),
           source_of("Pod", pod.key, made), created_of(pod)});
    }
  }

  // Aliases of the cluster, as far as they stay in it.
  void follow(const Service& service) {
    const auto target = gw::parse_host(service.external_name);
    if (!target || !in_cluster(*target)) return;
    const std::vector<std::string> labels = relative_labels(*target);
    if (labels.size() < 3 || labels.back() != "svc") return;
    const Service* const next =
        store_.service({labels[labels.size() - 2], labels[labels.size() - 3]});
    if (next != nullptr) build_service(*next);
  }

  void build_pod_name(const std::vector<std::string>& labels, const std::string& name) {
    const std::string& ns = labels[labels.size() - 2];
    if (store_.find_namespace(ns) == nullptr) return no_such_namespace({}, ns, name);
    if (labels.size() != 3) return;
    for (const Pod* const pod : index_.pods_of(ns)) {
      for (const registry::IpAddress& address : pod->ips) {
        std::string dashed = address.to_string();
        std::replace(dashed.begin(), dashed.end(), '.', '-');
        std::replace(dashed.begin(), dashed.end(), ':', '-');
        if (dashed != labels[0]) continue;
        put({"Pod", "", pod->key, "pod",
             std::string(gw::ClusterIndex::is_ready(*pod) ? "ready" : "not ready") + ", " +
                 addresses_text(pod->ips),
             source_of("Pod", pod->key, "api"), created_of(*pod)});
      }
    }
  }

  void build_reverse() {
    dns::Name lower = meant_;
    lower.make_lower();
    const auto reverse = zones::parse_reverse_name(lower.view());
    if (!reverse || !reverse->complete()) return;
    std::vector<const Service*> services;
    store_.for_each_service([&](const Service& service) {
      const auto& ips = service.cluster_ips;
      bool its = std::find(ips.begin(), ips.end(), reverse->address) != ips.end();
      for (const registry::EndpointSlice* const slice : store_.slices(service.key)) {
        if (its) break;
        its = std::any_of(slice->endpoints.begin(), slice->endpoints.end(),
                          [&](const registry::Endpoint& endpoint) {
                            return endpoint.address == reverse->address;
                          });
      }
      if (its) services.push_back(&service);
    });
    std::sort(services.begin(), services.end(),
              [](const Service* a, const Service* b) { return a->key < b->key; });
    for (const Service* const service : services) build_service(*service);
  }

  // --- hosts of gateways ---

  // One that has a host for the name.
  template <typename Object>
  struct Candidate {
    const Object* object;
    std::string host;  // the most specific of them
    bool bound = false;
    bool operator<(const Candidate& other) const {
      if (bound != other.bound) return bound;
      const auto mine = gw::specificity(host);
      const auto others = gw::specificity(other.host);
      if (mine != others) return mine > others;
      return gw::is_older(*object, *other.object);
    }
  };
  template <typename Object>
  using Candidates = std::vector<Candidate<Object>>;

  // What stands before its gateway, or has none, comes first: in the tree each of these is a root.
  // Behind each Gateway comes what is its own.
  void build_host(const std::string& name) {
    if (!cluster_.settings.gateways) return;
    if (host_.empty()) host_ = name;
    building_ = name;
    find_claims(name);
    entries(name);
    const auto services = virtual_services(name);
    const auto routes = api_routes(name);
    ingresses(name);
    for (const auto& [provider, resolved] : addresses_) {
      if (provider.object == nullptr) address(provider, resolved);
    }
    istio_gateways(name, services);
    gateway_api(name, routes);
  }

  void istio_gateways(const std::string& name,
                      const std::map<ObjectKey, Candidates<gw::VirtualService>>& services) {
    if (!cluster_.settings.plan.reads(gw::SourceKind::Istio)) return;
    store_.gateways().each<gw::IstioGateway>([&](const gw::IstioGateway& gateway) {
      std::vector<std::string> hosts;
      std::vector<std::string> ports;
      for (const gw::IstioServer& server : gateway.servers) {
        bool accepts = false;
        for (const gw::ScopedHost& host : server.hosts) {
          if (!gw::covers(host.host, name)) continue;
          accepts = true;
          if (std::find(hosts.begin(), hosts.end(), host.host) == hosts.end()) {
            hosts.push_back(host.host);
          }
        }
        const std::string port = std::to_string(server.port);
        if (accepts && std::find(ports.begin(), ports.end(), port) == ports.end()) {
          ports.push_back(port);
        }
      }
      if (hosts.empty()) return;
      begin(gateway,
            joined(hosts, " ") + (ports.size() == 1 ? ", port " : ", ports ") + joined(ports, " "));
      if (const auto at = services.find(gateway.key); at != services.end()) {
        routes_of(gateway, at->second,
                  [&](const gw::VirtualService& service) { destinations(service); });
      }
      address_of(gateway);
    });
  }

  // Of a Gateway that accepts the name; what belongs to it follows.
  void begin(const gw::Object& gateway, std::string detail) {
    section_ = result_.objects.size();
    add(gateway, "accepts", std::move(detail));
    const gw::ObjectName itself = gw::name_of(gateway);
    if (has_name(gateway) && !is_led_on_) answering_.insert(itself);
    if (!matters(gateway)) return;
    accepting_.insert(itself);
    if (!accepts_by_name(gateway, building_)) unnamed_.insert(itself);
  }

  // Not where somebody else has the name for himself, by a more specific host.
  bool has_name(const gw::Object& gateway) const {
    return addresses_.empty() || claim_of(gateway) != nullptr;
  }
  // Whether what goes wrong at a Gateway is wrong with the name: of one for every host, which
  // claims nothing, not when the name has its answer elsewhere.
  bool matters(const gw::Object& gateway) const {
    if (claim_of(gateway) != nullptr) return true;
    return addresses_.empty() && (!exists(result_.answer) || accepts_by_name(gateway, building_));
  }

  // One that has `host` for the name.
  void note(std::map<gw::ObjectName, std::uint16_t>& named, const gw::ObjectName& object,
            const std::string& host) {
    const std::uint16_t specific = gw::specificity(host);
    std::uint16_t& most = named[object];
    most = std::max(most, specific);
    if (&named == &routing_ && !is_led_on_) best_routed_ = std::max(best_routed_, specific);
  }

  // What is routed at a Gateway. `candidates`: in order.
  template <typename Object, typename Destinations>
  void routes_of(const gw::Object& gateway, const Candidates<Object>& candidates,
                 const Destinations& destinations_of) {
    const bool here = matters(gateway);
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const Candidate<Object>& each = candidates[i];
      const bool first = i == 0 && each.bound;
      const bool routes = first && here;
      const gw::ObjectName itself = gw::name_of(*each.object);
      const bool shown = routes && routing_.contains(itself);
      add(*each.object, routes ? "routes" : "rival",
          each.host + (each.bound ? "" : ", not accepted") + (shown ? ", as above" : ""));
      note(routes ? routing_ : rivals_, itself, each.host);
      if (first) routed_.insert(gw::name_of(gateway));
      if (routes && !shown) destinations_of(*each.object);
    }
  }

  // VirtualServices with a host for the name, by those of their Gateways that accept it. Those that
  // name none such are shown at once.
  std::map<ObjectKey, Candidates<gw::VirtualService>> virtual_services(const std::string& name) {
    std::map<ObjectKey, Candidates<gw::VirtualService>> found;
    if (!cluster_.settings.plan.reads(gw::SourceKind::Istio)) return found;
    Candidates<gw::VirtualService> unbound;
    store_.gateways().each<gw::VirtualService>([&](const gw::VirtualService& service) {
      std::string best;
      for (const std::string& written : service.hosts) {
        const std::string host = gw::host_of(written, service.key.ns, zone_);
        // A short host, as it was meant.
        if (!gw::covers(host, name) && written != name) continue;
        if (best.empty() || gw::specificity(host) > gw::specificity(best)) best = host;
      }
      if (best.empty()) return;
      bool has_gateway = false;
      std::set<ObjectKey> seen;
      for (const std::string& written : service.gateways) {
        const ObjectKey key = gw::gateway_key(written, service.key.ns);
        if (written == "mesh" || !seen.insert(key).second) continue;
        const auto* const gateway = store_.gateways().find<gw::IstioGateway>(key);
        const Binding binding =
            gateway == nullptr ? Binding::None : binding_of(service, *gateway, name);
        if (binding == Binding::None) continue;
        has_gateway = true;
        found[key].push_back({&service, best, binding == Binding::Bound && gw::covers(best, name)});
      }
      if (!has_gateway) unbound.push_back({&service, best});
    });
    for (auto& [key, candidates] : found) std::sort(candidates.begin(), candidates.end());
    std::sort(unbound.begin(), unbound.end());
    for (const auto& each : unbound) {
      section_ = result_.objects.size();
      add(*each.object, "rival",
          each.host + (is_for_mesh(*each.object) ? ", no gateways: mesh only"
                                                 : ", accepted by none of its Gateways"));
      note(unbound_, gw::name_of(*each.object), each.host);
    }
    return found;
  }

  static bool is_for_mesh(const gw::VirtualService& service) {
    return std::all_of(service.gateways.begin(), service.gateways.end(),
                       [](const std::string& gateway) { return gateway == "mesh"; });
  }

  enum class Binding : std::uint8_t { None, KeptOut, Bound };
  static Binding binding_of(const gw::VirtualService& service, const gw::IstioGateway& gateway,
                            const std::string& name) {
    Binding binding = Binding::None;
    for (const gw::IstioServer& server : gateway.servers) {
      for (const gw::ScopedHost& host : server.hosts) {
        if (!gw::covers(host.host, name)) continue;
        binding = Binding::KeptOut;
        if (!gw::exported_to(service, gateway.key.ns)) continue;
        if (gw::scope_admits({host.host, 0, host.ns}, gateway, service.key.ns))
          return Binding::Bound;
      }
    }
    return binding;
  }

  void destinations(const gw::VirtualService& service) {
    for (const gw::VirtualServiceRule& rule : service.rules) {
      for (const gw::Destination& to : rule.destinations) {
        destination(service, to, to_string(rule.type));
      }
      for (const gw::Destination& to : rule.mirrors) {
        destination(service, to, to_string(rule.type) + std::string(" mirror"));
      }
    }
  }

  void destination(const gw::VirtualService& service, const gw::Destination& to,
                   std::string detail) {
    const std::string host = gw::host_of(to.host, service.key.ns, zone_);
    const gw::Registered registered = registry_.find(host);
    if (to.weight >= 0) detail += ", weight " + std::to_string(to.weight);
    if (to.port != 0) detail += ", port " + std::to_string(to.port);
    if (registered.entry != nullptr) return add(*registered.entry, "entry", detail);
    if (registered.service == nullptr) return;
    if (!to.subset.empty()) {
      detail += ", subset " + to.subset;
      const gw::Subset* const subset = gw::RuleIndex::find(rules_.rules_for(host), to.subset);
      if (subset == nullptr) {
        detail += " (not defined)";
      } else {
        const auto pods = gw::subset_pods(index_, *registered.service, *subset);
        const auto ready = std::count_if(pods.begin(), pods.end(), [](const Pod* pod) {
          return gw::ClusterIndex::is_ready(*pod);
        });
        detail += " (" + count_text(static_cast<std::size_t>(ready), "ready pod") + ")";
      }
    }
    if (services_.contains(registered.service->key)) {
      add(*registered.service, "destination", detail);
    } else {
      build_service(*registered.service, detail);
    }
  }

  void backends(const std::vector<gw::Backend>& all) {
    for (const gw::Backend& backend : all) {
      const Service* const service = store_.service(backend.service);
      if (service == nullptr) continue;
      std::string detail =
          "port " + (backend.port != 0 ? std::to_string(backend.port) : backend.port_name);
      if (backend.weight >= 0) detail += ", weight " + std::to_string(backend.weight);
      if (services_.contains(service->key)) {
        add(*service, "destination", detail);
      } else {
        build_service(*service, detail);
      }
    }
  }

  void ingresses(const std::string& name) {
    if (!cluster_.settings.plan.reads(gw::SourceKind::Ingress)) return;
    store_.gateways().each<gw::Ingress>([&](const gw::Ingress& ingress) {
      if (!gw::counts(ingress, cluster_.settings.plan)) return;
      std::string best;  // an exact host beats the wildcard
      for (const gw::IngressRule& rule : ingress.rules) {
        const bool fits =
            gw::is_wildcard(rule.host) ? gw::covers_one_label(rule.host, name) : rule.host == name;
        if (!fits) continue;
        if (best.empty() || gw::specificity(rule.host) > gw::specificity(best)) best = rule.host;
      }
      if (best.empty()) return;
      // Without a claim somebody has the name who is more specific.
      const bool routes = claim_of(ingress) != nullptr;
      note(routes ? routing_ : rivals_, gw::name_of(ingress), best);
      section_ = result_.objects.size();
      add(ingress, routes ? "routes" : "rival", best);
      if (!routes) return;
      for (const gw::IngressRule& rule : ingress.rules) {
        if (rule.host == best) backends(rule.backends);
      }
      address_of(ingress);
    });
  }

  // Routes with a hostname for the name, by those of their Gateways that have a listener for it.
  std::map<ObjectKey, Candidates<gw::Route>> api_routes(const std::string& name) {
    std::map<ObjectKey, Candidates<gw::Route>> found;
    if (!cluster_.settings.plan.reads(gw::SourceKind::GatewayApi)) return found;
    std::map<ObjectKey, std::optional<gw::HostIndex>> indexes;
    std::size_t budget = gw::kMaxComparisons;
    const auto bound = [&](const gw::Route& route, const gw::ParentRef& parent,
                           const std::string& host) {
      const auto* const gateway = store_.gateways().find<gw::Gateway>(parent.gateway);
      std::optional<gw::HostIndex>& index = indexes[parent.gateway];
      if (!index) index.emplace(*gateway);
      const gw::Acceptance result =
          gw::accept(gateway, &*index, route, parent, host, store_, budget);
      return result.refusal == gw::Refusal::None &&
             std::any_of(result.hosts.begin(), result.hosts.end(),
                         [&](const auto& each) { return gw::covers(each.first, name); });
    };
    Candidates<gw::Route> unbound;
    store_.gateways().each_route([&](const gw::Route& route) {
      std::vector<std::string> hostnames = route.hostnames;
      if (hostnames.empty()) hostnames.emplace_back("*");
      std::string best;
      for (const std::string& hostname : hostnames) {
        if (!gw::covers(hostname, name)) continue;
        if (best.empty() || gw::specificity(hostname) > gw::specificity(best)) best = hostname;
      }
      if (best.empty()) return;
      std::map<ObjectKey, bool> gateways;
      for (const gw::ParentRef& parent : route.parents) {
        if (is_listener_set(parent)) continue;
        const auto* const gateway = store_.gateways().find<gw::Gateway>(parent.gateway);
        if (gateway == nullptr || listeners_for(*gateway, name).empty()) continue;
        gateways[parent.gateway] = gateways[parent.gateway] || bound(route, parent, best);
      }
      bool any = false;
      for (const auto& [key, is_bound] : gateways) {
        // A route for every host that reaches no listener for this name says nothing of it.
        if (best == "*" && !is_bound) continue;
        found[key].push_back({&route, best, is_bound});
        any = true;
      }
      if (!any && best != "*") unbound.push_back({&route, best});
    });
    for (auto& [key, candidates] : found) std::sort(candidates.begin(), candidates.end());
    std::sort(unbound.begin(), unbound.end());
    for (const auto& each : unbound) {
      section_ = result_.objects.size();
      const std::string sets = listener_sets_of(*each.object);
      add(*each.object, "rival",
          each.host + (sets.empty() ? ", accepted by none of its Gateways"
                                    : ", attached to " + sets + ", which is not read"));
      note(unbound_, gw::name_of(*each.object), each.host);
    }
    return found;
  }

  static bool is_listener_set(const gw::ParentRef& parent) {
    return parent.kind == "ListenerSet" || parent.kind == "XListenerSet";
  }
  // Those that parentRefs name.
  static std::string listener_sets_of(const gw::Route& route) {
    std::vector<std::string> sets;
    for (const gw::ParentRef& parent : route.parents) {
      if (!is_listener_set(parent)) continue;
      sets.push_back(parent.kind + " " + text_of(parent.gateway));
    }
    return joined(sets, " and ");
  }

  static std::vector<std::string> listeners_for(const gw::Gateway& gateway,
                                                const std::string& name) {
    return listeners_for(gateway.listeners, name);
  }
  static std::vector<std::string> listeners_for(const std::vector<gw::Listener>& listeners,
                                                const std::string& name) {
    std::vector<std::string> details;
    for (const gw::Listener& listener : listeners) {
      const std::string host = listener.hostname.empty() ? "*" : listener.hostname;
      if (!gw::covers(host, name)) continue;
      details.push_back("listener " + listener.name + ": " + host + ", port " +
                        std::to_string(listener.port));
    }
    return details;
  }

  void gateway_api(const std::string& name,
                   const std::map<ObjectKey, Candidates<gw::Route>>& routes) {
    if (!cluster_.settings.plan.reads(gw::SourceKind::GatewayApi)) return;
    store_.gateways().each<gw::ListenerSet>([&](const gw::ListenerSet& set) {
      const std::vector<std::string> details = listeners_for(set.listeners, name);
      if (details.empty()) return;
      section_ = result_.objects.size();
      add(set, "accepts", joined(details, "; ") + "; it is not read");
    });
    store_.gateways().each<gw::Gateway>([&](const gw::Gateway& gateway) {
      if (!gw::counts(gateway, cluster_.settings.plan)) return;
      const std::vector<std::string> details = listeners_for(gateway, name);
      if (details.empty()) return;
      std::string detail = joined(details, "; ");
      store_.gateways().each<gw::ListenerSet>([&](const gw::ListenerSet& set) {
        if (set.gateway == gateway.key) {
          detail += "; ListenerSet " + text_of(set.key) + " is not read";
        }
      });
      begin(gateway, detail);
      if (const auto at = routes.find(gateway.key); at != routes.end()) {
        routes_of(gateway, at->second, [&](const gw::Route& route) {
          for (const auto& rule : route.rules) backends(rule);
        });
      }
      address_of(gateway);
    });
  }

  void entries(const std::string& name) {
    store_.gateways().each<gw::ServiceEntry>([&](const gw::ServiceEntry& entry) {
      for (const std::string& host : entry.hosts) {
        if (!gw::covers(host, name)) continue;
        std::string detail = host;
        if (!entry.addresses.empty()) {
          detail += ", " + addresses_text(entry.addresses);
        } else if (entry.is_static && !entry.endpoints.empty()) {
          detail += ", " + addresses_text(entry.endpoints);
        } else {
          detail += ", without an address of its own";
        }
        section_ = result_.objects.size();
        add(entry, "entry", detail);
        address_of(entry);
        break;
      }
    });
  }

  // What the answer's addresses are those of: of those that claim the host, or the most specific
  // wildcard for it.
  void find_claims(const std::string& name) {
    addresses_.clear();
    const gw::Plan& plan = study_->plan;
    const auto fits = [&](const gw::Claim& claim) {
      return claim.one_label ? gw::covers_one_label(claim.host, name)
                             : gw::covers(claim.host, name);
    };
    std::string best;
    for (const gw::Claim& claim : plan.claims) {
      if (!fits(claim)) continue;
      if (best.empty() || gw::specificity(claim.host) > gw::specificity(best)) best = claim.host;
    }
    if (best.empty()) return;
    gw::AddressFinder finder(store_, cluster_.settings.ingress);
    for (const gw::Claim& claim : plan.claims) {
      if (claim.host != best || !fits(claim)) continue;
      const gw::Provider& provider = plan.providers[claim.provider];
      addresses_.emplace_back(provider, finder.find(provider));
    }
  }

  [[nodiscard]] const std::pair<gw::Provider, gw::Resolved>* claim_of(
      const gw::Object& object) const {
    const auto at = std::find_if(addresses_.begin(), addresses_.end(),
                                 [&](const auto& each) { return each.first.object == &object; });
    return at == addresses_.end() ? nullptr : &*at;
  }
  void address_of(const gw::Object& object) {
    if (const auto* const claim = claim_of(object)) address(claim->first, claim->second);
  }

  void address(const gw::Provider& provider, const gw::Resolved& resolved) {
    const std::string what =
        resolved.alias.empty() ? addresses_text(resolved.addresses) : resolved.alias;
    const auto of_provider = [&](const std::string& detail) {
      if (provider.object != nullptr) {
        add(*provider.object, "address", detail);
      } else if (const Service* const service = store_.service(provider.service)) {
        add(*service, "address", detail);
      }
    };
    using Source = gw::AddressSource;
    switch (resolved.source) {
      case Source::Annotation: return of_provider("annotation target " + what);
      case Source::Status: return of_provider("status " + what);
      case Source::Spec: return of_provider("spec.addresses " + what);
      case Source::Endpoints: return of_provider("endpoints " + what);
      case Source::Entry: return of_provider("addresses " + what);
      case Source::OtherIngress:
        if (const auto* const ingress = store_.gateways().find<gw::Ingress>(resolved.ingress)) {
          add(*ingress, "address", "status " + what);
        }
        return;
      case Source::Option:
        put({"Option", "", {"", "ingress"}, "address", what, "configuration"});
        break;
      case Source::ExternalIps:
      case Source::LoadBalancer:
      case Source::HostIps:
      case Source::None: break;
    }
    for (const ObjectKey& key : resolved.services) {
      const Service* const service = store_.service(key);
      if (service == nullptr) continue;
      std::string detail = to_string(service->type);
      if (resolved.source == Source::None || resolved.source == Source::Option) {
        detail += service->type == ServiceType::LoadBalancer ? " <pending>" : "";
      } else {
        detail += " " + what;
      }
      if (!service->ports.empty()) detail += ", ports " + ports_text(*service);
      add(*service, "address", detail);
      addressed_.insert(key);
    }
  }

  // --- Sidecars ---

  // Namespaces of what the mesh knows the name by: egress hosts are those of one.
  std::set<std::string> holders(const std::string& name) const {
    std::set<std::string> namespaces;
    const std::vector<std::string> labels = relative_labels(name);
    if (labels.size() >= 3 && labels.back() == "svc") {
      const std::string& ns = labels[labels.size() - 2];
      if (store_.service({ns, labels[labels.size() - 3]}) != nullptr) namespaces.insert(ns);
    }
    store_.gateways().each<gw::VirtualService>([&](const gw::VirtualService& service) {
      for (const std::string& written : service.hosts) {
        const std::string host = gw::host_of(written, service.key.ns, zone_);
        if (host == "*") continue;  // it knows no name
        if (gw::covers(host, name) || written == name) namespaces.insert(service.key.ns);
      }
    });
    store_.gateways().each<gw::ServiceEntry>([&](const gw::ServiceEntry& entry) {
      for (const std::string& host : entry.hosts) {
        if (gw::covers(host, name)) namespaces.insert(entry.key.ns);
      }
    });
    return namespaces;
  }

  // Whether an egress host takes something of these namespaces: `.` is the Sidecar's own, `*` any,
  // `~` none.
  static bool takes(const gw::ScopedHost& egress, const gw::Sidecar& sidecar,
                    const std::set<std::string>& namespaces) {
    if (egress.ns == "*") return true;
    return namespaces.contains(egress.ns == "." ? sidecar.key.ns : egress.ns);
  }

  void scopes(const std::string& name) {
    const std::set<std::string> namespaces = holders(name);
    if (namespaces.empty()) return;  // the mesh does not know it
    store_.gateways().each<gw::Sidecar>([&](const gw::Sidecar& sidecar) {
      if (sidecar.egress.empty()) return;  // it has them from another
      const bool here = result_.request.ns && sidecar.key.ns == *result_.request.ns;
      const gw::ScopedHost* found = nullptr;
      for (const gw::ScopedHost& egress : sidecar.egress) {
        if (!gw::covers(egress.host, name) || !takes(egress, sidecar, namespaces)) continue;
        // One that names it says more than `*`.
        if (found == nullptr || gw::specificity(egress.host) > gw::specificity(found->host)) {
          found = &egress;
        }
      }
      if (!here && (found == nullptr || found->host == "*")) return;
      add(sidecar, "scope",
          (found == nullptr ? std::string("its egress hosts leave the name out")
                            : "egress " + found->ns + "/" + found->host) +
              ", for pods of namespace '" + sidecar.key.ns + "'");
    });
  }

  // --- problems ---

  void findings() {
    std::vector<gw::Finding> named = std::move(result_.problems);
    result_.problems.clear();
    std::set<std::string> told;
    const auto keep = [&](gw::Finding finding) {
      if (result_.problems.size() == kMaxExplained) {
        result_.truncated = true;
        return;
      }
      if (told.insert(finding.code + ' ' + finding.object.kind + ' ' + text_of(finding.object.key) +
                      ' ' + finding.text)
              .second) {
        result_.problems.push_back(std::move(finding));
      }
    };
    for (gw::Finding& finding : named) keep(std::move(finding));
    for (const gw::Finding& finding : study_->findings) {
      if (concerns(finding)) keep(finding);
    }
    // The Service of a cluster's name, also when nobody routes to it.
    for (const ObjectKey& key : services_) {
      const Service* const service = store_.service(key);
      if (service == nullptr) continue;
      for (gw::Finding& finding : gw::check_service(store_, index_, *service, false, zone_)) {
        keep(std::move(finding));
      }
    }
    no_route(keep);
    foreign(keep);
    std::stable_sort(
        result_.problems.begin(), result_.problems.end(),
        [](const gw::Finding& a, const gw::Finding& b) { return a.severity < b.severity; });
  }

  bool concerns(const gw::Finding& finding) const {
    const bool of_host = !finding.host.empty();
    const bool host_fits = of_host && !host_.empty() &&
                           (gw::covers(finding.host, host_) || is_short_form(finding.host));
    if (finding.object.kind == "Service") {
      return services_.contains(finding.object.key) || addressed_.contains(finding.object.key);
    }
    // Of a host that is less specific than what routes the name it is not this name's problem.
    const auto fits = [&](std::uint16_t least) {
      return host_fits && gw::specificity(finding.host) >= least;
    };
    if (const auto at = routing_.find(finding.object); at != routing_.end()) {
      return !of_host || fits(at->second);
    }
    if (const auto at = unbound_.find(finding.object); at != unbound_.end()) {
      return finding.code == "gateway-missing" ? at->second >= best_routed_ : fits(best_routed_);
    }
    if (rivals_.contains(finding.object)) return fits(best_routed_);
    if (!accepting_.contains(finding.object)) return false;
    // The name's own is told by no_route().
    if (finding.code == "no-route") return false;
    // Who accepts every name answers for this one only where a route says so.
    const bool aside = unnamed_.contains(finding.object) && !routed_.contains(finding.object);
    return of_host ? host_fits : !aside;
  }

  // A host without a dot that was completed: `python-www` asked for, and `python-www` written.
  bool is_short_form(const std::string& host) const {
    return host_.find('.') == std::string::npos && host.starts_with(host_ + ".") &&
           gw::is_below(host, "svc." + zone_);
  }

  template <typename Keep>
  void no_route(const Keep& keep) {
    if (host_.empty()) return;
    const auto tell = [&](const gw::Object& gateway) {
      const gw::ObjectName itself = gw::name_of(gateway);
      if (!answering_.contains(itself) || routed_.contains(itself)) return;
      const bool istio = gateway.kind == gw::Kind::IstioGateway;
      if (istio && only_redirects(gw::as<gw::IstioGateway>(gateway))) return;
      if (!accepts_by_name(gateway, host_)) {
        if (result_.answer.stage == "gateways") return;
        keep({"any-host", gw::Severity::Info, itself,
              "its host is '*': there is no name to look up",
              "Name the zones it is for with 'any ZONE…', or write its hosts out", "*"});
        return;
      }
      keep({"no-route", gw::Severity::Error, itself,
            "it accepts '" + host_ + "', and no " + (istio ? "VirtualService" : "route") +
                " is for it: " +
                (istio ? "the gateway answers 404" : "the listener does not answer"),
            istio ? "Create a VirtualService with this host that names the Gateway '" +
                        text_of(gateway.key) + "'"
                  : "Create a route with this hostname and parentRefs to '" + text_of(gateway.key) +
                        "'",
            host_});
    };
    store_.gateways().each<gw::IstioGateway>(tell);
    store_.gateways().each<gw::Gateway>(tell);
  }

  // Whether all that accepts the name sends it to HTTPS: that needs no VirtualService.
  bool only_redirects(const gw::IstioGateway& gateway) const {
    return std::all_of(
        gateway.servers.begin(), gateway.servers.end(), [&](const gw::IstioServer& server) {
          return server.tls_mode == gw::kRedirectMode ||
                 std::none_of(
                     server.hosts.begin(), server.hosts.end(),
                     [&](const gw::ScopedHost& host) { return gw::covers(host.host, host_); });
        });
  }

  // Not by `*` alone, which is not a claim to any name, unless there is a zone for it.
  bool accepts_by_name(const gw::Object& object, const std::string& name) const {
    const auto counts = [&](const std::string& host) {
      if (!gw::covers(host, name)) return false;
      if (host != "*") return true;
      const auto& zones = cluster_.settings.plan.any_zones;
      return std::any_of(zones.begin(), zones.end(), [&](const std::string& zone) {
        return zone.empty() || name == zone || gw::is_below(name, zone);
      });
    };
    if (object.kind == gw::Kind::IstioGateway) {
      for (const gw::IstioServer& server : gw::as<gw::IstioGateway>(object).servers) {
        for (const gw::ScopedHost& host : server.hosts) {
          if (counts(host.host)) return true;
        }
      }
      return false;
    }
    for (const gw::Listener& listener : gw::as<gw::Gateway>(object).listeners) {
      if (counts(listener.hostname.empty() ? "*" : listener.hostname)) return true;
    }
    return false;
  }

  template <typename Keep>
  void foreign(const Keep& keep) {
    if (result_.answer.stage != "gateways" || !exists(result_.answer)) return;
    const auto outside = asker_.ask_outside(name_, result_.request.type);
    if (!outside || !exists(*outside) || outside->records.empty()) return;
    keep({"foreign", gw::Severity::Info, itself(lower_text(name_)),
          "the name also exists outside, with " + outside->records.back().data +
              "; 'gateways' hides it here",
          "Nothing to do if that is intended; another host would leave the name alone", ""});
  }

  const ExplainedCluster& cluster_;
  const registry::Store& store_;
  const std::string zone_;
  Asker& asker_;
  const std::shared_ptr<const ClusterStudy> study_;
  const gw::ClusterIndex& index_;
  const gw::RuleIndex& rules_;
  const gw::HostRegistry& registry_;
  Explanation result_;
  dns::Name name_;                              // as asked
  dns::Name meant_;                             // the one that was found, or that was meant
  std::string host_;                            // looked for at gateways; empty: it is none
  std::string building_;                        // of `host_` and where it leads, what is built
  bool is_led_on_ = false;                      // by an alias, to another name
  std::map<std::string, std::size_t> of_role_;  // objects
  std::set<ObjectKey> services_;                // in the chain
  std::set<ObjectKey> addressed_;               // that addresses come from
  std::size_t section_ = 0;                     // where the objects of the root that is built begin
  // Who claims the host, each with its addresses.
  std::vector<std::pair<gw::Provider, gw::Resolved>> addresses_;
  // Gateways that accept the name, or one that it leads to, and matter().
  std::set<gw::ObjectName> accepting_;
  std::set<gw::ObjectName> answering_;  // those that accept the name itself, and has_name()
  std::set<gw::ObjectName> unnamed_;    // of these, those that accept it by `*` alone
  std::set<gw::ObjectName> routed_;     // those at which the name is routed
  // VirtualServices, Routes and Ingresses, and how specific their host is; `unbound_`: of which no
  // Gateway takes the host.
  std::map<gw::ObjectName, std::uint16_t> routing_, rivals_, unbound_;
  std::uint16_t best_routed_ = 0;  // the most specific host that routes the name; 0: none
};

bool has_host(const ExplainedCluster& cluster, const std::string& name, bool exact) {
  if (!cluster.settings.gateways || cluster.study == nullptr) return false;
  const std::vector<gw::Claim>& claims = cluster.study->plan.claims;
  return std::any_of(claims.begin(), claims.end(), [&](const gw::Claim& claim) {
    return exact ? claim.host == name : gw::covers(claim.host, name);
  });
}

// The one with the longest zone that holds the name, or the first one with it as a host, as stages
// look for it; otherwise `none`.
std::size_t cluster_of(std::span<const ExplainedCluster> clusters, const dns::Name& name,
                       std::size_t none = 0) {
  dns::Name lower = name;
  lower.make_lower();
  std::size_t longest = 0, found = clusters.size();
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    for (const dns::Name& zone : clusters[i].zones) {
      if (zone.size() <= longest || !lower.is_at_or_below(zone.view())) continue;
      longest = zone.size();
      found = i;
    }
  }
  if (found < clusters.size()) return found;
  const std::string text = lower_text(name);
  for (const bool exact : {true, false}) {
    for (std::size_t i = 0; i < clusters.size(); ++i) {
      if (has_host(clusters[i], text, exact)) return i;
    }
  }
  return none;
}

}  // namespace

ClusterStudy::ClusterStudy(const registry::Store& store, const gw::CheckSettings& settings,
                           gw::CheckBounds* bounds)
    : index(store),
      rules(store, settings.plan.zone),
      hosts(store, settings.plan.zone),
      plan(gw::make_plan(store, settings.plan)),
      findings(gw::check(store, settings, bounds)),
      truncated(bounds != nullptr && bounds->reached) {}

bool Explanation::good() const noexcept {
  return answer.rcode == "NOERROR" &&
         std::none_of(problems.begin(), problems.end(), [](const gw::Finding& finding) {
           return finding.severity == gw::Severity::Error;
         });
}

std::optional<ExplainedQuestion> explained_question(const std::string& text) {
  if (const auto address = registry::IpAddress::parse(text)) {
    return ExplainedQuestion{zones::reverse_name(*address), true};
  }
  const auto name = dns::Name::from_text(text);
  if (!name || text.empty()) return std::nullopt;
  return ExplainedQuestion{*name, false};
}

std::vector<gw::Finding> host_conflicts(std::span<const ExplainedCluster> clusters,
                                        const std::optional<std::string>& only) {
  const auto object_of = [](const gw::Plan& plan, const gw::Claim& claim) {
    const gw::Provider& provider = plan.providers[claim.provider];
    if (claim.by != nullptr) return gw::name_of(*claim.by);
    if (provider.object != nullptr) return gw::name_of(*provider.object);
    return gw::ObjectName{"Service", provider.service};
  };
  struct First {
    std::size_t cluster;
    gw::ObjectName object;
  };
  std::vector<gw::Finding> found;
  std::map<std::string_view, First> firsts;
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    if (!clusters[i].settings.gateways || clusters[i].study == nullptr) continue;
    const gw::Plan& plan = clusters[i].study->plan;
    for (const gw::Claim& claim : plan.claims) {
      if (only && claim.host != *only) continue;
      const auto [at, is_first] = firsts.try_emplace(claim.host, First{i, {}});
      if (is_first) at->second.object = object_of(plan, claim);
      if (at->second.cluster == i || found.size() == kMaxExplained) continue;
      const First& first = at->second;
      const auto where = [&](std::size_t cluster) {
        for (const dns::Name& zone : clusters[cluster].zones) {
          if (!zones::is_reverse_zone(zone.view())) return "the cluster " + lower_text(zone);
        }
        return std::string("a cluster");
      };
      found.push_back(
          {"duplicate-host", gw::Severity::Warning, object_of(plan, claim),
           "the host '" + claim.host + "' of " + where(i) + " is also one of " +
               where(first.cluster) + ", by " + first.object.kind + " '" + first.object.key.ns +
               "/" + first.object.key.name + "', whose addresses are answered",
           "Give one of them another host, or change the order of the clusters", claim.host});
    }
  }
  return found;
}

Explanation explain(std::span<const ExplainedCluster> clusters, Asker& asker,
                    const ExplainRequest& request) {
  if (clusters.empty()) {
    const registry::Store none;
    ExplainedCluster cluster;
    cluster.store = &none;
    cluster.settings.gateways = false;
    return Builder(cluster, asker, request).run();
  }
  if (clusters.size() == 1) return Builder(clusters.front(), asker, request).run();
  std::vector<ExplainedCluster> studied;
  if (clusters.front().study == nullptr) {
    studied.assign(clusters.begin(), clusters.end());
    for (ExplainedCluster& cluster : studied) {
      cluster.study = std::make_shared<const ClusterStudy>(*cluster.store, cluster.settings);
    }
    clusters = studied;
  }
  const auto question = explained_question(request.name);
  std::size_t chosen = question ? cluster_of(clusters, question->name) : 0;
  Builder builder(clusters[chosen], asker, request);
  Explanation explanation = builder.run();
  // `search` may have found it in another cluster; and several have the same reverse zones.
  dns::Name where = builder.meant();
  if (!explanation.answer.records.empty() && explanation.answer.records.back().type == "PTR") {
    const auto target = dns::Name::from_text(explanation.answer.records.back().data);
    if (target) where = *target;
  }
  const std::size_t found = cluster_of(clusters, where, chosen);
  if (found != chosen) explanation = Builder(clusters[found], asker, request).run();
  auto conflicts = host_conflicts(clusters, lower_text(where));
  std::move(conflicts.begin(), conflicts.end(), std::back_inserter(explanation.problems));
  return explanation;
}

}  // namespace clusterdns::app
