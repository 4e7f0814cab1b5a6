// `clusterdns check`: says what is wrong with Corefiles and manifests without serving them.
#pragma once

#include <ostream>

#include "app/command_line.h"

namespace clusterdns::app {

// Findings go to `err`, one a line, `file:line:column: what`; a summary to `out`. Returns 0 when
// nothing is wrong, 1 otherwise.
[[nodiscard]] int run_check(const CheckOptions& options, std::ostream& out, std::ostream& err);

}  // namespace clusterdns::app
