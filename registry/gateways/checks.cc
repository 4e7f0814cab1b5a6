#include "registry/gateways/checks.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <span>
#include <tuple>

#include "registry/gateway_host.h"
#include "registry/near_word.h"
#include "registry/selector.h"
#include "registry/shown_text.h"

namespace clusterdns::registry::gateways {
namespace {

// Names that are compared with one that is not there, and pods with a selector that has none.
constexpr std::size_t kMaxCompared = 1000;
constexpr std::size_t kMaxListed = 5;

std::string text_of(const ObjectKey& key) { return key.ns + "/" + key.name; }

std::string text_of(const Labels& labels) {
  std::string text;
  for (const auto& [key, value] : labels) text += (text.empty() ? "" : ",") + key + "=" + value;
  return text;
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size() && i < kMaxListed; ++i) {
    text += i == 0 ? "" : i + 1 == std::min(words.size(), kMaxListed) ? " and " : ", ";
    text += "'" + words[i] + "'";
  }
  if (words.size() > kMaxListed) text += " and others";
  return text;
}

std::string namespaces_text(const std::vector<std::string>& namespaces) {
  return (namespaces.size() == 1 ? "namespace " : "namespaces ") + listed(namespaces);
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string_view> all) {
  all = all.first(std::min(all.size(), kMaxCompared));
  std::vector<std::string_view> known(all.begin(), all.end());
  std::erase(known, word);
  const auto found = nearest_word(word, known);
  return found ? std::optional<std::string>(*found) : std::nullopt;
}

// The protocol that Istio reads out of a port's name or appProtocol; empty: it looks at the
// traffic.
std::string_view protocol_of(std::string_view port_name) {
  static constexpr std::array<std::string_view, 12> kKnown = {
      "http",     "http2", "https", "tcp",   "tls", "grpc",
      "grpc-web", "mongo", "mysql", "redis", "udp", "hbone"};
  std::string_view found;
  for (const std::string_view known : kKnown) {
    const bool begins = port_name.starts_with(known) &&
                        (port_name.size() == known.size() || port_name[known.size()] == '-');
    if (begins && known.size() > found.size()) found = known;
  }
  return found;
}

const AppProtocol* app_protocol_of(const Service& service, const ServicePort& port) {
  if (!service.detail) return nullptr;
  for (const AppProtocol& each : service.detail->app_protocols) {
    if (each.port == port.port && each.protocol == port.protocol) return &each;
  }
  return nullptr;
}

// What Istio takes a port for: appProtocol goes before the name. Kubernetes has words of its own
// for HTTP/2 and WebSocket.
std::string_view protocol_of(const AppProtocol* written, const ServicePort& port) {
  if (written == nullptr) return protocol_of(port.name);
  if (written->name == "kubernetes.io/h2c") return "http2";
  if (written->name == "kubernetes.io/ws") return "http";
  if (written->name == "kubernetes.io/wss") return "https";
  std::string lower = written->name;
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return protocol_of(lower);
}

bool fits(RuleType rule, std::string_view protocol) {
  if (protocol.empty()) return true;
  const bool http =
      protocol == "http" || protocol == "http2" || protocol == "grpc" || protocol == "grpc-web";
  switch (rule) {
    case RuleType::Http: return http;
    case RuleType::Tls: return protocol == "https" || protocol == "tls" || protocol == "tcp";
    case RuleType::Tcp: return !http && protocol != "udp";
  }
  return true;
}

}  // namespace

const char* to_string(Severity severity) noexcept {
  switch (severity) {
    case Severity::Error: return "error";
    case Severity::Warning: return "warning";
    case Severity::Info: return "info";
  }
  return "error";
}

ObjectName name_of(const Object& object) {
  const KindNames names = names_of(object.kind);
  return {std::string(names.kind), object.key, std::string(names.group)};
}

// --- indexes -------------------------------------------------------------------------------------

ClusterIndex::ClusterIndex(const Store& store) : store_(store) {
  store.for_each<Pod>([&](const Pod& pod) {
    pods_[pod.key.ns].push_back(&pod);
    for (const auto& [key, value] : pod.labels) {
      by_label_[pod.key.ns + ' ' + key + '=' + value].push_back(&pod);
    }
  });
  store.for_each_service([&](const Service& service) {
    by_name_[service.key.name].push_back(service.key.ns);
    by_namespace_[service.key.ns].push_back(service.key.name);
  });
  for (auto& [name, namespaces] : by_name_) std::sort(namespaces.begin(), namespaces.end());
  for (auto& [ns, names] : by_namespace_) std::sort(names.begin(), names.end());
  const auto by_key = [](const Pod* a, const Pod* b) { return a->key < b->key; };
  for (auto& [ns, pods] : pods_) std::sort(pods.begin(), pods.end(), by_key);
}

std::vector<const Pod*> ClusterIndex::pods(const std::string& ns, const Labels& labels) const {
  const std::vector<const Pod*>* fewest = nullptr;
  for (const auto& [key, value] : labels) {
    const auto at = by_label_.find(ns + ' ' + key + '=' + value);
    if (at == by_label_.end()) return {};
    if (fewest == nullptr || at->second.size() < fewest->size()) fewest = &at->second;
  }
  std::vector<const Pod*> found;
  if (fewest == nullptr) return found;
  for (const Pod* const pod : *fewest) {
    if (matches(labels, pod->labels)) found.push_back(pod);
  }
  std::sort(found.begin(), found.end(), [](const Pod* a, const Pod* b) { return a->key < b->key; });
  return found;
}

const std::vector<const Pod*>& ClusterIndex::pods_of(const std::string& ns) const {
  static const std::vector<const Pod*> kNone;
  const auto at = pods_.find(ns);
  return at == pods_.end() ? kNone : at->second;
}

std::vector<std::string> ClusterIndex::namespaces_with(const std::string& service) const {
  const auto at = by_name_.find(service);
  return at == by_name_.end() ? std::vector<std::string>{} : at->second;
}

std::span<const std::string_view> ClusterIndex::services_of(const std::string& ns) const {
  const auto at = by_namespace_.find(ns);
  return at == by_namespace_.end() ? std::span<const std::string_view>{} : at->second;
}

std::vector<std::string_view> ClusterIndex::service_names() const {
  std::vector<std::string_view> names;
  for (const auto& [name, namespaces] : by_name_) names.push_back(name);
  return names;
}

std::vector<std::string_view> ClusterIndex::namespaces() const {
  std::vector<std::string_view> names;
  store_.for_each<Namespace>([&](const Namespace& ns) { names.push_back(ns.name); });
  return names;
}

