// One worker: a thread, its io_context, and its own sockets for every listener.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "dns/query/stage.h"
#include "dns/server/configuration.h"
#include "dns/server/reclaim.h"

namespace clusterdns::dns {

class UdpListener;
class TcpListener;

struct TcpLimits {
  // Connections of one worker. 1,024 with the smallest buffers are 8 MiB; busy resolvers of one
  // node hold a handful. The one that was idle longest makes room for a new one.
  std::size_t max_connections = 1024;
  // Seconds without a complete message; RFC 7766 6.2.3 asks for a few seconds.
  unsigned idle_seconds = 10;
  // Seconds a begun message, or the peer's reading of our answers, may stand still.
  unsigned stall_seconds = 5;
};

// Native handles of one listener's sockets, bound and (TCP) listening; owned by who holds it.
struct ListenerSockets {
  ListenAddress address;  // the port that was bound
  int udp = -1;
  int tcp = -1;
};

// Owns everything its thread touches. start(), apply() and stop() are called by the control thread.
class Worker {
 public:
  Worker(unsigned index, unsigned count, ReclaimDomain& reclaim, TcpLimits limits);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start();
  // From the next batch on, `configuration` is served on its listeners. `opened` are sockets for
  // those that are new; listeners that are gone are closed. Runs `done` on this worker's thread
  // when it has happened, with the configuration that was replaced (to be released elsewhere).
  void apply(std::shared_ptr<const Configuration> configuration,
             std::vector<ListenerSockets> opened,
             std::function<void(std::shared_ptr<const Configuration>)> done);
  // Closes all sockets and ends the thread. Deferred queries get no answer.
  void stop();

  // --- for the listeners, on the worker's thread ---
  [[nodiscard]] WorkerContext& context() noexcept { return context_; }
  [[nodiscard]] QueryContext& scratch() noexcept { return scratch_; }
  [[nodiscard]] const TcpLimits& tcp_limits() const noexcept { return limits_; }
  [[nodiscard]] ReclaimDomain& reclaim() noexcept { return reclaim_; }
  // Room for one response over TCP.
  [[nodiscard]] std::span<std::uint8_t> message_room() noexcept {
    return {message_room_.get(), kMaxMessageSize};
  }
  // UDP goes first: answers what waits on every UDP socket. TCP code calls this between its turns,
  // so that no load on TCP keeps UDP waiting for longer than a few of them.
  void serve_udp_first() noexcept;
  // After each batch of `queries` that began at `started_ns`: notes when queries came last and gives
  // the durations to who counts them.
  void end_batch(std::int64_t started_ns, unsigned queries) noexcept {
    if (queries == 0) return;
    activity_.queries.add(queries);
    activity_.last_ns.store(started_ns, std::memory_order_relaxed);
    if (context_.open_durations != nullptr) {
      RouteCounters::end_batch(context_.open_durations, monotonic_ns() - started_ns);
    }
  }

  // --- for any thread ---
  // Queries that came since the start, and when the last did (monotonic clock; 0: none).
  [[nodiscard]] std::uint64_t queries() const noexcept { return activity_.queries.get(); }
  [[nodiscard]] std::int64_t last_query_ns() const noexcept {
    return activity_.last_ns.load(std::memory_order_relaxed);
  }
  // Exceptions that ended a handler; what the handler was about is lost.
  [[nodiscard]] std::uint64_t panics() const noexcept { return activity_.panics.get(); }

 private:
  // Written by this worker's thread only, on a cache line of its own.
  struct alignas(128) Activity {
    Counter queries;
    Counter panics;
    std::atomic<std::int64_t> last_ns{0};
  };

  void do_apply(std::shared_ptr<const Configuration> configuration,
                std::vector<ListenerSockets> opened);

  WorkerContext context_;
  Activity activity_;
  ReclaimDomain& reclaim_;
  TcpLimits limits_;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::shared_ptr<const Configuration> configuration_;
  std::vector<std::unique_ptr<UdpListener>> udp_;
  std::vector<std::unique_ptr<TcpListener>> tcp_;
  QueryContext scratch_;
  std::unique_ptr<std::uint8_t[]> message_room_;
  unsigned tcp_turns_ = 0;
  std::thread thread_;
};

}  // namespace clusterdns::dns
