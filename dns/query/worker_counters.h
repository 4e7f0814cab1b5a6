// Counters that every worker adds to and whoever scrapes them adds up: each worker has a row of its
// own.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace clusterdns::dns {

class WorkerCounters {
 public:
  // `counters` of them for each of `workers`.
  WorkerCounters(unsigned workers, std::size_t counters)
      : row_((counters + kPerLine - 1) / kPerLine),
        workers_(workers),
        lines_(std::make_unique<Line[]>(row_ * workers)) {}

  // REQUIRES: called on that worker's thread.
  void add(unsigned worker, std::size_t counter) noexcept {
    auto& cell = at(worker, counter);
    cell.store(cell.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  // Of all workers. Any thread.
  [[nodiscard]] std::uint64_t total(std::size_t counter) const noexcept {
    std::uint64_t sum = 0;
    for (unsigned w = 0; w < workers_; ++w) sum += at(w, counter).load(std::memory_order_relaxed);
    return sum;
  }

 private:
  static constexpr std::size_t kPerLine = 16;
  struct alignas(128) Line {
    std::atomic<std::uint64_t> cells[kPerLine] = {};
  };
  [[nodiscard]] std::atomic<std::uint64_t>& at(unsigned worker,
                                               std::size_t counter) const noexcept {
    return lines_[worker * row_ + counter / kPerLine].cells[counter % kPerLine];
  }

  std::size_t row_;
  unsigned workers_;
  std::unique_ptr<Line[]> lines_;
};

}  // namespace clusterdns::dns
