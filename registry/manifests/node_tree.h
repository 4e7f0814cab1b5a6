// A document as a small read-only tree with positions, whether it was YAML or JSON.
//
// The tree is our own and not a library's: a document is handed over piece by piece, so that a
// manifest of 100,000 objects never stands in memory as a whole, and aliases share what they name,
// so that a "billion laughs" document costs its text and no more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace clusterdns::registry {

// Nesting of a Kubernetes object stays below 20; deeper input would cost stack in the parsers.
inline constexpr std::size_t kMaxYamlDepth = 64;
// Nodes that the aliases of one document may stand for, all together. Hand-written manifests share
// a label block here and there; what goes beyond is a bomb.
inline constexpr std::uint64_t kMaxAliasedNodes = 100'000;
// Memory for the tree of what is not handed over yet: one object, or a document that is no List. An
// Endpoints of 100,000 addresses takes half of it. A node is some 112 octets and its text.
inline constexpr std::size_t kMaxTreeOctets = std::size_t{256} * 1024 * 1024;

// Where a node begins; both count from 1, as editors do. 0: unknown.
struct YamlMark {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  friend bool operator==(const YamlMark&, const YamlMark&) = default;
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
  // this is not a map.
  [[nodiscard]] const YamlNode* find(std::string_view key) const;
  // Keys and values of a map, in their order, each key once: of equal ones the last, and of its own
  // and merged ones its own. Keys that are not scalars are left out. Empty when this is not a map.
  [[nodiscard]] std::vector<std::pair<const YamlNode*, const YamlNode*>> entries() const;
};

struct YamlError {
  YamlMark mark;
  std::string what;
};

// What becomes of a document that is read.
class DocumentVisitor {
 public:
  DocumentVisitor() = default;
  DocumentVisitor(const DocumentVisitor&) = delete;
  DocumentVisitor& operator=(const DocumentVisitor&) = delete;
  virtual ~DocumentVisitor() = default;

  // A document begins, or is begun anew because its text turned out to be the other format: what
  // came since the last call does not count then.
  virtual void begin_document() {}
  // An object: the document itself, or an element of its top-level `items` (a Kubernetes List),
  // which come one by one, before the rest of the document, and are missing from it. For an element
  // `list` is the document as far as it has been read, else it is null.
  virtual void on_object(const YamlNode& object, const YamlNode* list) = 0;
  // Something odd that is not an error.
  virtual void on_oddity(YamlError) {}
};

// Thrown by NodeBuilder, and so through the parsers, which have no other way to be stopped.
struct LimitExceeded {
  YamlError error;
};

// Makes the tree out of what a parser finds, and hands it over. One document after the other.
class NodeBuilder {
 public:
  // Names a node that is repeated by aliases; 0: none.
  using Anchor = std::size_t;

  // `max_octets`: of memory for what is not handed over yet.
  explicit NodeBuilder(DocumentVisitor& visitor, std::size_t max_octets = kMaxTreeOctets)
      : visitor_(visitor), max_octets_(max_octets) {}

  void begin();
  void end();
  void null(YamlMark mark, Anchor anchor = 0);
  void scalar(YamlMark mark, std::string text, bool quoted, Anchor anchor = 0);
  void open(YamlNode::Kind kind, YamlMark mark, Anchor anchor = 0);
  void close();
  void alias(YamlMark mark, Anchor anchor);

 private:
  struct Open {
    std::shared_ptr<YamlNode> node;
    Anchor anchor;
    std::uint64_t weight;  // nodes in it, aliases counted as what they stand for
    std::size_t octets;    // of memory, without what aliases share
  };
  struct Anchored {
    YamlNodePtr node;
    std::uint64_t weight;
  };

  std::shared_ptr<YamlNode> make(YamlNode::Kind kind, YamlMark mark, std::size_t text_size);
  void add(std::shared_ptr<YamlNode> node, Anchor anchor, std::uint64_t weight, std::size_t octets);
  void attach(YamlNodePtr node, std::uint64_t weight, std::size_t octets);
  [[nodiscard]] bool is_list_item(const YamlNode& node) const;
  void note_repeated_keys(const YamlNode& map);

  DocumentVisitor& visitor_;
  std::size_t max_octets_;
  std::vector<Open> open_;
  std::unordered_map<Anchor, Anchored> anchors_;
  YamlNodePtr root_;
  std::uint64_t aliased_nodes_ = 0;
  std::size_t octets_ = 0;  // of all that is not handed over
  std::vector<std::string_view> keys_;
};

}  // namespace clusterdns::registry
