// Records on their way from one thread to another, in memory that is there beforehand.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

namespace clusterdns::dns {

// One thread puts, another takes; neither waits.
class TapRing {
 public:
  // Room for the longest message, whatever `octets` says.
  static constexpr std::size_t kLeast = std::size_t{128} << 10;

  // A power of two of octets, `octets` at most; touched as they are used.
  explicit TapRing(std::size_t octets)
      : size_(std::bit_floor(std::max(octets, kLeast))),
        ring_(std::make_unique_for_overwrite<std::uint8_t[]>(size_)) {}
  TapRing(const TapRing&) = delete;
  TapRing& operator=(const TapRing&) = delete;

  using Part = std::span<const std::uint8_t>;
  // One record, made of `parts`. False when there is no room for it.
  [[nodiscard]] bool put(std::span<const Part> parts) noexcept {
    std::uint32_t octets = 0;
    for (const Part& part : parts) octets += static_cast<std::uint32_t>(part.size());
    const std::size_t end = end_.load(std::memory_order_relaxed);
    if (size_ - (end - begin_.load(std::memory_order_acquire)) < sizeof octets + octets) {
      return false;
    }
    std::size_t at = write(end, &octets, sizeof octets);
    for (const Part& part : parts) at = write(at, part.data(), part.size());
    end_.store(at, std::memory_order_release);
    return true;
  }

  // The oldest record; false when there is none.
  [[nodiscard]] bool take(std::vector<std::uint8_t>& to) {
    const std::size_t begin = begin_.load(std::memory_order_relaxed);
    if (end_.load(std::memory_order_acquire) == begin) return false;
    std::uint32_t octets = 0;
    read(begin, &octets, sizeof octets);
    to.resize(octets);
    read(begin + sizeof octets, to.data(), octets);
    begin_.store(begin + sizeof octets + octets, std::memory_order_release);
    return true;
  }
  [[nodiscard]] bool empty() const noexcept {
    return end_.load(std::memory_order_acquire) == begin_.load(std::memory_order_acquire);
  }

 private:
  std::size_t write(std::size_t at, const void* from, std::size_t count) noexcept {
    if (count == 0) return at;
    const std::size_t place = at & (size_ - 1);
    const std::size_t first = std::min(count, size_ - place);
    std::memcpy(ring_.get() + place, from, first);
    std::memcpy(ring_.get(), static_cast<const std::uint8_t*>(from) + first, count - first);
    return at + count;
  }
  void read(std::size_t at, void* to, std::size_t count) const noexcept {
    if (count == 0) return;
    const std::size_t place = at & (size_ - 1);
    const std::size_t first = std::min(count, size_ - place);
    std::memcpy(to, ring_.get() + place, first);
    std::memcpy(static_cast<std::uint8_t*>(to) + first, ring_.get(), count - first);
  }

  const std::size_t size_;
  const std::unique_ptr<std::uint8_t[]> ring_;
  // They only grow; each has a cache line of its own.
  alignas(64) std::atomic<std::size_t> end_{0};
  alignas(64) std::atomic<std::size_t> begin_{0};
};

}  // namespace clusterdns::dns
