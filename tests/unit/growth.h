// How a cost grows with its input, measured as this thread's CPU time: what else runs on the
// machine does not count, and a ratio of two runs needs no limit in seconds.
#pragma once

#include <time.h>

#include <algorithm>
#include <cstdint>

namespace clusterdns::unit {

// CPU nanoseconds of this thread that `work` takes, repeated until they can be measured; the least
// of three tries, since interrupts only ever add.
template <class Work>
double cpu_ns(Work&& work) {
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
  };
  constexpr double kEnough = 2e6;
  double best = 0;
  for (int attempt = 0; attempt < 3; ++attempt) {
    std::uint64_t rounds = 0;
    const double begun = now();
    double spent = 0;
    for (std::uint64_t batch = 1; spent < kEnough; batch *= 2) {
      for (std::uint64_t i = 0; i < batch; ++i) {
        // The result must seem to be used, so that the work is done.
        [[maybe_unused]] volatile auto result = work();
      }
      rounds += batch;
      spent = now() - begun;
    }
    const double each = spent / static_cast<double>(rounds);
    best = attempt == 0 ? each : std::min(best, each);
  }
  return best;
}

// How many times as much CPU `large` takes as `small`.
template <class Small, class Large>
double growth(Small&& small, Large&& large) {
  return cpu_ns(large) / cpu_ns(small);
}

}  // namespace clusterdns::unit
