// The log, in CoreDNS's line format, `[INFO] text`, or with its `-log-format json` as one JSON object
// a line. Errors and all else go to standard output, as there; only what ends the program goes to
// standard error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <spdlog/logger.h>

namespace clusterdns::app {

// Lines wait here for the thread that writes them; the oldest give way, so that a stuck terminal
// never holds up a worker. 2,048 lines are 0.8 MiB, taken at the start.
inline constexpr std::size_t kLogQueue = 2048;

// Json: `{"time":…,"level":…,"msg":…}` with the members of CoreDNS 1.15 (plugin/pkg/log/json.go):
// the time as in RFC 3339, levels DEBUG, INFO, WARN, ERROR, FATAL. The prefix `plugin/NAME: ` of a
// text becomes a member `plugin`.
enum class LogFormat : std::uint8_t { Text, Json };

// An asynchronous logger with a thread of its own, which ends when the last reference goes.
[[nodiscard]] std::shared_ptr<spdlog::logger> make_logger(LogFormat format = LogFormat::Text);
// One that says nothing, for programs that embed a server.
[[nodiscard]] std::shared_ptr<spdlog::logger> make_silent_logger();

// Logs `text` with further members of its object, `"name":value,…`, which a logger of LogFormat::Json
// shows. REQUIRES: such a logger.
void log_with_members(spdlog::logger& logger, spdlog::level::level_enum level, std::string_view text,
                      std::string_view members);
// The line of a logger of `format` that says why the program ends, without its end of line.
[[nodiscard]] std::string fatal_line(LogFormat format, std::string_view message);
// `text` as a JSON string, quotes included. Octets that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string json_string(std::string_view text);

}  // namespace clusterdns::app
