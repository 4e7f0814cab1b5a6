// The log, in CoreDNS's line format: `[INFO] text`. Errors and all else go to standard output, as
// there; only what ends the program goes to standard error.
#pragma once

#include <memory>

#include <spdlog/logger.h>

namespace clusterdns::app {

// Lines wait here for the thread that writes them; the oldest give way, so that a stuck terminal
// never holds up a worker. 2,048 lines are 0.8 MiB, taken at the start.
inline constexpr std::size_t kLogQueue = 2048;

// An asynchronous logger with a thread of its own, which ends when the last reference goes.
[[nodiscard]] std::shared_ptr<spdlog::logger> make_logger();
// One that says nothing, for programs that embed a server.
[[nodiscard]] std::shared_ptr<spdlog::logger> make_silent_logger();

}  // namespace clusterdns::app
