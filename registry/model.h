// What the cluster is: slim copies of Kubernetes objects, with only the fields that names need.
//
// All are plain values. Names and namespaces are lower-case as Kubernetes enforces them; a source
// leaves out objects whose names the API server would not take (registry/validation.h). Hostnames,
// target names and clusters of endpoints are DNS labels or empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "registry/ip_address.h"

namespace clusterdns::registry {

struct Kind;         // registry/kind.h
class ObjectReader;  // registry/members.h
class ObjectWriter;

// Sorted by key, each key once.
using Labels = std::vector<std::pair<std::string, std::string>>;

// namespace/name. For a Namespace object `ns` is empty.
struct ObjectKey {
  std::string ns;
  std::string name;
  friend bool operator==(const ObjectKey&, const ObjectKey&) = default;
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
  static auto members(auto& self) { return std::tie(self.ns, self.name); }
};

// A key that refers to somebody else's texts.
struct KeyView {
  std::string_view ns;
  std::string_view name;
  friend bool operator==(const KeyView&, const KeyView&) = default;
  friend auto operator<=>(const KeyView&, const KeyView&) = default;
};

[[nodiscard]] inline KeyView key_view(const ObjectKey& key) noexcept { return {key.ns, key.name}; }
// Of an object whose `key` is a member.
template <class T>
[[nodiscard]] KeyView key_view(const T& object) noexcept {
  return key_view(object.key);
}

[[nodiscard]] std::size_t hash_of(std::string_view ns, std::string_view name) noexcept;

struct ObjectKeyHash {
  std::size_t operator()(const ObjectKey& key) const noexcept;
};

enum class Protocol : std::uint8_t { Tcp, Udp, Sctp };

// "TCP", "UDP", "SCTP".
[[nodiscard]] const char* to_string(Protocol protocol) noexcept;

enum class ServiceType : std::uint8_t { ClusterIP, NodePort, LoadBalancer, ExternalName };

[[nodiscard]] const char* to_string(ServiceType type) noexcept;

// The last enumerator, so that one that is read can be checked. Enumerators count from 0.
template <class Enum>
inline constexpr Enum kLastOf = Enum::kLastOfIsToBeSpecialized;
template <>
inline constexpr Protocol kLastOf<Protocol> = Protocol::Sctp;
template <>
inline constexpr ServiceType kLastOf<ServiceType> = ServiceType::ExternalName;

// metadata.creationTimestamp in seconds since 1970, UTC; 0: nobody says, as in manifests that
// people write.
using Created = std::uint32_t;
// Of a time as RFC 3339 has it; 0 when it is none, or is not within the years 1970 to 2105.
[[nodiscard]] Created parse_created(std::string_view text) noexcept;
// `2026-01-31T12:00:00Z`; empty for 0.
[[nodiscard]] std::string created_text(Created created);

// core/v1 ServicePort. `target_port` is a number, or the name of a container port, or both empty
// (then it equals `port`).
struct ServicePort {
  std::string name;  // empty: unnamed
  Protocol protocol = Protocol::Tcp;
  std::uint16_t port = 0;
  std::uint16_t target_port = 0;  // 0: not a number
  std::string target_port_name;   // empty: not a name
  std::uint16_t node_port = 0;    // 0: none
  friend bool operator==(const ServicePort&, const ServicePort&) = default;
  static auto members(auto& self) {
    return std::tie(self.name, self.protocol, self.port, self.target_port, self.target_port_name,
                    self.node_port);
  }
};

// ServicePort.appProtocol of one port: few have it.
struct AppProtocol {
  std::uint16_t port = 0;
  Protocol protocol = Protocol::Tcp;
  std::string name;  // as written
  friend bool operator==(const AppProtocol&, const AppProtocol&) = default;
  static auto members(auto& self) { return std::tie(self.port, self.protocol, self.name); }
};
// Octets of one that is kept: what Kubernetes lets it have, a DNS subdomain, '/' and a name.
inline constexpr std::size_t kMaxAppProtocol = 253 + 1 + 63;

// What few Services have: names outside the cluster, and what gateways are told of their ports
// (registry/gateways). Hosts and names in small letters, without trailing dot.
struct ServiceDetail {
  std::vector<std::string> hosts;     // annotation …/hostname of external-dns
  std::vector<IpAddress> target_ips;  // annotation …/target
  std::vector<std::string> target_names;
  std::vector<std::string> balancer_names;  // status.loadBalancer.ingress[].hostname
  std::vector<AppProtocol> app_protocols{};
  friend bool operator==(const ServiceDetail&, const ServiceDetail&) = default;
  static auto members(auto& self) {
    return std::tie(self.hosts, self.target_ips, self.target_names, self.balancer_names,
                    self.app_protocols);
  }
};

// A pointer to what may be shared, equal when what it points to is.
template <typename Detail>
struct DetailPointer {
  std::shared_ptr<const Detail> pointer{};
  explicit operator bool() const noexcept { return pointer != nullptr; }
  const Detail* operator->() const noexcept { return pointer.get(); }
  const Detail& operator*() const noexcept { return *pointer; }
  friend bool operator==(const DetailPointer& a, const DetailPointer& b) {
    return a.pointer == b.pointer || (a.pointer && b.pointer && *a.pointer == *b.pointer);
  }
  static auto members(auto& self) { return std::tie(self.pointer); }
};
template <typename Detail>
[[nodiscard]] DetailPointer<Detail> share_detail(Detail detail) {
  return {std::make_shared<const Detail>(std::move(detail))};
}

// core/v1 Service.
struct Service {
  ObjectKey key;
  ServiceType type = ServiceType::ClusterIP;
  bool headless = false;  // clusterIP: None
  bool publish_not_ready_addresses = false;
  Created created{};
  std::vector<IpAddress> cluster_ips;  // empty when headless or ExternalName; at most one a family
  std::vector<ServicePort> ports;
  std::string external_name;  // ExternalName only; without trailing dot
  Labels labels;
  Labels selector;
  std::vector<IpAddress> external_ips;       // spec.externalIPs
  std::vector<IpAddress> load_balancer_ips;  // status.loadBalancer.ingress[].ip
  DetailPointer<ServiceDetail> detail{};     // null: nothing of it
  friend bool operator==(const Service&, const Service&) = default;
  static auto members(auto& self) {
    return std::tie(self.key, self.type, self.headless, self.publish_not_ready_addresses,
                    self.created, self.cluster_ips, self.ports, self.external_name, self.labels,
                    self.selector, self.external_ips, self.load_balancer_ips, self.detail);
  }
};

// What few endpoints need; shared so that an endpoint without it costs one pointer.
struct EndpointDetail {
  std::string hostname;     // becomes the endpoint's label
  std::string target_name;  // targetRef.name, for `endpoint_pod_names`
  std::string zone;         // topology zone
  std::string cluster{};    // of an imported slice: the cluster it comes from
  friend bool operator==(const EndpointDetail&, const EndpointDetail&) = default;
  static auto members(auto& self) {
    return std::tie(self.hostname, self.target_name, self.zone, self.cluster);
  }
};

// One address of one endpoint. An API endpoint with several addresses becomes several of these.
struct Endpoint {
  IpAddress address;
  bool ready = true;                             // conditions.ready; absent means ready
  std::shared_ptr<const EndpointDetail> detail;  // may be null
  friend bool operator==(const Endpoint& a, const Endpoint& b) {
    return a.address == b.address && a.ready == b.ready &&
           (a.detail == b.detail || (a.detail && b.detail && *a.detail == *b.detail));
  }
};

// The endpoints of one slice. Used like a std::vector<Endpoint> whose elements are read as copies
// and not changed where they stand: a large cluster has a hundred thousand endpoints, and nearly
// all are an IPv4 address that is ready. Five octets each while all addresses are IPv4, else 17;
// details are kept beside them, and only in slices that have any.
class EndpointList {
 public:
  using value_type = Endpoint;
  using size_type = std::size_t;
  using const_reference = const Endpoint;

