// `clusterdns synthetic`: what the directive of that name answers, without asking anybody.
#pragma once

#include <ostream>

#include "app/commands/command_line.h"

namespace clusterdns::app {

// Prints the records of the answer section, `OWNER TTL IN TYPE RDATA`, in their order, as a client
// with EDNS gets them; nothing when there are none. Returns 0, or 2 when the name or the type can
// not be asked for, which goes to `err`.
[[nodiscard]] int run_synthetic(const SyntheticOptions& options, std::ostream& out,
                                std::ostream& err);

}  // namespace clusterdns::app