ClusterIndex::Endpoints ClusterIndex::endpoints(const ObjectKey& service) const {
  Endpoints count;
  for (const EndpointSlice* const slice : store_.slices(service)) {
    for (const Endpoint& endpoint : slice->endpoints) {
      ++count.all;
      if (endpoint.ready) ++count.ready;
    }
  }
  return count;
}

RuleIndex::RuleIndex(const Store& store, const std::string& zone) {
  store.gateways().each<DestinationRule>([&](const DestinationRule& rule) {
    const std::string host = host_of(rule.host, rule.key.ns, zone);
    (is_wildcard(host) ? wildcard_ : exact_)[std::string(base_of(host))].push_back(&rule);
  });
}

std::vector<const DestinationRule*> RuleIndex::rules_for(const std::string& host) const {
  std::vector<const DestinationRule*> rules;
  if (const auto at = exact_.find(host); at != exact_.end()) rules = at->second;
  if (!rules.empty()) return rules;  // the most specific host's alone
  for (std::size_t dot = host.find('.'); dot != std::string::npos; dot = host.find('.', dot + 1)) {
    const auto at = wildcard_.find(host.substr(dot + 1));
    if (at != wildcard_.end()) return at->second;
  }
  if (const auto at = wildcard_.find(""); at != wildcard_.end()) return at->second;
  return rules;
}

const Subset* RuleIndex::find(const std::vector<const DestinationRule*>& rules,
                              const std::string& name) {
  for (const DestinationRule* const rule : rules) {
    for (const Subset& subset : rule->subsets) {
      if (subset.name == name) return &subset;
    }
  }
  return nullptr;
}

HostRegistry::HostRegistry(const Store& store, std::string zone)
    : store_(store), zone_(std::move(zone)) {
  store.gateways().each<ServiceEntry>([&](const ServiceEntry& entry) {
    for (const std::string& host : entry.hosts) {
      (is_wildcard(host) ? wildcard_ : exact_).emplace(base_of(host), &entry);
    }
  });
}

Registered HostRegistry::find(const std::string& host) const {
  Registered result;
  const ObjectKey key = service_of(host, zone_);
  if (!key.name.empty()) result.service = store_.service(key);
  if (result.service != nullptr) return result;
  if (const auto at = exact_.find(host); at != exact_.end()) {
    result.entry = at->second;
    return result;
  }
  for (std::size_t dot = host.find('.'); dot != std::string::npos; dot = host.find('.', dot + 1)) {
    const auto at = wildcard_.find(host.substr(dot + 1));
    if (at == wildcard_.end()) continue;
    result.entry = at->second;
    break;
  }
  return result;
}

std::vector<const Pod*> subset_pods(const ClusterIndex& index, const Service& service,
                                    const Subset& subset) {
  Labels labels = service.selector;
  labels.insert(labels.end(), subset.labels.begin(), subset.labels.end());
  normalize(labels);
  return index.pods(service.key.ns, labels);
}

std::string where_else(const ClusterIndex& index, const ObjectKey& service) {
  std::vector<std::string> elsewhere = index.namespaces_with(service.name);
  std::erase(elsewhere, service.ns);
  if (!elsewhere.empty()) {
    return "a Service '" + service.name + "' is in " + namespaces_text(elsewhere);
  }
  if (const auto near = nearest(service.name, index.services_of(service.ns))) {
    return "did you mean '" + *near + "'?";
  }
  if (const auto near = nearest(service.name, index.service_names())) {
    return "did you mean '" + *near + "', which is in " +
           namespaces_text(index.namespaces_with(*near)) + "?";
  }
  return "";
}

// --- Services ------------------------------------------------------------------------------------

