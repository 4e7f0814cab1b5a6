// `clusterdns watch` and `clusterdns wait`: what becomes of the cluster of a running server.
#pragma once

#include <ostream>

#include "app/commands/command_line.h"

namespace clusterdns::app {

// Prints changes until the server ends: 1.
[[nodiscard]] int run_watch(const WatchOptions& options, std::ostream& out, std::ostream& err);
// 0: the name resolves, 1: it did not in time. The server may come up meanwhile.
[[nodiscard]] int run_wait(const WaitOptions& options, std::ostream& out, std::ostream& err);

}  // namespace clusterdns::app
