#include "zones/table_feed.h"

#include <algorithm>
#include <ctime>
#include <map>

namespace clusterdns::zones {

using registry::ObjectKey;

namespace {

constexpr std::size_t kReserveAbove = 256;  // services in one commit
constexpr std::size_t kMaxOutside = 64;     // addresses of one service from outside
const std::string kZonalPart = "_zone";  // no zone has a name like this: no label value starts so

}  // namespace

TableFeed::TableFeed(registry::Store& store, std::shared_ptr<RecordTable> table,
                     FeedOptions options, std::function<void(const std::string&)> warn)
    : store_(store),
      table_(std::move(table)),
      options_(std::move(options)),
      warn_(std::move(warn)) {
  table_->reserve(store_.service_count(), store_.endpoint_count() + store_.service_count());
  store_.for_each<registry::Namespace>([&](const registry::Namespace& ns) {
    if (!namespace_shown(ns.name)) return;
    shown_namespaces_.insert(ns.name);
    table_->add_namespace(ns.name);
  });
  store_.for_each_service([&](const registry::Service& service) { refresh(service.key); });
  if (options_.pods) {
    store_.for_each<registry::Pod>([&](const registry::Pod& pod) {
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
  return ns != nullptr && options_.namespace_labels.matches(ns->labels);
}

void TableFeed::refresh(const ObjectKey& key) {
  std::set<std::string> parts;
  if (!publish(key, &parts)) {
    table_->remove(key);
    told_.erase(key);
  }
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
      !options_.services.matches(service->labels)) {
    return false;
  }
  std::optional<registry::Service> outside;
  if (options_.external) {
    outside = outside_of(*service);
    if (!outside) return false;
    service = &*outside;
  }
  std::vector<const registry::EndpointSlice*> slices;
  if (!options_.no_endpoints && !(options_.external && !service->headless))
    slices = store_.slices(key);
  if (options_.ignore_empty_service && !service->headless &&
      service->type != registry::ServiceType::ExternalName) {
    bool any = false;
    for (const auto* slice : slices) {
      for (const auto& endpoint : slice->endpoints) any = any || endpoint.ready;
    }
    if (!any) return false;
  }
  std::vector<RecordTable::Part> zones;
  if (options_.zonal && service->headless) zones = zones_of(slices);
  tell(key, table_->publish(*service, slices, zones));
  for (RecordTable::Part& zone : zones) parts->insert(std::move(zone.below));
  if (options_.zonal && service->headless) {
    table_->publish_empty(key, kZonalPart);
    parts->insert(kZonalPart);
  }
  if (options_.clusters) {
    for (const auto* slice : slices) {
      for (const auto& endpoint : slice->endpoints) {
        if (!endpoint.ready || endpoint.detail == nullptr || endpoint.detail->cluster.empty())
          continue;
        if (parts->insert(endpoint.detail->cluster).second) {
          table_->publish_empty(key, endpoint.detail->cluster);
        }
      }
    }
  }
  return true;
}

std::optional<registry::Service> TableFeed::outside_of(const registry::Service& service) const {
  registry::Service outside = service;
  outside.cluster_ips.clear();
  outside.external_name.clear();
  for (const auto* const addresses : {&service.external_ips, &service.load_balancer_ips}) {
    for (const registry::IpAddress& address : *addresses) {
      auto& ips = outside.cluster_ips;
      if (ips.size() < kMaxOutside && std::find(ips.begin(), ips.end(), address) == ips.end()) {
        ips.push_back(address);
      }
    }
  }
  if (!outside.cluster_ips.empty()) {
    outside.headless = false;
    outside.type = registry::ServiceType::ClusterIP;
    return outside;
  }
  // A name has one alias (RFC 2181 section 10.1).
  if (service.detail && !service.detail->balancer_names.empty()) {
    outside.headless = false;
    outside.type = registry::ServiceType::ExternalName;
    outside.external_name = service.detail->balancer_names.front();
    return outside;
  }
  if (options_.external_headless && service.headless) return outside;
  return std::nullopt;
}

std::vector<RecordTable::Part> TableFeed::zones_of(
    const std::vector<const registry::EndpointSlice*>& slices) {
  std::map<std::string, std::vector<BlockBuilder::Pick>> by_zone;
  for (std::uint32_t s = 0; s < slices.size(); ++s) {
    std::uint32_t place = 0;
    for (const registry::Endpoint& endpoint : slices[s]->endpoints) {
      const std::uint32_t here = place++;
      if (!endpoint.ready || endpoint.detail == nullptr) continue;
      std::string zone = endpoint.detail->zone;
      // Nobody can ask for a name with an empty label in it.
      if (zone.empty() || zone.find("..") != std::string::npos) continue;
      for (char& c : zone) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      by_zone[zone].push_back({s, here});
    }
  }
  std::vector<RecordTable::Part> zones;
  zones.reserve(by_zone.size());
  for (auto& [zone, endpoints] : by_zone) zones.push_back({zone, std::move(endpoints)});
  return zones;
}

void TableFeed::tell(const ObjectKey& key, const LeftOut& left_out) {
  if (!left_out.any()) {
    told_.erase(key);
    return;
  }
  if (!told_.insert(key).second || !warn_) return;
  std::string what;
  const auto add = [&what](std::uint32_t count, const char* of) {
    if (count != 0) what += (what.empty() ? "" : ", ") + std::to_string(count) + of;
  };
  add(left_out.endpoints, " addresses of endpoints");
  add(left_out.ports, " ports of endpoints");
  add(left_out.parts, " topology zones");
  add(left_out.reverse, " reverse names");
  warn_("Service " + key.ns + "/" + key.name + " is larger than one service may be (" +
        std::to_string(kMaxServiceOctets / (1024 * 1024)) + " MiB of names); left out: " + what);
}

void TableFeed::on_commit(const Changes& changes) {
  // A first load comes as one commit: what it needs is made at once, not by growing.
  if (changes.services.size() > kReserveAbove) {
    table_->reserve(store_.service_count(), store_.endpoint_count() + store_.service_count());
  }
  // Namespaces first: a service shows only in one that does.
  std::set<std::string> toggled;
  for (const auto& change : changes.of<registry::Namespace>()) {
    const std::string& name = change.either().name;
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
  for (const std::string& name : toggled) {
    store_.for_each_service_in(name, [&](const registry::Service& service) {
      // Those that changed themselves follow below.
      if (!std::binary_search(changes.services.begin(), changes.services.end(), service.key)) {
        refresh(service.key);
      }
    });
  }
  for (const ObjectKey& key : changes.services) refresh(key);
  for (const std::string& name : toggled) {
    if (!shown_namespaces_.contains(name)) table_->remove_namespace(name);
  }
  if (options_.pods) {
    const auto pods = changes.of<registry::Pod>();
    for (const auto& [before, after] : pods) {
      if (before == nullptr) continue;
      for (const auto& ip : before->ips) table_->remove_pod(before->key.ns, ip);
    }
    for (const auto& [before, after] : pods) {
      if (after == nullptr) continue;
      for (const auto& ip : after->ips) table_->add_pod(after->key.ns, ip);
    }
  }
  stamp();
  table_->collect();
}

void TableFeed::stamp() { table_->set_serial(static_cast<std::uint32_t>(::time(nullptr))); }

}  // namespace clusterdns::zones
