// The files that `evidence` writes.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>

#include <spdlog/logger.h>

#include "app/directives/directive.h"

namespace clusterdns::app {

class LogQueue;

// Written by a thread of its own: nobody waits for a disk. What it has no room for is lost,
// counted, and told in the server's log.
class EvidenceFile final : public Companion {
 public:
  enum class Kind : std::uint8_t { Log, Capture };

  // Opens the file, or makes an empty one; what it holds stays until begin(). Throws ConfigError
  // when it cannot be written, or leads elsewhere (see dns::open_regular_file().
  EvidenceFile(const Token& path, Kind kind, std::shared_ptr<spdlog::logger> logger);
  ~EvidenceFile() override;

  // `other` writes the same file in the same way: one of the two has to go.
  [[nodiscard]] bool is_same(const EvidenceFile& other) const noexcept;
  // Appends a line of the log without its end, or blocks of the capture. Any thread.
  void write(std::string_view octets);
  // Lines, or blocks, that were never written. Any thread.
  [[nodiscard]] std::uint64_t lost() const noexcept;

  // The first time, with the first write() at the latest, a capture begins anew.
  void start(boost::asio::io_context&) override { begin(); }
  void stop() noexcept override {}

 private:
  struct File;
  void begin();

  const Kind kind_;
  const std::shared_ptr<File> file_;
  std::once_flag begun_;
  const std::unique_ptr<LogQueue> queue_;
};

}  // namespace clusterdns::app
