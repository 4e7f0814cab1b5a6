#include "zones/table_feed.h"

#include <algorithm>
#include <ctime>

namespace clusterdns::zones {

using registry::ObjectKey;

namespace {

constexpr std::size_t kReserveAbove = 256;  // services in one commit

}  // namespace

TableFeed::TableFeed(registry::Store& store, std::shared_ptr<RecordTable> table,
                     FeedOptions options)
    : store_(store), table_(std::move(table)), options_(std::move(options)) {
  table_->reserve(store_.service_count(), store_.endpoint_count() + store_.service_count());
  store_.for_each_namespace([&](const registry::Namespace& ns) {
    if (!namespace_shown(ns.name)) return;
    shown_namespaces_.insert(ns.name);
    table_->add_namespace(ns.name);
  });
  store_.for_each_service([&](const registry::Service& service) { refresh(service.key); });
  if (options_.pods) {
    store_.for_each_pod([&](const registry::Pod& pod) {
      for (const auto& ip : pod.ips) table_->add_pod(pod.key.ns, ip);
    });
  }
  stamp();
  table_->collect();
  store_.add_observer(this);
}

TableFeed::~TableFeed() { store_.remove_observer(this); }

bool TableFeed::namespace_shown(const std::string& name) const {
  if (!options_.namespaces.empty() && !options_.namespaces.contains(name)) return false;
  const registry::Namespace* const ns = store_.find_namespace(name);
  return ns != nullptr && (!options_.namespace_labels || options_.namespace_labels(ns->labels));
}

void TableFeed::refresh(const ObjectKey& key) {
  const registry::Service* const service = store_.service(key);
  if (service == nullptr || !shown_namespaces_.contains(key.ns) ||
      (options_.services && !options_.services(service->labels))) {
    table_->remove(key);
    return;
  }
  std::vector<const registry::EndpointSlice*> slices;
  if (!options_.no_endpoints) slices = store_.slices(key);
  if (options_.ignore_empty_service && !service->headless &&
      service->type != registry::ServiceType::ExternalName) {
    bool any = false;
    for (const auto* slice : slices) {
      for (const auto& endpoint : slice->endpoints) any = any || endpoint.ready;
    }
    if (!any) return table_->remove(key);
  }
  table_->publish(*service, slices);
}

void TableFeed::on_commit(const Changes& changes) {
  // A first load comes as one commit: what it needs is made at once, not by growing.
  if (changes.services.size() > kReserveAbove) {
    table_->reserve(store_.service_count(), store_.endpoint_count() + store_.service_count());
  }
  // Namespaces first: a service shows only in one that does.
  std::set<std::string> toggled;
  for (const std::string& name : changes.namespaces) {
    const bool show = namespace_shown(name);
    if (show == shown_namespaces_.contains(name)) continue;
    toggled.insert(name);
    if (show) {
      shown_namespaces_.insert(name);
      table_->add_namespace(name);
    } else {
      shown_namespaces_.erase(name);
    }
  }
  if (!toggled.empty()) {
    store_.for_each_service([&](const registry::Service& service) {
      // Those that changed themselves follow below.
      if (toggled.contains(service.key.ns) &&
          !std::binary_search(changes.services.begin(), changes.services.end(), service.key)) {
        refresh(service.key);
      }
    });
  }
  for (const ObjectKey& key : changes.services) refresh(key);
  for (const std::string& name : toggled) {
    if (!shown_namespaces_.contains(name)) table_->remove_namespace(name);
  }
  if (options_.pods) {
    for (const auto& pod : changes.pods_before) {
      for (const auto& ip : pod.ips) table_->remove_pod(pod.key.ns, ip);
    }
    for (const auto& pod : changes.pods_after) {
      for (const auto& ip : pod.ips) table_->add_pod(pod.key.ns, ip);
    }
  }
  stamp();
  table_->collect();
}

void TableFeed::stamp() { table_->set_serial(static_cast<std::uint32_t>(::time(nullptr))); }

}  // namespace clusterdns::zones
