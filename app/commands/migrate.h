// `clusterdns migrate`: the Corefile of an older CoreDNS, for this server.
#pragma once

#include <istream>
#include <ostream>

#include "app/commands/command_line.h"

namespace clusterdns::app {

// The Corefile goes to `out`; what was changed, and what is still wrong with the result, to `err`,
// one a line, `file:line:column: what`, by the lines of what was given and of the result. `in`
// stands for "-". Returns 0, or 1 when the result would be refused or there is nothing to read.
[[nodiscard]] int run_migrate(const MigrateOptions& options, std::istream& in, std::ostream& out,
                              std::ostream& err);

}  // namespace clusterdns::app
