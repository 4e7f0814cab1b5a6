#include "dns/forward/ares_channel.h"

#include <ares.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/random.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>

namespace clusterdns::dns {
namespace {

// Rounds of one wake-up of a TCP socket, before the other sockets of the worker get their turn:
// c-ares reads a length or a message each round.
constexpr int kTcpRounds = 32;

}  // namespace

std::uint16_t RandomIds::next() noexcept {
  if (left_ == 0) {
    // Blocks only before the kernel's generator is ready, early at boot.
    while (::getrandom(ids_.data(), sizeof ids_, 0) != static_cast<ssize_t>(sizeof ids_)) {
    }
    left_ = ids_.size();
  }
  return ids_[--left_];
}

bool ReceiveBatch::next(int fd) noexcept {
  for (;;) {
    if (next_ == count_) {
      // A call that did not fill its slots emptied the queue; what came since wakes us again.
      if (count_ != 0 && count_ < kSlots) {
        errno = EAGAIN;
        return false;
      }
      if (memory_.empty()) memory_.resize(kSlots * kSlotSize);
      for (std::size_t i = 0; i < kSlots; ++i) {
        vectors_[i] = {memory_.data() + i * kSlotSize, kSlotSize};
        headers_[i] = {};
        headers_[i].msg_hdr.msg_iov = &vectors_[i];
        headers_[i].msg_hdr.msg_iovlen = 1;
      }
      next_ = count_ = 0;
      const int received = ::recvmmsg(fd, headers_.data(), kSlots, MSG_DONTWAIT, nullptr);
      if (received <= 0) {
        if (received == 0) errno = EAGAIN;
        return false;
      }
      count_ = static_cast<std::size_t>(received);
    }
    const std::size_t slot = next_++;
    // c-ares takes an empty datagram for a closed connection.
    if (headers_[slot].msg_len == 0) continue;
    current_ = {memory_.data() + slot * kSlotSize, headers_[slot].msg_len};
    current_cut_ = (headers_[slot].msg_hdr.msg_flags & MSG_TRUNC) != 0;
    return true;
  }
}

struct AresChannel::Socket {
  Socket(boost::asio::io_context& io, int descriptor) : wait(io), fd(descriptor) {}

  boost::asio::posix::stream_descriptor wait;
  int fd;  // -1: closed
  bool want_read = false;
  bool want_write = false;
  bool reading = false;  // a wait is under way
  bool writing = false;
};

struct AresChannel::Hooks {
  static AresChannel& self(void* user) noexcept { return *static_cast<AresChannel*>(user); }

  static ares_socket_t socket(int family, int type, int, void* user) {
    return self(user).open_socket(family, type);
  }
  static int close(ares_socket_t fd, void* user) { return self(user).close_socket(fd); }
  static int connect(ares_socket_t fd, const sockaddr*, ares_socklen_t, void* user) {
    return self(user).connect_socket(fd);
  }
  static ares_ssize_t receive(ares_socket_t fd, void* data, std::size_t size, int, sockaddr* from,
                              ares_socklen_t* from_size, void* user) {
    return static_cast<ares_ssize_t>(self(user).receive(fd, data, size, from, from_size));
  }
  static ares_ssize_t send(ares_socket_t fd, const iovec* vectors, int count, void* user) {
    return static_cast<ares_ssize_t>(self(user).transmit(fd, vectors, count));
  }
  static void state(void* user, ares_socket_t fd, int readable, int writable) {
    self(user).interest(fd, readable != 0, writable != 0);
  }
  static void done(void* arg, int status, int, unsigned char* message, int size) {
    auto* const attempt = static_cast<AresAttempt*>(arg);
    attempt->channel_->answered(*attempt, status, message, size);
  }

  static constexpr ares_socket_functions kFunctions = {&socket, &close, &connect, &receive, &send};
};

AresChannel::AresChannel(boost::asio::io_context& io, std::weak_ptr<void> owner,
                         const Endpoint& server, Transport transport,
                         std::chrono::milliseconds timeout, RandomIds& ids, ReceiveBatch& batch)
    : io_(io),
      owner_(std::move(owner)),
      transport_(transport),
      timeout_(timeout),
      random_ids_(ids),
      batch_(batch) {
  if (server.v6) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(server.port);
    address.sin6_scope_id = server.scope_id;  // c-ares 1.18 knows no scopes
    std::memcpy(&address.sin6_addr, server.address.data(), 16);
    std::memcpy(&server_, &address, sizeof address);
    server_size_ = sizeof address;
  } else {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server.port);
    std::memcpy(&address.sin_addr, server.address.data(), 4);
    std::memcpy(&server_, &address, sizeof address);
    server_size_ = sizeof address;
  }
}