namespace {

// Which label keeps the nearest pods from being selected.
std::string nearest_pods(const Store& store, const ClusterIndex& index, const Service& service) {
  const std::vector<const Pod*>& pods = index.pods_of(service.key.ns);
  const Pod* best = nullptr;
  std::size_t most = 0;
  std::size_t distance = static_cast<std::size_t>(-1);
  const std::pair<std::string, std::string>* differs = nullptr;
  for (std::size_t i = 0; i < pods.size() && i < kMaxCompared; ++i) {
    std::size_t same = 0;
    std::size_t away = 0;
    const std::pair<std::string, std::string>* first = nullptr;
    for (const auto& label : service.selector) {
      const std::string* const value = find_label(pods[i]->labels, label.first);
      if (value != nullptr && *value == label.second) {
        ++same;
        continue;
      }
      away += value == nullptr ? label.second.size() + 1 : edit_distance(*value, label.second);
      if (first == nullptr) first = &label;
    }
    if (best != nullptr && (same < most || (same == most && away >= distance))) continue;
    best = pods[i];
    most = same;
    distance = away;
    differs = first;
  }
  if (best == nullptr) {
    bool any = false;
    store.for_each<Pod>([&](const Pod&) { any = true; });
    return any ? "namespace '" + service.key.ns + "' has no pods"
               : "no pod of any namespace is known: there is none, or they may not be read";
  }
  if (differs == nullptr) return "";
  const std::string* const value = find_label(best->labels, differs->first);
  return "the nearest pod, '" + best->key.name + "', has " +
         (value == nullptr
              ? "no label " + differs->first
              : differs->first + "=" + *value + ", not " + differs->first + "=" + differs->second);
}

void check_target_ports(const Service& service, const std::vector<const Pod*>& pods,
                        std::vector<Finding>& to) {
  const ObjectName object{"Service", service.key};
  for (const ServicePort& port : service.ports) {
    bool known = false;
    bool found = false;
    std::vector<std::string_view> names;
    for (const Pod* const pod : pods) {
      if (!pod->detail) continue;
      known = true;
      if (port.target_port_name.empty()) {
        const std::uint16_t number = port.target_port != 0 ? port.target_port : port.port;
        const auto& numbers = pod->detail->numbers;
        found = found || std::find(numbers.begin(), numbers.end(), number) != numbers.end();
        continue;
      }
      for (const ContainerPort& each : pod->detail->ports) {
        found = found || (each.name == port.target_port_name && each.protocol == port.protocol);
        if (names.size() < kMaxCompared) names.push_back(each.name);
      }
    }
    if (!known || found) continue;
    const std::string which = "port " + std::to_string(port.port);
    if (port.target_port_name.empty()) {
      const std::uint16_t number = port.target_port != 0 ? port.target_port : port.port;
      to.push_back({"target-port", Severity::Info, object,
                    which + " leads to port " + std::to_string(number) +
                        " of the pods, which no container of theirs declares",
                    "Nothing to do if a container listens there; containerPort would say so", ""});
      continue;
    }
    const auto near = nearest(port.target_port_name, names);
    to.push_back({"target-port", Severity::Error, object,
                  which + " leads to a port named '" + port.target_port_name +
                      "', which no selected pod has",
                  near ? "Did you mean '" + *near + "'?"
                       : "Name a port of the containers so, or write its number as targetPort",
                  ""});
  }
}

// The Service that a name below it leads to: also of an endpoint or a port.
ObjectKey service_above(std::string_view host, std::string_view zone) {
  if (!is_below(host, "svc." + std::string(zone))) return {};
  std::string_view rest = host.substr(0, host.size() - zone.size() - 5);
  std::vector<std::string_view> labels;
  while (true) {
    const std::size_t dot = rest.find('.');
    labels.push_back(rest.substr(0, dot));
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (labels.size() < 2) return {};
  return {std::string(labels.back()), std::string(labels[labels.size() - 2])};
}

// An ExternalName that is written as resolvers of pods would complete it: an alias is never
// completed, so that it leads outside.
void check_short_target(const ClusterIndex& index, const Service& service,
                        const std::string& target, const std::string& zone,
                        std::vector<Finding>& to) {
  const std::size_t dot = target.find('.');
  std::string_view rest =
      dot == std::string::npos ? std::string_view() : std::string_view(target).substr(dot + 1);
  // Nobody outside has names in `svc`.
  const bool svc = rest.ends_with(".svc");
  if (svc) rest.remove_suffix(4);
  if (rest.find('.') != std::string_view::npos) return;  // outside
  const ObjectKey key{rest.empty() ? service.key.ns : std::string(rest), target.substr(0, dot)};
  const auto services = index.services_of(key.ns);
  const bool known = std::binary_search(services.begin(), services.end(), key.name);
  if (!known && !svc) return;
  const std::string full = key.name + "." + key.ns + ".svc." + zone;
  const std::string hint = known ? "" : where_else(index, key);
  to.push_back({"external-target",
                Severity::Error,
                {"Service", service.key},
                "externalName is " + service.external_name +
                    (known ? ", which is Service " + text_of(key) +
                                 " by a short name: an alias is not completed"
                           : ", and there is no Service " + text_of(key)),
                key == service.key ? "Let it name its real target"
                : known            ? "Write '" + full + "'"
                : hint.empty()     ? "Name a Service that exists, as NAME.NAMESPACE.svc." + zone
                                   : "Name a Service that exists: " + hint,
                ""});
}

void check_external(const Store& store, const ClusterIndex& index, const Service& service,
                    const std::string& zone, std::vector<Finding>& to) {
  const ObjectName object{"Service", service.key};
  if (IpAddress::parse(service.external_name)) {
    to.push_back({"external-target", Severity::Error, object,
                  "externalName is the address " + service.external_name +
                      ", which is used as a name that nobody can look up",
                  "Make it a headless Service with an EndpointSlice that has the address", ""});
    return;
  }
  // To the end of the aliases, or to where they come back.
  std::set<ObjectKey> seen{service.key};
  const Service* at = &service;
  std::string way = text_of(service.key);
  for (;;) {
    const auto target = parse_host(at->external_name);
    const ObjectKey key = target ? service_above(*target, zone) : ObjectKey{};
    if (key.name.empty()) {
      if (at != &service || !target) return;
      if (!is_below(*target, zone)) return check_short_target(index, service, *target, zone, to);
      if (is_below(*target, "pod." + zone)) return;
      to.push_back({"external-target", Severity::Error, object,
                    "externalName is " + service.external_name +
                        ", which is in the cluster's zone and no Service's name",
                    "Write it as NAME.NAMESPACE.svc." + zone, ""});
      return;
    }
    const Service* const next = store.service(key);
    if (next == nullptr) {
      if (at != &service) return;  // that one's own mistake
      const std::string hint = where_else(index, key);
      to.push_back(
          {"external-target", Severity::Error, object,
           "externalName is " + service.external_name + ", and there is no Service " + text_of(key),
           hint.empty() ? "Name a Service that exists, or create this one"
                        : "Name a Service that exists: " + hint,
           ""});
      return;
    }
    way += " -> " + text_of(key);
    if (!seen.insert(key).second) {
      if (key != service.key) return;  // the circle is further on
      to.push_back({"external-loop", Severity::Error, object, "its aliases go in a circle: " + way,
                    "Let one of them name its real target", ""});
      return;
    }
    if (next->type != ServiceType::ExternalName) return;
    at = next;
  }
}

}  // namespace

std::vector<Finding> check_service(const Store& store, const ClusterIndex& index,
                                   const Service& service, bool is_routed,
                                   const std::string& zone) {
  std::vector<Finding> to;
  const ObjectName object{"Service", service.key};
  if (service.type == ServiceType::ExternalName) {
    check_external(store, index, service, zone, to);
    return to;
  }
  const ClusterIndex::Endpoints endpoints = index.endpoints(service.key);
  if (service.selector.empty()) {
    if (endpoints.all != 0 && endpoints.ready == 0 && !service.publish_not_ready_addresses) {
      to.push_back({"not-ready", Severity::Error, object,
                    "none of its " + std::to_string(endpoints.all) + " endpoints is ready",
                    "Find out what keeps them from being ready", ""});
    }
    return to;
  }
  const std::vector<const Pod*> pods = index.pods(service.key.ns, service.selector);
  if (pods.empty() && endpoints.all == 0) {
    if (!service.headless && !is_routed) return to;
    const std::string near = nearest_pods(store, index, service);
    to.push_back({"no-endpoints", Severity::Error, object,
                  "its selector " + text_of(service.selector) + " selects no pod" +
                      (near.empty() ? "" : "; " + near),
                  "Give selector and pods the same labels, or create the workload that is "
                  "missing",
                  ""});
    return to;
  }
  const auto ready = static_cast<std::size_t>(std::count_if(
      pods.begin(), pods.end(), [](const Pod* pod) { return ClusterIndex::is_ready(*pod); }));
  const bool any_ready = endpoints.all != 0 ? endpoints.ready != 0 : ready != 0;
  if (!any_ready && !service.publish_not_ready_addresses) {
    const std::size_t count = std::max(pods.size(), endpoints.all);
    to.push_back({"not-ready", Severity::Error, object,
                  count == 1 ? "its only pod is not ready"
                             : "none of its " + std::to_string(count) + " pods is ready",
                  "Find out why: kubectl -n " + service.key.ns + " describe pod" +
                      (pods.empty() ? "" : " " + pods.front()->key.name),
                  ""});
  }
  check_target_ports(service, pods, to);
  return to;
}

// --- gateways ------------------------------------------------------------------------------------

namespace {

class Checker {
 public:
  Checker(const Store& store, const CheckSettings& settings, CheckBounds* bounds)
      : bounds_(bounds),
        store_(store),
        objects_(store.gateways()),
        settings_(settings),
        zone_(settings.plan.zone),
        index_(store),
        rules_(store, zone_),
        registry_(store, zone_),
        finder_(store, settings.ingress) {}