  class const_iterator {
   public:
    using iterator_category = std::input_iterator_tag;  // its elements are values
    using value_type = Endpoint;
    using difference_type = std::ptrdiff_t;
    using pointer = const Endpoint*;
    using reference = const Endpoint;

    const_iterator() = default;
    reference operator*() const { return (*list_)[at_]; }
    const_iterator& operator++() noexcept {
      ++at_;
      return *this;
    }
    const_iterator operator++(int) noexcept {
      const_iterator old = *this;
      ++at_;
      return old;
    }
    friend bool operator==(const const_iterator&, const const_iterator&) = default;

   private:
    friend class EndpointList;
    const_iterator(const EndpointList* list, std::size_t at) noexcept : list_(list), at_(at) {}
    const EndpointList* list_ = nullptr;
    std::size_t at_ = 0;
  };
  using iterator = const_iterator;

  EndpointList() = default;
  EndpointList(std::initializer_list<Endpoint> endpoints);
  EndpointList(const std::vector<Endpoint>& endpoints);

  void push_back(const Endpoint& endpoint);
  void reserve(std::size_t count);
  void clear() noexcept;
  void shrink_to_fit();

  [[nodiscard]] std::size_t size() const noexcept { return packed_.size() / stride(); }
  [[nodiscard]] bool empty() const noexcept { return packed_.empty(); }
  // REQUIRES: i < size(), and !empty(). Const, so that setting a field of the copy, which would be
  // lost, does not compile.
  [[nodiscard]] const Endpoint operator[](std::size_t i) const;
  [[nodiscard]] const Endpoint front() const { return (*this)[0]; }
  [[nodiscard]] const Endpoint back() const { return (*this)[size() - 1]; }
  [[nodiscard]] const_iterator begin() const noexcept { return {this, 0}; }
  [[nodiscard]] const_iterator end() const noexcept { return {this, size()}; }

