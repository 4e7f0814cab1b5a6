// The objects that say which hosts a gateway accepts, where they are routed, and at which addresses
// the gateway is reached: Istio's, Ingress and the Gateway API's.
//
// Plain values, read by registry/manifests and registry/kubernetes. Hosts are as in
// registry/gateway_host.h. Immutable once they are in an ObjectSet.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "registry/ip_address.h"
#include "registry/model.h"
#include "registry/selector.h"

namespace clusterdns::registry::gateways {

inline constexpr std::string_view kIstioGroup = "networking.istio.io";
inline constexpr std::string_view kIngressGroup = "networking.k8s.io";
inline constexpr std::string_view kGatewayGroup = "gateway.networking.k8s.io";
// By which the Service of a Gateway of the Gateway API is known.
inline constexpr std::string_view kGatewayNameLabel = "gateway.networking.k8s.io/gateway-name";

enum class Kind : std::uint8_t {
  IstioGateway,
  VirtualService,
  DestinationRule,
  ServiceEntry,
  Sidecar,
  Ingress,
  Gateway,  // of the Gateway API
  HttpRoute,
  GrpcRoute,
  TlsRoute,
  ListenerSet,  // kept, not read
};
inline constexpr std::size_t kKinds = 11;

struct KindNames {
  std::string_view kind, group;
};
[[nodiscard]] KindNames names_of(Kind kind) noexcept;
[[nodiscard]] constexpr bool is_route(Kind kind) noexcept {
  return kind == Kind::HttpRoute || kind == Kind::GrpcRoute || kind == Kind::TlsRoute;
}

// Where an object was read; an empty file: from the API.
struct Place {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

// Addresses, and names of load balancers (small letters, no trailing dot).
struct Targets {
  std::vector<IpAddress> addresses;
  std::vector<std::string> names;
  [[nodiscard]] bool empty() const noexcept { return addresses.empty() && names.empty(); }
  friend bool operator==(const Targets&, const Targets&) = default;
};

struct Object {
  explicit Object(Kind its_kind) : kind(its_kind) {}
  Object(const Object&) = default;
  Object& operator=(const Object&) = default;
  virtual ~Object() = default;