  std::vector<Finding> run() {
    if (settings_.gateways) {
      if (reads(SourceKind::Istio)) check_istio();
      if (reads(SourceKind::Ingress)) check_ingresses();
      if (reads(SourceKind::GatewayApi)) check_gateway_api();
      if (reads(SourceKind::Service)) check_annotated();
    }
    check_services();
    std::stable_sort(found_.begin(), found_.end(),
                     [](const Finding& a, const Finding& b) { return a.object < b.object; });
    return std::move(found_);
  }

 private:
  bool reads(SourceKind kind) const { return settings_.plan.reads(kind); }

  void add(std::string code, Severity severity, ObjectName object, std::string text,
           std::string fix, std::string host = "") {
    add({std::move(code), severity, std::move(object), std::move(text), std::move(fix),
         std::move(host)});
  }
  void add(Finding finding) {
    if (bounds_ != nullptr) {
      const std::size_t octets = octets_of(finding);
      if (octets > bounds_->octets - octets_) {
        bounds_->reached = true;
        return;
      }
      octets_ += octets;
    }
    found_.push_back(std::move(finding));
  }
  // Whether it is enough; asked for each object, and what in an object takes long.
  bool over() {
    if (bounds_ == nullptr || bounds_->reached) return bounds_ != nullptr;
    constexpr unsigned kNowAndThen = 16;
    if (!bounds_->stop || ++steps_ % kNowAndThen != 0) return false;
    bounds_->reached = bounds_->stop();
    return bounds_->reached;
  }

  // --- addresses ---

  void check_address(const Object& object) {
    const Resolved resolved = finder_.find({&object, {}});
    if (resolved.missing.empty()) return;
    const ObjectName name = name_of(object);
    // `Gateway ns/name: what is missing`
    const std::string what = resolved.missing.substr(resolved.missing.find(": ") + 2);
    if (object.kind == Kind::IstioGateway && resolved.services.empty()) {
      const auto& gateway = as<IstioGateway>(object);
      if (!gateway.selector.empty()) {
        add("gateway-service", Severity::Error, name, what,
            "Write the labels of the ingress gateway's pods into the selector" +
                near_selector(gateway) +
                ", or say where it is: 'ingress ADDRESS' (serve --ingress ADDRESS)");
        return;
      }
    }
    const bool pending = what.find("wait") != std::string::npos;
    add("gateway-address", Severity::Error, name, what,
        pending
            ? "Install a load balancer (for kind: cloud-provider-kind or MetalLB), or say where "
              "the gateway is: 'ingress ADDRESS' (serve --ingress 127.0.0.1)"
            : "Say where it is: the annotation external-dns.alpha.kubernetes.io/target, or "
              "'ingress ADDRESS' (serve --ingress ADDRESS)");
  }

  // A Service whose selector has the same keys with other values.
  std::string near_selector(const IstioGateway& gateway) {
    const Service* best = nullptr;
    store_.for_each_service([&](const Service& service) {
      if (service.type != ServiceType::LoadBalancer && service.type != ServiceType::NodePort)
        return;
      const bool same_keys = std::all_of(
          gateway.selector.begin(), gateway.selector.end(),
          [&](const auto& label) { return find_label(service.selector, label.first) != nullptr; });
      if (same_keys && (best == nullptr || service.key < best->key)) best = &service;
    });
    if (best == nullptr) return "";
    return " (Service " + text_of(best->key) + " has " + text_of(best->selector) + ")";
  }

  // --- Istio ---

  struct KnownGateway {
    const IstioGateway* gateway;
    HostIndex index;
    std::vector<bool> routed;  // by host of the index
  };
  std::size_t budget_ = kMaxComparisons;

  void check_istio() {
    objects_.each<IstioGateway>([&](const IstioGateway& gateway) {
      if (over()) return;
      HostIndex index(gateway);
      const std::size_t hosts = index.hosts().size();
      gateways_.emplace(gateway.key,
                        KnownGateway{&gateway, std::move(index), std::vector<bool>(hosts)});
      gateway_names_[gateway.key.name].push_back(gateway.key.ns);
      check_address(gateway);
    });
    std::vector<const VirtualService*> services;
    objects_.each<VirtualService>(
        [&](const VirtualService& service) { services.push_back(&service); });
    // As Istio merges them: the oldest first.
    std::stable_sort(services.begin(), services.end(),
                     [](const VirtualService* a, const VirtualService* b) {
                       return std::tie(a->created, a->key) < std::tie(b->created, b->key);
                     });
    for (const VirtualService* const service : services) {
      if (over()) return;
      check_binding(*service);
      check_rules(*service);
    }
    for (auto& [key, known] : gateways_) {
      if (over()) return;
      check_routed(known);
    }
  }

  // Gateways by name, with their namespaces in order.
  using GatewayNames = std::map<std::string, std::vector<std::string>>;

  // Which Gateway was meant by one that is not there.
  struct Meant {
    bool same_name = false;
    std::vector<std::string> namespaces;  // that have it; empty: nobody knows
    std::string name;
  };
  static Meant gateway_meant(const GatewayNames& names, const ObjectKey& wanted) {
    if (const auto same = names.find(wanted.name); same != names.end()) {
      return {true, same->second, wanted.name};
    }
    // One of the namespace that was named is nearer than any other.
    std::vector<std::string_view> here;
    std::vector<std::string_view> all;
    for (const auto& [name, namespaces] : names) {
      all.push_back(name);
      if (std::find(namespaces.begin(), namespaces.end(), wanted.ns) != namespaces.end()) {
        here.push_back(name);
      }
    }
    if (const auto near = nearest(wanted.name, here)) return {false, {wanted.ns}, *near};
    if (const auto near = nearest(wanted.name, all)) return {false, names.at(*near), *near};
    return {};
  }

  std::string gateway_hint(const ObjectKey& wanted) const {
    const Meant meant = gateway_meant(gateway_names_, wanted);
    if (meant.namespaces.empty()) {
      return "Create the Gateway, or name one that exists, as NAMESPACE/NAME";
    }
    const std::string written = meant.namespaces.front() + "/" + meant.name;
    if (!meant.same_name) return "Did you mean '" + written + "'?";
    return "It is in " + namespaces_text(meant.namespaces) + ": write '" + written + "'";
  }

