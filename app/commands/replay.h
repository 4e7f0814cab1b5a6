// `clusterdns replay`: asks a server what a capture has, with its timing, and compares the answers.
#pragma once

#include <ostream>

#include "app/commands/command_line.h"

namespace clusterdns::app {

// Returns 0 when all answers are those of the capture: rcode, TC, and the records of the answer
// section without their order and TTLs; 1 when some differ or are missing, whose names it prints; 2
// for a file that is no capture, or a server that is not on loopback. The last line has the
// numbers.
[[nodiscard]] int run_replay(const ReplayOptions& options, std::ostream& out, std::ostream& err);

}  // namespace clusterdns::app
