// A steady stream of queries over UDP, of which every one must be answered.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "support/socket.h"

namespace clusterdns::test {

class QueryLoad {
 public:
  // Asks `server` for `name` from `sockets` ports in turn, one question every `pause`.
  QueryLoad(const Endpoint& server, const std::string& name, unsigned sockets,
            std::chrono::microseconds pause);
  ~QueryLoad();

  struct Result {
    std::uint64_t sent = 0;
    std::uint64_t lost = 0;    // never answered
    std::uint64_t failed = 0;  // answered with another rcode than NOERROR
  };
  // Stops asking and waits for what is under way, unless told not to.
  Result finish(bool wait = true);
  [[nodiscard]] std::uint64_t answered() const { return answered_.load(); }

 private:
  void run();
  void drain(std::size_t socket);

  std::string name_;
  std::vector<FileDescriptor> sockets_;
  std::vector<std::vector<bool>> open_;  // by socket, by id
  std::chrono::microseconds pause_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> answered_{0};
  Result result_;
  std::thread thread_;
};

}  // namespace clusterdns::test
