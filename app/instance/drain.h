// The end of a server that others still send queries to.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include <spdlog/logger.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "app/instance/instance.h"

namespace clusterdns::app {

// From begin() on /ready says 503 and everything else goes on, new TCP connections too, until
// `lameduck` has passed and no query came for kDrainQuiet, at most until `grace`. Control thread.
class Drain {
 public:
  Drain(boost::asio::io_context& io, std::shared_ptr<spdlog::logger> logger, Instance& instance,
        std::function<void()> done);

  // `done` is called once; at once when nobody watches this server's readiness.
  void begin();
  [[nodiscard]] bool has_begun() const noexcept { return begun_; }

 private:
  void wait();
  void tick();

  std::shared_ptr<spdlog::logger> logger_;
  Instance& instance_;
  std::function<void()> done_;
  boost::asio::steady_timer timer_;
  bool begun_ = false;
  std::int64_t began_ns_ = 0;
  std::int64_t lameduck_ns_ = 0;
  std::int64_t grace_ns_ = 0;
  std::int64_t said_ns_ = 0;  // when the arriving queries were last logged
  std::uint64_t said_queries_ = 0;
};

}  // namespace clusterdns::app