  void check_binding(const VirtualService& service) {
    const ObjectName object = name_of(service);
    std::vector<ObjectKey> named;
    bool mesh = service.gateways.empty();
    for (const std::string& name : service.gateways) {
      if (over()) return;
      if (name == "mesh") {
        mesh = true;
        continue;
      }
      const ObjectKey key = gateway_key(name, service.key.ns);
      if (std::find(named.begin(), named.end(), key) != named.end()) continue;
      named.push_back(key);
      if (gateways_.contains(key)) continue;
      add("gateway-missing", Severity::Error, object, "there is no Gateway " + text_of(key),
          gateway_hint(key));
    }
    std::set<std::string> done;
    for (const std::string& written : service.hosts) {
      if (over()) return;
      const std::string host = host_of(written, service.key.ns, zone_);
      if (!done.insert(host).second) continue;
      if (named.empty()) {
        check_mesh_only(service, host);
      } else {
        check_host(service, named, written, host, mesh);
      }
    }
  }

  void check_mesh_only(const VirtualService& service, const std::string& host) {
    if (registry_.find(host) || is_below(base_of(host), "svc." + zone_)) return;
    if (base_of(host) == "svc." + zone_ || host == "*") return;
    add("mesh-only", Severity::Warning, name_of(service),
        "it names no Gateway, so '" + host + "' is known inside the mesh only",
        "Name the Gateway it is for in spec.gateways, as NAMESPACE/NAME", host);
  }

  void check_host(const VirtualService& service, const std::vector<ObjectKey>& named,
                  const std::string& written, const std::string& host, bool mesh) {
    const ObjectName object = name_of(service);
    bool accepted = false;
    bool explained = false;
    bool any = true;  // is what is accepted `*` alone?
    for (const ObjectKey& key : named) {
      if (over()) return;
      const auto at = gateways_.find(key);
      if (at == gateways_.end()) {
        explained = true;
        continue;
      }
      KnownGateway& known = at->second;
      const Acceptance result = accept(known.gateway, &known.index, service, host, budget_);
      if (result.refusal == Refusal::ExportTo) {
        explained = true;
        add("gateway-namespace", Severity::Error, object,
            "exportTo keeps it from Gateway " + text_of(key) + ", which is in namespace '" +
                key.ns + "'",
            "Add '" + key.ns + "' to exportTo, or '*'", host);
      } else if (result.refusal == Refusal::Scope) {
        explained = true;
        add("gateway-namespace", Severity::Error, object,
            "Gateway " + text_of(key) + " takes '" + host +
                "' from another namespace only, by the part before '/' of its hosts",
            "Write '" + service.key.ns + "/" + host + "' into the Gateway's hosts", host);
      } else if (result.refusal == Refusal::None) {
        accepted = true;
        any = any && is_any(result);
        note_routed(known, host, service);
        note_duplicate(service, key, host);
        check_tls(service, *known.gateway, result, host);
      }
    }
    if (accepted && any) tell_any_host(object, "its host is '*', and so is that of its Gateway");
    if (accepted || explained) return;
    if (mesh && registry_.find(host)) return;  // that one is for the mesh
    std::string fix = "Add '" + host + "' to the hosts of the Gateway, or take another Gateway";
    if (written != host) {
      fix = "Istio completes '" + written + "' to '" + host +
            "', at gateways too; give the host a dot, here and in the Gateway";
    }
    add("not-accepted", Severity::Error, object,
        "no host of " +
            (named.size() == 1 ? "Gateway " + text_of(named.front())
                               : std::string("its Gateways")) +
            " accepts '" + host + "'",
        std::move(fix), host);
  }

  static bool is_any(const Acceptance& result) {
    return std::all_of(result.hosts.begin(), result.hosts.end(),
                       [](const auto& host) { return host.first == "*"; });
  }

  void tell_any_host(const ObjectName& object, const std::string& why) {
    if (!settings_.plan.any_zones.empty()) return;
    add("any-host", Severity::Info, object, why + ": there is no name to look up",
        "Name the zones it is for with 'any ZONE…', or write its hosts out", "*");
  }

  void note_routed(KnownGateway& known, const std::string& host, const VirtualService& service) {
    const std::vector<AcceptedHost>& hosts = known.index.hosts();
    (void)known.index.match(host, budget_, [&](const AcceptedHost& accepted, std::string_view) {
      if (!scope_admits(accepted, *known.gateway, service.key.ns)) return;
      known.routed[static_cast<std::size_t>(&accepted - hosts.data())] = true;
    });
  }

  void note_duplicate(const VirtualService& service, const ObjectKey& gateway,
                      const std::string& host) {
    const auto [first, is_new] = first_at_.try_emplace({text_of(gateway), host}, &service);
    if (is_new || first->second == &service) return;
    add("duplicate-host", Severity::Warning, name_of(service),
        "VirtualService " + text_of(first->second->key) + " has the host '" + host +
            "' at Gateway " + text_of(gateway) + " too; Istio merges their rules, the oldest first",
        "Merge the two, or make sure that no rule of the first hides one of this", host);
  }

  void check_tls(const VirtualService& service, const IstioGateway& gateway,
                 const Acceptance& result, const std::string& host) {
    bool http = false;
    bool tls = false;
    for (const VirtualServiceRule& rule : service.rules) {
      http = http || rule.type == RuleType::Http;
      tls = tls || rule.type != RuleType::Http;
    }
    std::set<std::uint32_t> servers;
    for (const auto& [narrow, server] : result.hosts) servers.insert(server);
    for (const std::uint32_t i : servers) {
      const IstioServer& server = gateway.servers[i];
      const bool passes = server.tls_mode == "PASSTHROUGH" || server.tls_mode == "AUTO_PASSTHROUGH";
      const bool ends = server.protocol == "HTTPS" && !passes;
      const std::string which =
          "port " + std::to_string(server.port) + " of Gateway " + text_of(gateway.key);
      if (ends && tls && !http) {
        add("tls-route", Severity::Warning, name_of(service),
            which + " decrypts (tls mode " + (server.tls_mode.empty() ? "unset" : server.tls_mode) +
                "), and there are only 'tls' and 'tcp' rules, which are for what passes encrypted",
            "Write the rules under 'http', or give the server the mode PASSTHROUGH", host);
        return;
      }
      if (passes && http && !tls) {
        add("tls-route", Severity::Warning, name_of(service),
            which + " passes TLS on unread (mode PASSTHROUGH), and there are only 'http' rules",
            "Write the rules under 'tls' with sniHosts, or give the server the mode SIMPLE", host);
        return;
      }
    }
  }

