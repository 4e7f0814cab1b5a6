// By itself, so that a program which defines its own clock is linked without this one: see
// tests/conversations/server.cc.
#include <time.h>

#include "dns/query/exchange.h"

namespace clusterdns::dns {

std::int64_t monotonic_ns() noexcept {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace clusterdns::dns