AresChannel::~AresChannel() {
  if (channel_ != nullptr) ares_destroy(channel_);
}

bool AresChannel::open() {
  // Everything is given, so that neither resolv.conf nor the environment is read. One server, one
  // try: which upstream is asked next, and when, is decided above, where the dead ones are known.
  ares_options options{};
  options.flags =
      ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_STAYOPEN;
  // Truncated replies come to us; the TCP channel is another one.
  options.flags |= transport_ == Transport::Tcp ? ARES_FLAG_USEVC : ARES_FLAG_IGNTC;
  options.timeout = static_cast<int>(timeout_.count());
  options.tries = 1;
  options.ndots = 1;
  char lookups[] = "b";
  options.lookups = lookups;
  options.sock_state_cb = &Hooks::state;
  options.sock_state_cb_data = this;
  const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
                   ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB | ARES_OPT_SERVERS | ARES_OPT_DOMAINS |
                   ARES_OPT_SORTLIST | ARES_OPT_NOROTATE;
  if (ares_init_options(&channel_, &options, mask) != ARES_SUCCESS) {
    channel_ = nullptr;
    return false;
  }
  ares_set_socket_functions(channel_, &Hooks::kFunctions, this);
  ares_addr_port_node node{};
  node.family = server_.ss_family;
  if (node.family == AF_INET6) {
    sockaddr_in6 address;
    std::memcpy(&address, &server_, sizeof address);
    std::memcpy(&node.addr, &address.sin6_addr, 16);
    node.udp_port = node.tcp_port = ntohs(address.sin6_port);
  } else {
    sockaddr_in address;
    std::memcpy(&address, &server_, sizeof address);
    std::memcpy(&node.addr, &address.sin_addr, 4);
    node.udp_port = node.tcp_port = ntohs(address.sin_port);
  }
  if (ares_set_servers_ports(channel_, &node) != ARES_SUCCESS) {
    ares_destroy(channel_);
    channel_ = nullptr;
    return false;
  }
  opened_ = std::chrono::steady_clock::now();
  return true;
}

void AresChannel::send(std::span<std::uint8_t> request, AresAttempt& attempt) noexcept {
  if (outstanding_ >= kMaxOutstanding || request.size() < kHeaderSize ||
      (channel_ == nullptr && !open())) {
    attempt.done(AresAttempt::Outcome::Failed, {}, false);
    return;
  }
  std::uint16_t id = random_ids_.next();
  while (ids_in_use_.test(id)) id = random_ids_.next();
  ids_in_use_.set(id);
  attempt.channel_ = this;
  attempt.id_ = id;
  store_u16(request.data(), id);
  ++outstanding_;
  ++sent_;
  // Takes the id from the request as it stands (1.18: only ares_query makes one).
  ares_send(channel_, request.data(), static_cast<int>(request.size()), &Hooks::done, &attempt);
}

void AresChannel::expire() noexcept {
  if (channel_ != nullptr) ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

void AresChannel::answered(AresAttempt& attempt, int status, const std::uint8_t* message,
                           int size) noexcept {
  --outstanding_;
  ids_in_use_.reset(attempt.id_);
  switch (status) {
    case ARES_SUCCESS:
      if (transport_ == Transport::Udp) {
        attempt.done(AresAttempt::Outcome::Reply, batch_.current(), batch_.current_was_cut());
      } else {
        attempt.done(AresAttempt::Outcome::Reply, {message, static_cast<std::size_t>(size)}, false);
      }
      return;
    case ARES_ETIMEOUT:
      return attempt.done(AresAttempt::Outcome::Timeout, {}, false);
    case ARES_EDESTRUCTION:
    case ARES_ECANCELLED:
      return attempt.done(AresAttempt::Outcome::Gone, {}, false);
    default:
      return attempt.done(AresAttempt::Outcome::Failed, {}, false);
  }
}

int AresChannel::open_socket(int family, int type) noexcept {
  const int fd = ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (type == SOCK_STREAM) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  auto socket = std::make_shared<Socket>(io_, fd);
  boost::system::error_code ec;
  socket->wait.assign(fd, ec);
  if (ec) {
    ::close(fd);
    errno = ENOBUFS;
    return -1;
  }
  socket_ = std::move(socket);
  ++sockets_opened_;
  return fd;
}

int AresChannel::connect_socket(int fd) noexcept {
  // sockaddr_storage is made to be seen as any sockaddr.
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&server_), server_size_);
}

