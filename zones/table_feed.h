// Keeps a record table equal to a registry store.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

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
  void stamp();

  registry::Store& store_;
  std::shared_ptr<RecordTable> table_;
  FeedOptions options_;
  std::set<std::string> shown_namespaces_;
};

}  // namespace clusterdns::zones
