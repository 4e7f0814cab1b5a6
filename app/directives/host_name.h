// How this machine is called, for directives that tell clients.
#pragma once

#include <string>

namespace clusterdns::app {

// "localhost" when the machine does not say.
[[nodiscard]] std::string host_name();

}  // namespace clusterdns::app
