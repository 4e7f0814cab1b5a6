#include "registry/manifests/gateway_reader.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "registry/gateway_host.h"
#include "registry/shown_text.h"
#include "registry/validation.h"

namespace clusterdns::registry {
namespace {

using gateways::Backend;
using gateways::Targets;

constexpr std::array<std::string_view, 2> kAnnotationPrefixes = {
    "external-dns.alpha.kubernetes.io/", "external-dns.kubernetes.io/"};

// The fields whose misspelling would pass in silence. Those of other places are the CRDs' business.
template <std::size_t N>
using Names = std::array<std::string_view, N>;
constexpr Names<3> kGatewayFields = {"servers", "selector", "hosts"};
constexpr FieldNames kGatewaySpec = {std::span(kGatewayFields).first<2>(), {}};
constexpr Names<3> kServerFields = {"hosts", "port", "tls"};
constexpr Names<3> kServerOthers = {"bind", "name", "defaultEndpoint"};
constexpr FieldNames kServer = {kServerFields, kServerOthers};
constexpr Names<6> kVirtualFields = {"hosts", "gateways", "http", "tls", "tcp", "exportTo"};
constexpr FieldNames kVirtualSpec = {kVirtualFields, {}};
constexpr Names<3> kDestinationFields = {"host", "subset", "port"};
constexpr FieldNames kDestination = {kDestinationFields, {}};
constexpr Names<2> kRuleFields = {"host", "subsets"};
constexpr Names<3> kRuleOthers = {"trafficPolicy", "exportTo", "workloadSelector"};
constexpr FieldNames kRuleSpec = {kRuleFields, kRuleOthers};
constexpr Names<4> kRouteFields = {"parentRefs", "hostnames", "rules", "useDefaultGateways"};
constexpr FieldNames kRouteSpec = {kRouteFields, {}};

std::uint64_t mix_in(std::uint64_t sum, std::uint64_t more) noexcept {
  return (sum ^ more) * 0x9E3779B97F4A7C15ULL + (sum >> 29);
}

// All that a node says, wherever it stands. Never 0.
std::uint64_t content_of(const YamlNode& node) {
  std::uint64_t sum = mix_in(static_cast<std::uint64_t>(node.kind) + 1, node.quoted ? 2 : 1);
  sum = mix_in(sum, std::hash<std::string_view>{}(node.text));
  for (const YamlNodePtr& child : node.children) sum = mix_in(sum, content_of(*child));
  return sum | 1;
}

ObjectKey read_key(const Field& metadata) {
  ObjectKey key;
  const Field name = metadata["name"];
  if (!name.is_set()) name.error("is missing");
  key.name = name.text_that(is_dns_subdomain, kDnsSubdomainRule).value_or("");
  key.ns = metadata["namespace"].text_that(is_dns_label, kDnsLabelRule).value_or("default");
  return key;
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::string upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

// What cannot be answered is left out with a warning: the object's other hosts count all the same.
std::optional<std::string> read_host(const Field& field, std::string_view text) {
  auto host = gateways::parse_host(text);
  if (host) return host;
  // Istio knows `*-api.example.com`, which no resolver can look up by.
  if (text.size() > 1 && text.front() == '*' && text[1] != '.') {
    field.warn(shown(text) + " is left out: a wildcard stands for whole labels here");
  } else {
    field.warn(shown(text) + " is left out: it is not " + std::string(gateways::kHostRule));
  }
  return std::nullopt;
}

std::optional<std::string> read_host(const Field& field) {
  const auto text = field.text();
  return text ? read_host(field, *text) : std::nullopt;
}

std::vector<std::string> read_hosts(const Field& field) {
  std::vector<std::string> hosts;
  for (const Field& element : field.elements()) {
    if (auto host = read_host(element)) hosts.push_back(std::move(*host));
  }
  return hosts;
}

std::vector<std::string> read_texts(const Field& field) {
  std::vector<std::string> texts;
  for (const Field& element : field.elements()) {
    if (auto text = element.text()) texts.push_back(std::move(*text));
  }
  return texts;
}

// 0 when there is none.
std::uint16_t read_port(const Field& field) {
  return field.integer().value_or(0) == 0 ? std::uint16_t{0} : field.port().value_or(0);
}

constexpr std::int32_t kMostWeight = 1'000'000;  // of the Gateway API
constexpr std::int32_t kMostIstioWeight = std::numeric_limits<std::int32_t>::max();

std::int32_t read_weight(const Field& field, std::int32_t most) {
  const auto weight = field.integer();
  if (!weight) return -1;
  if (*weight < 0 || *weight > most) {
    field.error(std::to_string(*weight) + " is not within 0 to " + std::to_string(most));
    return -1;
  }
  return static_cast<std::int32_t>(*weight);
}

void add_target(const Field& field, std::string_view text, Targets& to) {
  if (const auto address = IpAddress::parse(text)) {
    to.addresses.push_back(*address);
    return;
  }
  auto name = gateways::parse_host(text);
  if (!name || gateways::is_wildcard(*name)) {
    field.warn(shown(text) +
               " is left out: it is neither an address nor the name of a load balancer");
    return;
  }
  to.names.push_back(std::move(*name));
}

// The annotation's field under the prefix that is there.
Field annotation(const Field& metadata, std::string_view name) {
  const Field annotations = metadata["annotations"];
  Field found = annotations[std::string(kAnnotationPrefixes[0]) + std::string(name)];
  if (found.is_set()) return found;
  return annotations[std::string(kAnnotationPrefixes[1]) + std::string(name)];
}

// status.loadBalancer.ingress of an Ingress.
Targets read_balancer(const Field& status) {
  Targets targets;
  for (const Field& ingress : status["loadBalancer"]["ingress"].elements()) {
    if (const auto address = ingress["ip"].ip()) targets.addresses.push_back(*address);
  }
  targets.names = read_balancer_names(status);
  return targets;
}

// --- Istio ---------------------------------------------------------------------------------------

std::optional<gateways::ScopedHost> read_scoped_host(const Field& field) {
  gateways::ScopedHost result;
  const std::string text = field.text_or("");
  const std::size_t slash = text.find('/');
  std::string_view host = text;
  if (slash != std::string::npos) {
    const std::string ns = text.substr(0, slash);
    if (ns != "*" && ns != "." && ns != "~" && !is_dns_label(ns)) {
      field.warn(shown(text) + " is left out: " + shown(ns) +
                 " before the '/' is neither a namespace nor '*' or '.'");
      return std::nullopt;
    }
    result.ns = ns;
    host = std::string_view(text).substr(slash + 1);
  }
  auto parsed = read_host(field, host);
  if (!parsed) return std::nullopt;
  result.host = std::move(*parsed);
  return result;
}

std::shared_ptr<gateways::IstioGateway> read_istio_gateway(const Field& object) {
  auto gateway = std::make_shared<gateways::IstioGateway>();
  const Field metadata = object["metadata"];
  const Field spec = object["spec"].only(kGatewaySpec);
  gateway->selector = spec["selector"].labels();
  gateway->targets = read_targets(metadata);
  gateway->ingress = read_annotation(metadata, "ingress").value_or("");
  for (const Field& element : spec["servers"].elements()) {
    gateways::IstioServer server;
    const Field port = element.only(kServer)["port"];
    server.port = read_port(port["number"]);
    server.port_name = port["name"].text_or("");
    server.protocol = upper(port["protocol"].text_or(""));
    server.tls_mode = upper(element["tls"]["mode"].text_or(""));
    const bool is_plain = server.protocol != "HTTPS" && server.protocol != "TLS";
    if (is_plain && element["tls"]["httpsRedirect"].boolean_or(false)) {
      server.tls_mode = gateways::kRedirectMode;
    }
    for (const Field& host : element["hosts"].elements()) {
      auto scoped = read_scoped_host(host);
      if (!scoped) continue;
      if (scoped->ns == "*") scoped->ns.clear();
      server.hosts.push_back(std::move(*scoped));
    }
    gateway->servers.push_back(std::move(server));
  }
  return gateway;
}

gateways::Destination read_destination(const Field& field) {
  gateways::Destination destination;
  const Field host = field["host"];
  destination.host = lower(host.text_or(""));
  if (destination.host.ends_with('.')) destination.host.pop_back();
  if (destination.host.empty()) {
    host.error("is missing; a route names where it leads");
  } else if (!fits_dns(destination.host)) {
    host.error(shown(destination.host) + " is not " + std::string(kFitsDnsRule));
  }
  destination.subset = field["subset"].text_or("");
  destination.port = read_port(field["port"]["number"]);
  return destination;
}

std::shared_ptr<gateways::VirtualService> read_virtual_service(const Field& object) {
  auto service = std::make_shared<gateways::VirtualService>();
  const Field spec = object["spec"].only(kVirtualSpec);
  service->hosts = read_hosts(spec["hosts"]);
  for (const Field& element : spec["gateways"].elements()) {
    auto name = element.text();
    if (!name) continue;
    const std::size_t slash = name->find('/');
    const std::string_view last =
        slash == std::string::npos ? *name : std::string_view(*name).substr(slash + 1);
    if (!is_dns_subdomain(last)) {
      element.warn(shown(*name) +
                   " is left out: it is not a Gateway; write NAME or NAMESPACE/NAME");
    } else {
      service->gateways.push_back(std::move(*name));
    }
  }
  service->export_to = read_texts(spec["exportTo"]);
  using gateways::RuleType;
  for (const auto& [name, type] :
       {std::pair{"http", RuleType::Http}, {"tls", RuleType::Tls}, {"tcp", RuleType::Tcp}}) {
    for (const Field& element : spec[name].elements()) {
      gateways::VirtualServiceRule rule;
      rule.type = type;
      for (const Field& route : element["route"].elements()) {
        rule.destinations.push_back(read_destination(route["destination"].only(kDestination)));
        rule.destinations.back().weight = read_weight(route["weight"], kMostIstioWeight);
      }
      // Both forms: `mirror` is the destination itself.
      if (const Field mirror = element["mirror"]; mirror.present()) {
        rule.mirrors.push_back(read_destination(mirror.only(kDestination)));
      }
      for (const Field& mirror : element["mirrors"].elements()) {
        rule.mirrors.push_back(read_destination(mirror["destination"].only(kDestination)));
      }
      service->rules.push_back(std::move(rule));
    }
  }
  return service;
}

std::shared_ptr<gateways::DestinationRule> read_destination_rule(const Field& object) {
  auto rule = std::make_shared<gateways::DestinationRule>();
  const Field spec = object["spec"].only(kRuleSpec);
  rule->host = lower(spec["host"].text_or(""));
  if (rule->host.ends_with('.')) rule->host.pop_back();
  if (rule->host.empty()) spec["host"].error("is missing");
  for (const Field& element : spec["subsets"].elements()) {
    const Field name = element["name"];
    if (!name.is_set()) name.error("is missing");
    rule->subsets.push_back({name.text_or(""), element["labels"].labels()});
  }
  return rule;
}

// `10.0.0.1`, or a range of one address.
std::optional<IpAddress> single_address(std::string_view text) {
  if (text.find('/') == std::string_view::npos) return IpAddress::parse(text);
  const auto range = Cidr::parse(text);
  if (!range || range->prefix_length != range->base.size() * 8) return std::nullopt;
  return range->base;
}

std::shared_ptr<gateways::ServiceEntry> read_service_entry(const Field& object) {
  auto entry = std::make_shared<gateways::ServiceEntry>();
  const Field spec = object["spec"];
  entry->hosts = read_hosts(spec["hosts"]);
  for (const Field& element : spec["addresses"].elements()) {
    const auto text = element.text();
    if (!text) continue;
    if (const auto address = single_address(*text)) {
      entry->addresses.push_back(*address);
    } else if (!Cidr::parse(*text)) {
      element.warn(shown(*text) + " is left out: it is neither an address nor a range");
    }
  }
  entry->is_static = spec["resolution"].text_or("") == "STATIC";
  for (const Field& element : spec["endpoints"].elements()) {
    // Names, and sockets of Unix, are legal, and nothing that could be answered.
    const auto address = IpAddress::parse(element["address"].text_or(""));
    if (address) entry->endpoints.push_back(*address);
  }
  for (const Field& element : spec["ports"].elements()) {
    entry->ports.push_back({read_port(element["number"]), element["name"].text_or("")});
  }
  return entry;
}

std::shared_ptr<gateways::Sidecar> read_sidecar(const Field& object) {
  auto sidecar = std::make_shared<gateways::Sidecar>();
  for (const Field& egress : object["spec"]["egress"].elements()) {
    for (const Field& host : egress["hosts"].elements()) {
      if (auto scoped = read_scoped_host(host)) sidecar->egress.push_back(std::move(*scoped));
    }
  }
  return sidecar;
}

// --- Ingress -------------------------------------------------------------------------------------

void read_ingress_backend(const Field& backend, const std::string& ns, std::vector<Backend>& to) {
  Backend result;
  result.service.ns = ns;
  if (const Field old = backend["serviceName"]; old.is_set()) {
    // Of v1beta1; `servicePort` is a number or a name.
    result.service.name = old.text_or("");
    const Field port = backend["servicePort"];
    bool is_number = false;
    const auto text = port.scalar(is_number);
    if (is_number) {
      result.port = read_port(port);
    } else {
      result.port_name = text.value_or("");
    }
  } else {
    const Field service = backend["service"];
    result.service.name = service["name"].text_or("");
    result.port = read_port(service["port"]["number"]);
    result.port_name = service["port"]["name"].text_or("");
  }
  // A backend may be another kind of resource.
  if (!result.service.name.empty()) to.push_back(std::move(result));
}

std::shared_ptr<gateways::Ingress> read_ingress(const Field& object) {
  auto ingress = std::make_shared<gateways::Ingress>();
  const Field metadata = object["metadata"];
  const Field spec = object["spec"];
  const std::string ns = metadata["namespace"].text_or("default");
  ingress->class_name = spec["ingressClassName"].text_or("");
  if (ingress->class_name.empty()) {
    ingress->class_name = metadata["annotations"]["kubernetes.io/ingress.class"].text_or("");
  }
  const Field fallback = spec[spec["defaultBackend"].present() ? "defaultBackend" : "backend"];
  if (fallback.present()) {
    gateways::IngressRule rule;
    read_ingress_backend(fallback, ns, rule.backends);
    ingress->rules.push_back(std::move(rule));
  }
  for (const Field& element : spec["rules"].elements()) {
    gateways::IngressRule rule;
    const Field host = element["host"];
    rule.host = read_host(host).value_or("");
    // A rule without a host is for any.
    if (rule.host.empty() && host.is_set()) continue;
    for (const Field& path : element["http"]["paths"].elements()) {
      read_ingress_backend(path["backend"], ns, rule.backends);
    }
    ingress->rules.push_back(std::move(rule));
  }
  ingress->targets = read_targets(metadata);
  ingress->status = read_balancer(object["status"]);
  return ingress;
}

// --- the Gateway API -----------------------------------------------------------------------------

Targets read_gateway_addresses(const Field& field) {
  Targets targets;
  for (const Field& element : field.elements()) {
    const std::string type = element["type"].text_or("IPAddress");
    const Field value = element["value"];
    if (type != "IPAddress" && type != "Hostname") continue;
    if (const auto text = value.text()) add_target(value, *text, targets);
  }
  return targets;
}

LabelSelector read_selector(const Field& field) {
  LabelSelector selector;
  for (auto& [key, value] : field["matchLabels"].labels()) {
    selector.require(key, LabelSelector::Operator::In, {value});
  }
  for (const Field& expression : field["matchExpressions"].elements()) {
    using Operator = LabelSelector::Operator;
    const std::string key = expression["key"].text_or("");
    const std::string name = expression["operator"].text_or("");
    std::vector<std::string> values = read_texts(expression["values"]);
    std::sort(values.begin(), values.end());
    const Operator op = name == "In"       ? Operator::In
                        : name == "NotIn"  ? Operator::NotIn
                        : name == "Exists" ? Operator::Exists
                                           : Operator::DoesNotExist;
    selector.require(key, op, std::move(values));
  }
  return selector;
}

void read_allowed_routes(const Field& field, gateways::Listener& listener) {
  using From = gateways::Listener::From;
  const Field namespaces = field["namespaces"];
  const std::string from = namespaces["from"].text_or("Same");
  listener.from = from == "All"        ? From::All
                  : from == "Selector" ? From::Selector
                  : from == "None"     ? From::None
                                       : From::Same;
  if (listener.from == From::Selector) {
    listener.namespaces = read_selector(namespaces["selector"]);
  }
  for (const Field& kind : field["kinds"].elements()) {
    listener.kinds.push_back(kind["kind"].text_or(""));
  }
}

std::vector<gateways::Listener> read_listeners(const Field& field) {
  std::vector<gateways::Listener> listeners;
  for (const Field& element : field.elements()) {
    gateways::Listener listener;
    listener.name = element["name"].text_or("");
    const Field hostname = element["hostname"];
    listener.hostname = read_host(hostname).value_or("");
    // A listener without one takes any.
    if (listener.hostname.empty() && hostname.is_set()) continue;
    listener.port = read_port(element["port"]);
    listener.protocol = upper(element["protocol"].text_or(""));
    read_allowed_routes(element["allowedRoutes"], listener);
    listeners.push_back(std::move(listener));
  }
  return listeners;
}

std::shared_ptr<gateways::Gateway> read_gateway(const Field& object) {
  auto gateway = std::make_shared<gateways::Gateway>();
  const Field metadata = object["metadata"];
  const Field spec = object["spec"];
  gateway->class_name = spec["gatewayClassName"].text_or("");
  gateway->listeners = read_listeners(spec["listeners"]);
  gateway->targets = read_targets(metadata);
  gateway->spec = read_gateway_addresses(spec["addresses"]);
  gateway->status = read_gateway_addresses(object["status"]["addresses"]);
  return gateway;
}

gateways::ParentRef read_parent(const Field& field, const std::string& ns) {
  gateways::ParentRef ref;
  ref.group = field["group"].text_or(gateways::kGatewayGroup);
  ref.kind = field["kind"].text_or("Gateway");
  ref.gateway = {field["namespace"].text_or(ns), field["name"].text_or("")};
  ref.section = field["sectionName"].text_or("");
  ref.port = read_port(field["port"]);
  return ref;
}

std::shared_ptr<gateways::Route> read_route(const Field& object, gateways::Kind kind) {
  auto route = std::make_shared<gateways::Route>(kind);
  const Field spec = object["spec"].only(kRouteSpec);
  const std::string ns = object["metadata"]["namespace"].text_or("default");
  const Field hostnames = spec["hostnames"];
  route->hostnames = read_hosts(hostnames);
  // A route without hostnames takes its parents'; one of which none is good has nothing of them.
  if (!route->hostnames.empty() || hostnames.elements().empty()) {
    for (const Field& parent : spec["parentRefs"].elements()) {
      route->parents.push_back(read_parent(parent, ns));
    }
  }
  for (const Field& parent : object["status"]["parents"].elements()) {
    gateways::ParentStatus status;
    status.ref = read_parent(parent["parentRef"], ns);
    bool said = false;
    for (const Field& condition : parent["conditions"].elements()) {
      if (condition["type"].text_or("") != "Accepted") continue;
      bool is_number = false;
      said = true;
      status.accepted = condition["status"].scalar(is_number).value_or("") == "True";
      status.reason = condition["reason"].text_or("");
    }
    if (said) route->status.push_back(std::move(status));
  }
  for (const Field& rule : spec["rules"].elements()) {
    std::vector<Backend>& backends = route->rules.emplace_back();
    for (const Field& element : rule["backendRefs"].elements()) {
      if (element["kind"].text_or("Service") != "Service") continue;
      Backend backend;
      backend.service = {element["namespace"].text_or(ns), element["name"].text_or("")};
      backend.port = read_port(element["port"]);
      backend.weight = read_weight(element["weight"], kMostWeight);
      if (!backend.service.name.empty()) backends.push_back(std::move(backend));
    }
  }
  return route;
}

std::shared_ptr<gateways::ListenerSet> read_listener_set(const Field& object) {
  auto set = std::make_shared<gateways::ListenerSet>();
  const Field parent = object["spec"]["parentRef"];
  set->gateway = {parent["namespace"].text_or(object["metadata"]["namespace"].text_or("default")),
                  parent["name"].text_or("")};
  set->listeners = read_listeners(object["spec"]["listeners"]);
  return set;
}

std::shared_ptr<gateways::Object> read_of_kind(const Field& object, gateways::Kind kind) {
  switch (kind) {
    case gateways::Kind::IstioGateway: return read_istio_gateway(object);
    case gateways::Kind::VirtualService: return read_virtual_service(object);
    case gateways::Kind::DestinationRule: return read_destination_rule(object);
    case gateways::Kind::ServiceEntry: return read_service_entry(object);
    case gateways::Kind::Sidecar: return read_sidecar(object);
    case gateways::Kind::Ingress: return read_ingress(object);
    case gateways::Kind::Gateway: return read_gateway(object);
    case gateways::Kind::HttpRoute:
    case gateways::Kind::GrpcRoute:
    case gateways::Kind::TlsRoute: return read_route(object, kind);
    case gateways::Kind::ListenerSet: return read_listener_set(object);
  }
  return read_listener_set(object);
}

}  // namespace

std::optional<gateways::Kind> gateway_kind(std::string_view kind, std::string_view group) {
  for (std::size_t i = 0; i < gateways::kKinds; ++i) {
    const gateways::KindNames names = gateways::names_of(static_cast<gateways::Kind>(i));
    if (names.kind == kind && names.group == group) return static_cast<gateways::Kind>(i);
  }
  // Where it was before Kubernetes 1.14, as the workloads were; old charts still say so.
  if (kind == "Ingress" && group == "extensions") return gateways::Kind::Ingress;
  return std::nullopt;
}

std::optional<std::string> read_annotation(const Field& metadata, std::string_view name) {
  return annotation(metadata, name).text();
}

Targets read_targets(const Field& metadata) {
  Targets targets;
  const Field field = annotation(metadata, "target");
  const std::string list = field.text_or("");
  for (const std::string_view part : gateways::split_list(list)) add_target(field, part, targets);
  return targets;
}

std::vector<std::string> read_hostnames(const Field& metadata) {
  std::vector<std::string> hosts;
  const Field field = annotation(metadata, "hostname");
  const std::string list = field.text_or("");
  for (const std::string_view part : gateways::split_list(list)) {
    if (auto host = read_host(field, part)) hosts.push_back(std::move(*host));
  }
  return hosts;
}

std::vector<std::string> read_balancer_names(const Field& status) {
  std::vector<std::string> names;
  for (const Field& ingress : status["loadBalancer"]["ingress"].elements()) {
    const Field field = ingress["hostname"];
    const auto text = field.text();
    if (!text) continue;
    auto name = gateways::parse_host(*text);
    if (!name || gateways::is_wildcard(*name)) {
      field.warn(shown(*text) + " is left out: it is not " + std::string(kDnsNameRule));
    } else {
      names.push_back(std::move(*name));
    }
  }
  return names;
}

gateways::ObjectPointer read_gateway_object(const Field& object, const YamlNode& node,
                                            gateways::Kind kind, const std::string& file) {
  const std::shared_ptr<gateways::Object> result = read_of_kind(object, kind);
  const Field metadata = object["metadata"];
  result->key = read_key(metadata);
  result->created = metadata["creationTimestamp"].text_or("");
  result->place = {file, node.mark.line, node.mark.column};
  result->content = content_of(node);
  return result;
}

namespace {

template <gateways::Kind kKind>
AnyObject read_row(const Field& object) {
  return read_gateway_object(object, *object.node(), kKind, {});
}

ObjectKey key_of_object(const void* object) {
  return static_cast<const gateways::Object*>(object)->key;
}

std::size_t octets_of_object(const void* object) {
  return gateways::octets_of(*static_cast<const gateways::Object*>(object));
}

template <gateways::Kind kKind>
constexpr registry::Kind make_row(const registry::KindNames& names) {
  registry::Kind row{names};
  row.read = read_row<kKind>;
  row.key = key_of_object;
  row.octets = octets_of_object;
  return row;
}

using gateways::kGatewayGroup;
using gateways::kIngressGroup;
using gateways::kIstioGroup;
constexpr std::array<std::string_view, 4> kIstioVersions = {"v1", "v1beta1", "v1alpha3"};

// By their numbers.
constexpr std::array<registry::Kind, gateways::kKinds> kRows = {
    make_row<gateways::Kind::IstioGateway>({"Gateway", kIstioGroup, "gateways", kIstioVersions}),
    make_row<gateways::Kind::VirtualService>(
        {"VirtualService", kIstioGroup, "virtualservices", kIstioVersions}),
    make_row<gateways::Kind::DestinationRule>(
        {"DestinationRule", kIstioGroup, "destinationrules", kIstioVersions}),
    make_row<gateways::Kind::ServiceEntry>(
        {"ServiceEntry", kIstioGroup, "serviceentries", kIstioVersions}),
    make_row<gateways::Kind::Sidecar>({"Sidecar", kIstioGroup, "sidecars", kIstioVersions}),
    make_row<gateways::Kind::Ingress>({"Ingress", kIngressGroup, "ingresses", {"v1"}}),
    make_row<gateways::Kind::Gateway>({"Gateway", kGatewayGroup, "gateways", {"v1", "v1beta1"}}),
    make_row<gateways::Kind::HttpRoute>(
        {"HTTPRoute", kGatewayGroup, "httproutes", {"v1", "v1beta1"}}),
    make_row<gateways::Kind::GrpcRoute>(
        {"GRPCRoute", kGatewayGroup, "grpcroutes", {"v1", "v1beta1"}}),
    make_row<gateways::Kind::TlsRoute>(
        {"TLSRoute", kGatewayGroup, "tlsroutes", {"v1", "v1alpha3", "v1alpha2"}}),
    make_row<gateways::Kind::ListenerSet>({"ListenerSet", kGatewayGroup, "listenersets", {"v1"}}),
};
constexpr auto kRowPointers = [] {
  std::array<const registry::Kind*, gateways::kKinds> pointers{};
  for (std::size_t i = 0; i < pointers.size(); ++i) pointers[i] = &kRows[i];
  return pointers;
}();

}  // namespace

std::span<const registry::Kind* const> gateway_rows() noexcept { return kRowPointers; }

std::optional<gateways::Kind> gateway_kind(const registry::Kind& row) noexcept {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (&kRows[i] == &row) return static_cast<gateways::Kind>(i);
  }
  return std::nullopt;
}

}  // namespace clusterdns::registry
