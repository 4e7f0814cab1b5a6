// What is wrong with files, as JSON.
#pragma once

#include <boost/json/object.hpp>

#include "app/corefile/problems.h"

namespace clusterdns::app {

// {"severity", "file", "line", "column", "text"}
[[nodiscard]] boost::json::object problem_value(const Problem& problem);

}  // namespace clusterdns::app
