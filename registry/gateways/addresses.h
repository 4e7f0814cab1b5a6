// At which addresses what claims a host is reached. Pure functions of the store.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "registry/gateways/plan.h"
#include "registry/store.h"

namespace clusterdns::registry::gateways {

// Addresses of one host in all; resolvers ask by TCP for the rest long before.
inline constexpr std::size_t kMaxHostAddresses = 64;

// Where addresses were found.
enum class AddressSource : std::uint8_t {
  None,
  Annotation,    // …/target
  OtherIngress,  // …/ingress
  ExternalIps,   // of a Service
  LoadBalancer,  // of a Service
  HostIps,       // of pods behind a Service
  Status,        // of an Ingress or Gateway
  Spec,          // of a Gateway
  Endpoints,     // of a headless Service, or of a ServiceEntry
  Entry,         // a ServiceEntry's addresses
  Option,        // `ingress ADDRESS`
};

struct Resolved {
  std::vector<IpAddress> addresses;  // in order, each once
  std::string alias;                 // a load balancer's name; only without addresses
  std::vector<IpAddress> inside;     // cluster IPs of the Services that give the addresses
  AddressSource source = AddressSource::None;
  // The Services found for it: those that give addresses, or all when none does.
  std::vector<ObjectKey> services;
  ObjectKey ingress;  // AddressSource::OtherIngress: that one
  std::string
      missing;  // without address and alias: what is missing, in ASCII, with the object's name
};

// `Gateway istio-system/web`, for messages.
[[nodiscard]] std::string describe(const Provider& provider);

// Finds addresses. What it looks up in the store is kept from the first question on: make a new one
// when the store has changed.
class AddressFinder {
 public:
  // `gateways`: those whose Services may be asked for; all of the store's when empty.
  AddressFinder(const Store& store, std::vector<IpAddress> ingress)
      : store_(store), ingress_(std::move(ingress)) {}

  [[nodiscard]] Resolved find(const Provider& provider);

  // The Services that an Istio Gateway's selector leads to, in order.
  [[nodiscard]] std::vector<const Service*> services_of(const IstioGateway& gateway);
  // The Services labelled with the name of a Gateway of the Gateway API.
  [[nodiscard]] std::vector<const Service*> services_of(const Gateway& gateway);

 private:
  void add_services(const std::vector<const Service*>& services, Resolved& result);
  void add_options(Resolved& result) const;
  [[nodiscard]] Resolved of(const IstioGateway& gateway);
  [[nodiscard]] Resolved of(const Gateway& gateway);
  [[nodiscard]] Resolved of(const Ingress& ingress, bool with_options) const;
  [[nodiscard]] Resolved of(const ServiceEntry& entry) const;
  [[nodiscard]] Resolved of(const ObjectKey& service);
  [[nodiscard]] std::vector<IpAddress> host_ips(const Service& service) const;
  void index();

  const Store& store_;
  const std::vector<IpAddress> ingress_;
  bool indexed_ = false;
  // Services found for each selector that some Gateway has.
  std::map<Labels, std::vector<const Service*>> by_selector_;
  std::map<ObjectKey, std::vector<const Service*>> by_gateway_name_;
};

}  // namespace clusterdns::registry::gateways
