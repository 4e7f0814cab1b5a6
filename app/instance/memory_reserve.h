// Memory that is kept back for when there is no more.
#pragma once

#include <cstddef>

namespace clusterdns::app {

// A query that is forwarded is in many hands that cannot do without memory half-way. So when an
// allocation fails, it is tried again with a part of the reserve, memory is said to be short
// (dns::memory_is_short), and what is under way comes to its end. When the reserve is used up, too,
// allocations throw std::bad_alloc. Nothing of it is ever touched: it costs address space alone.
inline constexpr std::size_t kReserveParts = 16;
inline constexpr std::size_t kReservePart = 128 * 1024;

// From now on, for the whole process. Once.
void keep_memory_reserve() noexcept;

struct MemoryNews {
  bool ran_out = false;  // since the last call, for the first time since there was enough
  bool enough = false;   // there is enough again
};
// Fills the reserve up again as far as possible. From time to time, one thread.
[[nodiscard]] MemoryNews refill_memory_reserve() noexcept;

}  // namespace clusterdns::app
