// A registry and what keeps it current, shared by all `kubernetes` directives that ask for the
// same.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <spdlog/logger.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "registry/kubernetes/kubernetes_source.h"
#include "registry/manifests/manifest_source.h"
#include "registry/merged_store.h"
#include "registry/store.h"

namespace clusterdns::app {

// What the source of the Kubernetes API told of itself last, for those who scrape it. Any thread.
class StatusBoard {
 public:
  void put(registry::kubernetes::KubernetesStatus status) {
    const std::lock_guard lock(mutex_);
    status_ = std::move(status);
  }
  [[nodiscard]] registry::kubernetes::KubernetesStatus get() const {
    const std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  mutable std::mutex mutex_;
  registry::kubernetes::KubernetesStatus status_;
};

// What a source reads. Sources of equal keys are one. Neither: a registry that was handed in.
struct SourceKey {
  std::optional<registry::ManifestOptions> manifests;
  std::optional<registry::kubernetes::SourceIdentity> api;
  friend bool operator==(const SourceKey&, const SourceKey&) = default;
};

// Lives on the control thread.
class ClusterSource {
 public:
  // A store that manifests fill. Nothing is read yet.
  explicit ClusterSource(registry::ManifestOptions options);
  // A store that somebody else fills and owns, who must keep it for as long as this.
  explicit ClusterSource(registry::Store& store) : store_(&store) {}
  // A store that the Kubernetes API fills; with `manifests`, these as well, and where both have a
  // service of one name the manifests' counts. Nothing is connected yet.
  ClusterSource(registry::kubernetes::SourceOptions api,
                std::optional<registry::ManifestOptions> manifests,
                std::chrono::milliseconds startup_timeout, std::shared_ptr<spdlog::logger> logger);

  // Before load(): what cannot be read of the manifests has a last good version in `before`.
  void inherit(const ClusterSource& before);
  // Reads what there is: manifests, the snapshot. What is good is served; the rest is in
  // findings().
  void load();
  // What load() found in the manifests.
  [[nodiscard]] const std::vector<registry::Problem>& findings() const noexcept {
    return *findings_;
  }
  // The same, for another thread.
  [[nodiscard]] std::shared_ptr<const std::vector<registry::Problem>> shared_findings() const {
    return findings_;
  }
  // Follows changes from now on; errors are logged and what was good stays. Again after a
  // configuration that kept this source: nothing happens then.
  void watch(boost::asio::io_context& io, std::shared_ptr<spdlog::logger> logger);
  void stop();

  // True once the store has held everything there was to read; it stays true. Until then `ready`
  // says no. From any thread.
  [[nodiscard]] bool synced() const noexcept { return synced_.load(std::memory_order_acquire); }
  // Calls `known` when the store can be answered from: in sync, or out of a snapshot; at once if
  // it can already.
  void when_known(std::function<void()> known);
  // The same, not before it is in sync: for what no snapshot holds.
  void when_synced(std::function<void()> synced);

  [[nodiscard]] registry::Store& store() noexcept { return *store_; }
  // What other clusters of a cluster set export; empty without `multicluster`.
  [[nodiscard]] registry::Store& imports() noexcept { return imports_; }
  // nullptr when the store is somebody else's, or the API's alone.
  [[nodiscard]] registry::ManifestSource* manifests() noexcept { return manifests_.get(); }
  // A second behind at most; nullptr when the Kubernetes API is not a source.
  [[nodiscard]] const std::shared_ptr<const StatusBoard>& status() const noexcept {
    return shown_status_;
  }
  // nullptr when the Kubernetes API is not a source.
  [[nodiscard]] const registry::kubernetes::KubernetesSource* api() const noexcept {
    return api_.get();
  }

 private:
  void tell_of_waiting();
  void show_status();
  void set_known();

  std::unique_ptr<registry::Store> own_store_;
  registry::Store* store_;
  std::unique_ptr<registry::ManifestSource> manifests_;
  std::shared_ptr<const std::vector<registry::Problem>> findings_ =
      std::make_shared<const std::vector<registry::Problem>>();

  // With both sources: what each of them fills; `own_store_` is the two together.
  std::unique_ptr<registry::Store> api_store_, manifest_store_;
  std::unique_ptr<registry::MergedStore> merged_;
  registry::Store imports_;
  std::unique_ptr<registry::kubernetes::KubernetesSource> api_;
  std::chrono::milliseconds startup_timeout_{};
  std::shared_ptr<spdlog::logger> logger_;
  std::unique_ptr<boost::asio::steady_timer> waiting_timer_, status_timer_;
  std::shared_ptr<StatusBoard> status_;
  std::shared_ptr<const StatusBoard> shown_status_;
  std::chrono::steady_clock::time_point began_{};
  std::atomic<bool> synced_{true};
  bool known_ = true;
  bool watching_ = false;
  std::vector<std::function<void()>> waiting_, waiting_for_sync_;
};

}  // namespace clusterdns::app
