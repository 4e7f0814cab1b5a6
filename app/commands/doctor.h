// `clusterdns doctor`: says what keeps this machine from the cluster's names.
#pragma once

#include <iosfwd>

#include "app/commands/command_line.h"

namespace clusterdns::app {

// Checks from end to end and prints what is in the way, each with a command that mends it. Blocks
// as long as the system's resolver takes. Returns 0 when all is well, 1 when something is in the
// way.
[[nodiscard]] int run_doctor(const DoctorOptions& options, std::ostream& out, std::ostream& err);

}  // namespace clusterdns::app
