#include "dns/concurrent/reclaim.h"

namespace clusterdns::dns {

ReclaimDomain::ReclaimDomain(unsigned readers) : slots_(readers) {}

ReclaimDomain::~ReclaimDomain() {
  for (const Waiting& w : waiting_) w.destroy(w.object);
}

void ReclaimDomain::retire(void* object, void (*destroy)(void*)) {
  waiting_.push_back({object, destroy, mark()});
}

std::uint64_t ReclaimDomain::oldest_reader() noexcept {
  // Readers that enter from here on carry this epoch or a later one.
  std::uint64_t oldest = epoch_.load(std::memory_order_seq_cst);
  for (Slot& slot : slots_) {
    // A read-modify-write, so that it is ordered with the exchange in enter().
    const std::uint64_t epoch = slot.epoch.fetch_add(0, std::memory_order_seq_cst);
    if (epoch != 0 && epoch < oldest) oldest = epoch;
  }
  return oldest;
}

void ReclaimDomain::collect() {
  if (waiting_.empty()) return;
  const std::uint64_t oldest = oldest_reader();
  while (!waiting_.empty() && waiting_.front().epoch < oldest) {
    const Waiting w = waiting_.front();
    waiting_.pop_front();
    w.destroy(w.object);
  }
}

}  // namespace clusterdns::dns
