#include "dns/forward/socket_transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>

#include "dns/net/socket_address.h"
#include "dns/net/tls_stream.h"

namespace clusterdns::dns {
namespace {

using Step = TransportFailure::Step;

// Sockets that are ready, looked at by one system call, and how often before other handlers of the
// worker get their turn.
constexpr int kReadyAtOnce = 64;
constexpr int kRounds = 8;
// Reads of one connection before the other sockets get their turn.
constexpr int kTcpReads = 16;
constexpr std::size_t kTcpReadSize = 16 * 1024;
// Octets of requests that a connection has not taken: all that may be under way, twice.
constexpr std::size_t kMostUnsent = 4 * 1024 * 1024;

// The error that waits in a socket, which is taken out of it.
int take_error(int fd) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

}  // namespace

std::uint32_t RandomNumbers::next() noexcept {
  if (left_ == 0) {
    // Blocks only before the kernel's generator is ready, early at boot.
    while (::getrandom(numbers_.data(), sizeof numbers_, 0) !=
           static_cast<ssize_t>(sizeof numbers_)) {
    }
    left_ = numbers_.size();
  }
  return numbers_[--left_];
}

struct SocketTransport::Socket {
  Socket(Server& s, bool u) : server(s), udp(u) {}

  Server& server;
  const bool udp;
  bool gone = false;  // destroyed by sweep(), when no attempt needs it any more
  Descriptor fd;
  Clock::time_point opened{};
  Clock::time_point used{};   // when a request was last sent
  Clock::time_point heard{};  // TCP: when something last came
  Attempts attempts;
};

struct SocketTransport::Port final : Socket {
  explicit Port(Server& s) : Socket(s, true) {}
  std::uint32_t uses = 0;
  std::uint32_t most_uses = 0;
  Clock::time_point old_at{};
};

struct SocketTransport::Connection final : Socket {
  explicit Connection(Server& s) : Socket(s, false) {}
  AttemptTable ids;
  bool connected = false;
  std::uint32_t events = 0;
  std::vector<std::uint8_t> in;  // from the beginning of a message on
  std::vector<std::uint8_t> out;
  std::size_t out_done = 0;
  std::unique_ptr<TlsStream> tls;  // nullptr: plain
  std::size_t requests = 0;        // given to it
  std::size_t answers = 0;         // that ended a request
  bool full = false;               // it has all that it may be given, and is gone for that

  // Requests can reach the other side.
  [[nodiscard]] bool ready() const noexcept {
    return connected && (tls == nullptr || tls->established());
  }
};

struct SocketTransport::Server {
  std::optional<TlsPeer> tls;  // outlives the connections
  // Nothing came of TLS: until then there is no other try, and requests fail so.
  Clock::time_point rests_until{};
  TransportFailure tls_failure;
  sockaddr_storage address{};
  socklen_t address_size = 0;
  std::vector<std::unique_ptr<Port>> ports;
  std::vector<std::unique_ptr<Port>> old_ports;  // replaced, with requests under way
  AttemptTable udp_ids;
  std::unique_ptr<Connection> connection;
  std::vector<std::unique_ptr<Connection>> old_connections;
  // Answers that a connection gave before it was closed on other requests; 0: not known.
  std::size_t few = 0;
  Clock::time_point few_until{};
  // Requests that wait for a connection, as if it were one: with others, and each for its own.
  Connection queue{*this};
  Connection lone_queue{*this};
  std::size_t queued_octets = 0;
  // What is sent now was on a connection that one request may have been the end of.
  bool apart = false;
  // Requests over UDP within this second and the one before.
  Clock::time_point second_began{};
  std::size_t this_second = 0;
  std::size_t last_second = 0;

