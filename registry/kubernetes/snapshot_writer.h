// Writes snapshots without holding anybody up: the disk may be slow, full, or stand still.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <spdlog/logger.h>

#include "registry/background.h"
#include "registry/files/regular_file.h"

namespace clusterdns::registry::kubernetes {

// One snapshot at a time, each on a thread of its own; of those that come meanwhile the last is
// kept. All on the io_context's thread. What goes wrong is logged, once until it changes.
class SnapshotWriter {
 public:
  SnapshotWriter(boost::asio::io_context& io, std::filesystem::path file, Disk disk,
                 std::shared_ptr<spdlog::logger> logger);
  // What is under way is given up.
  ~SnapshotWriter();
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;

  // Never blocks.
  void write(std::string snapshot);
  // Waits until what was handed over is written, no longer than `limit`.
  void finish(std::chrono::milliseconds limit);

 private:
  using Problem = std::string;
  void begin(std::string snapshot);
  void ended(const Problem& problem);

  boost::asio::io_context& io_;
  std::filesystem::path file_;
  Disk disk_;
  std::shared_ptr<spdlog::logger> logger_;
  std::shared_ptr<Delivery<Problem>> running_;
  std::optional<std::string> next_;
  bool tidied_ = false;  // leftovers were looked for
  Problem told_;         // the last problem that was logged
};

}  // namespace clusterdns::registry::kubernetes
