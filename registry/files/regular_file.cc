#include "registry/files/regular_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <vector>

#include "dns/base/descriptor.h"

namespace clusterdns::registry {
namespace {

// FILE.new.XXXXXX
constexpr std::string_view kBeside = ".new.";
constexpr std::size_t kRandom = 6;  // of mkostemp(3)

std::string reason(int error) { return std::generic_category().message(error); }

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

std::string write_all(int fd, std::string_view data, const Disk& disk) {
  while (!data.empty()) {
    const ssize_t n = disk.write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return reason(errno);
    if (n == 0) return "the disk is full";
    data.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

// A new file beside `file`, locked for as long as it is open; `path` becomes its name.
int create_beside(const std::filesystem::path& file, std::string& path) {
  for (int tries = 0;; ++tries) {
    path = file.string() + std::string(kBeside) + std::string(kRandom, 'X');
    const int fd = ::mkostemp(path.data(), O_CLOEXEC);
    if (fd < 0) return fd;
    struct stat s {};
    // Somebody who cleans up may have come between the two; see remove_leftovers().
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0 && ::fstat(fd, &s) == 0 && s.st_nlink == 1) return fd;
    // A file system without locks has nobody who takes one.
    if (errno != EWOULDBLOCK && ::fstat(fd, &s) == 0 && s.st_nlink == 1) return fd;
    ::close(fd);
    if (tries == 3) {
      errno = EAGAIN;
      return -1;
    }
  }
}

}  // namespace

Disk Disk::system() { return {::write, ::fsync, ::rename}; }

std::string replace_file(const std::filesystem::path& file, std::string_view data, mode_t mode,
                         const Disk& disk, const std::function<bool()>& wanted) {
  const auto about = [&](const std::string& problem) {
    return "'" + file.string() + "': " + problem;
  };
  // What is not a file is there on purpose: a device, a folder, a FIFO.
  struct stat s {};
  const bool there = ::lstat(file.c_str(), &s) == 0;
  // A link to a device, as /dev/stdout is one, neither.
  if (there && S_ISLNK(s.st_mode) && ::stat(file.c_str(), &s) != 0) s.st_mode = S_IFREG;
  if (there && !S_ISREG(s.st_mode)) {
    return about(S_ISDIR(s.st_mode) ? "is a folder" : "is not a regular file");
  }
  std::string beside;
  dns::Descriptor out(create_beside(file, beside));
  if (!out) {
    return about("no file can be created beside it: " + reason(errno));
  }
  std::string problem;
  if (::fchmod(out.get(), mode) != 0) problem = reason(errno);
  if (problem.empty()) problem = write_all(out.get(), data, disk);
  if (problem.empty() && disk.sync(out.get()) != 0) problem = reason(errno);
  if (problem.empty() && wanted && !wanted()) problem = "given up";
  // Renamed while it is open, and with that locked: nobody takes it for a leftover.
  if (problem.empty() && disk.rename(beside.c_str(), file.c_str()) != 0) problem = reason(errno);
  if (!problem.empty()) {
    (void)::unlink(beside.c_str());
    return about(problem);
  }
  if (::close(out.release()) != 0) return about(reason(errno));
  // The new name, too, has to survive a power cut.
  const dns::Descriptor folder(::open(folder_of(file).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) (void)disk.sync(folder.get());
  return {};
}

void remove_leftovers(const std::filesystem::path& file) {
  const std::string begin = file.filename().string() + std::string(kBeside);
  std::error_code error;
  std::vector<std::filesystem::path> found;
  for (std::filesystem::directory_iterator it(folder_of(file), error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.size() == begin.size() + kRandom && name.starts_with(begin)) {
      found.push_back(it->path());
    }
  }
  for (const auto& path : found) {
    const dns::Descriptor left(
        ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    struct stat s {};
    if (!left || ::fstat(left.get(), &s) != 0) continue;
    if (!S_ISREG(s.st_mode) || s.st_uid != ::geteuid()) continue;
    if (::flock(left.get(), LOCK_EX | LOCK_NB) == 0) (void)::unlink(path.c_str());
  }
}

}  // namespace clusterdns::registry
