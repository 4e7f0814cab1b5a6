#include "dns/server/tcp_connection.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <boost/asio/post.hpp>

#include "dns/server/responder.h"
#include "dns/server/tcp_listener.h"
#include "dns/server/worker.h"

namespace clusterdns::dns {
namespace {

// Octets of the smallest buffer, its padding left out.
constexpr std::size_t kSmallest = 64;
// How long a connection that is to say nothing more stays open.
constexpr std::chrono::seconds kSilence{60};
// What is spoken inside of TLS: over HTTPS, and else.
constexpr std::string_view kHttp2 = "h2";
constexpr std::array<std::string_view, 2> kHttpProtocols = {kHttp2, "http/1.1"};

}  // namespace

// --- TcpConnection::Buffer ---

std::uint8_t* TcpConnection::Buffer::extend(std::size_t count, std::size_t expected) {
  if (end_ + count + kPadding > capacity_) {
    // Doubled, so that what comes octet by octet is copied once on average; not beyond what is
    // expected, and in any case no more than twice what has come.
    const std::size_t total = size() + count;
    const std::size_t wanted =
        expected == 0 ? 2 * total : std::min(2 * total, std::max(expected, total));
    const std::size_t room = std::max(wanted, kSmallest) + kPadding;
    auto larger = std::make_unique_for_overwrite<std::uint8_t[]>(room);
    if (size() != 0) std::memcpy(larger.get(), data_.get() + begin_, size());
    end_ = size();
    begin_ = 0;
    data_ = std::move(larger);
    capacity_ = room;
  }
  std::uint8_t* const at = data_.get() + end_;
  end_ += count;
  return at;
}

void TcpConnection::Buffer::append(std::span<const std::uint8_t> octets, std::size_t expected) {
  std::memcpy(extend(octets.size(), expected), octets.data(), octets.size());
}

void TcpConnection::Buffer::drop(std::size_t count) noexcept {
  begin_ += count;
  if (begin_ == end_) clear();
}

// --- TcpConnection ---

class TcpConnection::Reply final : public ReplyChannel {
 public:
  explicit Reply(std::shared_ptr<TcpConnection> connection) : connection_(std::move(connection)) {}
  ~Reply() override { connection_->done_with_one(); }
  void send(std::span<const std::uint8_t> message) noexcept override {
    connection_->send_later(message);
  }
  void send_oddly(std::span<const std::uint8_t> message, const OddSending& how) noexcept override {
    connection_->send_oddly(message, how);
  }
  [[nodiscard]] bool has_room() const noexcept override { return connection_->has_room(); }
  void when_room(std::unique_ptr<Waiter> waiter) override {
    connection_->when_room(std::move(waiter));
  }

 private:
  std::shared_ptr<TcpConnection> connection_;
};

// Of one request, which has one response.
class TcpConnection::HttpReply final : public ReplyChannel {
 public:
  HttpReply(std::shared_ptr<TcpConnection> connection, std::uint32_t stream)
      : connection_(std::move(connection)), stream_(stream) {}
  ~HttpReply() override {
    if (!answered_) connection_->answer_later(stream_, {});
    connection_->done_with_one();
  }
  void send(std::span<const std::uint8_t> message) noexcept override {
    if (!std::exchange(answered_, true)) connection_->answer_later(stream_, message);
  }
  // HTTP has no room for most of these.
  void send_oddly(std::span<const std::uint8_t> message, const OddSending& how) noexcept override {
    if (how.silence) {
      answered_ = true;
    } else {
      send(how.nothing ? std::span<const std::uint8_t>() : message);
      if (how.close) connection_->ended_ = true;
    }
  }

