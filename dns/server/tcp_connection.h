// TCP connections of one worker (RFC 7766): frames, pipelines, and bounds what clients can make us
// hold for them.
//
// Memory follows what has come and what is not read yet: a silent connection has no buffer. Octets
// are taken from the kernel into memory that the worker's connections share, answered there, and
// only an unfinished message is kept. Answers are written from shared memory likewise; what the
// kernel does not take is kept, and no more questions are taken until it has gone.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "dns/http/http_session.h"
#include "dns/net/fair_list.h"
#include "dns/net/tls_stream.h"
#include "dns/query/stage.h"

namespace clusterdns::dns {

class TcpConnection;
class TcpConnections;
class TcpListener;
class Worker;

struct TcpLimits {
  // Connections of one worker, of all its listeners. When one more comes, the client that has most
  // gives one, see FairList. Where descriptors are short it is less, see Server::apply.
  std::size_t max_connections = 1024;
  // Octets that all workers together hold for TCP clients: begun messages, answers that are not
  // read, what the kernel keeps of both. Each worker has an equal part; when its part is full, the
  // client that holds most loses its largest connection.
  std::size_t held_octets = 32 * 1024 * 1024;
  // Seconds without a complete message; RFC 7766 6.2.3 asks for a few seconds.
  unsigned idle_seconds = 10;
  // Seconds a begun message, or the peer's reading of our answers, may stand still.
  unsigned stall_seconds = 5;
  // Seconds in which answers that wait for their reader must have gone, however it reads.
  unsigned drain_seconds = 30;
};

// Octets of the kernel's buffers of one connection, set on the listening socket and inherited; the
// kernel doubles them for its own needs. Without that they grow to 6 MiB (tcp_rmem, tcp_wmem).
inline constexpr int kTcpReceiveBuffer = 32 * 1024;
inline constexpr int kTcpSendBuffer = 32 * 1024;
// Octets read at once, and kept at most besides a message that is not complete.
inline constexpr std::size_t kTcpReadOnce = 4096;
// Unsent octets of a connection at which no more questions are taken.
inline constexpr std::size_t kTcpOutputHigh = 64 * 1024;
// Unsent octets of a connection at most; only answers of upstreams can come when it is above
// kTcpOutputHigh. The connection is closed behind what fits.
inline constexpr std::size_t kTcpOutputMost = 256 * 1024;
// Octets that OpenSSL has for one connection, at most: while it shakes hands, afterwards, and for a
// record that is not read or written whole. tests/unit/dns/server/tls_test.cc measures them.
inline constexpr std::size_t kTlsHandshake = 80 * 1024;
inline constexpr std::size_t kTlsIdle = 16 * 1024;
inline constexpr std::size_t kTlsRecord = 17 * 1024;
// Deferred queries of one connection; more wait unread in the socket.
inline constexpr unsigned kTcpInFlight = 128;

// Why we ended a connection.
enum class TcpEnd : std::uint8_t {
  Idle,     // no message for TcpLimits::idle_seconds
  Stalled,  // neither read nor written for TcpLimits::stall_seconds
  Room,     // another client needed its place
  Octets,   // its client held most when the octets were used up
  Tls,      // nothing came of TLS
};
inline constexpr std::array<std::string_view, 5> kTcpEndNames = {"idle", "stalled", "room",
                                                                 "octets", "tls"};

// Written by the worker, read by any thread.
struct TcpFigures {
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> held_octets{0};
  std::array<Counter, kTcpEndNames.size()> ended;  // by TcpEnd
};

// Memory that the connections of a worker use by turns.
struct TcpScratch {
  alignas(64) std::uint8_t in[kTcpReadOnce + kPadding];
  alignas(64) std::uint8_t out[kTcpOutputHigh + 2 + kMaxMessageSize];
};

// All connections of a worker; used by its thread only.
class TcpConnections {
 public:
  using Place = FairList<std::shared_ptr<TcpConnection>>::Place;

  // `held_octets`: this worker's part.
  TcpConnections(Worker& worker, const TcpLimits& limits, std::size_t held_octets);
  ~TcpConnections();
  TcpConnections(const TcpConnections&) = delete;
  TcpConnections& operator=(const TcpConnections&) = delete;

  // Takes over an accepted, non-blocking socket, making room for it.
  void add(TcpListener& listener, int socket, const Endpoint& client) noexcept;
  // Out of descriptors: the client that has most gives a few connections, so that others than TCP
  // clients get some, too. False: there are none to give.
  bool give_some() noexcept;
  // From now on at most so many, at least one.
  void set_most(std::size_t connections) noexcept;
  // Listeners have come or gone: `closest` gives the one for a connection's local address, with TLS
  // or without, with HTTPS or without, or nullptr. Without one a connection takes no more questions
  // and ends when it has its answers.
  template <class Closest>
  void reroute(Closest closest);
  void close_all() noexcept;
  // After an exception ended a handler: what waits for time goes on.
  void rearm() { sweep_later(); }

  [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }
  [[nodiscard]] const TcpFigures& figures() const noexcept { return figures_; }

