#include "registry/kubernetes/keeper.h"

#include <utility>

#include "registry/validation.h"

namespace clusterdns::registry::kubernetes {

bool KeptRoom::exchange(std::size_t before, std::size_t after) {
  if (after > before && taken_ - before + after > limit_) {
    if (auto told = std::exchange(on_full_, nullptr)) told();
    return false;
  }
  taken_ += after - before;
  return true;
}

namespace {

Kept to_kept(Change change) {
  switch (change) {
    case Change::None: return Kept::None;
    case Change::Added: return Kept::Added;
    case Change::Changed: return Kept::Changed;
  }
  return Kept::None;
}

// Of an object that may not be there.
template <class T>
std::size_t octets(const T* object) {
  return object == nullptr ? 0 : kept_octets(*object);
}

class ServiceKeeper final : public Keeper {
 public:
  ServiceKeeper(Store& store, KeptRoom& room) : store_(store), room_(room) {}

  Kept upsert(ApiObject object) override {
    auto& service = std::get<Service>(object.body);
    if (!room_.exchange(octets(store_.service(service.key)), octets(&service))) return Kept::NoRoom;
    return to_kept(store_.upsert(std::move(service)));
  }
  Kept erase(const ObjectKey& key) override {
    if (!has(key)) return Kept::None;
    (void)room_.exchange(octets(store_.service(key)), 0);
    store_.erase_service(key);
    return Kept::Removed;
  }
  bool has(const ObjectKey& key) const override { return store_.service(key) != nullptr; }
  bool any() const override { return store_.service_count() > 0; }
  void for_each_key(const std::function<void(const ObjectKey&)>& visit) const override {
    store_.for_each_service([&](const Service& service) { visit(service.key); });
  }

 private:
  Store& store_;
  KeptRoom& room_;
};

// The slice as one of the service that it is imported for. Its endpoints say which cluster they are
// of (KEP-1645: several clusters' endpoints stand behind one name).
EndpointSlice imported(const ApiObject& object) {
  const auto& slice = std::get<EndpointSlice>(object.body);
  EndpointSlice result{slice.key, object.import_name, slice.ports, {}};
  result.endpoints.reserve(slice.endpoints.size());
  std::shared_ptr<const EndpointDetail> last;
  for (Endpoint endpoint : slice.endpoints) {
    EndpointDetail detail = endpoint.detail != nullptr ? *endpoint.detail : EndpointDetail{};
    detail.cluster = object.import_cluster;
    if (last == nullptr || *last != detail) {
      last = std::make_shared<const EndpointDetail>(std::move(detail));
    }
    endpoint.detail = last;
    result.endpoints.push_back(endpoint);
  }
  return result;
}

class SliceKeeper final : public Keeper {
 public:
  using OnChange = std::function<void(const ObjectKey&, const std::string&)>;
  SliceKeeper(Store& store, Store* imports, KeptRoom& room, OnChange on_change)
      : store_(store), imports_(imports), room_(room), on_change_(std::move(on_change)) {}

  Kept upsert(ApiObject object) override {
    auto& slice = std::get<EndpointSlice>(object.body);
    Kept kept = Kept::None;
    if (imports_ != nullptr) {
      if (is_dns_label(object.import_name)) {
        kept = put(imported(object), *imports_);
        if (kept == Kept::NoRoom) return kept;
      } else {
        drop(object.key, *imports_);
      }
    }
    // A slice that names no service is nobody's.
    if (slice.service.empty()) return drop(object.key, store_) ? Kept::Removed : kept;
    const ObjectKey service{slice.key.ns, slice.service};
    const Kept own = put(std::move(slice), store_);
    if (own == Kept::NoRoom) return own;
    if (own == Kept::None) return kept;
    on_change_(service, object.change_trigger_time);
    return own;
  }
  Kept erase(const ObjectKey& key) override {
    bool there = drop(key, store_);
    if (imports_ != nullptr) there = drop(key, *imports_) || there;
    return there ? Kept::Removed : Kept::None;
  }
  bool has(const ObjectKey& key) const override {
    return store_.slice(key) != nullptr || (imports_ != nullptr && imports_->slice(key) != nullptr);
  }
  bool any() const override {
    bool any = false;
    for_each_key([&](const ObjectKey&) { any = true; });
    return any;
  }
  void for_each_key(const std::function<void(const ObjectKey&)>& visit) const override {
    const Store* const stores[] = {&store_, imports_};
    for (const Store* const store : stores) {
      if (store == nullptr) continue;
      store->for_each_slice([&](const EndpointSlice& slice) { visit(slice.key); });
    }
  }

