// The upstreams of one forward stage as one worker sees them: who is asked, who next, who is dead.
//
// A question goes to one upstream. If that stays silent for `retry_after`, the next is asked as
// well, while an answer of the first still counts: the first good answer wins. An upstream that has
// not said a word since is marked dead and asked last; a health check in a while finds out whether it
// is back, at no client's cost. SERVFAIL and REFUSED are given a second opinion, once.
//
// An upstream may be this server itself, perhaps by way of others. Then every question comes back as
// a new one and none is answered. So when many requests in a row stay without any reply, a question
// with a random name is sent: if that comes in as a query, the upstream is looped and not asked any
// more, see LoopProbes.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dns/forward/ares_channel.h"
#include "dns/forward/loop_probes.h"
#include "dns/query/stage.h"
#include "dns/wire/name.h"

namespace clusterdns::dns {

// In which order upstreams are asked.
enum class ForwardPolicy : std::uint8_t {
  Random,      // each query starts anywhere (CoreDNS's default)
  RoundRobin,  // each query starts one further
  Sequential,  // always in the order of configuration
};

struct ForwardTimings {
  using Milliseconds = std::chrono::milliseconds;
  // Silence after which the next upstream, or the same again, is asked too: over the recursion time
  // of nearly every name, and early enough for two more tries within `give_up`.
  Milliseconds retry_after{1200};
  // The end, in SERVFAIL. Stub resolvers wait 5 s (glibc and musl), and our error is worth more to
  // them than silence.
  Milliseconds give_up{4500};
  // How often the one timer looks; it only runs while queries are outstanding. Coarse beside
  // `retry_after`, and 20 wake-ups a second cost nothing.
  Milliseconds tick{50};
  // How often a dead upstream gets a health check, as long as questions come.
  Milliseconds probe_every{2000};
  // A TCP connection that carried nothing for so long is closed.
  Milliseconds expire{10'000};
  // A TCP connection is replaced when it is so old; 0: never.
  Milliseconds max_age{0};
  // How often an upstream is looked at for a loop while nothing answers, and while it is looped.
  Milliseconds loop_probe_every{1000};
  Milliseconds looped_probe_every{30'000};
  // A UDP socket is replaced, with its source port, when it is so old or has carried so many
  // requests: a port that never changes can be found out (RFC 5452 section 9.2).
  Milliseconds port_lifetime{60'000};
  std::uint64_t requests_per_port = 8192;
};

struct ForwardOptions {
  std::vector<Endpoint> upstreams;  // at most kMaxUpstreams
  ForwardPolicy policy = ForwardPolicy::Random;
  bool prefer_tcp = false;  // resolv.conf's use-vc, CoreDNS's force_tcp
  // Silent requests, without a word of the upstream since they were sent, that make it dead: one may
  // be a slow name. 0: never.
  unsigned max_fails = 2;
  // Requests for one question at most, whatever happens to them; 0: no such limit.
  unsigned max_attempts = 0;
  // SERVFAIL at once while all upstreams are dead; else they are tried all the same.
  bool fail_fast = false;
  // Bit per rcode: replies with these are a reason to ask the next upstream, until none is left.
  std::uint16_t failover = 0;
  // What a health check asks for, with type NS, and whether with RD.
  Name health_name;
  bool health_recursion = true;
  Name loop_zone;  // below which names of loop probes are made
  ForwardTimings timings;
};

// Rcodes that are counted apart: NOERROR to REFUSED by their numbers, then all others.
inline constexpr std::size_t kCountedRcodes = 7;
// Bounds of 0.25 ms, doubling to 8.192 s, then the rest: CoreDNS's buckets.
inline constexpr std::size_t kDurationBuckets = 17;

// What one worker counted about one upstream. Written by the worker, readable from any thread.
struct UpstreamCounters {
  std::atomic<std::uint64_t> requests{0};  // probes not included
  std::array<std::atomic<std::uint64_t>, kCountedRcodes> replies{};
  std::array<std::array<std::atomic<std::uint64_t>, kDurationBuckets>, kCountedRcodes> durations{};
  std::array<std::atomic<std::uint64_t>, kCountedRcodes> duration_sum_ns{};
  std::atomic<std::uint64_t> failed_checks{0};  // health checks without an answer
  // Requests that found an open socket, or opened one; by Transport.
  std::array<std::atomic<std::uint64_t>, 2> socket_reused{};
  std::array<std::atomic<std::uint64_t>, 2> socket_opened{};
};

// What one worker counted since it started. Written by the worker, readable from any thread.
struct ForwardCounters {
  std::atomic<std::uint64_t> questions{0};
  std::atomic<std::uint64_t> requests{0};  // sent to upstreams, retries and probes included
  std::atomic<std::uint64_t> replies{0};
  std::atomic<std::uint64_t> retries{0};  // after silence
  std::atomic<std::uint64_t> second_opinions{0};
  std::atomic<std::uint64_t> tcp_after_tc{0};
  std::atomic<std::uint64_t> invalid{0};     // replies that are no answer to the question
  std::atomic<std::uint64_t> failed{0};      // questions that ended without a reply
  std::atomic<std::uint64_t> over_limit{0};  // questions refused at kMaxOutstanding
  std::atomic<std::uint64_t> marked_dead{0};
  std::atomic<std::uint64_t> all_dead{0};  // questions while every upstream was dead
  std::atomic<std::uint64_t> ticks{0};
};

// One thread, that of `io`. Lives until nobody holds it and no question is under way.
class UpstreamChannel : public std::enable_shared_from_this<UpstreamChannel> {
 public:
  // Questions under way at once: what a dead upstream may pile up before it is known to be dead,
  // some 2 KiB each; beyond it the clients get SERVFAIL at once.
  static constexpr std::size_t kMaxOutstanding = 4096;
  // Requests for one question after silence: the first, and two more until `give_up`.
  static constexpr unsigned kMaxTries = 3;
  // Requests without any reply in between that make a loop likely enough to look: the largest batch
  // of queries that a worker reads before it sees replies.
  static constexpr unsigned kLoopSuspicion = 64;

  class Exchange;

  // `loops` may be nullptr: then none are looked for. `worker` is the index to it.
  [[nodiscard]] static std::shared_ptr<UpstreamChannel> create(
      boost::asio::io_context& io, const ForwardOptions& options,
      std::shared_ptr<LoopProbes> loops = nullptr, unsigned worker = 0);
  // Use create().
  UpstreamChannel(boost::asio::io_context& io, const ForwardOptions& options,
                  std::shared_ptr<LoopProbes> loops, unsigned worker);
  UpstreamChannel(const UpstreamChannel&) = delete;
  UpstreamChannel& operator=(const UpstreamChannel&) = delete;
  // Exchanges still under way end without a word.
  ~UpstreamChannel();

  // Asks; `exchange->done()` is called exactly once, perhaps before this returns.
  void ask(std::unique_ptr<Exchange> exchange) noexcept;

  // Looks for a loop through every upstream.
  void probe_loops() noexcept;

  [[nodiscard]] const ForwardCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] const UpstreamCounters& counters(std::size_t upstream) const noexcept {
    return upstream_counters_[upstream];
  }
  [[nodiscard]] std::size_t outstanding() const noexcept { return outstanding_; }
  [[nodiscard]] bool is_dead(std::size_t upstream) const noexcept;

 private:
  using Clock = std::chrono::steady_clock;
  struct Attempt;
  struct Server;
  struct RetryTag;
  struct StartTag;
  using AutoUnlink = boost::intrusive::link_mode<boost::intrusive::auto_unlink>;
  using AttemptHook = boost::intrusive::list_base_hook<AutoUnlink>;
  using RetryHook = boost::intrusive::list_base_hook<AutoUnlink, boost::intrusive::tag<RetryTag>>;
  using StartHook = boost::intrusive::list_base_hook<AutoUnlink, boost::intrusive::tag<StartTag>>;

 public:
  // A question and who waits for the answer.
  class Exchange : public RetryHook, public StartHook {
   public:
    Exchange();
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;
    virtual ~Exchange();

    // The request as the client made it; its id does not matter. The same octets on every call.
    [[nodiscard]] virtual std::span<const std::uint8_t> request() const noexcept = 0;
    // The end of the question. May ask() another one.
    virtual void done(const Upstream::Reply& reply) noexcept = 0;

   private:
    friend class UpstreamChannel;
    boost::intrusive::list<Attempt, boost::intrusive::base_hook<AttemptHook>,
                           boost::intrusive::constant_time_size<false>>
        open_;
    Clock::time_point started_{};
    Clock::time_point retry_at_{};
    std::vector<std::uint8_t> fallback_;  // a SERVFAIL, REFUSED or truncated reply kept meanwhile
    std::uint32_t tried_ = 0;             // bit per upstream
    std::uint8_t tries_ = 0;     // after silence
    std::uint16_t attempts_ = 0;  // requests sent
    bool second_opinion_ = false;
    bool tcp_again_ = false;
    bool same_again_ = false;
    bool silent_ = false;   // some upstream said nothing
    bool invalid_ = false;  // some upstream answered nonsense
  };

 private:
  using RetryList = boost::intrusive::list<Exchange, boost::intrusive::base_hook<RetryHook>,
                                           boost::intrusive::constant_time_size<false>>;
  using StartList = boost::intrusive::list<Exchange, boost::intrusive::base_hook<StartHook>,
                                           boost::intrusive::constant_time_size<false>>;

  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  [[nodiscard]] std::size_t first_choice() noexcept;
  [[nodiscard]] std::size_t next_choice(const Exchange& exchange, bool untried_only) noexcept;
  void send(Exchange& exchange, std::size_t upstream, Transport transport) noexcept;
  // Whether one more request may be sent for this question.
  [[nodiscard]] bool may_send(const Exchange& exchange) const noexcept {
    return max_attempts_ == 0 || exchange.attempts_ < max_attempts_;
  }
  // Whether the upstream had better be asked last: dead, or this server itself.
  [[nodiscard]] bool is_bad(std::size_t upstream) const noexcept;
  [[nodiscard]] bool is_looped(std::size_t upstream) const noexcept {
    return loops_ != nullptr && loops_->looped(upstream);
  }
  void check_dead(Clock::time_point now) noexcept;
  void send_probe(std::size_t upstream, NameView name, RRType type, bool recursion, bool for_loop,
                  Clock::time_point now) noexcept;
  void probe_loop(std::size_t upstream, Clock::time_point now) noexcept;
  void leave_looped() noexcept;
  void attempt_done(Attempt& attempt, AresAttempt::Outcome outcome,
                    std::span<const std::uint8_t> message, bool cut) noexcept;
  void on_reply(Exchange& exchange, std::size_t upstream, Transport transport,
                std::span<const std::uint8_t> message, bool cut) noexcept;
  void on_failure(Exchange& exchange, std::size_t upstream, Transport transport) noexcept;
  void on_silence(Exchange& exchange, Clock::time_point now) noexcept;
  void mark_dead(Server& server, Clock::time_point now) noexcept;
  void conclude(Exchange& exchange) noexcept;
  void finish(Exchange& exchange, const Upstream::Reply& reply) noexcept;
  AresChannel& channel_for(Server& server, Transport transport);
  void arm_timer() noexcept;
  void on_tick() noexcept;
  [[nodiscard]] bool idle() const noexcept;
  static void count(std::atomic<std::uint64_t>& counter) noexcept {
    // One writer: no read-modify-write needed.
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  boost::asio::io_context& io_;
  boost::asio::steady_timer timer_;
  const ForwardPolicy policy_;
  const bool prefer_tcp_;
  const unsigned max_fails_;
  const unsigned max_attempts_;
  const bool fail_fast_;
  const std::uint16_t failover_;
  const Name health_name_;
  const bool health_recursion_;
  const Name loop_zone_;
  const ForwardTimings timings_;
  const std::shared_ptr<LoopProbes> loops_;
  const unsigned worker_;
  const std::string silent_text_;
  const std::string unreachable_text_;
  const std::string invalid_text_;
  RandomIds random_ids_;
  ReceiveBatch batch_;
  std::vector<std::unique_ptr<Server>> servers_;
  std::vector<UpstreamCounters> upstream_counters_;
  std::vector<std::uint8_t> request_;  // scratch: the request under its own id
  RetryList by_retry_;                 // soonest retry first: the interval is the same for all
  StartList by_start_;                 // oldest first
  std::size_t outstanding_ = 0;
  std::size_t turn_ = 0;
  std::uint32_t left_looped_ = 0;  // bit per upstream whose requests were given up for a loop
  bool timer_armed_ = false;
  bool passed_over_ = false;  // the tick before this one came too late to judge by
  Clock::time_point tick_due_{};
  bool closing_ = false;
  ForwardCounters counters_;
};

}  // namespace clusterdns::dns
