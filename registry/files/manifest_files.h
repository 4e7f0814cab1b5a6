// Which files the manifest paths stand for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "registry/problem.h"

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

// A folder that was given, as it was found.
struct ManifestFolder {
  std::string path;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool empty = false;  // of manifests
};

struct FileListing {
  std::vector<ManifestFile> files;  // each file once, in reading order
  std::vector<ManifestFolder> folders;
  std::vector<Problem> problems;
  // About files that could not be looked at, and folders of which that is true of what is below:
  // nothing says that what was there has gone.
  std::vector<Problem> unknown;
  // Folders where a manifest may have been: those that were given, and those with a manifest's
  // name.
  std::vector<std::string> named_folders;
  std::vector<std::string> missing;  // of the paths given: those that are not there; `unknown` too
};

// A path that stands for standard input.
inline constexpr std::string_view kStandardInput = "-";

// Paths in the order given; of a folder all *.yaml, *.yml and *.json in it and below, by name.
// Entries that begin with '.' are left out, which is also how a mounted ConfigMap's `..data` is
// read only once. Symbolic links are followed.
[[nodiscard]] FileListing list_manifest_files(const std::vector<std::filesystem::path>& paths);

// What is met on the walk through a folder. What is not set is not told.
struct FolderWalk {
  // Before a folder's entries are read, so that a watch set there misses nothing.
  std::function<void(const std::filesystem::path&)> on_folder;
  // Every file with a manifest's name.
  std::function<void(const std::filesystem::path&)> on_file;
  // Before a folder with a manifest's name is walked into.
  std::function<void(const std::filesystem::path&)> on_named_folder;
  // A folder that cannot be read to its end.
  std::function<void(const std::filesystem::path&, const std::error_code&)> on_unreadable;
  // A link to a folder that it stands in, and a folder too deep to be walked into: left out.
  std::function<void(const std::filesystem::path&, const std::string& why)> on_skipped;
};

void walk_manifest_folder(const std::filesystem::path& folder, const FolderWalk& walk);

}  // namespace clusterdns::registry
