#include "registry/kubernetes/api_object.h"

#include <algorithm>

#include "registry/selector.h"
#include "registry/validation.h"

namespace clusterdns::registry::kubernetes {

std::string_view to_string(Kind kind) noexcept {
  switch (kind) {
    case Kind::Services: return "services";
    case Kind::EndpointSlices: return "endpointslices";
    case Kind::Namespaces: return "namespaces";
    case Kind::Pods: return "pods";
    case Kind::ServiceImports: return "serviceimports";
  }
  return "services";
}

bool read_object(Encoding encoding, Kind kind, std::span<const std::uint8_t> data,
                 const ReadOptions& options, ApiObject& object) {
  return encoding == Encoding::Protobuf ? read_protobuf(kind, data, options, object)
                                        : read_json(kind, data, options, object);
}

namespace parts {

void add_label(Kind kind, const ReadOptions& options, std::string_view key, std::string_view value,
               ApiObject& object, Labels& labels, std::string& service_name) {
  if (kind == Kind::EndpointSlices) {
    if (key == kServiceNameLabel) service_name = value;
    if (key == kImportNameLabel) object.import_name = value;
    if (key == kSourceClusterLabel) object.import_cluster = value;
    return;
  }
  const bool wanted = kind == Kind::Namespaces ? options.namespace_labels : options.labels;
  if (wanted) labels.emplace_back(key, value);
}

void add_annotation(std::string_view key, std::string_view value, ApiObject& object) {
  if (key == kTriggerTimeAnnotation) object.change_trigger_time = value;
  if (key == kInitialEventsEnd) object.initial_events_end = value == "true";
}

Protocol protocol_of(std::string_view text) noexcept {
  return text == "UDP" ? Protocol::Udp : text == "SCTP" ? Protocol::Sctp : Protocol::Tcp;
}

void finish_service(const RawService& raw, Service& service) {
  service.type = raw.type == "ExternalName"   ? ServiceType::ExternalName
                 : raw.type == "NodePort"     ? ServiceType::NodePort
                 : raw.type == "LoadBalancer" ? ServiceType::LoadBalancer
                                              : ServiceType::ClusterIP;
  service.headless = raw.cluster_ip == "None";
  service.publish_not_ready_addresses = raw.publish_not_ready;
  if (service.type == ServiceType::ExternalName) {
    std::string_view name = raw.external_name;
    if (name.ends_with('.')) name.remove_suffix(1);
    service.external_name = name;
    service.cluster_ips.clear();
    service.headless = false;
  } else if (service.cluster_ips.empty() && !service.headless) {
    // API servers before dual stack have only the one.
    if (const auto ip = IpAddress::parse(raw.cluster_ip)) service.cluster_ips.push_back(*ip);
  }
}

void add_endpoint(const RawEndpoint& raw, std::span<const std::string_view> addresses,
                  const ReadOptions& options, EndpointSlice& slice) {
  std::shared_ptr<const EndpointDetail> detail;
  const std::string_view target = options.target_names ? raw.target_name : std::string_view();
  const std::string_view zone = options.zones ? raw.zone : std::string_view();
  if (!raw.hostname.empty() || !target.empty() || !zone.empty()) {
    const EndpointDetail* const last =
        slice.endpoints.empty() ? nullptr : slice.endpoints.back().detail.get();
    // Endpoints in a row are often of one zone and nothing else.
    if (last != nullptr && last->hostname == raw.hostname && last->target_name == target &&
        last->zone == zone) {
      detail = slice.endpoints.back().detail;
    } else {
      detail = std::make_shared<const EndpointDetail>(EndpointDetail{
          std::string(raw.hostname), std::string(target), std::string(zone), {}});
    }
  }
  for (const std::string_view text : addresses) {
    if (const auto address = IpAddress::parse(text)) {
      slice.endpoints.push_back({*address, raw.ready, detail});
    }
  }
}

void finish(Kind kind, ApiObject& object, Labels&& labels, std::string&& service_name) {
  const ObjectKey& key = object.key;
  if (key.name.empty()) {
    // A bookmark has a resourceVersion and nothing else.
    object.body = std::monostate{};
    return;
  }
  const bool namespaced = kind != Kind::Namespaces;
  const bool label_name = kind == Kind::Services || kind == Kind::Namespaces ||
                          kind == Kind::ServiceImports;
  if (label_name ? !is_dns_label(key.name) : !is_dns_subdomain(key.name)) {
    object.problem = "'" + key.name + "' is not " +
                     std::string(label_name ? kDnsLabelRule : kDnsSubdomainRule);
  } else if (namespaced && !is_dns_label(key.ns)) {
    object.problem = "the namespace '" + key.ns + "' is not " + std::string(kDnsLabelRule);
  }
  normalize(labels);
  switch (kind) {
    case Kind::Services:
    case Kind::ServiceImports: {
      auto& service = std::get<Service>(object.body);
      service.key = key;
      service.labels = std::move(labels);
      break;
    }
    case Kind::EndpointSlices: {
      auto& slice = std::get<EndpointSlice>(object.body);
      slice.key = key;
      slice.service = std::move(service_name);
      if (!slice.service.empty() && !is_dns_label(slice.service)) {
        object.problem = "the service '" + slice.service + "' is not " + std::string(kDnsLabelRule);
      }
      break;
    }
    case Kind::Namespaces: {
      auto& ns = std::get<Namespace>(object.body);
      ns.name = key.name;
      ns.labels = std::move(labels);
      break;
    }
    case Kind::Pods: {
      auto& pod = std::get<Pod>(object.body);
      pod.key = key;
      pod.labels = std::move(labels);
      break;
    }
  }
}

}  // namespace parts
}  // namespace clusterdns::registry::kubernetes
