// Whose turn it is to ask an API server that is away.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace clusterdns::registry::kubernetes {

// All kinds of one source take turns: while their attempts fail, one of them knocks every kSpacing,
// and not each of them. That is often enough to be right half a second after the API server is
// back, and makes 60 attempts in 20 seconds at most, however many kinds there are. Not thread-safe;
// time is passed in.
class Turns {
 public:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::milliseconds;

  explicit Turns(std::uint32_t seed) : random_(seed) {}

  // After a failure at `now`, of an attempt that should be repeated after `delay`: how long to wait
  // for a turn. Who has to wait longer than for that takes none from the others.
  [[nodiscard]] Milliseconds take(Clock::time_point now, Milliseconds delay) {
    // A little to and fro, so that the servers of a fleet do not knock at once.
    const Milliseconds spacing = std::min(kSpacing, kFirst * (1 << std::min(failures_, 10)));
    std::uniform_int_distribution<std::int64_t> jitter(spacing.count() * 95 / 100,
                                                       spacing.count() * 105 / 100);
    ++failures_;
    const Clock::time_point turn = std::max(last_, now) + Milliseconds(jitter(random_));
    if (now + delay > turn) return delay;
    last_ = turn;
    return std::chrono::ceil<Milliseconds>(turn - now);
  }
  // An answer came: the next failure is the first one again.
  void succeeded() noexcept {
    failures_ = 0;
    last_ = {};
  }

  static constexpr Milliseconds kFirst{25};
  static constexpr Milliseconds kSpacing{400};

 private:
  std::minstd_rand random_;
  Clock::time_point last_{};  // the last turn that was given
  int failures_ = 0;
};

}  // namespace clusterdns::registry::kubernetes
