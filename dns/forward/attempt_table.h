// Requests under way by their ids.
#pragma once

#include <cstdint>
#include <vector>

#include "dns/forward/transport.h"

namespace clusterdns::dns {

// Ids are random, so they need no hash. Memory follows the number of requests; it is not given
// back.
class AttemptTable {
 public:
  // Ids are 16 bits. A quarter of them in use keeps finding a free one cheap and guessing one hard.
  static constexpr std::size_t kMost = 16384;

  [[nodiscard]] bool full() const noexcept { return size_ >= kMost; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  [[nodiscard]] UpstreamAttempt* find(std::uint16_t id) const noexcept {
    if (buckets_.empty()) return nullptr;
    UpstreamAttempt* attempt = buckets_[id & (buckets_.size() - 1)];
    while (attempt != nullptr && attempt->id_ != id) attempt = attempt->next_;
    return attempt;
  }

  // Gives `attempt` an id of `draw()` that is free, and takes it in. REQUIRES: !full().
  // May throw std::bad_alloc; nothing has changed then.
  template <class Draw>
  void insert(UpstreamAttempt& attempt, Draw draw) {
    if (size_ == buckets_.size()) grow();
    do {
      attempt.id_ = static_cast<std::uint16_t>(draw());
    } while (find(attempt.id_) != nullptr);
    link(attempt);
    ++size_;
  }

  // REQUIRES: it is here.
  void erase(UpstreamAttempt& attempt) noexcept {
    UpstreamAttempt** at = &buckets_[attempt.id_ & (buckets_.size() - 1)];
    while (*at != &attempt) at = &(*at)->next_;
    *at = attempt.next_;
    attempt.next_ = nullptr;
    --size_;
  }

 private:
  static constexpr std::size_t kFirst = 16;

  void link(UpstreamAttempt& attempt) noexcept {
    UpstreamAttempt*& first = buckets_[attempt.id_ & (buckets_.size() - 1)];
    attempt.next_ = first;
    first = &attempt;
  }
  void grow() {
    std::vector<UpstreamAttempt*> old(buckets_.empty() ? kFirst : buckets_.size() * 2, nullptr);
    old.swap(buckets_);
    for (UpstreamAttempt* attempt : old) {
      while (attempt != nullptr) {
        UpstreamAttempt* const next = attempt->next_;
        link(*attempt);
        attempt = next;
      }
    }
  }

  std::vector<UpstreamAttempt*> buckets_;  // a power of two of them
  std::size_t size_ = 0;
};

}  // namespace clusterdns::dns
