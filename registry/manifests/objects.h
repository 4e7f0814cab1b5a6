// What one manifest says, before the cluster's own part (addresses, pods, slices) is added.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "registry/gateway_objects.h"
#include "registry/kind.h"
#include "registry/manifests/node_tree.h"
#include "registry/model.h"
#include "registry/problem.h"

namespace clusterdns::registry {

// The part of a PodSpec that names depend on, shared by all pods made from one template.
struct PodSpec {
  std::vector<ContainerPort> named_ports;
  std::vector<std::uint16_t> numbers;  // of all container ports
  std::string hostname;
  std::string subdomain;
  bool host_network = false;
  friend bool operator==(const PodSpec&, const PodSpec&) = default;
};

enum class IpFamilyPolicy : std::uint8_t { Unset, SingleStack, PreferDualStack, RequireDualStack };

// The label by which the API server lets selectors choose a namespace by its name.
inline constexpr const char* kNamespaceNameLabel = "kubernetes.io/metadata.name";

struct NamespaceManifest {
  ObjectKey key;  // `ns` is empty
  Labels labels;
  friend bool operator==(const NamespaceManifest&, const NamespaceManifest&) = default;
};

// `object.cluster_ips` holds the explicit ones only.
struct ServiceManifest {
  Service object;
  std::vector<IpFamily> ip_families;  // spec.ipFamilies, at most one of each
  IpFamilyPolicy ip_family_policy = IpFamilyPolicy::Unset;
  friend bool operator==(const ServiceManifest&, const ServiceManifest&) = default;
};

// core/v1 Endpoints; one slice per subset.
struct EndpointsManifest {
  ObjectKey key;  // the Service's
  std::vector<std::shared_ptr<const EndpointSlice>> subsets;
};

struct EndpointSliceManifest {
  EndpointSlice object;
  friend bool operator==(const EndpointSliceManifest&, const EndpointSliceManifest&) = default;
};

// A controller ownerReference.
struct OwnerReference {
  std::string kind;
  std::string name;
  friend bool operator==(const OwnerReference&, const OwnerReference&) = default;
};

struct PodManifest {
  Pod object;  // `ips` holds the explicit ones only
  PodSpec spec;
  OwnerReference owner;  // empty: no workload's
  std::vector<IpAddress> host_ips;
  bool ready = true;
  Created created{};
  bool terminated = false;   // phase Succeeded or Failed: no longer has its address
  bool terminating = false;  // metadata.deletionTimestamp is set
  bool lost = false;         // status.phase is Unknown
  friend bool operator==(const PodManifest&, const PodManifest&) = default;
};

enum class WorkloadKind : std::uint8_t {
  Deployment,
  ReplicaSet,
  StatefulSet,
  DaemonSet,
  ReplicationController,
};

// "Deployment", …
[[nodiscard]] const char* to_string(WorkloadKind kind) noexcept;

struct WorkloadManifest {
  WorkloadKind kind = WorkloadKind::Deployment;
  ObjectKey key;
  std::uint32_t replicas = 1;
  std::uint32_t first_ordinal = 0;  // StatefulSet: spec.ordinals.start
  std::string service_name;         // StatefulSet: spec.serviceName
  OwnerReference owner;             // ReplicaSet: the Deployment that made it
  Labels selector;  // spec.selector.matchLabels; a ReplicationController's spec.selector
  Labels template_labels;
  std::shared_ptr<const PodSpec> template_spec;
  friend bool operator==(const WorkloadManifest& a, const WorkloadManifest& b) {
    return a.kind == b.kind && a.key == b.key && a.replicas == b.replicas &&
           a.first_ordinal == b.first_ordinal && a.service_name == b.service_name &&
           a.owner == b.owner && a.selector == b.selector &&
           a.template_labels == b.template_labels && *a.template_spec == *b.template_spec;
  }
};

// An object of a kind that has a row (registry/kind.h), and is asked for.
struct KindManifest {
  const Kind* kind = nullptr;
  ObjectKey key;
  AnyObject object;
};

// An object of a kind that nobody asks for. It is kept with the host names it mentions, and where
// it stands.
struct OtherObject {
  std::string api_version;
  std::string kind;
  ObjectKey key;  // `ns` is empty when the manifest names none
  std::string file;
  YamlMark mark;
  friend bool operator==(const OtherObject& a, const OtherObject& b) {
    return a.api_version == b.api_version && a.kind == b.kind && a.key == b.key && a.file == b.file;
  }
};

// Each in memory of its own size, and immutable: the Store shares what a large cluster has most of.
using ManifestBody =
    std::variant<std::shared_ptr<const NamespaceManifest>, std::shared_ptr<const ServiceManifest>,
                 std::shared_ptr<const EndpointsManifest>,
                 std::shared_ptr<const EndpointSliceManifest>, std::shared_ptr<const PodManifest>,
                 std::shared_ptr<const WorkloadManifest>, gateways::ObjectPointer,
                 std::shared_ptr<const KindManifest>, std::shared_ptr<const OtherObject>>;

template <typename Manifest>
[[nodiscard]] ManifestBody make_body(Manifest manifest) {
  return std::make_shared<const Manifest>(std::move(manifest));
}

// The body when it is of that kind, else nullptr.
template <typename Manifest>
[[nodiscard]] const Manifest* body_as(const ManifestBody& body) {
  const auto* const pointer = std::get_if<std::shared_ptr<const Manifest>>(&body);
  return pointer == nullptr ? nullptr : pointer->get();
}

// The object of a body, sharing the body's memory.
template <typename Object, typename Manifest>
[[nodiscard]] std::shared_ptr<const Object> share(const std::shared_ptr<const Manifest>& manifest) {
  return {manifest, &manifest->object};
}

struct ManifestObject {
  ManifestBody body;
  YamlMark mark;  // where the object begins
};

// The `kind` as the manifest writes it, with the group where a kind has a row, for several groups
// have a Gateway; and the object's key.
[[nodiscard]] std::string kind_of(const ManifestBody& body);
[[nodiscard]] const ObjectKey& key_of(const ManifestBody& body);

// The namespace an object is in, or the one it is; empty when there is none.
[[nodiscard]] const std::string& namespace_of(const ManifestBody& body);

// `kind namespace/name`, for messages.
[[nodiscard]] std::string describe(const std::string& kind, const ObjectKey& key);

}  // namespace clusterdns::registry
