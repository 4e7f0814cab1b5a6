// `clusterdns services`: what is registered, and under which names.
#pragma once

#include <ostream>

#include "app/command_line.h"

namespace clusterdns::app {

// Reads the sources of a Corefile or of manifests, listens on nothing. Returns the exit code.
[[nodiscard]] int run_services(const ServicesOptions& options, std::ostream& out,
                               std::ostream& err);

}  // namespace clusterdns::app