  // Connections that are open and given nothing new, because they are full or for another reason.
  [[nodiscard]] std::size_t count_old(bool full) const noexcept {
    return static_cast<std::size_t>(
        std::count_if(old_connections.begin(), old_connections.end(),
                      [full](const auto& c) { return c->fd && c->full == full; }));
  }
};

SocketTransport::SocketTransport(boost::asio::io_context& io, RandomNumbers& random,
                                 TransportOptions options, std::weak_ptr<void> owner)
    : io_(io), random_(random), options_(std::move(options)), owner_(std::move(owner)), ready_(io) {
  for (const UpstreamServer& upstream : options_.upstreams) {
    auto server = std::make_unique<Server>();
    server->address = socket_address(upstream, &server->address_size);
    if (upstream.tls != nullptr) {
      server->tls.emplace(upstream.tls, upstream.server_name.empty()
                                            ? upstream.to_address().to_string()
                                            : upstream.server_name);
    }
    servers_.push_back(std::move(server));
  }
}

SocketTransport::~SocketTransport() = default;

UpstreamTransport::Sent SocketTransport::send(std::size_t upstream, Transport transport,
                                              std::span<std::uint8_t> request,
                                              UpstreamAttempt& attempt) noexcept {
  Server& server = *servers_[upstream];
  try {
    return transport == Transport::Udp && !server.tls ? send_udp(server, request, attempt)
                                                      : send_tcp(server, request, attempt);
  } catch (...) {
    forget(attempt);
    return {false, false, {Step::Socket, ENOMEM, {}}};
  }
}

UpstreamTransport::Sent SocketTransport::send_udp(Server& server, std::span<std::uint8_t> request,
                                                  UpstreamAttempt& attempt) {
  Sent sent;
  const Clock::time_point now = Clock::now();
  wait();
  if (server.udp_ids.full()) return {false, false, {Step::Socket, ENOBUFS, {}}};
  Port* const port = port_for(server, now, sent);
  if (port == nullptr) return sent;
  server.udp_ids.insert(attempt, [this] { return random_.next(); });
  attempt.socket_ = port;
  port->attempts.push_back(attempt);
  ++port->uses;
  port->used = now;
  store_u16(request.data(), attempt.id_);
  const auto transmit = [&] {
    return ::send(port->fd.get(), request.data(), request.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  };
  ssize_t result = transmit();
  // A connected socket hands the ICMP error of an *earlier* datagram to whoever comes next; this
  // request has not been sent yet.
  if (result < 0 && errno == ECONNREFUSED) result = transmit();
  // No room in the socket's queue: as good as lost on the way, and retried like that.
  if (result >= 0 || errno == EAGAIN || errno == ENOBUFS || errno == EINTR) return sent;
  sent.ok = false;
  sent.failure = {Step::Write, errno, local_of(port->fd.get())};
  forget(attempt);
  return sent;
}

SocketTransport::Port* SocketTransport::port_for(Server& server, Clock::time_point now,
                                                 Sent& sent) {
  if (const auto age = now - server.second_began; age >= std::chrono::seconds(1)) {
    server.last_second = age < std::chrono::seconds(2) ? server.this_second : 0;
    server.this_second = 0;
    server.second_began = now;
  }
  auto& ports = server.ports;
  const std::size_t recent = server.this_second++ + server.last_second;
  if (ports.size() < kMaxPorts && ports.size() <= recent) {
    if (auto port = open_port(server, now, sent.failure)) {
      sent.opened = true;
      ports.push_back(std::move(port));
      return ports.back().get();
    }
    sent.ok = !ports.empty();
    if (!sent.ok) return nullptr;
  }
  const auto chosen = static_cast<std::size_t>(std::uint64_t{random_.next()} * ports.size() >> 32);
  auto& port = ports[chosen];
  const bool old = port->uses >= port->most_uses || port->old_at <= now;
  if (old && server.old_ports.size() < kMaxPorts) {
    server.old_ports.reserve(kMaxPorts);
    if (auto fresh = open_port(server, now, sent.failure)) {
      sent.opened = true;
      port->gone = true;
      unswept_ = true;
      server.old_ports.push_back(std::exchange(port, std::move(fresh)));
    }
  }
  return port.get();
}

std::unique_ptr<SocketTransport::Port> SocketTransport::open_port(Server& server,
                                                                  Clock::time_point now,
                                                                  TransportFailure& failure) {
  auto port = std::make_unique<Port>(server);
  port->fd = open(server, SOCK_DGRAM, EPOLLIN, *port, failure);
  if (!port->fd) return nullptr;
  port->opened = port->used = now;
  // Half to one and a half of what is configured: when one goes is not to be foreseen.
  const std::uint64_t part = (std::uint64_t{1} << 31) + random_.next();
  port->most_uses = static_cast<std::uint32_t>(
      std::max<std::uint64_t>(options_.requests_per_port * part >> 32, 1));
  const auto lifetime = static_cast<std::uint64_t>(options_.port_lifetime.count());
  port->old_at =
      now + std::chrono::milliseconds(static_cast<std::int64_t>(lifetime * (part >> 8) >> 24));
  return port;
}

Descriptor SocketTransport::open(Server& server, int type, std::uint32_t events, Socket& socket,
                                 TransportFailure& failure) {
  const auto failed = [&](Step step) {
    failure = {step, errno, {}};
    return Descriptor();
  };
  if (!watch()) return failed(Step::Socket);
  Descriptor fd(::socket(server.address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return failed(Step::Socket);
  if (type == SOCK_STREAM) {
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  if (options_.source) {
    socklen_t size = 0;
    const sockaddr_storage source = socket_address(make_endpoint(*options_.source, 0), &size);
    // A port is chosen when it is known who is at the other end: more connections than ports then.
    const int on = 1;
    if (type == SOCK_STREAM) {
      ::setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    }
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&source), size) != 0) {
      return failed(Step::Bind);
    }
  }
  // sockaddr_storage is made to be seen as any sockaddr.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&server.address),
                server.address_size) != 0 &&
      errno != EINPROGRESS) {
    return failed(Step::Connect);
  }
  epoll_event event{};
  event.events = events;
  event.data.ptr = &socket;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd.get(), &event) != 0) return failed(Step::Socket);
  return fd;
}

