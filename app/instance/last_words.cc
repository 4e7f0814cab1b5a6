#include "app/instance/last_words.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

#include "app/log/log_queue.h"
#include "dns/base/memory_shortage.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kNoMemory =
    "clusterdns: out of memory; ending. Give it more (the limit of the container, ulimit -v), or "
    "less "
    "to hold\n";
constexpr std::string_view kNoMemoryJson =
    "{\"level\":\"FATAL\",\"msg\":\"out of memory; ending. Give it more (the limit of the "
    "container, "
    "ulimit -v), or less to hold\"}\n";

LogFormat log_format = LogFormat::Text;

[[noreturn]] void end_without_memory() noexcept {
  say_out_of_memory(log_format);
  // No core dump: that shows what filled the memory at best, and nobody's mistake.
  ::_exit(kOutOfMemory);
}

[[noreturn]] void on_terminate() noexcept {
  // Some parts of the runtime give up without saying what they had caught.
  const bool no_memory = dns::memory_is_short.load(std::memory_order_relaxed);
  const char* what = "an unknown exception";
  std::array<char, 512> text{};
  if (const std::exception_ptr thrown = std::current_exception()) {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::bad_alloc&) {
      end_without_memory();
    } catch (const std::exception& e) {
      std::snprintf(text.data(), text.size(), "clusterdns: internal error: %s; ending\n", e.what());
      what = nullptr;
    } catch (...) {
    }
  }
  if (what != nullptr) {
    if (no_memory) end_without_memory();
    std::snprintf(text.data(), text.size(), "clusterdns: internal error: %s; ending\n", what);
  }
  write_last_words(STDERR_FILENO, text.data());
  std::abort();
}

}  // namespace

void end_with_last_words(LogFormat format) noexcept {
  log_format = format;
  std::set_terminate(on_terminate);
}

void say_out_of_memory(LogFormat format) noexcept {
  write_last_words(STDERR_FILENO, format == LogFormat::Text ? kNoMemory : kNoMemoryJson);
}

}  // namespace clusterdns::app