  void check_routed(KnownGateway& known) {
    const ObjectName object = name_of(*known.gateway);
    // A host stands in several servers, of which one may be for another namespace.
    std::map<std::string, bool> hosts;
    const std::vector<AcceptedHost>& all = known.index.hosts();
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (known.gateway->servers[all[i].server].tls_mode == kRedirectMode) continue;
      const bool routed = known.routed[i];
      hosts[all[i].host] = hosts[all[i].host] || routed;
    }
    for (const auto& [host, routed] : hosts) {
      if (routed) continue;
      add("no-route", Severity::Error, object,
          "it accepts '" + host + "', and no VirtualService routes it: it answers 404",
          "Create a VirtualService with this host that names the Gateway '" +
              text_of(known.gateway->key) + "'",
          host);
    }
  }

  void check_rules(const VirtualService& service) {
    const ObjectName object = name_of(service);
    std::set<std::string> told;
    const auto once = [&](std::string code, Severity severity, std::string text, std::string fix) {
      if (told.insert(code + ' ' + text).second) {
        add(std::move(code), severity, object, std::move(text), std::move(fix));
      }
    };
    for (const VirtualServiceRule& rule : service.rules) {
      std::int64_t sum = 0;
      for (const Destination& to : rule.destinations) {
        if (over()) return;
        sum += std::max(to.weight, 0);
        check_destination(service, rule, to, once);
      }
      for (const Destination& to : rule.mirrors) check_destination(service, rule, to, once);
      if (rule.destinations.size() > 1 && sum != 100) {
        once("weights", Severity::Info,
             "the weights of a rule add up to " + std::to_string(sum) + ", not to 100",
             "Make them add up to 100, so that each is a percentage");
      }
    }
  }

  template <typename Once>
  void check_destination(const VirtualService& service, const VirtualServiceRule& rule,
                         const Destination& to, const Once& once) {
    const std::string host = host_of(to.host, service.key.ns, zone_);
    const Registered registered = registry_.find(host);
    if (!registered) {
      once("destination-missing", Severity::Error,
           "'" + to.host + "'" + (host == to.host ? "" : ", that is '" + host + "',") +
               " is neither a Service nor a host of a ServiceEntry",
           missing_fix(to.host, host, service.key.ns));
      return;
    }
    if (registered.service != nullptr) {
      routed_.insert(registered.service->key);
      check_destination_port(*registered.service, rule, to, once);
    } else if (to.port != 0 && !registered.entry->ports.empty()) {
      const auto& ports = registered.entry->ports;
      const bool has = std::any_of(ports.begin(), ports.end(),
                                   [&](const EntryPort& port) { return port.number == to.port; });
      if (!has) {
        once("destination-port", Severity::Error,
             "port " + std::to_string(to.port) + " is not a port of ServiceEntry " +
                 text_of(registered.entry->key),
             "Name one of its ports");
      }
    }
    if (!to.subset.empty()) check_subset(registered, to, host, once);
  }

  std::string missing_fix(const std::string& written, const std::string& host,
                          const std::string& ns) const {
    ObjectKey key = service_of(host, zone_);
    if (key.name.empty()) {
      // `web.default`, which Istio does not complete.
      const std::size_t dot = written.find('.');
      if (dot != std::string::npos) {
        std::string rest = written.substr(dot + 1);
        if (rest.ends_with(".svc")) rest.resize(rest.size() - 4);
        const ObjectKey meant{rest, written.substr(0, dot)};
        if (store_.service(meant) != nullptr) {
          return "Only names without a dot are completed; write '" + meant.name + "." + meant.ns +
                 ".svc." + zone_ + "'";
        }
        return "Create a ServiceEntry for it, or name a Service as NAME.NAMESPACE.svc." + zone_;
      }
      key = {ns, written};
    }
    const std::string hint = where_else(index_, key);
    if (hint.empty()) return "Create the Service " + text_of(key) + ", or name one that exists";
    return "Name a Service that exists: " + hint;
  }

  static const ServicePort* find_port(const Service& service, std::uint16_t number) {
    const auto at = std::find_if(service.ports.begin(), service.ports.end(),
                                 [&](const ServicePort& port) { return port.port == number; });
    return at == service.ports.end() ? nullptr : &*at;
  }

  static std::string ports_of(const Service& service) {
    if (service.ports.empty()) return "it has none";
    std::string text;
    for (const ServicePort& port : service.ports) {
      text += (text.empty() ? "" : ", ") + std::to_string(port.port) +
              (port.name.empty() ? "" : " (" + port.name + ")");
    }
    return "it has " + text;
  }

  template <typename Once>
  void check_destination_port(const Service& service, const VirtualServiceRule& rule,
                              const Destination& to, const Once& once) {
    if (service.type == ServiceType::ExternalName && service.ports.empty()) return;
    const ServicePort* port = nullptr;
    if (to.port != 0) {
      port = find_port(service, to.port);
      if (port == nullptr) {
        once(
            "destination-port", Severity::Error,
            "port " + std::to_string(to.port) + " is not a port of Service " + text_of(service.key),
            "Name one of its ports: " + ports_of(service));
        return;
      }
    } else if (service.ports.size() == 1) {
      port = &service.ports.front();
    }
    if (port == nullptr) return;
    const AppProtocol* const written = app_protocol_of(service, *port);
    const std::string_view protocol = protocol_of(written, *port);
    if (fits(rule.type, protocol)) return;
    const std::string type = to_string(rule.type);
    once("protocol-name", Severity::Warning,
         (rule.type == RuleType::Http ? "an '" : "a '") + type + "' rule leads to port " +
             std::to_string(port->port) + " of Service " + text_of(service.key) +
             ", which Istio takes for " + std::string(protocol) +
             (written != nullptr ? " by its appProtocol '" + written->name + "'"
                                 : " by its name '" + port->name + "'"),
         (written != nullptr ? "Give the port the appProtocol '" + type + "'"
                             : "Name the port '" + type + "' or '" + type + "-…'") +
             ", or write the rule under another word");
  }

