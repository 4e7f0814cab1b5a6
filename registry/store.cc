#include "registry/store.h"

#include <algorithm>
#include <utility>

namespace clusterdns::registry {
namespace {

auto slice_position(std::vector<const EndpointSlice*>& slices, const std::string& name) {
  return std::lower_bound(slices.begin(), slices.end(), name,
                          [](const EndpointSlice* slice, const std::string& wanted) {
                            return slice->key.name < wanted;
                          });
}

bool key_less(const Pod& a, const Pod& b) { return a.key < b.key; }

// A pod that changed several times since the last commit is in `before` and `after` once per step,
// each step beginning where the last one ended. Taking out the equal pairs leaves the first and the
// last state, or nothing when these are equal.
void cancel_intermediate(std::vector<Pod>& before, std::vector<Pod>& after) {
  std::stable_sort(before.begin(), before.end(), key_less);
  std::stable_sort(after.begin(), after.end(), key_less);
  std::vector<Pod> kept_before;
  std::vector<bool> after_gone(after.size(), false);
  auto range = after.begin();
  for (Pod& old : before) {
    range = std::lower_bound(range, after.end(), old, key_less);
    bool cancelled = false;
    for (auto it = range; it != after.end() && it->key == old.key; ++it) {
      const auto index = static_cast<std::size_t>(it - after.begin());
      if (!after_gone[index] && *it == old) {
        after_gone[index] = true;
        cancelled = true;
        break;
      }
    }
    if (!cancelled) kept_before.push_back(std::move(old));
  }
  before = std::move(kept_before);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < after.size(); ++i) {
    if (after_gone[i]) continue;
    if (kept != i) after[kept] = std::move(after[i]);
    ++kept;
  }
  after.erase(after.begin() + static_cast<std::ptrdiff_t>(kept), after.end());
}

}  // namespace

Store::Change Store::upsert(Service service) {
  // Most upserts of a source that lists again say nothing new.
  const auto it = services_.find(view(service.key));
  if (it != services_.end() && it->service != nullptr && *it->service == service) {
    return Change::None;
  }
  trim(service);
  return upsert(std::make_shared<const Service>(std::move(service)));
}

Store::Change Store::upsert(std::shared_ptr<const Service> service) {
  const auto it = services_.find(view(service->key));
  if (it == services_.end()) {
    mark_dirty(view(service->key));
    services_.insert({std::move(service), {}});
    return Change::Added;
  }
  Change change = Change::Added;
  if (it->service != nullptr) change = *it->service == *service ? Change::None : Change::Changed;
  if (change != Change::None) mark_dirty(view(service->key));
  // Also when they are equal: whoever shares the new one lets go of the old one.
  it->service = std::move(service);
  return change;
}

void Store::erase_service(const ObjectKey& key) {
  const auto it = services_.find(view(key));
  if (it == services_.end() || it->service == nullptr) return;
  mark_dirty(view(key));
  if (it->slices.empty()) {
    services_.erase(it);
  } else {
    it->service.reset();
  }
}

Store::Change Store::upsert(EndpointSlice slice) {
  const auto it = slices_.find(view(slice.key));
  if (it != slices_.end() && **it == slice) return Change::None;
  trim(slice);
  return upsert(std::make_shared<const EndpointSlice>(std::move(slice)));
}

Store::Change Store::upsert(std::shared_ptr<const EndpointSlice> slice) {
  Change change = Change::Added;
  const auto old = slices_.find(view(slice->key));
  if (old != slices_.end()) {
    change = **old == *slice ? Change::None : Change::Changed;
    const KeyView owner = owner_of(**old);
    if (owner == owner_of(*slice)) {
      // The slice may be all there is of the entry, and name it: one step from old to new.
      const auto it = services_.find(owner);
      *slice_position(it->slices, slice->key.name) = slice.get();
      if (change != Change::None) mark_dirty(owner);
      auto node = slices_.extract(old);
      node.value() = std::move(slice);
      slices_.insert(std::move(node));
      return change;
    }
    detach(**old);
    slices_.erase(old);
  }
  const KeyView owner = owner_of(*slice);
  mark_dirty(owner);
  if (const auto it = services_.find(owner); it != services_.end()) {
    it->slices.insert(slice_position(it->slices, slice->key.name), slice.get());
  } else {
    services_.insert({nullptr, {slice.get()}});
  }
  slices_.insert(std::move(slice));
  return change;
}

void Store::erase_slice(const ObjectKey& key) {
  const auto it = slices_.find(view(key));
  if (it == slices_.end()) return;
  detach(**it);
  slices_.erase(it);
}

