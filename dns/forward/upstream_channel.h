// The upstreams of one forward stage as one worker sees them: who is asked, who next, who is dead.
//
// A question goes to one upstream. If that stays silent for `retry_after`, the next is asked as
// well, while an answer of the first still counts: the first good answer wins. An upstream that has
// not said a word since is doubted: it is asked last, and a health check finds out at once whether
// it is there, at no client's cost. It is dead when that fails, too, and checked again and again as
// long as there are questions, and for a while after the last. SERVFAIL, REFUSED, FORMERR and
// NOTIMP are given a second opinion, once.
//
// Where there are many questions that takes too long. How long answers take is known, as for TCP's
// retransmissions (RFC 6298): three requests that are older than an answer should be, without a
// word since, make an upstream doubted as well, and what waits there goes elsewhere at once.
//
// Equal questions under way are one: each further one would give a forged reply one more id to hit
// (RFC 5452 section 5), and an upstream one more request.
//
// A hedge is a second request to the next best upstream, soon, for a question that takes longer
// than most: the first good answer wins. A bucket bounds how many there are.
//
// A message that is no reply to the question is counted and waited past (RFC 5452 section 9.1). A
// reply that nothing can be done with is asked for again over TCP, then of the next upstream.
//
// An upstream may be this server itself, perhaps by way of others. Then every question comes back
// as a new one and none is answered. So when many requests in a row stay without any reply, a
// question with a random name is sent: if that comes in as a query, the upstream is looped and not
// asked any more, see LoopProbes. A single question in a circle meets itself under way and
// multiplies no more.
#pragma once

#include <array>
#include <atomic>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dns/forward/loop_probes.h"
#include "dns/forward/transport.h"
#include "dns/forward/upstream_health.h"
#include "dns/net/fair_list.h"
#include "dns/query/upstream.h"
#include "dns/query/upstream_tap.h"
#include "dns/wire/name.h"
#include "dns/wire/reply_check.h"

