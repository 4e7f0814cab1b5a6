#include "registry/manifests/object_reader.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <string_view>
#include <utility>

#include "registry/manifests/field_reader.h"
#include "registry/selector.h"
#include "registry/validation.h"

namespace clusterdns::registry {
namespace {

constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";

// The group of `group/version`; empty for the core group's `v1`.
std::string_view group_of(std::string_view api_version) {
  const auto slash = api_version.find('/');
  return slash == std::string_view::npos ? std::string_view{} : api_version.substr(0, slash);
}

std::string sentence(std::string_view rule, std::string_view value) {
  return "'" + std::string(value) + "' is not " + std::string(rule);
}

// Text of a member, without any complaint; for objects that are only noted.
std::string plain_text(const YamlNode* node, std::string_view name) {
  const YamlNode* found = node == nullptr ? nullptr : node->find(name);
  return found != nullptr && found->is_scalar() ? found->text : std::string();
}

// --- metadata ------------------------------------------------------------------------------------

std::optional<std::string> read_name(const Field& metadata,
                                     bool (*rule)(std::string_view) noexcept,
                                     std::string_view what) {
  const Field name = metadata["name"];
  if (!name.present()) {
    name.error(metadata["generateName"].present()
                   ? "is missing; nothing here makes names from generateName, write one"
                   : "is missing");
    return std::nullopt;
  }
  return name.text_that(rule, what);
}

ObjectKey read_key(const Field& metadata, bool (*rule)(std::string_view) noexcept,
                   std::string_view what) {
  ObjectKey key;
  key.name = read_name(metadata, rule, what).value_or("");
  key.ns = metadata["namespace"].text_that(is_dns_label, kDnsLabelRule).value_or("default");
  if (key.ns.empty()) key.ns = "default";
  return key;
}

OwnerReference read_owner(const Field& metadata) {
  for (const Field& reference : metadata["ownerReferences"].elements()) {
    if (!reference["controller"].boolean_or(false)) continue;
    return {reference["kind"].text_or(""), reference["name"].text_or("")};
  }
  return {};
}

// --- Namespace -----------------------------------------------------------------------------------

NamespaceManifest read_namespace(const Field& object) {
  NamespaceManifest manifest;
  const Field metadata = object["metadata"];
  manifest.key.name = read_name(metadata, is_dns_label, kDnsLabelRule).value_or("");
  manifest.labels = metadata["labels"].labels();
  manifest.labels.emplace_back(kNamespaceNameLabel, manifest.key.name);
  normalize(manifest.labels);
  return manifest;
}

// --- Service -------------------------------------------------------------------------------------

ServiceType read_service_type(const Field& field) {
  const std::string type = field.text_or("ClusterIP");
  for (const ServiceType each : {ServiceType::ClusterIP, ServiceType::NodePort,
                                 ServiceType::LoadBalancer, ServiceType::ExternalName}) {
    if (type == to_string(each)) return each;
  }
  field.error("'" + type + "' is not ClusterIP, NodePort, LoadBalancer or ExternalName");
  return ServiceType::ClusterIP;
}

void read_target_port(const Field& field, ServicePort& port) {
  bool is_number = false;
  const auto text = field.scalar(is_number);
  if (!text) return;
  if (is_number) {
    port.target_port = field.port().value_or(0);
  } else if (is_port_name(*text)) {
    port.target_port_name = *text;
  } else {
    field.error(sentence(kPortNameRule, *text) +
                "; a port number is written without quotes");
  }
}

std::vector<ServicePort> read_service_ports(const Field& field) {
  std::vector<ServicePort> ports;
  std::set<std::string> names;
  std::set<std::pair<std::uint16_t, Protocol>> numbers;
  const std::vector<Field> elements = field.elements();
  for (const Field& element : elements) {
    ServicePort port;
    const Field name = element["name"];
    port.name = name.text_or("");
    if (port.name.empty()) {
      if (elements.size() > 1) name.error("is missing; a Service of several ports names each");
    } else if (!is_dns_label(port.name)) {
      name.error(sentence(kDnsLabelRule, port.name));
    } else if (!names.insert(port.name).second) {
      name.error("'" + port.name + "' names two ports of this Service");
    }
    port.protocol = element["protocol"].protocol();
    const Field number = element["port"];
    if (!number.present()) number.error("is missing");
    port.port = number.port().value_or(0);
    if (port.port != 0 && !numbers.emplace(port.port, port.protocol).second) {
      number.error(std::to_string(port.port) + '/' + to_string(port.protocol) +
                   " is listed twice");
    }
    read_target_port(element["targetPort"], port);
    const Field node_port = element["nodePort"];
    if (node_port.integer().value_or(0) != 0) port.node_port = node_port.port().value_or(0);
    ports.push_back(std::move(port));
  }
  return ports;
}

std::vector<IpFamily> read_ip_families(const Field& field) {
  std::vector<IpFamily> families;
  for (const Field& element : field.elements()) {
    const std::string text = element.text_or("");
    if (text != "IPv4" && text != "IPv6") {
      element.error("'" + text + "' is not IPv4 or IPv6");
      continue;
    }
    const IpFamily family = text == "IPv4" ? IpFamily::V4 : IpFamily::V6;
    if (std::find(families.begin(), families.end(), family) != families.end()) {
      element.error(text + " is listed twice");
      continue;
    }
    families.push_back(family);
  }
  return families;
}

IpFamilyPolicy read_ip_family_policy(const Field& field) {
  const std::string text = field.text_or("");
  if (text.empty()) return IpFamilyPolicy::Unset;
  if (text == "SingleStack") return IpFamilyPolicy::SingleStack;
  if (text == "PreferDualStack") return IpFamilyPolicy::PreferDualStack;
  if (text == "RequireDualStack") return IpFamilyPolicy::RequireDualStack;
  field.error("'" + text + "' is not SingleStack, PreferDualStack or RequireDualStack");
  return IpFamilyPolicy::Unset;
}

void read_cluster_ips(const Field& spec, ServiceManifest& manifest) {
  const Field single = spec["clusterIP"];
  std::vector<Field> fields = spec["clusterIPs"].elements();
  const std::string first = single.text_or("");
  if (!fields.empty() && !first.empty() && fields[0].text_or("") != first) {
    single.error("'" + first + "' must equal clusterIPs[0]");
    return;
  }
  if (fields.empty() && !first.empty()) fields.push_back(single);
  Service& service = manifest.object;
  for (const Field& field : fields) {
    const std::string text = field.text_or("");
    if (text == "None") {
      if (fields.size() > 1) field.error("\"None\" must be the only one");
      service.headless = true;
      continue;
    }
    const auto address = field.ip();
    if (!address) continue;
    const bool second_of_family =
        std::any_of(service.cluster_ips.begin(), service.cluster_ips.end(),
                    [&](const IpAddress& each) { return each.family == address->family; });
    if (second_of_family) {
      field.error("a Service has at most one cluster IP of each family");
      continue;
    }
    const std::size_t index = service.cluster_ips.size();
    if (index < manifest.ip_families.size() &&
        manifest.ip_families[index] != address->family) {
      field.error(text + " is not of the family in ipFamilies[" + std::to_string(index) + "]");
      continue;
    }
    service.cluster_ips.push_back(*address);
  }
  const std::size_t families =
      std::max(service.cluster_ips.size(), manifest.ip_families.size());
  if (families > 1 && manifest.ip_family_policy == IpFamilyPolicy::SingleStack) {
    spec["ipFamilyPolicy"].error("SingleStack contradicts the two families listed");
  }
}

void read_external_name(const Field& spec, Service& service) {
  const Field field = spec["externalName"];
  std::string name = field.text_or("");
  if (name.empty()) {
    field.error("is missing; a Service of type ExternalName names its target there");
    return;
  }
  if (name.back() == '.') name.pop_back();
  if (!is_dns_subdomain(name)) field.error(sentence(kDnsSubdomainRule, name));
  if (service.headless || !service.cluster_ips.empty()) {
    spec["clusterIP"].error("must not be set for a Service of type ExternalName");
  }
  service.external_name = std::move(name);
}

ServiceManifest read_service(const Field& object) {
  ServiceManifest manifest;
  Service& service = manifest.object;
  const Field metadata = object["metadata"];
  const Field spec = object["spec"];
  service.key = read_key(metadata, is_service_name, kServiceNameRule);
  service.labels = metadata["labels"].labels();
  service.type = read_service_type(spec["type"]);
  service.selector = spec["selector"].labels();
  service.publish_not_ready_addresses = spec["publishNotReadyAddresses"].boolean_or(false);
  service.ports = read_service_ports(spec["ports"]);
  manifest.ip_families = read_ip_families(spec["ipFamilies"]);
  manifest.ip_family_policy = read_ip_family_policy(spec["ipFamilyPolicy"]);
  read_cluster_ips(spec, manifest);
  if (service.type == ServiceType::ExternalName) {
    read_external_name(spec, service);
  } else {
    if (service.headless && service.type != ServiceType::ClusterIP) {
      spec["clusterIP"].error("must not be None for a Service of type " +
                              std::string(to_string(service.type)));
    }
    if (service.ports.empty() && !service.headless) {
      spec["ports"].error("is missing; only a headless Service may have no ports");
    }
  }
  for (const Field& field : spec["externalIPs"].elements()) {
    if (const auto address = field.ip()) service.external_ips.push_back(*address);
  }
  for (const Field& ingress : object["status"]["loadBalancer"]["ingress"].elements()) {
    if (const auto address = ingress["ip"].ip()) service.load_balancer_ips.push_back(*address);
  }
  trim(service);
  return manifest;
}

// --- Endpoints and EndpointSlice -----------------------------------------------------------------

std::vector<EndpointPort> read_endpoint_ports(const Field& field) {
  std::vector<EndpointPort> ports;
  std::set<std::string> names;
  for (const Field& element : field.elements()) {
    EndpointPort port;
    const Field name = element["name"];
    port.name = name.text_or("");
    if (!port.name.empty() && !is_dns_label(port.name)) {
      name.error(sentence(kDnsLabelRule, port.name));
    } else if (!names.insert(port.name).second) {
      name.error("'" + port.name + "' names two ports");
    }
    port.protocol = element["protocol"].protocol();
    port.port = element["port"].port().value_or(0);
    ports.push_back(std::move(port));
  }
  return ports;
}

// Makes the shared part of endpoints; neighbours with equal details share one.
class DetailMaker {
 public:
  explicit DetailMaker(const ReadOptions& options) : options_(options) {}