// One epoll instance for all sockets: a wake-up costs the reactor one descriptor, whatever the
// number of ports that have something to read.
bool SocketTransport::watch() noexcept {
  if (epoll_ < 0) {
    Descriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) return false;
    boost::system::error_code ec;
    ready_.assign(epoll.get(), ec);
    if (ec) {
      errno = ec.value();
      return false;
    }
    epoll_ = epoll.release();
  }
  wait();
  if (!waiting_) errno = ENOMEM;
  return waiting_;
}

void SocketTransport::wait() noexcept {
  if (waiting_ || epoll_ < 0) return;
  try {
    ready_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                      [self = weak_from_this()](const boost::system::error_code& error) {
                        const auto transport = self.lock();
                        if (error || !transport) return;
                        transport->waiting_ = false;
                        const auto keep = transport->owner_.lock();
                        if (!keep) return;
                        transport->on_ready();
                        // Asks the kernel anew: what is left over wakes us again.
                        transport->wait();
                      });
    waiting_ = true;
  } catch (...) {
    // No memory: the next request tries again.
  }
}

void SocketTransport::on_ready() noexcept {
  std::array<epoll_event, kReadyAtOnce> events;
  for (int round = 0; round < kRounds; ++round) {
    const int count = ::epoll_wait(epoll_, events.data(), kReadyAtOnce, 0);
    // Sockets are destroyed by sweep() alone, so that all of these stay.
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      auto& socket = *static_cast<Socket*>(event.data.ptr);
      if (!socket.fd) continue;
      if (socket.udp) {
        read_port(static_cast<Port&>(socket));
      } else {
        on_connection(static_cast<Connection&>(socket), event.events);
      }
    }
    if (unswept_) sweep();
    if (queued_) send_queued();
    if (count < kReadyAtOnce) return;
  }
}

