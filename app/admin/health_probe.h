// Asks /health of this process once a second, as CoreDNS does: how long that takes tells how busy
// the machine is.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include <spdlog/logger.h>

#include "app/admin/http_server.h"
#include "app/admin/metrics.h"
#include "dns/base/descriptor.h"

namespace clusterdns::app {

// What the probes found; outlives them. Any thread.
struct HealthFigures {
  SharedHistogram durations{{0.00025, 0.0025, 0.025, 0.25, 2.5}};
  std::atomic<std::uint64_t> failures{0};

  void collect(Exposition& out) const;
};

class HealthProbe {
 public:
  // `at` with the port that was bound.
  HealthProbe(const HttpAddress& at, std::shared_ptr<HealthFigures> figures,
              std::shared_ptr<spdlog::logger> logger);
  ~HealthProbe();
  HealthProbe(const HealthProbe&) = delete;
  HealthProbe& operator=(const HealthProbe&) = delete;

 private:
  void run();
  void probe();
  // Empty: it went well.
  std::string ask();

  boost::asio::ip::address address_;
  std::uint16_t port_;
  std::shared_ptr<HealthFigures> figures_;
  std::shared_ptr<spdlog::logger> logger_;
  dns::Descriptor stop_;  // eventfd
  std::thread thread_;
};

}  // namespace clusterdns::app
