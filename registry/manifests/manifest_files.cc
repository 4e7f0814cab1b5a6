#include "registry/manifests/manifest_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <system_error>
#include <utility>

namespace clusterdns::registry {
namespace {

namespace fs = std::filesystem;

using FileId = std::pair<std::uint64_t, std::uint64_t>;  // device, inode

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

FileStamp to_stamp(const struct stat& status) {
  return {status.st_dev, status.st_ino, status.st_size, nanoseconds(status.st_mtim),
          nanoseconds(status.st_ctim)};
}

bool has_manifest_name(const fs::path& path) {
  const fs::path extension = path.extension();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

bool is_hidden(const fs::path& path) { return path.filename().native().starts_with('.'); }

void walk(const fs::path& folder, int depth, std::set<FileId>& seen,
          const std::function<void(const fs::path&)>& on_folder,
          const std::function<void(const fs::path&)>& on_file) {
  struct stat status {};
  if (depth > kMaxFolderDepth || stat(folder.c_str(), &status) != 0) return;
  if (!seen.emplace(status.st_dev, status.st_ino).second) return;
  on_folder(folder);
  std::vector<fs::path> entries;
  std::error_code error;  // a folder that goes away meanwhile is an empty one
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (!is_hidden(it->path())) entries.push_back(it->path());
  }
  std::sort(entries.begin(), entries.end());
  for (const fs::path& entry : entries) {
    std::error_code ignored;
    if (fs::is_directory(entry, ignored)) {
      walk(entry, depth + 1, seen, on_folder, on_file);
    } else if (has_manifest_name(entry)) {
      on_file(entry);
    }
  }
}

class Lister {
 public:
  void add(const fs::path& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) {
      problem(Diagnostic::Severity::Error, path.native() + ": " + std::strerror(errno) +
                                               "; give a manifest or a folder of them");
      return;
    }
    if (!S_ISDIR(status.st_mode)) return add_file(path);
    const std::size_t before = found_;
    walk_manifest_folder(path, [](const fs::path&) {},
                         [this](const fs::path& file) { add_file(file); });
    if (found_ == before) {
      problem(Diagnostic::Severity::Warning,
              path.native() + ": no *.yaml, *.yml or *.json in this folder");
    }
  }

  FileListing take() { return std::move(listing_); }

 private:
  void add_file(const fs::path& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) {
      // A link to nothing, or a file that went away since its folder was read.
      std::error_code ignored;
      if (fs::is_symlink(fs::symlink_status(path, ignored))) {
        problem(Diagnostic::Severity::Warning, path.native() + ": a link to nothing; ignored");
      }
      return;
    }
    ++found_;
    if (!S_ISREG(status.st_mode)) {
      problem(Diagnostic::Severity::Error, path.native() + ": not a regular file");
      return;
    }
    if (!seen_.emplace(status.st_dev, status.st_ino).second) return;
    listing_.files.push_back({path.native(), to_stamp(status)});
  }

  void problem(Diagnostic::Severity severity, std::string text) {
    listing_.problems.push_back({severity, std::move(text)});
  }

  FileListing listing_;
  std::set<FileId> seen_;
  std::size_t found_ = 0;
};

}  // namespace

FileListing list_manifest_files(const std::vector<fs::path>& paths) {
  Lister lister;
  for (const fs::path& path : paths) lister.add(path);
  return lister.take();
}

void walk_manifest_folder(const fs::path& folder,
                          const std::function<void(const fs::path&)>& on_folder,
                          const std::function<void(const fs::path&)>& on_file) {
  std::set<FileId> seen;
  walk(folder, 0, seen, on_folder, on_file);
}

}  // namespace clusterdns::registry
