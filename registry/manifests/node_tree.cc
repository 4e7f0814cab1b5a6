#include "registry/manifests/node_tree.h"

#include <algorithm>
#include <unordered_set>

#include "registry/shown_text.h"

namespace clusterdns::registry {
namespace {

// The node with the counts that make it shared, what malloc adds, and the pointer in its parent.
constexpr std::size_t kNodeOctets = sizeof(YamlNode) + 40;

bool is_merge_key(const YamlNode& key) { return key.text == "<<" && !key.quoted; }

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  if (!is_map()) return nullptr;
  const YamlNode* merged = nullptr;
  // From the back: of equal keys the last one counts, as in the API server. One whose value is
  // still being read has none.
  for (std::size_t i = children.size() / 2 * 2; i >= 2; i -= 2) {
    const YamlNode& name = *children[i - 2];
    const YamlNode& value = *children[i - 1];
    if (!name.is_scalar()) continue;
    if (name.text == key) return value.is_null() ? nullptr : &value;
    if (is_merge_key(name)) merged = &value;
  }
  if (merged == nullptr) return nullptr;
  if (merged->is_map()) return merged->find(key);
  for (const YamlNodePtr& each : merged->children) {
    if (const YamlNode* found = each->find(key)) return found;
  }
  return nullptr;
}

std::vector<std::pair<const YamlNode*, const YamlNode*>> YamlNode::entries() const {
  std::vector<std::pair<const YamlNode*, const YamlNode*>> result;
  std::unordered_set<std::string_view> seen;
  // From the back, so that the first one seen is the one that counts; what is merged comes after.
  std::vector<const YamlNode*> maps = {this};
  while (!maps.empty()) {
    const YamlNode& map = *maps.back();
    maps.pop_back();
    if (!map.is_map()) continue;
    for (std::size_t i = map.children.size() / 2 * 2; i >= 2; i -= 2) {
      const YamlNode& name = *map.children[i - 2];
      const YamlNode& value = *map.children[i - 1];
      if (!name.is_scalar()) continue;
      if (!is_merge_key(name)) {
        if (seen.insert(name.text).second) result.emplace_back(&name, &value);
      } else if (value.is_map()) {
        maps.push_back(&value);
      } else {
        for (auto each = value.children.rbegin(); each != value.children.rend(); ++each) {
          maps.push_back(each->get());
        }
      }
    }
  }
  std::reverse(result.begin(), result.end());
  return result;
}

void NodeBuilder::begin() {
  open_.clear();
  anchors_.clear();
  root_.reset();
  aliased_nodes_ = 0;
  octets_ = 0;
}

void NodeBuilder::end() {
  if (root_ && !root_->is_null()) visitor_.on_object(*root_, nullptr);
  begin();
}

std::shared_ptr<YamlNode> NodeBuilder::make(YamlNode::Kind kind, YamlMark mark,
                                            std::size_t text_size) {
  octets_ += kNodeOctets + text_size;
  if (octets_ > max_octets_) {
    throw LimitExceeded{{mark, "one object of more than " +
                                   std::to_string(max_octets_ / (1024 * 1024)) +
                                   " MiB in memory; split it"}};
  }
  auto node = std::make_shared<YamlNode>();
  node->kind = kind;
  node->mark = mark;
  return node;
}

void NodeBuilder::null(YamlMark mark, Anchor anchor) {
  add(make(YamlNode::Kind::Null, mark, 0), anchor, 1, kNodeOctets);
}

void NodeBuilder::scalar(YamlMark mark, std::string text, bool quoted, Anchor anchor) {
  const std::size_t size = text.size();
  auto node = make(YamlNode::Kind::Scalar, mark, size);
  node->quoted = quoted;
  node->text = std::move(text);
  add(std::move(node), anchor, 1, kNodeOctets + size);
}

void NodeBuilder::open(YamlNode::Kind kind, YamlMark mark, Anchor anchor) {
  if (open_.size() >= kMaxYamlDepth) {
    throw LimitExceeded{
        {mark, "nested more than " + std::to_string(kMaxYamlDepth) + " levels deep"}};
  }
  open_.push_back({make(kind, mark, 0), anchor, 1, kNodeOctets});
}

void NodeBuilder::close() {
  Open done = std::move(open_.back());
  open_.pop_back();
  done.node->children.shrink_to_fit();
  if (done.node->is_map()) note_repeated_keys(*done.node);
  add(std::move(done.node), done.anchor, done.weight, done.octets);
}

void NodeBuilder::alias(YamlMark mark, Anchor anchor) {
  const auto target = anchors_.find(anchor);
  if (target == anchors_.end()) {
    throw LimitExceeded{{mark, "an alias inside the node it names"}};
  }
  const Anchored anchored = target->second;
  aliased_nodes_ += anchored.weight;
  if (aliased_nodes_ > kMaxAliasedNodes) {
    throw LimitExceeded{{mark, "aliases stand for more than " + std::to_string(kMaxAliasedNodes) +
                                   " nodes; write the values out"}};
  }
  attach(anchored.node, anchored.weight, 0);
}

void NodeBuilder::add(std::shared_ptr<YamlNode> node, Anchor anchor, std::uint64_t weight,
                      std::size_t octets) {
  if (anchor != 0) anchors_[anchor] = {node, weight};
  attach(std::move(node), weight, octets);
}

void NodeBuilder::attach(YamlNodePtr node, std::uint64_t weight, std::size_t octets) {
  if (open_.empty()) {
    root_ = std::move(node);
    return;
  }
  if (is_list_item(*node)) {
    visitor_.on_object(*node, open_[0].node.get());
    // An anchor in it keeps it.
    if (anchors_.empty()) octets_ -= std::min(octets, octets_);
    return;
  }
  open_.back().weight += weight;
  open_.back().octets += octets;
  open_.back().node->children.push_back(std::move(node));
}

// Is it an element of the sequence below the root's key `items`, and an object in its own right, or
// because the root is known to be a List?
bool NodeBuilder::is_list_item(const YamlNode& node) const {
  if (open_.size() != 2 || !open_[0].node->is_map() || !open_[1].node->is_sequence()) return false;
  const auto& siblings = open_[0].node->children;
  if (siblings.size() % 2 == 0 || siblings.back()->text != "items") return false;
  if (node.is_map() && node.find("kind") != nullptr) return true;
  const YamlNode* const kind = open_[0].node->find("kind");
  return kind != nullptr && kind->text.ends_with("List");
}

void NodeBuilder::note_repeated_keys(const YamlNode& map) {
  const std::size_t count = map.children.size() / 2;
  if (count < 2) return;
  keys_.clear();
  for (std::size_t i = 0; i + 1 < map.children.size(); i += 2) {
    if (map.children[i]->is_scalar()) keys_.push_back(map.children[i]->text);
  }
  std::sort(keys_.begin(), keys_.end());
  const auto twice = std::adjacent_find(keys_.begin(), keys_.end());
  if (twice == keys_.end()) return;
  for (std::size_t i = map.children.size(); i >= 2; i -= 2) {
    const YamlNode& key = *map.children[i - 2];
    if (!key.is_scalar() || key.text != *twice) continue;
    visitor_.on_oddity({key.mark, "the key " + shown(*twice) +
                                      " appears twice in one map; the last one counts, remove the "
                                      "other"});
    return;
  }
}

}  // namespace clusterdns::registry
