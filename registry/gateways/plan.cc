#include "registry/gateways/plan.h"

#include <algorithm>
#include <memory>
#include <set>
#include <tuple>
#include <unordered_map>

#include "registry/gateway_host.h"

namespace clusterdns::registry::gateways {

bool counts(const Ingress& ingress, const PlanOptions& options) {
  return options.classes.empty() || ingress.class_name.empty() ||
         std::find(options.classes.begin(), options.classes.end(), ingress.class_name) !=
             options.classes.end();
}

bool counts(const Gateway& gateway, const PlanOptions& options) {
  return options.classes.empty() || std::find(options.classes.begin(), options.classes.end(),
                                              gateway.class_name) != options.classes.end();
}

// --- hosts of a Gateway --------------------------------------------------------------------------

HostIndex::HostIndex(const IstioGateway& gateway) {
  for (std::uint32_t i = 0; i < gateway.servers.size(); ++i) {
    for (const ScopedHost& scoped : gateway.servers[i].hosts) {
      hosts_.push_back({scoped.host, i, scoped.ns});
    }
  }
  sort();
}

HostIndex::HostIndex(const Gateway& gateway) {
  for (std::uint32_t i = 0; i < gateway.listeners.size(); ++i) {
    const std::string& hostname = gateway.listeners[i].hostname;
    hosts_.push_back({hostname.empty() ? "*" : hostname, i, ""});
  }
  sort();
}

void HostIndex::sort() {
  for (std::uint32_t i = 0; i < hosts_.size(); ++i) {
    const std::string& host = hosts_[i].host;
    (is_wildcard(host) ? wildcard_ : exact_)[reversed(base_of(host))].push_back(i);
  }
}

bool HostIndex::is_wide(const AcceptedHost& accepted, std::string_view host) noexcept {
  return covers(accepted.host, host);
}

void HostIndex::find(std::string_view host, std::size_t budget,
                     std::vector<std::uint32_t>& found) const {
  const std::string key = reversed(base_of(host));
  const auto add = [&](const std::vector<std::uint32_t>& places) {
    for (const std::uint32_t place : places) {
      if (found.size() >= budget) return;
      found.push_back(place);
    }
  };
  // Those that cover it: wildcards whose base is an ancestor, or of a wildcard its own base.
  for (std::size_t end = 0;;) {
    if (end < key.size() || is_wildcard(host)) {
      if (const auto at = wildcard_.find(key.substr(0, end)); at != wildcard_.end())
        add(at->second);
    }
    if (end >= key.size()) break;
    end = key.find('.', end) + 1;
  }
  if (!is_wildcard(host)) {
    if (const auto at = exact_.find(key); at != exact_.end()) add(at->second);
    return;
  }
  // Those that it covers: all below its base.
  for (const auto* const map : {&exact_, &wildcard_}) {
    for (auto at = map->upper_bound(key); at != map->end() && at->first.starts_with(key); ++at) {
      if (found.size() >= budget) return;
      add(at->second);
    }
  }
}

bool scope_admits(const AcceptedHost& accepted, const IstioGateway& gateway,
                  const std::string& ns) {
  return accepted.ns.empty() || accepted.ns == ns || (accepted.ns == "." && gateway.key.ns == ns);
}

bool exported_to(const VirtualService& service, const std::string& ns) {
  if (service.export_to.empty()) return true;
  return std::any_of(service.export_to.begin(), service.export_to.end(),
                     [&](const std::string& to) {
                       return to == "*" || to == ns || (to == "." && service.key.ns == ns);
                     });
}

std::uint16_t specificity(std::string_view host) noexcept {
  constexpr std::uint16_t kExact = 1024;  // longer than any host
  return static_cast<std::uint16_t>(host.size() + (is_wildcard(host) ? 0U : kExact));
}

bool is_older(const Object& a, const Object& b) noexcept {
  return std::tie(a.created, a.key) < std::tie(b.created, b.key);
}

Acceptance accept(const IstioGateway* gateway, const HostIndex* index,
                  const VirtualService& service, std::string_view host, std::size_t& budget) {
  Acceptance result;
  if (gateway == nullptr) {
    result.refusal = Refusal::Missing;
    return result;
  }
  if (!exported_to(service, gateway->key.ns)) {
    result.refusal = Refusal::ExportTo;
    return result;
  }
  (void)index->match(host, budget, [&](const AcceptedHost& accepted, std::string_view narrow) {
    if (!scope_admits(accepted, *gateway, service.key.ns)) {
      if (result.hosts.empty()) result.refusal = Refusal::Scope;
      return;
    }
    result.refusal = Refusal::None;
    result.hosts.emplace_back(narrow, accepted.server);
  });
  return result;
}

namespace {

bool has_hostnames(const Listener& listener) {
  return listener.protocol == "HTTP" || listener.protocol == "HTTPS" || listener.protocol == "TLS";
}

bool speaks(const Listener& listener, Kind kind) {
  if (kind == Kind::TlsRoute) return listener.protocol == "TLS";
  return listener.protocol == "HTTP" || listener.protocol == "HTTPS";
}

bool takes_kind(const Listener& listener, Kind kind) {
  if (!speaks(listener, kind)) return false;
  const std::string_view name = names_of(kind).kind;
  return listener.kinds.empty() ||
         std::find(listener.kinds.begin(), listener.kinds.end(), name) != listener.kinds.end();
}

bool admits(const Listener& listener, const Gateway& gateway, const std::string& ns,
            const Store& store) {
  switch (listener.from) {
    case Listener::From::All: return true;
    case Listener::From::Same: return gateway.key.ns == ns;
    case Listener::From::None: return false;
    case Listener::From::Selector: break;
  }
  const Namespace* const object = store.find_namespace(ns);
  return object != nullptr && listener.namespaces.matches(object->labels);
}

// What the controller of the parent says; nullptr when it says nothing.
const ParentStatus* status_of(const Route& route, const ParentRef& parent) {
  const ParentStatus* found = nullptr;
  for (const ParentStatus& status : route.status) {
    if (status.ref.gateway != parent.gateway || status.ref.section != parent.section ||
        status.ref.port != parent.port) {
      continue;
    }
    if (status.accepted) return &status;  // several controllers may speak of one parent
    found = &status;
  }
  return found;
}

}  // namespace

Acceptance accept(const Gateway* gateway, const HostIndex* index, const Route& route,
                  const ParentRef& parent, std::string_view hostname, const Store& store,
                  std::size_t& budget) {
  Acceptance result;
  if (parent.group != kGatewayGroup || parent.kind != "Gateway") {
    result.refusal = Refusal::Foreign;
    return result;
  }
  if (gateway == nullptr) {
    result.refusal = Refusal::Missing;
    return result;
  }
  const auto is_meant = [&](const Listener& listener) {
    return (parent.section.empty() || listener.name == parent.section) &&
           (parent.port == 0 || listener.port == parent.port);
  };
  // The reason is that of the listener which the route came nearest to: one without its hostname,
  // one of another protocol or for other kinds, one that keeps the namespace out.
  result.refusal = Refusal::Section;
  for (const Listener& listener : gateway->listeners) {
    if (!is_meant(listener)) continue;
    if (speaks(listener, route.kind)) {
      result.refusal = Refusal::Hosts;
    } else if (result.refusal == Refusal::Section) {
      result.refusal = Refusal::Kind;
      result.listener = &listener;
    }
  }
  if (result.refusal == Refusal::Section) return result;
  (void)index->match(hostname, budget, [&](const AcceptedHost& accepted, std::string_view narrow) {
    const Listener& listener = gateway->listeners[accepted.server];
    if (!is_meant(listener)) return;
    const bool takes = takes_kind(listener, route.kind);
    if (takes && admits(listener, *gateway, route.key.ns, store)) {
      result.hosts.emplace_back(narrow, accepted.server);
    } else if (takes) {
      if (result.refusal != Refusal::Namespace) result.listener = &listener;
      result.refusal = Refusal::Namespace;
    } else if (result.refusal == Refusal::Hosts && has_hostnames(listener)) {
      result.refusal = Refusal::Kind;
      result.listener = &listener;
    }
  });
  if (result.hosts.empty()) return result;
  const ParentStatus* const status = status_of(route, parent);
  result.refusal = Refusal::None;
  if (status != nullptr && !status->accepted) {
    result.refusal = Refusal::Status;
    result.status = status;
  }
  return result;
}

// --- the plan ------------------------------------------------------------------------------------

namespace {

class Planner {
 public:
  Planner(const Store& store, const PlanOptions& options)
      : store_(store), objects_(store.gateways()), options_(options) {}

