// Finds the place of something in a list by its hash.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace clusterdns::dns {

// Indexes 0, 1, 2, … of a list's elements, by 64-bit hashes of which the upper half is kept: open
// addressing, at most half full, 16 to 32 octets an element. Not thread-safe while it is filled.
class HashIndex {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  // The index with `hash` for which `same(index)` holds, or kNone.
  template <class Same>
  [[nodiscard]] std::uint32_t find(std::uint64_t hash, Same&& same) const noexcept {
    if (slots_.empty()) return kNone;
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = (hash >> 32) & mask; slots_[at] != 0; at = (at + 1) & mask) {
      const auto i = static_cast<std::uint32_t>(slots_[at]) - 1;
      if ((slots_[at] ^ hash) >> 32 == 0 && same(i)) return i;
    }
    return kNone;
  }
  // Adds the next index: as many as were added before.
  // REQUIRES: fewer than 2^31 elements.
  void add(std::uint64_t hash) {
    ++count_;
    if (2 * std::size_t{count_} > slots_.size()) grow();
    put((hash & ~std::uint64_t{0xFFFFFFFF}) | count_);
  }
  [[nodiscard]] std::uint32_t size() const noexcept { return count_; }
  [[nodiscard]] std::size_t octets() const noexcept {
    return slots_.size() * sizeof(std::uint64_t);
  }
  // Keeps its memory for what is added next.
  void clear() noexcept {
    if (count_ != 0) std::fill(slots_.begin(), slots_.end(), 0);
    count_ = 0;
  }

 private:
  static constexpr std::size_t kSmallest = 16;

  void put(std::uint64_t slot) noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = (slot >> 32) & mask;
    while (slots_[at] != 0) at = (at + 1) & mask;
    slots_[at] = slot;
  }
  void grow() {
    const std::vector<std::uint64_t> old = std::move(slots_);
    slots_.assign(std::max(kSmallest, 2 * old.size()), 0);
    for (const std::uint64_t slot : old) {
      if (slot != 0) put(slot);
    }
  }

  // The upper half of a hash, and an index + 1.
  std::vector<std::uint64_t> slots_;
  std::uint32_t count_ = 0;
};

}  // namespace clusterdns::dns
