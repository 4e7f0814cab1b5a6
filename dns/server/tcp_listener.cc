#include "dns/server/tcp_listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "dns/forward/upstream_address.h"
#include "dns/server/responder.h"

namespace clusterdns::dns {
namespace {

Endpoint endpoint_of(const sockaddr_storage& from) noexcept {
  Endpoint to;
  if (from.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &from, sizeof v4);
    std::memcpy(to.address.data(), &v4.sin_addr, 4);
    to.port = ntohs(v4.sin_port);
  } else {
    sockaddr_in6 v6;
    std::memcpy(&v6, &from, sizeof v6);
    std::memcpy(to.address.data(), &v6.sin6_addr, 16);
    to.port = ntohs(v6.sin6_port);
    to.v6 = true;
    to.scope_id = v6.sin6_scope_id;
  }
  return to;
}

}  // namespace

// One connection. Lives in its listener's list; handlers and deferred replies hold it by
// shared_ptr, so that it may be closed at any moment.
class TcpConnection : public std::enable_shared_from_this<TcpConnection> {
 public:
  TcpConnection(TcpListener& listener, int socket, const Endpoint& client)
      : listener_(&listener),
        socket_(*listener.worker_.context().io),
        fd_(socket),
        client_(client),
        local_(listener.local_) {
    socket_.assign(client.v6 ? boost::asio::ip::tcp::v6() : boost::asio::ip::tcp::v4(), socket);
    if (listener.address_.address.is_unspecified()) {
      sockaddr_storage local{};
      socklen_t size = sizeof local;
      if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&local), &size) == 0) {
        local_ = endpoint_of(local);
      }
    }
    last_progress_ns_ = monotonic_ns();
  }

  void start(TcpListener::Connections::iterator self) {
    self_ = self;
    // The first question is there already, as a rule.
    on_readable();
  }

  void close() noexcept {
    if (fd_ < 0) return;
    boost::system::error_code ignored;
    socket_.close(ignored);
    fd_ = -1;
    if (listener_ != nullptr) {
      TcpListener* const listener = listener_;
      listener_ = nullptr;
      listener->remove(self_);  // may destroy this unless a handler holds it
    }
  }
  // For peers that do not read: what the kernel still holds for them is freed at once.
  void abort() noexcept {
    if (fd_ < 0) return;
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }
  // The listener goes away and closes us itself.
  void orphan() noexcept {
    listener_ = nullptr;
    close();
  }

  // Queues one framed message; from deferred queries.
  void send_later(std::span<const std::uint8_t> message) noexcept {
    if (in_flight_ > 0) --in_flight_;
    if (fd_ < 0) return;
    append(message);
    flush();
    if (fd_ >= 0 && !reading_ && output_.size() - output_done_ < kOutputHigh) resume();
  }

  [[nodiscard]] bool stalled(std::int64_t now, const TcpLimits& limits) const noexcept {
    const bool busy = input_size_ != 0 || output_done_ != output_.size();
    if (in_flight_ != 0 && !busy) return false;  // we are the slow one
    const std::int64_t seconds = busy ? limits.stall_seconds : limits.idle_seconds;
    return now - last_progress_ns_ > seconds * 1'000'000'000;
  }
  [[nodiscard]] bool idle() const noexcept {
    return in_flight_ == 0 && output_done_ == output_.size();
  }

 private:
  // First buffer of a connection: many pipelined questions; it grows only for a longer message.
  static constexpr std::size_t kInputRoom = 4096;
  // Unsent octets at which no more requests are read: the peer must read first.
  static constexpr std::size_t kOutputHigh = 64 * 1024;
  // Deferred queries of one connection; more wait unread in the socket.
  static constexpr unsigned kMaxInFlight = 128;
  // Messages answered before UDP and other connections get their turn.
  static constexpr unsigned kMessagesPerTurn = 64;

  void wait_read() {
    reading_ = true;
    socket_.async_wait(boost::asio::ip::tcp::socket::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                         self->reading_ = false;
                         if (error || self->fd_ < 0) return;
                         self->on_readable();
                       });
  }

  void resume() {
    if (input_size_ != 0) process();
    if (fd_ >= 0 && !reading_ && can_take_more()) wait_read();
  }

  [[nodiscard]] bool can_take_more() const noexcept {
    return output_.size() - output_done_ < kOutputHigh && in_flight_ < kMaxInFlight;
  }

  [[nodiscard]] bool has_whole_message() const noexcept {
    return input_size_ >= 2 && input_size_ - 2 >= load_u16(input_.data());
  }

  void on_readable() {
    if (input_.empty()) input_.resize(kInputRoom + kPadding);
    const std::size_t room = input_.size() - kPadding - input_size_;
    const ssize_t n = ::recv(fd_, input_.data() + input_size_, room, MSG_DONTWAIT);
    if (n == 0) return close();
    if (n < 0) {
      if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return close();
      return wait_read();
    }
    input_size_ += static_cast<std::size_t>(n);
    process();
    if (fd_ >= 0 && !reading_ && can_take_more()) wait_read();
  }

  // Answers the complete messages in the input buffer.
  void process() {
    if (in_process_) return;
    in_process_ = true;
    const auto keep = shared_from_this();
    std::size_t at = 0;
    unsigned answered = 0;
    Worker& worker = listener_->worker_;
    const std::int64_t started_ns = monotonic_ns();
    worker.reclaim().enter(worker.context().index);
    while (fd_ >= 0 && input_size_ - at >= 2) {
      const std::size_t length = load_u16(input_.data() + at);
      if (length < kHeaderSize) {  // no DNS message is that short: the framing is lost
        worker.reclaim().leave(worker.context().index);
        worker.end_batch(started_ns, answered);
        in_process_ = false;
        return close();
      }
      if (input_size_ - at - 2 < length) break;
      if (!can_take_more() || answered == kMessagesPerTurn) break;
      answer_one({input_.data() + at + 2, length});
      at += 2 + length;
      ++answered;
    }
    worker.reclaim().leave(worker.context().index);
    worker.end_batch(started_ns, answered);
    if (at != 0) {
      input_size_ -= at;
      if (input_size_ != 0) std::memmove(input_.data(), input_.data() + at, input_size_);
      last_progress_ns_ = monotonic_ns();
      if (fd_ >= 0 && listener_ != nullptr) listener_->touch(self_);
    }
    if (input_size_ >= 2) {
      const std::size_t need = std::size_t{2} + load_u16(input_.data()) + kPadding;
      if (need > input_.size()) input_.resize(need);
    } else if (input_size_ == 0 && input_.size() > kInputRoom + kPadding) {
      input_.resize(kInputRoom + kPadding);
      input_.shrink_to_fit();
    }
    if (fd_ >= 0) flush();
    in_process_ = false;
    worker.serve_udp_first();
    // What is left goes on in another turn; when the peer must read first, once it has.
    if (fd_ >= 0 && has_whole_message() && can_take_more()) {
      reading_ = true;  // the posted handler goes on, no second wait
      boost::asio::post(*worker.context().io, [keep] {
        keep->reading_ = false;
        if (keep->fd_ >= 0) keep->resume();
      });
    }
  }

  void answer_one(std::span<const std::uint8_t> request) {
    QueryContext& ctx = listener_->worker_.scratch();
    ctx.client = client_;
    ctx.local = local_;
    ctx.transport = Transport::Tcp;
    ctx.received_ns = monotonic_ns();
    ctx.worker = &listener_->worker_.context();
    ctx.make_channel = &TcpConnection::make_channel;
    ctx.listener = this;
    // The following message's first octets stand where the parser's padding is expected; it only
    // reads there, so nothing needs to be moved.
    const std::span<std::uint8_t> room = listener_->worker_.message_room();
    const std::size_t size = respond(ctx, *listener_->routes_, request, room.data(), room.size());
    if (size != 0) append({room.data(), size});
  }

  void append(std::span<const std::uint8_t> message) {
    std::uint8_t length[2];
    store_u16(length, static_cast<std::uint16_t>(message.size()));
    output_.insert(output_.end(), length, length + 2);
    output_.insert(output_.end(), message.begin(), message.end());
  }

  void flush() {
    if (writing_) return;
    while (output_done_ < output_.size()) {
      const ssize_t n = ::send(fd_, output_.data() + output_done_, output_.size() - output_done_,
                               MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n > 0) {
        output_done_ += static_cast<std::size_t>(n);
        last_progress_ns_ = monotonic_ns();
        continue;
      }
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return wait_write();
      return close();
    }
    output_.clear();
    output_done_ = 0;
    if (output_.capacity() > 2 * kOutputHigh) output_.shrink_to_fit();
  }

  void wait_write() {
    writing_ = true;
    socket_.async_wait(boost::asio::ip::tcp::socket::wait_write,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                         self->writing_ = false;
                         if (error || self->fd_ < 0) return;
                         self->flush();
                         if (self->fd_ >= 0 && !self->reading_ && !self->writing_) self->resume();
                       });
  }

  class Reply final : public ReplyChannel {
   public:
    explicit Reply(std::shared_ptr<TcpConnection> connection) : connection_(std::move(connection)) {}
    ~Reply() override {
      if (!sent_ && connection_->in_flight_ > 0) --connection_->in_flight_;
    }
    void send(std::span<const std::uint8_t> message) noexcept override {
      sent_ = true;
      connection_->send_later(message);
    }

   private:
    std::shared_ptr<TcpConnection> connection_;
    bool sent_ = false;
  };

  static std::unique_ptr<ReplyChannel> make_channel(void* self, const QueryContext&) {
    auto* const connection = static_cast<TcpConnection*>(self);
    ++connection->in_flight_;
    return std::make_unique<Reply>(connection->shared_from_this());
  }

  TcpListener* listener_;
  TcpListener::Connections::iterator self_;
  boost::asio::ip::tcp::socket socket_;
  int fd_;
  Endpoint client_;
  Endpoint local_;
  std::vector<std::uint8_t> input_;
  std::size_t input_size_ = 0;
  std::vector<std::uint8_t> output_;
  std::size_t output_done_ = 0;
  unsigned in_flight_ = 0;
  bool reading_ = false;     // a wait or a posted turn is under way
  bool writing_ = false;
  bool in_process_ = false;  // a deferral that answers at once must not start a second round
  std::int64_t last_progress_ns_ = 0;
};