 private:
  friend class TcpConnection;
  static constexpr std::chrono::milliseconds kSweepEvery{500};
  static constexpr unsigned kGiveSome = 4;

  void remove(const Place& place) noexcept;
  // One connection of the client that has most. REQUIRES: there is one.
  void give_one() noexcept;
  // The same of connections of `listener` alone, until it has less than `most`.
  void make_room(const TcpListener& listener, std::size_t most) noexcept;
  void hold(std::size_t before, std::size_t now) noexcept;
  // Ends connections until less is held, if too much is.
  void relieve() noexcept;
  void count(TcpEnd end) noexcept { figures_.ended[static_cast<std::size_t>(end)].add(1); }
  void sweep_later();
  void sweep() noexcept;

  Worker& worker_;
  const TcpLimits limits_;
  const std::size_t most_held_;
  std::size_t most_;
  std::size_t held_ = 0;
  FairList<std::shared_ptr<TcpConnection>> all_;
  boost::asio::steady_timer sweep_timer_;
  bool sweeping_ = false;
  TcpFigures figures_;
};

// One connection. Lives in its worker's list; handlers and deferred replies hold it by shared_ptr,
// so that it may be closed at any moment. No call of it runs inside another one, nor inside a UDP
// batch: what a finished query sets free is posted.
class TcpConnection final : public std::enable_shared_from_this<TcpConnection> {
 public:
  TcpConnection(TcpConnections& all, TcpListener& listener, int socket, const Endpoint& client);

  void start(const TcpConnections::Place& place) noexcept;
  // What the kernel has for the peer is still sent.
  void close() noexcept;
  // For peers that do not read: what the kernel still holds for them is freed at once.
  void abort() noexcept;
  // Another client needs the place.
  void give_way() noexcept;
  // Takes questions by the routes of `listener` from now on; nullptr: none any more.
  void set_listener(TcpListener* listener) noexcept;

  [[nodiscard]] const Endpoint& local() const noexcept { return local_; }
  [[nodiscard]] const TcpListener* listener() const noexcept { return listener_; }
  [[nodiscard]] bool has_tls() const noexcept { return has_tls_; }
  [[nodiscard]] bool has_https() const noexcept { return has_https_; }
  // Answers are on their way, and nothing is expected of the peer.
  [[nodiscard]] bool waits_for_us() const noexcept {
    return in_flight_ != 0 && output_.size() == 0 && (http_ == nullptr || http_->pending() == 0);
  }
  [[nodiscard]] std::size_t held() const noexcept { return held_; }
  [[nodiscard]] const Endpoint& client() const noexcept { return client_; }
  // Asks the kernel what it still holds, and accounts for it.
  void refresh() noexcept;
  // Ends this one if it was silent for too long.
  void sweep(std::int64_t now, const TcpLimits& limits) noexcept;

 private:
  // Octets with a front that moves on; no memory while it is empty.
  class Buffer {
   public:
    [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    // kPadding readable octets follow.
    [[nodiscard]] std::span<const std::uint8_t> octets() const noexcept {
      return {data_.get() + begin_, size()};
    }
    // Where `count` more octets are to be written. `expected`: how many it will be in the end, 0
    // when that is not known.
    [[nodiscard]] std::uint8_t* extend(std::size_t count, std::size_t expected = 0);
    void append(std::span<const std::uint8_t> octets, std::size_t expected = 0);
    void drop(std::size_t count) noexcept;
    void clear() noexcept { *this = Buffer(); }

   private:
    std::unique_ptr<std::uint8_t[]> data_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t capacity_ = 0;
  };
  // What one turn has used up.
  struct Turn {
    unsigned answered = 0;
    std::size_t out = 0;  // octets in the scratch
  };
  class Reply;
  class HttpReply;

  // Messages answered before UDP and other connections get their turn.
  static constexpr unsigned kMessagesPerTurn = 64;
  // Octets sent after which the kernel is asked what it still has.
  static constexpr std::size_t kAskAfter = 16 * 1024;
  // Octets that may be left to the kernel when the socket is closed.
  static constexpr std::size_t kLeaveBehind = 4096;

  // Runs a handler; when it throws (no memory), this connection is lost, and nothing else.
  template <class Handler>
  void guarded(Handler handler) noexcept;

