// `clusterdns check`: says what is wrong with Corefiles and manifests without serving them.
#pragma once

#include <ostream>

#include "app/commands/command_line.h"

namespace clusterdns::app {

// Findings go to `err`, one a line, `file:line:column: what`; a summary to `out`, and for Corefiles
// what their server blocks do. Returns 0 when
// nothing is wrong, 1 when there are errors, and for --fail-on warning 3 when there are warnings
// only.
[[nodiscard]] int run_check(const CheckOptions& options, std::ostream& out, std::ostream& err);

}  // namespace clusterdns::app
