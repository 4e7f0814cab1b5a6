#include "dns/server/server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <latch>
#include <system_error>

namespace clusterdns::dns {
namespace {

// Connections that may wait to be accepted.
constexpr int kListenBacklog = 1024;
// How often another free port is tried when the one UDP got is taken on TCP.
constexpr int kFreePortTries = 32;
// Room for bursts between two batches, in octets; the kernel may grant less (rmem_max).
constexpr int kUdpReceiveBuffer = 4 * 1024 * 1024;

class Fd {
 public:
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&&) = delete;
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

std::string describe(const ListenAddress& address) {
  const std::string text = address.address.to_string();
  return (address.address.is_v6() ? "[" + text + "]" : text) + ":" + std::to_string(address.port);
}

[[noreturn]] void fail(const std::string& what, const ListenAddress& address) {
  const int error = errno;
  std::string hint;
  if (error == EADDRINUSE) hint = " (another program listens there: stop it, or choose another port)";
  if (error == EACCES) hint = " (ports below 1024 need CAP_NET_BIND_SERVICE: choose another port, or grant it)";
  if (error == EADDRNOTAVAIL) hint = " (no interface of this machine has that address)";
  throw std::system_error(error, std::generic_category(), what + " " + describe(address) + hint);
}

void set(int fd, int level, int option, int value) noexcept {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

socklen_t to_sockaddr(const ListenAddress& address, sockaddr_storage& to) noexcept {
  std::memset(&to, 0, sizeof to);
  if (address.address.is_v6()) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&to);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(address.port);
    const auto octets = address.address.to_v6().to_bytes();
    std::memcpy(&v6->sin6_addr, octets.data(), octets.size());
    v6->sin6_scope_id = static_cast<std::uint32_t>(address.address.to_v6().scope_id());
    return sizeof *v6;
  }
  auto* v4 = reinterpret_cast<sockaddr_in*>(&to);
  v4->sin_family = AF_INET;
  v4->sin_port = htons(address.port);
  const auto octets = address.address.to_v4().to_bytes();
  std::memcpy(&v4->sin_addr, octets.data(), octets.size());
  return sizeof *v4;
}

// A bound socket. `share`: with SO_REUSEPORT, so that each worker has its own.
Fd open_socket(int type, const ListenAddress& address, bool share) {
  Fd fd(::socket(address.address.is_v6() ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC,
                 0));
  if (fd.get() < 0) fail("cannot open a socket for", address);
  const bool v6 = address.address.is_v6();
  if (v6) set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (type == SOCK_STREAM) set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (share) set(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (type == SOCK_DGRAM) {
    set(fd.get(), SOL_SOCKET, SO_RCVBUF, kUdpReceiveBuffer);
    if (address.address.is_unspecified()) {
      if (v6) {
        set(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
      } else {
        set(fd.get(), IPPROTO_IP, IP_PKTINFO, 1);
      }
    }
    // No path MTU games with spoofed ICMP: responses stay below what fragments anyway.
    if (!v6) set(fd.get(), IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
  }
  sockaddr_storage to;
  const socklen_t size = to_sockaddr(address, to);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), size) != 0) {
    fail(type == SOCK_DGRAM ? "cannot bind UDP" : "cannot bind TCP", address);
  }
  return fd;
}

std::uint16_t bound_port(int fd) {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
  return at.ss_family == AF_INET6 ? ntohs(reinterpret_cast<sockaddr_in6*>(&at)->sin6_port)
                                  : ntohs(reinterpret_cast<sockaddr_in*>(&at)->sin_port);
}

struct OpenPair {
  Fd udp;
  Fd tcp;
};

OpenPair open_pair(const ListenAddress& address) {
  Fd udp = open_socket(SOCK_DGRAM, address, true);
  Fd tcp = open_socket(SOCK_STREAM, address, true);
  if (::listen(tcp.get(), kListenBacklog) != 0) fail("cannot listen on TCP", address);
  return {std::move(udp), std::move(tcp)};
}

// SO_REUSEPORT would let two programs of one user share a port in silence, each getting half of
// the queries. Binding once without it finds that out.
void check_unused(const ListenAddress& address) {
  open_socket(SOCK_DGRAM, address, false);
  const Fd tcp = open_socket(SOCK_STREAM, address, false);
}

// Finds a port that is free for UDP and TCP.
std::uint16_t find_free_port(const ListenAddress& address) {
  for (int i = 0;; ++i) {
    const Fd udp = open_socket(SOCK_DGRAM, address, false);
    const std::uint16_t port = bound_port(udp.get());
    try {
      open_socket(SOCK_STREAM, {address.address, port}, false);
      return port;
    } catch (const std::system_error&) {
      if (i + 1 == kFreePortTries) throw;
    }
  }
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
    : reclaim_(options.workers != 0 ? options.workers : usable_cores()) {
  for (unsigned i = 0; i < reclaim_.readers(); ++i) {
    workers_.push_back(std::make_unique<Worker>(i, reclaim_.readers(), reclaim_, options.tcp));
    workers_.back()->start();
  }
}

Server::~Server() { stop(); }

std::shared_ptr<const Configuration> Server::apply(Configuration configuration) {
  const auto is_open = [this](const ListenAddress& address) {
    if (!current_) return false;
    for (const auto& listener : current_->listeners) {
      if (listener.address == address) return true;
    }
    return false;
  };
  // Everything that can fail comes first.
  std::vector<ListenAddress> newly_chosen;
  std::vector<std::vector<OpenPair>> pairs;  // by listener; empty when it is open already
  for (auto& listener : configuration.listeners) {
    std::vector<OpenPair>& opened = pairs.emplace_back();
    if (listener.address.port == 0) {
      for (const ListenAddress& before : chosen_) {
        if (before.address == listener.address.address) listener.address = before;
      }
    }
    if (is_open(listener.address)) continue;
    if (listener.address.port == 0) {
      listener.address.port = find_free_port(listener.address);
      newly_chosen.push_back(listener.address);
    } else {
      check_unused(listener.address);
    }
    for (unsigned i = 0; i < worker_count(); ++i) opened.push_back(open_pair(listener.address));
  }
  const auto next = std::make_shared<const Configuration>(std::move(configuration));
  std::latch taken(worker_count());
  std::vector<std::shared_ptr<const Configuration>> released(worker_count());
  for (unsigned i = 0; i < worker_count(); ++i) {
    std::vector<ListenerSockets> opened;
    for (std::size_t k = 0; k < pairs.size(); ++k) {
      if (pairs[k].empty()) continue;
      opened.push_back({next->listeners[k].address, pairs[k][i].udp.release(),
                        pairs[k][i].tcp.release()});
    }
    workers_[i]->apply(next, std::move(opened),
                       [&taken, &slot = released[i]](std::shared_ptr<const Configuration> old) {
                         slot = std::move(old);  // released here, on the control thread
                         taken.count_down();
                       });
  }
  taken.wait();
  current_ = next;
  chosen_.insert(chosen_.end(), newly_chosen.begin(), newly_chosen.end());
  return next;
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
