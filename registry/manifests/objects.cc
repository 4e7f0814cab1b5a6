#include "registry/manifests/objects.h"

namespace clusterdns::registry {

const char* to_string(WorkloadKind kind) noexcept {
  switch (kind) {
    case WorkloadKind::Deployment: return "Deployment";
    case WorkloadKind::ReplicaSet: return "ReplicaSet";
    case WorkloadKind::StatefulSet: return "StatefulSet";
    case WorkloadKind::DaemonSet: return "DaemonSet";
    case WorkloadKind::ReplicationController: return "ReplicationController";
  }
  return "Deployment";
}

std::string kind_of(const ManifestBody& body) {
  struct Visitor {
    std::string operator()(const NamespaceManifest&) const { return "Namespace"; }
    std::string operator()(const ServiceManifest&) const { return "Service"; }
    std::string operator()(const EndpointsManifest&) const { return "Endpoints"; }
    std::string operator()(const EndpointSliceManifest&) const { return "EndpointSlice"; }
    std::string operator()(const PodManifest&) const { return "Pod"; }
    std::string operator()(const WorkloadManifest& workload) const {
      return to_string(workload.kind);
    }
    std::string operator()(const KindManifest& object) const {
      return object.kind->qualified_name();
    }
    std::string operator()(const gateways::Object& object) const {
      // Two groups have a kind of this name; as kubectl tells them apart.
      const gateways::KindNames names = gateways::names_of(object.kind);
      return object.kind == gateways::Kind::Gateway
                 ? std::string(names.kind) + "." + std::string(names.group)
                 : std::string(names.kind);
    }
    std::string operator()(const OtherObject& other) const { return other.kind; }
  };
  return std::visit([](const auto& manifest) { return Visitor{}(*manifest); }, body);
}

const ObjectKey& key_of(const ManifestBody& body) {
  return std::visit(
      [](const auto& manifest) -> const ObjectKey& {
        if constexpr (requires { manifest->key; }) {
          return manifest->key;
        } else {
          return manifest->object.key;
        }
      },
      body);
}

const std::string& namespace_of(const ManifestBody& body) {
  const ObjectKey& key = key_of(body);
  return body_as<NamespaceManifest>(body) != nullptr ? key.name : key.ns;
}

std::string describe(const std::string& kind, const ObjectKey& key) {
  return kind + ' ' + (key.ns.empty() ? key.name : key.ns + '/' + key.name);
}

}  // namespace clusterdns::registry