  template <typename Once>
  void check_subset(const Registered& registered, const Destination& to, const std::string& host,
                    const Once& once) {
    const std::vector<const DestinationRule*> rules = rules_.rules_for(host);
    const Subset* const subset = RuleIndex::find(rules, to.subset);
    if (subset == nullptr) {
      std::vector<std::string_view> names;
      for (const DestinationRule* const rule : rules) {
        for (const Subset& each : rule->subsets) {
          if (names.size() < kMaxCompared) names.push_back(each.name);
        }
      }
      const auto near = nearest(to.subset, names);
      once("subset-missing", Severity::Error,
           "no DestinationRule for '" + host + "' defines the subset '" + to.subset + "'",
           near ? "Did you mean '" + *near + "'?"
                : "Add the subset to a DestinationRule with host '" + host + "'");
      return;
    }
    if (registered.service == nullptr || registered.service->selector.empty()) return;
    const Service& service = *registered.service;
    // Without pods of the Service nobody knows, or no-endpoints says it.
    if (index_.pods(service.key.ns, service.selector).empty()) return;
    const std::vector<const Pod*> pods = subset_pods(index_, service, *subset);
    if (std::any_of(pods.begin(), pods.end(),
                    [](const Pod* pod) { return ClusterIndex::is_ready(*pod); })) {
      return;
    }
    once("subset-empty", Severity::Error,
         "the labels " + text_of(subset->labels) + " of subset '" + to.subset +
             "' select no ready pod of Service " + text_of(service.key),
         pods.empty() ? "Give the pods these labels, or the subset the pods'"
                      : "Find out why its " + std::to_string(pods.size()) + " pods are not ready");
  }

  // --- Ingress and the Gateway API ---

  // What is wrong with backends, each text once.
  struct BackendFault {
    std::string code, text, fix;
    friend auto operator<=>(const BackendFault&, const BackendFault&) = default;
  };

  std::optional<BackendFault> check_backend(const Backend& backend) {
    const Service* const service = store_.service(backend.service);
    if (service == nullptr) {
      const std::string hint = where_else(index_, backend.service);
      return BackendFault{"destination-missing", "there is no Service " + text_of(backend.service),
                          hint.empty() ? "Create the Service, or name one that exists"
                                       : "Name a Service that exists: " + hint};
    }
    routed_.insert(service->key);
    if (backend.port == 0 && backend.port_name.empty()) return std::nullopt;
    const bool has =
        std::any_of(service->ports.begin(), service->ports.end(), [&](const ServicePort& port) {
          return backend.port != 0 ? port.port == backend.port : port.name == backend.port_name;
        });
    if (has || (service->type == ServiceType::ExternalName && service->ports.empty())) {
      return std::nullopt;
    }
    const std::string port =
        backend.port != 0 ? std::to_string(backend.port) : "'" + backend.port_name + "'";
    return BackendFault{"destination-port",
                        "port " + port + " is not a port of Service " + text_of(service->key),
                        "Name one of its ports: " + ports_of(*service)};
  }

  void check_ingresses() {
    objects_.each<Ingress>([&](const Ingress& ingress) {
      if (over() || !counts(ingress, settings_.plan)) return;
      const ObjectName object = name_of(ingress);
      check_address(ingress);
      std::set<std::string> hosts;
      std::map<BackendFault, std::set<std::string>> faults;  // and the hosts that have them
      bool any = !ingress.rules.empty();
      for (const IngressRule& rule : ingress.rules) {
        any = any && rule.host.empty();
        const std::string host = rule.host.empty() ? "*" : rule.host;
        hosts.insert(host);
        for (const Backend& backend : rule.backends) {
          if (over()) break;
          if (auto fault = check_backend(backend)) faults[std::move(*fault)].insert(host);
        }
      }
      for (const auto& [fault, its] : faults) {
        if (its.size() == hosts.size()) {
          add(fault.code, Severity::Error, object, fault.text, fault.fix);
          continue;
        }
        for (const std::string& host : its) {
          add(fault.code, Severity::Error, object,
              (host == "*" ? "for every other host: " : "for host '" + host + "': ") + fault.text,
              fault.fix, host);
        }
      }
      if (any) tell_any_host(object, "it is for every host");
    });
  }

  struct KnownListeners {
    const Gateway* gateway;
    HostIndex index;
    std::set<std::string> routed;  // keys of the hosts that some route has at it, narrowed
  };

  // All that a wildcard stands for, and itself, begin with the key of its base, and are longer.
  static std::string routed_key(std::string_view host) {
    return reversed(base_of(host)) + (is_wildcard(host) ? "*" : "");
  }
  // Whether a listener's host, or something that it stands for, is routed.
  static bool is_routed(const KnownListeners& known, const std::string& host) {
    if (!is_wildcard(host)) return known.routed.contains(routed_key(host));
    const std::string base = reversed(base_of(host));
    const auto at = known.routed.upper_bound(base);
    return at != known.routed.end() && at->starts_with(base);
  }

  void check_gateway_api() {
    std::map<ObjectKey, KnownListeners> known;
    GatewayNames names;
    objects_.each<Gateway>([&](const Gateway& gateway) {
      names[gateway.key.name].push_back(gateway.key.ns);
      if (over() || !counts(gateway, settings_.plan)) return;
      known.emplace(gateway.key, KnownListeners{&gateway, HostIndex(gateway), {}});
      check_address(gateway);
    });
    objects_.each_route([&](const Route& route) {
      if (!over()) check_route(route, known, names);
    });
    for (const auto& [key, each] : known) {
      if (over()) return;
      check_listeners(each);
    }
  }

  void check_route(const Route& route, std::map<ObjectKey, KnownListeners>& known,
                   const GatewayNames& names) {
    const ObjectName object = name_of(route);
    std::set<std::string> told;
    for (const auto& rule : route.rules) {
      for (const Backend& backend : rule) {
        if (over()) return;
        const auto fault = check_backend(backend);
        if (!fault || !told.insert(fault->code + ' ' + fault->text).second) continue;
        add(fault->code, Severity::Error, object, fault->text, fault->fix);
      }
    }
    std::vector<std::string> hostnames = route.hostnames;
    if (hostnames.empty()) hostnames.emplace_back("*");
    bool any_accepted = false;
    bool any = true;  // is what is accepted `*` alone?
    for (const std::string& hostname : hostnames) {
      bool accepted = false;
      bool explained = false;
      std::string why;
      for (const ParentRef& parent : route.parents) {
        if (over()) return;
        const auto at = known.find(parent.gateway);
        if (at == known.end() && objects_.find<Gateway>(parent.gateway) != nullptr) {
          explained = true;  // of a class that somebody else serves
          continue;
        }
        const Acceptance result =
            at == known.end() ? accept(nullptr, nullptr, route, parent, hostname, store_, budget_)
                              : accept(at->second.gateway, &at->second.index, route, parent,
                                       hostname, store_, budget_);
        const std::string which = "Gateway " + text_of(parent.gateway);
        switch (result.refusal) {
          case Refusal::None:
            accepted = true;
            any = any && is_any(result);
            break;
          case Refusal::Foreign: explained = true; break;
          case Refusal::Missing:
            explained = true;
            if (told.insert(which).second) {
              add("gateway-missing", Severity::Error, object, "there is no " + which,
                  parent_hint(names, parent.gateway));
            }
            break;
          case Refusal::Namespace:
            explained = true;
            tell_kept_out(object, result, which, hostname, told);
            break;
          default: why = refused(object, result, which, hostname);
        }
        if (at == known.end()) continue;
        // Also of those that the controller does not accept: the listener is not without a route.
        for (const auto& [narrow, listener] : result.hosts) {
          at->second.routed.insert(routed_key(narrow));
        }
      }
      any_accepted = any_accepted || accepted;
      if (accepted || explained || why.empty()) continue;
      add("not-accepted", Severity::Error, object, why,
          "Give the Gateway a listener for it, or the route another hostname or parentRef",
          hostname);
    }
    if (any_accepted && any) {
      tell_any_host(object, "neither it nor the listeners that it is attached to have a hostname");
    }
  }

