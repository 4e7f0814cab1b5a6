#include "registry/gateway_objects.h"

#include "registry/gateway_host.h"

namespace clusterdns::registry::gateways {

KindNames names_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::IstioGateway: return {"Gateway", kIstioGroup};
    case Kind::VirtualService: return {"VirtualService", kIstioGroup};
    case Kind::DestinationRule: return {"DestinationRule", kIstioGroup};
    case Kind::ServiceEntry: return {"ServiceEntry", kIstioGroup};
    case Kind::Sidecar: return {"Sidecar", kIstioGroup};
    case Kind::Ingress: return {"Ingress", kIngressGroup};
    case Kind::Gateway: return {"Gateway", kGatewayGroup};
    case Kind::HttpRoute: return {"HTTPRoute", kGatewayGroup};
    case Kind::GrpcRoute: return {"GRPCRoute", kGatewayGroup};
    case Kind::TlsRoute: return {"TLSRoute", kGatewayGroup};
    case Kind::ListenerSet: return {"ListenerSet", kGatewayGroup};
  }
  return {};
}

const char* to_string(RuleType type) noexcept {
  switch (type) {
    case RuleType::Http: return "http";
    case RuleType::Tls: return "tls";
    case RuleType::Tcp: return "tcp";
  }
  return "http";
}

namespace {

std::size_t octets(const std::string& text) noexcept { return sizeof text + text.size(); }
std::size_t octets(const Targets& targets) noexcept {
  std::size_t sum = targets.addresses.size() * sizeof(IpAddress);
  for (const std::string& name : targets.names) sum += octets(name);
  return sum;
}
std::size_t octets(const std::vector<std::string>& texts) noexcept {
  std::size_t sum = 0;
  for (const std::string& text : texts) sum += octets(text);
  return sum;
}
std::size_t octets(const Labels& labels) noexcept {
  std::size_t sum = 0;
  for (const auto& [key, value] : labels) sum += octets(key) + octets(value);
  return sum;
}
std::size_t octets(const std::vector<Backend>& backends) noexcept {
  std::size_t sum = 0;
  for (const Backend& backend : backends) {
    sum += sizeof backend + backend.service.ns.size() + backend.service.name.size();
  }
  return sum;
}
std::size_t octets(const ParentRef& ref) noexcept {
  return sizeof ref + ref.gateway.ns.size() + ref.gateway.name.size() + ref.section.size();
}

std::size_t extra(const IstioGateway& gateway) noexcept {
  std::size_t sum = octets(gateway.selector) + octets(gateway.targets) + octets(gateway.ingress);
  for (const IstioServer& server : gateway.servers) {
    sum += sizeof server;
    for (const ScopedHost& host : server.hosts) sum += octets(host.ns) + octets(host.host);
  }
  return sum;
}
std::size_t extra(const VirtualService& service) noexcept {
  std::size_t sum = octets(service.hosts) + octets(service.gateways) + octets(service.export_to);
  for (const VirtualServiceRule& rule : service.rules) {
    sum += sizeof rule;
    for (const auto* const list : {&rule.destinations, &rule.mirrors}) {
      for (const Destination& to : *list) sum += sizeof to + to.host.size() + to.subset.size();
    }
  }
  return sum;
}
std::size_t octets(const std::vector<Listener>& listeners) noexcept {
  std::size_t sum = 0;
  for (const Listener& listener : listeners) {
    sum += sizeof listener + listener.hostname.size() + octets(listener.kinds);
  }
  return sum;
}
std::size_t extra(const Gateway& gateway) noexcept {
  return octets(gateway.targets) + octets(gateway.status) + octets(gateway.spec) +
         octets(gateway.listeners);
}
std::size_t extra(const Route& route) noexcept {
  std::size_t sum = octets(route.hostnames);
  for (const ParentRef& ref : route.parents) sum += octets(ref);
  for (const ParentStatus& status : route.status) sum += octets(status.ref) + octets(status.reason);
  for (const auto& rule : route.rules) sum += sizeof rule + octets(rule);
  return sum;
}

}  // namespace

std::size_t octets_of(const Object& object) noexcept {
  std::size_t sum = sizeof object + object.key.ns.size() + object.key.name.size() +
                    object.place.file.size() + object.created.size() + 96;
  switch (object.kind) {
    case Kind::IstioGateway: return sum + extra(as<IstioGateway>(object));
    case Kind::VirtualService: return sum + extra(as<VirtualService>(object));
    case Kind::Gateway: return sum + extra(as<Gateway>(object));
    case Kind::HttpRoute:
    case Kind::GrpcRoute:
    case Kind::TlsRoute: return sum + extra(as<Route>(object));
    case Kind::DestinationRule:
      for (const Subset& subset : as<DestinationRule>(object).subsets) {
        sum += octets(subset.name) + octets(subset.labels);
      }
      return sum;
    case Kind::ServiceEntry: {
      const auto& entry = as<ServiceEntry>(object);
      return sum + octets(entry.hosts) + entry.ports.size() * sizeof(EntryPort) +
             (entry.addresses.size() + entry.endpoints.size()) * sizeof(IpAddress);
    }
    case Kind::Sidecar:
      for (const ScopedHost& host : as<Sidecar>(object).egress) {
        sum += octets(host.ns) + octets(host.host);
      }
      return sum;
    case Kind::Ingress: {
      const auto& ingress = as<Ingress>(object);
      for (const IngressRule& rule : ingress.rules) {
        sum += octets(rule.host) + octets(rule.backends);
      }
      return sum + octets(ingress.targets) + octets(ingress.status);
    }
    case Kind::ListenerSet: return sum + octets(as<ListenerSet>(object).listeners);
  }
  return sum;
}

std::string host_of(std::string_view written, std::string_view ns, std::string_view zone) {
  std::string host(written);
  if (host.find('.') != std::string::npos || is_wildcard(host) || host.empty()) return host;
  host.append(".").append(ns).append(".svc.").append(zone);
  return host;
}

ObjectKey service_of(std::string_view host, std::string_view zone) {
  if (!is_below(host, zone)) return {};
  host.remove_suffix(zone.size() + 1);
  constexpr std::string_view kSvc = ".svc";
  if (!host.ends_with(kSvc)) return {};
  host.remove_suffix(kSvc.size());
  const std::size_t dot = host.find('.');
  if (dot == std::string_view::npos || host.find('.', dot + 1) != std::string_view::npos) return {};
  return {std::string(host.substr(dot + 1)), std::string(host.substr(0, dot))};
}

ObjectKey gateway_key(std::string_view written, std::string_view ns) {
  const std::size_t slash = written.find('/');
  if (slash == std::string_view::npos) return {std::string(ns), std::string(written)};
  const std::string_view its = written.substr(0, slash);
  return {std::string(its == "." ? ns : its), std::string(written.substr(slash + 1))};
}

}  // namespace clusterdns::registry::gateways
