#include "app/directives/hosts_file.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <set>

#include <boost/asio/post.hpp>

#include "dns/base/byte_order_mark.h"
#include "dns/base/descriptor.h"
#include "registry/files/file_watcher.h"

namespace clusterdns::app {
namespace {

// What is read of a file before other work gets its turn, octets: some 5 ms.
constexpr std::size_t kPiece = 256 * 1024;

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
                     std::shared_ptr<dns::HostsStage> stage, std::shared_ptr<spdlog::logger> logger,
                     bool follow)
    : path_(std::move(path)),
      lines_(std::move(lines)),
      stage_(std::move(stage)),
      logger_(std::move(logger)),
      follow_(follow) {}

HostsFile::~HostsFile() { stop(); }

struct HostsFile::Loading {
  Loading(std::string all, Stamp of, const HostsFile& file)
      : text(std::move(all)),
        stamp(of),
        modified(static_cast<double>(of.modified_ns) / 1e9),
        table(std::make_unique<dns::HostsTable>(file.stage_->options().hosts)),
        reader(text, file.path_.string(), *table) {}

  const std::string text;
  const Stamp stamp;
  double modified;    // as HostsStage::publish() has it
  bool holds = true;  // what the file says, or has said
  std::unique_ptr<dns::HostsTable> table;
  dns::HostsReader reader;
};

bool HostsFile::same_names(const HostsFile& other) const noexcept {
  const dns::ZoneSet& a = stage_->options().hosts.zones;
  const dns::ZoneSet& b = other.stage_->options().hosts.zones;
  if (path_ != other.path_ || a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!std::equal(a[i].begin(), a[i].end(), b[i].begin(), b[i].end())) return false;
  }
  return true;
}

std::shared_ptr<HostsFile::Loading> HostsFile::begin(const HostsFile* before) {
  std::string text;
  Stamp stamp;
  std::string error;
  // O_NONBLOCK: a FIFO must not hold up the control thread.
  const dns::Descriptor fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat state {};
  if (fd.get() < 0 || ::fstat(fd.get(), &state) != 0) {
    error = errno == ENOENT ? "File does not exist: " + path_.string()
                            : path_.string() + ": cannot be read: " + std::strerror(errno);
  } else if (!S_ISREG(state.st_mode)) {
    error = path_.string() + ": not a file";
  } else {
    stamp = {std::int64_t{state.st_mtim.tv_sec} * 1'000'000'000 + state.st_mtim.tv_nsec,
             static_cast<std::uint64_t>(state.st_size), state.st_ino};
    if (published_ && stamp == stamp_) return nullptr;
    if (!read_all(fd.get(), text)) {
      error = path_.string() + ": cannot be read: " + std::strerror(errno);
    } else if (const char* const foreign = dns::foreign_encoding(text)) {
      error = path_.string() + ": " + foreign;
    }
  }
  if (error.empty()) {
    last_error_.clear();
    return std::make_shared<Loading>(std::move(text), stamp, *this);
  }
  const bool last_good = !published_ && before != nullptr && before->holds_;
  if (error != last_error_) {
    warn(error + (holds_ || last_good ? "; still serving what it held" : ""));
  }
  last_error_ = error;
  if (published_) return nullptr;
  auto loading = std::make_shared<Loading>("", Stamp{}, *this);
  loading->holds = last_good;
  if (last_good) before->copy_to(*loading);
  return loading;
}

void HostsFile::copy_to(Loading& loading) const {
  // Lines of the configuration come and go with it.
  const auto key = [](const boost::asio::ip::address& address, dns::Name name) {
    name.make_lower();
    return address.to_string() + " " + name.to_text();
  };
  std::set<std::string> lines;
  for (const auto& [address, name] : lines_) lines.insert(key(address, name));
  stage_->table().for_each([&](const boost::asio::ip::address& address, const dns::Name& name) {
    if (lines.empty() || !lines.contains(key(address, name))) {
      (void)loading.table->add(address, name);
    }
  });
  loading.modified = stage_->modified();
}

void HostsFile::finish(Loading& loading) {
  for (const auto& [address, name] : lines_) loading.table->add(address, name);
  loading.table->finish();
  for (const std::string& warning : loading.reader.warnings()) {
    warn(warning);
  }
  stage_->publish(std::move(loading.table), loading.modified);
  holds_ = loading.holds;
  stamp_ = loading.stamp;
  published_ = true;
}

void HostsFile::load(Problems& problems, const Position& at, const HostsFile* before) {
  problems_ = &problems;
  at_ = at;
  if (const std::shared_ptr<Loading> loading = begin(before)) {
    loading->reader.read();
    finish(*loading);
  }
  problems_ = nullptr;
}

void HostsFile::warn(const std::string& text) {
  if (problems_ == nullptr) {
    logger_->warn("plugin/hosts: {}", text);
    return;
  }
  // "path:line: what" is about a line of the file, and anything else about the directive.
  const std::string path = path_.string() + ":";
  std::uint32_t line = 0;
  std::size_t end = 0;
  if (text.starts_with(path)) {
    const auto [next, error] =
        std::from_chars(text.data() + path.size(), text.data() + text.size(), line);
    end = static_cast<std::size_t>(next - text.data());
    if (error != std::errc() || text.substr(end, 2) != ": ") line = 0;
  }
  if (line == 0) return problems_->warn(at_, text);
  problems_->add({Problem::Severity::Warning, path_.string(), line, 1,
                  with_subject(at_, text.substr(end + 2))});
}

void HostsFile::reload() {
  // One that is under way is published first: a file that changes all the time would never be.
  again_ = loading_ != nullptr;
  if (again_) return;
  loading_ = begin();
  if (loading_ != nullptr) go_on();
}

void HostsFile::go_on() {
  if (loading_->reader.read(kPiece)) {
    boost::asio::post(*io_, [this, weak = std::weak_ptr(loading_)] {
      // Gone: stop() was called, and this may be gone, too.
      if (!weak.expired()) go_on();
    });
    return;
  }
  finish(*loading_);
  const bool large = loading_->text.size() > kPiece;
  loading_.reset();
  if (large) ::malloc_trim(0);
  if (again_) reload();
}

void HostsFile::start(boost::asio::io_context& io) {
  if (!follow_) return;
  io_ = &io;
  watcher_ = std::make_unique<registry::FileWatcher>(
      io, std::vector<std::filesystem::path>{path_}, [this] { reload(); },
      [logger = logger_](const std::string& warning) {
        logger->warn("plugin/hosts: {}", warning);
      });
  watcher_->start();
  // It may have changed since it was read.
  reload();
}

void HostsFile::stop() noexcept {
  watcher_.reset();
  loading_.reset();
}

}  // namespace clusterdns::app
