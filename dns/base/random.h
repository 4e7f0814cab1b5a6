// Numbers that nobody outside can guess.
#pragma once

#include <cstdint>

namespace clusterdns::dns {

// For hashes of what others choose: names that are made to collide in one table do not in another.
// From getrandom(2), which waits only before the kernel's generator is ready, early at boot. Any
// thread.
[[nodiscard]] std::uint64_t random_seed() noexcept;

}  // namespace clusterdns::dns
