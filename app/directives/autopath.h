// The options of `autopath namespace`.
#pragma once

#include <span>

#include "app/corefile/options.h"

namespace clusterdns::app {

[[nodiscard]] std::span<const Option> autopath_options();

}  // namespace clusterdns::app