void SocketTransport::read_port(Port& port) noexcept {
  if (!batch_) {
    batch_.reset(new (std::nothrow) Batch);
    if (!batch_) return;  // they stay in the socket
  }
  Batch& b = *batch_;
  for (std::size_t i = 0; i < kSlots; ++i) {
    b.vectors[i] = {b.memory[i].data(), kSlotSize};
    b.headers[i] = {};
    b.headers[i].msg_hdr.msg_iov = &b.vectors[i];
    b.headers[i].msg_hdr.msg_iovlen = 1;
  }
  const int count = ::recvmmsg(port.fd.get(), b.headers.data(), kSlots, MSG_DONTWAIT, nullptr);
  if (count < 0) {
    int error = errno;
    if (error == EINTR) return;
    // Woken by an error that nobody was told: it is taken out, or it would wake us for ever.
    if (error == EAGAIN) error = take_error(port.fd.get());
    if (error != 0) fail(port, {Step::Read, error, local_of(port.fd.get())});
    return;
  }
  AttemptTable& ids = port.server.udp_ids;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const std::size_t size = b.headers[i].msg_len;
    if (size < kHeaderSize) continue;
    UpstreamAttempt* const attempt = ids.find(load_u16(b.memory[i].data()));
    // Sent from another port: as wrong as another id.
    if (attempt == nullptr || attempt->socket_ != &port) continue;
    attempt->on_message({b.memory[i].data(), size},
                        (b.headers[i].msg_hdr.msg_flags & MSG_TRUNC) != 0);
  }
}

// Requests that a socket carried end, one after the other. What they lead to may send new ones.
void SocketTransport::fail(Socket& socket, TransportFailure failure) noexcept {
  Attempts failed;
  failed.swap(socket.attempts);
  while (!failed.empty()) {
    UpstreamAttempt& attempt = failed.front();
    forget(attempt);
    attempt.on_failure(failure);
  }
}

void SocketTransport::forget(UpstreamAttempt& attempt) noexcept {
  if (attempt.socket_ == nullptr) return;
  auto& socket = *static_cast<Socket*>(std::exchange(attempt.socket_, nullptr));
  attempt.of_socket_.unlink();
  if (socket.udp) {
    socket.server.udp_ids.erase(attempt);
  } else {
    static_cast<Connection&>(socket).ids.erase(attempt);
    socket.server.queued_octets -= attempt.queued_.size();
    attempt.queued_ = {};
  }
  if (socket.gone && socket.attempts.empty()) unswept_ = true;
}

TransportFailure SocketTransport::place(const UpstreamAttempt& attempt) const noexcept {
  if (attempt.socket_ == nullptr) return {};
  const auto& socket = *static_cast<const Socket*>(attempt.socket_);
  if (!socket.udp && !static_cast<const Connection&>(socket).ready()) {
    return {Step::Connect, 0, {}};
  }
  return {Step::Read, 0, local_of(socket.fd.get())};
}

void SocketTransport::distrust(const UpstreamAttempt& attempt, Clock::time_point sent) noexcept {
  if (attempt.socket_ == nullptr) return;
  auto& socket = *static_cast<Socket*>(attempt.socket_);
  if (socket.udp || socket.gone || socket.heard >= sent) return;
  Server& server = socket.server;
  if (server.connection.get() != &socket || server.count_old(false) >= kMostReplaced) return;
  retire(server);
  unswept_ = true;
}

// --- TCP ---