void Store::detach(const EndpointSlice& slice) {
  const auto it = services_.find(owner_of(slice));
  mark_dirty(owner_of(slice));
  if (it->service == nullptr && it->slices.size() == 1) {
    services_.erase(it);
  } else {
    it->slices.erase(slice_position(it->slices, slice.key.name));
  }
}

void Store::mark_dirty(const KeyView& service) {
  dirty_services_.insert({std::string(service.ns), std::string(service.name)});
}

Store::Change Store::upsert(Pod pod) {
  trim(pod);
  const auto [it, is_new] = pods_.try_emplace(pod.key);
  if (!is_new) {
    if (it->second == pod) return Change::None;
    pods_before_.push_back(std::move(it->second));
  }
  pods_after_.push_back(pod);
  it->second = std::move(pod);
  return is_new ? Change::Added : Change::Changed;
}

void Store::erase_pod(const ObjectKey& key) {
  const auto it = pods_.find(key);
  if (it == pods_.end()) return;
  pods_before_.push_back(std::move(it->second));
  pods_.erase(it);
}

Store::Change Store::upsert(Namespace ns) {
  ns.labels.shrink_to_fit();
  const auto [it, is_new] = namespaces_.try_emplace(ns.name);
  if (!is_new && it->second == ns) return Change::None;
  dirty_namespaces_.insert(ns.name);
  it->second = std::move(ns);
  return is_new ? Change::Added : Change::Changed;
}

void Store::erase_namespace(const std::string& name) {
  const auto it = namespaces_.find(name);
  if (it == namespaces_.end()) return;
  dirty_namespaces_.insert(it->first);
  namespaces_.erase(it);
}

void Store::commit() {
  cancel_intermediate(pods_before_, pods_after_);
  StoreObserver::Changes changes;
  changes.services.assign(dirty_services_.begin(), dirty_services_.end());
  changes.namespaces.assign(dirty_namespaces_.begin(), dirty_namespaces_.end());
  changes.pods_before = std::move(pods_before_);
  changes.pods_after = std::move(pods_after_);
  // New sets, not clear(): a first load must not leave its buckets behind for ever.
  dirty_services_ = {};
  dirty_namespaces_ = {};
  pods_before_ = {};
  pods_after_ = {};
  if (changes.services.empty() && changes.namespaces.empty() && changes.pods_before.empty() &&
      changes.pods_after.empty()) {
    return;
  }
  std::sort(changes.services.begin(), changes.services.end());
  std::sort(changes.namespaces.begin(), changes.namespaces.end());
  const std::vector<StoreObserver*> observers = observers_;  // an observer may remove itself
  for (StoreObserver* observer : observers) observer->on_commit(changes);
}

const Service* Store::service(const ObjectKey& key) const {
  const auto it = services_.find(view(key));
  return it == services_.end() ? nullptr : it->service.get();
}

std::vector<const EndpointSlice*> Store::slices(const ObjectKey& service) const {
  const auto it = services_.find(view(service));
  if (it == services_.end()) return {};
  return it->slices;
}

const std::string* Store::slice_owner(const ObjectKey& slice) const {
  const auto it = slices_.find(view(slice));
  return it == slices_.end() ? nullptr : &(*it)->service;
}

const Namespace* Store::find_namespace(const std::string& name) const {
  const auto it = namespaces_.find(name);
  return it == namespaces_.end() ? nullptr : &it->second;
}

const Pod* Store::pod(const ObjectKey& key) const {
  const auto it = pods_.find(key);
  return it == pods_.end() ? nullptr : &it->second;
}

void Store::for_each_service(const std::function<void(const Service&)>& visit) const {
  for (const ServiceEntry& entry : services_) {
    if (entry.service != nullptr) visit(*entry.service);
  }
}

void Store::for_each_slice(const std::function<void(const EndpointSlice&)>& visit) const {
  for (const SlicePointer& slice : slices_) visit(*slice);
}

void Store::for_each_namespace(const std::function<void(const Namespace&)>& visit) const {
  for (const auto& [name, ns] : namespaces_) visit(ns);
}

void Store::for_each_pod(const std::function<void(const Pod&)>& visit) const {
  for (const auto& [key, pod] : pods_) visit(pod);
}

std::size_t Store::service_count() const {
  return static_cast<std::size_t>(
      std::count_if(services_.begin(), services_.end(),
                    [](const ServiceEntry& entry) { return entry.service != nullptr; }));
}

std::size_t Store::endpoint_count() const {
  std::size_t count = 0;
  for (const SlicePointer& slice : slices_) count += slice->endpoints.size();
  return count;
}

void Store::add_observer(StoreObserver* observer) { observers_.push_back(observer); }

void Store::remove_observer(StoreObserver* observer) { std::erase(observers_, observer); }

}  // namespace clusterdns::registry
