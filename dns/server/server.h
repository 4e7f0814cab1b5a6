// A DNS server: workers, their sockets, and the configuration they serve.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "dns/concurrent/reclaim.h"
#include "dns/net/listen_socket.h"
#include "dns/server/configuration.h"
#include "dns/server/worker.h"

namespace clusterdns::dns {

struct ServerOptions {
  unsigned workers = 0;  // 0: one for each core this process may use
  TcpLimits tcp;
};

// Descriptors that TCP clients may not have, however many there are: manifests, HTTP, the API
// server and upstreams want some. A quarter of the limit where that is more.
inline constexpr std::size_t kKeptDescriptors = 64;
// Octets that the receive buffers of all UDP sockets together ask the kernel for, and those of one;
// the kernel grants net.core.rmem_max at most and counts twice as much.
inline constexpr int kUdpReceiveBuffers = 16 * 1024 * 1024;
inline constexpr int kUdpReceiveBuffer = 4 * 1024 * 1024;

// TCP connections of all workers together, evenly shared: each takes some 3 KiB of the kernel and 1
// KiB here, idle or not. A worker has no more than TcpLimits::max_connections of them.
inline constexpr std::size_t kTcpConnections = 6144;

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
  // have taken it over. Listeners of the configuration before that are not in this one are closed;
  // their TCP connections go on where another listener takes in their address. `ours`: sockets of
  // the caller that are not strangers, see check_free().
  // Port 0 in a listener is replaced by the port that was bound; the same address with port 0 in a
  // later configuration means that same port.
  // Throws std::system_error when an address cannot be bound, and what a stage's attach() throws on
  // some worker; nothing has changed then.
  // Returns the configuration as served.
  std::shared_ptr<const Configuration> apply(Configuration configuration,
                                             const SocketInodes& ours = {});

  // Has a worker answer `request` by `routes`, as if it had come over TCP from `client`. `done` is
  // called once with the response, of no octets when there is none: on that worker's thread, or
  // where the server ends. REQUIRES: the stages of `routes` are those of the configuration that is
  // served; kPadding octets behind the first `size` ones of `request`.
  void ask(std::shared_ptr<const ListenerRoutes> routes, std::vector<std::uint8_t> request,
           std::size_t size, const Endpoint& client,
           std::function<void(std::vector<std::uint8_t>)> done);

  // The sockets that listen now.
  [[nodiscard]] SocketInodes sockets() const;
  // TCP connections of one worker at most: its share, or what the limit of descriptors leaves when
  // the server's own needs are kept back. As of the last apply().
  [[nodiscard]] std::size_t tcp_connections() const noexcept { return tcp_connections_; }
  // What each worker has of TcpLimits::max_connections and kTcpConnections.
  [[nodiscard]] std::size_t tcp_share() const noexcept;
  // What the TCP connections of each worker come to. Any thread.
  [[nodiscard]] std::vector<const TcpFigures*> tcp_figures() const;

  // By worker: queries received since the start. Any thread.
  [[nodiscard]] std::vector<std::uint64_t> queries() const;
  // When the last one came, on the monotonic clock; 0: none did. Any thread.
  [[nodiscard]] std::int64_t last_query_ns() const noexcept;
  // Handlers that an exception ended. Any thread.
  [[nodiscard]] std::uint64_t panics() const noexcept;

  // Ends all workers; idempotent.
  void stop();

 private:
  // Runs `call(worker, index)` on every worker's thread at once and waits for all. Throws what the
  // first of them threw.
  template <class Call>
  void on_workers(Call call);
  [[nodiscard]] std::size_t possible_tcp_connections() const;

  ReclaimDomain reclaim_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::shared_ptr<const Configuration> current_;
  std::vector<ListenAddress> chosen_;  // ports found for listeners that asked for port 0
  std::vector<std::pair<ListenAddress, SocketInodes>> open_;
  const TcpLimits tcp_limits_;
  std::size_t tcp_connections_;
};

}  // namespace clusterdns::dns
