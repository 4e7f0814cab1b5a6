// A running server made from a Corefile: builds a whole configuration, swaps it in, keeps it
// current.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/logger.h>

#include "app/admin/health_probe.h"
#include "app/admin/http_server.h"
#include "app/admin/metrics.h"
#include "app/admin/readiness.h"
#include "app/admin/self_check.h"
#include "app/corefile/ast.h"
#include "app/directives/directive.h"
#include "app/logging.h"
#include "dns/server/server.h"

namespace clusterdns::app {

struct InstanceOptions {
  std::uint16_t dns_port = 53;  // for keys without a port
  dns::TcpLimits tcp;
  LogFormat log_format = LogFormat::Text;  // the logger's
  // For `kubernetes` directives without a source; see Environment::handed_in.
  std::shared_ptr<ClusterSource> registry;
  // See Environment::fatal.
  std::function<void(const std::string&)> fatal;
};

// One per server; several can stand in one process. All calls on the control thread, which also
// runs `io`.
class Instance {
 public:
  Instance(boost::asio::io_context& io, std::shared_ptr<spdlog::logger> logger,
           InstanceOptions options);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // Serves what `corefile` says, from now on. Throws ConfigError, or std::system_error when an
  // address cannot be bound; what was served before goes on unchanged then. The number of workers
  // is that of the first call.
  void apply(const Corefile& corefile);
  void stop();

  // As bound: with the real ports.
  [[nodiscard]] const std::vector<dns::ListenAddress>& listening() const noexcept {
    return listening_;
  }
  // ".:53", or ".:53 on 127.0.0.1", and so on: what CoreDNS prints at start.
  [[nodiscard]] const std::vector<std::string>& key_lines() const noexcept { return key_lines_; }
  [[nodiscard]] unsigned worker_count() const noexcept { return server_->worker_count(); }
  [[nodiscard]] const Environment& environment() const noexcept { return *environment_; }
  [[nodiscard]] const AdminPlan& plan() const noexcept { return environment_->admin; }
  [[nodiscard]] Metrics& metrics() noexcept { return *metrics_; }
  // "/health on 127.0.0.1:40123" for addresses that asked for any free port.
  [[nodiscard]] const std::vector<std::string>& http_lines() const noexcept { return http_lines_; }
  // The end has begun: /ready says so, all else goes on.
  void set_draining();
  // Queries received since the start, and when the last one came (monotonic clock; 0: none did).
  [[nodiscard]] std::uint64_t queries() const;
  [[nodiscard]] std::int64_t last_query_ns() const noexcept { return server_->last_query_ns(); }

 private:
  void collect_later();
  void add_collectors();
  // Serves what the new configuration's plan says over HTTP, on what is bound and on `prepared`.
  void serve_http(std::shared_ptr<HttpServer::Prepared> prepared);

  boost::asio::io_context& io_;
  std::shared_ptr<spdlog::logger> logger_;
  InstanceOptions options_;
  std::unique_ptr<dns::Server> server_;
  std::unique_ptr<Environment> environment_;
  std::vector<dns::ListenAddress> listening_;
  std::vector<std::string> key_lines_;
  std::vector<std::string> http_lines_;
  std::shared_ptr<Metrics> metrics_ = std::make_shared<Metrics>();
  std::shared_ptr<Readiness> readiness_;
  // Of the control thread's ReclaimDomain, for /metrics.
  std::shared_ptr<std::atomic<std::size_t>> reclaim_pending_ =
      std::make_shared<std::atomic<std::size_t>>(0);
  std::shared_ptr<HealthFigures> health_ = std::make_shared<HealthFigures>();
  std::unique_ptr<HttpServer> http_;  // once something is served over HTTP
  std::unique_ptr<SelfCheck> self_check_;
  std::map<std::string, std::unique_ptr<HealthProbe>> probes_;  // by address
  boost::asio::steady_timer collect_timer_;
};

// Everything apply() would do short of listening: for `check`. Throws ConfigError.
void check_corefile(const Corefile& corefile, std::shared_ptr<spdlog::logger> logger,
                    std::uint16_t dns_port);

// The configuration that `corefile` stands for.
[[nodiscard]] dns::Configuration build_configuration(const Corefile& corefile,
                                                     Environment& environment,
                                                     std::uint16_t dns_port);

}  // namespace clusterdns::app
