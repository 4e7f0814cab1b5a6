#include "dns/base/random.h"

#include <sys/random.h>
#include <sys/types.h>

namespace clusterdns::dns {

std::uint64_t random_seed() noexcept {
  std::uint64_t seed = 0;
  while (::getrandom(&seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed)) {
  }
  return seed;
}

}  // namespace clusterdns::dns