  std::shared_ptr<const EndpointDetail> make(const Field& endpoint) {
    EndpointDetail detail;
    detail.hostname =
        endpoint["hostname"].text_that(is_dns_label, kDnsLabelRule).value_or("");
    if (options_.keep_target_names) detail.target_name = endpoint["targetRef"]["name"].text_or("");
    detail.zone = endpoint["zone"].text_or("");
    if (detail == EndpointDetail{}) return nullptr;
    if (!last_ || *last_ != detail) {
      last_ = std::make_shared<const EndpointDetail>(std::move(detail));
    }
    return last_;
  }

 private:
  const ReadOptions& options_;
  std::shared_ptr<const EndpointDetail> last_;
};

void read_endpoint_addresses(const Field& field, bool ready, DetailMaker& details,
                             EndpointSlice& slice) {
  for (const Field& element : field.elements()) {
    const Field ip = element["ip"];
    if (!ip.present()) ip.error("is missing");
    const auto address = ip.ip();
    if (address) slice.endpoints.push_back({*address, ready, details.make(element)});
  }
}

EndpointsManifest read_endpoints(const Field& object, const ReadOptions& options) {
  EndpointsManifest manifest;
  manifest.key = read_key(object["metadata"], is_dns_subdomain, kDnsSubdomainRule);
  DetailMaker details(options);
  for (const Field& subset : object["subsets"].elements()) {
    EndpointSlice slice;
    slice.service = manifest.key.name;
    slice.key = {manifest.key.ns,
                 manifest.key.name + "-subset-" + std::to_string(manifest.subsets.size())};
    slice.ports = read_endpoint_ports(subset["ports"]);
    read_endpoint_addresses(subset["addresses"], true, details, slice);
    read_endpoint_addresses(subset["notReadyAddresses"], false, details, slice);
    trim(slice);
    manifest.subsets.push_back(std::make_shared<const EndpointSlice>(std::move(slice)));
  }
  return manifest;
}

// Empty: an FQDN slice, whose addresses are no addresses.
std::optional<IpFamily> read_address_type(const Field& field) {
  const std::string type = field.text_or("");
  if (type == "IPv4") return IpFamily::V4;
  if (type == "IPv6") return IpFamily::V6;
  if (type != "FQDN") {
    field.error(type.empty() ? "is missing; write IPv4 or IPv6"
                             : "'" + type + "' is not IPv4, IPv6 or FQDN");
  }
  return std::nullopt;
}

void read_slice_endpoint(const Field& element, IpFamily family, DetailMaker& details,
                         EndpointSlice& slice) {
  const Field list = element["addresses"];
  const std::vector<Field> addresses = list.elements();
  if (addresses.empty()) list.error("is missing; an endpoint has at least one address");
  const bool ready = element["conditions"]["ready"].boolean_or(true);
  const auto detail = details.make(element);
  for (const Field& field : addresses) {
    const auto address = field.ip();
    if (!address) continue;
    if (address->family != family) {
      field.error(address->to_string() + " is not of the slice's addressType");
      continue;
    }
    slice.endpoints.push_back({*address, ready, detail});
  }
}

EndpointSliceManifest read_endpoint_slice(const Field& object, const ReadOptions& options,
                                          std::vector<YamlError>& warnings) {
  EndpointSliceManifest manifest;
  EndpointSlice& slice = manifest.object;
  const Field metadata = object["metadata"];
  slice.key = read_key(metadata, is_dns_subdomain, kDnsSubdomainRule);
  const Labels labels = metadata["labels"].labels();
  if (const std::string* service = find_label(labels, kServiceNameLabel)) {
    slice.service = *service;
  }
  if (slice.service.empty()) {
    warnings.push_back({object.mark(), describe("EndpointSlice", slice.key) +
                                           " has no label " + std::string(kServiceNameLabel) +
                                           ", so it belongs to no Service"});
  }
  slice.ports = read_endpoint_ports(object["ports"]);
  const auto family = read_address_type(object["addressType"]);
  if (!family) return manifest;
  DetailMaker details(options);
  for (const Field& element : object["endpoints"].elements()) {
    read_slice_endpoint(element, *family, details, slice);
  }
  trim(slice);
  return manifest;
}

// --- Pod -----------------------------------------------------------------------------------------

void read_container_ports(const Field& container, std::vector<ContainerPort>& named) {
  for (const Field& element : container["ports"].elements()) {
    ContainerPort port;
    port.name = element["name"].text_that(is_port_name, kPortNameRule).value_or("");
    port.protocol = element["protocol"].protocol();
    const Field number = element["containerPort"];
    if (!number.present()) number.error("is missing");
    port.port = number.port().value_or(0);
    if (!port.name.empty()) named.push_back(std::move(port));
  }
}

PodSpec read_pod_spec(const Field& spec) {
  PodSpec result;
  for (const Field& container : spec["containers"].elements()) {
    read_container_ports(container, result.named_ports);
  }
  for (const Field& container : spec["initContainers"].elements()) {
    // Only a sidecar goes on running, so only its ports can be a Service's target.
    if (container["restartPolicy"].text_or("") != "Always") continue;
    read_container_ports(container, result.named_ports);
  }
  result.hostname = spec["hostname"].text_that(is_dns_label, kDnsLabelRule).value_or("");
  result.subdomain = spec["subdomain"].text_that(is_dns_label, kDnsLabelRule).value_or("");
  result.host_network = spec["hostNetwork"].boolean_or(false);
  return result;
}

std::vector<IpAddress> read_pod_ips(const Field& status) {
  std::vector<IpAddress> ips;
  const Field single = status["podIP"];
  const std::vector<Field> several = status["podIPs"].elements();
  if (several.empty()) {
    if (!single.text_or("").empty()) {
      if (const auto address = single.ip()) ips.push_back(*address);
    }
    return ips;
  }
  for (const Field& element : several) {
    if (const auto address = element["ip"].ip()) ips.push_back(*address);
  }
  const auto first = single.ip();
  if (first && !ips.empty() && *first != ips.front()) {
    single.error(first->to_string() + " must equal podIPs[0].ip");
  }
  return ips;
}

// A pod written by hand has no status, and is meant to be there: ready unless something says no.
bool read_pod_ready(const Field& status) {
  for (const Field& condition : status["conditions"].elements()) {
    if (condition["type"].text_or("") != "Ready") continue;
    const auto value = condition["status"];
    bool is_number = false;
    return value.scalar(is_number).value_or("") == "True";
  }
  const std::vector<Field> containers = status["containerStatuses"].elements();
  if (!containers.empty()) {
    return std::all_of(containers.begin(), containers.end(), [](const Field& container) {
      return container["ready"].boolean_or(false);
    });
  }
  return status["phase"].text_or("") != "Pending";
}

PodManifest read_pod(const Field& object) {
  PodManifest manifest;
  const Field metadata = object["metadata"];
  const Field status = object["status"];
  manifest.object.key = read_key(metadata, is_dns_subdomain, kDnsSubdomainRule);
  manifest.object.labels = metadata["labels"].labels();
  manifest.owner = read_owner(metadata);
  manifest.spec = read_pod_spec(object["spec"]);
  manifest.object.ips = read_pod_ips(status);
  if (manifest.object.ips.empty() && manifest.spec.host_network) {
    // Such a pod has its node's address.
    if (const auto host = status["hostIP"].ip()) manifest.object.ips.push_back(*host);
  }
  manifest.ready = read_pod_ready(status);
  const std::string phase = status["phase"].text_or("");
  manifest.terminated = phase == "Succeeded" || phase == "Failed";
  manifest.lost = phase == "Unknown";
  manifest.terminating = metadata["deletionTimestamp"].present();
  return manifest;
}

// --- Deployment, ReplicaSet, StatefulSet, DaemonSet ----------------------------------------------

std::uint32_t read_count(const Field& field, std::uint32_t fallback) {
  const auto value = field.integer();
  if (!value) return fallback;
  if (*value < 0 || *value > kMaxReplicas) {
    field.error(std::to_string(*value) + " is not within 0 to " + std::to_string(kMaxReplicas));
    return fallback;
  }
  return static_cast<std::uint32_t>(*value);
}

// spec.selector: returns matchLabels; both parts must choose the template's own labels.
Labels read_workload_selector(const Field& field, const Labels& template_labels) {
  if (!field.present()) {
    field.error("is missing; it must choose the labels of spec.template");
    return {};
  }
  Labels match_labels = field["matchLabels"].labels();
  LabelSelector selector;
  for (const auto& [key, value] : match_labels) {
    selector.require(key, LabelSelector::Operator::In, {value});
  }
  for (const Field& expression : field["matchExpressions"].elements()) {
    using Operator = LabelSelector::Operator;
    const auto key = expression["key"].text_that(is_label_key, kLabelKeyRule);
    const Field op = expression["operator"];
    const std::string name = op.text_or("");
    std::vector<std::string> values;
    for (const Field& value : expression["values"].elements()) {
      if (auto text = value.text_that(is_label_value, kLabelValueRule)) values.push_back(*text);
    }
    if (name == "In" || name == "NotIn") {
      if (values.empty()) expression["values"].error("is missing; " + name + " needs a value");
      if (key) selector.require(*key, name == "In" ? Operator::In : Operator::NotIn, values);
    } else if (name == "Exists" || name == "DoesNotExist") {
      if (key) selector.require(*key, name == "Exists" ? Operator::Exists : Operator::DoesNotExist);
    } else {
      op.error("'" + name + "' is not In, NotIn, Exists or DoesNotExist");
    }
  }
  if (selector.empty()) {
    field.error("is empty; it must choose the labels of spec.template");
  } else if (!selector.matches(template_labels)) {
    field.error("does not match spec.template.metadata.labels");
  }
  return match_labels;
}

WorkloadManifest read_workload(const Field& object, WorkloadKind kind) {
  WorkloadManifest manifest;
  manifest.kind = kind;
  const Field metadata = object["metadata"];
  const Field spec = object["spec"];
  const Field pod_template = spec["template"];
  manifest.key = read_key(metadata, is_dns_subdomain, kDnsSubdomainRule);
  manifest.owner = read_owner(metadata);
  if (kind != WorkloadKind::DaemonSet) manifest.replicas = read_count(spec["replicas"], 1);
  if (kind == WorkloadKind::StatefulSet) {
    manifest.service_name = spec["serviceName"].text_or("");
    manifest.first_ordinal = read_count(spec["ordinals"]["start"], 0);
  }
  if (!pod_template.present()) pod_template.error("is missing");
  manifest.template_labels = pod_template["metadata"]["labels"].labels();
  manifest.selector = read_workload_selector(spec["selector"], manifest.template_labels);
  manifest.template_spec =
      std::make_shared<const PodSpec>(read_pod_spec(pod_template["spec"]));
  return manifest;
}

// --- everything else -----------------------------------------------------------------------------

void add_host(const YamlNode* node, std::vector<std::string>& hosts) {
  if (node == nullptr || !node->is_scalar() || node->text.empty()) return;
  if (std::find(hosts.begin(), hosts.end(), node->text) == hosts.end()) hosts.push_back(node->text);
}

void add_hosts(const YamlNode* node, std::vector<std::string>& hosts) {
  if (node == nullptr) return;
  if (node->is_scalar()) return add_host(node, hosts);
  if (!node->is_sequence()) return;
  for (const YamlNodePtr& each : node->children) add_host(each.get(), hosts);
}

// Where Istio's kinds, Ingress and the Gateway API write host names.
std::vector<std::string> read_hosts(const YamlNode& object) {
  std::vector<std::string> hosts;
  const YamlNode* spec = object.find("spec");
  if (spec == nullptr) return hosts;
  for (const std::string_view name : {"hosts", "host", "hostnames"}) {
    add_hosts(spec->find(name), hosts);
  }
  for (const std::string_view list_name : {"servers", "egress", "rules", "listeners"}) {
    const YamlNode* list = spec->find(list_name);
    if (list == nullptr || !list->is_sequence()) continue;
    for (const YamlNodePtr& element : list->children) {
      for (const std::string_view name : {"hosts", "host", "hostname"}) {
        add_hosts(element->find(name), hosts);
      }
    }
  }
  return hosts;
}

OtherObject read_other(const YamlNode& node, const std::string& api_version,
                       const std::string& kind, const std::string& file) {
  OtherObject other;
  other.api_version = api_version;
  other.kind = kind;
  const YamlNode* metadata = node.find("metadata");
  other.key = {plain_text(metadata, "namespace"), plain_text(metadata, "name")};
  // It must not make a namespace exist that could not.
  if (!is_dns_label(other.key.ns)) other.key.ns.clear();
  other.hosts = read_hosts(node);
  other.file = file;
  other.mark = node.mark;
  return other;
}

// --- kinds ---------------------------------------------------------------------------------------

struct Kind {
  std::string_view name;
  std::string_view group;
  ManifestBody (*read)(const Field&, const ReadOptions&, std::vector<YamlError>& warnings);
};

template <WorkloadKind kKind>
ManifestBody read_workload_of(const Field& object, const ReadOptions&, std::vector<YamlError>&) {
  return make_body(read_workload(object, kKind));
}

constexpr std::array<Kind, 9> kKinds = {{
    {"Namespace", "",
     [](const Field& object, const ReadOptions&, std::vector<YamlError>&) -> ManifestBody {
       return make_body(read_namespace(object));
     }},
    {"Service", "",
     [](const Field& object, const ReadOptions&, std::vector<YamlError>&) -> ManifestBody {
       return make_body(read_service(object));
     }},
    {"Endpoints", "",
     [](const Field& object, const ReadOptions& options, std::vector<YamlError>&) -> ManifestBody {
       return make_body(read_endpoints(object, options));
     }},
    {"EndpointSlice", "discovery.k8s.io",
     [](const Field& object, const ReadOptions& options, std::vector<YamlError>& warnings)
         -> ManifestBody { return make_body(read_endpoint_slice(object, options, warnings)); }},
    {"Pod", "",
     [](const Field& object, const ReadOptions&, std::vector<YamlError>&) -> ManifestBody {
       return make_body(read_pod(object));
     }},
    {"Deployment", "apps", read_workload_of<WorkloadKind::Deployment>},
    {"ReplicaSet", "apps", read_workload_of<WorkloadKind::ReplicaSet>},
    {"StatefulSet", "apps", read_workload_of<WorkloadKind::StatefulSet>},
    {"DaemonSet", "apps", read_workload_of<WorkloadKind::DaemonSet>},
}};

const Kind* find_kind(std::string_view name, std::string_view api_version) {
  std::string_view group = group_of(api_version);
  // What the workloads were before Kubernetes 1.16; old tutorials still say so.
  if (group == "extensions") group = "apps";
  const auto at = std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& kind) {
    return kind.name == name && kind.group == group;
  });
  return at == kKinds.end() ? nullptr : &*at;
}

