#include "registry/manifests/object_reader.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include "registry/manifests/field_reader.h"
#include "registry/manifests/gateway_reader.h"
#include "registry/members.h"
#include "registry/near_word.h"
#include "registry/selector.h"
#include "registry/shown_text.h"
#include "registry/validation.h"

namespace clusterdns::registry {
namespace {

constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";
constexpr std::string_view kZoneLabel = "topology.kubernetes.io/zone";

// --- the API server's fields, up to Kubernetes 1.36 ----------------------------------------------

template <std::size_t N>
using Names = std::array<std::string_view, N>;

constexpr Names<5> kObjectFields = {"apiVersion", "kind", "metadata", "spec", "status"};
constexpr FieldNames kObject = {kObjectFields, {}};
constexpr Names<4> kEndpointsFields = {"apiVersion", "kind", "metadata", "subsets"};
constexpr FieldNames kEndpoints = {kEndpointsFields, {}};
constexpr Names<6> kSliceFields = {"apiVersion", "kind",      "metadata",
                                   "ports",      "endpoints", "addressType"};
constexpr FieldNames kSlice = {kSliceFields, {}};

constexpr Names<6> kMetadataFields = {"name",         "namespace",       "labels",
                                      "generateName", "ownerReferences", "deletionTimestamp"};
constexpr Names<10> kMetadataOthers = {
    "annotations",       "selfLink",   "uid",           "resourceVersion",
    "generation",        "finalizers", "managedFields", "deletionGracePeriodSeconds",
    "creationTimestamp", "clusterName"};
constexpr FieldNames kMetadata = {kMetadataFields, kMetadataOthers};

constexpr Names<10> kServiceFields = {"type",       "selector",       "ports",
                                      "clusterIP",  "clusterIPs",     "publishNotReadyAddresses",
                                      "ipFamilies", "ipFamilyPolicy", "externalName",
                                      "externalIPs"};
constexpr Names<14> kServiceOthers = {"sessionAffinity",
                                      "loadBalancerIP",
                                      "loadBalancerSourceRanges",
                                      "externalTrafficPolicy",
                                      "healthCheckNodePort",
                                      "sessionAffinityConfig",
                                      "allocateLoadBalancerNodePorts",
                                      "loadBalancerClass",
                                      "internalTrafficPolicy",
                                      "trafficDistribution",
                                      "ipFamily",
                                      "topologyKeys",
                                      "portalIP",
                                      "deprecatedPublicIPs"};
constexpr FieldNames kServiceSpec = {kServiceFields, kServiceOthers};
constexpr Names<5> kServicePortFields = {"name", "protocol", "port", "targetPort", "nodePort"};
constexpr Names<1> kAppProtocol = {"appProtocol"};
constexpr FieldNames kServicePort = {kServicePortFields, kAppProtocol};

constexpr Names<3> kSubsetFields = {"addresses", "notReadyAddresses", "ports"};
constexpr FieldNames kSubset = {kSubsetFields, {}};
constexpr Names<3> kAddressFields = {"ip", "hostname", "targetRef"};
constexpr Names<1> kNodeName = {"nodeName"};
constexpr FieldNames kAddress = {kAddressFields, kNodeName};
constexpr Names<3> kEndpointPortFields = {"name", "port", "protocol"};
constexpr FieldNames kEndpointPort = {kEndpointPortFields, kAppProtocol};
constexpr Names<6> kEndpointFields = {"addresses", "conditions", "hostname",
                                      "targetRef", "zone",       "topology"};
constexpr Names<3> kEndpointOthers = {"nodeName", "hints", "deprecatedTopology"};
constexpr FieldNames kEndpoint = {kEndpointFields, kEndpointOthers};
constexpr Names<1> kConditionFields = {"ready"};
constexpr Names<2> kConditionOthers = {"serving", "terminating"};
constexpr FieldNames kConditions = {kConditionFields, kConditionOthers};

constexpr Names<5> kPodFields = {"containers", "initContainers", "hostname", "subdomain",
                                 "hostNetwork"};
constexpr Names<37> kPodOthers = {"volumes",
                                  "ephemeralContainers",
                                  "restartPolicy",
                                  "terminationGracePeriodSeconds",
                                  "activeDeadlineSeconds",
                                  "dnsPolicy",
                                  "nodeSelector",
                                  "serviceAccountName",
                                  "serviceAccount",
                                  "automountServiceAccountToken",
                                  "nodeName",
                                  "hostPID",
                                  "hostIPC",
                                  "shareProcessNamespace",
                                  "securityContext",
                                  "imagePullSecrets",
                                  "affinity",
                                  "schedulerName",
                                  "tolerations",
                                  "hostAliases",
                                  "priorityClassName",
                                  "priority",
                                  "dnsConfig",
                                  "readinessGates",
                                  "runtimeClassName",
                                  "enableServiceLinks",
                                  "preemptionPolicy",
                                  "overhead",
                                  "topologySpreadConstraints",
                                  "setHostnameAsFQDN",
                                  "os",
                                  "hostUsers",
                                  "schedulingGates",
                                  "resourceClaims",
                                  "resources",
                                  "hostnameOverride",
                                  "workloadRef"};
constexpr FieldNames kPodSpec = {kPodFields, kPodOthers};
constexpr Names<3> kContainerPortFields = {"name", "containerPort", "protocol"};
constexpr Names<2> kContainerPortOthers = {"hostPort", "hostIP"};
constexpr FieldNames kContainerPort = {kContainerPortFields, kContainerPortOthers};

constexpr Names<5> kWorkloadFields = {"replicas", "selector", "template", "serviceName",
                                      "ordinals"};
constexpr Names<12> kWorkloadOthers = {"strategy",
                                       "minReadySeconds",
                                       "revisionHistoryLimit",
                                       "paused",
                                       "progressDeadlineSeconds",
                                       "rollbackTo",
                                       "volumeClaimTemplates",
                                       "podManagementPolicy",
                                       "updateStrategy",
                                       "persistentVolumeClaimRetentionPolicy",
                                       "templateGeneration",
                                       "resources"};
constexpr FieldNames kWorkloadSpec = {kWorkloadFields, kWorkloadOthers};
constexpr Names<2> kSelectorFields = {"matchLabels", "matchExpressions"};
constexpr FieldNames kSelector = {kSelectorFields, {}};
constexpr Names<2> kTemplateFields = {"metadata", "spec"};
constexpr FieldNames kTemplate = {kTemplateFields, {}};

// -------------------------------------------------------------------------------------------------

// The group of `group/version`; empty for the core group's `v1`.
std::string_view group_of(std::string_view api_version) {
  const auto slash = api_version.find('/');
  return slash == std::string_view::npos ? std::string_view{} : api_version.substr(0, slash);
}

std::string sentence(std::string_view rule, std::string_view value) {
  return shown(value) + " is not " + std::string(rule);
}

// "'x' is not A, B or C", and the one that was meant.
std::string choice_error(std::string_view value, std::span<const std::string_view> known) {
  std::string text = shown(value) + " is not ";
  for (std::size_t i = 0; i < known.size(); ++i) {
    text += i == 0 ? "" : i + 1 == known.size() ? " or " : ", ";
    text += known[i];
  }
  if (const auto near = near_word(value, known)) {
    text += "; did you mean '" + std::string(*near) + "'?";
  }
  return text;
}

// Text of a member, without any complaint; for objects that are only noted.
std::string plain_text(const YamlNode* node, std::string_view name) {
  const YamlNode* found = node == nullptr ? nullptr : node->find(name);
  return found != nullptr && found->is_scalar() ? found->text : std::string();
}

// --- metadata ------------------------------------------------------------------------------------

std::optional<std::string> read_name(const Field& metadata, bool (*rule)(std::string_view) noexcept,
                                     std::string_view what) {
  const Field name = metadata.only(kMetadata)["name"];
  if (!name.is_set()) {
    name.error(metadata["generateName"].is_set()
                   ? "is missing; names are not made from generateName here, so write one"
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
  const Field metadata = object.only(kObject)["metadata"];
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
  static constexpr Names<4> kTypes = {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"};
  field.error(choice_error(type, kTypes));
  return ServiceType::ClusterIP;
}

void read_target_port(const Field& field, ServicePort& port) {
  bool is_number = false;
  const auto text = field.scalar(is_number);
  if (!text) return;
  if (is_number) {
    // 0 is not set, too: the API server puts `port` in its place.
    if (field.integer() != 0) port.target_port = field.port().value_or(0);
  } else if (is_port_name(*text)) {
    port.target_port_name = *text;
  } else {
    field.error(sentence(kPortNameRule, *text) + "; a port number is written without quotes");
  }
}

// A port of that name is good, and nobody can ask for it.
void warn_of_srv_name(const Field& field, std::string_view name) {
  if (name.size() <= kMaxSrvPortNameLength) return;
  field.warn(shown(name) + " is too long for SRV names, where '_' stands before it; at most " +
             std::to_string(kMaxSrvPortNameLength) + " characters fit");
}

std::vector<ServicePort> read_service_ports(const Field& field,
                                            std::vector<AppProtocol>& protocols) {
  std::vector<ServicePort> ports;
  std::set<std::string> names;
  std::set<std::pair<std::uint16_t, Protocol>> numbers;
  const std::vector<Field> elements = field.elements();
  for (const Field& element : elements) {
    ServicePort port;
    const Field name = element.only(kServicePort)["name"];
    port.name = name.text_or("");
    warn_of_srv_name(name, port.name);
    if (port.name.empty()) {
      if (elements.size() > 1) name.error("is missing; a Service of several ports names each");
    } else if (!is_dns_label(port.name)) {
      name.error(sentence(kDnsLabelRule, port.name));
    } else if (!names.insert(port.name).second) {
      name.error(shown(port.name) + " names two ports of this Service");
    }
    port.protocol = element["protocol"].protocol();
    const Field number = element["port"];
    if (!number.present()) number.error("is missing");
    port.port = number.port().value_or(0);
    if (port.port != 0 && !numbers.emplace(port.port, port.protocol).second) {
      number.error(std::to_string(port.port) + '/' + to_string(port.protocol) + " is listed twice");
    }
    read_target_port(element["targetPort"], port);
    const Field node_port = element["nodePort"];
    if (node_port.integer().value_or(0) != 0) port.node_port = node_port.port().value_or(0);
    std::string protocol = element["appProtocol"].text_or("");
    if (!protocol.empty() && protocol.size() <= kMaxAppProtocol) {
      protocols.push_back({port.port, port.protocol, std::move(protocol)});
    }
    ports.push_back(std::move(port));
  }
  return ports;
}

std::vector<IpFamily> read_ip_families(const Field& field) {
  std::vector<IpFamily> families;
  for (const Field& element : field.elements()) {
    const std::string text = element.text_or("");
    if (text != "IPv4" && text != "IPv6") {
      element.error(shown(text) + " is not IPv4 or IPv6");
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
  static constexpr Names<3> kPolicies = {"SingleStack", "PreferDualStack", "RequireDualStack"};
  field.error(choice_error(text, kPolicies));
  return IpFamilyPolicy::Unset;
}

constexpr Names<1> kNone = {"None"};

void read_cluster_ips(const Field& spec, ServiceManifest& manifest) {
  const Field single = spec["clusterIP"];
  std::vector<Field> fields = spec["clusterIPs"].elements();
  std::erase_if(fields, [](const Field& field) { return !field.is_set(); });
  const std::string first = single.text_or("");
  if (!fields.empty() && !first.empty() && fields[0].text_or("") != first) {
    single.error(shown(first) + " must equal clusterIPs[0]");
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
    if (near_word(text, kNone)) {
      field.error(shown(text) +
                  " is not an address; did you mean 'None', which makes a Service "
                  "headless?");
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
    if (index < manifest.ip_families.size() && manifest.ip_families[index] != address->family) {
      field.error(shown(text) + " is not of the family in ipFamilies[" + std::to_string(index) +
                  "]");
      continue;
    }
    service.cluster_ips.push_back(*address);
  }
  const std::size_t families = std::max(service.cluster_ips.size(), manifest.ip_families.size());
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
  if (!is_dns_name(name)) field.error(sentence(kDnsNameRule, name));
  if (IpAddress::parse(name)) {
    field.warn(shown(name) +
               " is an address, but is used as a name, which nobody can look up; "
               "use a headless Service with an EndpointSlice");
  }
  if (service.headless || !service.cluster_ips.empty()) {
    spec["clusterIP"].error("must not be set for a Service of type ExternalName");
  }
  service.external_name = std::move(name);
}

ServiceManifest read_service(const Field& object) {
  ServiceManifest manifest;
  Service& service = manifest.object;
  const Field metadata = object.only(kObject)["metadata"];
  const Field spec = object["spec"].only(kServiceSpec);
  service.key = read_key(metadata, is_dns_label, kDnsLabelRule);
  service.labels = metadata["labels"].labels();
  service.created = parse_created(metadata["creationTimestamp"].text_or(""));
  service.type = read_service_type(spec["type"]);
  service.selector = spec["selector"].labels();
  service.publish_not_ready_addresses = spec["publishNotReadyAddresses"].boolean_or(false);
  std::vector<AppProtocol> protocols;
  service.ports = read_service_ports(spec["ports"], protocols);
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
  ServiceDetail detail;
  detail.hosts = read_hostnames(metadata);
  detail.balancer_names = read_balancer_names(object["status"]);
  gateways::Targets targets = read_targets(metadata);
  detail.target_ips = std::move(targets.addresses);
  detail.target_names = std::move(targets.names);
  detail.app_protocols = std::move(protocols);
  if (detail != ServiceDetail{}) service.detail = share_detail(std::move(detail));
  trim(service);
  return manifest;
}

// --- Endpoints and EndpointSlice -----------------------------------------------------------------

// Endpoints may name two ports alike, slices may not; of a slice's ports, the API server takes any
// number.
std::vector<EndpointPort> read_endpoint_ports(const Field& field, bool of_slice) {
  std::vector<EndpointPort> ports;
  std::set<std::string> names;
  for (const Field& element : field.elements()) {
    EndpointPort port;
    const Field name = element.only(kEndpointPort)["name"];
    port.name = name.text_or("");
    warn_of_srv_name(name, port.name);
    if (!port.name.empty() && !is_dns_label(port.name)) {
      name.error(sentence(kDnsLabelRule, port.name));
    } else if (of_slice && !names.insert(port.name).second) {
      name.error(shown(port.name) + " names two ports");
    }
    port.protocol = element["protocol"].protocol();
    const Field number = element["port"];
    const std::int64_t value = number.integer().value_or(0);
    if (of_slice && value != 0 && !is_port_number(value)) {
      number.warn(std::to_string(value) + " is left out: it is not " +
                  std::string(kPortNumberRule));
      continue;
    }
    if (value != 0) port.port = number.port().value_or(0);
    ports.push_back(std::move(port));
  }
  return ports;
}

// The API server takes any text for an endpoint's zone; here it is a Node's label, or none.
std::string read_zone(const Field& field) {
  std::string zone = field.text_or("");
  if (is_label_value(zone)) return zone;
  field.warn(shown(zone) + " is left out: it is not " + std::string(kLabelValueRule));
  return {};
}

// Makes the shared part of endpoints; neighbours with equal details share one.
class DetailMaker {
 public:
  explicit DetailMaker(const ReadOptions& options) : options_(options) {}

  std::shared_ptr<const EndpointDetail> make(const Field& endpoint) {
    EndpointDetail detail;
    detail.hostname = endpoint["hostname"].text_that(is_dns_label, kDnsLabelRule).value_or("");
    if (options_.keep_target_names) {
      // Names of pods may have dots and be longer than a label; such a pod's endpoint goes by its
      // address.
      detail.target_name = endpoint["targetRef"]["name"].text_or("");
      if (!is_dns_label(detail.target_name)) detail.target_name.clear();
    }
    detail.zone = read_zone(endpoint["zone"]);
    // discovery.k8s.io/v1beta1 has it among other labels.
    if (detail.zone.empty() && endpoint["topology"].present()) {
      detail.zone = read_zone(endpoint["topology"][kZoneLabel]);
    }
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
    const Field ip = element.only(kAddress)["ip"];
    if (!ip.is_set()) ip.error("is missing");
    const auto address = ip.ip();
    if (address) slice.endpoints.push_back({*address, ready, details.make(element)});
  }
}

EndpointsManifest read_endpoints(const Field& object, const ReadOptions& options) {
  EndpointsManifest manifest;
  manifest.key = read_key(object.only(kEndpoints)["metadata"], is_dns_subdomain, kDnsSubdomainRule);
  DetailMaker details(options);
  for (const Field& subset : object["subsets"].elements()) {
    subset.only(kSubset);
    EndpointSlice slice;
    slice.service = manifest.key.name;
    slice.key = {manifest.key.ns,
                 manifest.key.name + "-subset-" + std::to_string(manifest.subsets.size())};
    slice.ports = read_endpoint_ports(subset["ports"], false);
    read_endpoint_addresses(subset["addresses"], true, details, slice);
    read_endpoint_addresses(subset["notReadyAddresses"], false, details, slice);
    trim(slice);
    manifest.subsets.push_back(std::make_shared<const EndpointSlice>(std::move(slice)));
  }
  return manifest;
}

enum class AddressType : std::uint8_t {
  V4,
  V6,
  Any,   // `IP` of discovery.k8s.io/v1alpha1
  None,  // an FQDN slice, whose addresses are not addresses
};

AddressType read_address_type(const Field& field) {
  const std::string type = field.text_or("");
  if (type == "IPv4") return AddressType::V4;
  if (type == "IPv6") return AddressType::V6;
  if (type == "IP") return AddressType::Any;
  if (type != "FQDN") {
    static constexpr Names<3> kTypes = {"IPv4", "IPv6", "FQDN"};
    field.error(type.empty() ? "is missing; write IPv4 or IPv6" : choice_error(type, kTypes));
  }
  return AddressType::None;
}

void read_slice_endpoint(const Field& element, AddressType type, DetailMaker& details,
                         EndpointSlice& slice) {
  const Field list = element.only(kEndpoint)["addresses"];
  const std::vector<Field> addresses = list.elements();
  if (addresses.empty()) list.error("is missing; an endpoint has at least one address");
  const bool ready = element["conditions"].only(kConditions)["ready"].boolean_or(true);
  const auto detail = details.make(element);
  for (const Field& field : addresses) {
    const auto address = field.ip();
    if (!address) continue;
    const AddressType its = address->is_v4() ? AddressType::V4 : AddressType::V6;
    if (type != AddressType::Any && type != its) {
      field.error(address->to_string() + " is not of the slice's addressType");
      continue;
    }
    slice.endpoints.push_back({*address, ready, detail});
  }
}

EndpointSliceManifest read_endpoint_slice(const Field& object, const ReadOptions& options) {
  EndpointSliceManifest manifest;
  EndpointSlice& slice = manifest.object;
  const Field metadata = object.only(kSlice)["metadata"];
  slice.key = read_key(metadata, is_dns_subdomain, kDnsSubdomainRule);
  const Labels labels = metadata["labels"].labels();
  if (const std::string* service = find_label(labels, kServiceNameLabel)) {
    slice.service = *service;
  }
  if (slice.service.empty()) {
    object.warn(describe("EndpointSlice", slice.key) + " has no label " +
                std::string(kServiceNameLabel) + ", so it belongs to no Service");
  }
  slice.ports = read_endpoint_ports(object["ports"], true);
  const AddressType type = read_address_type(object["addressType"]);
  if (type == AddressType::None) return manifest;
  DetailMaker details(options);
  for (const Field& element : object["endpoints"].elements()) {
    read_slice_endpoint(element, type, details, slice);
  }
  trim(slice);
  return manifest;
}

// --- Pod -----------------------------------------------------------------------------------------

void read_container_ports(const Field& container, PodSpec& spec) {
  for (const Field& element : container["ports"].elements()) {
    ContainerPort port;
    port.name =
        element.only(kContainerPort)["name"].text_that(is_port_name, kPortNameRule).value_or("");
    port.protocol = element["protocol"].protocol();
    const Field number = element["containerPort"];
    if (!number.present()) number.error("is missing");
    port.port = number.port().value_or(0);
    spec.numbers.push_back(port.port);
    if (!port.name.empty()) spec.named_ports.push_back(std::move(port));
  }
}

PodSpec read_pod_spec(const Field& spec) {
  PodSpec result;
  for (const Field& container : spec.only(kPodSpec)["containers"].elements()) {
    read_container_ports(container, result);
  }
  for (const Field& container : spec["initContainers"].elements()) {
    // Only a sidecar goes on running, so only its ports can be a Service's target.
    if (container["restartPolicy"].text_or("") != "Always") continue;
    read_container_ports(container, result);
  }
  result.hostname = spec["hostname"].text_that(is_dns_label, kDnsLabelRule).value_or("");
  result.subdomain = spec["subdomain"].text_that(is_dns_label, kDnsLabelRule).value_or("");
  result.host_network = spec["hostNetwork"].boolean_or(false);
  return result;
}

std::vector<IpAddress> read_pod_ips(const Field& status) {
  std::vector<IpAddress> ips;
  for (const Field& element : status["podIPs"].elements()) {
    if (const auto address = element["ip"].ip()) ips.push_back(*address);
  }
  // As the API server: where they differ, the older field counts (core/v1/conversion.go).
  const auto single = status["podIP"].ip();
  if (single && (ips.empty() || *single != ips.front())) ips = {*single};
  return ips;
}

// Of the node it runs on.
std::vector<IpAddress> read_host_ips(const Field& status) {
  std::vector<IpAddress> ips;
  for (const Field& element : status["hostIPs"].elements()) {
    if (const auto address = element["ip"].ip()) ips.push_back(*address);
  }
  const auto single = status["hostIP"].ip();
  if (single && (ips.empty() || *single != ips.front())) ips = {*single};
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
    return std::all_of(containers.begin(), containers.end(),
                       [](const Field& container) { return container["ready"].boolean_or(false); });
  }
  return status["phase"].text_or("") != "Pending";
}

PodManifest read_pod(const Field& object) {
  PodManifest manifest;
  const Field metadata = object.only(kObject)["metadata"];
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
  manifest.host_ips = read_host_ips(status);
  const std::string phase = status["phase"].text_or("");
  manifest.terminated = phase == "Succeeded" || phase == "Failed";
  manifest.lost = phase == "Unknown";
  manifest.terminating = metadata["deletionTimestamp"].is_set();
  manifest.created = parse_created(metadata["creationTimestamp"].text_or(""));
  return manifest;
}

// --- workloads -----------------------------------------------------------------------------------

std::uint32_t read_count(const Field& field, std::uint32_t fallback) {
  const auto value = field.integer();
  if (!value) return fallback;
  if (*value < 0 || *value > kMaxReplicas) {
    field.error(std::to_string(*value) + " is not within 0 to " + std::to_string(kMaxReplicas));
    return fallback;
  }
  return static_cast<std::uint32_t>(*value);
}

// spec.selector: returns matchLabels; both parts must choose the template's own labels. A
// `defaulted` one is these when it is missing.
Labels read_workload_selector(const Field& field, const Labels& template_labels, bool defaulted) {
  if (!field.present()) {
    if (defaulted && !template_labels.empty()) return template_labels;
    field.error("is missing; it must choose the labels of spec.template");
    return {};
  }
  Labels match_labels = field.only(kSelector)["matchLabels"].labels();
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
      static constexpr Names<4> kOperators = {"In", "NotIn", "Exists", "DoesNotExist"};
      op.error(choice_error(name, kOperators));
    }
  }
  if (selector.empty()) {
    field.error("is empty; it must choose the labels of spec.template");
  } else if (!selector.matches(template_labels)) {
    field.error("does not match spec.template.metadata.labels");
  }
  return match_labels;
}

// A ReplicationController's selector is a map of labels: the template's, when there is none.
Labels read_label_selector(const Field& field, const Labels& template_labels) {
  Labels selector = field.labels();
  if (selector.empty()) selector = template_labels;
  if (selector.empty()) {
    field.error("is missing, and spec.template has no labels to take instead");
  } else if (!matches(selector, template_labels)) {
    field.error("does not match spec.template.metadata.labels");
  }
  return selector;
}

WorkloadManifest read_workload(const Field& object, WorkloadKind kind) {
  WorkloadManifest manifest;
  manifest.kind = kind;
  const Field metadata = object.only(kObject)["metadata"];
  const Field spec = object["spec"].only(kWorkloadSpec);
  const Field pod_template = spec["template"].only(kTemplate);
  // Up to here the API server filled it in (SetDefaults_Deployment and so on of these versions).
  const std::string version = object["apiVersion"].text_or("");
  const bool defaulted = version == "extensions/v1beta1" || version == "apps/v1beta1";
  manifest.key = read_key(metadata, is_dns_subdomain, kDnsSubdomainRule);
  manifest.owner = read_owner(metadata);
  if (kind != WorkloadKind::DaemonSet) manifest.replicas = read_count(spec["replicas"], 1);
  if (kind == WorkloadKind::StatefulSet) {
    manifest.service_name = spec["serviceName"].text_or("");
    manifest.first_ordinal = read_count(spec["ordinals"]["start"], 0);
  }
  if (!pod_template.present()) pod_template.error("is missing");
  manifest.template_labels = pod_template["metadata"]["labels"].labels();
  manifest.selector =
      kind == WorkloadKind::ReplicationController
          ? read_label_selector(spec["selector"], manifest.template_labels)
          : read_workload_selector(spec["selector"], manifest.template_labels, defaulted);
  manifest.template_spec = std::make_shared<const PodSpec>(read_pod_spec(pod_template["spec"]));
  return manifest;
}

// --- everything else -----------------------------------------------------------------------------

OtherObject read_other(const YamlNode& node, const std::string& api_version,
                       const std::string& kind, const std::string& file) {
  OtherObject other;
  other.api_version = api_version;
  other.kind = kind;
  const YamlNode* metadata = node.find("metadata");
  other.key = {plain_text(metadata, "namespace"), plain_text(metadata, "name")};
  // It must not make a namespace exist that could not.
  if (!is_dns_label(other.key.ns)) other.key.ns.clear();
  other.file = file;
  other.mark = node.mark;
  return other;
}

// --- kinds ---------------------------------------------------------------------------------------

struct Reader {
  std::string_view name;
  std::string_view group;
  ManifestBody (*read)(const Field&, const ReadOptions&);
};

template <WorkloadKind kKind>
ManifestBody read_workload_of(const Field& object, const ReadOptions&) {
  return make_body(read_workload(object, kKind));
}

constexpr std::array<Reader, 10> kReaders = {{
    {"Namespace", "",
     [](const Field& object, const ReadOptions&) { return make_body(read_namespace(object)); }},
    {"Service", "",
     [](const Field& object, const ReadOptions&) { return make_body(read_service(object)); }},
    {"Endpoints", "",
     [](const Field& object, const ReadOptions& options) {
       return make_body(read_endpoints(object, options));
     }},
    {"EndpointSlice", "discovery.k8s.io",
     [](const Field& object, const ReadOptions& options) {
       return make_body(read_endpoint_slice(object, options));
     }},
    {"Pod", "",
     [](const Field& object, const ReadOptions&) { return make_body(read_pod(object)); }},
    {"ReplicationController", "", read_workload_of<WorkloadKind::ReplicationController>},
    {"Deployment", "apps", read_workload_of<WorkloadKind::Deployment>},
    {"ReplicaSet", "apps", read_workload_of<WorkloadKind::ReplicaSet>},
    {"StatefulSet", "apps", read_workload_of<WorkloadKind::StatefulSet>},
    {"DaemonSet", "apps", read_workload_of<WorkloadKind::DaemonSet>},
}};

// The groups of these kinds, with all the kinds that the API server has in them, and the versions
// that there are and have been. What else is written there is a slip.
struct Group {
  std::string_view name;
  std::span<const std::string_view> versions;
  std::span<const std::string_view> kinds;
};
constexpr Names<1> kCoreVersions = {"v1"};
constexpr Names<18> kCoreKinds = {"Namespace",
                                  "Service",
                                  "Endpoints",
                                  "Pod",
                                  "ConfigMap",
                                  "Secret",
                                  "Node",
                                  "Event",
                                  "Binding",
                                  "LimitRange",
                                  "PodTemplate",
                                  "ResourceQuota",
                                  "PersistentVolume",
                                  "PersistentVolumeClaim",
                                  "ReplicationController",
                                  "ServiceAccount",
                                  "ComponentStatus",
                                  "Status"};
constexpr Names<3> kSliceVersions = {"v1", "v1beta1", "v1alpha1"};
constexpr Names<1> kSliceKinds = {"EndpointSlice"};
constexpr Names<3> kAppsVersions = {"v1", "v1beta2", "v1beta1"};
constexpr Names<7> kAppsKinds = {"Deployment",        "ReplicaSet",         "StatefulSet",
                                 "DaemonSet",         "ControllerRevision", "Scale",
                                 "DeploymentRollback"};
constexpr Names<1> kExtensionsVersions = {"v1beta1"};
constexpr Names<8> kExtensionsKinds = {"Deployment", "ReplicaSet",        "DaemonSet",
                                       "Ingress",    "NetworkPolicy",     "PodSecurityPolicy",
                                       "Scale",      "DeploymentRollback"};
constexpr Names<3> kIstioVersions = {"v1", "v1beta1", "v1alpha3"};
constexpr Names<9> kIstioKinds = {"Gateway",       "VirtualService", "DestinationRule",
                                  "ServiceEntry",  "Sidecar",        "WorkloadEntry",
                                  "WorkloadGroup", "EnvoyFilter",    "ProxyConfig"};
constexpr Names<2> kIngressVersions = {"v1", "v1beta1"};
constexpr Names<5> kIngressKinds = {"Ingress", "IngressClass", "NetworkPolicy", "IPAddress",
                                    "ServiceCIDR"};
constexpr Names<5> kGatewayVersions = {"v1", "v1beta1", "v1alpha3", "v1alpha2", "v1alpha1"};
constexpr Names<13> kGatewayKinds = {
    "Gateway",          "HTTPRoute",       "GRPCRoute",   "TLSRoute",       "GatewayClass",
    "TCPRoute",         "UDPRoute",        "ListenerSet", "ReferenceGrant", "ReferencePolicy",
    "BackendTLSPolicy", "BackendLBPolicy", "XListenerSet"};
constexpr std::array<Group, 7> kGroups = {{
    {"", kCoreVersions, kCoreKinds},
    {"discovery.k8s.io", kSliceVersions, kSliceKinds},
    {"apps", kAppsVersions, kAppsKinds},
    // What the workloads were in before Kubernetes 1.16; old tutorials still say so.
    {"extensions", kExtensionsVersions, kExtensionsKinds},
    {gateways::kIstioGroup, kIstioVersions, kIstioKinds},
    {gateways::kIngressGroup, kIngressVersions, kIngressKinds},
    {gateways::kGatewayGroup, kGatewayVersions, kGatewayKinds},
}};

const Group* find_group(std::string_view name) {
  const auto at = std::find_if(kGroups.begin(), kGroups.end(),
                               [&](const Group& group) { return group.name == name; });
  return at == kGroups.end() ? nullptr : &*at;
}

std::string_view version_of(std::string_view api_version) {
  return api_version.substr(api_version.rfind('/') + 1);
}

std::string api_version_of(std::string_view group, std::string_view version) {
  return group.empty() ? std::string(version) : std::string(group) + '/' + std::string(version);
}

const Reader* find_reader(std::string_view name, std::string_view api_version) {
  std::string_view group = group_of(api_version);
  if (group == "extensions") group = "apps";
  const auto at = std::find_if(kReaders.begin(), kReaders.end(), [&](const Reader& reader) {
    return reader.name == name && reader.group == group;
  });
  return at == kReaders.end() ? nullptr : &*at;
}

const Kind* find_row(const ReadOptions& options, std::string_view name,
                     std::string_view api_version) {
  for (const Kind* const kind : options.kinds) {
    if (kind->name == name && kind->group == group_of(api_version)) return kind;
  }
  return nullptr;
}

KindManifest read_by_row(const Kind& kind, const Field& root, std::string_view api_version) {
  if (!kind.has_version(version_of(api_version))) {
    root["apiVersion"].warn(shown(api_version) + " is not a version of " + std::string(kind.name) +
                            "; it is read as '" +
                            api_version_of(kind.group, kind.versions.front()) + "'");
  }
  KindManifest manifest{&kind, {}, kind.read(root)};
  manifest.key = kind.key(manifest.object.get());
  return manifest;
}

struct TypeMeta {
  std::string api_version;
  std::string kind;
};

// Whether `group`, which has none of these kinds, was written where `right` was meant. A group
// without a dot and those of k8s.io are Kubernetes' own; any other is another project's, which may
// have a kind of the same name, unless a letter is wrong.
bool is_meant(std::string_view group, std::string_view right) {
  constexpr std::size_t kSlip = 2;
  if (group.find('.') == std::string_view::npos) return true;
  if (group == "k8s.io" || group.ends_with(".k8s.io")) return true;
  return right.find('.') != std::string_view::npos && edit_distance(group, right) <= kSlip;
}

// A cluster would refuse these types; here they pass, as nothing or as what they are near to.
void warn_of_type(const TypeMeta& type, const Field& root) {
  const std::string_view group_name = group_of(type.api_version);
  const Group* const group = find_group(group_name);
  const auto has = [](std::span<const std::string_view> words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  const auto of_kind = std::find_if(kReaders.begin(), kReaders.end(),
                                    [&](const Reader& reader) { return reader.name == type.kind; });
  if (group == nullptr) {
    if (of_kind == kReaders.end() || !is_meant(group_name, of_kind->group)) return;
    return root["apiVersion"].warn(shown(type.api_version) + " is not a version of " + type.kind +
                                   ", so it is not read; did you mean '" +
                                   api_version_of(of_kind->group, "v1") + "'?");
  }
  if (has(group->kinds, type.kind)) {
    if (has(group->versions, version_of(type.api_version))) return;
    return root["apiVersion"].warn(shown(type.api_version) + " is not a version of " + type.kind +
                                   "; it is read as '" +
                                   api_version_of(group_name, group->versions.front()) + "'");
  }
  std::string what =
      shown(type.kind) + " is not a kind of " + type.api_version + ", so it is not read";
  if (of_kind != kReaders.end()) {
    what += "; " + type.kind + " is one of " + api_version_of(of_kind->group, "v1");
  } else if (const auto near = near_word(type.kind, group->kinds)) {
    what += "; did you mean '" + std::string(*near) + "'?";
  }
  root["kind"].warn(what);
}

TypeMeta element_type(const TypeMeta& list) {
  if (list.kind == "List" || !list.kind.ends_with("List")) return {};
  return {list.api_version, list.kind.substr(0, list.kind.size() - 4)};
}

TypeMeta type_of(const YamlNode& node) {
  return {plain_text(&node, "apiVersion"), plain_text(&node, "kind")};
}

void read_into(const YamlNode& node, const TypeMeta& fallback, const std::string& file,
               const ReadOptions& options, std::vector<ReadObject>& results);

// A List of any type; its elements may lack kind and apiVersion, as the API writes them.
void read_list(const YamlNode& node, const TypeMeta& type, const std::string& file,
               const ReadOptions& options, std::vector<ReadObject>& results) {
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
    read_into(*item, element_type(type), file, options, results);
  }
}

// Is it a List, and no kind of somebody's own whose name ends so?
bool is_list(const YamlNode& node, const TypeMeta& type) {
  return type.kind == "List" || (type.kind.ends_with("List") && node.find("spec") == nullptr);
}

// Does it hold objects that want to be read?
bool holds_objects(const YamlNode& sequence) {
  return std::any_of(sequence.children.begin(), sequence.children.end(), [](const auto& child) {
    return child->find("apiVersion") != nullptr && child->find("kind") != nullptr;
  });
}

void read_into(const YamlNode& node, const TypeMeta& fallback, const std::string& file,
               const ReadOptions& options, std::vector<ReadObject>& results) {
  ReadObject result;
  if (node.is_sequence() && fallback.kind.empty() && !holds_objects(node)) {
    result.foreign = true;
    result.warnings.push_back({node.mark, "a list without a Kubernetes object; ignored"});
    results.push_back(std::move(result));
    return;
  }
  if (!node.is_map()) {
    result.errors.push_back(
        {node.mark, node.is_sequence()
                        ? "a bare list; write its objects one by one, or as the items of a List"
                        : "a Kubernetes object must be a map with apiVersion, kind and metadata"});
    results.push_back(std::move(result));
    return;
  }
  TypeMeta type = type_of(node);
  if (type.api_version.empty()) type.api_version = fallback.api_version;
  if (type.kind.empty()) type.kind = fallback.kind;
  result.kind = type.kind;
  if (type.kind.empty() && type.api_version.empty()) {
    // A values.yaml or kustomization.yaml in the folder is no reason to stop.
    result.foreign = true;
    result.warnings.push_back({node.mark,
                               "no apiVersion and no kind: not a Kubernetes object; "
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
  if (is_list(node, type)) return read_list(node, type, file, options, results);

  ManifestObject object{{}, node.mark};
  const Field root(&node, node.mark, "", result);
  if (const Kind* const row = find_row(options, type.kind, type.api_version)) {
    result.kind = row->qualified_name();
    object.body = make_body(read_by_row(*row, root, type.api_version));
  } else if (const auto of_gateways = gateway_kind(type.kind, group_of(type.api_version))) {
    warn_of_type(type, root);
    object.body = read_gateway_object(root, node, *of_gateways, file);
  } else {
    warn_of_type(type, root);
    const Reader* const reader = find_reader(type.kind, type.api_version);
    object.body = reader == nullptr ? make_body(read_other(node, type.api_version, type.kind, file))
                                    : reader->read(root, options);
  }
  result.key = key_of(object.body);
  if (result.errors.empty()) result.object = std::move(object);
  results.push_back(std::move(result));
}

}  // namespace

ObjectKey read_object_key(const Field& object) {
  return read_key(object["metadata"], is_dns_subdomain, kDnsSubdomainRule);
}

std::vector<ReadObject> read_objects(const YamlNode& node, const YamlNode* list,
                                     const std::string& file, const ReadOptions& options) {
  std::vector<ReadObject> results;
  read_into(node, list == nullptr ? TypeMeta{} : element_type(type_of(*list)), file, options,
            results);
  return results;
}

}  // namespace clusterdns::registry
