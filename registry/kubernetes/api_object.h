// Objects of the Kubernetes API, cut down to what names need, from protobuf or JSON.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "registry/model.h"

namespace clusterdns::registry::kubernetes {

enum class Kind : std::uint8_t { Services, EndpointSlices, Namespaces, Pods, ServiceImports };
inline constexpr std::size_t kKinds = 5;

// The resource's name in the API: "services" and so on.
[[nodiscard]] std::string_view to_string(Kind kind) noexcept;

enum class Encoding : std::uint8_t { Protobuf, Json };

// What is kept beyond the least.
struct ReadOptions {
  bool labels = false;            // of services and pods
  bool namespace_labels = false;
  bool target_names = false;      // of endpoints: the pod's name
  bool zones = false;             // of endpoints
  friend bool operator==(const ReadOptions&, const ReadOptions&) = default;
};

struct ApiObject {
  ObjectKey key;
  std::string resource_version;
  bool terminating = false;         // metadata.deletionTimestamp is set
  bool initial_events_end = false;  // of a bookmark: the list is complete
  std::string change_trigger_time;  // of slices: when the pod or service changed, RFC 3339
  std::string import_name;          // of slices: label multicluster.kubernetes.io/service-name
  std::string import_cluster;       // of slices: label multicluster.kubernetes.io/source-cluster
  // Nothing: a bookmark, a slice of no service, or a kind that is none of ours.
  std::variant<std::monostate, Service, EndpointSlice, Namespace, Pod> body;
  // Not empty: why the object is left out.
  std::string problem;
};

// meta/v1 Status.
struct ApiStatus {
  unsigned code = 0;
  std::string reason;
  std::string message;
};

// A ServiceImport (multicluster.x-k8s.io) is read as the Service it imports.
// False when the octets are not what they should be; then `object` is in an unknown state.
[[nodiscard]] bool read_object(Encoding encoding, Kind kind, std::span<const std::uint8_t> data,
                               const ReadOptions& options, ApiObject& object);
[[nodiscard]] bool read_status(Encoding encoding, std::span<const std::uint8_t> data,
                               ApiStatus& status);

// --- for the two readers behind these ---

inline constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";
inline constexpr std::string_view kImportNameLabel = "multicluster.kubernetes.io/service-name";
inline constexpr std::string_view kSourceClusterLabel = "multicluster.kubernetes.io/source-cluster";
inline constexpr std::string_view kTriggerTimeAnnotation =
    "endpoints.kubernetes.io/last-change-trigger-time";
inline constexpr std::string_view kInitialEventsEnd = "k8s.io/initial-events-end";

[[nodiscard]] bool read_protobuf(Kind kind, std::span<const std::uint8_t> data,
                                 const ReadOptions& options, ApiObject& object);
[[nodiscard]] bool read_json(Kind kind, std::span<const std::uint8_t> data,
                             const ReadOptions& options, ApiObject& object);

// The parts that both encodings share, so that they cannot differ.
namespace parts {

struct RawService {
  std::string_view cluster_ip, type, external_name;
  bool publish_not_ready = false;
};
struct RawEndpoint {
  bool ready = true;
  std::string_view hostname, target_name, zone;
};

void add_label(Kind kind, const ReadOptions& options, std::string_view key, std::string_view value,
               ApiObject& object, Labels& labels, std::string& service_name);
void add_annotation(std::string_view key, std::string_view value, ApiObject& object);
[[nodiscard]] Protocol protocol_of(std::string_view text) noexcept;
void finish_service(const RawService& raw, Service& service);
// One endpoint for each address. `addresses` that are none are left out.
void add_endpoint(const RawEndpoint& raw, std::span<const std::string_view> addresses,
                  const ReadOptions& options, EndpointSlice& slice);
// Checks names and puts key and labels where they belong.
void finish(Kind kind, ApiObject& object, Labels&& labels, std::string&& service_name);

}  // namespace parts

}  // namespace clusterdns::registry::kubernetes
