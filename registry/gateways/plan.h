// Which hosts are claimed, and by whom: Gateways that accept them, alone or for what is routed
// there, Ingresses, Services and ServiceEntries. Pure functions of the store.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "registry/gateway_objects.h"
#include "registry/store.h"

namespace clusterdns::registry::gateways {

// Hosts with their gateways in one plan. What is beyond is left out, and told.
inline constexpr std::size_t kMaxClaims = 200'000;
// Pairs of hosts that are compared for one plan: two tenants with a thousand wildcards each could
// ask for a million.
inline constexpr std::size_t kMaxComparisons = 4'000'000;

enum class SourceKind : std::uint8_t { Istio, Ingress, GatewayApi, Service, ServiceEntry };
inline constexpr std::array<std::string_view, 5> kSourceNames = {"istio", "ingress", "gateway-api",
                                                                 "service", "service-entry"};

struct PlanOptions {
  std::array<bool, 5> sources = {true, true, true, true, true};  // by SourceKind
  // ingressClassName and gatewayClassName; empty: all. An Ingress without a class always counts.
  std::vector<std::string> classes;
  std::vector<std::string> any_zones;  // for `*`; small letters, no trailing dot
  std::string zone = "cluster.local";  // the cluster's, which short hosts are completed with
  // Names at and below these are the cluster's own, and nobody's host.
  std::vector<std::string> cluster_zones;

  [[nodiscard]] bool reads(SourceKind kind) const noexcept {
    return sources[static_cast<std::size_t>(kind)];
  }
};

// What a host's addresses are those of: a Gateway of either API, an Ingress, a ServiceEntry, or a
// Service (then `object` is null).
struct Provider {
  const Object* object = nullptr;
  ObjectKey service;
};

struct Claim {
  std::string host;
  bool one_label = false;      // a wildcard of an Ingress
  std::uint32_t provider = 0;  // index
  // Who brings it: the provider itself, or a VirtualService or Route. Of several the one whose host
  // is the most specific, then the oldest, as a gateway has it.
  const Object* by = nullptr;
  std::uint16_t specific = 0;  // of the host of `by`, see specificity()
};

struct Plan {
  std::vector<Provider> providers;
  std::vector<Claim> claims;  // by host, then provider; each pair once, a route's before others
  std::size_t left_out = 0;   // claims beyond kMaxClaims or kMaxComparisons
};

// Points into the store, which must stay as it is while the plan is used.
[[nodiscard]] Plan make_plan(const Store& store, const PlanOptions& options);

// Whether an Ingress, or a Gateway of the Gateway API, of that class counts.
[[nodiscard]] bool counts(const Ingress& ingress, const PlanOptions& options);
[[nodiscard]] bool counts(const Gateway& gateway, const PlanOptions& options);

// --- who accepts: shared with the checks ---

// Why a Gateway, or one of its listeners, does not take what a VirtualService or Route wants.
enum class Refusal : std::uint8_t {
  None,
  Missing,    // there is no such Gateway
  Foreign,    // the parent is of a kind that is not read
  ExportTo,   // the VirtualService is not exported to the Gateway's namespace
  Scope,      // a host fits, but is for VirtualServices of another namespace (ns/host)
  Namespace,  // allowedRoutes keeps the namespace out
  Kind,       // the listener is not for this kind of route, by its protocol or allowedRoutes
  Section,    // no listener has that name or port
  Hosts,      // no host fits
  Status,     // the controller says that it is not accepted
};

// One host of a Gateway's server or listener.
struct AcceptedHost {
  std::string host;  // `*`: all
  std::uint32_t server = 0;
  std::string ns;  // see ScopedHost
};

// The hosts of one Gateway, to find those that fit another quickly.
class HostIndex {
 public:
  explicit HostIndex(const IstioGateway& gateway);
  explicit HostIndex(const Gateway& gateway);

  // Calls visit(accepted, narrower) for each that covers `host` or is covered by it, until `budget`
  // is used up: false then.
  template <typename Visit>
  bool match(std::string_view host, std::size_t& budget, Visit&& visit) const {
    std::vector<std::uint32_t> found;
    find(host, budget, found);
    for (const std::uint32_t i : found) {
      if (budget == 0) return false;
      --budget;
      const AcceptedHost& accepted = hosts_[i];
      visit(accepted, is_wide(accepted, host) ? host : std::string_view(accepted.host));
    }
    return budget != 0;
  }
  [[nodiscard]] const std::vector<AcceptedHost>& hosts() const noexcept { return hosts_; }

 private:
  void sort();
  void find(std::string_view host, std::size_t budget, std::vector<std::uint32_t>& found) const;
  static bool is_wide(const AcceptedHost& accepted, std::string_view host) noexcept;

  std::vector<AcceptedHost> hosts_;
  std::map<std::string, std::vector<std::uint32_t>> exact_;     // by reversed name
  std::map<std::string, std::vector<std::uint32_t>> wildcard_;  // by reversed base; "" is `*`
};

// `host` of a VirtualService in the Gateway's server: is the VirtualService's namespace let in?
[[nodiscard]] bool scope_admits(const AcceptedHost& accepted, const IstioGateway& gateway,
                                const std::string& ns);
[[nodiscard]] bool exported_to(const VirtualService& service, const std::string& ns);

// Which of two hosts a gateway takes for a name that both stand for: the greater one. An exact host
// beats a wildcard, a longer wildcard a shorter one.
[[nodiscard]] std::uint16_t specificity(std::string_view host) noexcept;
// Which of two objects with the same host a gateway takes: the oldest, then the first by name.
[[nodiscard]] bool is_older(const Object& a, const Object& b) noexcept;

// What became of a VirtualService's host at one of its Gateways.
struct Acceptance {
  Refusal refusal = Refusal::Hosts;
  std::vector<std::pair<std::string, std::uint32_t>> hosts;  // narrowed, and the server or listener
  const Listener* listener = nullptr;    // Kind, Namespace: the one that came nearest
  const ParentStatus* status = nullptr;  // Status: what the controller says
};
[[nodiscard]] Acceptance accept(const IstioGateway* gateway, const HostIndex* index,
                                const VirtualService& service, std::string_view host,
                                std::size_t& budget);
// The same for a Route's hostname (`*`: it has none) at one of its parents.
[[nodiscard]] Acceptance accept(const Gateway* gateway, const HostIndex* index, const Route& route,
                                const ParentRef& parent, std::string_view hostname,
                                const Store& store, std::size_t& budget);

}  // namespace clusterdns::registry::gateways