UpstreamTransport::Sent SocketTransport::send_tcp(Server& server, std::span<std::uint8_t> request,
                                                  UpstreamAttempt& attempt) {
  Sent sent;
  const Clock::time_point now = Clock::now();
  wait();
  const bool apart = server.apart;
  Connection& queue = apart ? server.lone_queue : server.queue;
  // Who came before goes before.
  Connection* const connection =
      queue.attempts.empty() ? connection_for(server, apart, now, sent) : nullptr;
  if (!sent.ok) return sent;
  const auto no_room = [] { return Sent{false, false, {Step::Write, ENOBUFS, {}}}; };
  if (connection != nullptr) {
    const std::size_t unsent = connection->out.size() - connection->out_done;
    if (connection->ids.full() || unsent > kMostUnsent) return no_room();
    put(*connection, request, attempt, now);
    return sent;
  }
  if (queue.ids.full() || server.queued_octets + request.size() > kMostQueued) {
    return no_room();
  }
  std::vector<std::uint8_t> octets(request.begin(), request.end());
  queue.ids.insert(attempt, [this] { return random_.next(); });
  attempt.queued_ = std::move(octets);
  attempt.socket_ = static_cast<Socket*>(&queue);
  queue.attempts.push_back(attempt);
  server.queued_octets += request.size();
  queued_ = true;
  return sent;
}

void SocketTransport::put(Connection& connection, std::span<std::uint8_t> request,
                          UpstreamAttempt& attempt, Clock::time_point now) {
  std::vector<std::uint8_t>& out = connection.out;
  out.reserve(out.size() + 2 + request.size());
  connection.ids.insert(attempt, [this] { return random_.next(); });
  attempt.socket_ = static_cast<Socket*>(&connection);
  connection.attempts.push_back(attempt);
  ++connection.requests;
  connection.used = now;
  store_u16(request.data(), attempt.id_);
  std::uint8_t length[2];
  store_u16(length, static_cast<std::uint16_t>(request.size()));
  out.insert(out.end(), length, length + 2);
  out.insert(out.end(), request.begin(), request.end());
  // An error is noticed by the reactor, too, which tells it to all whom it concerns.
  if (connection.ready()) (void)write_connection(connection);
}

void SocketTransport::retire(Server& server) noexcept {
  server.connection->gone = true;
  // Room was made for it when it was opened.
  server.old_connections.push_back(std::move(server.connection));
}

// Called by handlers only: who has waited in vain is told.
void SocketTransport::send_queued() noexcept {
  queued_ = false;
  const Clock::time_point now = Clock::now();
  const auto send_from = [&](Server& server, bool apart) {
    Connection& queue = apart ? server.lone_queue : server.queue;
    Attempts& waiting = queue.attempts;
    Sent sent;
    try {
      while (!waiting.empty()) {
        Connection* const connection = connection_for(server, apart, now, sent);
        if (connection == nullptr) break;
        UpstreamAttempt& attempt = waiting.front();
        std::vector<std::uint8_t> request = attempt.queued_;
        forget(attempt);
        try {
          put(*connection, request, attempt, now);
        } catch (...) {
          attempt.on_failure({Step::Write, ENOMEM, {}});
        }
      }
    } catch (...) {
      // No memory for a connection.
      sent = {false, false, {Step::Socket, ENOMEM, {}}};
    }
    if (!sent.ok) fail(queue, sent.failure);
    queued_ = queued_ || !waiting.empty();
  };
  for (const auto& server : servers_) {
    send_from(*server, true);
    send_from(*server, false);
  }
}

SocketTransport::Connection* SocketTransport::connection_for(Server& server, bool apart,
                                                             Clock::time_point now, Sent& sent) {
  if (apart) {
    if (server.count_old(true) >= kMostBeside) return nullptr;
    auto connection = open_connection(server, now, sent);
    if (connection == nullptr) return nullptr;
    connection->full = connection->gone = true;
    unswept_ = true;
    server.old_connections.push_back(std::move(connection));
    return server.old_connections.back().get();
  }
  if (server.connection != nullptr && options_.connection_age.count() != 0 &&
      now - server.connection->opened >= options_.connection_age &&
      server.count_old(false) < kMostReplaced) {
    retire(server);
    unswept_ = true;
  }
  if (server.few_until <= now) server.few = 0;
  if (server.few != 0) {
    const bool full = server.connection != nullptr && server.connection->requests >= server.few;
    if ((full || server.connection == nullptr) &&
        server.count_old(true) + (full ? 1 : 0) >= kMostBeside) {
      return nullptr;
    }
    if (full) {
      server.connection->full = true;
      retire(server);
      unswept_ = true;
    }
  }
  if (server.connection == nullptr) server.connection = open_connection(server, now, sent);
  return server.connection.get();
}

