#include "dns/tap/tap.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include "dns/base/descriptor.h"
#include "dns/concurrent/blocked_signals.h"
#include "dns/net/socket_address.h"
#include "dns/net/tls_stream.h"
#include "dns/tap/tap_message.h"
#include "dns/tap/tap_ring.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::dns {
namespace {

using Clock = std::chrono::steady_clock;

// Octets that are encoded at once.
constexpr std::size_t kBatch = 64 * 1024;
// How long more messages are waited for before workers have to say that there are some.
constexpr std::chrono::milliseconds kNap{5};
// How far the two clocks may drift apart before times follow: those of a query and its answer are
// to agree.
constexpr std::int64_t kDrift = 1'000'000;

template <class T>
std::span<const std::uint8_t> octets_of(const T& value) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const std::uint8_t*>(&value), sizeof value};
}

std::string error_text(int error) { return std::generic_category().message(error); }

}  // namespace

// What stands in a ring; behind it the octets of the message, and Facts if there are any.
struct Tap::Head {
  TapType type{};
  Transport transport{};
  bool has_facts = false;
  Endpoint query, response;
  std::int64_t query_ns = 0, response_ns = 0;  // monotonic clock
  std::uint32_t octets = 0;
};

// Of which `extra` is made.
struct Tap::Facts {
  Query query;
  Endpoint client, local, upstream;
  Transport transport{};
};