namespace clusterdns::dns {

// In which order upstreams are asked.
enum class ForwardPolicy : std::uint8_t {
  Random,      // each query starts anywhere (CoreDNS's default)
  RoundRobin,  // each query starts one further
  Sequential,  // always in the order of configuration
  Latency,     // the one whose answers come soonest, losses and deviation counted in
};

// When a question is asked of a second upstream though the first is not silent yet; not at all with
// neither.
struct HedgeTiming {
  int percentile = 0;                  // so many in a hundred answers of the first come sooner
  std::chrono::milliseconds after{0};  // or always after this
};

struct ForwardTimings {
  using Milliseconds = std::chrono::milliseconds;
  // Silence after which the next upstream, or the same again, is asked too: over the recursion time
  // of nearly every name, and early enough for two more tries within `give_up`.
  Milliseconds retry_after{1200};
  // The end, in SERVFAIL. Stub resolvers wait 5 s (glibc and musl), and our error is worth more to
  // them than silence.
  Milliseconds give_up{4500};
  // How often the one timer looks; it only runs while questions are under way. Coarse beside
  // `retry_after`, and 20 wake-ups a second cost nothing.
  Milliseconds tick{50};
  // How often an upstream that is passed over gets a health check, from the first failure on.
  Milliseconds probe_every{2000};
  // A TCP connection that carried nothing for so long is closed.
  Milliseconds expire{10'000};
  // A TCP connection is replaced when it is so old; 0: never.
  Milliseconds max_age{0};
  // How often an upstream is looked at for a loop while nothing answers, and while it is looped.
  Milliseconds loop_probe_every{1000};
  Milliseconds looped_probe_every{30'000};
  // How long an upstream that knows no EDNS is asked without; it may have been replaced.
  Milliseconds plain_for{15 * 60'000};
  // See TransportOptions.
  Milliseconds port_lifetime{60'000};
  std::uint32_t requests_per_port = 1024;
};

struct ForwardOptions {
  std::vector<UpstreamServer> upstreams;  // at most kMaxUpstreams
  // See TransportOptions.
  std::optional<boost::asio::ip::address> source = {};
  ForwardPolicy policy = ForwardPolicy::Random;
  bool prefer_tcp = false;  // resolv.conf's use-vc, CoreDNS's force_tcp
  // Names in requests over UDP have capitals by chance, which a reply must have, too, from
  // upstreams that are known to give them back: so many more bits for a forger to guess
  // (draft-vixie-dnsext-dns0x20).
  bool mixed_case = false;
  // Silent requests, without a word of the upstream since they were sent, after which it is passed
  // over and checked: one may be a slow name. 0: never.
  unsigned max_fails = 2;
  // Requests for one question at most, whatever happens to them; 0: no such limit.
  unsigned max_attempts = 0;
  // SERVFAIL at once while all upstreams are dead by checks of late; else they are tried all the
  // same.
  bool fail_fast = false;
  // Bit per rcode: replies with these are a reason to ask the next upstream, until none is left.
  std::uint16_t failover = 0;
  // What a health check asks for, with type NS, and whether with RD.
  Name health_name;
  bool health_recursion = true;
  Name loop_zone;  // below which names of loop probes are made
  // They see what is asked and answered, but for probes.
  std::vector<std::shared_ptr<UpstreamTap>> taps = {};
  ForwardTimings timings;
  HedgeTiming hedge;
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
  std::atomic<std::uint64_t> merged{0};   // questions that were under way already
  std::atomic<std::uint64_t> invalid{0};  // messages that are no use as an answer
  std::atomic<std::uint64_t> failed{0};   // questions that ended without a reply
  // Refused for want of octets or requests, or given up for others.
  std::atomic<std::uint64_t> over_limit{0};
  std::atomic<std::uint64_t> rejected{0};  // the same for max_concurrent
  std::atomic<std::uint64_t> all_dead{0};  // questions while every upstream was passed over
  std::atomic<std::uint64_t> hedged{0};    // questions that were asked of a second upstream early
  std::atomic<std::uint64_t> ticks{0};     // of the timer, which rests while nothing waits
};

// One thread, that of the worker. Lives until nobody holds it and no question is under way.
class UpstreamChannel : public std::enable_shared_from_this<UpstreamChannel> {
 public:
  // What waits for upstreams in the whole process, in octets, shared evenly by the workers; but
  // none has less than kLeastOctets. A query that waits is counted with 4 to 5 KiB, so that some
  // 10,000 may wait. Beyond it the client that has most waiting loses one to whoever has less, and
  // whoever has most is told SERVFAIL at once.
  static constexpr std::size_t kProcessOctets = std::size_t{48} << 20;
  static constexpr std::size_t kLeastOctets = std::size_t{3} << 20;
  // Of these, replies that are kept until the next upstream has spoken; beyond it only their rcode
  // is.
  static constexpr std::size_t kKeptOctets = std::size_t{1} << 20;
  // Requests whose questions have ended, and which an upstream may still answer: that tells that it
  // is alive. More are forgotten.
  static constexpr std::size_t kMaxLoose = 4096;
  // Health checks under way. Questions do not push them out; beyond it there is none for a while.
  static constexpr std::size_t kMaxChecks = 256;
  // Requests under way to one upstream for questions that wait, below what the transport has ids
  // for. When they are used up, the client that has most waiting loses one to whoever has less.
  // From half of them on a question is asked again in the place of its last request, not beside it.
  static constexpr std::size_t kMaxRequests = 12'000;
  // Upstreams that are passed over are checked for so long after the last question.
  static constexpr std::chrono::seconds kCheckedFor{10};
  // Requests for one question after silence: the first, and two more until `give_up`.
  static constexpr unsigned kMaxTries = 3;
  // Requests older than an answer should be, without any reply, after which an upstream is doubted.
  static constexpr unsigned kOverdue = 3;
  // Less than that is no reason: machines and networks stand still for so long.
  static constexpr std::chrono::milliseconds kLeastPatience{100};
  // Hedges are paid from a bucket that holds so many, and gains a part of one with each question.
  static constexpr unsigned kMostHedges = 10;
  static constexpr unsigned kQuestionsPerHedge = 20;
  // Where the quickest upstream is asked, the others are known by copies of questions: one for so
  // many, and one in so long. Nobody waits for them.
  static constexpr unsigned kQuestionsPerCopy = 100;
  static constexpr std::chrono::seconds kCopyEvery{1};
  // Requests without any reply in between that make a loop likely enough to look: the largest batch
  // of queries that a worker reads before it sees replies.
  static constexpr unsigned kLoopSuspicion = 64;

  // `shared` is that of all workers. `loops` may be nullptr: then none are looked for.
  [[nodiscard]] static std::shared_ptr<UpstreamChannel> create(
      WorkerContext& worker, const ForwardOptions& options,
      std::shared_ptr<SharedForwarding> shared, std::shared_ptr<LoopProbes> loops = nullptr);
  // Use create().
  UpstreamChannel(WorkerContext& worker, const ForwardOptions& options,
                  std::shared_ptr<SharedForwarding> shared, std::shared_ptr<LoopProbes> loops);
  UpstreamChannel(const UpstreamChannel&) = delete;
  UpstreamChannel& operator=(const UpstreamChannel&) = delete;
  // Who still waits is not told.
  ~UpstreamChannel();

  // Why a question of this client would be refused now. When it would not, the next ask() is not
  // refused either: room has been made for it.
  struct Refusal {
    Rcode rcode = Rcode::ServFail;
    ExtendedErrorNote note;
  };
  [[nodiscard]] std::optional<Refusal> refusal(const Endpoint& client) noexcept;

  // Asks; `waiter->done()` is called later, and not from inside this.
  void ask(const UpstreamClient& client, const UpstreamQuestion& question,
           std::unique_ptr<UpstreamWaiter> waiter);

  // Looks for a loop through every upstream.
  void probe_loops() noexcept;

  [[nodiscard]] const ForwardCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] const UpstreamCounters& counters(std::size_t upstream) const noexcept {
    return upstream_counters_[upstream];
  }
  // Questions under way, and who waits for them.
  [[nodiscard]] std::size_t questions() const noexcept { return questions_; }
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_; }

 private:
  using Clock = UpstreamClock;
  enum class Purpose : std::uint8_t { Question, Copy, HealthCheck, LoopProbe };
  // What there is too little of: octets, places (max_concurrent), or requests to one upstream.
  enum class Scarce : std::uint8_t { Octets, Places, Requests };
  struct Attempt;
  struct Inquiry;
  struct Waiter;
  struct Server;
  struct RetryTag;
  struct StartTag;
  struct HedgeTag;
  using AutoUnlink = boost::intrusive::link_mode<boost::intrusive::auto_unlink>;
  template <class Tag>
  using Hook = boost::intrusive::list_base_hook<AutoUnlink, boost::intrusive::tag<Tag>>;
  template <class T, class Tag>
  using List = boost::intrusive::list<T, boost::intrusive::base_hook<Hook<Tag>>,
                                      boost::intrusive::constant_time_size<false>>;
  using Attempts = List<Attempt, Attempt>;
  using Waiters = List<Waiter, Waiter>;

  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  // An upstream and how to ask it.
  struct Next {
    std::size_t upstream = kNone;
    Transport transport = Transport::Udp;
  };

  // How `upstream` is asked unless there is a reason for another way.
  [[nodiscard]] Next first(std::size_t upstream) const noexcept {
    const bool tcp = options_.prefer_tcp || options_.upstreams[upstream].tls != nullptr;
    return {upstream, tcp ? Transport::Tcp : Transport::Udp};
  }

  // Who is asked.
  [[nodiscard]] std::size_t first_choice() noexcept;
  // How long answers of it take, losses counted in; max(): not known.
  [[nodiscard]] std::chrono::nanoseconds rank(std::size_t upstream) const noexcept;
  [[nodiscard]] std::size_t quickest() const noexcept;
  [[nodiscard]] std::size_t next_choice(const Inquiry& inquiry, bool untried_only) noexcept;
  [[nodiscard]] bool may_send(const Inquiry& inquiry) const noexcept;
  [[nodiscard]] bool is_bad(std::size_t upstream) const noexcept;
  [[nodiscard]] bool is_looped(std::size_t upstream) const noexcept {
    return loops_ != nullptr && loops_->looped(upstream);
  }

  // The way of a question. What is sent may end it: it is not touched after send().
  [[nodiscard]] Inquiry* find(const UpstreamQuestion& question, std::uint64_t hash) noexcept;
  void came_again(const Inquiry& inquiry, const Endpoint& client) noexcept;
  void take_in(Inquiry& inquiry);
  void send(Inquiry& inquiry, Next next) noexcept;
  // To an upstream that is not asked otherwise, for its latency.
  void send_copy(const UpstreamQuestion& question, std::size_t chosen,
                 Clock::time_point now) noexcept;
  [[nodiscard]] std::optional<TransportFailure> transmit(Inquiry& inquiry, Next next, bool* reused);
  [[nodiscard]] std::optional<Next> after_failure(Inquiry& inquiry, Next failed, bool reused,
                                                  const TransportFailure& failure) noexcept;
  void show(const Attempt& attempt, bool reply, std::span<const std::uint8_t> message) noexcept;
  void on_message(Attempt& attempt, std::span<std::uint8_t> message, bool cut) noexcept;
  // Gives the name in a request over UDP capitals, where that is to be.
  void mix_case(Attempt& attempt, std::span<std::uint8_t> request, std::size_t name_size) noexcept;
  // Whether the question of a reply has the capitals of the request. What is to be done when not
  // has been done; `attempt` may be gone.
  [[nodiscard]] bool has_our_case(Attempt& attempt, std::span<const std::uint8_t> message) noexcept;
  void on_reply(Attempt& attempt, std::span<std::uint8_t> message, bool cut,
                const ReplyCheck& check);
  void on_failure(Attempt& attempt, const TransportFailure& failure) noexcept;
  void on_silence(Inquiry& inquiry, Clock::time_point now) noexcept;
  void keep(Inquiry& inquiry, std::size_t upstream, std::span<const std::uint8_t> message,
            const ReplyCheck& check);
  [[nodiscard]] static bool hopeful(const Inquiry& inquiry) noexcept;
  // Asks an upstream that was not asked yet; without one, it ends unless a reply may still come.
  void ask_another(Inquiry& inquiry) noexcept;
  void conclude(Inquiry& inquiry) noexcept;
  void explain(Inquiry& inquiry) noexcept;
  void finish(Inquiry& inquiry, std::span<std::uint8_t> message, const ReplyCheck& check) noexcept;
  void tell(Inquiry& inquiry, std::span<std::uint8_t> message, const ReplyCheck& check) noexcept;
  void let_go(Inquiry& inquiry) noexcept;
  void drop(Attempt& attempt) noexcept;
  void unlist(Attempt& attempt) noexcept;
  void make_loose(Attempt& attempt) noexcept;

  // Hedges.
  void plan_hedge(Inquiry& inquiry, std::size_t chosen) noexcept;
  void arm_hedge(Clock::time_point when) noexcept;
  void on_hedge() noexcept;
  void hedge(Inquiry& inquiry) noexcept;

  // Room for those who wait.
  [[nodiscard]] bool make_room(const ClientKey& client, std::size_t octets) noexcept;
  [[nodiscard]] bool evict_for(const ClientKey& client, Scarce what) noexcept;
  void evict_one(Scarce what) noexcept;
  void pay_debts() noexcept;
  void count_shares() noexcept;
  void give_share(Waiter& waiter) noexcept;
  void publish_most() noexcept;
  std::unique_ptr<Waiter> take_out(Waiter& waiter) noexcept;
  void tell_later(std::unique_ptr<Waiter> waiter, const Refusal& refusal) noexcept;
  [[nodiscard]] Refusal no_room(Scarce what) const noexcept;
  // The upstream that has most requests under way.
  [[nodiscard]] const Server& busiest() const noexcept;
  [[nodiscard]] bool has_room(const Inquiry& inquiry, std::size_t upstream) const noexcept;

  // Health and loops.
  void heard(std::size_t upstream, Clock::time_point now) noexcept;
  void measure(const Attempt& attempt, unsigned rcode, Clock::time_point now) noexcept;
  // It was lost, or as good as that.
  void measure_silence(const Attempt& attempt) noexcept;
  void count_silence(Attempt& attempt, Clock::time_point now) noexcept;
  void doubt(std::size_t upstream, Clock::time_point now) noexcept;
  // Doubts those whose answers are overdue.
  void judge_overdue(Clock::time_point now) noexcept;
  // What waits for one that is passed over is asked elsewhere, where that is better.
  void leave_silent(Clock::time_point now) noexcept;
  // Whether it has said something since this was sent, about that or anything else.
  [[nodiscard]] bool has_spoken_since(const Attempt& attempt) const noexcept;
  // Whether checks of late have failed at all of them.
  [[nodiscard]] bool all_surely_dead(Clock::time_point now) const noexcept;
  [[nodiscard]] bool asked_of_late(Clock::time_point now) const noexcept {
    return now < asked_at_ + kCheckedFor;
  }
  void send_checks(Clock::time_point now) noexcept;
  void check_failed(std::size_t upstream, Clock::time_point now) noexcept;
  void judge_checks(Clock::time_point now) noexcept;
  // When a check is due, if no question comes; max(): none.
  [[nodiscard]] Clock::time_point next_check(Clock::time_point now) const noexcept;
  void send_probe(std::size_t upstream, NameView name, RRType type, bool recursion,
                  Purpose purpose) noexcept;
  void probe_loop(std::size_t upstream, Clock::time_point now) noexcept;
  void leave_looped() noexcept;

  void arm_tick() noexcept;
  void on_tick() noexcept;
  void rest(Clock::time_point now) noexcept;
  static void count(std::atomic<std::uint64_t>& counter) noexcept {
    // One writer: no read-modify-write needed.
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  const std::shared_ptr<UpstreamNetwork> network_;
  const std::shared_ptr<UpstreamOctets> octets_;
  const std::shared_ptr<SharedForwarding> shared_;
  const std::shared_ptr<LoopProbes> loops_;
  const ForwardOptions options_;
  const unsigned worker_;
  const std::string silent_text_;
  const std::string unreachable_text_;
  const std::uint64_t seed_;
  std::shared_ptr<UpstreamTransport> transport_;
  std::unique_ptr<UpstreamTimer> timer_;
  std::vector<Server> servers_;
  std::vector<UpstreamCounters> upstream_counters_;
  std::vector<Inquiry*> table_;       // by hash; a power of two of them
  List<Inquiry, RetryTag> by_retry_;  // soonest retry first: the interval is the same for all
  List<Inquiry, StartTag> by_start_;  // oldest first
  std::unique_ptr<UpstreamTimer> hedge_timer_;  // nullptr: no hedges
  Clock::time_point hedge_due_{};
  bool hedge_armed_ = false;
  bool hedge_was_late_ = false;
  unsigned hedge_credit_ = kMostHedges * kQuestionsPerHedge;
  unsigned since_copy_ = 0;
  std::size_t copy_turn_ = 0;
  Clock::time_point copied_at_{};
  Attempts loose_;            // of questions that have ended, and loop probes; oldest first
  Attempts checks_;           // health checks; oldest first
  FairList<Waiter*> shares_;  // kept only while room is scarce
  bool sharing_ = false;
  std::size_t loose_count_ = 0;
  std::size_t checks_count_ = 0;
  std::size_t questions_ = 0;
  std::size_t waiting_ = 0;
  std::size_t kept_octets_ = 0;
  std::size_t turn_ = 0;
  // Bit per upstream whose requests were given up for a loop, for silence.
  std::uint32_t left_looped_ = 0;
  std::uint32_t left_silent_ = 0;
  bool vouched_ = false;  // refusal() has made room for the next question
  unsigned asking_ = 0;   // calls of ask() under way: what ends meanwhile is told later
  bool tick_armed_ = false;
  bool tick_holds_ = false;   // it keeps this channel alive
  bool passed_over_ = false;  // the tick before this one came too late to judge by
  Clock::time_point tick_due_{};
  Clock::time_point tidy_at_{};
  Clock::time_point asked_at_{};  // the last question
  bool closing_ = false;
  std::vector<std::uint8_t> normal_;  // scratch: a reply normalised, where that takes room
  ForwardCounters counters_;
};

}  // namespace clusterdns::dns
