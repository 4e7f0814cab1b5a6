// YAML (and JSON, which is YAML) as a small read-only tree with positions, one object at a time.
//
// The tree is our own and not yaml-cpp's: a document is handed over piece by piece, so that a
// manifest of 100,000 objects never stands in memory as a whole, and aliases share what they name,
// so that a "billion laughs" document costs its text and no more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace clusterdns::registry {

// Nesting of a Kubernetes object stays below 20; deeper input would cost stack in the parser.
inline constexpr std::size_t kMaxYamlDepth = 64;
// Nodes that the aliases of one document may stand for, all together. Hand-written manifests share
// a label block here and there; what goes beyond is a bomb.
inline constexpr std::uint64_t kMaxAliasedNodes = 100'000;

// Where a node begins; both count from 1, as editors do. 0: unknown.
struct YamlMark {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

struct YamlNode;
using YamlNodePtr = std::shared_ptr<const YamlNode>;

struct YamlNode {
  enum class Kind : std::uint8_t { Null, Scalar, Sequence, Map };

  Kind kind = Kind::Null;
  bool quoted = false;  // a scalar that is a string whatever it looks like
  YamlMark mark;
  std::string text;  // scalars
  // Elements of a sequence; of a map key, value, key, value.
  std::vector<YamlNodePtr> children;

  [[nodiscard]] bool is_null() const noexcept { return kind == Kind::Null; }
  [[nodiscard]] bool is_scalar() const noexcept { return kind == Kind::Scalar; }
  [[nodiscard]] bool is_sequence() const noexcept { return kind == Kind::Sequence; }
  [[nodiscard]] bool is_map() const noexcept { return kind == Kind::Map; }

  // Value of a map's key, also through `<<` merge keys; nullptr when there is none, it is null, or
  // this is no map.
  [[nodiscard]] const YamlNode* find(std::string_view key) const;
};

struct YamlError {
  YamlMark mark;
  std::string what;
};

// Reads all documents of `input` and calls `visit` for each non-empty one, in order. The elements
// of a top-level `items` sequence (a Kubernetes List) that name their own `kind` are handed over
// one by one, before the rest of the document, and are missing from it. Returns the first syntax
// error or exceeded limit; what came before it has been visited.
[[nodiscard]] std::optional<YamlError> read_yaml(
    std::istream& input, const std::function<void(const YamlNode&)>& visit);

}  // namespace clusterdns::registry
