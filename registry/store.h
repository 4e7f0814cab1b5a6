// The cluster as it is now, fed by sources, watched by whoever turns it into answers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
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

  enum class Change : std::uint8_t { None, Added, Changed };

  Change upsert(Service service);
  void erase_service(const ObjectKey& key);

  // A slice that moves to another service leaves the old one.
  Change upsert(EndpointSlice slice);
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
  // The key of the service that a slice belongs to; nullptr when there is no such slice.
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
  struct ServiceEntry {
    bool present = false;  // false: slices arrived before their Service
    Service service;
    std::vector<EndpointSlice> slices;  // ordered by name
  };

  void drop_slice_from(const ObjectKey& service, const std::string& slice_name);
  void forget_if_empty(const ObjectKey& key);

  std::unordered_map<ObjectKey, ServiceEntry, ObjectKeyHash> services_;
  std::unordered_map<ObjectKey, std::string, ObjectKeyHash> slice_owner_;  // slice -> service name
  std::unordered_map<ObjectKey, Pod, ObjectKeyHash> pods_;
  std::map<std::string, Namespace> namespaces_;

  std::unordered_set<ObjectKey, ObjectKeyHash> dirty_services_;
  std::unordered_set<std::string> dirty_namespaces_;
  std::vector<Pod> pods_before_;
  std::vector<Pod> pods_after_;
  std::vector<StoreObserver*> observers_;
};

}  // namespace clusterdns::registry
