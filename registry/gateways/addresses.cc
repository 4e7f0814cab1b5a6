#include "registry/gateways/addresses.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include "registry/selector.h"

namespace clusterdns::registry::gateways {
namespace {

constexpr std::string_view kLocalhost = "localhost";

std::string text_of(const ObjectKey& key) { return key.ns + "/" + key.name; }

void add(const IpAddress& address, std::vector<IpAddress>& to) {
  if (to.size() >= kMaxHostAddresses) return;
  if (std::find(to.begin(), to.end(), address) == to.end()) to.push_back(address);
}

void add_name(const std::string& name, Resolved& result) {
  if (name == kLocalhost || name.ends_with(".localhost")) {
    // Browsers and resolvers of the system know it by heart, and no server does (RFC 6761 6.3).
    IpAddress v4;
    v4.octets = {127, 0, 0, 1};
    IpAddress v6;
    v6.family = IpFamily::V6;
    v6.octets[15] = 1;
    add(v4, result.addresses);
    add(v6, result.addresses);
  } else if (result.alias.empty()) {
    result.alias = name;
  }
}

// False when there is nothing in it.
bool take(const Targets& targets, AddressSource source, Resolved& result) {
  for (const IpAddress& address : targets.addresses) add(address, result.addresses);
  for (const std::string& name : targets.names) add_name(name, result);
  if (result.addresses.empty() && result.alias.empty()) return false;
  result.source = source;
  return true;
}

void finish(Resolved& result) {
  if (!result.addresses.empty()) result.alias.clear();
}

std::string text_of(const Labels& labels) {
  std::string text;
  for (const auto& [key, value] : labels) text += (text.empty() ? "" : ",") + key + '=' + value;
  return text;
}

std::string text_of(const std::vector<const Service*>& services) {
  constexpr std::size_t kShown = 3;
  std::string text;
  for (std::size_t i = 0; i < services.size() && i < kShown; ++i) {
    text += (i == 0 ? "" : ", ") + text_of(services[i]->key);
  }
  if (services.size() > kShown) text += ", ...";
  return text;
}

bool is_pending(const Service& service) {
  return service.type == ServiceType::LoadBalancer && service.load_balancer_ips.empty() &&
         (!service.detail || service.detail->balancer_names.empty());
}

// Why these have no address outside.
std::string why_none(const Store& store, const std::vector<const Service*>& services) {
  const bool pending = std::any_of(services.begin(), services.end(),
                                   [](const Service* service) { return is_pending(*service); });
  const bool one = services.size() == 1;
  bool has_pods = false;
  store.for_each<Pod>([&](const Pod&) { has_pods = true; });
  const bool by_node = std::any_of(services.begin(), services.end(), [](const Service* service) {
    return service->type == ServiceType::NodePort;
  });
  if (by_node && !has_pods) {
    return (one ? "Service " : "Services ") + text_of(services) +
           " would have the addresses of its pods' nodes, and no pod is known: there is none, or "
           "pods may not be read";
  }
  return (one ? "Service " : "Services ") + text_of(services) +
         (pending ? (one ? " waits for a load balancer's address"
                         : " wait for a load balancer's address")
                  : (one ? " has no address outside the cluster"
                         : " have no address outside the cluster"));
}

// What clients inside the cluster get.
void add_inside(const std::vector<const Service*>& services, Resolved& result) {
  for (const Service* const service : services) {
    result.services.push_back(service->key);
    for (const IpAddress& address : service->cluster_ips) add(address, result.inside);
  }
}

}  // namespace

std::string describe(const Provider& provider) {
  if (provider.object == nullptr) return "Service " + text_of(provider.service);
  return std::string(names_of(provider.object->kind).kind) + " " + text_of(provider.object->key);
}

void AddressFinder::index() {
  if (std::exchange(indexed_, true)) return;
  store_.gateways().each<IstioGateway>([&](const IstioGateway& gateway) {
    if (!gateway.selector.empty()) by_selector_[gateway.selector];
  });
  const bool named = [&] {
    bool any = false;
    store_.gateways().each<Gateway>([&](const Gateway&) { any = true; });
    return any;
  }();
  // By one label of each selector, so that a Service is not compared with all of them.
  std::map<std::pair<std::string, std::string>, std::vector<const Labels*>> by_label;
  for (const auto& [selector, services] : by_selector_) {
    by_label[selector.front()].push_back(&selector);
  }
  const auto each_within = [&](const Labels& labels, auto&& visit) {
    for (const auto& label : labels) {
      const auto at = by_label.find(label);
      if (at == by_label.end()) continue;
      for (const Labels* const selector : at->second) {
        if (matches(*selector, labels)) visit(*selector);
      }
    }
  };
  std::unordered_map<std::string, std::vector<const Service*>> by_namespace;
  store_.for_each_service([&](const Service& service) {
    if (!by_selector_.empty() && !service.selector.empty()) {
      by_namespace[service.key.ns].push_back(&service);
      each_within(service.selector,
                  [&](const Labels& selector) { by_selector_[selector].push_back(&service); });
    }
    if (!named) return;
    if (const std::string* const name = find_label(service.labels, kGatewayNameLabel)) {
      by_gateway_name_[{service.key.ns, *name}].push_back(&service);
    }
  });
  if (!by_selector_.empty()) {
    // Services that select a pod which the Gateway selects. Pods of one template are alike.
    std::set<std::pair<std::string, Labels>> seen;
    store_.for_each<Pod>([&](const Pod& pod) {
      bool wanted = false;
      each_within(pod.labels, [&](const Labels&) { wanted = true; });
      if (!wanted || !seen.emplace(pod.key.ns, pod.labels).second) return;
      const auto services = by_namespace.find(pod.key.ns);
      if (services == by_namespace.end()) return;
      for (const Service* const service : services->second) {
        if (!matches(service->selector, pod.labels)) continue;
        each_within(pod.labels,
                    [&](const Labels& selector) { by_selector_[selector].push_back(service); });
      }
    });
  }
  const auto in_order = [](std::vector<const Service*>& services) {
    std::sort(services.begin(), services.end(),
              [](const Service* a, const Service* b) { return a->key < b->key; });
    services.erase(std::unique(services.begin(), services.end()), services.end());
  };
  for (auto& [selector, services] : by_selector_) in_order(services);
  for (auto& [key, services] : by_gateway_name_) in_order(services);
}

std::vector<const Service*> AddressFinder::services_of(const IstioGateway& gateway) {
  index();
  const auto at = by_selector_.find(gateway.selector);
  return at == by_selector_.end() ? std::vector<const Service*>{} : at->second;
}

std::vector<const Service*> AddressFinder::services_of(const Gateway& gateway) {
  index();
  const auto at = by_gateway_name_.find(gateway.key);
  return at == by_gateway_name_.end() ? std::vector<const Service*>{} : at->second;
}

std::vector<IpAddress> AddressFinder::host_ips(const Service& service) const {
  std::vector<IpAddress> result;
  if (service.selector.empty()) return result;
  std::vector<const Pod*> pods;
  store_.for_each<Pod>([&](const Pod& pod) {
    if (pod.key.ns != service.key.ns || !pod.detail || !pod.detail->ready) return;
    if (pod.detail->host_ips.empty() || !matches(service.selector, pod.labels)) return;
    pods.push_back(&pod);
  });
  std::sort(pods.begin(), pods.end(), [](const Pod* a, const Pod* b) { return a->key < b->key; });
  for (const Pod* const pod : pods) {
    for (const IpAddress& address : pod->detail->host_ips) add(address, result);
  }
  return result;
}

void AddressFinder::add_services(const std::vector<const Service*>& services, Resolved& result) {
  for (const Service* const service : services) {
    const std::size_t before = result.addresses.size();
    const bool had_alias = !result.alias.empty();
    AddressSource source = AddressSource::ExternalIps;
    for (const IpAddress& address : service->external_ips) add(address, result.addresses);
    bool gave = !service->external_ips.empty();
    if (!gave) {
      source = AddressSource::LoadBalancer;
      for (const IpAddress& address : service->load_balancer_ips) add(address, result.addresses);
      if (service->detail) {
        for (const std::string& name : service->detail->balancer_names) add_name(name, result);
      }
      gave = !service->load_balancer_ips.empty() || result.addresses.size() != before ||
             (!had_alias && !result.alias.empty());
    }
    if (!gave && (service->type == ServiceType::NodePort || is_pending(*service))) {
      source = AddressSource::HostIps;
      const std::vector<IpAddress> ips = host_ips(*service);
      for (const IpAddress& address : ips) add(address, result.addresses);
      gave = !ips.empty();
    }
    if (!gave) continue;
    if (result.source == AddressSource::None) result.source = source;
    result.services.push_back(service->key);
    for (const IpAddress& address : service->cluster_ips) add(address, result.inside);
  }
}

void AddressFinder::add_options(Resolved& result) const {
  for (const IpAddress& address : ingress_) add(address, result.addresses);
  if (!result.addresses.empty()) result.source = AddressSource::Option;
}

Resolved AddressFinder::of(const IstioGateway& gateway) {
  Resolved result;
  if (take(gateway.targets, AddressSource::Annotation, result)) return result;
  if (!gateway.ingress.empty()) {
    const ObjectKey key = gateway_key(gateway.ingress, gateway.key.ns);
    if (const Ingress* const ingress = store_.gateways().find<Ingress>(key)) {
      result = of(*ingress, false);
      if (result.source != AddressSource::None) {
        result.source = AddressSource::OtherIngress;
        result.ingress = key;
        return result;
      }
      result = {};
    }
  }
  std::vector<const Service*> services;
  if (!gateway.selector.empty()) {
    services = services_of(gateway);
    add_services(services, result);
    if (result.source != AddressSource::None) return result;
  }
  add_options(result);
  add_inside(services, result);
  if (result.source != AddressSource::None) return result;
  if (gateway.selector.empty()) {
    result.missing = "has no selector and names no address";
  } else if (services.empty()) {
    result.missing = "no Service has its selector " + text_of(gateway.selector);
  } else {
    result.missing = why_none(store_, services);
  }
  return result;
}

Resolved AddressFinder::of(const Gateway& gateway) {
  Resolved result;
  if (take(gateway.targets, AddressSource::Annotation, result)) return result;
  if (take(gateway.status, AddressSource::Status, result)) return result;
  if (take(gateway.spec, AddressSource::Spec, result)) return result;
  const std::vector<const Service*> services = services_of(gateway);
  add_services(services, result);
  if (result.source != AddressSource::None) return result;
  add_options(result);
  add_inside(services, result);
  if (result.source != AddressSource::None) return result;
  result.missing = services.empty() ? "its status has no address, and no Service has its name as " +
                                          std::string(kGatewayNameLabel)
                                    : why_none(store_, services);
  return result;
}

Resolved AddressFinder::of(const Ingress& ingress, bool with_options) const {
  Resolved result;
  if (take(ingress.targets, AddressSource::Annotation, result)) return result;
  if (take(ingress.status, AddressSource::Status, result)) return result;
  if (with_options) add_options(result);
  if (result.source == AddressSource::None) result.missing = "its status has no address yet";
  return result;
}

Resolved AddressFinder::of(const ServiceEntry& entry) const {
  Resolved result;
  const bool own = !entry.addresses.empty();
  for (const IpAddress& address : own ? entry.addresses : entry.endpoints) {
    add(address, result.addresses);
  }
  result.source = own ? AddressSource::Entry : AddressSource::Endpoints;
  return result;
}

Resolved AddressFinder::of(const ObjectKey& key) {
  Resolved result;
  const Service* const service = store_.service(key);
  if (service == nullptr) {
    result.missing = "is gone";
    return result;
  }
  result.services.push_back(key);
  if (service->detail) {
    if (take({service->detail->target_ips, service->detail->target_names},
             AddressSource::Annotation, result)) {
      return result;
    }
  }
  if (service->headless) {
    for (const EndpointSlice* const slice : store_.slices(key)) {
      for (const Endpoint& endpoint : slice->endpoints) {
        if (endpoint.ready || service->publish_not_ready_addresses) {
          add(endpoint.address, result.addresses);
        }
      }
    }
    if (!result.addresses.empty()) {
      result.source = AddressSource::Endpoints;
    } else {
      result.missing = "has no ready endpoint";
    }
    return result;
  }
  result.services.clear();
  add_services({service}, result);
  if (result.source != AddressSource::None) return result;
  add_options(result);
  result.services = {key};
  for (const IpAddress& address : service->cluster_ips) add(address, result.inside);
  if (result.source == AddressSource::None) {
    result.missing = is_pending(*service) ? "waits for a load balancer's address"
                                          : "has no address outside the cluster";
  }
  return result;
}

Resolved AddressFinder::find(const Provider& provider) {
  Resolved result;
  if (provider.object == nullptr) {
    result = of(provider.service);
  } else {
    switch (provider.object->kind) {
      case Kind::IstioGateway: result = of(as<IstioGateway>(*provider.object)); break;
      case Kind::Gateway: result = of(as<Gateway>(*provider.object)); break;
      case Kind::Ingress: result = of(as<Ingress>(*provider.object), true); break;
      case Kind::ServiceEntry: result = of(as<ServiceEntry>(*provider.object)); break;
      default: break;
    }
  }
  finish(result);
  if (!result.missing.empty()) result.missing = describe(provider) + ": " + result.missing;
  return result;
}

}  // namespace clusterdns::registry::gateways
