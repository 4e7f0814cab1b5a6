// A running server made from a Corefile: builds a whole configuration, swaps it in, keeps it
// current.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spdlog/logger.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "app/admin/health_probe.h"
#include "app/admin/http_server.h"
#include "app/admin/metrics.h"
#include "app/admin/readiness.h"
#include "app/admin/self_check.h"
#include "app/console/api.h"
#include "app/console/console.h"
#include "app/console/host.h"
#include "app/corefile/ast.h"
#include "app/directives/directive.h"
#include "app/log/logging.h"
#include "dns/server/server.h"

namespace clusterdns::app {

struct InstanceOptions {
  std::uint16_t dns_port = 53;  // for keys without a port
  dns::TcpLimits tcp;
  LogFormat log_format = LogFormat::Text;  // the logger's
  bool strict = false;                     // see Environment::strict
  // Where /metrics is served, too, unless somebody else has the address; empty: nowhere.
  std::string metrics_address;
  // For `kubernetes` directives without a source; see Environment::handed_in.
  std::shared_ptr<ClusterSource> registry;
  // See Environment::fatal.
  std::function<void(const std::string&)> fatal;
  // Sees the answers of every server block; nullptr: nobody does.
  std::shared_ptr<dns::AnswerObserver> observer;
};

// One per server; several can stand in one process. All calls on the control thread, which also
// runs `io`.
class Instance final : private ConsoleHost {
 public:
  Instance(boost::asio::io_context& io, std::shared_ptr<spdlog::logger> logger,
           InstanceOptions options);
  ~Instance() override;

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
  // "/health on 127.0.0.1:40123" for addresses that asked for any free port, and "the console on
  // http://localhost:5380/".
  [[nodiscard]] const std::vector<std::string>& http_lines() const noexcept { return http_lines_; }
  // For the console: where the configuration comes from, and how it is read again. Not called after
  // stop().
  struct Origin {
    std::function<std::string()> corefile;  // the text as it stands on disk
    std::function<std::string()> error;     // why it is not what is served; empty: it is
    std::function<std::string()> reload;    // what is wrong with it, empty: nothing
  };
  void set_origin(Origin origin) { origin_ = std::move(origin); }
  // The end has begun: /ready says so, all else goes on.
  void set_draining();
  // What has been done and is held, in words; for the log.
  [[nodiscard]] std::string figures() const;
  // Queries received since the start, and when the last one came (monotonic clock; 0: none did).
  [[nodiscard]] std::uint64_t queries() const;
  [[nodiscard]] std::int64_t last_query_ns() const noexcept { return server_->last_query_ns(); }

 private:
  // What a file or a name of `forward` says has changed.
  void apply_again(const std::string& what);
  void collect_later();
  void add_collectors();
  // What listening() and key_lines() say from now on.
  void list_listeners(const dns::Configuration& served);
  // Asks the present listeners, for /ready, until they have answered once.
  void check_ourselves();
  // Serves what the new configuration's plan says over HTTP, on what is bound and on `prepared`.
  void serve_http(std::shared_ptr<HttpServer::Prepared> prepared);

  // For the console.
  [[nodiscard]] const Environment& served_environment() const override { return *environment_; }
  [[nodiscard]] const dns::Configuration& served_configuration() const override { return *served_; }
  [[nodiscard]] bool is_ready() const override;
  [[nodiscard]] Figures query_figures() const override;
  [[nodiscard]] std::chrono::nanoseconds history() const override;
  void ask(std::shared_ptr<const dns::ListenerRoutes> routes, std::vector<std::uint8_t> request,
           std::size_t size, const dns::Endpoint& client,
           std::function<void(std::vector<std::uint8_t>)> done) override;
  [[nodiscard]] Configured configured() const override;
  std::string reload() override;
  void watch_queries(std::shared_ptr<dns::AnswerObserver> observer) override;

  boost::asio::io_context& io_;
  std::shared_ptr<spdlog::logger> logger_;
  InstanceOptions options_;
  std::unique_ptr<dns::Server> server_;
  std::unique_ptr<Environment> environment_;
  std::optional<Corefile> applied_;  // that of `environment_`
  std::vector<dns::ListenAddress> listening_;
  std::vector<std::string> key_lines_;
  std::vector<std::string> http_lines_;
  std::shared_ptr<const dns::Configuration> served_;
  std::chrono::system_clock::time_point loaded_{};
  std::shared_ptr<dns::AnswerObserver> watched_by_;  // sees the queries of `served_`
  Origin origin_;
  std::shared_ptr<ConsoleApi> console_api_;                   // once there is a console
  std::map<std::string, std::shared_ptr<Console>> consoles_;  // by address
  std::shared_ptr<Metrics> metrics_ = std::make_shared<Metrics>();
  std::shared_ptr<Readiness> readiness_;
  // Of the control thread's ReclaimDomain, for /metrics.
  std::shared_ptr<std::atomic<std::size_t>> reclaim_pending_ =
      std::make_shared<std::atomic<std::size_t>>(0);
  std::shared_ptr<HealthFigures> health_ = std::make_shared<HealthFigures>();
  std::unique_ptr<HttpServer> http_;  // once something is served over HTTP
  std::unique_ptr<SelfCheck> self_check_;
  std::vector<dns::ListenAddress> checked_;                     // by it
  std::map<std::string, std::unique_ptr<HealthProbe>> probes_;  // by address
  std::size_t said_tcp_connections_ = 0;  // what the log knows of Server::tcp_connections
  boost::asio::steady_timer collect_timer_;
};

// Whose files, interfaces and addresses a configuration that is checked names.
enum class CheckPlace : std::uint8_t { Here, Elsewhere };

// Everything apply() would do short of listening: for `check`. What is wrong or odd is added to
// `problems`. REQUIRES: corefile.whole.
void check_corefile(const Corefile& corefile, std::uint16_t dns_port, CheckPlace place,
                    Problems& problems);

// The configuration that `corefile` stands for. What is wrong or odd is added to the environment's
// problems; ConfigError, once all of it has been looked at, when there are errors among them.
[[nodiscard]] dns::Configuration build_configuration(const Corefile& corefile,
                                                     Environment& environment,
                                                     std::uint16_t dns_port);

}  // namespace clusterdns::app
