// Whether the upstreams of a Corefile answer: `check --probe`.
#pragma once

#include <chrono>
#include <cstddef>

#include "app/corefile/ast.h"
#include "app/corefile/problems.h"

namespace clusterdns::app {

// More are not asked, which is told.
inline constexpr std::size_t kMaxProbes = 256;

// Asks every upstream of `forward` and `proxy` once for the root's name servers, all at the same
// time; those that are spoken to over TCP or TLS are connected to. Adds a warning for each that
// says nothing within `patience`, and for each name that has no address. Returns how many were
// asked. Blocks; any thread.
std::size_t probe_upstreams(const Corefile& corefile, std::chrono::milliseconds patience,
                            Problems& problems);

}  // namespace clusterdns::app
