// The file behind a `hosts` directive: read, and followed while the server runs.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/logger.h>

#include "app/directives/directive.h"
#include "dns/hosts/hosts_stage.h"

namespace clusterdns::registry {
class FileWatcher;
}

namespace clusterdns::app {

// A hosts file over this size is a mistake; block lists of a million names have 30 MB.
inline constexpr std::size_t kMaxHostsFileSize = std::size_t{64} * 1024 * 1024;  // octets

class HostsFile final : public Companion {
 public:
  using Inline = std::vector<std::pair<boost::asio::ip::address, dns::Name>>;

  // `lines` are entries of the configuration, which stand beside those of the file.
  HostsFile(std::filesystem::path path, Inline lines, std::shared_ptr<dns::HostsStage> stage,
            std::shared_ptr<spdlog::logger> logger, bool follow);
  ~HostsFile() override;

  // Reads the file and publishes what it says, before this returns. What is odd about it becomes a
  // warning; that it cannot be read, one at `at`. A file that cannot be read leaves what was there
  // before, at first what `before`, which follows the same file, holds of it, or nothing; and the
  // lines of the configuration.
  void load(Problems& problems, const Position& at, const HostsFile* before = nullptr);
  // Whether it is about the names of the same file.
  [[nodiscard]] bool same_names(const HostsFile& other) const noexcept;

  void start(boost::asio::io_context& io) override;
  void stop() noexcept override;

 private:
  // What tells one state of a file from another.
  struct Stamp {
    std::int64_t modified_ns = 0;
    std::uint64_t size = 0;
    std::uint64_t inode = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };

  // A file that was read, and how far it is understood.
  struct Loading;

  // nullptr: there is nothing new to publish.
  std::shared_ptr<Loading> begin(const HostsFile* before = nullptr);
  void finish(Loading& loading);
  // What this has of the file.
  void copy_to(Loading& loading) const;
  // Once in a row for the same text of begin().
  void warn(const std::string& text);
  // The same as load() in pieces, between which other work of the control thread is done: a list of
  // a million names takes most of a second.
  void reload();
  void go_on();

  // While load() runs: who gets the warnings, which are logged otherwise.
  Problems* problems_ = nullptr;
  Position at_;
  const std::filesystem::path path_;
  const Inline lines_;
  const std::shared_ptr<dns::HostsStage> stage_;
  const std::shared_ptr<spdlog::logger> logger_;
  const bool follow_;
  Stamp stamp_;
  std::string last_error_;
  bool published_ = false;
  bool holds_ = false;  // what the file said, now or some time ago
  boost::asio::io_context* io_ = nullptr;
  std::shared_ptr<Loading> loading_;  // under way
  bool again_ = false;                // the file changed meanwhile
  std::unique_ptr<registry::FileWatcher> watcher_;
};

}  // namespace clusterdns::app