  Plan run() {
    if (options_.reads(SourceKind::Istio)) read_istio();
    if (options_.reads(SourceKind::Ingress)) read_ingresses();
    if (options_.reads(SourceKind::GatewayApi)) read_gateway_api();
    if (options_.reads(SourceKind::Service)) read_services();
    if (options_.reads(SourceKind::ServiceEntry)) read_entries();
    sort();
    return std::move(plan_);
  }

 private:
  static constexpr std::uint32_t kNone = static_cast<std::uint32_t>(-1);

  // `written`: the host of `by`, when that is not what is claimed.
  void claim(std::string_view host, std::uint32_t provider, const Object* by,
             bool one_label = false, std::string_view written = {}) {
    const std::uint16_t specific = specificity(written.empty() ? host : written);
    if (host == "*" || host.empty()) {
      // Any host is of no use for a look-up, but where somebody says for which zones.
      for (const std::string& zone : options_.any_zones) {
        if (!zone.empty()) add(zone, provider, by, false, specific);
        add(zone.empty() ? "*" : "*." + zone, provider, by, false, specific);
      }
      return;
    }
    add(std::string(host), provider, by, one_label && is_wildcard(host), specific);
  }
  void add(std::string host, std::uint32_t provider, const Object* by, bool one_label,
           std::uint16_t specific) {
    const std::string_view base = base_of(host);
    for (const std::string& zone : options_.cluster_zones) {
      if (base == zone || is_below(base, zone)) return;
    }
    if (plan_.claims.size() >= kMaxClaims) {
      ++plan_.left_out;
      return;
    }
    plan_.claims.push_back({std::move(host), one_label, provider, by, specific});
  }
  std::uint32_t provide(const Object& object) {
    plan_.providers.push_back({&object, {}});
    return static_cast<std::uint32_t>(plan_.providers.size() - 1);
  }

