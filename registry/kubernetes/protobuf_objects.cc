// The API's objects in protobuf. Field numbers: the generated.proto files of k8s.io/api (core/v1,
// discovery/v1) and k8s.io/apimachinery (meta/v1). Protobuf never gives a number a new meaning.
#include <vector>

#include "registry/kubernetes/api_object.h"
#include "registry/kubernetes/protobuf.h"

namespace clusterdns::registry::kubernetes {
namespace {

using Octets = std::span<const std::uint8_t>;

struct Read {
  const ReadOptions& options;
  Kind kind;
  ApiObject& object;
  Labels labels;
  std::string service_name;
};

// A map entry: key 1, value 2.
bool read_entry(Octets data, std::string_view& key, std::string_view& value) {
  ProtoReader r(data);
  while (r.next()) {
    if (r.field() == 1) key = r.text();
    if (r.field() == 2) value = r.text();
  }
  return r.ok();
}

bool read_metadata(Octets data, Read& read) {
  ProtoReader r(data);
  while (r.next()) {
    switch (r.field()) {
      case 1: read.object.key.name = r.text(); break;
      case 3: read.object.key.ns = r.text(); break;
      case 6: read.object.resource_version = r.text(); break;
      case 9: read.object.terminating = true; break;
      case 11:
      case 12: {
        std::string_view key, value;
        if (!read_entry(r.bytes(), key, value)) return false;
        if (r.field() == 11) {
          parts::add_label(read.kind, read.options, key, value, read.object, read.labels,
                           read.service_name);
        } else {
          parts::add_annotation(key, value, read.object);
        }
        break;
      }
      default: break;
    }
  }
  return r.ok();
}

bool read_service_port(Octets data, Service& service) {
  ServicePort port;
  ProtoReader r(data);
  while (r.next()) {
    switch (r.field()) {
      case 1: port.name = r.text(); break;
      case 2: port.protocol = parts::protocol_of(r.text()); break;
      case 3: port.port = static_cast<std::uint16_t>(r.value()); break;
      default: break;
    }
  }
  service.ports.push_back(std::move(port));
  return r.ok();
}

void add_address(std::string_view text, std::vector<IpAddress>& to) {
  if (const auto ip = IpAddress::parse(text)) to.push_back(*ip);
}

bool read_service_spec(Octets data, Service& service) {
  parts::RawService raw;
  ProtoReader r(data);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        if (!read_service_port(r.bytes(), service)) return false;
        break;
      case 3: raw.cluster_ip = r.text(); break;
      case 4: raw.type = r.text(); break;
      case 5: add_address(r.text(), service.external_ips); break;
      case 10: raw.external_name = r.text(); break;
      case 13: raw.publish_not_ready = r.value() != 0; break;
      case 18: add_address(r.text(), service.cluster_ips); break;
      default: break;
    }
  }
  parts::finish_service(raw, service);
  return r.ok();
}

// ServiceStatus.loadBalancer (1) . ingress (1) . ip (1)
bool read_service_status(Octets data, Service& service) {
  ProtoReader status(data);
  while (status.next()) {
    if (status.field() != 1) continue;
    ProtoReader balancer(status.bytes());
    while (balancer.next()) {
      if (balancer.field() != 1) continue;
      ProtoReader ingress(balancer.bytes());
      while (ingress.next()) {
        if (ingress.field() == 1) add_address(ingress.text(), service.load_balancer_ips);
      }
      if (!ingress.ok()) return false;
    }
    if (!balancer.ok()) return false;
  }
  return status.ok();
}

bool read_endpoint(Octets data, const ReadOptions& options, EndpointSlice& slice,
                   std::vector<std::string_view>& addresses) {
  parts::RawEndpoint raw;
  addresses.clear();
  ProtoReader r(data);
  while (r.next()) {
    switch (r.field()) {
      case 1: addresses.push_back(r.text()); break;
      case 2: {
        ProtoReader conditions(r.bytes());
        while (conditions.next()) {
          if (conditions.field() == 1) raw.ready = conditions.value() != 0;
        }
        if (!conditions.ok()) return false;
        break;
      }
      case 3: raw.hostname = r.text(); break;
      case 4: {
        if (!options.target_names) break;
        ProtoReader reference(r.bytes());
        while (reference.next()) {
          if (reference.field() == 3) raw.target_name = reference.text();
        }
        if (!reference.ok()) return false;
        break;
      }
      case 7: raw.zone = r.text(); break;
      default: break;
    }
  }
  if (!r.ok()) return false;
  parts::add_endpoint(raw, addresses, options, slice);
  return true;
}

bool read_endpoint_port(Octets data, EndpointSlice& slice) {
  EndpointPort port;
  ProtoReader r(data);
  while (r.next()) {
    switch (r.field()) {
      case 1: port.name = r.text(); break;
      case 2: port.protocol = parts::protocol_of(r.text()); break;
      case 3: port.port = static_cast<std::uint16_t>(r.value()); break;
      default: break;
    }
  }
  slice.ports.push_back(std::move(port));
  return r.ok();
}

bool read_pod_status(Octets data, Pod& pod) {
  ProtoReader r(data);
  while (r.next()) {
    if (r.field() != 12) continue;
    ProtoReader ip(r.bytes());
    while (ip.next()) {
      if (ip.field() == 1) add_address(ip.text(), pod.ips);
    }
    if (!ip.ok()) return false;
  }
  return r.ok();
}

bool read_body(ProtoReader& r, Read& read, std::vector<std::string_view>& scratch) {
  switch (read.kind) {
    case Kind::Services: {
      auto& service = std::get<Service>(read.object.body);
      if (r.field() == 2) return read_service_spec(r.bytes(), service);
      if (r.field() == 3) return read_service_status(r.bytes(), service);
      return true;
    }
    case Kind::EndpointSlices: {
      auto& slice = std::get<EndpointSlice>(read.object.body);
      if (r.field() == 2) return read_endpoint(r.bytes(), read.options, slice, scratch);
      if (r.field() == 3) return read_endpoint_port(r.bytes(), slice);
      return true;
    }
    case Kind::Pods:
      return r.field() != 3 || read_pod_status(r.bytes(), std::get<Pod>(read.object.body));
    case Kind::Namespaces:
    case Kind::ServiceImports:
      return true;
  }
  return true;
}

}  // namespace

bool read_protobuf(Kind kind, std::span<const std::uint8_t> data, const ReadOptions& options,
                   ApiObject& object) {
  switch (kind) {
    case Kind::Services: object.body.emplace<Service>(); break;
    case Kind::EndpointSlices: object.body.emplace<EndpointSlice>(); break;
    case Kind::Namespaces: object.body.emplace<Namespace>(); break;
    case Kind::Pods: object.body.emplace<Pod>(); break;
    case Kind::ServiceImports: return false;  // custom resources are served as JSON only
  }
  Read read{options, kind, object, {}, {}};
  std::vector<std::string_view> scratch;
  ProtoReader r(data);
  while (r.next()) {
    if (!(r.field() == 1 ? read_metadata(r.bytes(), read) : read_body(r, read, scratch))) {
      return false;
    }
  }
  if (!r.ok()) return false;
  parts::finish(kind, object, std::move(read.labels), std::move(read.service_name));
  return true;
}

}  // namespace clusterdns::registry::kubernetes
