// `clusterdns hosts`: the hosts of gateways, and where they lead.
#pragma once

#include <ostream>

#include "app/commands/command_line.h"

namespace clusterdns::app {

// 0, or 1 when the configuration cannot be read.
[[nodiscard]] int run_hosts(const HostsOptions& options, std::ostream& out, std::ostream& err);

}  // namespace clusterdns::app
