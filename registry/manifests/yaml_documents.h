// Reading one document of YAML, with yaml-cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "registry/manifests/node_tree.h"

namespace clusterdns::registry {

// Reads `text`, which begins at line `first_line` of its file. Returns the first syntax error or
// exceeded limit; what came before it has been handed over.
[[nodiscard]] std::optional<YamlError> read_yaml(std::string_view text, std::uint32_t first_line,
                                                 DocumentVisitor& visitor);

}  // namespace clusterdns::registry