  void tell_kept_out(const ObjectName& route, const Acceptance& result, const std::string& gateway,
                     const std::string& hostname, std::set<std::string>& told) {
    const std::string listener = "listener '" + result.listener->name + "'";
    if (!told.insert(hostname + ' ' + gateway + ' ' + listener).second) return;
    add("gateway-namespace", Severity::Error, route,
        "allowedRoutes of " + listener + " of " + gateway + " keeps routes of namespace '" +
            route.key.ns + "' out",
        "Let the listener take it: allowedRoutes.namespaces.from: All, or a Selector", hostname);
  }

  // Why a listener that nothing else keeps a route from does not take it.
  static std::string refused(const ObjectName& route, const Acceptance& result,
                             const std::string& gateway, const std::string& hostname) {
    switch (result.refusal) {
      case Refusal::Kind: {
        const Listener& listener = *result.listener;
        const bool by_name = !listener.kinds.empty() &&
                             std::find(listener.kinds.begin(), listener.kinds.end(), route.kind) ==
                                 listener.kinds.end();
        return "listener '" + listener.name + "' of " + gateway + " is not for " + route.kind +
               "s: " +
               (by_name ? "allowedRoutes.kinds leaves them out"
                        : "its protocol is " + listener.protocol);
      }
      case Refusal::Section:
        return "no listener of " + gateway + " has the sectionName or port of parentRefs";
      case Refusal::Status:
        return "the controller of " + gateway + " does not accept it" +
               (result.status->reason.empty() ? "" : ": " + shown(result.status->reason));
      default: return "no listener of " + gateway + " has a hostname for '" + hostname + "'";
    }
  }

  void check_listeners(const KnownListeners& known) {
    std::set<std::string> told;
    for (const Listener& listener : known.gateway->listeners) {
      const std::string host = listener.hostname.empty() ? "*" : listener.hostname;
      if (listener.protocol != "HTTP" && listener.protocol != "HTTPS" &&
          listener.protocol != "TLS") {
        continue;
      }
      // Routes of kinds that are not read may be there.
      const bool readable =
          listener.kinds.empty() ||
          std::ranges::any_of(listener.kinds, [](const std::string& kind) {
            return kind == "HTTPRoute" || kind == "GRPCRoute" || kind == "TLSRoute";
          });
      if (!readable) continue;
      // One for plain HTTP, whose host is routed at another listener, is left empty on purpose; a
      // wildcard has something below it.
      if (is_routed(known, host) || !told.insert(host).second) continue;
      add("no-route", Severity::Error, name_of(*known.gateway),
          "listener '" + listener.name + "' accepts '" + host +
              "', and no route is attached to it: it does not answer",
          "Create a route with parentRefs to '" + text_of(known.gateway->key) + "'", host);
    }
  }

  static std::string parent_hint(const GatewayNames& names, const ObjectKey& wanted) {
    const Meant meant = gateway_meant(names, wanted);
    if (meant.namespaces.empty()) return "Create the Gateway, or name one that exists";
    const std::string& ns = meant.namespaces.front();
    if (meant.same_name) {
      return "It is in " + namespaces_text(meant.namespaces) + ": add namespace: " + ns +
             " to the parentRef";
    }
    return "Did you mean '" + meant.name + "'" +
           (ns == wanted.ns ? "" : " in namespace '" + ns + "'") + "?";
  }

  void check_annotated() {
    std::vector<const Service*> services;
    store_.for_each_service([&](const Service& service) {
      if (service.detail && !service.detail->hosts.empty() &&
          service.type == ServiceType::LoadBalancer) {
        services.push_back(&service);
      }
    });
    for (const Service* const service : services) {
      if (over()) return;
      const Resolved resolved = finder_.find({nullptr, service->key});
      if (resolved.missing.empty()) continue;
      add("gateway-address", Severity::Error, {"Service", service->key},
          resolved.missing.substr(resolved.missing.find(": ") + 2),
          "Install a load balancer, or say where it is: the annotation "
          "external-dns.alpha.kubernetes.io/target, or 'ingress ADDRESS' (serve --ingress "
          "ADDRESS)");
    }
  }

  // --- Services ---

  void check_services() {
    store_.for_each_service([&](const Service& service) {
      if (over()) return;
      for (Finding& finding :
           check_service(store_, index_, service, routed_.contains(service.key), zone_)) {
        add(std::move(finding));
      }
    });
  }

  CheckBounds* const bounds_;
  std::size_t octets_ = 0;
  unsigned steps_ = 0;
  const Store& store_;
  const ObjectSet& objects_;
  const CheckSettings& settings_;
  const std::string zone_;
  const ClusterIndex index_;
  const RuleIndex rules_;
  const HostRegistry registry_;
  AddressFinder finder_;
  std::map<ObjectKey, KnownGateway> gateways_;
  std::map<std::string, std::vector<std::string>> gateway_names_;
  std::map<std::pair<std::string, std::string>, const VirtualService*> first_at_;
  std::set<ObjectKey> routed_;
  std::vector<Finding> found_;
};

}  // namespace

std::size_t octets_of(const Finding& finding) noexcept {
  std::size_t octets = sizeof finding;
  for (const std::string* const text :
       {&finding.code, &finding.object.kind, &finding.object.key.ns, &finding.object.key.name,
        &finding.text, &finding.fix, &finding.host}) {
    octets += text->size();
  }
  return octets;
}

std::vector<Finding> check(const Store& store, const CheckSettings& settings, CheckBounds* bounds) {
  return Checker(store, settings, bounds).run();
}

}  // namespace clusterdns::registry::gateways
