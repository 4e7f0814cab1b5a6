// What the manifest tests share: a folder of their own, and a cluster made from text.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "registry/manifests/manifest_source.h"
#include "registry/store.h"

namespace clusterdns::registry::testing_support {

class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "clusterdns-XXXXXX").native();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

  // In place, as `cat >` does.
  std::filesystem::path write(std::string_view name, std::string_view text) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
    return file;
  }
  // As editors do: a new file, renamed over the old one.
  void replace(std::string_view name, std::string_view text) const {
    const std::filesystem::path scratch = write("." + std::string(name) + ".tmp", text);
    std::filesystem::rename(scratch, path_ / name);
  }

 private:
  std::filesystem::path path_;
};

inline std::vector<std::string> texts(const std::vector<Problem>& problems) {
  std::vector<std::string> result;
  for (const Problem& problem : problems) result.push_back(to_string(problem));
  return result;
}

inline std::vector<std::string> texts(const std::vector<IpAddress>& addresses) {
  std::vector<std::string> result;
  for (const IpAddress& address : addresses) result.push_back(address.to_string());
  return result;
}

// Of all slices in their order; a not ready one ends in '-'.
inline std::vector<std::string> endpoints_of(const Store& store, const ObjectKey& service) {
  std::vector<std::string> result;
  for (const EndpointSlice* slice : store.slices(service)) {
    for (const Endpoint& endpoint : slice->endpoints) {
      result.push_back(endpoint.address.to_string() + (endpoint.ready ? "" : "-"));
    }
  }
  return result;
}

inline std::vector<std::string> hostnames_of(const Store& store, const ObjectKey& service) {
  std::vector<std::string> result;
  for (const EndpointSlice* slice : store.slices(service)) {
    for (const Endpoint& endpoint : slice->endpoints) {
      result.push_back(endpoint.detail ? endpoint.detail->hostname : "");
    }
  }
  return result;
}

inline std::vector<std::string> targets_of(const Store& store, const ObjectKey& service) {
  std::vector<std::string> result;
  for (const EndpointSlice* slice : store.slices(service)) {
    for (const Endpoint& endpoint : slice->endpoints) {
      result.push_back(endpoint.detail ? endpoint.detail->target_name : "");
    }
  }
  return result;
}

inline std::vector<std::string> cluster_ips_of(const Store& store, const ObjectKey& service) {
  const Service* found = store.service(service);
  return found == nullptr ? std::vector<std::string>{"no such service"} : texts(found->cluster_ips);
}

// A cluster whose manifests are the files of a scratch folder, at first one with `text`.
class TestCluster {
 public:
  explicit TestCluster(std::string_view text = {}, ClusterOptions options = {}) {
    if (!text.empty()) folder.write("a.yaml", text);
    source.emplace(ManifestOptions{{folder.path()}, std::move(options)}, store);
    diagnostics = texts(source->load());
  }

  // The next load, after files have changed.
  std::vector<std::string> reload() {
    diagnostics = texts(source->load());
    return diagnostics;
  }

  // `file:line:column: …` as the source writes it.
  std::string at(std::string_view name, std::string_view rest) const {
    return (folder / name).native() + ':' + std::string(rest);
  }

  ScratchFolder folder;
  Store store;
  std::optional<ManifestSource> source;
  std::vector<std::string> diagnostics;
};

}  // namespace clusterdns::registry::testing_support