std::unique_ptr<SocketTransport::Connection> SocketTransport::open_connection(Server& server,
                                                                              Clock::time_point now,
                                                                              Sent& sent) {
  if (now < server.rests_until) {
    sent.ok = false;
    sent.failure = server.tls_failure;
    return nullptr;
  }
  auto connection = std::make_unique<Connection>(server);
  server.old_connections.reserve(server.old_connections.size() + 1);  // where it will end
  connection->fd = open(server, SOCK_STREAM, EPOLLIN | EPOLLOUT, *connection, sent.failure);
  if (!connection->fd) {
    sent.ok = false;
    return nullptr;
  }
  if (server.tls) connection->tls = std::make_unique<TlsStream>(*server.tls, connection->fd.get());
  connection->events = EPOLLIN | EPOLLOUT;
  connection->opened = connection->used = now;
  sent.opened = true;
  return connection;
}

void SocketTransport::on_connection(Connection& connection, std::uint32_t events) noexcept {
  if (!connection.connected) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
    const int error = take_error(connection.fd.get());
    if (error != 0) return close_connection(connection, Step::Connect, error);
    connection.connected = true;
  }
  // With TLS, what we write may wait for what the other side says, and the other way round.
  const bool tls = connection.tls != nullptr;
  // What it answered before it closed the connection counts, though we can write no more.
  const bool read = connection.ready() && (events & EPOLLIN) != 0;
  if (read) {
    read_connection(connection);
    if (!connection.fd) return;
  }
  if ((tls || (events & EPOLLOUT) != 0) && !write_connection(connection)) {
    const int error = errno;
    if (!tls) read_connection(connection);
    if (connection.fd) close_connection(connection, Step::Write, error);
    return;
  }
  if (tls || (!read && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)) {
    read_connection(connection);
  }
  if (!tls || !connection.fd) return;
  if (connection.out_done < connection.out.size() && !write_connection(connection)) {
    return close_connection(connection, Step::Write, errno);
  }
  // While it has to write, what there is to read would wake us for nothing.
  if (connection.tls->wants_write()) {
    set_events(connection, EPOLLOUT);
  } else {
    await(connection, false);
  }
}

ssize_t SocketTransport::receive(Connection& connection, std::uint8_t* to,
                                 std::size_t size) noexcept {
  if (connection.tls != nullptr) return connection.tls->receive(to, size);
  return ::recv(connection.fd.get(), to, size, MSG_DONTWAIT);
}

