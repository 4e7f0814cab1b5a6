#include "registry/merged_store.h"

#include <set>
#include <string>

namespace clusterdns::registry {

MergedStore::MergedStore(Store& upper, Store& lower, Store& merged)
    : upper_(upper),
      lower_(lower),
      merged_(merged),
      upper_part_(*this, upper),
      lower_part_(*this, lower) {
  for (const Store* const store : {&upper_, &lower_}) {
    store->for_each_namespace([&](const Namespace& ns) { merge_namespace(ns.name); });
    store->for_each_service([&](const Service& service) { merge_service(service.key); });
    store->for_each_pod([&](const Pod& pod) { merge_pod(pod.key); });
  }
  merged_.commit();
}

void MergedStore::take(const StoreObserver::Changes& changes) {
  for (const std::string& name : changes.namespaces) merge_namespace(name);
  for (const ObjectKey& key : changes.services) merge_service(key);
  for (const Pod& pod : changes.pods_before) merge_pod(pod.key);
  for (const Pod& pod : changes.pods_after) merge_pod(pod.key);
  merged_.commit();
}

void MergedStore::merge_service(const ObjectKey& key) {
  const Store& from = upper_.service(key) != nullptr ? upper_ : lower_;
  std::set<std::string> wanted;
  for (const EndpointSlice* const slice : from.slices(key)) {
    wanted.insert(slice->key.name);
    merged_.upsert(*slice);
  }
  std::set<std::string> gone;
  for (const EndpointSlice* const slice : merged_.slices(key)) {
    if (!wanted.contains(slice->key.name)) gone.insert(slice->key.name);
  }
  for (const std::string& name : gone) merged_.erase_slice({key.ns, name});
  if (const Service* const service = from.service(key)) {
    merged_.upsert(*service);
  } else {
    merged_.erase_service(key);
  }
}

void MergedStore::merge_namespace(const std::string& name) {
  const Namespace* ns = upper_.find_namespace(name);
  // A namespace that manifests merely mention must not hide the real one's labels.
  if (const Namespace* const real = lower_.find_namespace(name)) {
    if (ns == nullptr || ns->labels.size() <= 1) ns = real;
  }
  if (ns != nullptr) {
    merged_.upsert(*ns);
  } else {
    merged_.erase_namespace(name);
  }
}

void MergedStore::merge_pod(const ObjectKey& key) {
  const Pod* pod = upper_.pod(key);
  if (pod == nullptr) pod = lower_.pod(key);
  if (pod != nullptr) {
    merged_.upsert(*pod);
  } else {
    merged_.erase_pod(key);
  }
}

}  // namespace clusterdns::registry
