#include "app/instance/memory_reserve.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>

#include "dns/base/memory_shortage.h"

namespace clusterdns::app {
namespace {

std::array<std::atomic<void*>, kReserveParts> parts{};
std::atomic<bool> kept{false};
bool told = false;  // of the thread that refills

void give_a_part() {
  dns::memory_is_short.store(true);
  for (auto& part : parts) {
    if (void* const mine = part.exchange(nullptr, std::memory_order_acq_rel))
      return std::free(mine);
  }
  throw std::bad_alloc();
}

// How many there are.
std::size_t fill() noexcept {
  std::size_t there = 0;
  for (auto& part : parts) {
    if (part.load(std::memory_order_relaxed) == nullptr) {
      // Not by operator new, which would take it from here.
      part.store(std::malloc(kReservePart), std::memory_order_release);
    }
    if (part.load(std::memory_order_relaxed) != nullptr) ++there;
  }
  return there;
}

}  // namespace

void keep_memory_reserve() noexcept {
  if (kept.exchange(true)) return;
  (void)fill();
  std::set_new_handler(give_a_part);
}

MemoryNews refill_memory_reserve() noexcept {
  MemoryNews news;
  if (!kept.load() || !dns::memory_is_short.load(std::memory_order_relaxed)) return news;
  news.ran_out = !told;
  told = true;
  // First: whoever takes a part from now on says so again, and it is filled the next time.
  dns::memory_is_short.store(false);
  if (fill() < kReserveParts) {
    dns::memory_is_short.store(true);
    return news;
  }
  told = false;
  news.enough = true;
  return news;
}

}  // namespace clusterdns::app
