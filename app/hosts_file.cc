#include "app/hosts_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "registry/manifests/file_watcher.h"

namespace clusterdns::app {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

// False with errno set.
bool read_all(int fd, std::string& text) {
  char buffer[65536];
  for (;;) {
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count == 0) return true;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    text.append(buffer, static_cast<std::size_t>(count));
    if (text.size() > kMaxHostsFileSize) {
      errno = EFBIG;
      return false;
    }
  }
}

}  // namespace

HostsFile::HostsFile(std::filesystem::path path, Inline lines,
                     std::shared_ptr<dns::HostsStage> stage,
                     std::shared_ptr<spdlog::logger> logger, bool follow)
    : path_(std::move(path)),
      lines_(std::move(lines)),
      stage_(std::move(stage)),
      logger_(std::move(logger)),
      follow_(follow) {}

HostsFile::~HostsFile() { stop(); }

void HostsFile::load() {
  std::string text;
  Stamp stamp;
  std::string error;
  // O_NONBLOCK: a FIFO must not hold up the control thread.
  const Descriptor fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat state {};
  if (fd.get() < 0 || ::fstat(fd.get(), &state) != 0) {
    error = errno == ENOENT ? "File does not exist: " + path_.string()
                            : path_.string() + ": cannot be read: " + std::strerror(errno);
  } else if (!S_ISREG(state.st_mode)) {
    error = path_.string() + ": is no file";
  } else {
    stamp = {std::int64_t{state.st_mtim.tv_sec} * 1'000'000'000 + state.st_mtim.tv_nsec,
             static_cast<std::uint64_t>(state.st_size), state.st_ino};
    if (published_ && stamp == stamp_) return;
    if (!read_all(fd.get(), text)) {
      error = path_.string() + ": cannot be read: " + std::strerror(errno);
    }
  }
  if (!error.empty()) {
    if (error != last_error_) {
      logger_->warn("plugin/hosts: {}{}", error, stamp_.inode != 0 ? "; kept as it was" : "");
    }
    last_error_ = error;
    if (published_) return;
    text.clear();
    stamp = {};
  } else {
    last_error_.clear();
  }
  auto table = std::make_unique<dns::HostsTable>(stage_->options().hosts);
  std::vector<std::string> warnings;
  table->add_text(text, path_.string(), warnings);
  for (const auto& [address, name] : lines_) table->add(address, name);
  for (const std::string& warning : warnings) logger_->warn("plugin/hosts: {}", warning);
  stage_->publish(std::move(table), static_cast<double>(stamp.modified_ns) / 1e9);
  stamp_ = stamp;
  published_ = true;
}

void HostsFile::start(boost::asio::io_context& io) {
  if (!follow_) return;
  watcher_ = std::make_unique<registry::FileWatcher>(
      io, std::vector<std::filesystem::path>{path_}, [this] { load(); },
      [logger = logger_](const std::string& warning) {
        logger->warn("plugin/hosts: {}", warning);
      });
  watcher_->start();
  // It may have changed since it was read.
  load();
}

void HostsFile::stop() noexcept { watcher_.reset(); }

}  // namespace clusterdns::app
