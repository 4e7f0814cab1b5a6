#include "registry/files/manifest_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
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

std::error_code last_error() { return {errno, std::generic_category()}; }

class Walker {
 public:
  explicit Walker(const FolderWalk& walk) : walk_(walk) {}

  void run(const fs::path& folder) {
    struct stat status {};
    if (stat(folder.c_str(), &status) != 0) return unreadable(folder, last_error());
    const FileId id{status.st_dev, status.st_ino};
    if (std::find(above_.begin(), above_.end(), id) != above_.end()) {
      return skipped(folder, "a link to a folder that contains it");
    }
    if (above_.size() > kMaxFolderDepth) return skipped(folder, "a folder nested too deep");
    if (!seen_.insert(id).second) return;
    if (walk_.on_folder) walk_.on_folder(folder);
    std::vector<fs::path> entries;
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      if (!is_hidden(it->path())) entries.push_back(it->path());
    }
    if (error) unreadable(folder, error);
    std::sort(entries.begin(), entries.end());
    above_.push_back(id);
    for (const fs::path& entry : entries) visit(entry);
    above_.pop_back();
  }

 private:
  void visit(const fs::path& entry) {
    std::error_code error;
    const fs::file_status status = fs::status(entry, error);
    if (error == std::errc::too_many_symbolic_link_levels && !has_manifest_name(entry)) {
      skipped(entry, "a link that leads to itself");
    } else if (fs::is_directory(status)) {
      if (has_manifest_name(entry) && walk_.on_named_folder) walk_.on_named_folder(entry);
      run(entry);
    } else if (has_manifest_name(entry) && walk_.on_file) {
      walk_.on_file(entry);
    }
  }

  void unreadable(const fs::path& folder, const std::error_code& error) const {
    // One below that is not there any more has gone since it was seen, as folders do.
    if (!above_.empty() && error == std::errc::no_such_file_or_directory) return;
    if (walk_.on_unreadable) walk_.on_unreadable(folder, error);
  }
  void skipped(const fs::path& path, const char* why) const {
    if (walk_.on_skipped) walk_.on_skipped(path, why);
  }

  const FolderWalk& walk_;
  std::set<FileId> seen_;
  std::vector<FileId> above_;
};

class Lister {
 public:
  void add(const fs::path& path) {
    if (path == kStandardInput) {
      listing_.files.push_back({path.native(), {}});
      return;
    }
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) {
      const std::error_code error = last_error();
      if (error == std::errc::no_such_file_or_directory) listing_.missing.push_back(path.native());
      return unknown(path, error.message() + "; give a manifest or a folder of them");
    }
    if (!S_ISDIR(status.st_mode)) return add_file(path);
    listing_.named_folders.push_back(path.native());
    const std::size_t before = found_;
    const std::size_t unknown_before = listing_.unknown.size();
    FolderWalk walk;
    walk.on_file = [this](const fs::path& file) { add_file(file); };
    walk.on_named_folder = [this](const fs::path& folder) {
      listing_.named_folders.push_back(folder.native());
    };
    walk.on_unreadable = [this](const fs::path& folder, const std::error_code& error) {
      unknown(folder, "cannot be read: " + error.message());
    };
    walk.on_skipped = [this](const fs::path& entry, const std::string& why) {
      problem(Problem::Severity::Warning, entry, why + "; left out");
    };
    walk_manifest_folder(path, walk);
    const bool empty = found_ == before && listing_.unknown.size() == unknown_before;
    listing_.folders.push_back({path.native(), status.st_dev, status.st_ino, empty});
    if (empty) {
      problem(Problem::Severity::Warning, path, "no *.yaml, *.yml or *.json in this folder");
    }
  }

  FileListing take() { return std::move(listing_); }

 private:
  void add_file(const fs::path& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) {
      const std::error_code error = last_error();
      std::error_code ignored;
      if (error != std::errc::no_such_file_or_directory) {
        unknown(path, "cannot be read: " + error.message());
      } else if (fs::is_symlink(fs::symlink_status(path, ignored))) {
        problem(Problem::Severity::Warning, path, "a broken link; ignored");
      }  // else it went away since its folder was read
      return;
    }
    if (!S_ISREG(status.st_mode)) return unknown(path, "not a regular file");
    ++found_;
    if (!seen_.emplace(status.st_dev, status.st_ino).second) return;
    listing_.files.push_back({path.native(), to_stamp(status)});
  }

  void problem(Problem::Severity severity, const fs::path& path, std::string text) {
    listing_.problems.push_back({severity, path.native(), 0, 0, std::move(text)});
  }
  void unknown(const fs::path& path, std::string text) {
    listing_.unknown.push_back({Problem::Severity::Error, path.native(), 0, 0, std::move(text)});
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

void walk_manifest_folder(const fs::path& folder, const FolderWalk& walk) {
  Walker(walk).run(folder);
}

}  // namespace clusterdns::registry
