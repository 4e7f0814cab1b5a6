// Durations as Go prints them: log lines that others grep have them.
#pragma once

#include <chrono>
#include <string>

namespace clusterdns::app {

// As Go's time.Duration.String(): "5s", "1m0s", "1.5s", "250ms", "0s".
[[nodiscard]] std::string go_duration(std::chrono::nanoseconds duration);

}  // namespace clusterdns::app
