#include "registry/files/file_watcher.h"

#include <limits.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "registry/files/manifest_files.h"

namespace clusterdns::registry {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// As the kernel's own limit for one path look-up.
constexpr int kMaxLinks = 40;
// Room for some hundred events a read.
constexpr std::size_t kEventBufferSize = 16 * 1024;

// Of a folder in which only some names matter: not what is written to its files, which may be logs
// that are written all the time.
constexpr std::uint32_t kNameEvents = IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE |
                                      IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR |
                                      IN_EXCL_UNLINK;
constexpr std::uint32_t kWriteEvents = IN_CLOSE_WRITE | IN_MODIFY;
constexpr std::uint32_t kEvents = kNameEvents | kWriteEvents;

// What matters in one folder.
struct Interest {
  bool everything = false;
  std::set<std::string> names;  // when not everything
};

bool is_interesting_name(std::string_view name) {
  // A mounted ConfigMap changes by renaming this link; other hidden files are editors' scratch.
  if (name == "..data") return true;
  return !name.starts_with('.') && !name.ends_with('~');
}

// Calls `add(folder, name)` for every entry that reaching `path` depends on.
void for_each_dependency(const fs::path& path,
                         const std::function<void(const fs::path&, const std::string&)>& add) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error).lexically_normal();
  if (error) return;
  std::deque<std::string> rest;
  for (const fs::path& part : absolute.relative_path()) {
    if (!part.empty()) rest.push_back(part.native());
  }
  fs::path current = "/";
  int links = 0;
  while (!rest.empty()) {
    const std::string name = rest.front();
    rest.pop_front();
    if (name == ".") continue;
    if (name == "..") {
      current = current.parent_path();
      continue;
    }
    const fs::path next = current / name;
    const fs::file_status status = fs::symlink_status(next, error);
    if (error || !fs::exists(status)) {
      add(current, name);  // it may come
      return;
    }
    if (fs::is_symlink(status)) {
      add(current, name);
      const fs::path target = fs::read_symlink(next, error);
      if (error || ++links > kMaxLinks) return;
      std::deque<std::string> parts;
      for (const fs::path& part : target.relative_path()) {
        if (!part.empty()) parts.push_back(part.native());
      }
      rest.insert(rest.begin(), parts.begin(), parts.end());
      if (target.is_absolute()) current = "/";
      continue;
    }
    if (rest.empty()) add(current, name);
    current = next;
  }
}

}  // namespace

