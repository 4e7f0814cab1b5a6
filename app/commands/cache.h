// `clusterdns cache`: what a running server keeps of upstreams' answers.
#pragma once

#include <ostream>

#include "app/commands/command_line.h"

namespace clusterdns::app {

// Prints the answers, or has the server forget them. 1: the server does not say.
[[nodiscard]] int run_cache(const CacheCommandOptions& options, std::ostream& out,
                            std::ostream& err);

}  // namespace clusterdns::app