  friend bool operator==(const EndpointList& a, const EndpointList& b);

  // See registry/members.h.
  friend std::size_t octets_behind(const EndpointList& list);
  friend void trim_part(EndpointList& list) { list.shrink_to_fit(); }
  friend void encode_part(ObjectWriter& to, const EndpointList& list);
  friend void decode_part(ObjectReader& from, EndpointList& list);

 private:
  // A flags octet and the address.
  static constexpr std::size_t kNarrow = 5;
  static constexpr std::size_t kWide = 17;
  [[nodiscard]] std::size_t stride() const noexcept { return wide_ ? kWide : kNarrow; }
  void put(const IpAddress& address, std::uint8_t flags);
  void widen();

  std::vector<std::uint8_t> packed_;
  std::vector<std::shared_ptr<const EndpointDetail>> details_;  // empty, or one for each endpoint
  bool wide_ = false;                                           // some address is IPv6
};

struct EndpointPort {
  std::string name;  // empty: unnamed
  Protocol protocol = Protocol::Tcp;
  std::uint16_t port = 0;  // 0: the slice names no number, so there is no SRV for it
  friend bool operator==(const EndpointPort&, const EndpointPort&) = default;
  static auto members(auto& self) { return std::tie(self.name, self.protocol, self.port); }
};

// discovery.k8s.io/v1 EndpointSlice (a core/v1 Endpoints subset becomes one too).
struct EndpointSlice {
  ObjectKey key;
  std::string service;  // label kubernetes.io/service-name; same namespace
  std::vector<EndpointPort> ports;
  EndpointList endpoints;
  friend bool operator==(const EndpointSlice&, const EndpointSlice&) = default;
  static auto members(auto& self) {
    return std::tie(self.key, self.service, self.ports, self.endpoints);
  }
};

// A port a container of a pod names; the target of a Service's `targetPort` by name.
struct ContainerPort {
  std::string name;
  Protocol protocol = Protocol::Tcp;
  std::uint16_t port = 0;
  friend bool operator==(const ContainerPort&, const ContainerPort&) = default;
  static auto members(auto& self) { return std::tie(self.name, self.protocol, self.port); }
};

// What only gateways and `explain` want to know of a pod; pods of one template share one.
struct PodDetail {
  bool ready = true;
  Created created{};
  std::vector<IpAddress> host_ips;     // of its node
  std::vector<ContainerPort> ports;    // those with names
  std::vector<std::uint16_t> numbers;  // all that its containers declare
  std::string owner{};                 // `Deployment web`: who made it, where nobody wrote it
  friend bool operator==(const PodDetail&, const PodDetail&) = default;
  static auto members(auto& self) {
    return std::tie(self.ready, self.created, self.host_ips, self.ports, self.numbers, self.owner);
  }
};

// core/v1 Pod.
struct Pod {
  static const Kind kRow;
  ObjectKey key;
  std::vector<IpAddress> ips;
  Labels labels;
  DetailPointer<PodDetail> detail{};  // null: not known
  friend bool operator==(const Pod&, const Pod&) = default;
  static auto members(auto& self) { return std::tie(self.key, self.ips, self.labels, self.detail); }
};

// core/v1 Namespace.
struct Namespace {
  static const Kind kRow;
  std::string name;
  Labels labels;
  friend bool operator==(const Namespace&, const Namespace&) = default;
  static auto members(auto& self) { return std::tie(self.name, self.labels); }
};

[[nodiscard]] inline KeyView key_view(const Namespace& ns) noexcept { return {{}, ns.name}; }

}  // namespace clusterdns::registry
