#include "registry/kubernetes/snapshot_writer.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace clusterdns::registry::kubernetes {
namespace {

// Names of a cluster are not for every user of the machine.
constexpr mode_t kMode = 0600;

}  // namespace

SnapshotWriter::SnapshotWriter(boost::asio::io_context& io, std::filesystem::path file, Disk disk,
                               std::shared_ptr<spdlog::logger> logger)
    : io_(io), file_(std::move(file)), disk_(std::move(disk)), logger_(std::move(logger)) {}

SnapshotWriter::~SnapshotWriter() {
  if (running_) running_->abandon();
}

void SnapshotWriter::write(std::string snapshot) {
  if (running_) {
    next_ = std::move(snapshot);
  } else {
    begin(std::move(snapshot));
  }
}

void SnapshotWriter::begin(std::string snapshot) {
  running_ = std::make_shared<Delivery<Problem>>(io_, [this](const Problem& problem) {
    running_.reset();
    ended(problem);
    if (next_) begin(*std::exchange(next_, std::nullopt));
  });
  const bool started = run_detached([file = file_, disk = disk_, snapshot = std::move(snapshot),
                                     tidy = !std::exchange(tidied_, true), delivery = running_] {
    Problem problem;
    try {
      if (tidy) remove_leftovers(file);
      problem = replace_file(file, snapshot, kMode, disk, [&] { return !delivery->abandoned(); });
    } catch (const std::exception& e) {
      problem = e.what();
    }
    delivery->put(std::move(problem));
  });
  if (started) return;
  running_->abandon();
  running_.reset();
  ended("the system has no thread for it");
}

void SnapshotWriter::ended(const Problem& problem) {
  if (problem == told_) return;
  if (!problem.empty()) {
    logger_->error("plugin/kubernetes: the snapshot is not written: {}", problem);
  } else {
    logger_->info("plugin/kubernetes: the snapshot '{}' is written again", file_.string());
  }
  told_ = problem;
}

void SnapshotWriter::finish(std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (running_) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    const auto problem = running_->wait_for(std::max(left, std::chrono::milliseconds(0)));
    running_->abandon();
    running_.reset();
    if (!problem) {
      next_.reset();
      return ended("'" + file_.string() + "': the disk did not accept it within " +
                   std::to_string(limit.count()) + " ms");
    }
    ended(*problem);
    if (next_) begin(*std::exchange(next_, std::nullopt));
  }
}

}  // namespace clusterdns::registry::kubernetes
