// The log, in CoreDNS's line format, `[INFO] text`, or with its `-log-format json` as one JSON
// object a line. Errors and all else go to standard output, as there; only what ends the program
// goes to standard error.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <spdlog/logger.h>

#include "app/log/log_queue.h"

namespace clusterdns::app {

// Json: `{"time":…,"level":…,"msg":…}` with the members of CoreDNS 1.15 (plugin/pkg/log/json.go):
// the time as in RFC 3339, levels DEBUG, INFO, WARN, ERROR, FATAL. The prefix `plugin/NAME: ` of a
// text becomes a member `plugin`.
enum class LogFormat : std::uint8_t { Text, Json };

// A logger whose lines wait for a thread that writes them, see LogQueue; which ends when the last
// reference goes. Nobody who logs waits for whoever reads standard output.
[[nodiscard]] std::shared_ptr<spdlog::logger> make_logger(LogFormat format = LogFormat::Text);
// Gives each line, as it would be printed but without its end, to `write`, one after the other on
// the logger's thread. What `write` throws is dropped.
[[nodiscard]] std::shared_ptr<spdlog::logger> make_logger(
    std::function<void(std::string_view)> write);
// One that says nothing, for programs that embed a server.
[[nodiscard]] std::shared_ptr<spdlog::logger> make_silent_logger();

// Logs `text` with further members of its object, `"name":value,…`, which a logger of
// LogFormat::Json shows. REQUIRES: such a logger.
void log_with_members(spdlog::logger& logger, spdlog::level::level_enum level,
                      std::string_view text, std::string_view members);
// Logs `text` without its level in front; as usual with LogFormat::Json.
void log_bare(spdlog::logger& logger, std::string_view text);
// Lines of a logger of make_logger() that were never written. Any thread.
[[nodiscard]] std::uint64_t lost_log_lines(const spdlog::logger& logger) noexcept;
// The line of a logger of `format` that says why the program ends, without its end of line.
[[nodiscard]] std::string fatal_line(LogFormat format, std::string_view message);

}  // namespace clusterdns::app
