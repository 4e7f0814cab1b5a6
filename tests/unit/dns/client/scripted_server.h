// A DNS server that says what a test tells it to, over UDP and TCP of one port of 127.0.0.1.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "dns/client/stub_resolver.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::dns::testing {

using Bytes = std::vector<std::uint8_t>;

// A file descriptor that is closed with its owner.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {
    if (fd_ < 0) throw std::system_error(errno, std::generic_category());
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { ::close(fd_); }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

inline void check(bool good) {
  if (!good) throw std::system_error(errno, std::generic_category());
}

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

inline bool bind_loopback(int fd, std::uint16_t port) {
  const sockaddr_in address = loopback(port);
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

inline std::uint16_t port_of(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  check(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

inline StubServer server_at(std::uint16_t port) {
  return {boost::asio::ip::address_v4::loopback(), port};
}

// A UDP and a TCP socket of one port of 127.0.0.1, which the kernel chose.
class PortPair {
 public:
  PortPair() {
    // Whoever has the chosen port over UDP already makes us ask for another one.
    constexpr int kAttempts = 64;
    for (int i = 0; i < kAttempts; ++i) {
      udp_ = std::make_unique<Descriptor>(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      tcp_ = std::make_unique<Descriptor>(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      check(bind_loopback(tcp_->get(), 0));
      if (bind_loopback(udp_->get(), port_of(tcp_->get()))) return;
    }
    throw std::runtime_error("no port that is free over both UDP and TCP");
  }
  [[nodiscard]] int udp() const { return udp_->get(); }
  [[nodiscard]] int tcp() const { return tcp_->get(); }
  [[nodiscard]] std::uint16_t port() const { return port_of(udp()); }

 private:
  std::unique_ptr<Descriptor> udp_;
  std::unique_ptr<Descriptor> tcp_;
};

// A port that answers ECONNREFUSED as long as this lives: nobody else can take it. The UDP socket
// is connected to itself, so that the kernel has no receiver for anybody else's datagrams; the TCP
// socket does not listen.
class RefusingPort {
 public:
  RefusingPort() {
    const sockaddr_in self = loopback(port());
    check(::connect(sockets_.udp(), reinterpret_cast<const sockaddr*>(&self), sizeof self) == 0);
  }
  [[nodiscard]] std::uint16_t port() const { return sockets_.port(); }

 private:
  PortPair sockets_;
};

struct Seen {
  Message query;
  bool tcp = false;
};

class ScriptedServer {
 public:
  // The messages to send for a query, in this order; none for silence.
  using Script = std::function<std::vector<Bytes>(const Message& query, bool tcp)>;

  explicit ScriptedServer(Script script)
      : script_(std::move(script)), stop_(::eventfd(0, EFD_CLOEXEC)) {
    check(::listen(sockets_.tcp(), 16) == 0);
    thread_ = std::thread([this] { run(); });
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;
  ~ScriptedServer() {
    const std::uint64_t one = 1;
    // An eventfd at zero takes a write at once; there is no remedy if it does not.
    if (::write(stop_.get(), &one, sizeof one) != static_cast<ssize_t>(sizeof one)) std::abort();
    thread_.join();
  }

  [[nodiscard]] std::uint16_t port() const { return sockets_.port(); }
  [[nodiscard]] StubServer address() const { return server_at(port()); }
  [[nodiscard]] std::vector<Seen> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  std::vector<Bytes> answer(const std::uint8_t* data, std::size_t size, bool tcp) {
    const Result<Message> query = read_message({data, size});
    if (query.has_error()) return {};
    {
      const std::lock_guard lock(mutex_);
      seen_.push_back({*query, tcp});
    }
    return script_(*query, tcp);
  }

  void run() {
    std::array<pollfd, 3> fds{
        {{sockets_.udp(), POLLIN, 0}, {sockets_.tcp(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    for (;;) {
      if (::poll(fds.data(), fds.size(), -1) < 0) continue;
      if (fds[2].revents != 0) return;
      if (fds[0].revents != 0) serve_udp();
      if (fds[1].revents != 0) serve_tcp();
    }
  }

  void serve_udp() {
    std::array<std::uint8_t, 4096> buffer{};
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    const ssize_t n = ::recvfrom(sockets_.udp(), buffer.data(), buffer.size(), 0,
                                 reinterpret_cast<sockaddr*>(&peer), &size);
    if (n <= 0) return;
    for (const Bytes& reply : answer(buffer.data(), static_cast<std::size_t>(n), false)) {
      // A client that is gone is the test's business.
      (void)!::sendto(sockets_.udp(), reply.data(), reply.size(), 0,
                      reinterpret_cast<const sockaddr*>(&peer), size);
    }
  }

  // One query a connection, closed afterwards: with an empty script the client sees the end.
  void serve_tcp() {
    const Descriptor peer(::accept4(sockets_.tcp(), nullptr, nullptr, SOCK_CLOEXEC));
    std::array<std::uint8_t, 4096> buffer{};
    if (::recv(peer.get(), buffer.data(), 2, MSG_WAITALL) != 2) return;
    const std::size_t size = load_u16(buffer.data());
    if (size > buffer.size() ||
        ::recv(peer.get(), buffer.data(), size, MSG_WAITALL) != static_cast<ssize_t>(size)) {
      return;
    }
    for (const Bytes& reply : answer(buffer.data(), size, true)) {
      Bytes framed(2);
      store_u16(framed.data(), static_cast<std::uint16_t>(reply.size()));
      framed.insert(framed.end(), reply.begin(), reply.end());
      (void)!::send(peer.get(), framed.data(), framed.size(), MSG_NOSIGNAL);
    }
  }

  Script script_;
  PortPair sockets_;
  Descriptor stop_;
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
  std::thread thread_;
};

// The answer to `query` with this rcode and nothing else. EDNS as asked.
inline Message reply_to(const Message& query, Rcode rcode = Rcode::NoError) {
  Message m = query;
  m.flags = static_cast<std::uint16_t>(query.flags | kFlagQR | kFlagRA);
  m.rcode = static_cast<std::uint16_t>(rcode);
  m.opt_options.clear();
  return m;
}

inline Record make_record(const Name& owner, RRType type, Bytes rdata, std::uint32_t ttl = 5) {
  Record r;
  r.owner = owner;
  r.type = type;
  r.rrclass = RRClass::IN;
  r.ttl = ttl;
  r.rdata = std::move(rdata);
  return r;
}

inline Bytes wire(const std::string& text) {
  const Name n = Name::from_text(text).value();
  return {n.data(), n.data() + n.size()};
}

inline Bytes octets(const Message& m) { return write_message(m, kMaxMessageSize); }

}  // namespace clusterdns::dns::testing
