// `clusterdns directives`: what a Corefile may say.
#pragma once

#include <ostream>
#include <string>

#include "app/commands/command_line.h"
#include "app/corefile/options.h"

namespace clusterdns::app {

// The row of an option in the table of its page in docs/directives/.
[[nodiscard]] std::string markdown_row(const Option& option);

// Prints all directives, or one with its options. Returns the exit code.
int run_directives(const DirectivesOptions& options, std::ostream& out, std::ostream& err);

}  // namespace clusterdns::app
