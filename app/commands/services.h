// `clusterdns services`: what is registered, and under which names.
#pragma once

#include <ostream>

#include "app/commands/command_line.h"

namespace clusterdns::app {

// Reads the sources of a Corefile, of manifests or of a kubeconfig, listens on nothing. An API
// server has 20 s to tell what it has. Returns the exit code.
[[nodiscard]] int run_services(const ServicesOptions& options, std::ostream& out,
                               std::ostream& err);

}  // namespace clusterdns::app
