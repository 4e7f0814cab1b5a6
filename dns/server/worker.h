// One worker: a thread, its io_context, and its own sockets for every listener.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "dns/base/descriptor.h"
#include "dns/concurrent/reclaim.h"
#include "dns/query/stage.h"
#include "dns/server/configuration.h"
#include "dns/server/tcp_connection.h"

namespace clusterdns::dns {

class UdpListener;
class TcpListener;

// One listener's sockets for one worker: bound, not listening yet.
struct ListenerSockets {
  ListenAddress address;  // the port that was bound
  Descriptor udp;         // none with TLS
  Descriptor tcp;
};

// Owns everything its thread touches. start(), stop() and post() are called by the control thread.
class Worker {
 public:
  Worker(unsigned index, unsigned count, ReclaimDomain& reclaim, const TcpLimits& limits);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start();
  // Closes all sockets and ends the thread. Deferred queries get no answer.
  void stop();
  // Runs `call` on this worker's thread. Throws std::bad_alloc.
  template <class Call>
  void post(Call call) {
    boost::asio::post(io_, std::move(call));
  }

  // --- on the worker's thread, by post() ---
  // A new configuration in two steps, so that all workers take it or none does. prepare() makes
  // what it needs here; whatever can fail fails in it, by an exception, and leaves nothing behind.
  // `opened` are sockets for the listeners that are new.
  void prepare(std::shared_ptr<const Configuration> configuration,
               std::vector<ListenerSockets> opened);
  // Serves what was prepared from the next batch on, with at most so many TCP connections.
  // Listeners that are gone are closed. Returns the configuration that was replaced, to be released
  // elsewhere.
  [[nodiscard]] std::shared_ptr<const Configuration> commit(std::size_t tcp_connections) noexcept;
  // Undoes prepare(). Returns what was prepared, to be released elsewhere.
  std::shared_ptr<const Configuration> abandon() noexcept;

  // --- for the listeners, on the worker's thread ---
  [[nodiscard]] WorkerContext& context() noexcept { return context_; }
  [[nodiscard]] Exchange& scratch() noexcept { return scratch_; }
  [[nodiscard]] TcpConnections& tcp_connections() noexcept { return tcp_connections_; }
  [[nodiscard]] ReclaimDomain& reclaim() noexcept { return reclaim_; }
  [[nodiscard]] TcpScratch& tcp_scratch() noexcept { return *tcp_scratch_; }
  // UDP goes first: answers what waits on every UDP socket. TCP code calls this behind its turns,
  // so that no load on TCP keeps UDP waiting for longer than a few of them. REQUIRES: not inside a
  // turn or a batch, with which it shares scratch().
  // After `long_turn`, which took as long as several, it is done at once.
  void serve_udp_first(bool long_turn = false) noexcept;
  void count_panic() noexcept { activity_.panics.add(1); }
  // After each batch of `queries` that began at `started_ns`: notes when queries came last and
  // gives the durations to whoever counts them.
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
  [[nodiscard]] const TcpFigures& tcp_figures() const noexcept {
    return tcp_connections_.figures();
  }

 private:
  // Written by this worker's thread only, on a cache line of its own.
  struct alignas(128) Activity {
    Counter queries;
    Counter panics;
    std::atomic<std::int64_t> last_ns{0};
  };

  // What a configuration that is not served yet has here.
  struct Prepared {
    std::shared_ptr<const Configuration> configuration;
    std::vector<std::shared_ptr<Stage>> attached;
    std::vector<std::shared_ptr<Stage>> gone;  // of the one before, to be detached
    std::vector<std::unique_ptr<UdpListener>> udp;
    std::vector<std::unique_ptr<TcpListener>> tcp;
    std::vector<std::unique_ptr<TcpListener>> tcp_gone;  // room for those that close
  };

  void run() noexcept;
  // Every listener waits again for what comes, after an exception ended some handler.
  void rearm() noexcept;
  void close_all() noexcept;

  WorkerContext context_;
  Activity activity_;
  ReclaimDomain& reclaim_;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::shared_ptr<const Configuration> configuration_;
  std::vector<std::unique_ptr<UdpListener>> udp_;
  std::vector<std::unique_ptr<TcpListener>> tcp_;
  std::optional<Prepared> prepared_;
  Exchange scratch_;
  std::unique_ptr<TcpScratch> tcp_scratch_;
  TcpConnections tcp_connections_;
  unsigned tcp_turns_ = 0;
  std::thread thread_;
};

}  // namespace clusterdns::dns
