// The objects of one kind by key, and what changed among them.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "registry/members.h"
#include "registry/model.h"

namespace clusterdns::registry {

// An object of some kind, which whoever has it knows.
using AnyObject = std::shared_ptr<const void>;

// What an upsert did.
enum class Change : std::uint8_t { None, Added, Changed };

// From one commit to the next; one of the two may be null, and they are not equal.
template <class T>
struct ObjectChange {
  std::shared_ptr<const T> before, after;
  [[nodiscard]] const T& either() const noexcept { return after != nullptr ? *after : *before; }
};

// What changed among the objects of one kind.
class AnyChanges {
 public:
  explicit AnyChanges(const Kind& changed) : kind(changed) {}
  AnyChanges(const AnyChanges&) = delete;
  AnyChanges& operator=(const AnyChanges&) = delete;
  virtual ~AnyChanges() = default;

  const Kind& kind;
  [[nodiscard]] virtual std::vector<ObjectKey> keys() const = 0;
};

template <class T>
class TypedChanges final : public AnyChanges {
 public:
  explicit TypedChanges(std::vector<ObjectChange<T>> changed)
      : AnyChanges(T::kRow), list(std::move(changed)) {}
  [[nodiscard]] std::vector<ObjectKey> keys() const override {
    std::vector<ObjectKey> keys;
    keys.reserve(list.size());
    for (const ObjectChange<T>& each : list) {
      const KeyView key = key_view(each.either());
      keys.push_back({std::string(key.ns), std::string(key.name)});
    }
    return keys;
  }
  const std::vector<ObjectChange<T>> list;  // by key
};

// A Table<T> for whoever knows T by its row alone.
class AnyTable {
 public:
  AnyTable() = default;
  AnyTable(const AnyTable&) = delete;
  AnyTable& operator=(const AnyTable&) = delete;
  virtual ~AnyTable() = default;

  [[nodiscard]] virtual const Kind& kind() const noexcept = 0;
  // `object` is one of the table's kind, and is not changed any more.
  virtual Change upsert_any(AnyObject object) = 0;
  // False: there was none.
  virtual bool erase(const ObjectKey& key) = 0;
  // nullptr when there is none.
  [[nodiscard]] virtual AnyObject share(const ObjectKey& key) const = 0;
  [[nodiscard]] virtual std::size_t size() const noexcept = 0;
  virtual void for_each_any(const std::function<void(const void*)>& visit) const = 0;
  // Each of them, shared; in no particular order.
  [[nodiscard]] virtual std::vector<AnyObject> all() const = 0;
  // Since the last call; nullptr when nothing did.
  [[nodiscard]] virtual std::shared_ptr<const AnyChanges> take_changes() = 0;
};

// Not thread-safe. An upsert that equals what is there is no change.
template <class T>
class Table final : public AnyTable {
 public:
  using Pointer = std::shared_ptr<const T>;

  [[nodiscard]] const Kind& kind() const noexcept override { return T::kRow; }

  // The pointer holds until the next change. nullptr when there is none.
  [[nodiscard]] const T* find(const KeyView& key) const {
    const auto it = objects_.find(key);
    return it == objects_.end() ? nullptr : it->get();
  }
  [[nodiscard]] const T* find(const ObjectKey& key) const { return find(key_view(key)); }
  [[nodiscard]] AnyObject share(const ObjectKey& key) const override {
    const auto it = objects_.find(key_view(key));
    return it == objects_.end() ? nullptr : *it;
  }
  [[nodiscard]] std::size_t size() const noexcept override { return objects_.size(); }
  // In no particular order.
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const Pointer& object : objects_) visit(*object);
  }
  void for_each_any(const std::function<void(const void*)>& visit) const override {
    for (const Pointer& object : objects_) visit(object.get());
  }
  [[nodiscard]] std::vector<AnyObject> all() const override {
    return {objects_.begin(), objects_.end()};
  }

  Change upsert(T object) {
    const T* const old = find(key_view(object));
    // Most upserts of a source that lists again say nothing new.
    if (old != nullptr && *old == object) return Change::None;
    trim(object);
    return upsert(std::make_shared<const T>(std::move(object)));
  }
  Change upsert(Pointer object) {
    const auto old = objects_.find(key_view(*object));
    if (old == objects_.end()) {
      note(*object, nullptr);
      objects_.insert(std::move(object));
      return Change::Added;
    }
    const bool same = **old == *object;
    if (!same) note(*object, *old);
    // Also when they are equal: whoever shares the new one lets go of the old one.
    auto node = objects_.extract(old);
    node.value() = std::move(object);
    objects_.insert(std::move(node));
    return same ? Change::None : Change::Changed;
  }
  Change upsert_any(AnyObject object) override {
    return upsert(std::static_pointer_cast<const T>(std::move(object)));
  }
  bool erase(const KeyView& key) {
    const auto old = objects_.find(key);
    if (old == objects_.end()) return false;
    note(**old, *old);
    objects_.erase(old);
    return true;
  }
  bool erase(const ObjectKey& key) override { return erase(key_view(key)); }

  [[nodiscard]] std::vector<ObjectChange<T>> take() {
    // A new map, not clear(): a first load must not leave its buckets behind for ever.
    const auto touched = std::exchange(before_, {});
    std::vector<ObjectChange<T>> changes;
    changes.reserve(touched.size());
    for (const auto& [key, before] : touched) {
      const auto now = objects_.find(key_view(key));
      ObjectChange<T> change{before, now == objects_.end() ? nullptr : *now};
      const bool same = change.before == change.after ||
                        (change.before && change.after && *change.before == *change.after);
      if (!same) changes.push_back(std::move(change));
    }
    std::sort(changes.begin(), changes.end(), [](const auto& a, const auto& b) {
      return key_view(a.either()) < key_view(b.either());
    });
    return changes;
  }
  [[nodiscard]] std::shared_ptr<const AnyChanges> take_changes() override {
    auto changes = take();
    if (changes.empty()) return nullptr;
    return std::make_shared<const TypedChanges<T>>(std::move(changes));
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const KeyView& key) const noexcept { return hash_of(key.ns, key.name); }
    std::size_t operator()(const Pointer& object) const noexcept {
      return (*this)(key_view(*object));
    }
  };
  struct Equal {
    using is_transparent = void;
    static KeyView view(const KeyView& key) noexcept { return key; }
    static KeyView view(const Pointer& object) noexcept { return key_view(*object); }
    template <class A, class B>
    bool operator()(const A& a, const B& b) const noexcept {
      return view(a) == view(b);
    }
  };

  // The object was `before` (null: not there), unless an earlier step since the last commit knows.
  void note(const T& object, Pointer before) {
    const KeyView key = key_view(object);
    before_.try_emplace({std::string(key.ns), std::string(key.name)}, std::move(before));
  }

  std::unordered_set<Pointer, Hash, Equal> objects_;
  std::unordered_map<ObjectKey, Pointer, ObjectKeyHash> before_;
};

}  // namespace clusterdns::registry