  template <typename T>
  struct Known {
    const T* gateway;
    HostIndex index;
    std::uint32_t provider;
  };

  void read_istio() {
    std::map<ObjectKey, Known<IstioGateway>> known;
    objects_.each<IstioGateway>([&](const IstioGateway& gateway) {
      const std::uint32_t provider = provide(gateway);
      known.emplace(gateway.key, Known<IstioGateway>{&gateway, HostIndex(gateway), provider});
      for (const IstioServer& server : gateway.servers) {
        for (const ScopedHost& host : server.hosts) claim(host.host, provider, &gateway);
      }
    });
    objects_.each<VirtualService>([&](const VirtualService& service) {
      for (const std::string& name : service.gateways) {
        if (name == "mesh") continue;
        const auto at = known.find(gateway_key(name, service.key.ns));
        if (at == known.end()) continue;
        for (const std::string& written : service.hosts) {
          const std::string host = host_of(written, service.key.ns, options_.zone);
          const Acceptance accepted =
              accept(at->second.gateway, &at->second.index, service, host, budget_);
          for (const auto& [narrow, server] : accepted.hosts) {
            claim(narrow, at->second.provider, &service, false, host);
          }
          if (budget_ == 0) ++plan_.left_out;
        }
      }
    });
  }

  void read_ingresses() {
    objects_.each<Ingress>([&](const Ingress& ingress) {
      if (!counts(ingress, options_)) return;
      const std::uint32_t provider = provide(ingress);
      for (const IngressRule& rule : ingress.rules) claim(rule.host, provider, &ingress, true);
    });
  }

