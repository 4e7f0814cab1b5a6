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

}  // namespace

std::size_t StoreObjects::size() const noexcept {
  std::size_t sum = services.size() + slices.size() + gateways.size();
  for (const OfKind& each : others) sum += each.objects.size();
  return sum;
}

Store::Store(const StoreObjects& objects) {
  services_.reserve(objects.services.size());
  slices_.reserve(objects.slices.size());
  for (const auto& service : objects.services) upsert(service);
  for (const auto& slice : objects.slices) upsert(slice);
  for (const StoreObjects::OfKind& each : objects.others) {
    AnyTable& of_kind = table(*each.kind);
    for (const AnyObject& object : each.objects) of_kind.upsert_any(object);
  }
  (void)gateways_.replace(objects.gateways);
  commit();  // nobody listens yet: what it remembers of changes goes
}

StoreObjects Store::objects() const {
  StoreObjects all;
  all.services.reserve(services_.size());
  for (const ServiceEntry& entry : services_) {
    if (entry.service != nullptr) all.services.push_back(entry.service);
  }
  all.slices.assign(slices_.begin(), slices_.end());
  for (const auto& each : tables_) all.others.push_back({&each->kind(), each->all()});
  all.gateways.reserve(gateways_.size());
  for (const auto& [key, object] : gateways_.all()) all.gateways.push_back(object);
  return all;
}

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
    add({std::move(service), {}});
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
    remove(it);
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
    add({nullptr, {slice.get()}});
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

void Store::add(ServiceEntry entry) {
  std::vector<const ServiceEntry*>& mine = by_namespace_[std::string(view(entry).ns)];
  entry.place = static_cast<std::uint32_t>(mine.size());
  mine.push_back(&*services_.insert(std::move(entry)).first);
}

void Store::remove(Services::const_iterator entry) {
  const auto all = by_namespace_.find(view(*entry).ns);
  std::vector<const ServiceEntry*>& mine = all->second;
  mine[entry->place] = mine.back();
  mine[entry->place]->place = entry->place;
  mine.pop_back();
  if (mine.empty()) by_namespace_.erase(all);
  services_.erase(entry);
}

void Store::detach(const EndpointSlice& slice) {
  const auto it = services_.find(owner_of(slice));
  mark_dirty(owner_of(slice));
  if (it->service == nullptr && it->slices.size() == 1) {
    remove(it);
  } else {
    it->slices.erase(slice_position(it->slices, slice.key.name));
  }
}

void Store::mark_dirty(const KeyView& service) {
  dirty_services_.insert({std::string(service.ns), std::string(service.name)});
}

AnyTable& Store::table(const Kind& kind) {
  for (const auto& each : tables_) {
    if (&each->kind() == &kind) return *each;
  }
  return *tables_.emplace_back(kind.make_table());
}

const AnyTable* Store::find_table(const Kind& kind) const noexcept {
  for (const auto& each : tables_) {
    if (&each->kind() == &kind) return each.get();
  }
  return nullptr;
}

void Store::for_each_table(const std::function<void(const AnyTable&)>& visit) const {
  for (const auto& each : tables_) visit(*each);
}

void Store::commit() {
  StoreObserver::Changes changes;
  changes.services.assign(dirty_services_.begin(), dirty_services_.end());
  // A new set, not clear(): a first load must not leave its buckets behind for ever.
  dirty_services_ = {};
  changes.gateways = gateways_.take_changed();
  for (const auto& table : tables_) {
    if (auto changed = table->take_changes()) changes.others.push_back(std::move(changed));
  }
  if (changes.services.empty() && changes.others.empty() && !changes.gateways) return;
  std::sort(changes.services.begin(), changes.services.end());
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

const std::string* Store::slice_owner(const ObjectKey& key) const {
  const EndpointSlice* const found = slice(key);
  return found == nullptr ? nullptr : &found->service;
}

const EndpointSlice* Store::slice(const ObjectKey& key) const {
  const auto it = slices_.find(view(key));
  return it == slices_.end() ? nullptr : it->get();
}

void Store::for_each_service(const std::function<void(const Service&)>& visit) const {
  for (const ServiceEntry& entry : services_) {
    if (entry.service != nullptr) visit(*entry.service);
  }
}

void Store::for_each_service_in(std::string_view ns,
                                const std::function<void(const Service&)>& visit) const {
  const auto all = by_namespace_.find(ns);
  if (all == by_namespace_.end()) return;
  for (const ServiceEntry* const entry : all->second) {
    if (entry->service != nullptr) visit(*entry->service);
  }
}

void Store::for_each_slice(const std::function<void(const EndpointSlice&)>& visit) const {
  for (const SlicePointer& slice : slices_) visit(*slice);
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