  Kind kind;
  ObjectKey key;
  Place place;
  std::string created;        // metadata.creationTimestamp; empty in hand-written manifests
  std::uint64_t content = 0;  // a hash of all that was read: equal ones are the same object
};
using ObjectPointer = std::shared_ptr<const Object>;

// A host of an Istio Gateway's server, `[ns/]host`: `ns` is whose VirtualServices may bind to it;
// empty: anybody's, ".": the Gateway's own namespace.
struct ScopedHost {
  std::string ns;
  std::string host;
};

struct IstioServer {
  std::uint16_t port = 0;
  std::string port_name;
  std::string protocol;  // in capitals
  std::string tls_mode;  // in capitals; empty: none
  std::vector<ScopedHost> hosts;
};

struct IstioGateway final : Object {
  static constexpr Kind kKind = Kind::IstioGateway;
  IstioGateway() : Object(kKind) {}
  Labels selector;
  std::vector<IstioServer> servers;
  Targets targets;      // annotation …/target
  std::string ingress;  // annotation …/ingress: [ns/]name
};

// Where a rule sends what it matches.
struct Destination {
  std::string host;  // as written, small letters
  std::string subset;
  std::uint16_t port = 0;    // 0: none is named
  std::int32_t weight = -1;  // -1: none is written
};

enum class RuleType : std::uint8_t { Http, Tls, Tcp };
[[nodiscard]] const char* to_string(RuleType type) noexcept;

struct VirtualServiceRule {
  RuleType type = RuleType::Http;
  std::vector<Destination> destinations;
  std::vector<Destination> mirrors;  // where copies of the requests go
};

struct VirtualService final : Object {
  static constexpr Kind kKind = Kind::VirtualService;
  VirtualService() : Object(kKind) {}
  std::vector<std::string> hosts;      // as written; completed by host_of()
  std::vector<std::string> gateways;   // `gw`, `ns/gw`, `mesh`
  std::vector<std::string> export_to;  // `.`, `*`, namespaces; empty: everywhere
  std::vector<VirtualServiceRule> rules;
};

struct Subset {
  std::string name;
  Labels labels;
};

struct DestinationRule final : Object {
  static constexpr Kind kKind = Kind::DestinationRule;
  DestinationRule() : Object(kKind) {}
  std::string host;  // as written, small letters
  std::vector<Subset> subsets;
};

struct EntryPort {
  std::uint16_t number = 0;
  std::string name;
};

struct ServiceEntry final : Object {
  static constexpr Kind kKind = Kind::ServiceEntry;
  ServiceEntry() : Object(kKind) {}
  std::vector<std::string> hosts;
  std::vector<IpAddress> addresses;  // those that are not ranges
  bool is_static = false;            // resolution: STATIC
  std::vector<IpAddress> endpoints;
  std::vector<EntryPort> ports;
};

struct Sidecar final : Object {
  static constexpr Kind kKind = Kind::Sidecar;
  Sidecar() : Object(kKind) {}
  std::vector<ScopedHost> egress;  // `ns` as written: a namespace, `*`, `.` or `~`
};

struct Backend {
  ObjectKey service;
  std::uint16_t port = 0;  // 0: see port_name
  std::string port_name;
  std::int32_t weight = -1;
};

struct IngressRule {
  std::string host;  // empty: all hosts
  std::vector<Backend> backends;
};

struct Ingress final : Object {
  static constexpr Kind kKind = Kind::Ingress;
  Ingress() : Object(kKind) {}
  std::string class_name;  // empty: none
  std::vector<IngressRule> rules;
  Targets targets;  // annotation …/target
  Targets status;   // status.loadBalancer.ingress
};

struct Listener {
  std::string name;
  std::string hostname;  // empty: all
  std::uint16_t port = 0;
  std::string protocol;  // HTTP, HTTPS, TLS, …
  enum class From : std::uint8_t { Same, All, Selector, None };
  From from = From::Same;
  LabelSelector namespaces;        // From::Selector
  std::vector<std::string> kinds;  // allowedRoutes.kinds; empty: those of the protocol
};

struct Gateway final : Object {
  static constexpr Kind kKind = Kind::Gateway;
  Gateway() : Object(kKind) {}
  std::string class_name;
  std::vector<Listener> listeners;
  Targets targets;  // annotation …/target
  Targets status;   // status.addresses
  Targets spec;     // spec.addresses
};

struct ParentRef {
  std::string group{kGatewayGroup};
  std::string kind = "Gateway";
  ObjectKey gateway;
  std::string section;     // empty: all listeners
  std::uint16_t port = 0;  // 0: all
};

// What the controller said of one parent.
struct ParentStatus {
  ParentRef ref;
  bool accepted = false;
  std::string reason;
};

// HTTPRoute, GRPCRoute and TLSRoute.
struct Route final : Object {
  explicit Route(Kind its_kind = Kind::HttpRoute) : Object(its_kind) {}
  std::vector<std::string> hostnames;
  std::vector<ParentRef> parents;
  std::vector<ParentStatus> status;
  std::vector<std::vector<Backend>> rules;
};

struct ListenerSet final : Object {
  static constexpr Kind kKind = Kind::ListenerSet;
  ListenerSet() : Object(kKind) {}
  ObjectKey gateway;                // spec.parentRef
  std::vector<Listener> listeners;  // only to tell whose host it would be
};

// The object as what its kind says it is.
template <typename T>
[[nodiscard]] const T& as(const Object& object) noexcept {
  return static_cast<const T&>(object);
}

// Octets that an object keeps, more or less.
[[nodiscard]] std::size_t octets_of(const Object& object) noexcept;

// A host of a VirtualService, or of a destination: one without a dot is completed with the
// namespace, as Istio does, at gateways too. `zone` is the cluster's, without trailing dot.
[[nodiscard]] std::string host_of(std::string_view written, std::string_view ns,
                                  std::string_view zone);

// The Service that `host` is a name of: <name>.<ns>.svc.<zone>; empty when it is none's.
[[nodiscard]] ObjectKey service_of(std::string_view host, std::string_view zone);

// `gw` or `ns/gw` as a VirtualService of `ns` names it.
[[nodiscard]] ObjectKey gateway_key(std::string_view written, std::string_view ns);

}  // namespace clusterdns::registry::gateways
