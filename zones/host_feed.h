// Keeps a host table equal to what a registry store says of gateways.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "registry/gateways/addresses.h"
#include "registry/gateways/plan.h"
#include "registry/store.h"
#include "zones/host_table.h"

namespace clusterdns::zones {

struct HostFeedOptions {
  registry::gateways::PlanOptions plan;
  std::vector<registry::IpAddress> ingress;      // where nothing else names an address
  bool inside = false;                           // keep cluster IPs for clients inside
  std::vector<dns::Name> zones;                  // in these, names above hosts are kept
  std::uint32_t ttl = 5;                         // seconds
  std::function<void(const std::string&)> warn;  // null: nobody is told
};

// What is served, for whoever scrapes it; any thread.
struct HostFigures {
  std::atomic<std::size_t> objects{0}, hosts{0}, without_address{0}, left_out{0}, octets{0};
};

// An observer of the store; lives on its thread. What is not about gateways costs one look at what
// changed.
class HostFeed final : public registry::StoreObserver {
 public:
  // Fills `table` with what the store says now, then follows its commits.
  HostFeed(registry::Store& store, std::shared_ptr<HostTable> table, HostFeedOptions options);
  ~HostFeed() override;

  void on_commit(const Changes& changes) override;

  [[nodiscard]] const std::shared_ptr<const HostFigures>& figures() const noexcept {
    return shown_figures_;
  }

 private:
  struct Group {
    HostTable::GroupId id;
    std::vector<std::uint32_t> providers;  // of the present plan
    bool used = false;
  };
  struct Published {
    HostTable::GroupIds groups;
    std::uint32_t below = 0;  // hosts below it, where that is kept
    bool claimed = false;
  };

  void rebuild();
  void refresh_addresses();
  void resolve();
  void note_figures();
  [[nodiscard]] HostAddresses join(const std::vector<std::uint32_t>& providers) const;
  [[nodiscard]] HostTable::GroupId group_of(const std::vector<std::uint32_t>& providers);
  [[nodiscard]] bool matters(const registry::ObjectKey& key);
  [[nodiscard]] bool matters(const registry::Pod& pod) const;
  // Where names above hosts are kept: the zone that holds `name`; nullptr: none does.
  [[nodiscard]] const dns::Name* zone_of(const dns::Name& name) const;

  registry::Store& store_;
  std::shared_ptr<HostTable> table_;
  const HostFeedOptions options_;
  std::vector<registry::gateways::Provider> providers_;
  // Their objects: one that is read anew and says the same replaces the other in the store.
  std::vector<registry::gateways::ObjectPointer> held_;
  std::vector<registry::gateways::Resolved> resolved_;    // of each provider
  std::map<std::string, Group> groups_;                   // by their providers' names
  std::unordered_map<std::string, Published> published_;  // by the name's octets
  std::set<registry::Labels> selectors_;                  // of the Gateways
  // Services that gave or could give addresses, and the selectors of those whose pods' hosts do.
  std::set<registry::ObjectKey> services_;
  std::vector<std::pair<std::string, registry::Labels>> pod_selectors_;
  bool has_named_ = false;  // Gateways of the Gateway API
  std::size_t left_out_ = 0;
  std::size_t told_ = 0;  // of it
  std::shared_ptr<HostFigures> figures_ = std::make_shared<HostFigures>();
  std::shared_ptr<const HostFigures> shown_figures_ = figures_;
};

}  // namespace clusterdns::zones
