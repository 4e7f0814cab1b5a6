#include "app/setup/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <deque>
#include <memory>
#include <stdexcept>
#include <system_error>

namespace clusterdns::app {
namespace {

using Kind = TreeEntry::Kind;

// As many as the kernel follows.
constexpr int kMostLinks = 40;
constexpr mode_t kPermissions = 07777;
constexpr mode_t kFolderMode = 0755;

std::deque<std::string> parts_of(std::string_view path) {
  std::deque<std::string> parts;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end != 0 && path.substr(0, end) != ".") parts.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return parts;
}

// Beside the file that it will be. The name is known, so that one that was left is found again.
std::string beside(const std::string& name) { return "." + name + ".clusterdns-new"; }

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace

Tree::Tree(const std::string& root) : root_(root) {
  while (root_.ends_with('/')) root_.pop_back();
  folder_ = dns::Descriptor(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder_) throw std::system_error(errno, std::generic_category(), root);
  struct stat ours {};
  struct stat machine {};
  machine_ = ::fstat(folder_.get(), &ours) == 0 && ::stat("/", &machine) == 0 &&
             ours.st_dev == machine.st_dev && ours.st_ino == machine.st_ino;
}

std::string Tree::shown(std::string_view path) const { return root_ + std::string(path); }

void Tree::fail(std::string_view path, int error) const {
  throw std::system_error(error, std::generic_category(), shown(path));
}

std::optional<Tree::Place> Tree::find(std::string_view path, Links links) const {
  std::deque<std::string> left = parts_of(path);
  std::vector<dns::Descriptor> above;  // from the root down; the root itself is none of them
  const auto here = [&] { return above.empty() ? folder_.get() : above.back().get(); };
  int followed = 0;
  while (!left.empty()) {
    const std::string name = std::move(left.front());
    left.pop_front();
    if (name == "..") {
      if (!above.empty()) above.pop_back();
      continue;
    }
    struct stat status {};
    const bool there = ::fstatat(here(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (!there && errno != ENOENT) fail(path, errno);
    if (there && S_ISLNK(status.st_mode) && (!left.empty() || links == Links::Follow)) {
      if (++followed > kMostLinks) fail(path, ELOOP);
      std::array<char, PATH_MAX> target{};
      const ssize_t size = ::readlinkat(here(), name.c_str(), target.data(), target.size());
      if (size < 0) fail(path, errno);
      const std::string_view text(target.data(), static_cast<std::size_t>(size));
      if (text.starts_with('/')) above.clear();
      std::deque<std::string> parts = parts_of(text);
      left.insert(left.begin(), parts.begin(), parts.end());
      continue;
    }
    if (left.empty()) {
      Place place{dns::Descriptor(::fcntl(here(), F_DUPFD_CLOEXEC, 0)), name};
      if (!place.folder) fail(path, errno);
      return place;
    }
    if (!there) return std::nullopt;
    // What a link has become since is not followed.
    dns::Descriptor next(
        ::openat(here(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) fail(path, errno);
    above.push_back(std::move(next));
  }
  Place place{dns::Descriptor(::fcntl(here(), F_DUPFD_CLOEXEC, 0)), "."};
  if (!place.folder) fail(path, errno);
  return place;
}

Tree::Place Tree::need(std::string_view path) const {
  std::optional<Place> place = find(path, Links::Keep);
  if (!place) fail(path, ENOENT);
  return std::move(*place);
}

TreeEntry Tree::look(std::string_view path, Links links) const {
  TreeEntry entry;
  const std::optional<Place> place = find(path, links);
  if (!place) return entry;
  struct stat status {};
  const int at = place->folder.get();
  if (::fstatat(at, place->name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return entry;
    fail(path, errno);
  }
  entry.mode = status.st_mode & kPermissions;
  entry.uid = status.st_uid;
  entry.gid = status.st_gid;
  if (S_ISDIR(status.st_mode)) {
    entry.kind = Kind::Folder;
  } else if (S_ISLNK(status.st_mode)) {
    entry.kind = Kind::Link;
    std::array<char, PATH_MAX> target{};
    const ssize_t size = ::readlinkat(at, place->name.c_str(), target.data(), target.size());
    if (size < 0) fail(path, errno);
    entry.text.assign(target.data(), static_cast<std::size_t>(size));
  } else if (!S_ISREG(status.st_mode)) {
    entry.kind = Kind::Other;
  } else {
    entry.kind = Kind::File;
    // It may have become a pipe meanwhile, which would wait for a writer.
    const dns::Descriptor file(::openat(at, place->name.c_str(),
                                        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!file) fail(path, errno);
    if (::fstat(file.get(), &status) != 0) fail(path, errno);
    if (!S_ISREG(status.st_mode)) throw std::runtime_error(shown(path) + ": it is not a file");
    std::array<char, 65536> piece;
    for (;;) {
      const ssize_t n = ::read(file.get(), piece.data(), piece.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail(path, errno);
      if (n == 0) break;
      entry.text.append(piece.data(), static_cast<std::size_t>(n));
      if (entry.text.size() > kMostTreeFile) {
        throw std::runtime_error(shown(path) +
                                 ": it is larger than 1 MiB, which is no "
                                 "configuration");
      }
    }
  }
  return entry;
}

bool Tree::is_there(std::string_view path) const {
  const std::optional<Place> place = find(path, Links::Follow);
  struct stat status {};
  return place &&
         ::fstatat(place->folder.get(), place->name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

std::vector<std::string> Tree::list(std::string_view folder) const {
  std::vector<std::string> names;
  const std::optional<Place> place = find(folder, Links::Follow);
  if (!place) return names;
  dns::Descriptor fd(::openat(place->folder.get(), place->name.c_str(),
                              O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) return names;
  if (!fd) fail(folder, errno);
  const std::unique_ptr<DIR, int (*)(DIR*)> all(::fdopendir(fd.get()), ::closedir);
  if (all == nullptr) fail(folder, errno);
  (void)fd.release();  // the stream's
  while (const dirent* const entry = ::readdir(all.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

void Tree::sync(const Place& place, std::string_view path) const {
  if (!durable) return;
  const dns::Descriptor folder(
      ::openat(place.folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) fail(path, errno);
}

void Tree::put(std::string_view path, const TreeEntry& entry) const {
  const Place place = need(path);
  const int at = place.folder.get();
  const std::string fresh = beside(place.name);
  change("beside " + std::string(path));
  if (::unlinkat(at, fresh.c_str(), 0) != 0 && errno != ENOENT) fail(path, errno);
  if (entry.kind == Kind::Link) {
    if (::symlinkat(entry.text.c_str(), at, fresh.c_str()) != 0) fail(path, errno);
    struct stat status {};
    if (::fstatat(at, fresh.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) fail(path, errno);
    const bool ours = status.st_uid == entry.uid && status.st_gid == entry.gid;
    if (!ours && ::fchownat(at, fresh.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0) {
      fail(path, errno);
    }
  } else {
    const dns::Descriptor file(::openat(at, fresh.c_str(),
                                        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                        S_IRUSR | S_IWUSR));
    if (!file) fail(path, errno);
    change("write " + std::string(path));
    struct stat status {};
    if (!write_all(file.get(), entry.text) || ::fstat(file.get(), &status) != 0) fail(path, errno);
    const bool ours = status.st_uid == entry.uid && status.st_gid == entry.gid;
    if (!ours && ::fchown(file.get(), entry.uid, entry.gid) != 0) fail(path, errno);
    if (::fchmod(file.get(), entry.mode) != 0) fail(path, errno);
    if (durable && ::fsync(file.get()) != 0) fail(path, errno);
  }
  change("replace " + std::string(path));
  if (::renameat(at, fresh.c_str(), at, place.name.c_str()) != 0) {
    const int error = errno;
    (void)::unlinkat(at, fresh.c_str(), 0);
    if (error != EBUSY || entry.kind != Kind::File) fail(path, error);
    const dns::Descriptor file(
        ::openat(at, place.name.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file) fail(path, errno);
    change("cut " + std::string(path));
    if (::ftruncate(file.get(), 0) != 0) fail(path, errno);
    change("write over " + std::string(path));
    if (!write_all(file.get(), entry.text) || ::fsync(file.get()) != 0) fail(path, errno);
  }
  sync(place, path);
}

void Tree::remove(std::string_view path) const {
  const std::optional<Place> place = find(path, Links::Keep);
  if (!place) return;
  change("remove " + std::string(path));
  if (::unlinkat(place->folder.get(), place->name.c_str(), 0) != 0 && errno != ENOENT) {
    fail(path, errno);
  }
  sync(*place, path);
}

void Tree::remove_rest(std::string_view path) const {
  const std::optional<Place> place = find(path, Links::Keep);
  if (!place) return;
  if (::unlinkat(place->folder.get(), beside(place->name).c_str(), 0) != 0 && errno != ENOENT) {
    fail(path, errno);
  }
}

bool Tree::make_folder(std::string_view path) const {
  const Place place = need(path);
  change("make " + std::string(path));
  if (::mkdirat(place.folder.get(), place.name.c_str(), kFolderMode) != 0) {
    if (errno == EEXIST) return false;
    fail(path, errno);
  }
  // Whatever the umask is: what reads it may be another user.
  if (::fchmodat(place.folder.get(), place.name.c_str(), kFolderMode, 0) != 0) fail(path, errno);
  sync(place, path);
  return true;
}

bool Tree::remove_folder(std::string_view path) const {
  const std::optional<Place> place = find(path, Links::Keep);
  if (!place) return false;
  change("remove " + std::string(path));
  if (::unlinkat(place->folder.get(), place->name.c_str(), AT_REMOVEDIR) == 0) {
    sync(*place, path);
    return true;
  }
  if (errno == ENOENT || errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR) return false;
  fail(path, errno);
}

}  // namespace clusterdns::app
