// The cluster as it is now, fed by sources, watched by whoever turns it into answers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "registry/gateway_set.h"
#include "registry/kind.h"
#include "registry/model.h"
#include "registry/table.h"

namespace clusterdns::registry {

// Told, once per commit, what that commit touched. Called on the thread that commits.
class StoreObserver {
 public:
  StoreObserver() = default;
  StoreObserver(const StoreObserver&) = delete;
  StoreObserver& operator=(const StoreObserver&) = delete;
  virtual ~StoreObserver() = default;

  struct Changes {
    std::vector<ObjectKey> services;  // service, or any slice of it, came, changed or went
    std::vector<std::shared_ptr<const AnyChanges>> others;  // one for each kind that changed
    bool gateways = false;  // some object of gateways() came, changed or went

    // Of one kind, by key.
    template <class T>
    [[nodiscard]] std::span<const ObjectChange<T>> of() const noexcept {
      for (const auto& changes : others) {
        if (&changes->kind == &T::kRow) {
          return static_cast<const TypedChanges<T>&>(*changes).list;
        }
      }
      return {};
    }
  };
  virtual void on_commit(const Changes& changes) = 0;
};

// What a store held at some moment. The objects are shared with it and immutable, so that taking
// them costs a pointer each, and any thread may make a store of its own from them.
struct StoreObjects {
  struct OfKind {
    const Kind* kind;
    std::vector<AnyObject> objects;
  };
  std::vector<std::shared_ptr<const Service>> services;
  std::vector<std::shared_ptr<const EndpointSlice>> slices;
  std::vector<OfKind> others;
  std::vector<gateways::ObjectPointer> gateways;

  [[nodiscard]] std::size_t size() const noexcept;
};

// Objects by key. Not thread-safe: one thread (the control thread of a server) owns it.
//
// Changes are gathered by the calls below and become visible to observers at `commit()`, so that a
// source can hand over several objects as one step. Reading shows uncommitted changes at once.
// An upsert that equals what is stored is not a change.
class Store {
 public:
  Store() = default;
  // Holds what another one held.
  explicit Store(const StoreObjects& objects);
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  using Change = registry::Change;

  // A source that keeps the object itself shares it with the store, instead of keeping a copy; it
  // must not change it any more, and should have trimmed it.
  Change upsert(Service service);
  Change upsert(std::shared_ptr<const Service> service);
  void erase_service(const ObjectKey& key);

  // A slice that moves to another service leaves the old one.
  Change upsert(EndpointSlice slice);
  Change upsert(std::shared_ptr<const EndpointSlice> slice);
  void erase_slice(const ObjectKey& key);

  // Objects of all other kinds: pods, namespaces, and whatever has a row (registry/kind.h). A table
  // is there from when it is first asked for, and as long as the store.
  template <class T>
  [[nodiscard]] Table<T>& table() {
    return static_cast<Table<T>&>(table(T::kRow));
  }
  [[nodiscard]] AnyTable& table(const Kind& kind);
  // nullptr: there is no such object yet.
  [[nodiscard]] const AnyTable* find_table(const Kind& kind) const noexcept;
  // nullptr when there is none.
  template <class T>
  [[nodiscard]] const T* find(const ObjectKey& key) const {
    const AnyTable* const objects = find_table(T::kRow);
    return objects == nullptr ? nullptr : static_cast<const Table<T>*>(objects)->find(key);
  }
  // In no particular order.
  template <class T, class Visit>
  void for_each(const Visit& visit) const {
    const AnyTable* const objects = find_table(T::kRow);
    if (objects != nullptr) static_cast<const Table<T>*>(objects)->for_each(visit);
  }
  template <class T>
  void erase(const ObjectKey& key) {
    table<T>().erase(key);
  }
  void erase_namespace(const std::string& name) { erase<Namespace>({{}, name}); }
  void for_each_table(const std::function<void(const AnyTable&)>& visit) const;
  template <class T>
  requires requires { T::kRow; }
  Change upsert(T object) { return table<T>().upsert(std::move(object)); }

  // Objects of gateways, which most clusters have none of.
  [[nodiscard]] gateways::ObjectSet& gateways() noexcept { return gateways_; }
  [[nodiscard]] const gateways::ObjectSet& gateways() const noexcept { return gateways_; }

  // Tells every observer what changed since the last commit; nothing when nothing did.
  void commit();

  // nullptr when there is none. Pointers hold until the next change of the store.
  [[nodiscard]] const Service* service(const ObjectKey& key) const;
  // Slices of a service, ordered by slice name; empty when there are none.
  [[nodiscard]] std::vector<const EndpointSlice*> slices(const ObjectKey& service) const;
  // The name of the service that a slice belongs to; nullptr when there is no such slice.
  [[nodiscard]] const std::string* slice_owner(const ObjectKey& slice) const;
  [[nodiscard]] const EndpointSlice* slice(const ObjectKey& key) const;
  [[nodiscard]] const Namespace* find_namespace(const std::string& name) const {
    return find<Namespace>({{}, name});
  }

  // In no particular order.
  void for_each_service(const std::function<void(const Service&)>& visit) const;
  // Costs what there is in that namespace.
  void for_each_service_in(std::string_view ns,
                           const std::function<void(const Service&)>& visit) const;
  void for_each_slice(const std::function<void(const EndpointSlice&)>& visit) const;

  // All that there is, for another thread.
  [[nodiscard]] StoreObjects objects() const;

  [[nodiscard]] std::size_t service_count() const;
  [[nodiscard]] std::size_t endpoint_count() const;

  // `observer` must outlive the store or be removed before it dies.
  void add_observer(StoreObserver* observer);
  void remove_observer(StoreObserver* observer);

 private:
  // A service, its slices, or both: slices can arrive before their service. Never empty, so that
  // the key needs no place of its own.
  struct ServiceEntry {
    mutable std::shared_ptr<const Service> service;
    mutable std::vector<const EndpointSlice*> slices;  // ordered by name; owned by slices_
    mutable std::uint32_t place = 0;                   // among those of the namespace
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

  void add(ServiceEntry entry);
  void remove(Services::const_iterator entry);
  void detach(const EndpointSlice& slice);
  void mark_dirty(const KeyView& service);

  Services services_;
  std::map<std::string, std::vector<const ServiceEntry*>, std::less<>> by_namespace_;
  std::unordered_set<SlicePointer, Hash, Equal> slices_;
  std::vector<std::unique_ptr<AnyTable>> tables_;  // a few
  gateways::ObjectSet gateways_;

  std::unordered_set<ObjectKey, ObjectKeyHash> dirty_services_;
  std::vector<StoreObserver*> observers_;
};

}  // namespace clusterdns::registry
