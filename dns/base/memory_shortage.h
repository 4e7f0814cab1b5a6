// Whether memory has run out.
#pragma once

#include <atomic>

namespace clusterdns::dns {

// Set while the program lives on what it kept back for that (app/instance/memory_reserve.h).
// Whoever can do without memory does: no further query is taken for upstreams. Names of ours need
// none.
inline std::atomic<bool> memory_is_short{false};

}  // namespace clusterdns::dns
