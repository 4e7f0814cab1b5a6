// What others need of `view`.
#pragma once

#include <string>

#include "app/directives/directive.h"

namespace clusterdns::app {

// The name of the block's view, as metrics have it; empty: there is none.
[[nodiscard]] std::string view_name(const ServerBlock& block);

}  // namespace clusterdns::app
