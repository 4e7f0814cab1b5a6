// `clusterdns explain`: why a name resolves as it does, and what is wrong behind it.
#pragma once

#include <ostream>

#include "app/commands/command_line.h"

namespace clusterdns::app {

// 0: the name exists and no problem is an error; else 1. `colour`: `out` is a terminal that wants
// it.
[[nodiscard]] int run_explain(const ExplainOptions& options, bool colour, std::ostream& out,
                              std::ostream& err);

}  // namespace clusterdns::app
