// Asks our own listeners until they answer.
#pragma once

#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "dns/base/descriptor.h"
#include "dns/server/configuration.h"

namespace clusterdns::app {

// A thread that asks every listener over UDP and over TCP, from ever new ports, until each worker
// has answered there: with SO_REUSEPORT the kernel chooses the worker by the client's port. The
// question is one that the first gate answers (opcode STATUS, NOTIMP), so that no block counts,
// logs or forwards it.
class SelfCheck {
 public:
  // `queries` are those each worker has received so far; any thread. `passed` is called on the
  // thread of this object, once.
  SelfCheck(std::vector<dns::ListenAddress> listeners,
            std::function<std::vector<std::uint64_t>()> queries, std::function<void()> passed);
  // Stops; `passed` is not called any more.
  ~SelfCheck();
  SelfCheck(const SelfCheck&) = delete;
  SelfCheck& operator=(const SelfCheck&) = delete;

 private:
  void run();
  // Until every worker has answered; false when stopped.
  bool check(const dns::ListenAddress& listener, int type);
  enum class Outcome { Answered, Silent, Unreachable, Stopped };
  Outcome ask(const dns::ListenAddress& listener, int type);
  // Waits for `events` on `fd`, at most kPatience; false: nothing came, or stopped.
  bool wait(int fd, short events) const;
  [[nodiscard]] bool stopped() const;

  std::vector<dns::ListenAddress> listeners_;
  std::function<std::vector<std::uint64_t>()> queries_;
  std::function<void()> passed_;
  dns::Descriptor stop_;  // eventfd
  std::uint16_t id_ = 1;
  std::thread thread_;
};

}  // namespace clusterdns::app
