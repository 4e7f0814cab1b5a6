#include "zones/table_feed.h"

#include <algorithm>
#include <ctime>
#include <map>

namespace clusterdns::zones {

using registry::ObjectKey;

namespace {

constexpr std::size_t kReserveAbove = 256;  // services in one commit
const std::string kZonalPart = "_zone";  // no zone has a name like this: no label value starts so

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
  std::set<std::string> parts;
  if (!publish(key, &parts)) table_->remove(key);
  const auto before = parts_.find(key);
  if (before != parts_.end()) {
    for (const std::string& part : before->second) {
      if (!parts.contains(part)) table_->remove(key, part);
    }
    if (parts.empty()) parts_.erase(before);
  }
  if (!parts.empty()) parts_[key] = std::move(parts);
}

bool TableFeed::publish(const ObjectKey& key, std::set<std::string>* parts) {
  const registry::Service* service = store_.service(key);
  if (service == nullptr || !shown_namespaces_.contains(key.ns) ||
      (options_.services && !options_.services(service->labels))) {
    return false;
  }
  std::vector<const registry::EndpointSlice*> slices;
  if (!options_.no_endpoints) slices = store_.slices(key);
  if (options_.ignore_empty_service && !service->headless &&
      service->type != registry::ServiceType::ExternalName) {
    bool any = false;
    for (const auto* slice : slices) {
      for (const auto& endpoint : slice->endpoints) any = any || endpoint.ready;
    }
    if (!any) return false;
  }
  table_->publish(*service, slices);
  if (options_.zonal && service->headless) publish_zones(*service, slices, parts);
  if (options_.clusters) {
    for (const auto* slice : slices) {
      for (const auto& endpoint : slice->endpoints) {
        if (!endpoint.ready || endpoint.detail == nullptr || endpoint.detail->cluster.empty()) continue;
        if (parts->insert(endpoint.detail->cluster).second) {
          publish_empty(*service, endpoint.detail->cluster);
        }
      }
    }
  }
  return true;
}

void TableFeed::publish_zones(const registry::Service& service,
                              const std::vector<const registry::EndpointSlice*>& slices,
                              std::set<std::string>* parts) {
  std::map<std::string, std::vector<registry::EndpointSlice>> by_zone;
  for (const auto* slice : slices) {
    for (const registry::Endpoint& endpoint : slice->endpoints) {
      if (!endpoint.ready || endpoint.detail == nullptr) continue;
      std::string zone = endpoint.detail->zone;
      // Nobody can ask for a name with an empty label in it.
      if (zone.empty() || zone.find("..") != std::string::npos) continue;
      for (char& c : zone) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      auto& list = by_zone[zone];
      if (list.empty() || list.back().key != slice->key) {
        list.push_back({slice->key, slice->service, slice->ports, {}});
      }
      list.back().endpoints.push_back(endpoint);
    }
  }
  for (const auto& [zone, list] : by_zone) {
    std::vector<const registry::EndpointSlice*> of_zone;
    for (const auto& slice : list) of_zone.push_back(&slice);
    table_->publish(service, of_zone, zone);
    parts->insert(zone);
  }
  publish_empty(service, kZonalPart);
  parts->insert(kZonalPart);
}

void TableFeed::publish_empty(const registry::Service& service, const std::string& part) {
  registry::Service empty;
  empty.key = service.key;
  table_->publish(empty, {}, part);
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