TcpListener::TcpListener(Worker& worker, const ListenAddress& address, int socket,
                         const ListenerRoutes& routes)
    : worker_(worker),
      address_(address),
      local_(make_endpoint(address.address, address.port)),
      acceptor_(*worker.context().io),
      reserve_(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
      accept_timer_(*worker.context().io),
      sweep_timer_(*worker.context().io),
      routes_(&routes) {
  acceptor_.assign(address.address.is_v6() ? boost::asio::ip::tcp::v6() : boost::asio::ip::tcp::v4(),
                   socket);
  // Accepted sockets inherit it.
  const int one = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

TcpListener::~TcpListener() {
  for (const auto& connection : connections_) connection->orphan();
  if (reserve_ >= 0) ::close(reserve_);
}

void TcpListener::start() { wait_accept(); }

void TcpListener::wait_accept() {
  acceptor_.async_wait(boost::asio::ip::tcp::acceptor::wait_read,
                       [this](const boost::system::error_code& error) {
                         if (error) return;
                         on_acceptable();
                       });
}

void TcpListener::on_acceptable() {
  for (unsigned i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int socket = ::accept4(acceptor_.native_handle(), reinterpret_cast<sockaddr*>(&peer),
                                 &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket >= 0) {
      add(socket, peer);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      if (shed_one()) continue;
      accept_timer_.expires_after(kAcceptRest);
      accept_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) wait_accept();
      });
      return;
    }
    break;
  }
  worker_.serve_udp_first();
  wait_accept();
}