class FileWatcher::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& io, std::vector<fs::path> paths, std::function<void()> changed,
       std::function<void(const std::string&)> warning)
      : paths_(std::move(paths)),
        changed_(std::move(changed)),
        warning_(std::move(warning)),
        inotify_(io),
        timer_(io) {}

  void start() {
    const int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0) return fall_back(errno);
    inotify_.assign(fd);
    refresh();
    if (inotify_.is_open()) wait_for_events();
  }

  void stop() {
    stopped_ = true;
    boost::system::error_code ignored;
    if (inotify_.is_open()) inotify_.close(ignored);
    timer_.cancel();
  }

  bool uses_inotify() const { return inotify_.is_open(); }

 private:
  struct Watch {
    fs::path path;
    std::uint32_t events = 0;
    bool is_file = false;
    Interest interest;  // of a folder
  };

  // --- watches ---

  // Makes the watches those that the paths need now. A folder is watched before it is listed, so
  // that what comes later is an event.
  void refresh() {
    std::unordered_map<int, Watch> previous = std::move(watches_);
    watches_.clear();
    for (const fs::path& path : paths_) {
      for_each_dependency(
          path, [this](const fs::path& folder, const std::string& name) { add(folder, &name); });
      std::error_code ignored;
      if (!fs::is_directory(path, ignored)) continue;
      FolderWalk walk;
      walk.on_folder = [this](const fs::path& folder) { add_folder(folder); };
      walk.on_file = [this](const fs::path& file) { add_link(file); };
      walk_manifest_folder(path, walk);
    }
    if (!inotify_.is_open()) return;  // fell back meanwhile
    for (const auto& [descriptor, watch] : previous) {
      if (!watches_.contains(descriptor)) {
        inotify_rm_watch(inotify_.native_handle(), descriptor);  // may be gone by itself
      }
    }
  }

  void add_folder(const fs::path& folder) {
    add(folder, nullptr);
    add_link(folder);
  }

  void add_link(const fs::path& path) {
    std::error_code ignored;
    if (!fs::is_symlink(fs::symlink_status(path, ignored))) return;
    for_each_dependency(
        path, [this](const fs::path& folder, const std::string& name) { add(folder, &name); });
  }

  // `name` null: everything in the folder matters.
  void add(const fs::path& folder, const std::string* name) {
    if (name == nullptr) {
      if (Watch* const watch = watch_path(folder, kEvents)) watch->interest.everything = true;
      return;
    }
    // A file's own watch tells what is written to it. Where we may not have one, the folder's does.
    std::error_code ignored;
    const fs::path file = folder / *name;
    std::uint32_t events = kNameEvents;
    if (fs::is_regular_file(fs::symlink_status(file, ignored))) {
      Watch* const watch = watch_path(file, kWriteEvents | IN_ATTRIB);
      if (watch == nullptr) {
        events = kEvents;
      } else {
        watch->is_file = true;
      }
    }
    if (Watch* const watch = watch_path(folder, events)) watch->interest.names.insert(*name);
  }

  // nullptr: it has gone, or may not be read, which reading reports; or there are no watches left.
  Watch* watch_path(const fs::path& path, std::uint32_t events) {
    if (!inotify_.is_open()) return nullptr;
    const int inotify = inotify_.native_handle();
    const int descriptor = inotify_add_watch(inotify, path.c_str(), events);
    if (descriptor < 0) {
      if (errno == ENOSPC || errno == ENOMEM) fall_back(errno);
      return nullptr;
    }
    Watch& watch = watches_[descriptor];
    watch.path = path;
    // What is asked for later takes the place of what was asked for before.
    if ((watch.events & ~events) != 0) {
      (void)inotify_add_watch(inotify, path.c_str(), watch.events | events);
    }
    watch.events |= events;
    return &watch;
  }

  // --- events ---

  void wait_for_events() {
    inotify_.async_wait(asio::posix::stream_descriptor::wait_read,
                        [self = shared_from_this()](const boost::system::error_code& error) {
                          if (error || self->stopped_) return;
                          self->read_events();
                          if (self->inotify_.is_open()) self->wait_for_events();
                        });
  }

  void read_events() {
    for (;;) {
      const ssize_t got = ::read(inotify_.native_handle(), buffer_.data(), buffer_.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return;
      std::size_t offset = 0;
      while (offset + sizeof(inotify_event) <= static_cast<std::size_t>(got)) {
        inotify_event event{};
        std::memcpy(&event, buffer_.data() + offset, sizeof(event));
        const char* name = buffer_.data() + offset + sizeof(event);
        handle(event, event.len > 0 ? std::string_view(name) : std::string_view{});
        offset += sizeof(event) + event.len;
      }
    }
  }

  void handle(const inotify_event& event, std::string_view name) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) return schedule(kWatchQuiet);  // looking again sees all
    const auto it = watches_.find(event.wd);
    if (it == watches_.end()) return;
    const Watch& watch = it->second;
    if ((event.mask & IN_IGNORED) != 0) {
      watches_.erase(it);
      return;
    }
    if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0) return schedule(kWatchQuiet);
    if (watch.is_file) {
      return schedule((event.mask & IN_MODIFY) != 0 ? kWatchOpenQuiet : kWatchQuiet);
    }
    const bool wanted = watch.interest.names.contains(std::string(name)) ||
                        (watch.interest.everything && is_interesting_name(name));
    if (!wanted) return;
    schedule(is_being_written(event, watch.path / name) ? kWatchOpenQuiet : kWatchQuiet);
  }

  // Will the end of writing be an event of its own?
  static bool is_being_written(const inotify_event& event, const fs::path& path) {
    if ((event.mask & IN_MODIFY) != 0) return true;
    if ((event.mask & IN_CREATE) == 0 || (event.mask & IN_ISDIR) != 0) return false;
    struct stat status {};
    // A link is complete when it appears, and nothing more comes.
    return lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1;
  }

  void schedule(Clock::duration quiet) {
    const Clock::time_point now = Clock::now();
    if (!burst_start_) burst_start_ = now;
    timer_.expires_at(std::min(now + quiet, *burst_start_ + kWatchLongest));
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (error || self->stopped_) return;
      // A timer that expired may still be queued when an event has set it anew.
      if (self->timer_.expiry() > Clock::now()) return;
      self->burst_start_.reset();
      self->refresh();
      self->notify();
    });
  }

  void notify() {
    const auto changed = changed_;  // the callback may destroy the watcher
    changed();
  }

  // --- without inotify ---

  void fall_back(int reason) {
    boost::system::error_code ignored;
    if (inotify_.is_open()) inotify_.close(ignored);
    watches_.clear();
    burst_start_.reset();
    warning_(std::string("inotify: ") + std::strerror(reason) +
             "; looking for changed files every " + std::to_string(kWatchPollInterval.count()) +
             " s instead (raise fs.inotify.max_user_watches and max_user_instances)");
    poll();
  }

  void poll() {
    timer_.expires_after(kWatchPollInterval);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (error || self->stopped_) return;
      self->poll();
      self->notify();
    });
  }

  const std::vector<fs::path> paths_;
  const std::function<void()> changed_;
  const std::function<void(const std::string&)> warning_;
  asio::posix::stream_descriptor inotify_;
  asio::steady_timer timer_;
  std::unordered_map<int, Watch> watches_;  // by watch descriptor, one for each inode
  std::optional<Clock::time_point> burst_start_;
  bool stopped_ = false;
  std::array<char, kEventBufferSize> buffer_{};
};

FileWatcher::FileWatcher(asio::io_context& io, std::vector<fs::path> paths,
                         std::function<void()> changed,
                         std::function<void(const std::string&)> warning)
    : impl_(std::make_shared<Impl>(io, std::move(paths), std::move(changed), std::move(warning))) {}

FileWatcher::~FileWatcher() { stop(); }

void FileWatcher::start() { impl_->start(); }

void FileWatcher::stop() { impl_->stop(); }

bool FileWatcher::uses_inotify() const { return impl_->uses_inotify(); }

}  // namespace clusterdns::registry
