// Kubernetes manifests on disk as a source of the registry.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "registry/manifests/cluster_builder.h"
#include "registry/manifests/file_watcher.h"
#include "registry/manifests/loaded_file.h"
#include "registry/manifests/objects.h"
#include "registry/store.h"

namespace clusterdns::registry {

struct ManifestOptions {
  // Files (any name) and folders (all *.yaml, *.yml, *.json in them and below). When an object is
  // defined twice the first one counts, in this order.
  std::vector<std::filesystem::path> paths;
  ClusterOptions cluster;
};

// Reads manifests, adds what a cluster would (defaults, addresses, pods, slices) and keeps a Store
// in that state. Not thread-safe: everything happens on the thread that owns the Store, which also
// runs the io_context given to watch().
class ManifestSource {
 public:
  // `store` must outlive this. Nothing is read yet.
  ManifestSource(ManifestOptions options, Store& store);
  ~ManifestSource();
  ManifestSource(const ManifestSource&) = delete;
  ManifestSource& operator=(const ManifestSource&) = delete;

  // Reads what is new or changed since the last call (at first everything) and commits once to the
  // store if that made a difference. The findings are about what was read now; whether errors at
  // the first call are a reason to stop is the caller's choice. What is good is served in any case.
  [[nodiscard]] std::vector<Diagnostic> load();

  // From now on files that change are loaded within 100 ms. `on_reload` is called after each load
  // that met a changed file or found a problem, on the io_context's thread; and once before this
  // returns when files have changed since the last load().
  void watch(boost::asio::io_context& io,
             std::function<void(const std::vector<Diagnostic>&)> on_reload);
  // Ends watch(); no callback comes afterwards. What is in the store stays.
  void stop();

  // Objects of kinds that no name depends on, in reading order; until the next load.
  [[nodiscard]] const std::vector<OtherObject>& other_objects() const { return other_objects_; }
  [[nodiscard]] std::size_t file_count() const { return files_.size(); }
  // Those of other kinds included.
  [[nodiscard]] std::size_t object_count() const;

 private:
  void reload(const std::function<void(const std::vector<Diagnostic>&)>& on_reload);
  // Returns the namespaces that the changed files concern.
  std::unordered_set<std::string> read_changed_files(FileListing listing,
                                                     std::vector<Diagnostic>& diagnostics);

  ManifestOptions options_;
  Store& store_;
  ClusterBuilder builder_;
  std::vector<LoadedFile> files_;  // in order of precedence
  std::vector<OtherObject> other_objects_;
  std::vector<std::string> known_problems_;  // of listing, told once and not at every look
  bool has_news_ = false;                    // the last load met changed files
  std::int64_t bytes_read_ = 0;              // in the last load
  std::unique_ptr<FileWatcher> watcher_;
};

// True when one of them is an error.
[[nodiscard]] bool has_errors(const std::vector<Diagnostic>& diagnostics);

}  // namespace clusterdns::registry
