// Registry objects in one line each.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "registry/model.h"

namespace clusterdns::unit {

inline registry::IpAddress ip(std::string_view text) {
  return registry::IpAddress::parse(text).value();
}
inline std::vector<registry::IpAddress> ips(std::initializer_list<std::string_view> texts) {
  std::vector<registry::IpAddress> all;
  for (const std::string_view text : texts) all.push_back(ip(text));
  return all;
}

inline registry::ServicePort port(std::string name, std::uint16_t number,
                                  registry::Protocol protocol = registry::Protocol::Tcp) {
  registry::ServicePort p;
  p.name = std::move(name);
  p.port = number;
  p.protocol = protocol;
  return p;
}
inline registry::EndpointPort endpoint_port(std::string name, std::uint16_t number,
                                            registry::Protocol protocol = registry::Protocol::Tcp) {
  return {std::move(name), protocol, number};
}

inline registry::Service cluster_ip(std::string ns, std::string name,
                                    std::vector<registry::IpAddress> addresses,
                                    std::vector<registry::ServicePort> ports = {}) {
  registry::Service service;
  service.key = {std::move(ns), std::move(name)};
  service.cluster_ips = std::move(addresses);
  service.ports = std::move(ports);
  return service;
}
inline registry::Service headless(std::string ns, std::string name,
                                  std::vector<registry::ServicePort> ports = {}) {
  registry::Service service;
  service.key = {std::move(ns), std::move(name)};
  service.headless = true;
  service.ports = std::move(ports);
  return service;
}
inline registry::Service external(std::string ns, std::string name, std::string target) {
  registry::Service service;
  service.key = {std::move(ns), std::move(name)};
  service.type = registry::ServiceType::ExternalName;
  service.external_name = std::move(target);
  return service;
}

inline registry::Endpoint at(std::string_view address, std::string hostname = "",
                             std::string pod = "") {
  registry::Endpoint endpoint;
  endpoint.address = ip(address);
  if (!hostname.empty() || !pod.empty()) {
    auto detail = std::make_shared<registry::EndpointDetail>();
    detail->hostname = std::move(hostname);
    detail->target_name = std::move(pod);
    endpoint.detail = std::move(detail);
  }
  return endpoint;
}
inline registry::Endpoint unready(registry::Endpoint endpoint) {
  endpoint.ready = false;
  return endpoint;
}

inline registry::EndpointSlice slice(std::string ns, std::string name, std::string service,
                                     std::vector<registry::EndpointPort> ports,
                                     std::vector<registry::Endpoint> endpoints) {
  registry::EndpointSlice s;
  s.key = {std::move(ns), std::move(name)};
  s.service = std::move(service);
  s.ports = std::move(ports);
  s.endpoints = std::move(endpoints);
  return s;
}

inline registry::Pod pod(std::string ns, std::string name,
                         std::vector<registry::IpAddress> addresses) {
  registry::Pod p;
  p.key = {std::move(ns), std::move(name)};
  p.ips = std::move(addresses);
  return p;
}

}  // namespace clusterdns::unit
