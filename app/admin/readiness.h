// Whether this server should get queries: what /ready says.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/logger.h>

namespace clusterdns::app {

// Any thread.
class Readiness {
 public:
  struct Source {
    std::string plugin;           // as /ready names it
    std::function<bool()> ready;  // any thread
  };

  explicit Readiness(std::shared_ptr<spdlog::logger> logger) : logger_(std::move(logger)) {}

  // Of the configuration that is served from now on. Without `continuously` a source that was ready
  // once is not asked again.
  void replace(std::vector<Source> sources, bool continuously);
  // A query to ourselves was answered on every listener.
  void set_serving() noexcept { serving_.store(true, std::memory_order_release); }
  [[nodiscard]] bool serving() const noexcept { return serving_.load(std::memory_order_acquire); }
  // The end has begun: never ready again.
  void set_draining() noexcept { draining_.store(true, std::memory_order_release); }

  struct Answer {
    unsigned status = 200;
    std::string body;
  };
  // 200 "OK", or 503 with the plugins that are not ready, comma-separated, or "Shutting down".
  [[nodiscard]] Answer ask();
  // Whether every source is ready and the end has not begun; nothing is logged.
  [[nodiscard]] bool is_ready();

 private:
  std::shared_ptr<spdlog::logger> logger_;
  std::atomic<bool> serving_{false};
  std::atomic<bool> draining_{false};
  std::mutex mutex_;
  std::vector<Source> sources_;
  bool continuously_ = false;
};

}  // namespace clusterdns::app