struct TypeMeta {
  std::string api_version;
  std::string kind;
};

void read_into(const YamlNode& node, const TypeMeta& fallback, const std::string& file,
               const ReadOptions& options, std::vector<ReadObject>& results);

// A List of any type; its elements may lack kind and apiVersion, as the API writes them.
void read_list(const YamlNode& node, const TypeMeta& type, const std::string& file,
               const ReadOptions& options, std::vector<ReadObject>& results) {
  TypeMeta element_type;
  if (type.kind != "List") {
    element_type = {type.api_version, type.kind.substr(0, type.kind.size() - 4)};
  }
  const YamlNode* items = node.find("items");
  if (items == nullptr) return;  // empty, or handed over one by one
  if (!items->is_sequence()) {
    ReadObject result;
    result.kind = type.kind;
    result.errors.push_back({items->mark, "items: must be a list"});
    results.push_back(std::move(result));
    return;
  }
  for (const YamlNodePtr& item : items->children) {
    read_into(*item, element_type, file, options, results);
  }
}

void read_into(const YamlNode& node, const TypeMeta& fallback, const std::string& file,
               const ReadOptions& options, std::vector<ReadObject>& results) {
  ReadObject result;
  if (!node.is_map()) {
    result.errors.push_back({node.mark, "a Kubernetes object must be a map with apiVersion, kind "
                                        "and metadata"});
    results.push_back(std::move(result));
    return;
  }
  TypeMeta type{plain_text(&node, "apiVersion"), plain_text(&node, "kind")};
  if (type.api_version.empty()) type.api_version = fallback.api_version;
  if (type.kind.empty()) type.kind = fallback.kind;
  result.kind = type.kind;
  if (type.kind.empty() && type.api_version.empty()) {
    // A values.yaml or kustomization.yaml in the folder is no reason to stop.
    result.warnings.push_back({node.mark, "no apiVersion and no kind: not a Kubernetes object; "
                                          "ignored"});
    results.push_back(std::move(result));
    return;
  }
  if (type.kind.empty() || type.api_version.empty()) {
    result.errors.push_back(
        {node.mark, type.kind.empty() ? "kind is missing" : "apiVersion is missing"});
    results.push_back(std::move(result));
    return;
  }
  if (type.kind.ends_with("List")) return read_list(node, type, file, options, results);

  const Kind* kind = find_kind(type.kind, type.api_version);
  ManifestObject object{{}, node.mark};
  if (kind == nullptr) {
    object.body = make_body(read_other(node, type.api_version, type.kind, file));
  } else {
    const Field root(&node, node.mark, "", result.errors);
    object.body = kind->read(root, options, result.warnings);
  }
  result.key = key_of(object.body);
  if (result.errors.empty()) result.object = std::move(object);
  results.push_back(std::move(result));
}

}  // namespace

std::vector<ReadObject> read_objects(const YamlNode& node, const std::string& file,
                                     const ReadOptions& options) {
  std::vector<ReadObject> results;
  read_into(node, {}, file, options, results);
  return results;
}

}  // namespace clusterdns::registry
