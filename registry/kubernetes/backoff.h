// When to try again.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace clusterdns::registry::kubernetes {

// What kind of trouble it is decides how often to knock.
enum class Trouble : std::uint8_t {
  Refused,  // nobody listens: an attempt costs one packet each way, so it is made often
  Other,    // silence, errors: attempts cost somebody something
};

// Not thread-safe. Time is passed in.
class Backoff {
 public:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::milliseconds;

  explicit Backoff(std::uint32_t seed) : random_(seed) {}

  // After a success the next failure is the first one again.
  void reset() noexcept { failures_ = 0; }
  [[nodiscard]] bool failing() const noexcept { return failures_ > 0; }

  // How long to wait after a failure at `now`: doubled each time, with jitter, within bounds.
  [[nodiscard]] Milliseconds next(Trouble trouble, Clock::time_point now) {
    if (failures_ == 0) since_ = now;
    // A server that answers again, even with errors, is on its way: begin anew.
    if (failures_ == 0 || trouble != trouble_) step_ = 0;
    trouble_ = trouble;
    ++failures_;
    const Milliseconds cap = trouble == Trouble::Refused  ? kRefusedCap
                             : now - since_ < kSoonBegins ? kSoonCap
                                                          : kLongCap;
    const Milliseconds delay = std::min(cap, kFirst * (1 << std::min(step_, 10)));
    ++step_;
    // Between three quarters and the whole, so that a fleet does not knock at once.
    std::uniform_int_distribution<std::int64_t> jitter(delay.count() * 3 / 4, delay.count());
    return Milliseconds(jitter(random_));
  }

  static constexpr Milliseconds kFirst{25};
  static constexpr Milliseconds kRefusedCap{400};
  // An API server that restarts is back within the minute, and names should be right soon after.
  static constexpr Milliseconds kSoonCap{400};
  static constexpr std::chrono::seconds kSoonBegins{60};
  static constexpr Milliseconds kLongCap{5000};

 private:
  std::minstd_rand random_;
  Clock::time_point since_{};
  Trouble trouble_ = Trouble::Other;
  unsigned failures_ = 0;
  int step_ = 0;
};

}  // namespace clusterdns::registry::kubernetes
