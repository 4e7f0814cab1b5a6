// Which files the manifest paths stand for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "registry/manifests/objects.h"

namespace clusterdns::registry {

// Folders within folders; a symbolic link that leads in circles ends here at the latest.
inline constexpr int kMaxFolderDepth = 32;

// Tells one state of a file from another. Two edits within the clock's granularity can look equal;
// see `LoadedFile::racy`.
struct FileStamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = 0;
  std::int64_t modified_ns = 0;  // since the epoch
  std::int64_t changed_ns = 0;
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

struct ManifestFile {
  std::string path;  // as reached from the path given, not resolved
  FileStamp stamp;
};

struct FileListing {
  std::vector<ManifestFile> files;  // each file once, in reading order
  std::vector<Diagnostic> problems;
};

// Paths in the order given; of a folder all *.yaml, *.yml and *.json in it and below, by name.
// Entries that begin with '.' are left out, which is also how a mounted ConfigMap's `..data` is
// read only once. Symbolic links are followed.
[[nodiscard]] FileListing list_manifest_files(const std::vector<std::filesystem::path>& paths);

// The walk itself. `on_folder` is called before a folder's entries are read, so that a watch set
// there misses nothing; `on_file` for every file with a manifest's name.
void walk_manifest_folder(const std::filesystem::path& folder,
                          const std::function<void(const std::filesystem::path&)>& on_folder,
                          const std::function<void(const std::filesystem::path&)>& on_file);

}  // namespace clusterdns::registry
