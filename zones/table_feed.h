// Keeps a record table equal to a registry store.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "registry/store.h"
#include "zones/record_table.h"

namespace clusterdns::zones {

// Which objects of the registry are shown.
struct FeedOptions {
  std::set<std::string> namespaces;  // empty: all
  std::function<bool(const registry::Labels&)> services;    // null: all
  std::function<bool(const registry::Labels&)> namespace_labels;  // null: all
  bool no_endpoints = false;          // as if no service had endpoints
  bool ignore_empty_service = false;  // a ClusterIP service without ready endpoints is not shown
  bool pods = false;                  // keep addresses of pods
  // Publish each headless service once more for each topology zone of its endpoints, below it under
  // the zone's name, and an empty part `_zone` that says there is such a service.
  bool zonal = false;
  // Publish an empty part for each cluster that a service has endpoints in, under the cluster's name.
  bool clusters = false;
};

// An observer of the store; lives on its thread.
class TableFeed final : public registry::StoreObserver {
 public:
  // Fills `table` with what the store holds now, then follows its commits.
  TableFeed(registry::Store& store, std::shared_ptr<RecordTable> table, FeedOptions options);
  ~TableFeed() override;

  void on_commit(const Changes& changes) override;

 private:
  [[nodiscard]] bool namespace_shown(const std::string& name) const;
  void refresh(const registry::ObjectKey& key);
  // Publishes the service and its parts, and adds the parts' names. False when it is not shown.
  bool publish(const registry::ObjectKey& key, std::set<std::string>* parts);
  void publish_zones(const registry::Service& service,
                     const std::vector<const registry::EndpointSlice*>& slices,
                     std::set<std::string>* parts);
  void publish_empty(const registry::Service& service, const std::string& part);
  void stamp();

  registry::Store& store_;
  std::shared_ptr<RecordTable> table_;
  FeedOptions options_;
  std::set<std::string> shown_namespaces_;
  std::unordered_map<registry::ObjectKey, std::set<std::string>, registry::ObjectKeyHash> parts_;
};

}  // namespace clusterdns::zones
