// Objects of the Kubernetes API, cut down to what names need, from protobuf or JSON.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "registry/kind.h"
#include "registry/model.h"

namespace clusterdns::registry::kubernetes {

enum class Encoding : std::uint8_t { Protobuf, Json };

// What is kept beyond the least.
struct ReadOptions {
  bool labels = false;  // of services and pods
  bool namespace_labels = false;
  bool target_names = false;  // of endpoints: the pod's name
  bool zones = false;         // of endpoints
  // What gateways want to know of Services and pods: labels, selectors, target ports, details.
  bool gateways = false;
  friend bool operator==(const ReadOptions&, const ReadOptions&) = default;
};

struct ApiObject {
  ObjectKey key;
  std::string kind;  // as written; often not
  std::string resource_version;
  bool terminating = false;         // metadata.deletionTimestamp is set
  bool initial_events_end = false;  // of a bookmark: the list is complete
  std::string change_trigger_time;  // of slices: when the pod or service changed, RFC 3339
  std::string import_name;          // of slices: label multicluster.kubernetes.io/service-name
  std::string import_cluster;       // of slices: label multicluster.kubernetes.io/source-cluster
  // Nothing: a bookmark. AnyObject: of a kind that has a row.
  std::variant<std::monostate, Service, EndpointSlice, Namespace, Pod, AnyObject> body;
  // Not empty: why the object is left out.
  std::string problem;
  // Not empty: what of the object is left out, the first such part. Objects of an API server are
  // valid; this is for what stands in for one.
  std::string note;
};

// meta/v1 Status.
struct ApiStatus {
  unsigned code = 0;
  std::string reason;
  std::string message;
};

// Nesting of an object in JSON.
inline constexpr std::size_t kMaxJsonDepth = 64;

class ProtoReader;
struct PartialObject;

// How the objects of one kind are read, where it is not by their row.
struct ObjectForm {
  bool label_name = false;  // names are DNS labels; else subdomains
  bool namespaced = true;
  void (*begin)(ApiObject& object) = nullptr;
  // One field of the message but its metadata. False: it makes no sense. nullptr: objects of this
  // kind come as JSON only.
  bool (*protobuf)(ProtoReader& field, PartialObject& to) = nullptr;
  // The whole object but its metadata.
  void (*json)(const boost::json::object& root, PartialObject& to) = nullptr;
  void (*label)(std::string_view key, std::string_view value, PartialObject& to) = nullptr;
  // The key is good, and everything has been read. Labels are sorted.
  void (*finish)(PartialObject& to) = nullptr;
};

// What has to be known of one kind of objects to follow it in the API.
struct ApiKind {
  std::string name;    // in logs and metrics: "services", "virtualservices.networking.istio.io"
  std::string object;  // what the API calls one: "Service"
  // Where the API has it: one for each version of its group, the one to ask first in front.
  std::vector<std::string> paths;
  bool optional = false;             // the API server may refuse or not know it
  std::string field_selector;        // of those that are asked for
  const ObjectForm* form = nullptr;  // one of these two
  const Kind* row = nullptr;

  // Otherwise it comes as JSON only.
  [[nodiscard]] bool has_protobuf() const noexcept {
    return form != nullptr && form->protobuf != nullptr;
  }
};

// A kind that has a row. All of them are optional: their definitions are installed, or not.
[[nodiscard]] ApiKind make_api_kind(const Kind& row);

// Those that are read without one, each in its own file (service_kind.cc and so on). A
// ServiceImport (multicluster.x-k8s.io) is read as the Service it imports.
namespace kinds {

[[nodiscard]] const ApiKind& services();
[[nodiscard]] const ApiKind& endpoint_slices();
[[nodiscard]] const ApiKind& namespaces();
[[nodiscard]] const ApiKind& pods();
[[nodiscard]] const ApiKind& service_imports();

}  // namespace kinds

// False when the octets are not what they should be; `problem` says so, key and version are as far
// as they could be read, and the body is of no use. Throws std::bad_alloc and nothing else.
[[nodiscard]] bool read_object(Encoding encoding, const ApiKind& kind,
                               std::span<const std::uint8_t> data, const ReadOptions& options,
                               ApiObject& object);
[[nodiscard]] bool read_status(Encoding encoding, std::span<const std::uint8_t> data,
                               ApiStatus& status);

// --- for the readers behind these ---

inline constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";
inline constexpr std::string_view kImportNameLabel = "multicluster.kubernetes.io/service-name";
inline constexpr std::string_view kSourceClusterLabel = "multicluster.kubernetes.io/source-cluster";
inline constexpr std::string_view kTriggerTimeAnnotation =
    "endpoints.kubernetes.io/last-change-trigger-time";
inline constexpr std::string_view kInitialEventsEnd = "k8s.io/initial-events-end";

// Octets that the tree of one object may take while it is read by its row.
inline constexpr std::size_t kMaxApiTreeOctets = std::size_t{64} * 1024 * 1024;

// An object while it is read.
struct PartialObject {
  const ReadOptions& options;
  const ApiKind& kind;
  ApiObject& object;
  Labels labels{};
  std::string service_name{};
  // What gateways want to know, where they do. Of annotations those with external-dns's older
  // prefix win.
  std::string hostnames{}, targets{};
  bool older_hostnames = false, older_targets = false;
  ServiceDetail service{};
  PodDetail pod{false, {}, {}, {}, {}, {}};
  Created created{};

  template <class T>
  [[nodiscard]] T& body() {
    return std::get<T>(object.body);
  }
};

[[nodiscard]] bool read_protobuf(std::span<const std::uint8_t> data, PartialObject& to);
[[nodiscard]] bool read_json(std::span<const std::uint8_t> data, PartialObject& to);
// By the row of its kind.
[[nodiscard]] bool read_tree(std::span<const std::uint8_t> data, const ApiKind& kind,
                             ApiObject& object);

// The parts that both encodings share, so that they cannot differ.
namespace parts {

void add_annotation(std::string_view key, std::string_view value, PartialObject& to);
// Checks names, and puts key and labels where they belong.
void finish(PartialObject& to);
// Why an object without metadata.name is not an object.
inline constexpr std::string_view kNoName = "it has no metadata.name";

// Says what of an object is left out, when nothing was said yet.
void note(ApiObject& object, std::string_view field, std::string_view value, std::string_view rule);
// `text` when `rule` holds for it, otherwise nothing. Not set is never wrong.
[[nodiscard]] std::string_view checked(ApiObject& object, std::string_view field,
                                       std::string_view text,
                                       bool (*rule)(std::string_view) noexcept,
                                       std::string_view sentence);
[[nodiscard]] Protocol protocol_of(std::string_view text) noexcept;

// One port of a Service or a slice, as it is written. `port` is 0 when it is none.
struct RawPort {
  std::string_view name, protocol;
  std::int64_t port = 0;
  // Of Services.
  std::int64_t target_port = 0, node_port = 0;
  std::string_view target_port_name{}, app_protocol{};
};
// The first three fields, which ServicePort and EndpointPort have alike in protobuf.
void read_port_field(ProtoReader& field, RawPort& port);

void add_address(std::string_view text, std::vector<IpAddress>& to);

}  // namespace parts

}  // namespace clusterdns::registry::kubernetes
