// Kubernetes manifests on disk as a source of the registry.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "registry/files/file_watcher.h"
#include "registry/manifests/cluster_builder.h"
#include "registry/manifests/loaded_file.h"
#include "registry/manifests/objects.h"
#include "registry/store.h"

namespace clusterdns::registry {

struct ManifestOptions {
  // Files (any name) and folders (all *.yaml, *.yml, *.json in them and below), and kStandardInput,
  // which is read to its end, once. A file that goes away takes its objects along; a path that
  // does, or that cannot be looked at, does not. When an object is defined twice the first one
  // counts, in this order.
  std::vector<std::filesystem::path> paths;
  ClusterOptions cluster;
  std::vector<const Kind*> kinds{};  // further kinds that are read
  friend bool operator==(const ManifestOptions&, const ManifestOptions&) = default;
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

  // Before the first load(): starts from what `before` read last, so that what cannot be read now
  // has a last good version, and files that did not change are not read again. Of several calls the
  // first counts for a file.
  void inherit(const ManifestSource& before);

  // Reads what is new or changed since the last call (at first everything) and commits once to the
  // store if that made a difference. The findings are about what was read now; whether errors at
  // the first call are a reason to stop is the caller's choice. What is good is served in any case.
  [[nodiscard]] std::vector<Problem> load();

  // From now on files that change are loaded within 100 ms. `on_reload` is called after each load
  // that met a changed file or found a problem, on the io_context's thread; and once before this
  // returns when files have changed since the last load().
  void watch(boost::asio::io_context& io,
             std::function<void(const std::vector<Problem>&)> on_reload);
  // Ends watch(); no callback comes afterwards. What is in the store stays.
  void stop();

  // Of the paths given, those that the last load() did not find and knows nothing of.
  [[nodiscard]] const std::vector<std::string>& missing_paths() const { return missing_paths_; }
  // Objects of kinds that nobody asks for, in reading order; until the next load.
  [[nodiscard]] const std::vector<OtherObject>& other_objects() const { return other_objects_; }
  // Where the object stands that counts, "file:line"; nullopt when no manifest has it. `kind` is as
  // kind_of() has it. Looks at all objects: it is for people who ask.
  [[nodiscard]] std::optional<std::string> place_of(std::string_view kind,
                                                    const ObjectKey& key) const;
  // Calls visit(file, object) for all objects, in reading order; until the next load.
  template <typename Visit>
  void for_each_object(Visit&& visit) const {
    for (const LoadedFile& file : files_) {
      for (const ManifestObject& object : file.objects) visit(file.path, object);
    }
  }
  [[nodiscard]] std::size_t file_count() const { return files_.size(); }
  // Those of other kinds included.
  [[nodiscard]] std::size_t object_count() const;

 private:
  void reload(const std::function<void(const std::vector<Problem>&)>& on_reload);
  // Returns the namespaces that the changed files concern. `unknown`: paths that could not be
  // looked at; what they held is kept, and counted there.
  std::unordered_set<std::string> read_changed_files(
      std::vector<ManifestFile> listed, std::unordered_map<std::string, std::size_t>& unknown,
      std::vector<Problem>& problems);
  // Folders that were not empty and are another one now, which is: as after an unmounting. And
  // folders that stand where a manifest was.
  void note_replaced(FileListing& listing);
  // Tells what was not told at the last look.
  void tell_listing(std::vector<Problem> found, std::vector<Problem>& problems);

  ManifestOptions options_;
  Store& store_;
  ClusterBuilder builder_;
  std::vector<LoadedFile> files_;  // in order of precedence
  std::vector<OtherObject> other_objects_;
  std::vector<std::string> missing_paths_;
  std::set<std::string> known_problems_;  // of listing, told once and not at every look
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> folders_;  // device and inode
  bool is_first_ = true;         // nothing has been built yet
  bool has_news_ = false;        // the last load met changed files
  std::int64_t bytes_read_ = 0;  // in the last load
  std::unique_ptr<FileWatcher> watcher_;
};

// True when one of them is an error.
[[nodiscard]] bool has_errors(const std::vector<Problem>& problems);

}  // namespace clusterdns::registry
