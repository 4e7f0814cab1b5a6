// `clusterdns node-address`: gives this machine the address that a node-local server listens on.
#pragma once

#include <ostream>

#include "app/commands/command_line.h"

namespace clusterdns::app {

// Makes the dummy interface unless it is there, brings it up and adds the addresses that it lacks;
// says so on `out`. Needs CAP_NET_ADMIN. Returns 0, or 1 with the reason on `err`. May be run
// again: what is there already is fine. What was done stays until the machine restarts.
[[nodiscard]] int run_node_address(const NodeAddressOptions& options, std::ostream& out,
                                   std::ostream& err);

}  // namespace clusterdns::app
