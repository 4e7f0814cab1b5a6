#include "registry/gateway_set.h"

#include <set>

namespace clusterdns::registry::gateways {

bool ObjectSet::put(ObjectPointer object) {
  Key key{object->kind, object->key};
  const auto at = objects_.find(key);
  if (at != objects_.end() && at->second == object) return true;
  const std::size_t before = at == objects_.end() ? 0 : octets_of(*at->second);
  const std::size_t after = octets_of(*object);
  if (octets_ - before + after > kMaxObjectOctets) {
    if (at != objects_.end()) {
      octets_ -= before;
      objects_.erase(at);
      changed_ = true;
    }
    return false;
  }
  octets_ += after - before;
  if (at == objects_.end()) {
    objects_.emplace(std::move(key), std::move(object));
    changed_ = true;
    return true;
  }
  // Moved down a file by a comment: its place is new, what it says is not.
  if (at->second->content != object->content || object->content == 0) changed_ = true;
  at->second = std::move(object);
  return true;
}

void ObjectSet::erase(Kind kind, const ObjectKey& key) {
  const auto at = objects_.find({kind, key});
  if (at == objects_.end()) return;
  octets_ -= octets_of(*at->second);
  objects_.erase(at);
  changed_ = true;
}

std::size_t ObjectSet::replace(const std::vector<ObjectPointer>& objects) {
  std::set<Key> kept;
  for (const ObjectPointer& object : objects) kept.insert({object->kind, object->key});
  for (auto it = objects_.begin(); it != objects_.end();) {
    if (kept.contains(it->first)) {
      ++it;
      continue;
    }
    octets_ -= octets_of(*it->second);
    it = objects_.erase(it);
    changed_ = true;
  }
  std::size_t left_out = 0;
  for (const ObjectPointer& object : objects) {
    if (kept.erase({object->kind, object->key}) == 0) continue;
    if (!put(object)) ++left_out;
  }
  return left_out;
}

const Object* ObjectSet::find(Kind kind, const ObjectKey& key) const {
  const auto at = objects_.find({kind, key});
  return at == objects_.end() ? nullptr : at->second.get();
}

ObjectPointer ObjectSet::find_shared(Kind kind, const ObjectKey& key) const {
  const auto at = objects_.find({kind, key});
  return at == objects_.end() ? nullptr : at->second;
}

void ObjectSet::for_each(Kind kind, const std::function<void(const Object&)>& visit) const {
  for (auto it = objects_.lower_bound({kind, {}}); it != objects_.end() && it->first.first == kind;
       ++it) {
    visit(*it->second);
  }
}

}  // namespace clusterdns::registry::gateways
