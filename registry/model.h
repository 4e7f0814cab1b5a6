// What the cluster is: slim copies of Kubernetes objects, with only the fields that names need.
//
// All are plain values. Names and namespaces are lower-case as Kubernetes enforces them; a source
// rejects objects whose names are not valid DNS labels (RFC 1123; a Service name RFC 1035).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "registry/ip_address.h"

namespace clusterdns::registry {

// Sorted by key, each key once.
using Labels = std::vector<std::pair<std::string, std::string>>;

// namespace/name. For a Namespace object `ns` is empty.
struct ObjectKey {
  std::string ns;
  std::string name;
  friend bool operator==(const ObjectKey&, const ObjectKey&) = default;
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};

struct ObjectKeyHash {
  std::size_t operator()(const ObjectKey& key) const noexcept;
};

enum class Protocol : std::uint8_t { Tcp, Udp, Sctp };

// "TCP", "UDP", "SCTP".
[[nodiscard]] const char* to_string(Protocol protocol) noexcept;

enum class ServiceType : std::uint8_t { ClusterIP, NodePort, LoadBalancer, ExternalName };

[[nodiscard]] const char* to_string(ServiceType type) noexcept;

// core/v1 ServicePort. `target_port` is a number, or the name of a container port, or both empty
// (then it equals `port`).
struct ServicePort {
  std::string name;  // empty: unnamed
  Protocol protocol = Protocol::Tcp;
  std::uint16_t port = 0;
  std::uint16_t target_port = 0;      // 0: not a number
  std::string target_port_name;       // empty: not a name
  std::uint16_t node_port = 0;        // 0: none
  friend bool operator==(const ServicePort&, const ServicePort&) = default;
};

// core/v1 Service.
struct Service {
  ObjectKey key;
  ServiceType type = ServiceType::ClusterIP;
  bool headless = false;                // clusterIP: None
  bool publish_not_ready_addresses = false;
  std::vector<IpAddress> cluster_ips;   // empty when headless or ExternalName; at most one a family
  std::vector<ServicePort> ports;
  std::string external_name;            // ExternalName only; without trailing dot
  Labels labels;
  Labels selector;
  std::vector<IpAddress> external_ips;       // spec.externalIPs
  std::vector<IpAddress> load_balancer_ips;  // status.loadBalancer.ingress[].ip
  friend bool operator==(const Service&, const Service&) = default;
};

// What few endpoints need; shared so that an endpoint without it costs one pointer.
struct EndpointDetail {
  std::string hostname;     // becomes the endpoint's label
  std::string target_name;  // targetRef.name, for `endpoint_pod_names`
  std::string zone;         // topology zone
  friend bool operator==(const EndpointDetail&, const EndpointDetail&) = default;
};

// One address of one endpoint. An API endpoint with several addresses becomes several of these.
struct Endpoint {
  IpAddress address;
  bool ready = true;  // conditions.ready; absent means ready
  std::shared_ptr<const EndpointDetail> detail;  // may be null
  friend bool operator==(const Endpoint& a, const Endpoint& b) {
    return a.address == b.address && a.ready == b.ready &&
           (a.detail == b.detail || (a.detail && b.detail && *a.detail == *b.detail));
  }
};

struct EndpointPort {
  std::string name;  // empty: unnamed
  Protocol protocol = Protocol::Tcp;
  std::uint16_t port = 0;  // 0: the slice names no number, so there is no SRV for it
  friend bool operator==(const EndpointPort&, const EndpointPort&) = default;
};

// discovery.k8s.io/v1 EndpointSlice (a core/v1 Endpoints subset becomes one too).
struct EndpointSlice {
  ObjectKey key;
  std::string service;  // label kubernetes.io/service-name; same namespace
  std::vector<EndpointPort> ports;
  std::vector<Endpoint> endpoints;
  friend bool operator==(const EndpointSlice&, const EndpointSlice&) = default;
};

// core/v1 Pod.
struct Pod {
  ObjectKey key;
  std::vector<IpAddress> ips;
  Labels labels;
  friend bool operator==(const Pod&, const Pod&) = default;
};

// core/v1 Namespace.
struct Namespace {
  std::string name;
  Labels labels;
  friend bool operator==(const Namespace&, const Namespace&) = default;
};

}  // namespace clusterdns::registry
