// What the process says when it cannot go on.
#pragma once

#include <cstdint>
#include <string_view>

#include "app/log/logging.h"

namespace clusterdns::app {

// Exit code when there is no memory left for what has to be done.
inline constexpr int kOutOfMemory = 1;

// What is thrown where nothing may be thrown (memory has run out, most likely) ends the process
// with one line on standard error from now on: with kOutOfMemory, or with SIGABRT when it is an
// error of the program. The runtime's own handler waits for whoever reads standard error.
void end_with_last_words(LogFormat format = LogFormat::Text) noexcept;
// That line for memory that has run out. Needs none.
void say_out_of_memory(LogFormat format) noexcept;

}  // namespace clusterdns::app
