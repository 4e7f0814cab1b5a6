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

  // Reads the file and publishes what it says. A file that cannot be read leaves what was there
  // before, at first the lines of the configuration, and is logged once.
  void load();

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

  const std::filesystem::path path_;
  const Inline lines_;
  const std::shared_ptr<dns::HostsStage> stage_;
  const std::shared_ptr<spdlog::logger> logger_;
  const bool follow_;
  Stamp stamp_;
  std::string last_error_;
  bool published_ = false;
  std::unique_ptr<registry::FileWatcher> watcher_;
};

}  // namespace clusterdns::app
