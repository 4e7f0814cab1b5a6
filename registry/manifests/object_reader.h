// Trees to typed manifests: the API server's defaults and validation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "registry/manifests/field_reader.h"
#include "registry/manifests/node_tree.h"
#include "registry/manifests/objects.h"

namespace clusterdns::registry {

// Pods of one workload. Beyond what one cluster runs (150,000 pods is the largest that Kubernetes
// supports), and small enough that a slip of the keyboard cannot take all memory.
inline constexpr std::int64_t kMaxReplicas = 200'000;

// Objects of one file. The largest cluster that Kubernetes supports has some 200,000 of the kinds
// that are read.
inline constexpr std::size_t kMaxFileObjects = 1'000'000;

struct ReadOptions {
  // Keep endpoints' targetRef names. Only `endpoint_pod_names` needs them, and in a large cluster
  // they take more memory than the addresses.
  bool keep_target_names = true;
  std::size_t max_objects = kMaxFileObjects;
  // Kinds that are read by their rows; those of nobody here become OtherObject.
  std::vector<const Kind*> kinds{};
};

// What became of one object.
struct ReadObject : Findings {
  std::optional<ManifestObject> object;  // empty when there are errors, or nothing to keep
  std::string kind;                      // as kind_of() has it; empty when missing
  ObjectKey key;                         // name empty when missing or not valid
  bool foreign = false;                  // no object and not meant to be one, such as Helm's values
  bool document = false;                 // it stands for a whole document that cannot be read
};

// Reads one object, or every element of a List. For an element that came by itself, `list` is its
// List (DocumentVisitor::on_object). `file` is kept with OtherObjects. Unknown fields are ignored,
// with a warning when they are near to a known one, and unknown kinds become OtherObject whatever
// is in them.
[[nodiscard]] std::vector<ReadObject> read_objects(const YamlNode& node, const YamlNode* list,
                                                   const std::string& file,
                                                   const ReadOptions& options = {});

// For readers of kinds that have a row: metadata.name and metadata.namespace, which is `default`
// when it is missing. `object` is the object's root. What is wrong is said at the fields.
[[nodiscard]] ObjectKey read_object_key(const Field& object);

}  // namespace clusterdns::registry
