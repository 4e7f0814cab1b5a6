// `clusterdns setup` and `unsetup`: have this machine ask the server for the cluster's names.
#pragma once

#include <iosfwd>

#include "app/commands/command_line.h"

namespace clusterdns::app {

// Who may be asked, at a terminal; nullptr: nobody.
// Returns 0, or 1 with the reason on `err`.
[[nodiscard]] int run_setup(const SetupOptions& options, std::istream* asked, std::ostream& out,
                            std::ostream& err);
[[nodiscard]] int run_unsetup(const UnsetupOptions& options, std::istream* asked, std::ostream& out,
                              std::ostream& err);

}  // namespace clusterdns::app