// Shared with the thread, which may have to be left behind in a look-up.
class Tap::State {
 public:
  explicit State(Options given)
      : options(std::move(given)), wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (!wake_) throw std::system_error(errno, std::generic_category(), "eventfd");
    if (options.tls != nullptr) peer_.emplace(options.tls, options.server_name);
    const std::size_t octets = std::min(options.octets, kTapOctetsMost) / options.workers;
    for (unsigned i = 0; i < options.workers; ++i) rings_.emplace_back(octets);
  }

  // --- workers ---

  void put(unsigned worker, std::span<const TapRing::Part> parts) noexcept {
    Ring& ring = rings_[worker % rings_.size()];
    if (!ring.ring.put(parts)) {
      ring.dropped.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (asleep_.load(std::memory_order_relaxed) && asleep_.exchange(false)) wake();
  }

  // --- any thread ---

  void start() {
    const std::lock_guard lock(mutex_);
    if (started_) return;
    started_ = true;
  }
  void never_started() noexcept {
    const std::lock_guard lock(mutex_);
    started_ = false;
  }
  [[nodiscard]] bool started() noexcept {
    const std::lock_guard lock(mutex_);
    return started_;
  }
  void begin_close() noexcept {
    const std::lock_guard lock(mutex_);
    if (!started_ || ended_) return;
    if (!closing_.exchange(true)) close_at_ = Clock::now() + options.timings.close;
    wake();
  }
  void close() noexcept {
    begin_close();
    std::unique_lock lock(mutex_);
    if (!started_ || ended_) return;
    // A little longer than the thread takes to see that its time is over.
    over_.wait_until(lock, close_at_ + options.timings.close / 4, [&] { return ended_; });
  }
  [[nodiscard]] std::uint64_t dropped() const noexcept {
    std::uint64_t sum = lost_.load(std::memory_order_relaxed);
    for (const Ring& ring : rings_) sum += ring.dropped.load(std::memory_order_relaxed);
    return sum;
  }
  [[nodiscard]] std::uint64_t sent() const noexcept {
    return sent_.load(std::memory_order_relaxed);
  }

  // --- the thread ---

  void run() noexcept {
    ::pthread_setname_np(::pthread_self(), "dnstap");
    auto retry = options.timings.retry;
    while (!closing_) {
      try {
        const Clock::time_point began = Clock::now();
        if (connect() && greet()) {
          streaming_ = true;
          stream();
          // What works for a while and breaks is told again.
          if (Clock::now() - began > options.timings.retry_most) told_ = false;
          (void)lose();
        }
        hang_up();
        // Whoever accepts and closes at once is no better than one who is away.
        if (Clock::now() - began > options.timings.retry_most) retry = options.timings.retry;
      } catch (...) {
        hang_up();  // no memory
      }
      rest(std::exchange(retry, std::min(retry * 2, options.timings.retry_most)));
    }
    tell_dropped(true);
    const std::lock_guard lock(mutex_);
    ended_ = true;
    over_.notify_all();
  }

  const Options options;

 private:
  struct Ring {
    explicit Ring(std::size_t octets) : ring(octets) {}
    TapRing ring;
    std::atomic<std::uint64_t> dropped{0};
  };

  void wake() const noexcept {
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
  }

  // Waits for `events` of the connection (0: of none), or to be woken if `for_messages`, until
  // `until`. What came of the connection.
  short wait(short events, Clock::time_point until, bool for_messages = false) {
    for (;;) {
      tell_dropped(false);
      Clock::time_point end = std::min(until, tell_at_);
      if (closing_) end = std::min(end, closing_ends());
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
      pollfd polled[2] = {{wake_.get(), POLLIN, 0}, {fd_.get(), events, 0}};
      const bool closing = closing_;
      if (closing && (events == 0 || !streaming_)) return 0;
      // Once it is closing nobody has to say so again.
      if (closing) polled[0].fd = -1;
      const int count =
          ::poll(polled, events == 0 ? 1 : 2,
                 static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, INT_MAX)));
      if (count > 0 && (polled[0].revents & POLLIN) != 0) {
        std::uint64_t many = 0;
        (void)!::read(wake_.get(), &many, sizeof many);
        if (for_messages) return polled[1].revents;
      }
      if (events != 0 && polled[1].revents != 0) return polled[1].revents;
      if (closing_ && (!closing || events == 0)) return 0;
      if (Clock::now() >= until || (closing_ && Clock::now() >= closing_ends())) return 0;
    }
  }
  [[nodiscard]] Clock::time_point closing_ends() noexcept {
    const std::lock_guard lock(mutex_);
    return close_at_;
  }

  void rest(Milliseconds time) {
    const Clock::time_point until = Clock::now() + time;
    while (!closing_ && Clock::now() < until) (void)wait(0, until);
  }

  void tell_dropped(bool at_once) noexcept {
    const Clock::time_point now = Clock::now();
    if (!at_once && now < tell_at_) return;
    tell_at_ = now + options.timings.tell;
    const std::uint64_t all = dropped();
    const std::uint64_t more = all - std::exchange(told_dropped_, all);
    try {
      if (more != 0 && options.warn) {
        options.warn("Dropped dnstap messages: " + std::to_string(more));
      }
    } catch (...) {  // no memory
    }
  }

  bool fail(const std::string& why) {
    if (!closing_ && !std::exchange(told_, true) && options.error) {
      options.error("No connection to dnstap endpoint: " + why);
    }
    return false;
  }

  // --- connections ---

  bool connect() {
    deadline_ = Clock::now() + options.timings.connect;
    if (!options.path.empty()) {
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      if (options.path.size() >= sizeof address.sun_path) return fail("the path is too long");
      std::memcpy(address.sun_path, options.path.data(), options.path.size());
      where_ = "unix " + options.path;
      const std::string error =
          connect_to(reinterpret_cast<const sockaddr*>(&address), sizeof address);
      return error.empty() || fail("dial " + where_ + ": " + error);
    }
    std::string why;
    for (const Endpoint& endpoint : options.find(why)) {
      if (closing_) return false;
      // Each has its own: looking them up took a while, and the one before may have.
      deadline_ = Clock::now() + options.timings.connect;
      socklen_t size = 0;
      const sockaddr_storage address = socket_address(endpoint, &size);
      where_ = "tcp " + endpoint.to_string();
      const std::string error = connect_to(reinterpret_cast<const sockaddr*>(&address), size);
      if (error.empty()) return true;
      why = "dial " + where_ + ": " + error;
    }
    return fail(why);
  }

  // Why there is no connection; empty: there is one.
  std::string connect_to(const sockaddr* address, socklen_t size) {
    ended_by_ = nullptr;
    fd_ = Descriptor(::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd_) return error_text(errno);
    if (address->sa_family != AF_UNIX && options.write_buffer != 0) {
      const int octets = static_cast<int>(std::min<std::size_t>(options.write_buffer, INT_MAX / 2));
      (void)::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUF, &octets, sizeof octets);
    }
    if (::connect(fd_.get(), address, size) != 0) {
      if (errno != EINPROGRESS) return error_text(errno);
      if (wait(POLLOUT, deadline_) == 0) return "i/o timeout";
      int error = 0;
      socklen_t length = sizeof error;
      (void)::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length);
      if (error != 0) return error_text(error);
    }
    if (peer_) tls_.emplace(*peer_, fd_.get());
    return {};
  }

  void hang_up() noexcept {
    streaming_ = false;
    tls_.reset();
    fd_.reset();
    keep_rest();
  }

  [[nodiscard]] ssize_t send(std::string_view octets) noexcept {
    const std::span from(reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size());
    if (tls_) return tls_->send(from);
    return ::send(fd_.get(), from.data(), from.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  [[nodiscard]] ssize_t receive(std::uint8_t* to, std::size_t size) noexcept {
    if (tls_) return tls_->receive(to, size);
    return ::recv(fd_.get(), to, size, MSG_DONTWAIT);
  }
  [[nodiscard]] short wanted(short plain) const noexcept {
    if (!tls_) return plain;
    return tls_->wants_write() ? POLLOUT : POLLIN;
  }
  std::string problem() {
    if (tls_ && tls_->problem() != nullptr) return "tls: " + std::string(tls_->problem());
    return ended_by_ != nullptr ? ended_by_ : error_text(errno);
  }

  bool lose() { return fail(where_ + ": " + problem()); }

  // Sends all of it while the collector reads. `sent` is what has gone.
  bool send_all(std::string_view octets, std::size_t& sent, Milliseconds stall) {
    Clock::time_point until = Clock::now() + stall;
    while (sent < octets.size()) {
      const ssize_t n = send(octets.substr(sent));
      if (n > 0) {
        sent += static_cast<std::size_t>(n);
        until = Clock::now() + stall;
      } else if (n == 0) {
        ended_by_ = kClosed;
        return false;
      } else if (errno != EAGAIN && errno != EINTR) {
        return false;
      } else if (wait(wanted(POLLOUT), until) == 0 && gone_by(until)) {
        errno = ETIMEDOUT;
        return false;
      }
    }
    return true;
  }
  // Whether `until`, or the time for the end, has passed.
  [[nodiscard]] bool gone_by(Clock::time_point until) {
    const Clock::time_point now = Clock::now();
    return now >= until || (closing_ && (!streaming_ || now >= closing_ends()));
  }

  // Reads control frames that have come. Part: none, or not all of one.
  TapControlReader::Came read_control() {
    std::uint8_t octets[kTapControlMost];
    for (;;) {
      const ssize_t n = receive(octets, sizeof octets);
      if (n > 0) {
        control_.add({reinterpret_cast<const char*>(octets), static_cast<std::size_t>(n)});
        const auto came = control_.next();
        if (came == TapControlReader::Came::Part) continue;
        if (came == TapControlReader::Came::Wrong) ended_by_ = kNoDnstap;
        if (came == TapControlReader::Came::Finish) ended_by_ = kFinished;
        return came;
      }
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return TapControlReader::Came::Part;
      if (n == 0) ended_by_ = kClosed;
      return TapControlReader::Came::Wrong;
    }
  }
  TapControlReader::Came await_control(Clock::time_point until) {
    for (;;) {
      const auto came = read_control();
      if (came != TapControlReader::Came::Part) return came;
      if (wait(wanted(POLLIN), until) == 0 && gone_by(until)) {
        errno = ETIMEDOUT;
        return TapControlReader::Came::Wrong;
      }
    }
  }

  // READY, ACCEPT, START.
  bool greet() {
    control_ = {};
    std::string ready, start;
    put_tap_control(TapControl::Ready, ready);
    put_tap_control(TapControl::Start, start);
    std::size_t sent = 0;
    const auto left = std::chrono::ceil<Milliseconds>(deadline_ - Clock::now());
    if (!send_all(ready, sent, left)) return lose();
    if (await_control(deadline_) != TapControlReader::Came::Accept) return lose();
    sent = 0;
    return send_all(start, sent, options.timings.stall) || lose();
  }

  // Until the connection breaks, or all is over.
  void stream() {
    bool napped = false;
    for (;;) {
      tell_dropped(false);
      if (closing_ && Clock::now() >= closing_ends()) return;
      if (out_.empty()) fill();
      if (!out_.empty()) {
        napped = false;
        out_sent_ = 0;
        if (!send_all(out_, out_sent_, options.timings.stall)) return;
        sent_.fetch_add(out_frames_, std::memory_order_relaxed);
        out_.clear();
        out_frames_ = 0;
        continue;
      }
      if (closing_) return goodbye();
      short came = 0;
      if (!std::exchange(napped, true)) {
        came = wait(wanted(POLLIN), Clock::now() + kNap);
      } else {
        asleep_.store(true);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        const bool nothing = std::all_of(rings_.begin(), rings_.end(),
                                         [](const Ring& ring) { return ring.ring.empty(); });
        if (nothing) came = wait(POLLIN, Clock::time_point::max(), true);
        asleep_.store(false);
      }
      // A collector says nothing before the end.
      if (came != 0 && read_control() != TapControlReader::Came::Part) return;
    }
  }

  void goodbye() {
    std::string stop;
    put_tap_control(TapControl::Stop, stop);
    std::size_t sent = 0;
    if (send_all(stop, sent, options.timings.close)) (void)await_control(closing_ends());
  }

  // --- messages ---

  void fill() {
    const std::int64_t offset =
        std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count() -
        monotonic_ns();
    if (offset - offset_ > kDrift || offset_ - offset > kDrift) offset_ = offset;
    // Not always the same ring first.
    for (std::size_t i = 0; i < rings_.size() && out_.size() < kBatch; ++i) {
      Ring& ring = rings_[next_++ % rings_.size()];
      while (out_.size() < kBatch && ring.ring.take(record_)) add(record_);
    }
  }

  void add(std::span<const std::uint8_t> record) {
    Head head;
    std::memcpy(&head, record.data(), sizeof head);
    record = record.subspan(sizeof head);
    const std::size_t size = out_.size();
    try {
      TapMessage message{head.type, head.transport, head.query, head.response};
      message.query_ns = head.query_ns + offset_;
      message.response_ns = head.response_ns + offset_;
      message.octets = record.first(head.octets);
      message.identity = options.identity;
      message.version = options.version;
      std::string extra;
      if (head.has_facts) extra = extra_of(record.subspan(head.octets));
      message.extra = head.has_facts ? extra : options.extra;
      put_tap_frame(message, scratch_, out_);
      ++out_frames_;
    } catch (...) {  // no memory
      out_.resize(size);
      lost_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  std::string extra_of(std::span<const std::uint8_t> octets) {
    Facts facts;
    std::memcpy(&facts, octets.data(), sizeof facts);
    return options.make_extra({facts.query,
                               facts.client,
                               facts.local,
                               facts.transport,
                               0,
                               {},
                               {},
                               {},
                               0,
                               facts.upstream});
  }

  // What is left of a batch when the connection has gone: the frame that it broke off in is lost.
  void keep_rest() noexcept {
    std::size_t at = 0;
    while (at < out_sent_ && at < out_.size()) {
      std::size_t size = 0;
      for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<std::uint8_t>(out_[at++]);
      at += size;
      --out_frames_;
      (at <= out_sent_ ? sent_ : lost_).fetch_add(1, std::memory_order_relaxed);
    }
    out_.erase(0, std::min(at, out_.size()));
    out_sent_ = 0;
  }

  const Descriptor wake_;
  std::deque<Ring> rings_;  // by worker
  std::atomic<bool> asleep_{false};
  std::atomic<bool> closing_{false};
  std::atomic<std::uint64_t> sent_{0}, lost_{0};
  std::mutex mutex_;
  std::condition_variable over_;
  bool started_ = false, ended_ = false;  // guarded by mutex_
  Clock::time_point close_at_{};          // likewise

  // The thread's.
  std::optional<TlsPeer> peer_;
  Descriptor fd_;
  std::optional<TlsStream> tls_;
  TapControlReader control_;
  Clock::time_point deadline_{};
  Clock::time_point tell_at_ = Clock::now() + options.timings.tell;
  std::uint64_t told_dropped_ = 0;
  bool told_ = false;       // that there is no connection
  std::string where_ = {};  // the collector that was tried last
  // Why the connection ended, when it was neither the socket nor TLS.
  const char* ended_by_ = nullptr;
  static constexpr const char* kClosed = "the collector closed the connection";
  static constexpr const char* kFinished = "the collector has ended the stream";
  static constexpr const char* kNoDnstap = "the collector does not speak dnstap";
  bool streaming_ = false;
  std::size_t next_ = 0;
  std::vector<std::uint8_t> record_;
  std::string scratch_, out_;
  std::size_t out_sent_ = 0, out_frames_ = 0;
  std::int64_t offset_ = 0;  // from the monotonic clock to 1970
};

Tap::Tap(Options options) : state_(std::make_shared<State>(std::move(options))) {}
Tap::~Tap() = default;

void Tap::start() {
  if (state_->started()) return;
  state_->start();
  try {
    thread_without_signals([state = state_] { state->run(); }).detach();
  } catch (...) {
    state_->never_started();
    throw;
  }
}

void Tap::begin_close() noexcept { state_->begin_close(); }

void Tap::close() noexcept { state_->close(); }
std::uint64_t Tap::sent() const noexcept { return state_->sent(); }
std::uint64_t Tap::dropped() const noexcept { return state_->dropped(); }

void Tap::put(unsigned worker, Head& head, std::span<const std::uint8_t> octets,
              const Facts* facts) noexcept {
  if (!state_->options.full) octets = {};
  head.octets = static_cast<std::uint32_t>(octets.size());
  head.has_facts = facts != nullptr;
  const TapRing::Part parts[] = {octets_of(head), octets,
                                 facts == nullptr ? TapRing::Part{} : octets_of(*facts)};
  state_->put(worker, parts);
}

void Tap::on_query(const Exchange& exchange) noexcept {
  see(TapType::ClientQuery,
      {exchange.query,
       exchange.client,
       exchange.local,
       exchange.transport,
       exchange.received_ns,
       {},
       {},
       {},
       0},
      *exchange.worker);
}

void Tap::on_answer(const AnswerObserver::Event& event, const WorkerContext& worker) noexcept {
  // Stages see no other classes, see Stage::serves().
  if (event.query.qclass != RRClass::IN) see(TapType::ClientQuery, event, worker);
  see(TapType::ClientResponse, event, worker);
}

void Tap::see(TapType type, const AnswerObserver::Event& event,
              const WorkerContext& worker) noexcept {
  const bool response = type == TapType::ClientResponse;
  Head head{type,
            event.transport,
            false,
            event.client,
            {},
            event.received_ns,
            response ? monotonic_ns() : 0};
  // What waited for something has its question only.
  std::span<const std::uint8_t> octets;
  if (response) {
    octets = event.response;
  } else if (event.query.qclass == RRClass::IN) {
    octets = {event.query.packet, event.query.size};
  }
  if (!state_->options.make_extra) return put(worker.index, head, octets, nullptr);
  const Facts facts{event.query, event.client, event.local, response ? event.upstream : Endpoint{},
                    event.transport};
  put(worker.index, head, octets, &facts);
}

void Tap::on_upstream(const Seen& seen) noexcept {
  Head head{seen.reply ? TapType::ForwarderResponse : TapType::ForwarderQuery,
            seen.transport,
            false,
            seen.local,
            seen.upstream,
            seen.asked_ns,
            seen.reply ? monotonic_ns() : 0};
  if (!state_->options.make_extra) return put(seen.worker, head, seen.message, nullptr);
  Facts facts{{}, {}, seen.local, seen.upstream, seen.transport};
  facts.query.id = load_u16(seen.message.data());
  facts.query.flags = load_u16(seen.message.data() + 2);
  facts.query.size = seen.message.size();
  facts.query.qtype = seen.type;
  facts.query.qclass = RRClass::IN;
  facts.query.qname_size =
      static_cast<std::uint8_t>(std::min(seen.name.size(), facts.query.lower.size()));
  std::copy_n(seen.name.begin(), facts.query.qname_size, facts.query.lower.begin());
  put(seen.worker, head, seen.message, &facts);
}

Verdict TapStage::handle(Exchange& exchange) noexcept {
  // A question that is asked for another one is nobody's.
  if (exchange.depth == 0) tap_->on_query(exchange);
  return Verdict::Next;
}

}  // namespace clusterdns::dns