ssize_t SocketTransport::transmit(Connection& connection,
                                  std::span<const std::uint8_t> octets) noexcept {
  if (connection.tls == nullptr) {
    return ::send(connection.fd.get(), octets.data(), octets.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  const ssize_t count = connection.tls->send(octets);
  // Closed by the other side: read_connection() says so.
  if (count == 0) {
    errno = EAGAIN;
    return -1;
  }
  return count;
}

bool SocketTransport::write_connection(Connection& connection) noexcept {
  std::vector<std::uint8_t>& out = connection.out;
  while (connection.out_done < out.size()) {
    const ssize_t count = transmit(connection, std::span(out).subspan(connection.out_done));
    if (count >= 0) {
      connection.out_done += static_cast<std::size_t>(count);
      continue;
    }
    if (errno == EINTR) continue;
    await(connection, connection.tls == nullptr || connection.tls->wants_write());
    return errno == EAGAIN;
  }
  out.clear();
  if (out.capacity() > kTcpReadSize) out.shrink_to_fit();
  connection.out_done = 0;
  await(connection, false);
  return true;
}

void SocketTransport::await(Connection& connection, bool room) noexcept {
  // What TLS has read and we have not: the kernel does not know of it, but there is room to write.
  const bool more = connection.tls != nullptr && connection.tls->has_more();
  set_events(connection, room || more ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void SocketTransport::set_events(Connection& connection, std::uint32_t events) noexcept {
  if (connection.events == events) return;
  const int error = errno;
  epoll_event event{};
  event.events = connection.events = events;
  event.data.ptr = static_cast<Socket*>(&connection);
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd.get(), &event);
  errno = error;
}

void SocketTransport::read_connection(Connection& connection) noexcept {
  std::vector<std::uint8_t>& in = connection.in;
  for (int turn = 0; turn < kTcpReads; ++turn) {
    const std::size_t had = in.size();
    try {
      in.resize(had + kTcpReadSize);
    } catch (...) {
      return close_connection(connection, Step::Read, ENOMEM);
    }
    const ssize_t count = receive(connection, in.data() + had, kTcpReadSize);
    const int error = errno;
    in.resize(had + (count > 0 ? static_cast<std::size_t>(count) : 0));
    if (count < 0) {
      if (error == EINTR) continue;
      if (error != EAGAIN) return close_connection(connection, Step::Read, error);
      break;
    }
    if (count == 0) return close_connection(connection, Step::Read, 0);
    connection.heard = Clock::now();
    std::size_t at = 0;
    while (in.size() - at >= 2) {
      const std::size_t size = load_u16(in.data() + at);
      // No DNS message is that short: the framing is lost.
      if (size < kHeaderSize) return close_connection(connection, Step::Read, EBADMSG);
      if (in.size() - at - 2 < size) break;
      const std::uint16_t id = load_u16(in.data() + at + 2);
      if (UpstreamAttempt* const attempt = connection.ids.find(id)) {
        attempt->on_message({in.data() + at + 2, size}, false);
        if (connection.ids.find(id) == nullptr) ++connection.answers;
      }
      at += 2 + size;
    }
    in.erase(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(at));
    if (static_cast<std::size_t>(count) < kTcpReadSize &&
        (connection.tls == nullptr || !connection.tls->has_more())) {
      break;
    }
  }
  if (in.empty()) in.shrink_to_fit();
}

void SocketTransport::close_connection(Connection& connection, Step step, int error) noexcept {
  Server& server = connection.server;
  const bool ready = connection.ready();
  if (!ready) step = Step::Connect;
  TransportFailure failure{step, error,
                           step == Step::Connect ? Endpoint{} : local_of(connection.fd.get())};
  if (connection.tls != nullptr) {
    failure.tls = connection.tls->problem();
    // A server may refuse our certificate when the handshake is over for us (RFC 8446 4.4.2.4); one
    // that only closes the connection has taken it, and closes it for what it was asked.
    const bool refused = connection.heard == Clock::time_point{} && error == EPROTO;
    if (connection.connected && (!ready || refused)) {
      server.rests_until = Clock::now() + kTlsRest;
      server.tls_failure = failure;
    }
    connection.tls.reset();  // before its socket
  }
  const bool closed = error == 0 || error == ECONNRESET || error == EPIPE;
  if (closed && connection.answers != 0) {
    failure.after_answers = true;
    const Clock::time_point now = Clock::now();
    // Later, it is idle that it closes for.
    if (!connection.attempts.empty() && now - connection.heard < kDirectly) {
      if (server.few == 0) server.few_until = now + kFewFor;
      server.few = std::min(connection.answers, server.few != 0 ? server.few : connection.answers);
    }
  }
  const bool of_request =
      ready && connection.answers == 0 && (closed || error == EBADMSG || error == EPROTO);
  // It was the request, not the number of answers, before, too.
  if (of_request && connection.requests == 1) server.few = 0;
  connection.fd.reset();
  connection.gone = true;
  unswept_ = true;
  if (server.connection.get() == &connection) {
    // Whatever fails may be sent again at once, on a new one.
    server.old_connections.push_back(std::move(server.connection));
  }
  server.apart = of_request;
  fail(connection, failure);
  server.apart = false;
}

// --- ends ---

void SocketTransport::sweep() noexcept {
  unswept_ = false;
  for (const auto& server : servers_) {
    const auto done = [](const auto& socket) { return socket->attempts.empty(); };
    std::erase_if(server->old_ports, done);
    std::erase_if(server->old_connections, done);
  }
}

UpstreamClock::time_point SocketTransport::tidy(Clock::time_point now) noexcept {
  sweep();
  Clock::time_point next = Clock::time_point::max();
  if (queued_) {
    // Nobody is told anything in here.
    try {
      boost::asio::post(io_, [self = weak_from_this()] {
        const auto transport = self.lock();
        const auto keep = transport ? transport->owner_.lock() : nullptr;
        if (keep && transport->queued_) transport->send_queued();
      });
    } catch (...) {
      // No memory: next time.
    }
  }
  for (const auto& server : servers_) {
    std::erase_if(server->ports, [&](const auto& port) {
      if (!port->attempts.empty()) return false;
      const Clock::time_point end = port->used + options_.port_idle;
      if (end <= now) return true;
      next = std::min(next, end);
      return false;
    });
    if (auto& connection = server->connection; connection && connection->attempts.empty()) {
      const Clock::time_point end = connection->used + options_.connection_idle;
      if (end <= now) {
        connection.reset();
      } else {
        next = std::min(next, end);
      }
    }
  }
  return next;
}

Endpoint SocketTransport::local_of(int fd) noexcept {
  Endpoint local;
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return local;
  if (address.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address, sizeof v6);
    std::memcpy(local.address.data(), &v6.sin6_addr, 16);
    local.port = ntohs(v6.sin6_port);
    local.v6 = true;
    local.scope_id = v6.sin6_scope_id;
  } else {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof v4);
    std::memcpy(local.address.data(), &v4.sin_addr, 4);
    local.port = ntohs(v4.sin_port);
  }
  return local;
}

// --- the network ---

namespace {

class SocketTimer final : public UpstreamTimer {
 public:
  explicit SocketTimer(boost::asio::io_context& io) : timer_(io) {}
  void arm(UpstreamClock::time_point when, std::function<void()> handler) override {
    timer_.expires_at(when);
    timer_.async_wait([handler = std::move(handler)](const boost::system::error_code& error) {
      if (!error) handler();
    });
  }

 private:
  boost::asio::steady_timer timer_;
};

class SocketNetwork final : public UpstreamNetwork,
                            public std::enable_shared_from_this<SocketNetwork> {
 public:
  explicit SocketNetwork(boost::asio::io_context& io) : io_(io) {}

  [[nodiscard]] UpstreamClock::time_point now() noexcept override { return UpstreamClock::now(); }
  [[nodiscard]] std::uint32_t random() noexcept override { return random_.next(); }
  void post(std::function<void()> call) override { boost::asio::post(io_, std::move(call)); }
  [[nodiscard]] std::unique_ptr<UpstreamTimer> make_timer() override {
    return std::make_unique<SocketTimer>(io_);
  }
  [[nodiscard]] std::shared_ptr<UpstreamTransport> make_transport(
      TransportOptions options, std::weak_ptr<void> owner) override {
    return std::make_shared<SocketTransport>(io_, random_, std::move(options), std::move(owner));
  }

 private:
  boost::asio::io_context& io_;
  RandomNumbers random_;
};

}  // namespace

std::shared_ptr<UpstreamNetwork> make_socket_network(boost::asio::io_context& io) {
  return std::make_shared<SocketNetwork>(io);
}

}  // namespace clusterdns::dns
