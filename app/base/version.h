// What this program calls itself.
#pragma once

#include <string>
#include <string_view>

namespace clusterdns::app {

// "clusterdns-0.2.0" and "linux/amd64, g++ 12.2.0", a line each.
[[nodiscard]] std::string version_lines();
// "0.2.0"
[[nodiscard]] std::string_view version_number();

}  // namespace clusterdns::app
