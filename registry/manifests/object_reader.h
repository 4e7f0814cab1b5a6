// YAML trees to typed manifests: the API server's defaults and validation.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "registry/manifests/objects.h"
#include "registry/manifests/yaml_documents.h"

namespace clusterdns::registry {

// Pods of one workload. Beyond what one cluster runs (150,000 pods is the largest that Kubernetes
// supports), and small enough that a slip of the keyboard cannot take all memory.
inline constexpr std::int64_t kMaxReplicas = 200'000;

struct ReadOptions {
  // Keep endpoints' targetRef names. Only `endpoint_pod_names` needs them, and in a large cluster
  // they take more memory than the addresses.
  bool keep_target_names = true;
};

// What became of one object.
struct ReadObject {
  std::optional<ManifestObject> object;  // empty when there are errors, or nothing to keep
  std::string kind;                      // as written; empty when missing
  ObjectKey key;                         // name empty when missing or not valid
  std::vector<YamlError> errors;
  std::vector<YamlError> warnings;
};

// Reads one object, or every element of a List. `file` is kept with OtherObjects. Unknown fields
// are ignored, and unknown kinds become OtherObject whatever is in them.
[[nodiscard]] std::vector<ReadObject> read_objects(const YamlNode& node, const std::string& file,
                                                   const ReadOptions& options = {});

}  // namespace clusterdns::registry
