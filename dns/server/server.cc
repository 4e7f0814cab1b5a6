#include "dns/server/server.h"

#include <dirent.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "dns/net/free_port.h"
#include "dns/server/responder.h"

namespace clusterdns::dns {
namespace {

// TCP connections of a worker that are taken however short descriptors are.
constexpr std::size_t kLeastTcpConnections = 4;
// How often, and after which rest, it is tried to hand work to a worker while there is no memory.
constexpr unsigned kPostTries = 100;
constexpr std::chrono::milliseconds kPostRest{10};

struct OpenPair {
  Descriptor udp;  // none with TLS
  Descriptor tcp;
};

void set(int fd, int level, int option, int value) noexcept {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

// `receive_buffer`: room for bursts between two batches, in octets.
OpenPair open_pair(const ListenAddress& address, int receive_buffer) {
  const ListenPlace place{address.address, address.port};
  OpenPair pair{{}, bind_listen_socket(ListenKind::Tcp, place)};
  if (address.tls) return pair;
  pair.udp = bind_listen_socket(ListenKind::Udp, place);
  const int udp = pair.udp.get();
  set(udp, SOL_SOCKET, SO_RCVBUF, receive_buffer);
  const bool v6 = address.address.is_v6();
  if (address.address.is_unspecified()) {
    if (v6) {
      set(udp, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    } else {
      set(udp, IPPROTO_IP, IP_PKTINFO, 1);
    }
  }
  // No path MTU games with spoofed ICMP: responses stay below what fragments anyway.
  if (!v6) set(udp, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
  return pair;
}

// Descriptors that are open now, 0 when /proc does not tell. Needs no memory of ours.
std::size_t open_descriptors() noexcept {
  DIR* const folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  std::size_t count = 0;
  while (const dirent* const entry = ::readdir(folder)) count += entry->d_name[0] != '.' ? 1 : 0;
  ::closedir(folder);
  return count;
}

unsigned usable_cores() noexcept {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    const int n = CPU_COUNT(&set);
    if (n > 0) return static_cast<unsigned>(n);
  }
  return 1;
}

}  // namespace

Server::Server(ServerOptions options)
    : reclaim_(options.workers != 0 ? options.workers : usable_cores()),
      tcp_limits_(options.tcp),
      tcp_connections_(tcp_share()) {
  for (unsigned i = 0; i < reclaim_.readers(); ++i) {
    workers_.push_back(std::make_unique<Worker>(i, reclaim_.readers(), reclaim_, tcp_limits_));
    workers_.back()->start();
  }
}

Server::~Server() { stop(); }

template <class Call>
void Server::on_workers(Call call) {
  // Outlives this call: the last worker may still hold the mutex when we go on.
  struct State {
    std::mutex mutex;
    std::condition_variable done;
    std::size_t left;
    std::exception_ptr error;  // the first
    void finish(std::exception_ptr failure) {
      const std::lock_guard lock(mutex);
      if (failure != nullptr && error == nullptr) error = failure;
      if (--left == 0) done.notify_one();
    }
  };
  const auto state = std::make_shared<State>();
  state->left = workers_.size();
  for (unsigned i = 0; i < workers_.size(); ++i) {
    const auto post = [&] {
      workers_[i]->post([state, &call, &worker = *workers_[i], i] {
        std::exception_ptr failure;
        try {
          call(worker, i);
        } catch (...) {
          failure = std::current_exception();
        }
        state->finish(std::move(failure));
      });
    };
    for (unsigned tries = 1;; ++tries) {
      try {
        post();
        break;
      } catch (...) {  // no memory
        if (tries < kPostTries) {
          std::this_thread::sleep_for(kPostRest);
          continue;
        }
        state->finish(std::current_exception());
        break;
      }
    }
  }
  std::unique_lock lock(state->mutex);
  state->done.wait(lock, [&] { return state->left == 0; });
  if (state->error != nullptr) std::rethrow_exception(state->error);
}

std::shared_ptr<const Configuration> Server::apply(Configuration configuration,
                                                   const SocketInodes& ours) {
  const auto is_open = [this](const ListenAddress& address) {
    return std::any_of(open_.begin(), open_.end(),
                       [&](const auto& each) { return each.first == address; });
  };
  // Everything that can fail comes first.
  SocketInodes known = sockets();
  known.insert(ours.begin(), ours.end());
  auto next_open = open_;
  std::vector<ListenAddress> newly_chosen;
  std::vector<std::vector<ListenerSockets>> opened(workers_.size());  // by worker
  const std::size_t sockets_in_all =
      std::max<std::size_t>(1, configuration.listeners.size() * workers_.size());
  const int receive_buffer =
      std::min(kUdpReceiveBuffer, kUdpReceiveBuffers / static_cast<int>(sockets_in_all));
  for (auto& listener : configuration.listeners) {
    if (listener.address.port == 0) {
      for (const ListenAddress& before : chosen_) {
        if (before.address == listener.address.address && before.tls == listener.address.tls &&
            before.https == listener.address.https) {
          listener.address = before;
        }
      }
    }
    if (is_open(listener.address)) continue;
    std::vector<OpenPair> pairs;  // by worker
    const auto open = [&] {
      pairs.clear();
      for (std::size_t i = 0; i < opened.size(); ++i) {
        pairs.push_back(open_pair(listener.address, receive_buffer));
      }
    };
    if (listener.address.port == 0) {
      bind_free_port(listener.address.address, [&](std::uint16_t port) {
        listener.address.port = port;
        open();
      });
      newly_chosen.push_back(listener.address);
    } else {
      const ListenPlace place{listener.address.address, listener.address.port};
      if (!listener.address.tls) check_free(ListenKind::Udp, place, known);
      check_free(ListenKind::Tcp, place, known);
      open();
    }
    SocketInodes inodes;
    for (std::size_t i = 0; i < opened.size(); ++i) {
      if (pairs[i].udp) inodes.insert(socket_inode(pairs[i].udp.get()));
      inodes.insert(socket_inode(pairs[i].tcp.get()));
      opened[i].push_back({listener.address, std::move(pairs[i].udp), std::move(pairs[i].tcp)});
    }
    known.insert(inodes.begin(), inodes.end());
    next_open.emplace_back(listener.address, std::move(inodes));
  }
  std::erase_if(next_open, [&](const auto& each) {
    return std::none_of(configuration.listeners.begin(), configuration.listeners.end(),
                        [&](const auto& listener) { return listener.address == each.first; });
  });
  chosen_.reserve(chosen_.size() + newly_chosen.size());
  const std::size_t tcp_connections = possible_tcp_connections();
  auto next = std::make_shared<const Configuration>(std::move(configuration));
  // Released here, on the control thread.
  std::vector<std::shared_ptr<const Configuration>> released(workers_.size());
  try {
    on_workers([&](Worker& worker, unsigned i) { worker.prepare(next, std::move(opened[i])); });
  } catch (...) {
    on_workers([&](Worker& worker, unsigned i) { released[i] = worker.abandon(); });
    throw;
  }
  // Nothing fails from here on, unless there is no memory for a handful of octets for a second; a
  // part of the workers with another configuration than the rest would be worse than the end.
  [&]() noexcept {
    on_workers([&](Worker& worker, unsigned i) { released[i] = worker.commit(tcp_connections); });
  }();
  tcp_connections_ = tcp_connections;
  current_ = next;
  open_ = std::move(next_open);
  chosen_.insert(chosen_.end(), newly_chosen.begin(), newly_chosen.end());
  return next;
}

namespace {

// Where the answer to a question of Server::ask() goes: behind what the exchange still does, so
// that observers have been told.
class AskedChannel final : public ReplyChannel {
 public:
  using Done = std::function<void(std::vector<std::uint8_t>)>;
  struct Listener {
    Worker& worker;
    const std::shared_ptr<Done>& done;
  };
  explicit AskedChannel(const Listener& listener)
      : worker_(listener.worker), done_(listener.done) {}
  ~AskedChannel() override {
    if (!sent_) tell(*done_, {});
  }
  void send(std::span<const std::uint8_t> message) noexcept override {
    if (std::exchange(sent_, true)) return;
    try {
      worker_.post([done = done_, copy = std::vector<std::uint8_t>(
                                      message.begin(), message.end())] { tell(*done, copy); });
    } catch (...) {
      // No memory. Whoever asked has a time limit.
    }
  }

  static void tell(Done& done, std::span<const std::uint8_t> message) noexcept {
    try {
      if (done) std::exchange(done, nullptr)({message.begin(), message.end()});
    } catch (...) {
      // No memory. Whoever asked has a time limit.
    }
  }

 private:
  Worker& worker_;
  const std::shared_ptr<Done> done_;
  bool sent_ = false;
};

}  // namespace

void Server::ask(std::shared_ptr<const ListenerRoutes> routes, std::vector<std::uint8_t> request,
                 std::size_t size, const Endpoint& client,
                 std::function<void(std::vector<std::uint8_t>)> done) {
  Worker& worker = *workers_.front();
  worker.post([this, &worker, routes = std::move(routes), request = std::move(request), size,
               client, done = std::make_shared<AskedChannel::Done>(std::move(done))]() mutable {
    const auto exchange = std::make_unique<Exchange>();
    std::vector<std::uint8_t> out(kMaxMessageSize);
    exchange->worker = &worker.context();
    exchange->client = exchange->local = client;
    exchange->transport = Transport::Tcp;
    exchange->received_ns = monotonic_ns();
    AskedChannel::Listener listener{worker, done};
    exchange->listener = &listener;
    exchange->make_channel = [](void* of) {
      return std::unique_ptr<ReplyChannel>(
          new AskedChannel(*static_cast<AskedChannel::Listener*>(of)));
    };
    reclaim_.enter(worker.context().index);
    out.resize(respond(*exchange, *routes, {request.data(), size}, out.data(), out.size()));
    reclaim_.leave(worker.context().index);
    // Nothing and nobody else has it: dropped. A channel tells later.
    if (!out.empty() || done.use_count() == 1) AskedChannel::tell(*done, out);
  });
}

std::size_t Server::tcp_share() const noexcept {
  const std::size_t part = std::max(kTcpConnections / reclaim_.readers(), kLeastTcpConnections);
  return std::min(part, tcp_limits_.max_connections);
}

std::size_t Server::possible_tcp_connections() const {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return tcp_share();
  }
  std::size_t clients = 0;
  for (const TcpFigures* figures : tcp_figures()) {
    clients += figures->connections.load(std::memory_order_relaxed);
  }
  const std::size_t most = limit.rlim_cur;
  const std::size_t open = open_descriptors();
  const std::size_t needed = open - std::min(open, clients) + std::max(kKeptDescriptors, most / 4);
  const std::size_t left = most > needed ? (most - needed) / workers_.size() : 0;
  return std::clamp<std::size_t>(left, std::min(kLeastTcpConnections, tcp_share()), tcp_share());
}

SocketInodes Server::sockets() const {
  SocketInodes all;
  for (const auto& [address, inodes] : open_) all.insert(inodes.begin(), inodes.end());
  return all;
}

std::vector<const TcpFigures*> Server::tcp_figures() const {
  std::vector<const TcpFigures*> all;
  for (const auto& worker : workers_) all.push_back(&worker->tcp_figures());
  return all;
}

std::vector<std::uint64_t> Server::queries() const {
  std::vector<std::uint64_t> all;
  for (const auto& worker : workers_) all.push_back(worker->queries());
  return all;
}

std::int64_t Server::last_query_ns() const noexcept {
  std::int64_t last = 0;
  for (const auto& worker : workers_) last = std::max(last, worker->last_query_ns());
  return last;
}

std::uint64_t Server::panics() const noexcept {
  std::uint64_t n = 0;
  for (const auto& worker : workers_) n += worker->panics();
  return n;
}

void Server::stop() {
  for (const auto& worker : workers_) worker->stop();
}

}  // namespace clusterdns::dns
