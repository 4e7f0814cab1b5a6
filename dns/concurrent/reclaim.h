// Frees old published data once no worker can still be reading it.
//
// Readers are workers: each owns a counter on a cache line of its own and writes it twice a batch;
// nothing that workers share is written by them on the query path. The control thread publishes
// tables and frees them. Structures that workers fill themselves (the cache) keep what they took
// out and ask here when nobody can still be reading it.
#pragma once

#include <atomic>
#include <cassert>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

namespace clusterdns::dns {

class ReclaimDomain {
 public:
  // `readers` is fixed: one for each worker.
  explicit ReclaimDomain(unsigned readers);
  // REQUIRES: no reader is inside. Frees everything that waits.
  ~ReclaimDomain();
  ReclaimDomain(const ReclaimDomain&) = delete;
  ReclaimDomain& operator=(const ReclaimDomain&) = delete;

  // Reader `index` may follow published pointers between enter() and leave(). Called by that
  // reader's thread only; wait-free. Not nested.
  void enter(unsigned index) noexcept {
    Slot& slot = slots_[index];
    assert(slot.epoch.load(std::memory_order_relaxed) == 0 && "a batch inside another");
    // seq_cst: ordered before the reader's later loads of published pointers, so that collect()
    // either sees this reader or the reader sees what was published before.
    slot.epoch.exchange(epoch_.load(std::memory_order_acquire), std::memory_order_seq_cst);
  }
  void leave(unsigned index) noexcept { slots_[index].epoch.store(0, std::memory_order_release); }
  // Whether reader `index` is between enter() and leave(); for that reader's own thread.
  [[nodiscard]] bool inside(unsigned index) const noexcept {
    return slots_[index].epoch.load(std::memory_order_relaxed) != 0;
  }

  // Control thread: `object` is no longer reachable from any published pointer. `destroy` is
  // called on the control thread, now or in a later collect().
  void retire(void* object, void (*destroy)(void*));
  template <class T>
  void retire(std::unique_ptr<T> object) {
    if (object) retire(object.release(), [](void* p) { delete static_cast<T*>(p); });
  }

  // Control thread: frees what every reader has passed. Cheap when nothing waits.
  void collect();

  // For whoever keeps its own garbage, on any thread: objects that were made unreachable before
  // mark() may be freed once oldest_reader() is beyond what it returned.
  [[nodiscard]] std::uint64_t mark() noexcept {
    return epoch_.fetch_add(1, std::memory_order_seq_cst);
  }
  // The epoch of the reader that has been inside for longest, the present one when there is none.
  // Touches every reader's cache line: call it once for many objects.
  [[nodiscard]] std::uint64_t oldest_reader() noexcept;

  // Number of objects that wait.
  [[nodiscard]] std::size_t pending() const noexcept { return waiting_.size(); }
  [[nodiscard]] unsigned readers() const noexcept { return static_cast<unsigned>(slots_.size()); }

 private:
  // One cache line a reader; 128 because adjacent lines are fetched in pairs.
  struct alignas(128) Slot {
    std::atomic<std::uint64_t> epoch{0};  // 0: not reading
  };
  struct Waiting {
    void* object;
    void (*destroy)(void*);
    std::uint64_t epoch;
  };

  std::vector<Slot> slots_;
  alignas(128) std::atomic<std::uint64_t> epoch_{1};
  std::deque<Waiting> waiting_;
};

}  // namespace clusterdns::dns
