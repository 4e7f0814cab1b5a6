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
    store->for_each_service([&](const Service& service) { merge_service(service.key); });
    store->for_each_table([&](const AnyTable& table) {
      table.for_each_any(
          [&](const void* object) { merge(table.kind(), table.kind().key(object)); });
    });
  }
  merge_gateways();
  merged_.commit();
}

void MergedStore::take(const StoreObserver::Changes& changes) {
  for (const ObjectKey& key : changes.services) merge_service(key);
  for (const auto& of_kind : changes.others) {
    for (const ObjectKey& key : of_kind->keys()) merge(of_kind->kind, key);
  }
  if (changes.gateways) merge_gateways();
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
    merged_.upsert(Namespace(*ns));
  } else {
    merged_.table<Namespace>().erase(ObjectKey{{}, name});
  }
}

void MergedStore::merge_gateways() {
  std::vector<gateways::ObjectPointer> objects;
  for (const Store* const store : {&upper_, &lower_}) {  // of equal keys the first counts
    for (const auto& [key, object] : store->gateways().all()) objects.push_back(object);
  }
  (void)merged_.gateways().replace(objects);
}

void MergedStore::merge(const Kind& kind, const ObjectKey& key) {
  if (&kind == &Namespace::kRow) return merge_namespace(key.name);
  AnyObject object;
  for (const Store* const store : {&upper_, &lower_}) {
    const AnyTable* const table = store->find_table(kind);
    if (object == nullptr && table != nullptr) object = table->share(key);
  }
  AnyTable& merged = merged_.table(kind);
  if (object != nullptr) {
    merged.upsert_any(std::move(object));
  } else {
    merged.erase(key);
  }
}

}  // namespace clusterdns::registry