 private:
  Kept put(EndpointSlice slice, Store& store) {
    if (!room_.exchange(octets(store.slice(slice.key)), octets(&slice))) return Kept::NoRoom;
    return to_kept(store.upsert(std::move(slice)));
  }
  bool drop(const ObjectKey& key, Store& store) {
    const EndpointSlice* const slice = store.slice(key);
    if (slice == nullptr) return false;
    (void)room_.exchange(octets(slice), 0);
    store.erase_slice(key);
    return true;
  }

  Store& store_;
  Store* imports_;
  KeptRoom& room_;
  OnChange on_change_;
};

// Of any kind whose objects stand in a table of the store.
class TableKeeper final : public Keeper {
 public:
  TableKeeper(const Kind& kind, Store& store, KeptRoom& room)
      : kind_(kind), table_(store.table(kind)), room_(room) {}

  Kept upsert(ApiObject object) override {
    return put(std::get<AnyObject>(std::move(object.body)));
  }
  Kept put(AnyObject object) {
    const ObjectKey key = kind_.key(object.get());
    if (!room_.exchange(octets_at(key), kind_.octets(object.get()))) return Kept::NoRoom;
    return to_kept(table_.upsert_any(std::move(object)));
  }
  Kept erase(const ObjectKey& key) override {
    (void)room_.exchange(octets_at(key), 0);
    return table_.erase(key) ? Kept::Removed : Kept::None;
  }
  bool has(const ObjectKey& key) const override { return table_.share(key) != nullptr; }
  bool any() const override { return table_.size() > 0; }
  void for_each_key(const std::function<void(const ObjectKey&)>& visit) const override {
    table_.for_each_any([&](const void* object) { visit(kind_.key(object)); });
  }

 private:
  [[nodiscard]] std::size_t octets_at(const ObjectKey& key) const {
    const AnyObject object = table_.share(key);
    return object == nullptr ? 0 : kind_.octets(object.get());
  }

  const Kind& kind_;
  AnyTable& table_;
  KeptRoom& room_;
};

class GatewayKeeper final : public Keeper {
 public:
  GatewayKeeper(gateways::Kind kind, Store& store, KeptRoom& room)
      : kind_(kind), objects_(store.gateways()), room_(room) {}

  Kept upsert(ApiObject object) override {
    auto fresh = std::static_pointer_cast<const gateways::Object>(
        std::get<AnyObject>(std::move(object.body)));
    const gateways::Object* const old = objects_.find(kind_, fresh->key);
    const bool there = old != nullptr;
    if (there && old->content == fresh->content) return Kept::None;
    const std::size_t before = there ? gateways::octets_of(*old) : 0;
    const std::size_t after = gateways::octets_of(*fresh);
    if (!room_.exchange(before, after)) return Kept::NoRoom;
    if (!objects_.put(std::move(fresh))) {
      (void)room_.exchange(after, 0);
      return Kept::NoRoom;
    }
    return there ? Kept::Changed : Kept::Added;
  }
  Kept erase(const ObjectKey& key) override {
    const gateways::Object* const old = objects_.find(kind_, key);
    if (old == nullptr) return Kept::None;
    (void)room_.exchange(gateways::octets_of(*old), 0);
    objects_.erase(kind_, key);
    return Kept::Removed;
  }
  bool has(const ObjectKey& key) const override { return objects_.find(kind_, key) != nullptr; }
  bool any() const override {
    bool any = false;
    objects_.for_each(kind_, [&](const gateways::Object&) { any = true; });
    return any;
  }
  void for_each_key(const std::function<void(const ObjectKey&)>& visit) const override {
    objects_.for_each(kind_, [&](const gateways::Object& object) { visit(object.key); });
  }

