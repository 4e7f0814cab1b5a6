#include "dns/forward/loop_probes.h"

#include <sys/random.h>

#include <array>

namespace clusterdns::dns {
namespace {

// A number in hexadecimal digits.
constexpr std::size_t kDigits = 16;
// Both labels with their length octets.
constexpr std::size_t kHeadSize = 2 * (1 + kDigits);

std::uint64_t random_number() noexcept {
  std::uint64_t number = 0;
  while (number == 0) {
    while (::getrandom(&number, sizeof number, 0) != static_cast<ssize_t>(sizeof number)) {
    }
  }
  return number;
}

void write_label(std::uint8_t* at, std::uint64_t number) noexcept {
  constexpr char kHex[] = "0123456789abcdef";
  *at++ = kDigits;
  for (std::size_t i = 0; i < kDigits; ++i) {
    *at++ = static_cast<std::uint8_t>(kHex[number >> (60 - 4 * i) & 0xF]);
  }
}

// 0: no label of ours.
std::uint64_t read_label(const std::uint8_t* at) noexcept {
  if (*at++ != kDigits) return 0;
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < kDigits; ++i) {
    const std::uint8_t c = *at++;
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'a' || c > 'f')) return 0;
    number = number << 4 | static_cast<std::uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  return number;
}

}  // namespace

LoopProbes::LoopProbes(std::size_t upstreams, unsigned workers)
    : workers_(workers), tag_(random_number()), awaited_(upstreams * workers) {}

Name LoopProbes::make(std::size_t upstream, unsigned worker, const Name& zone) noexcept {
  const std::uint64_t number = random_number();
  std::array<std::uint8_t, kHeadSize + 1> head{};
  write_label(head.data(), number);
  write_label(head.data() + 1 + kDigits, tag_);
  awaited_[upstream * workers_ + worker].store(number, std::memory_order_relaxed);
  const auto name = Name(NameView(head)).append(zone.view());
  return name ? *name : Name(NameView(head));
}

std::size_t LoopProbes::seen(NameView name, bool* fresh) noexcept {
  if (name.size() < kHeadSize + 1) return kNone;
  const std::uint64_t number = read_label(name.data());
  if (number == 0 || read_label(name.data() + 1 + kDigits) != tag_) return kNone;
  for (std::size_t i = 0; i < awaited_.size(); ++i) {
    if (awaited_[i].load(std::memory_order_relaxed) != number) continue;
    const std::size_t upstream = i / workers_;
    const std::uint32_t bit = std::uint32_t{1} << upstream;
    *fresh = (looped_.fetch_or(bit, std::memory_order_relaxed) & bit) == 0;
    awaited_[i].store(0, std::memory_order_relaxed);
    return upstream;
  }
  return kNone;
}

void LoopProbes::answered(std::size_t upstream, unsigned worker) noexcept {
  // seen() took the number away when the probe came in here.
  if (awaited_[upstream * workers_ + worker].exchange(0, std::memory_order_relaxed) == 0) return;
  looped_.fetch_and(~(std::uint32_t{1} << upstream), std::memory_order_relaxed);
}

}  // namespace clusterdns::dns
