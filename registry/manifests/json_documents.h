// Reading JSON (RFC 8259), with Boost.JSON's parser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "registry/manifests/node_tree.h"

namespace clusterdns::registry {

// The offset of the object or array that `text` begins with, behind comments of YAML, a `---` and
// white space; nullopt when it does not look like JSON. It may be YAML all the same: JSON is the
// stricter of the two, and what looks like it nearly always is.
[[nodiscard]] std::optional<std::size_t> find_json(std::string_view text);

// Reads the texts that stand one after the other from `offset` on, each as a document; the first
// line of `text` is `first_line` of its file. Returns the first error; what came before it has been
// handed over. `max_octets`: of memory for the tree.
[[nodiscard]] std::optional<YamlError> read_json(std::string_view text, std::size_t offset,
                                                 std::uint32_t first_line, DocumentVisitor& visitor,
                                                 std::size_t max_octets = kMaxTreeOctets);

}  // namespace clusterdns::registry