int AresChannel::close_socket(int fd) noexcept {
  if (socket_ && socket_->fd == fd) {
    socket_->fd = -1;
    socket_->wait.release();  // ends the waits, which then find fd == -1
    socket_.reset();
  }
  return ::close(fd);
}

std::int64_t AresChannel::receive(int fd, void* data, std::size_t size, sockaddr* from,
                                  socklen_t* from_size) noexcept {
  if (transport_ == Transport::Tcp) {
    const ssize_t count = ::recv(fd, data, size, 0);
    if (count > 0) got_tcp_data_ = true;
    return count;
  }
  if (!batch_.next(fd)) return -1;
  const std::size_t count = std::min(size, batch_.current().size());
  std::memcpy(data, batch_.current().data(), count);
  // The socket is connected: the kernel lets nothing else through.
  if (from != nullptr && *from_size >= server_size_) {
    std::memcpy(from, &server_, server_size_);
    *from_size = server_size_;
  }
  return static_cast<std::int64_t>(count);
}

std::int64_t AresChannel::transmit(int fd, const iovec* vectors, int count) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(vectors);
  message.msg_iovlen = static_cast<std::size_t>(count);
  ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL);
  if (transport_ == Transport::Tcp || sent >= 0) return sent;
  // A connected UDP socket hands the ICMP error of an *earlier* datagram to whoever comes next;
  // this request has not been sent yet.
  if (errno == ECONNREFUSED) sent = ::sendmsg(fd, &message, MSG_NOSIGNAL);
  // No room in the socket's queue: as good as lost on the way, and retried like that.
  if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
    sent = 0;
    for (int i = 0; i < count; ++i) sent += static_cast<ssize_t>(vectors[i].iov_len);
  }
  return sent;
}

void AresChannel::interest(int fd, bool readable, bool writable) noexcept {
  if (!socket_ || socket_->fd != fd) return;
  socket_->want_read = readable;
  socket_->want_write = writable;
  const auto socket = socket_;
  wait_readable(socket);
  wait_writable(socket);
}

void AresChannel::wait_readable(const std::shared_ptr<Socket>& socket) {
  if (socket->fd < 0 || !socket->want_read || socket->reading) return;
  socket->reading = true;
  socket->wait.async_wait(boost::asio::posix::descriptor_base::wait_read,
                          [this, owner = owner_, socket](const boost::system::error_code& ec) {
                            socket->reading = false;
                            if (ec || socket->fd < 0) return;
                            const auto keep = owner.lock();
                            if (keep) on_readable(socket);
                          });
}

void AresChannel::wait_writable(const std::shared_ptr<Socket>& socket) {
  if (socket->fd < 0 || !socket->want_write || socket->writing) return;
  socket->writing = true;
  socket->wait.async_wait(boost::asio::posix::descriptor_base::wait_write,
                          [this, owner = owner_, socket](const boost::system::error_code& ec) {
                            socket->writing = false;
                            if (ec || socket->fd < 0) return;
                            const auto keep = owner.lock();
                            if (!keep) return;
                            ares_process_fd(channel_, ARES_SOCKET_BAD, socket->fd);
                            wait_writable(socket);
                          });
}

void AresChannel::on_readable(const std::shared_ptr<Socket>& socket) noexcept {
  batch_.reset();
  if (transport_ == Transport::Udp) {
    ares_process_fd(channel_, socket->fd, ARES_SOCKET_BAD);
  } else {
    for (int round = 0; round < kTcpRounds && socket->fd >= 0; ++round) {
      got_tcp_data_ = false;
      ares_process_fd(channel_, socket->fd, ARES_SOCKET_BAD);
      if (!got_tcp_data_) break;
    }
  }
  wait_readable(socket);
}

}  // namespace clusterdns::dns
