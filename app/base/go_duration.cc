#include "app/base/go_duration.h"

#include <cstdint>

namespace clusterdns::app {
namespace {

// `value` in units of `unit`, with as many decimals as are needed.
std::string decimal(std::uint64_t value, std::uint64_t unit) {
  std::string text = std::to_string(value / unit);
  std::string fraction = std::to_string(unit + value % unit).substr(1);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return fraction.empty() ? text : text + "." + fraction;
}

}  // namespace

std::string go_duration(std::chrono::nanoseconds duration) {
  if (duration.count() == 0) return "0s";
  const bool negative = duration.count() < 0;
  const std::uint64_t count = negative ? 0 - static_cast<std::uint64_t>(duration.count())
                                       : static_cast<std::uint64_t>(duration.count());
  constexpr std::uint64_t kMicro = 1'000, kMilli = 1'000'000, kSecond = 1'000'000'000;
  std::string text;
  if (count < kMicro) {
    text = std::to_string(count) + "ns";
  } else if (count < kMilli) {
    text = decimal(count, kMicro) + "µs";
  } else if (count < kSecond) {
    text = decimal(count, kMilli) + "ms";
  } else {
    const std::uint64_t minutes = count / (60 * kSecond);
    if (minutes >= 60) text = std::to_string(minutes / 60) + "h";
    if (minutes != 0) text += std::to_string(minutes % 60) + "m";
    text += decimal(count % (60 * kSecond), kSecond) + "s";
  }
  return negative ? "-" + text : text;
}

}  // namespace clusterdns::app
