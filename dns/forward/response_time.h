// How long an upstream takes to answer.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdlib>

namespace clusterdns::dns {

// As TCP knows it of its peer (RFC 6298 section 2).
class ResponseTime {
 public:
  using Duration = std::chrono::nanoseconds;

  void add(Duration took) noexcept {
    if (!known_) {
      known_ = true;
      mean_ = took;
      deviation_ = took / 2;
      return;
    }
    const Duration error = took - mean_;
    deviation_ += (std::chrono::abs(error) - deviation_) / 4;
    mean_ += error / 8;
  }

  // What nearly all answers take at most; `otherwise` when none is known.
  [[nodiscard]] Duration most(Duration otherwise) const noexcept {
    return known_ ? mean_ + 4 * deviation_ : otherwise;
  }

 private:
  Duration mean_{0};
  Duration deviation_{0};
  bool known_ = false;
};

// What so many in a hundred answers take at most: a step down for each of these, and a longer one
// up for each of the others, so that it rests where they balance.
class ResponsePercentile {
 public:
  using Duration = std::chrono::nanoseconds;

  void add(Duration took, int percent) noexcept {
    constexpr int kSteps = 20;  // one step at most is this part of the value
    if (value_ == Duration{}) {
      value_ = 2 * took;
    } else if (took > value_) {
      value_ += value_ / (100 * kSteps) * percent;
    } else {
      value_ -= value_ / (100 * kSteps) * (100 - percent);
    }
    value_ = std::max(value_, kLeast);
  }
  // 0: not known.
  [[nodiscard]] Duration value() const noexcept { return value_; }

 private:
  static constexpr Duration kLeast = std::chrono::microseconds(100);
  Duration value_{0};
};

}  // namespace clusterdns::dns
