// Keeps signals away from threads of ours.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <system_error>
#include <thread>
#include <utility>

namespace clusterdns::dns {

// Threads that are started while one of these is alive take no signals, ever: these belong to the
// thread that started them, or to the program that embeds us. The calling thread takes its own
// again when this ends; none is lost.
class BlockedSignals {
 public:
  BlockedSignals() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
};

// A thread that takes no signals. Throws std::system_error that says what to do, and
// std::bad_alloc.
template <class Function>
[[nodiscard]] std::thread thread_without_signals(Function&& function) {
  const BlockedSignals none_for_it;
  try {
    return std::thread(std::forward<Function>(function));
  } catch (const std::system_error& e) {
    throw std::system_error(e.code(),
                            "no thread can be started; raise the limit of memory or of threads "
                            "(the container's, ulimit -v, ulimit -u)");
  }
}

}  // namespace clusterdns::dns
