#include "registry/model.h"

#include <functional>
#include <string_view>

namespace clusterdns::registry {

std::size_t ObjectKeyHash::operator()(const ObjectKey& key) const noexcept {
  const std::hash<std::string_view> hash;
  const std::size_t ns = hash(key.ns);
  // As boost::hash_combine: a/b and b/a must not collide.
  return hash(key.name) ^ (ns + 0x9e3779b97f4a7c15ULL + (ns << 6) + (ns >> 2));
}

const char* to_string(Protocol protocol) noexcept {
  switch (protocol) {
    case Protocol::Tcp:
      return "TCP";
    case Protocol::Udp:
      return "UDP";
    case Protocol::Sctp:
      return "SCTP";
  }
  return "TCP";
}

const char* to_string(ServiceType type) noexcept {
  switch (type) {
    case ServiceType::ClusterIP:
      return "ClusterIP";
    case ServiceType::NodePort:
      return "NodePort";
    case ServiceType::LoadBalancer:
      return "LoadBalancer";
    case ServiceType::ExternalName:
      return "ExternalName";
  }
  return "ClusterIP";
}

}  // namespace clusterdns::registry
