// Keeps a record table equal to a registry store.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "registry/selector.h"
#include "registry/store.h"
#include "zones/record_table.h"

namespace clusterdns::zones {

// Which objects of the registry are shown. Feeds of equal options show the same.
struct FeedOptions {
  std::set<std::string> namespaces;            // empty: all
  registry::LabelSelector services{};          // empty: all
  registry::LabelSelector namespace_labels{};  // empty: all
  bool no_endpoints = false;                   // as if no service had endpoints
  bool ignore_empty_service = false;  // a ClusterIP service without ready endpoints is not shown
  bool pods = false;                  // keep addresses of pods
  // Publish each headless service once more for each topology zone of its endpoints, below it under
  // the zone's name, and an empty part `_zone` that says there is such a service.
  bool zonal = false;
  // Publish an empty part for each cluster that a service has endpoints in, under the cluster's
  // name.
  bool clusters = false;
  // Services as they are reached from outside: only those with external addresses or names, and
  // these instead of their own.
  bool external = false;
  bool external_headless = false;  // and headless services without, as they are
  friend bool operator==(const FeedOptions&, const FeedOptions&) = default;
};

// An observer of the store; lives on its thread.
class TableFeed final : public registry::StoreObserver {
 public:
  // Fills `table` with what the store holds now, then follows its commits.
  // `warn` is told once of each service that is too large, with its name; null: nobody is.
  TableFeed(registry::Store& store, std::shared_ptr<RecordTable> table, FeedOptions options,
            std::function<void(const std::string&)> warn = {});
  ~TableFeed() override;

  void on_commit(const Changes& changes) override;

 private:
  [[nodiscard]] bool namespace_shown(const std::string& name) const;
  void refresh(const registry::ObjectKey& key);
  // Publishes the service and its parts, and adds the parts' names. False when it is not shown.
  bool publish(const registry::ObjectKey& key, std::set<std::string>* parts);
  // The endpoints of each topology zone.
  [[nodiscard]] static std::vector<RecordTable::Part> zones_of(
      const std::vector<const registry::EndpointSlice*>& slices);
  // What is published of a service that is reached from outside; nullopt: nothing is.
  [[nodiscard]] std::optional<registry::Service> outside_of(const registry::Service& service) const;
  void tell(const registry::ObjectKey& key, const LeftOut& left_out);
  void stamp();

  registry::Store& store_;
  std::shared_ptr<RecordTable> table_;
  FeedOptions options_;
  std::function<void(const std::string&)> warn_;
  std::set<std::string> shown_namespaces_;
  std::unordered_map<registry::ObjectKey, std::set<std::string>, registry::ObjectKeyHash> parts_;
  std::unordered_set<registry::ObjectKey, registry::ObjectKeyHash> told_;
};

}  // namespace clusterdns::zones
