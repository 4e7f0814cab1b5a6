// The gateways' objects of one source, or of all of them together.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "registry/gateway_objects.h"

namespace clusterdns::registry::gateways {

// What all objects of one set may take. 10,000 VirtualServices take some 6 MiB.
inline constexpr std::size_t kMaxObjectOctets = std::size_t{64} * 1024 * 1024;

// Not thread-safe: the store's thread owns it. Reading shows changes at once.
class ObjectSet {
 public:
  using Key = std::pair<Kind, ObjectKey>;

  // False when there is no room for it; what was there before under its key is gone then.
  // REQUIRES: not null.
  bool put(ObjectPointer object);
  void erase(Kind kind, const ObjectKey& key);
  // What `objects` does not hold goes. Of equal keys the first counts. Returns how many were left
  // out for lack of room.
  std::size_t replace(const std::vector<ObjectPointer>& objects);

  // nullptr when there is none.
  [[nodiscard]] const Object* find(Kind kind, const ObjectKey& key) const;
  [[nodiscard]] ObjectPointer find_shared(Kind kind, const ObjectKey& key) const;
  template <typename T>
  [[nodiscard]] const T* find(const ObjectKey& key) const {
    return static_cast<const T*>(find(T::kKind, key));
  }
  // In order of namespace and name.
  void for_each(Kind kind, const std::function<void(const Object&)>& visit) const;
  template <typename T, typename Visit>
  void each(Visit&& visit) const {
    for (auto it = objects_.lower_bound({T::kKind, {}});
         it != objects_.end() && it->first.first == T::kKind; ++it) {
      visit(static_cast<const T&>(*it->second));
    }
  }
  // HTTPRoutes, then GRPCRoutes, then TLSRoutes.
  template <typename Visit>
  void each_route(Visit&& visit) const {
    for (const Kind kind : {Kind::HttpRoute, Kind::GrpcRoute, Kind::TlsRoute}) {
      for (auto it = objects_.lower_bound({kind, {}});
           it != objects_.end() && it->first.first == kind; ++it) {
        visit(static_cast<const Route&>(*it->second));
      }
    }
  }
  [[nodiscard]] const std::map<Key, ObjectPointer>& all() const noexcept { return objects_; }
  [[nodiscard]] std::size_t size() const noexcept { return objects_.size(); }
  [[nodiscard]] bool empty() const noexcept { return objects_.empty(); }
  [[nodiscard]] std::size_t octets() const noexcept { return octets_; }

  // True when something changed since the last call.
  bool take_changed() noexcept { return std::exchange(changed_, false); }

 private:
  std::map<Key, ObjectPointer> objects_;
  std::size_t octets_ = 0;
  bool changed_ = false;
};

}  // namespace clusterdns::registry::gateways
