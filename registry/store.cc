#include "registry/store.h"

#include <algorithm>
#include <utility>

namespace clusterdns::registry {
namespace {

// Sources build vectors by push_back; what stays as long as the object must not keep the slack.
void trim(Service& service) {
  service.cluster_ips.shrink_to_fit();
  service.ports.shrink_to_fit();
  service.labels.shrink_to_fit();
  service.selector.shrink_to_fit();
  service.external_ips.shrink_to_fit();
  service.load_balancer_ips.shrink_to_fit();
}

void trim(EndpointSlice& slice) {
  slice.ports.shrink_to_fit();
  slice.endpoints.shrink_to_fit();
}

void trim(Pod& pod) {
  pod.ips.shrink_to_fit();
  pod.labels.shrink_to_fit();
}

auto slice_position(std::vector<EndpointSlice>& slices, const std::string& name) {
  return std::lower_bound(slices.begin(), slices.end(), name,
                          [](const EndpointSlice& slice, const std::string& wanted) {
                            return slice.key.name < wanted;
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
  trim(service);
  ServiceEntry& entry = services_[service.key];
  if (entry.present && entry.service == service) return Change::None;
  const Change change = entry.present ? Change::Changed : Change::Added;
  entry.present = true;
  dirty_services_.insert(service.key);
  entry.service = std::move(service);
  return change;
}

void Store::erase_service(const ObjectKey& key) {
  const auto it = services_.find(key);
  if (it == services_.end() || !it->second.present) return;
  const ObjectKey owned = key;  // `key` may live in the entry that goes
  it->second.present = false;
  it->second.service = Service{};
  dirty_services_.insert(owned);
  forget_if_empty(owned);
}

Store::Change Store::upsert(EndpointSlice slice) {
  trim(slice);
  const auto [owner, is_new] = slice_owner_.try_emplace(slice.key, slice.service);
  if (!is_new && owner->second != slice.service) {
    drop_slice_from({slice.key.ns, owner->second}, slice.key.name);
    owner->second = slice.service;
  }
  ObjectKey service_key{slice.key.ns, slice.service};
  std::vector<EndpointSlice>& slices = services_[service_key].slices;
  const auto at = slice_position(slices, slice.key.name);
  if (at != slices.end() && at->key.name == slice.key.name) {
    if (*at == slice) return Change::None;
    *at = std::move(slice);
  } else {
    slices.insert(at, std::move(slice));
  }
  dirty_services_.insert(std::move(service_key));
  return is_new ? Change::Added : Change::Changed;
}

void Store::erase_slice(const ObjectKey& key) {
  const auto owner = slice_owner_.find(key);
  if (owner == slice_owner_.end()) return;
  const ObjectKey owned = key;  // `key` may live in the slice that goes
  const ObjectKey service{owned.ns, owner->second};
  slice_owner_.erase(owner);
  drop_slice_from(service, owned.name);
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
  const auto it = services_.find(key);
  return it == services_.end() || !it->second.present ? nullptr : &it->second.service;
}

std::vector<const EndpointSlice*> Store::slices(const ObjectKey& service) const {
  std::vector<const EndpointSlice*> result;
  const auto it = services_.find(service);
  if (it == services_.end()) return result;
  result.reserve(it->second.slices.size());
  for (const EndpointSlice& slice : it->second.slices) result.push_back(&slice);
  return result;
}

const std::string* Store::slice_owner(const ObjectKey& slice) const {
  const auto it = slice_owner_.find(slice);
  return it == slice_owner_.end() ? nullptr : &it->second;
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
  for (const auto& [key, entry] : services_) {
    if (entry.present) visit(entry.service);
  }
}

void Store::for_each_slice(const std::function<void(const EndpointSlice&)>& visit) const {
  for (const auto& [key, entry] : services_) {
    for (const EndpointSlice& slice : entry.slices) visit(slice);
  }
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
                    [](const auto& item) { return item.second.present; }));
}

std::size_t Store::endpoint_count() const {
  std::size_t count = 0;
  for (const auto& [key, entry] : services_) {
    for (const EndpointSlice& slice : entry.slices) count += slice.endpoints.size();
  }
  return count;
}

void Store::add_observer(StoreObserver* observer) { observers_.push_back(observer); }

void Store::remove_observer(StoreObserver* observer) { std::erase(observers_, observer); }

void Store::drop_slice_from(const ObjectKey& service, const std::string& slice_name) {
  const auto it = services_.find(service);
  if (it == services_.end()) return;
  std::vector<EndpointSlice>& slices = it->second.slices;
  const auto at = slice_position(slices, slice_name);
  if (at == slices.end() || at->key.name != slice_name) return;
  slices.erase(at);
  dirty_services_.insert(service);
  forget_if_empty(service);
}

void Store::forget_if_empty(const ObjectKey& key) {
  const auto it = services_.find(key);
  if (it != services_.end() && !it->second.present && it->second.slices.empty()) {
    services_.erase(it);
  }
}

}  // namespace clusterdns::registry