  void read_gateway_api() {
    std::map<ObjectKey, Known<Gateway>> known;
    objects_.each<Gateway>([&](const Gateway& gateway) {
      if (!counts(gateway, options_)) return;
      const std::uint32_t provider = provide(gateway);
      known.emplace(gateway.key, Known<Gateway>{&gateway, HostIndex(gateway), provider});
    });
    objects_.each_route([&](const Route& route) {
      for (const ParentRef& parent : route.parents) {
        const auto at = known.find(parent.gateway);
        if (at == known.end()) continue;
        const auto take = [&](std::string_view hostname) {
          const Acceptance accepted = accept(at->second.gateway, &at->second.index, route, parent,
                                             hostname, store_, budget_);
          if (budget_ == 0) ++plan_.left_out;
          if (accepted.refusal != Refusal::None) return;
          for (const auto& [narrow, listener] : accepted.hosts) {
            claim(narrow, at->second.provider, &route, false, hostname);
          }
        };
        if (route.hostnames.empty()) take("*");
        for (const std::string& hostname : route.hostnames) take(hostname);
      }
    });
  }

  void read_services() {
    std::vector<const Service*> services;
    store_.for_each_service([&](const Service& service) {
      if (!service.detail || service.detail->hosts.empty()) return;
      if (service.type == ServiceType::LoadBalancer || service.headless) {
        services.push_back(&service);
      }
    });
    std::sort(services.begin(), services.end(),
              [](const Service* a, const Service* b) { return a->key < b->key; });
    for (const Service* const service : services) {
      plan_.providers.push_back({nullptr, service->key});
      const auto provider = static_cast<std::uint32_t>(plan_.providers.size() - 1);
      for (const std::string& host : service->detail->hosts) claim(host, provider, nullptr);
    }
  }

  void read_entries() {
    objects_.each<ServiceEntry>([&](const ServiceEntry& entry) {
      if (entry.addresses.empty() && (!entry.is_static || entry.endpoints.empty())) return;
      const std::uint32_t provider = provide(entry);
      for (const std::string& host : entry.hosts) {
        if (!is_wildcard(host)) claim(host, provider, &entry);
      }
    });
  }

  void sort() {
    const Plan& plan = plan_;
    // What a route brings says more than the Gateway alone.
    const auto routed = [&](const Claim& claim) {
      return claim.by != nullptr && claim.by != plan.providers[claim.provider].object;
    };
    std::sort(plan_.claims.begin(), plan_.claims.end(), [&](const Claim& a, const Claim& b) {
      const bool a_plain = !routed(a);
      const bool b_plain = !routed(b);
      const auto order = std::tie(a.host, a.one_label, a.provider, a_plain, b.specific) <=>
                         std::tie(b.host, b.one_label, b.provider, b_plain, a.specific);
      if (order != 0 || a_plain || a.by == b.by) return order < 0;
      return is_older(*a.by, *b.by);
    });
    const auto last =
        std::unique(plan_.claims.begin(), plan_.claims.end(), [](const Claim& a, const Claim& b) {
          return a.host == b.host && a.one_label == b.one_label && a.provider == b.provider;
        });
    plan_.claims.erase(last, plan_.claims.end());
    plan_.claims.shrink_to_fit();
  }

  const Store& store_;
  const ObjectSet& objects_;
  const PlanOptions& options_;
  Plan plan_;
  std::size_t budget_ = kMaxComparisons;
};

}  // namespace

Plan make_plan(const Store& store, const PlanOptions& options) {
  return Planner(store, options).run();
}

}  // namespace clusterdns::registry::gateways
