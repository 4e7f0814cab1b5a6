#include "app/directives/evidence_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

#include "app/corefile/arguments.h"
#include "app/corefile/paths.h"
#include "app/log/log_queue.h"
#include "dns/base/writable_file.h"
#include "dns/target/capture.h"

namespace clusterdns::app {
namespace {

// Octets that wait to be written.
constexpr std::size_t kEvidenceOctets = 8 * 1024 * 1024;
// A disk that stays full is told of this often.
constexpr std::chrono::minutes kTellEvery{1};

using Clock = std::chrono::steady_clock;

}  // namespace

// The queue's thread may have to be left behind in write(2): it holds this.
struct EvidenceFile::File {
  dns::Descriptor descriptor;
  std::string path;
  std::shared_ptr<spdlog::logger> logger;
  dev_t device = 0;
  ino_t inode = 0;
  Clock::time_point tell_from{};

  bool write(std::string_view octets) {
    const ssize_t n = ::write(descriptor.get(), octets.data(), octets.size());
    if (n == static_cast<ssize_t>(octets.size())) return true;
    const int error = n < 0 ? errno : ENOSPC;
    struct stat now {};
    // What comes behind half a line would be part of it.
    if (n > 0 && ::fstat(descriptor.get(), &now) == 0) {
      (void)!::ftruncate(descriptor.get(), now.st_size - n);
    }
    if (Clock::now() >= tell_from) {
      tell_from = Clock::now() + kTellEvery;
      logger->error(
          "plugin/evidence: '{}' cannot be written: {}; what is lost is counted in "
          "clusterdns_evidence_lost_total",
          path, std::generic_category().message(error));
    }
    return false;
  }
};

EvidenceFile::EvidenceFile(const Token& path, Kind kind, std::shared_ptr<spdlog::logger> logger)
    : kind_(kind),
      file_([&] {
        const std::filesystem::path expanded = expand_path(path.text);
        auto opened = dns::open_regular_file(expanded, O_CREAT | O_APPEND);
        if (!opened) fail(path, opened.error());
        auto file = std::make_shared<File>();
        file->descriptor = std::move(*opened);
        file->path = expanded.string();
        file->logger = std::move(logger);
        struct stat state {};
        if (::fstat(file->descriptor.get(), &state) == 0) {
          file->device = state.st_dev;
          file->inode = state.st_ino;
        }
        return file;
      }()),
      queue_(std::make_unique<LogQueue>(
          [file = file_](std::string_view octets) { return file->write(octets); },
          [log = kind == Kind::Log](const LogQueue::Line& line, std::string& to) {
            to.append(line.text);
            if (log) to += '\n';
          },
          [log = kind == Kind::Log](std::uint64_t count, std::string& to) {
            if (log) to += "{\"lost\":" + std::to_string(count) + "}\n";
          },
          kEvidenceOctets)) {}

EvidenceFile::~EvidenceFile() = default;

bool EvidenceFile::is_same(const EvidenceFile& other) const noexcept {
  return kind_ == other.kind_ && file_->device == other.file_->device &&
         file_->inode == other.file_->inode;
}

void EvidenceFile::begin() {
  if (kind_ != Kind::Capture) return;
  std::call_once(begun_, [&] {
    (void)!::ftruncate(file_->descriptor.get(), 0);
    queue_->push({0, 0, {}, dns::CaptureWriter::header()});
  });
}

void EvidenceFile::write(std::string_view octets) {
  begin();
  queue_->push({0, 0, {}, octets});
}

std::uint64_t EvidenceFile::lost() const noexcept { return queue_->lost(); }

}  // namespace clusterdns::app
