// A set of 64-bit words in open addressing, with one writer and readers that never wait.
//
// Concurrency: any number of readers call find() between ReclaimDomain::enter() and leave(); one
// control thread calls everything else. A reader sees each insert and erase whole, or not at all;
// what a word leads to must have been written before the word was inserted. Growing builds a new
// array and publishes it with one store.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "dns/concurrent/reclaim.h"

namespace clusterdns::zones {

class SlotTable {
 public:
  static constexpr std::uint64_t kEmpty = 0;
  static constexpr std::uint64_t kErased = 1;

  // Words 0 and 1 are reserved. `hash_of` gives a stored word's hash again, for growing.
  using HashOf = std::uint64_t (*)(const void* owner, std::uint64_t word);
  SlotTable(dns::ReclaimDomain& reclaim, const void* owner, HashOf hash_of)
      : reclaim_(reclaim), owner_(owner), hash_of_(hash_of) {
    array_.store(make_array(kSmallest).release(), std::memory_order_release);
  }
  ~SlotTable() { delete array_.load(std::memory_order_relaxed); }
  SlotTable(const SlotTable&) = delete;
  SlotTable& operator=(const SlotTable&) = delete;

  // The first word at `hash` for which `match(word)` holds; kEmpty when there is none.
  template <class Match>
  [[nodiscard]] std::uint64_t find(std::uint64_t hash, Match&& match) const noexcept {
    const Array* const array = array_.load(std::memory_order_acquire);
    for (std::size_t i = hash & array->mask;; i = (i + 1) & array->mask) {
      const std::uint64_t word = array->slots[i].load(std::memory_order_acquire);
      if (word == kEmpty) return kEmpty;
      if (word != kErased && match(word)) return word;
    }
  }

  void insert(std::uint64_t hash, std::uint64_t word) {
    Array* array = array_.load(std::memory_order_relaxed);
    // At most two thirds full, erased slots included: probes stay short.
    if ((used_ + 1) * 3 > (array->mask + 1) * 2) array = grow();
    for (std::size_t i = hash & array->mask;; i = (i + 1) & array->mask) {
      const std::uint64_t old = array->slots[i].load(std::memory_order_relaxed);
      if (old == kEmpty || old == kErased) {
        if (old == kEmpty) ++used_;
        ++live_;
        array->slots[i].store(word, std::memory_order_release);
        return;
      }
    }
  }
  // REQUIRES: `old` is in the table at `hash`, which is also the hash of `word`.
  void replace(std::uint64_t hash, std::uint64_t old, std::uint64_t word) noexcept {
    slot_of(hash, old).store(word, std::memory_order_release);
  }
  // False when `word` is not there.
  bool erase(std::uint64_t hash, std::uint64_t word) noexcept {
    Array* const array = array_.load(std::memory_order_relaxed);
    for (std::size_t i = hash & array->mask;; i = (i + 1) & array->mask) {
      const std::uint64_t old = array->slots[i].load(std::memory_order_relaxed);
      if (old == kEmpty) return false;
      if (old != word) continue;
      // The end of a probe sequence needs no mark.
      const bool last =
          array->slots[(i + 1) & array->mask].load(std::memory_order_relaxed) == kEmpty;
      array->slots[i].store(last ? kEmpty : kErased, std::memory_order_release);
      if (last) --used_;
      --live_;
      return true;
    }
  }
  [[nodiscard]] std::size_t size() const noexcept { return live_; }
  // Calls visit(word) for every word; control thread.
  template <class Visit>
  void for_each(Visit&& visit) const {
    const Array* const array = array_.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i <= array->mask; ++i) {
      const std::uint64_t word = array->slots[i].load(std::memory_order_relaxed);
      if (word != kEmpty && word != kErased) visit(word);
    }
  }
  // Makes room for `count` words at once.
  void reserve(std::size_t count) {
    while ((array_.load(std::memory_order_relaxed)->mask + 1) * 2 < count * 3)
      grow_to((array_.load(std::memory_order_relaxed)->mask + 1) * 2);
  }

 private:
  static constexpr std::size_t kSmallest = 16;
  struct Array {
    std::size_t mask;
    std::unique_ptr<std::atomic<std::uint64_t>[]> slots;
  };
  static std::unique_ptr<Array> make_array(std::size_t size) {
    auto array = std::make_unique<Array>();
    array->mask = size - 1;
    array->slots = std::make_unique<std::atomic<std::uint64_t>[]>(size);
    return array;
  }
  std::atomic<std::uint64_t>& slot_of(std::uint64_t hash, std::uint64_t word) noexcept {
    Array* const array = array_.load(std::memory_order_relaxed);
    std::size_t i = hash & array->mask;
    while (array->slots[i].load(std::memory_order_relaxed) != word) i = (i + 1) & array->mask;
    return array->slots[i];
  }
  Array* grow() {
    const std::size_t size = array_.load(std::memory_order_relaxed)->mask + 1;
    // Mostly erased slots: the same size cleans them up.
    return grow_to(live_ * 3 > size ? size * 2 : size);
  }
  Array* grow_to(std::size_t size) {
    Array* const old = array_.load(std::memory_order_relaxed);
    std::unique_ptr<Array> next = make_array(size);
    for (std::size_t i = 0; i <= old->mask; ++i) {
      const std::uint64_t word = old->slots[i].load(std::memory_order_relaxed);
      if (word == kEmpty || word == kErased) continue;
      std::size_t at = hash_of_(owner_, word) & next->mask;
      while (next->slots[at].load(std::memory_order_relaxed) != kEmpty) at = (at + 1) & next->mask;
      next->slots[at].store(word, std::memory_order_relaxed);
    }
    used_ = live_;
    array_.store(next.get(), std::memory_order_release);
    reclaim_.retire(std::unique_ptr<Array>(old));
    return next.release();
  }

  dns::ReclaimDomain& reclaim_;
  const void* owner_;
  HashOf hash_of_;
  std::atomic<Array*> array_{nullptr};
  std::size_t used_ = 0;  // slots that are not empty
  std::size_t live_ = 0;  // words
};

}  // namespace clusterdns::zones
