// Signals of the server's process.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include <spdlog/logger.h>
#include <boost/asio/io_context.hpp>

#include "dns/base/descriptor.h"

namespace clusterdns::app {

// Nothing is interrupted: every signal that may be is blocked for good, in this thread and those it
// starts from now on, and a thread of its own reads those that mean something. What is not thought
// of (SIGALRM, SIGXFSZ, SIGIO, real-time signals, ...) thereby does nothing, instead of ending the
// program by default. Faults of the program (SIGSEGV, ...) and job control (SIGTSTP, ...) are as
// usual.
//
// SIGTERM, SIGINT, SIGQUIT and SIGXCPU end it in any case: whatever the control thread waits for,
// in the end the process goes. While it still starts they end it at once.
class Signals {
 public:
  // For the control thread to take notice of the first signal that ends.
  static constexpr std::chrono::seconds kTakeUp{10};
  // For what is cleaned up behind the last thing that clients see.
  static constexpr std::chrono::seconds kCleanUp{3};

  // `handle` gets SIGTERM, SIGINT, SIGQUIT, SIGXCPU, SIGUSR1, SIGUSR2 and, unless it was ignored at
  // the start (nohup), SIGHUP, on the thread that runs `io`. Throws std::system_error.
  Signals(boost::asio::io_context& io, std::shared_ptr<spdlog::logger> logger,
          std::function<void(int)> handle);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // It serves; signals that end are handled from now on.
  void started() noexcept { started_.store(true, std::memory_order_release); }
  // `io` is about to go: nothing is handled any more.
  void detach() noexcept {
    const std::lock_guard lock(mutex_);
    detached_ = true;
  }
  // The end is taken up, and takes no longer than `time` from now; then the process ends with
  // `code`.
  void must_end_within(std::chrono::nanoseconds time, int code) noexcept;

  [[nodiscard]] static bool ends(int number) noexcept;
  // "SIGTERM"
  [[nodiscard]] static const char* name(int number) noexcept;

 private:
  void run() noexcept;
  void take(int number);
  [[noreturn]] void end_now(int code, const char* why) noexcept;

  boost::asio::io_context& io_;
  std::shared_ptr<spdlog::logger> logger_;
  std::function<void(int)> handle_;
  dns::Descriptor signals_;  // signalfd
  dns::Descriptor stop_;     // eventfd: the deadline has changed, or it is over
  std::atomic<bool> started_{false};
  std::atomic<bool> stopped_{false};
  std::atomic<std::int64_t> deadline_ns_;  // monotonic clock
  std::atomic<int> code_{1};
  std::atomic<bool> taken_up_{false};
  std::mutex mutex_;
  bool detached_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace clusterdns::app
