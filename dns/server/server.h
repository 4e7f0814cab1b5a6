// A DNS server: workers, their sockets, and the configuration they serve.
#pragma once

#include <memory>
#include <vector>

#include "dns/server/configuration.h"
#include "dns/server/reclaim.h"
#include "dns/server/worker.h"

namespace clusterdns::dns {

struct ServerOptions {
  unsigned workers = 0;  // 0: one for each core this process may use
  TcpLimits tcp;
};

// All calls from one control thread. No globals, no signal handlers: several can stand in one
// process.
class Server {
 public:
  explicit Server(ServerOptions options);
  ~Server();  // stops
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Readers of published tables; hand it to whoever publishes.
  [[nodiscard]] ReclaimDomain& reclaim() noexcept { return reclaim_; }
  [[nodiscard]] unsigned worker_count() const noexcept { return reclaim_.readers(); }

  // Binds what is not bound yet, then serves `configuration` on every worker and returns when all
  // have taken it over. Listeners of the configuration before that are not in this one are closed.
  // Port 0 in a listener is replaced by the port that was bound; the same address with port 0 in a
  // later configuration means that same port.
  // Throws std::system_error when an address cannot be bound; nothing has changed then.
  // Returns the configuration as served.
  std::shared_ptr<const Configuration> apply(Configuration configuration);

  // By worker: queries received since the start. Any thread.
  [[nodiscard]] std::vector<std::uint64_t> queries() const;
  // When the last one came, on the monotonic clock; 0: none did. Any thread.
  [[nodiscard]] std::int64_t last_query_ns() const noexcept;
  // Handlers that an exception ended. Any thread.
  [[nodiscard]] std::uint64_t panics() const noexcept;

  // Ends all workers; idempotent.
  void stop();

 private:
  ReclaimDomain reclaim_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::shared_ptr<const Configuration> current_;
  std::vector<ListenAddress> chosen_;  // ports found for listeners that asked for port 0
};

}  // namespace clusterdns::dns
