#include "registry/manifests/yaml_documents.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <unordered_map>
#include <utility>

namespace clusterdns::registry {
namespace {

YamlMark to_mark(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<std::uint32_t>(mark.line) + 1, static_cast<std::uint32_t>(mark.column) + 1};
}

// Thrown through yaml-cpp's parser, which has no other way to be stopped.
struct LimitExceeded {
  YamlError error;
};

// The plain scalars that YAML reads as null; yaml-cpp itself reports only the empty one.
bool is_null_text(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const std::function<void(const YamlNode&)>& visit) : visit_(visit) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    // yaml-cpp never gets past a comma between documents: it would report empty ones for ever.
    if (mark.pos == last_start_) {
      throw LimitExceeded{{to_mark(mark), "not YAML: a comma outside of [ ] and { }"}};
    }
    last_start_ = mark.pos;
    open_.clear();
    anchors_.clear();
    root_.reset();
    aliased_nodes_ = 0;
  }

  void OnDocumentEnd() override {
    if (root_ && !root_->is_null()) visit_(*root_);
    root_.reset();
    anchors_.clear();
  }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(leaf(YamlNode::Kind::Null, mark), anchor, 1);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto target = anchors_.find(anchor);
    if (target == anchors_.end()) {
      throw LimitExceeded{{to_mark(mark), "an alias inside the node it names"}};
    }
    aliased_nodes_ += target->second.weight;
    if (aliased_nodes_ > kMaxAliasedNodes) {
      throw LimitExceeded{{to_mark(mark), "aliases stand for more than " +
                                              std::to_string(kMaxAliasedNodes) +
                                              " nodes; write the values out"}};
    }
    const Anchored& anchored = target->second;
    attach(anchored.node, anchored.weight);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool plain = tag.empty() || tag == "?";
    auto node = leaf(YamlNode::Kind::Scalar, mark);
    if (plain && is_null_text(value)) {
      node->kind = YamlNode::Kind::Null;
    } else {
      node->quoted = !plain;
      node->text = value;
    }
    add(std::move(node), anchor, 1);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::Sequence, mark, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::Map, mark, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    std::shared_ptr<YamlNode> node;
    YAML::anchor_t anchor;
    std::uint64_t weight;  // nodes in it, aliases counted as what they stand for
  };
  struct Anchored {
    YamlNodePtr node;
    std::uint64_t weight;
  };

  static std::shared_ptr<YamlNode> leaf(YamlNode::Kind kind, const YAML::Mark& mark) {
    auto node = std::make_shared<YamlNode>();
    node->kind = kind;
    node->mark = to_mark(mark);
    return node;
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (open_.size() >= kMaxYamlDepth) {
      throw LimitExceeded{
          {to_mark(mark), "nested more than " + std::to_string(kMaxYamlDepth) + " levels deep"}};
    }
    open_.push_back({leaf(kind, mark), anchor, 1});
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    done.node->children.shrink_to_fit();
    add(std::move(done.node), done.anchor, done.weight);
  }

  void add(std::shared_ptr<YamlNode> node, YAML::anchor_t anchor, std::uint64_t weight) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = {node, weight};
    attach(std::move(node), weight);
  }

  void attach(YamlNodePtr node, std::uint64_t weight) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    if (is_list_items() && node->is_map() && node->find("kind") != nullptr) {
      visit_(*node);
      return;
    }
    open_.back().weight += weight;
    open_.back().node->children.push_back(std::move(node));
  }

  // Is the innermost open node the sequence below the root map's key `items`?
  bool is_list_items() const {
    if (open_.size() != 2 || !open_[0].node->is_map() || !open_[1].node->is_sequence()) {
      return false;
    }
    const auto& siblings = open_[0].node->children;
    return siblings.size() % 2 == 1 && siblings.back()->text == "items";
  }

  const std::function<void(const YamlNode&)>& visit_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, Anchored> anchors_;
  YamlNodePtr root_;
  std::uint64_t aliased_nodes_ = 0;
  int last_start_ = -1;  // offset of the document before
};

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  if (!is_map()) return nullptr;
  const YamlNode* merged = nullptr;
  // From the back: of equal keys the last one counts, as in the API server.
  for (std::size_t i = children.size(); i >= 2; i -= 2) {
    const YamlNode& name = *children[i - 2];
    const YamlNode& value = *children[i - 1];
    if (!name.is_scalar()) continue;
    if (name.text == key) return value.is_null() ? nullptr : &value;
    if (name.text == "<<" && !name.quoted) merged = &value;
  }
  if (merged == nullptr) return nullptr;
  if (merged->is_map()) return merged->find(key);
  for (const YamlNodePtr& each : merged->children) {
    if (const YamlNode* found = each->find(key)) return found;
  }
  return nullptr;
}

std::optional<YamlError> read_yaml(std::istream& input,
                                   const std::function<void(const YamlNode&)>& visit) {
  try {
    YAML::Parser parser(input);
    TreeBuilder builder(visit);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const LimitExceeded& limit) {
    return limit.error;
  } catch (const YAML::Exception& error) {
    return YamlError{to_mark(error.mark), "not YAML: " + error.msg};
  }
  return std::nullopt;
}

}  // namespace clusterdns::registry