bool TcpListener::shed_one() {
  if (reserve_ < 0) return false;
  ::close(reserve_);
  const int socket = ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC);
  if (socket >= 0) ::close(socket);
  reserve_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  return socket >= 0 && reserve_ >= 0;
}

void TcpListener::add(int socket, const sockaddr_storage& peer) {
  if (connections_.size() >= worker_.tcp_limits().max_connections) {
    // Room is made at the cost of whoever was silent longest, if anyone is idle at all.
    if (connections_.front()->idle()) {
      connections_.front()->close();
    } else {
      ::close(socket);
      return;
    }
  }
  std::shared_ptr<TcpConnection> connection;  // which may close itself while it starts
  try {
    connection = std::make_shared<TcpConnection>(*this, socket, endpoint_of(peer));
  } catch (const std::exception&) {
    ::close(socket);  // out of memory or of epoll entries: this peer comes back
    return;
  }
  try {
    connection->start(connections_.insert(connections_.end(), connection));
  } catch (const std::exception&) {
    connection->close();
  }
  if (!sweeping_) sweep();
}

void TcpListener::remove(Connections::iterator at) noexcept { connections_.erase(at); }

void TcpListener::sweep() {
  sweeping_ = !connections_.empty();
  if (!sweeping_) return;
  sweep_timer_.expires_after(kSweepEvery);
  sweep_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    const std::int64_t now = monotonic_ns();
    for (auto it = connections_.begin(); it != connections_.end();) {
      const auto next = std::next(it);
      if ((*it)->stalled(now, worker_.tcp_limits())) {
        const auto keep = *it;
        keep->abort();
      }
      it = next;
    }
    sweep();
  });
}

}  // namespace clusterdns::dns
