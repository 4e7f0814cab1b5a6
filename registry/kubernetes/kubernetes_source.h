// The Kubernetes API as a source of the registry: all kinds together.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <spdlog/logger.h>

#include "registry/files/regular_file.h"
#include "registry/kubernetes/config.h"
#include "registry/kubernetes/keeper.h"
#include "registry/kubernetes/reflector.h"
#include "registry/kubernetes/snapshot_writer.h"
#include "registry/kubernetes/status.h"
#include "registry/store.h"

namespace clusterdns::registry::kubernetes {

struct SourceOptions {
  ApiConfig api;
  ReadOptions read;
  bool endpoints = true;       // watch EndpointSlices
  bool pods = false;           // watch Pods
  bool pods_optional = false;  // go without when the API server does not show them to us
  bool multicluster = false;   // watch ServiceImports
  // Further kinds to watch, as far as the API server has them and shows them to us.
  std::vector<const Kind*> kinds{};
  std::string labels;              // selector for services, slices and pods; empty: all
  std::string namespace_labels;    // selector for namespaces
  std::filesystem::path snapshot;  // empty: none
  // How long the API server may say nothing before its silence counts: see ReflectorOptions.
  std::chrono::milliseconds lease{10'000};
  std::chrono::milliseconds grace{2'000};
  std::chrono::milliseconds relist{1'800'000};
  std::chrono::milliseconds list_idle{5'000};
  std::chrono::milliseconds off_again{45'000};
  // Snapshots are written at most this often, and when this stops.
  std::chrono::milliseconds snapshot_every{15'000};
  // How long the last one may hold up stop(), and reading one load_snapshot(): the disk may stand
  // still.
  std::chrono::milliseconds snapshot_patience{2'000};
  Disk disk = Disk::system();  // that snapshots are written to
  std::size_t max_kept = kMaxKeptOctets;
};

// What a source fills its store with: two of the same are as good as one, whatever else their
// options are.
struct SourceIdentity {
  ApiPlace api;
  ReadOptions read;
  bool endpoints = true, pods = false, pods_optional = false, multicluster = false;
  std::vector<const Kind*> kinds;
  std::string labels, namespace_labels;
  std::filesystem::path snapshot;
  std::chrono::milliseconds lease{};
  friend bool operator==(const SourceIdentity&, const SourceIdentity&) = default;
};
[[nodiscard]] SourceIdentity identity_of(const SourceOptions& options);

// Keeps a Store equal to what the API server has. Nothing is committed before every kind is
// complete; from then on every step is. Not thread-safe: all on the thread that owns the store,
// which runs the io_context.
class KubernetesSource final {
 public:
  // `store` outlives this, and nobody else writes to it. Nothing is connected yet.
  // `imports` takes what other clusters of a cluster set export; may be null without multicluster.
  KubernetesSource(SourceOptions options, Store& store, Store* imports,
                   std::shared_ptr<spdlog::logger> logger);
  ~KubernetesSource();
  KubernetesSource(const KubernetesSource&) = delete;
  KubernetesSource& operator=(const KubernetesSource&) = delete;

  // Fills the store from the snapshot, if one is asked for and there is a good one that comes in
  // time. Says whether it did. Call it once, before start().
  bool load_snapshot();

  // Connects, and keeps at it until stop(). `on_synced` is called once, when every kind has been
  // listed and what was listed is committed.
  void start(boost::asio::io_context& io, std::function<void()> on_synced);
  // What is in the store stays. Takes snapshot_patience at most.
  void stop();

  [[nodiscard]] bool synced() const noexcept { return status_.synced; }
  [[nodiscard]] const KubernetesStatus& status() const noexcept { return status_; }
  [[nodiscard]] const SourceOptions& options() const noexcept { return options_; }

 private:
  class Watched;

  void add(const ApiKind& kind, std::unique_ptr<Keeper> keeper, const std::string& selector);
  void pause();
  void reached(bool well);

  [[nodiscard]] std::string identity() const;
  void check_synced();
  void write_snapshot_later();
  void write_snapshot();
  void record_programming();

  SourceOptions options_;
  Store& store_;
  Store* imports_;
  std::shared_ptr<spdlog::logger> logger_;
  KubernetesStatus status_;
  std::function<void()> on_synced_;
  std::unique_ptr<Credentials> credentials_;
  Turns turns_;
  KeptRoom room_;
  std::vector<std::unique_ptr<Watched>> kinds_;
  bool changed_ = false;  // since the last commit

  // When what caused a change of endpoints happened, and to which service.
  struct Trigger {
    std::chrono::system_clock::time_point at;
    ObjectKey service;
  };
  std::vector<Trigger> triggers_;

  boost::asio::io_context* io_ = nullptr;
  std::unique_ptr<boost::asio::steady_timer> snapshot_timer_;
  bool snapshot_due_ = false;  // the store has changed since the last one
  bool snapshot_timed_ = false;
  std::unique_ptr<SnapshotWriter> snapshot_writer_;
};

}  // namespace clusterdns::registry::kubernetes