 private:
  gateways::Kind kind_;
  gateways::ObjectSet& objects_;
  KeptRoom& room_;
};

class NamespaceKeeper final : public Keeper {
 public:
  NamespaceKeeper(Store& store, Store* imports, KeptRoom& room)
      : own_(Namespace::kRow, store, room) {
    // An import shows in a namespace that does.
    if (imports != nullptr)
      imports_ = std::make_unique<TableKeeper>(Namespace::kRow, *imports, room);
  }

  Kept upsert(ApiObject object) override {
    auto& ns = std::get<Namespace>(object.body);
    trim(ns);
    const auto shared = std::make_shared<const Namespace>(std::move(ns));
    if (imports_ && imports_->put(shared) == Kept::NoRoom) return Kept::NoRoom;
    return own_.put(shared);
  }
  Kept erase(const ObjectKey& key) override {
    const ObjectKey name{{}, key.name};
    if (imports_) (void)imports_->erase(name);
    return own_.erase(name);
  }
  bool has(const ObjectKey& key) const override { return own_.has({{}, key.name}); }
  bool any() const override { return own_.any(); }
  void for_each_key(const std::function<void(const ObjectKey&)>& visit) const override {
    own_.for_each_key(visit);
  }

 private:
  TableKeeper own_;
  std::unique_ptr<TableKeeper> imports_;
};

class PodKeeper final : public Keeper {
 public:
  PodKeeper(Store& store, KeptRoom& room) : table_(Pod::kRow, store, room) {}

  Kept upsert(ApiObject object) override {
    // Its address may be somebody else's soon.
    if (object.terminating) return erase(object.key);
    auto& pod = std::get<Pod>(object.body);
    trim(pod);
    return table_.put(std::make_shared<const Pod>(std::move(pod)));
  }
  Kept erase(const ObjectKey& key) override { return table_.erase(key); }
  bool has(const ObjectKey& key) const override { return table_.has(key); }
  bool any() const override { return table_.any(); }
  void for_each_key(const std::function<void(const ObjectKey&)>& visit) const override {
    table_.for_each_key(visit);
  }

 private:
  TableKeeper table_;
};

}  // namespace

std::unique_ptr<Keeper> keep_services(Store& store, KeptRoom& room) {
  return std::make_unique<ServiceKeeper>(store, room);
}

std::unique_ptr<Keeper> keep_slices(
    Store& store, Store* imports, KeptRoom& room,
    std::function<void(const ObjectKey& service, const std::string& trigger_time)> on_change) {
  return std::make_unique<SliceKeeper>(store, imports, room, std::move(on_change));
}

std::unique_ptr<Keeper> keep_namespaces(Store& store, Store* imports, KeptRoom& room) {
  return std::make_unique<NamespaceKeeper>(store, imports, room);
}

std::unique_ptr<Keeper> keep_pods(Store& store, KeptRoom& room) {
  return std::make_unique<PodKeeper>(store, room);
}

std::unique_ptr<Keeper> keep_gateways(gateways::Kind kind, Store& store, KeptRoom& room) {
  return std::make_unique<GatewayKeeper>(kind, store, room);
}

std::unique_ptr<Keeper> keep_objects(const Kind& kind, Store& store, KeptRoom& room) {
  return std::make_unique<TableKeeper>(kind, store, room);
}

std::size_t kept_octets_of(const Store& store) {
  std::size_t sum = 0;
  store.for_each_service([&](const Service& service) { sum += kept_octets(service); });
  store.for_each_slice([&](const EndpointSlice& slice) { sum += kept_octets(slice); });
  store.for_each_table([&](const AnyTable& table) {
    table.for_each_any([&](const void* object) { sum += table.kind().octets(object); });
  });
  return sum;
}

}  // namespace clusterdns::registry::kubernetes
