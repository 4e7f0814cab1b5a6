// The clusters of a configuration as they were at one moment, ready to be listed and explained.
//
// What is taken on the control thread is a pointer an object. All else, which takes time and memory
// in proportion to the clusters, is done by whoever makes the view, on another thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "app/corefile/problems.h"
#include "app/directives/directive.h"
#include "app/explain/explain.h"
#include "app/views/host_rows.h"
#include "registry/store.h"

namespace clusterdns::app {

// Octets that a view may take beside the objects that it shares with the store, before it is made
// by an estimate of it; and of what is found wrong, where the rest is left out.
inline constexpr std::size_t kViewOctets = std::size_t{256} * 1024 * 1024;
inline constexpr std::size_t kViewFindingOctets = std::size_t{16} * 1024 * 1024;
// How long the checks of one view may have a core; what they have not come to by then is left out.
inline constexpr std::chrono::seconds kViewChecks{5};

// That this thread has had a core: what is bounded so does not depend on who else wants one.
[[nodiscard]] std::chrono::nanoseconds thread_time() noexcept;

// The clusters are too large for a view.
class ViewTooLarge : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
// Nobody wants the view any more.
class ViewStopped : public std::exception {};

// What a view is made of.
struct ViewParts {
  struct Hosts {
    std::size_t store;  // index
    registry::gateways::CheckSettings settings;
  };
  struct Cluster {
    registry::StoreObjects objects;
    std::vector<bool> shown;  // by Service: a stage answers for it
  };
  struct Explained {
    std::size_t store;         // index
    ExplainedCluster cluster;  // without store and study
  };
  std::vector<Cluster> stores;
  std::vector<Explained> clusters;
  std::vector<Hosts> hosts;  // of each `gateways`
  std::vector<std::shared_ptr<const std::vector<registry::Problem>>> problems;  // of manifests
};
// Control thread.
[[nodiscard]] ViewParts view_parts(const Environment& environment);

// Immutable; any thread.
class ClusterView {
 public:
  // `stop` is asked now and then: true ends it with ViewStopped. Throws ViewTooLarge.
  ClusterView(ViewParts parts, const std::function<bool()>& stop);
  ClusterView(const ClusterView&) = delete;
  ClusterView& operator=(const ClusterView&) = delete;

  // What names are explained by, each with its study.
  [[nodiscard]] std::span<const ExplainedCluster> clusters() const noexcept { return clusters_; }
  // A Service that stages answer for, and a store that has its slices.
  struct ShownService {
    const registry::Service* service;
    const registry::Store* store;
  };
  // By namespace and name, each once.
  [[nodiscard]] const std::vector<ShownService>& services() const noexcept { return services_; }
  // By host, gateway and object.
  [[nodiscard]] const HostList& hosts() const noexcept { return hosts_; }
  // Of all clusters, by object.
  [[nodiscard]] const std::vector<registry::gateways::Finding>& findings() const noexcept {
    return clusters_.size() == 1 ? clusters_.front().study->findings : findings_;
  }
  // The findings are not all.
  [[nodiscard]] bool truncated() const noexcept { return truncated_; }
  // Of the findings, then of the problems of manifests: how many, and one.
  [[nodiscard]] std::size_t problem_count() const noexcept;
  [[nodiscard]] boost::json::object problem(std::size_t index) const;
  [[nodiscard]] std::size_t errors() const noexcept { return errors_; }
  [[nodiscard]] std::size_t warnings() const noexcept { return warnings_; }
  // What `check` finds an error with, apart from what the state of a Service says itself.
  [[nodiscard]] bool is_wrong(const std::string& host) const { return wrong_hosts_.contains(host); }
  [[nodiscard]] bool is_wrong(const registry::ObjectKey& service) const {
    return wrong_services_.contains(service);
  }

 private:
  void merge_findings();

  std::vector<std::unique_ptr<const registry::Store>> stores_;
  std::vector<ExplainedCluster> clusters_;
  std::vector<registry::gateways::Finding> findings_;  // of several clusters
  bool truncated_ = false;
  std::vector<ShownService> services_;
  HostList hosts_;
  std::vector<std::shared_ptr<const std::vector<registry::Problem>>> problems_;
  std::size_t errors_ = 0, warnings_ = 0;
  std::set<std::string, std::less<>> wrong_hosts_;
  std::set<registry::ObjectKey> wrong_services_;
};

}  // namespace clusterdns::app