 private:
  std::shared_ptr<TcpConnection> connection_;
  const std::uint32_t stream_;
  bool answered_ = false;
};

std::unique_ptr<ReplyChannel> TcpConnection::make_http_channel(void* self) {
  auto* const connection = static_cast<TcpConnection*>(self);
  auto reply = std::make_unique<HttpReply>(connection->shared_from_this(), connection->asking_);
  ++connection->in_flight_;
  connection->deferred_ = true;
  return reply;
}

std::unique_ptr<ReplyChannel> TcpConnection::make_channel(void* self) {
  auto* const connection = static_cast<TcpConnection*>(self);
  auto reply = std::make_unique<Reply>(connection->shared_from_this());
  ++connection->in_flight_;
  return reply;
}

TcpConnection::TcpConnection(TcpConnections& all, TcpListener& listener, int socket,
                             const Endpoint& client)
    : all_(all),
      listener_(&listener),
      socket_(*all.worker_.context().io),
      has_tls_(listener.tls() != nullptr),
      has_https_(listener.https() != nullptr),
      fd_(socket),
      client_(client),
      local_(listener.local_of(socket)),
      last_progress_ns_(monotonic_ns()),
      last_use_ns_(last_progress_ns_) {
  if (has_tls_) {
    tls_ = std::make_unique<TlsStream>(listener.tls()->now(), socket,
                                       has_https_ ? TlsProtocols(kHttpProtocols) : TlsProtocols());
  }
  socket_.assign(client.v6 ? boost::asio::ip::tcp::v6() : boost::asio::ip::tcp::v4(), socket);
}

template <class Handler>
void TcpConnection::guarded(Handler handler) noexcept {
  try {
    handler();
  } catch (...) {
    all_.worker_.count_panic();
    abort();
  }
}

void TcpConnection::start(const TcpConnections::Place& place) noexcept {
  place_ = place;
  account();
  // The first question is there already, as a rule. A handshake takes as long as many questions:
  // others go first.
  guarded([this] { has_tls_ ? wait_read() : on_readable(); });
}

void TcpConnection::close() noexcept {
  if (fd_ < 0) return;
  tls_.reset();  // says goodbye
  boost::system::error_code ignored;
  socket_.close(ignored);
  fd_ = -1;
  // A deferred reply may hold this for a while yet.
  http_.reset();
  input_.clear();
  output_.clear();
  const auto nobodys = std::move(waiting_);  // destroyed last: they may hold this
  unacked_ = 0;
  account();
  all_.remove(place_);  // may destroy this unless a handler holds it
}

void TcpConnection::abort() noexcept {
  if (fd_ < 0) return;
  const linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

void TcpConnection::give_way() noexcept {
  ask_kernel();
  if (output_.size() != 0 || unacked_ > kLeaveBehind) return abort();
  close();
}

void TcpConnection::set_listener(TcpListener* listener) noexcept {
  listener_ = listener;
  if (listener != nullptr || ended_) return;
  ended_ = true;
  if (http_ != nullptr) http_->finish();
  guarded([this] { post_turn(); });
}

bool TcpConnection::whole_message(std::span<const std::uint8_t> octets) noexcept {
  return octets.size() >= 2 && octets.size() - 2 >= load_u16(octets.data());
}

bool TcpConnection::can_take_more(const Turn& turn) const noexcept {
  return !ended_ && !writing_ && output_.size() + turn.out < kTcpOutputHigh &&
         in_flight_ < kTcpInFlight && turn.answered < kMessagesPerTurn;
}

void TcpConnection::wait_read() {
  if (reading_) return;
  auto ready = [self = shared_from_this()](const boost::system::error_code& error) {
    self->reading_ = false;
    if (error || self->fd_ < 0) return;
    self->guarded([&self] { self->on_readable(); });
  };
  if (tls_ != nullptr && tls_->has_more()) {
    // The kernel does not know of it.
    boost::asio::post(*all_.worker_.context().io,
                      [ready = std::move(ready)] { ready(boost::system::error_code()); });
  } else {
    socket_.async_wait(boost::asio::ip::tcp::socket::wait_read, std::move(ready));
  }
  reading_ = true;
}

void TcpConnection::wait_write() {
  if (writing_) return;
  socket_.async_wait(boost::asio::ip::tcp::socket::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->writing_ = false;
                       if (error || self->fd_ < 0) return;
                       self->guarded([&self] { self->resume(); });
                     });
  writing_ = true;
}

void TcpConnection::post_turn() {
  if (turn_posted_ || fd_ < 0) return;
  boost::asio::post(*all_.worker_.context().io, [self = shared_from_this()] {
    self->turn_posted_ = false;
    if (self->fd_ >= 0) self->guarded([&self] { self->resume(); });
  });
  turn_posted_ = true;
}

void TcpConnection::on_readable() {
  std::uint8_t* const room = all_.worker_.tcp_scratch().in;
  const bool shook_hands = shakes_hands();
  const ssize_t n = receive(room, kTcpReadOnce);
  // From here on the peer has time to ask.
  if (shook_hands && !shakes_hands()) last_use_ns_ = last_progress_ns_ = monotonic_ns();
  if (n < 0) {
    const bool again = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    if (!again) {
      if (tls_ != nullptr && tls_->problem() != nullptr) all_.count(TcpEnd::Tls);
      close();
    } else if (tls_ != nullptr && tls_->wants_write()) {
      wait_write();
    } else {
      wait_read();
    }
    if (shook_hands) {
      account();
      all_.relieve();
      all_.worker_.serve_udp_first(true);
    }
    return;
  }
  if (n == 0) {
    // The peer has said all it wants, and may well read on (RFC 9293 3.6): what is under way is
    // still answered.
    ended_ = true;
    input_.clear();
    account();
    return go_on();
  }
  const std::span<const std::uint8_t> fresh(room, static_cast<std::size_t>(n));
  if (!has_https_) return take_turn(fresh);
  if (http_ == nullptr) begin_http();
  take_http_turn(fresh);
}

ssize_t TcpConnection::receive(std::uint8_t* to, std::size_t size) noexcept {
  if (tls_ != nullptr) return tls_->receive(to, size);
  return ::recv(fd_, to, size, MSG_DONTWAIT);
}

ssize_t TcpConnection::transmit(std::span<const std::uint8_t> octets) noexcept {
  if (tls_ != nullptr) return tls_->send(octets);
  return ::send(fd_, octets.data(), octets.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void TcpConnection::resume() {
  const auto keep = shared_from_this();
  if (shakes_hands()) return on_readable();
  if (!writing_ && output_.size() != 0) flush();
  if (http_ != nullptr) {
    pump();
    if (fd_ >= 0 && (can_take_kept() || (http_->has_next() && can_ask({})))) {
      return take_http_turn({});
    }
    account();
    if (fd_ >= 0) go_on();
    return all_.relieve();
  }
  if (has_room()) let_go_on();
  if (fd_ >= 0 && whole_message(input_.octets()) && can_take_more({})) return take_turn({});
  account();
  if (fd_ >= 0) go_on();
  all_.relieve();
}

void TcpConnection::end_turn(const Turn& turn, std::int64_t started_ns) {
  Worker& worker = all_.worker_;
  worker.end_batch(started_ns, turn.answered);
  if (turn.answered != 0) {
    last_use_ns_ = last_progress_ns_ = monotonic_ns();
    if (fd_ >= 0) all_.all_.touch(place_);
  }
  if (fd_ >= 0 && turn.out != 0) write({worker.tcp_scratch().out, turn.out});
}

void TcpConnection::take_turn(std::span<const std::uint8_t> fresh) {
  const auto keep = shared_from_this();
  Worker& worker = all_.worker_;
  const unsigned index = worker.context().index;
  const std::int64_t started_ns = monotonic_ns();
  Turn turn;
  worker.reclaim().enter(index);
  try {
    if (input_.size() != 0) {
      if (!whole_message(input_.octets())) complete_message(fresh);
      input_.drop(answer_messages(input_.octets(), turn));
    }
    if (input_.size() == 0) fresh = fresh.subspan(answer_messages(fresh, turn));
  } catch (...) {
    worker.reclaim().leave(index);
    throw;
  }
  worker.reclaim().leave(index);
  end_turn(turn, started_ns);
  if (fd_ >= 0 && !fresh.empty() && !ended_) {
    const std::size_t expected =
        input_.size() == 0 && fresh.size() >= 2 ? std::size_t{2} + load_u16(fresh.data()) : 0;
    input_.append(fresh, expected);
  }
  if (fd_ >= 0) {
    account();
    go_on();
  }
  all_.relieve();
  worker.serve_udp_first();
}

void TcpConnection::complete_message(std::span<const std::uint8_t>& fresh) {
  const auto take = [&](std::size_t wanted) {
    if (wanted <= input_.size()) return;
    const std::size_t count = std::min(wanted - input_.size(), fresh.size());
    input_.append(fresh.first(count), wanted);
    fresh = fresh.subspan(count);
  };
  take(2);
  if (input_.size() >= 2) take(std::size_t{2} + load_u16(input_.octets().data()));
}

std::size_t TcpConnection::answer_messages(std::span<const std::uint8_t> octets, Turn& turn) {
  std::size_t at = 0;
  while (octets.size() - at >= 2 && can_take_more(turn)) {
    const std::size_t length = load_u16(octets.data() + at);
    if (length < kHeaderSize) {  // no DNS message is that short: the framing is lost
      ended_ = true;
      return octets.size();
    }
    if (octets.size() - at - 2 < length) break;
    answer_one(octets.subspan(at + 2, length), turn);
    at += 2 + length;
    ++turn.answered;
  }
  return at;
}

void TcpConnection::answer_one(std::span<const std::uint8_t> request, Turn& turn) {
  // The following message's first octets stand where the parser's padding is expected; it only
  // reads there, so nothing needs to be moved.
  std::uint8_t* const out = all_.worker_.tcp_scratch().out + turn.out;
  const std::size_t size = respond_to(request, out + 2);
  if (size == 0) return;
  store_u16(out, static_cast<std::uint16_t>(size));
  turn.out += 2 + size;
}

std::size_t TcpConnection::respond_to(std::span<const std::uint8_t> request, std::uint8_t* out) {
  Worker& worker = all_.worker_;
  Exchange& exchange = worker.scratch();
  exchange.client = client_;
  exchange.local = local_;
  exchange.transport = Transport::Tcp;
  exchange.one_message = has_https_;
  exchange.received_ns = monotonic_ns();
  exchange.worker = &worker.context();
  exchange.make_channel =
      has_https_ ? &TcpConnection::make_http_channel : &TcpConnection::make_channel;
  exchange.listener = this;
  return respond(exchange, listener_->routes(), request, out, kMaxMessageSize);
}

void TcpConnection::begin_http() {
  HttpSession::Settings settings;
  if (listener_ != nullptr) {
    settings.streams = listener_->https()->streams;
    settings.counters = listener_->http_counters();
    settings.worker = all_.worker_.context().index;
  }
  http_ = make_http_session(tls_->protocol() == kHttp2, settings);
}

bool TcpConnection::can_ask(const Turn& turn) const noexcept {
  return listener_ != nullptr && !writing_ && output_.size() + turn.out < kTcpOutputHigh &&
         in_flight_ < kTcpInFlight && turn.answered < kMessagesPerTurn;
}

void TcpConnection::take_http_turn(std::span<const std::uint8_t> fresh) {
  const auto keep = shared_from_this();
  Worker& worker = all_.worker_;
  const unsigned index = worker.context().index;
  const std::int64_t started_ns = monotonic_ns();
  Turn turn;
  if (http_->pending() == 0) pending_since_ns_ = started_ns;
  worker.reclaim().enter(index);
  try {
    if (input_.size() != 0 && !fresh.empty()) {
      input_.append(fresh);
      fresh = {};
    }
    for (bool more = true; more;) {
      more = false;
      const auto octets = input_.size() != 0 ? input_.octets() : fresh;
      if (!ended_ && !octets.empty() && http_->takes()) {
        const std::size_t taken = http_->take(octets, started_ns);
        if (input_.size() != 0) {
          input_.drop(taken);
        } else {
          fresh = fresh.subspan(taken);
        }
        stuck_ = http_->takes();
      }
      // HTTP/1.1 has the next request once this one is answered.
      while (fd_ >= 0 && http_->has_next() && can_ask(turn)) {
        answer_http(turn);
        more = fd_ >= 0;
      }
    }
    if (fd_ >= 0 && !fresh.empty() && !ended_) input_.append(fresh);
  } catch (...) {
    worker.reclaim().leave(index);
    throw;
  }
  worker.reclaim().leave(index);
  end_turn(turn, started_ns);
  if (fd_ >= 0) pump();
  if (fd_ >= 0) {
    account();
    go_on();
  }
  all_.relieve();
  worker.serve_udp_first();
}

void TcpConnection::answer_http(Turn& turn) {
  TcpScratch& scratch = all_.worker_.tcp_scratch();
  const auto asked = http_->next();
  if (!asked) return;
  ++turn.answered;
  asking_ = asked->stream;
  deferred_ = false;
  answered_at_once_.reset();
  responds_ = true;
  std::uint8_t* const out = scratch.out + turn.out;
  const std::size_t size = respond_to(asked->message, out);
  responds_ = false;
  if (fd_ < 0) return;
  if (size != 0) {
    http_->answer(asked->stream, {out, size});
  } else if (!deferred_) {
    http_->give_none(asked->stream);
  } else if (const auto at_once = std::exchange(answered_at_once_, std::nullopt)) {
    if (at_once->empty()) {
      http_->give_none(asked->stream);
    } else {
      http_->answer(asked->stream, *at_once);
    }
  }
  turn.out += http_->produce(out, sizeof scratch.out - turn.out);
}

void TcpConnection::pump() {
  TcpScratch& scratch = all_.worker_.tcp_scratch();
  const bool had_answers = http_->pending() != 0;
  while (fd_ >= 0 && output_.size() == 0) {
    const std::size_t size = http_->produce(scratch.out, sizeof scratch.out);
    if (size == 0) break;
    write({scratch.out, size});
  }
  if (fd_ < 0) return;
  if (http_->pending() == 0) {
    pending_since_ns_ = monotonic_ns();
    if (had_answers) last_use_ns_ = pending_since_ns_;
  }
  if (http_->ended()) ended_ = true;
}

void TcpConnection::answer_later(std::uint32_t stream,
                                 std::span<const std::uint8_t> message) noexcept {
  if (fd_ < 0 || http_ == nullptr) return;
  guarded([&] {
    if (responds_ && stream == asking_) {
      // The query is still being looked at, and would be gone.
      answered_at_once_.emplace(message.begin(), message.end());
      return;
    }
    const std::int64_t now = monotonic_ns();
    last_use_ns_ = now;
    if (!unsent()) last_progress_ns_ = now;
    if (http_->pending() == 0) pending_since_ns_ = now;
    if (message.empty()) {
      http_->give_none(stream);
    } else {
      http_->answer(stream, message);
    }
    account();
    all_.all_.touch(place_);
    post_turn();
  });
}

void TcpConnection::go_on() {
  if (ended_) {
    const bool asks = http_ != nullptr && listener_ != nullptr && http_->has_next();
    if (asks && can_ask({})) return post_turn();
    if (in_flight_ == 0 && !unsent() && !asks) end_softly();
    return;
  }
  if (http_ != nullptr) {
    if ((http_->has_next() && can_ask({})) || can_take_kept()) return post_turn();
    if (can_read_http()) wait_read();
    return;
  }
  if (!can_take_more({})) return;  // the peer reads, or an upstream answers, and then it goes on
  if (whole_message(input_.octets())) return post_turn();
  wait_read();
}

void TcpConnection::end_softly() noexcept {
  if (shut_down_) return;
  ask_kernel();
  if (unacked_ <= kLeaveBehind) return close();
  // More than the kernel should keep for nobody: we stay, and see that it is read.
  if (tls_ != nullptr) tls_->say_goodbye();
  ::shutdown(fd_, SHUT_WR);
  shut_down_ = true;
  output_since_ns_ = last_progress_ns_ = monotonic_ns();
}

bool TcpConnection::push(std::span<const std::uint8_t>& octets) {
  while (!octets.empty()) {
    const ssize_t n = transmit(octets);
    if (n > 0) {
      octets = octets.subspan(static_cast<std::size_t>(n));
      unacked_ += static_cast<std::size_t>(n);
      last_progress_ns_ = monotonic_ns();
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    // TLS that has to read before it can write was sent half a message about itself, which nobody
    // does who means well; the socket would be writable without end meanwhile.
    const bool stuck = tls_ != nullptr && !tls_->wants_write();
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && !stuck) break;
    close();
    return false;
  }
  if (unacked_ - asked_ > kAskAfter) ask_kernel();
  return true;
}

void TcpConnection::write(std::span<const std::uint8_t> octets) {
  if (output_.size() != 0 && !writing_) flush();
  if (fd_ < 0) return;
  if (output_.size() == 0) {
    output_since_ns_ = monotonic_ns();
    if (!push(octets) || octets.empty()) return;
  }
  output_.append(octets);
  wait_write();
}

void TcpConnection::flush() {
  std::span<const std::uint8_t> left = output_.octets();
  const std::size_t before = left.size();
  if (!push(left)) return;
  output_.drop(before - left.size());
  if (output_.size() != 0) return wait_write();
  last_use_ns_ = monotonic_ns();
}

void TcpConnection::done_with_one() noexcept {
  --in_flight_;
  if (fd_ >= 0) guarded([this] { post_turn(); });
}

void TcpConnection::send_later(std::span<const std::uint8_t> message) noexcept {
  if (fd_ < 0) return;
  guarded([&] {
    if (output_.size() + 2 + message.size() > kTcpOutputMost) {
      ended_ = true;  // the client asks the rest again, on another connection (RFC 7766 6.2.4)
    } else {
      if (output_.size() == 0) output_since_ns_ = monotonic_ns();
      std::uint8_t* const to = output_.extend(2 + message.size());
      store_u16(to, static_cast<std::uint16_t>(message.size()));
      std::memcpy(to + 2, message.data(), message.size());
      account();
      all_.all_.touch(place_);
    }
    post_turn();
  });
}

void TcpConnection::send_oddly(std::span<const std::uint8_t> message,
                               const OddSending& how) noexcept {
  if (fd_ < 0) return;
  guarded([&] {
    if (how.silence) {
      // It stays until it is idle for long, or its place is needed.
      ended_ = writing_ = true;
      be_patient(kSilence);
      auto wait = std::make_shared<boost::asio::steady_timer>(*all_.worker_.context().io, kSilence);
      ++in_flight_;
      wait->async_wait([self = shared_from_this(), wait](const boost::system::error_code&) {
        --self->in_flight_;
        if (self->fd_ >= 0) self->close();
      });
      return;
    }
    if (!writing_ && output_.size() != 0) flush();  // what is no part of it
    if (fd_ < 0) return;
    const std::size_t before = output_.size();
    if (!how.nothing && before + 2 + message.size() <= kTcpOutputMost) {
      if (before == 0) output_since_ns_ = monotonic_ns();
      std::uint8_t* const to = output_.extend(2 + message.size());
      store_u16(to, static_cast<std::uint16_t>(
                        how.prefix >= 0 ? static_cast<std::size_t>(how.prefix) : message.size()));
      std::copy(message.begin(), message.end(), to + 2);
      account();
    }
    if (how.close) {
      ended_ = true;
      boost::asio::post(*all_.worker_.context().io, [self = shared_from_this()] {
        if (self->fd_ < 0) return;
        self->guarded([&self] {
          if (!self->writing_ && self->output_.size() != 0) self->flush();
          if (self->fd_ >= 0 && self->output_.size() == 0) self->close();
        });
      });
    } else if (how.octet_ms != 0 && !writing_ && output_.size() != 0) {
      trickle(output_.size(), std::chrono::milliseconds(how.octet_ms));
    } else {
      post_turn();
    }
  });
}

void TcpConnection::be_patient(std::chrono::nanoseconds time) noexcept {
  output_since_ns_ = last_progress_ns_ = monotonic_ns() + time.count();
}

void TcpConnection::trickle(std::size_t left, std::chrono::milliseconds each) {
  writing_ = true;
  std::span<const std::uint8_t> octet = output_.octets().first(1);
  if (!push(octet)) return;
  if (octet.empty()) {
    output_.drop(1);
    --left;
  }
  be_patient(each);
  if (left == 0) {
    writing_ = false;
    account();
    return post_turn();
  }
  auto wait = std::make_shared<boost::asio::steady_timer>(*all_.worker_.context().io, each);
  wait->async_wait(
      [self = shared_from_this(), wait, left, each](const boost::system::error_code& error) {
        if (error || self->fd_ < 0) return;
        self->guarded([&] { self->trickle(left, each); });
      });
}

void TcpConnection::when_room(std::unique_ptr<ReplyChannel::Waiter> waiter) {
  if (fd_ < 0) return;
  waiting_.push_back(std::move(waiter));
  if (has_room()) post_turn();
}

void TcpConnection::let_go_on() noexcept {
  // They may wait again.
  for (const auto& waiter : std::exchange(waiting_, {})) waiter->has_room();
}

void TcpConnection::refresh() noexcept {
  ask_kernel();
  account();
}

void TcpConnection::ask_kernel() noexcept {
  int left = 0;
  if (fd_ >= 0 && unacked_ != 0 && ::ioctl(fd_, SIOCOUTQ, &left) == 0) {
    unacked_ = static_cast<std::size_t>(left);
  }
  asked_ = unacked_;
}

void TcpConnection::account() noexcept {
  std::size_t now = input_.capacity() + output_.capacity() + unacked_;
  if (http_ != nullptr) now += http_->held();
  const bool reads = http_ != nullptr ? can_read_http() : can_take_more({});
  // What the kernel may have got for us meanwhile.
  if (fd_ >= 0 && !reads) now += kTcpReceiveBuffer;
  if (tls_ != nullptr) {
    now += tls_->established() ? kTlsIdle : kTlsHandshake;
    if (output_.size() != 0) now += kTlsRecord;
    if (tls_->has_more() || tls_->holds_record()) now += kTlsRecord;
  }
  all_.hold(held_, now);
  held_ = now;
}

void TcpConnection::sweep(std::int64_t now, const TcpLimits& limits) noexcept {
  const auto passed = [now](std::int64_t since, unsigned seconds) {
    return now - since > std::int64_t{seconds} * 1'000'000'000;
  };
  if (unacked_ != 0) {
    const std::size_t before = unacked_;
    refresh();
    if ((shut_down_ || unsent()) && unacked_ < before) last_progress_ns_ = now;
  }
  if (shut_down_ && unacked_ == 0) return close();
  if (http_ != nullptr) {
    guarded([&] {
      const std::int64_t since = now - std::int64_t{limits.stall_seconds} * 1'000'000'000;
      if (http_->sweep(since)) post_turn();  // says so
    });
    if (fd_ < 0) return;
  }
  const bool unwritten = output_.size() != 0 || shut_down_;
  const bool unread = unsent() || shut_down_;
  // A window of HTTP/2 may open by an octet at a time.
  const bool late = (unwritten && passed(output_since_ns_, limits.drain_seconds)) ||
                    (http_ != nullptr && http_->pending() != 0 &&
                     passed(pending_since_ns_, limits.drain_seconds));
  const bool unfinished =
      shakes_hands() || (http_ != nullptr ? http_->unfinished()
                                          : input_.size() != 0 && !whole_message(input_.octets()));
  if (unread || unfinished) {
    if (!passed(last_progress_ns_, limits.stall_seconds) && !late) return;
    all_.count(TcpEnd::Stalled);
    return abort();
  }
  // HTTP/2 makes us send what answers nothing: acknowledgements of PING.
  const std::int64_t used = http_ != nullptr ? last_use_ns_ : last_progress_ns_;
  if (in_flight_ != 0 || !passed(used, limits.idle_seconds)) return;
  all_.count(TcpEnd::Idle);
  if (unacked_ != 0) return abort();
  if (http_ != nullptr) {
    // Says that what the peer sends from now on is not answered. The kernel has room: nothing waits
    // there.
    http_->finish();
    guarded([this] { pump(); });
  }
  close();
}

// --- TcpConnections ---

TcpConnections::TcpConnections(Worker& worker, const TcpLimits& limits, std::size_t held_octets)
    : worker_(worker),
      limits_(limits),
      most_held_(held_octets),
      most_(limits.max_connections),
      sweep_timer_(*worker.context().io) {}

TcpConnections::~TcpConnections() { close_all(); }

void TcpConnections::add(TcpListener& listener, int socket, const Endpoint& client) noexcept {
  while (all_.size() >= most_) give_one();
  if (const HttpsLimits* const https = listener.https(); https != nullptr) {
    if (https->connections != 0) make_room(listener, https->connections);
  }
  std::shared_ptr<TcpConnection> connection;  // which may close itself while it starts
  try {
    connection = std::make_shared<TcpConnection>(*this, listener, socket, client);
  } catch (const std::exception&) {
    ::close(socket);  // out of memory or of epoll entries: this peer comes back
    return;
  }
  try {
    const Place place = all_.insert(client_key(client), connection);
    figures_.connections.store(all_.size(), std::memory_order_relaxed);
    connection->start(place);
  } catch (const std::exception&) {
    return;  // it closes its socket
  }
  try {
    sweep_later();
  } catch (const std::exception&) {
    worker_.count_panic();  // the next connection tries again
  }
}

void TcpConnections::give_one() noexcept {
  const std::shared_ptr<TcpConnection> gives = *all_.victim(
      [](const std::shared_ptr<TcpConnection>& each) { return !each->waits_for_us(); });
  count(TcpEnd::Room);
  gives->give_way();
}

void TcpConnections::make_room(const TcpListener& listener, std::size_t most) noexcept {
  for (;;) {
    std::size_t all = 0, of_client = 0, largest = 0;
    ClientKey key{};
    std::shared_ptr<TcpConnection> first, gives;
    // The list has one client's connections one after the other, the longest idle first.
    all_.for_each([&](const std::shared_ptr<TcpConnection>& each) {
      if (each->listener() != &listener) return;
      const ClientKey mine = client_key(each->client());
      if (all++ == 0 || !(mine == key)) {
        key = mine;
        of_client = 0;
        first = each;
      }
      if (++of_client > largest) {
        largest = of_client;
        gives = first;
      }
    });
    if (all < most || gives == nullptr) return;
    count(TcpEnd::Room);
    gives->give_way();
  }
}

bool TcpConnections::give_some() noexcept {
  if (all_.empty()) return false;
  for (unsigned i = 0; i < kGiveSome && !all_.empty(); ++i) give_one();
  return true;
}

void TcpConnections::set_most(std::size_t connections) noexcept {
  most_ = std::max<std::size_t>(1, std::min(connections, limits_.max_connections));
}

void TcpConnections::remove(const Place& place) noexcept {
  all_.erase(place);
  figures_.connections.store(all_.size(), std::memory_order_relaxed);
}

void TcpConnections::hold(std::size_t before, std::size_t now) noexcept {
  held_ += now;
  held_ -= before;
  figures_.held_octets.store(held_, std::memory_order_relaxed);
}

void TcpConnections::relieve() noexcept {
  if (held_ <= most_held_) return;
  all_.for_each([](const std::shared_ptr<TcpConnection>& each) { each->refresh(); });
  // A quarter is given free, so that this is rare.
  while (held_ > most_held_ / 4 * 3 && !all_.empty()) {
    // The list has one client's connections one after the other.
    ClientKey key{};
    std::size_t of_client = 0;
    std::size_t most = 0;
    std::shared_ptr<TcpConnection> largest_of_client, largest;
    bool first = true;
    all_.for_each([&](const std::shared_ptr<TcpConnection>& each) {
      const ClientKey mine = client_key(each->client());
      if (first || !(mine == key)) {
        first = false;
        key = mine;
        of_client = 0;
        largest_of_client = nullptr;
      }
      of_client += each->held();
      if (largest_of_client == nullptr || each->held() > largest_of_client->held()) {
        largest_of_client = each;
      }
      if (of_client > most || (of_client == most && largest == nullptr)) {
        most = of_client;
        largest = largest_of_client;
      }
    });
    count(TcpEnd::Octets);
    largest->abort();
  }
}

void TcpConnections::sweep_later() {
  if (sweeping_ || all_.empty()) return;
  sweep_timer_.expires_after(kSweepEvery);
  sweep_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    sweeping_ = false;
    sweep();
    sweep_later();
  });
  sweeping_ = true;
}

void TcpConnections::sweep() noexcept {
  const std::int64_t now = monotonic_ns();
  all_.for_each([&](std::shared_ptr<TcpConnection>& each) {
    const auto keep = each;
    keep->sweep(now, limits_);
  });
}

void TcpConnections::close_all() noexcept {
  all_.for_each([](std::shared_ptr<TcpConnection>& each) {
    const auto keep = each;
    keep->close();
  });
}

}  // namespace clusterdns::dns
