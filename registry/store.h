// The cluster as it is now, fed by sources, watched by whoever turns it into answers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "registry/model.h"

namespace clusterdns::registry {

// Told, once per commit, what that commit touched. Called on the thread that commits.
class StoreObserver {
 public:
  StoreObserver() = default;
  StoreObserver(const StoreObserver&) = delete;
  StoreObserver& operator=(const StoreObserver&) = delete;
  virtual ~StoreObserver() = default;

  struct Changes {
    std::vector<ObjectKey> services;      // service, or any slice of it, came, changed or went
    std::vector<std::string> namespaces;  // began or ceased to exist, or its labels changed
    std::vector<Pod> pods_before;         // pods that went or changed, as they were
    std::vector<Pod> pods_after;          // pods that came or changed, as they are
  };
  virtual void on_commit(const Changes& changes) = 0;
};

// Objects by key. Not thread-safe: one thread (the control thread of a server) owns it.
//
// Changes are gathered by the calls below and become visible to observers at `commit()`, so that a
// source can hand over several objects as one step. Reading shows uncommitted changes at once.
// An upsert that equals what is stored is no change.
class Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // What an upsert did.
  enum class Change : std::uint8_t { None, Added, Changed };

  // A source that keeps the object itself shares it with the store, instead of keeping a copy; it
  // must not change it any more, and should have trimmed it.
  Change upsert(Service service);
  Change upsert(std::shared_ptr<const Service> service);
  void erase_service(const ObjectKey& key);

  // A slice that moves to another service leaves the old one.
  Change upsert(EndpointSlice slice);
  Change upsert(std::shared_ptr<const EndpointSlice> slice);
  void erase_slice(const ObjectKey& key);

  Change upsert(Pod pod);
  void erase_pod(const ObjectKey& key);

  Change upsert(Namespace ns);
  void erase_namespace(const std::string& name);

  // Tells every observer what changed since the last commit; nothing when nothing did.
  void commit();

  // nullptr when there is none. Pointers hold until the next change of the store.
  [[nodiscard]] const Service* service(const ObjectKey& key) const;
  // Slices of a service, ordered by slice name; empty when there are none.
  [[nodiscard]] std::vector<const EndpointSlice*> slices(const ObjectKey& service) const;
  // The name of the service that a slice belongs to; nullptr when there is no such slice.
  [[nodiscard]] const std::string* slice_owner(const ObjectKey& slice) const;
  [[nodiscard]] const Namespace* find_namespace(const std::string& name) const;
  [[nodiscard]] const Pod* pod(const ObjectKey& key) const;

  // In no particular order.
  void for_each_service(const std::function<void(const Service&)>& visit) const;
  void for_each_slice(const std::function<void(const EndpointSlice&)>& visit) const;
  void for_each_namespace(const std::function<void(const Namespace&)>& visit) const;
  void for_each_pod(const std::function<void(const Pod&)>& visit) const;

  [[nodiscard]] std::size_t service_count() const;
  [[nodiscard]] std::size_t endpoint_count() const;

  // `observer` must outlive the store or be removed before it dies.
  void add_observer(StoreObserver* observer);
  void remove_observer(StoreObserver* observer);

 private:
  struct KeyView {
    std::string_view ns;
    std::string_view name;
    friend bool operator==(const KeyView&, const KeyView&) = default;
  };
  // A service, its slices, or both: slices can arrive before their service. Never empty, so that
  // the key needs no place of its own.
  struct ServiceEntry {
    mutable std::shared_ptr<const Service> service;
    mutable std::vector<const EndpointSlice*> slices;  // ordered by name; owned by slices_
  };
  using SlicePointer = std::shared_ptr<const EndpointSlice>;

  static KeyView view(const KeyView& key) noexcept { return key; }
  static KeyView view(const ObjectKey& key) noexcept { return {key.ns, key.name}; }
  static KeyView view(const SlicePointer& slice) noexcept { return view(slice->key); }
  static KeyView view(const ServiceEntry& entry) noexcept {
    if (entry.service != nullptr) return view(entry.service->key);
    return owner_of(*entry.slices.front());
  }
  static KeyView owner_of(const EndpointSlice& slice) noexcept {
    return {slice.key.ns, slice.service};
  }
  struct Hash {
    using is_transparent = void;
    template <class Keyed>
    std::size_t operator()(const Keyed& keyed) const noexcept {
      const KeyView key = view(keyed);
      return hash_of(key.ns, key.name);
    }
  };
  struct Equal {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const noexcept {
      return view(a) == view(b);
    }
  };
  using Services = std::unordered_set<ServiceEntry, Hash, Equal>;

  void detach(const EndpointSlice& slice);
  void mark_dirty(const KeyView& service);

  Services services_;
  std::unordered_set<SlicePointer, Hash, Equal> slices_;
  std::unordered_map<ObjectKey, Pod, ObjectKeyHash> pods_;
  std::map<std::string, Namespace> namespaces_;

  std::unordered_set<ObjectKey, ObjectKeyHash> dirty_services_;
  std::unordered_set<std::string> dirty_namespaces_;
  std::vector<Pod> pods_before_;
  std::vector<Pod> pods_after_;
  std::vector<StoreObserver*> observers_;
};

}  // namespace clusterdns::registry