  void on_readable();
  // As recv(2) and send(2).
  [[nodiscard]] ssize_t receive(std::uint8_t* to, std::size_t size) noexcept;
  [[nodiscard]] ssize_t transmit(std::span<const std::uint8_t> octets) noexcept;
  [[nodiscard]] bool shakes_hands() const noexcept {
    return tls_ != nullptr && !tls_->established();
  }
  // Answers what is complete of what was kept and of `fresh`, and keeps the rest.
  void take_turn(std::span<const std::uint8_t> fresh);
  std::size_t answer_messages(std::span<const std::uint8_t> octets, Turn& turn);
  void answer_one(std::span<const std::uint8_t> request, Turn& turn);
  // Answers one request, and returns the octets of its answer at `out`; 0: none, or later.
  [[nodiscard]] std::size_t respond_to(std::span<const std::uint8_t> request, std::uint8_t* out);
  // Moves octets from the front of `fresh` to the message that is not complete.
  void complete_message(std::span<const std::uint8_t>& fresh);
  [[nodiscard]] static bool whole_message(std::span<const std::uint8_t> octets) noexcept;
  // Counts and writes what it has answered, once the tables are let go of.
  void end_turn(const Turn& turn, std::int64_t started_ns);
  [[nodiscard]] bool can_take_more(const Turn& turn) const noexcept;
  // The same of HTTPS.
  void begin_http();
  void take_http_turn(std::span<const std::uint8_t> fresh);
  void answer_http(Turn& turn);
  [[nodiscard]] bool can_ask(const Turn& turn) const noexcept;
  [[nodiscard]] bool can_read_http() const noexcept {
    return !ended_ && !writing_ && output_.size() < kTcpOutputHigh && http_->takes();
  }
  // What was kept has not been looked at since there was room for it.
  [[nodiscard]] bool can_take_kept() const noexcept {
    return input_.size() != 0 && !stuck_ && can_read_http();
  }
  // Sends what the session has to say.
  void pump();
  void answer_later(std::uint32_t stream, std::span<const std::uint8_t> message) noexcept;
  // Answers have yet to be read.
  [[nodiscard]] bool unsent() const noexcept {
    return output_.size() != 0 || (http_ != nullptr && http_->pending() != 0);
  }
  // Whatever comes next: the next turn, more octets, or the end.
  void go_on();
  void resume();
  void wait_read();
  void wait_write();
  void post_turn();
  // Sends from the front of `octets` what the kernel takes; false when the connection is closed.
  bool push(std::span<const std::uint8_t>& octets);
  void write(std::span<const std::uint8_t> octets);
  void flush();
  void send_later(std::span<const std::uint8_t> message) noexcept;
  void send_oddly(std::span<const std::uint8_t> message, const OddSending& how) noexcept;
  // Sends output_ octet by octet until `left` of it are gone. Meanwhile it is as if the peer did
  // not read.
  void trickle(std::size_t left, std::chrono::milliseconds each);
  // No stalling is seen before then.
  void be_patient(std::chrono::nanoseconds time) noexcept;
  // A reply of several messages may go on.
  [[nodiscard]] bool has_room() const noexcept {
    return fd_ >= 0 && output_.size() < kTcpOutputHigh;
  }
  void when_room(std::unique_ptr<ReplyChannel::Waiter> waiter);
  void let_go_on() noexcept;
  void done_with_one() noexcept;
  void end_softly() noexcept;
  void ask_kernel() noexcept;
  void account() noexcept;
  static std::unique_ptr<ReplyChannel> make_channel(void* self);
  static std::unique_ptr<ReplyChannel> make_http_channel(void* self);

  TcpConnections& all_;
  TcpListener* listener_;  // whose routes are asked; nullptr: no more questions
  TcpConnections::Place place_;
  boost::asio::ip::tcp::socket socket_;
  std::unique_ptr<TlsStream> tls_;  // nullptr: plain, or closed
  const bool has_tls_;
  const bool has_https_;
  // nullptr: none, or the handshake is not over, or closed.
  std::unique_ptr<HttpSession> http_;
  std::uint32_t asking_ = 0;                                   // the stream that is being answered
  bool deferred_ = false;                                      // its answer comes later
  bool responds_ = false;                                      // it is being answered
  std::optional<std::vector<std::uint8_t>> answered_at_once_;  // meanwhile; empty: without
  bool stuck_ = false;                 // HTTP needs more octets than were kept
  std::int64_t pending_since_ns_ = 0;  // when the session had no answers left last
  int fd_;
  Endpoint client_;
  Endpoint local_;
  Buffer input_;          // a message that is not complete, or those that wait for the peer to read
  Buffer output_;         // what the kernel did not take
  std::size_t held_ = 0;  // as accounted
  std::size_t unacked_ = 0;  // octets the kernel has, at most; see ask_kernel()
  std::size_t asked_ = 0;    // of these: as it said last
  std::vector<std::unique_ptr<ReplyChannel::Waiter>> waiting_;  // replies that wait for has_room()
  unsigned in_flight_ = 0;
  bool reading_ = false;  // a wait is under way
  bool writing_ = false;  // likewise
  bool turn_posted_ = false;
  bool ended_ = false;      // no more questions are read
  bool shut_down_ = false;  // all is said; the peer has yet to read it
  std::int64_t last_progress_ns_ = 0;
  std::int64_t last_use_ns_ = 0;      // of HTTP: when a query came, or answers had gone
  std::int64_t output_since_ns_ = 0;  // when output_ was empty last
};

template <class Closest>
void TcpConnections::reroute(Closest closest) {
  all_.for_each([&](std::shared_ptr<TcpConnection>& connection) {
    const auto keep = connection;
    keep->set_listener(closest(keep->local(), keep->has_tls(), keep->has_https()));
  });
}

}  // namespace clusterdns::dns
