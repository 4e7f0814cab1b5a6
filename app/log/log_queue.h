// Lines of the log on their way out. Nobody who logs waits for whoever reads: a collector that
// hangs or a terminal that was stopped costs lines, which are counted, and nothing else.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace clusterdns::app {

// Octets that wait to be written; the oldest lines give way. Memory is touched as it is used.
inline constexpr std::size_t kLogOctets = 1024 * 1024;
// Octets of a line; the rest is cut off.
inline constexpr std::size_t kLogLine = 16 * 1024;
// How long the end of a program waits for what is queued.
inline constexpr std::chrono::milliseconds kLogLastWords{1000};

// Any thread. A thread of its own writes.
class LogQueue {
 public:
  struct Line {
    std::uint8_t kind = 0;  // whatever the formatter makes of it
    std::uint8_t level = 0;
    std::chrono::system_clock::time_point time{};
    std::string_view text;
  };
  // Appends a line as it is to be written, with its end. Called on the thread that writes.
  using Formatter = std::function<void(const Line&, std::string& to)>;
  // The line that says that `count` are missing.
  using Gap = std::function<void(std::uint64_t count, std::string& to)>;

  // Takes lines that are formatted, one or several; false when it could not.
  using Writer = std::function<bool(std::string_view)>;

  // `fd` stays the caller's, and open for as long as the process lives.
  LogQueue(int fd, Formatter format, Gap gap, std::size_t octets = kLogOctets);
  // Gives each line to `write`, with its end, in place of writing it. That may still be called when
  // the end of this has waited for kLogLastWords in vain.
  LogQueue(Writer write, Formatter format, Gap gap, std::size_t octets = kLogOctets);
  // Waits until all is written, at most kLogLastWords.
  ~LogQueue();
  LogQueue(const LogQueue&) = delete;
  LogQueue& operator=(const LogQueue&) = delete;

  // Does not wait and does not allocate.
  void push(const Line& line) noexcept;
  // Waits until what was pushed is written, at most kLogLastWords.
  void flush() noexcept;
  // Lines that were never written.
  [[nodiscard]] std::uint64_t lost() const noexcept;

 private:
  class State;
  void start();

  std::shared_ptr<State> state_;
};

// Writes `text` to `fd`, and gives up after kLogLastWords when nobody reads: for the last words of
// a program.
void write_last_words(int fd, std::string_view text) noexcept;

}  // namespace clusterdns::app
