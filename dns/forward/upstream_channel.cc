#include "dns/forward/upstream_channel.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "dns/base/memory_shortage.h"
#include "dns/forward/attempt_table.h"
#include "dns/forward/failure_text.h"
#include "dns/forward/response_time.h"
#include "dns/query/reply_records.h"
#include "dns/wire/query_writer.h"
#include "dns/wire/types.h"

namespace clusterdns::dns {
namespace {

// A tick this many of its lengths late says that the thread did not run, not that upstreams are
// silent; scheduling alone makes it one or two late.
constexpr int kLateTicks = 3;

constexpr UpstreamClock::time_point kNoTime = UpstreamClock::time_point::max();

// What answers of an upstream take at most of which none is known: over most round trips and most
// of what resolvers do for a name (RFC 6298 section 2.1 has a second, for who has no other peer).
constexpr std::chrono::milliseconds kUnknownPatience{300};

// An upstream on trial is sent a copy of a question once in so long.
constexpr std::chrono::milliseconds kTrialEvery{500};

// Shares are counted from here on, as parts of what there is: counting costs, and while there is
// plenty nobody takes anything from anybody.
constexpr std::size_t kScarceFrom = 4;
constexpr std::size_t kPlentyFrom = 8;

std::string of_upstreams(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " upstream" : " upstreams");
}

void count_reply(UpstreamCounters& counters, unsigned rcode,
                 std::chrono::nanoseconds took) noexcept {
  constexpr std::uint64_t kFirstBound = 250'000;  // nanoseconds
  const auto add = [](std::atomic<std::uint64_t>& counter, std::uint64_t more) {
    counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  };
  const std::size_t index = std::min<std::size_t>(rcode, kCountedRcodes - 1);
  const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 1));
  const auto bucket = static_cast<std::size_t>(std::bit_width((ns - 1) / kFirstBound));
  add(counters.replies[index], 1);
  add(counters.durations[index][std::min(bucket, kDurationBuckets - 1)], 1);
  add(counters.duration_sum_ns[index], ns);
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// The same for questions that differ in letter case only.
std::uint64_t hash_of(const UpstreamQuestion& question, std::uint64_t seed) noexcept {
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;  // 2^64 divided by the golden ratio
  std::array<std::uint8_t, kMaxNameSize + 1 + kPadding> lower;
  const std::size_t size = question.name.size();
  lower_name_padded(question.name.data(), lower.data(), size);
  std::memset(lower.data() + size, 0, 8);
  std::uint64_t h = seed ^ (std::uint64_t{static_cast<std::uint16_t>(question.type)} << 32) ^
                    (std::uint64_t{question.flags()} << 8) ^ (question.dnssec_ok ? 1U : 0U);
  for (std::size_t at = 0; at < size; at += 8) {
    std::uint64_t word;
    std::memcpy(&word, lower.data() + at, 8);
    h = mix(h ^ word, kOdd);
  }
  return mix(h, 0xD6E8FEB86659FD93);
}

bool same(const UpstreamQuestion& a, const UpstreamQuestion& b) noexcept {
  return a.type == b.type && a.flags() == b.flags() && a.dnssec_ok == b.dnssec_ok &&
         equal_options(a.options, b.options) && equal_ignoring_case(a.name.view(), b.name.view());
}

// Which letters of a name are capitals: bit i for octet i.
using Capitals = std::array<std::uint64_t, 4>;

Capitals capitals_of(NameView name) noexcept {
  Capitals capitals{};
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] >= 'A' && name[i] <= 'Z') capitals[i / 64] |= std::uint64_t{1} << i % 64;
  }
  return capitals;
}

// Gives the question of `message` these capitals.
void set_case(std::span<std::uint8_t> message, std::size_t name_size,
              const Capitals& capitals) noexcept {
  for (std::size_t i = 0; i < name_size; ++i) {
    std::uint8_t& octet = message[kHeaderSize + i];
    const std::uint8_t lower = octet | 0x20;
    if (lower < 'a' || lower > 'z') continue;
    octet =
        (capitals[i / 64] >> i % 64 & 1u) != 0 ? static_cast<std::uint8_t>(lower & ~0x20) : lower;
  }
}

// Whether the question of `message` has exactly these.
bool has_case(std::span<const std::uint8_t> message, std::size_t name_size,
              const Capitals& capitals) noexcept {
  if (message.size() < kHeaderSize + name_size) return false;
  return capitals_of(message.subspan(kHeaderSize, name_size)) == capitals;
}

// Rcodes that say that the upstream has no answer, not that there is none.
bool is_refusal(std::uint16_t rcode) noexcept {
  // BADVERS, BADCOOKIE and the like are about our OPT record.
  if (rcode > 15) return true;
  switch (Rcode{rcode}) {
    case Rcode::FormErr:
    case Rcode::ServFail:
    case Rcode::NotImp:
    case Rcode::Refused: return true;
    default: return false;
  }
}

// Whether a checked reply has records in its answer section, and none that belongs to the answer.
bool strays(std::span<const std::uint8_t> reply, const UpstreamQuestion& question) {
  if ((reply[3] & 0xF) != 0 || load_u16(reply.data() + 6) == 0) return false;
  const std::size_t at = kHeaderSize + question.name.size() + 4;
  // Most begin with what was asked for.
  if (reply.size() >= at + 4 && load_u16(reply.data() + at) == (0xC000 | kHeaderSize) &&
      RRType{load_u16(reply.data() + at + 2)} == question.type) {
    return false;
  }
  ReplyRecords records(question.name.view());
  return records.read(reply, {question.type, question.dnssec_ok, {}}, {}) == AnswerKind::Unusable;
}

// The connection was there, and ended without an answer.
bool is_closed(const TransportFailure& failure) noexcept {
  return failure.step == TransportFailure::Step::Read ||
         failure.step == TransportFailure::Step::Write;
}

// The other side, or the way to it, is to blame; not this machine's own want of something.
bool is_theirs(const TransportFailure& failure) noexcept {
  if (failure.step == TransportFailure::Step::Socket) return false;
  return failure.error != ENOMEM && failure.error != ENOBUFS && failure.error != EADDRNOTAVAIL;
}

}  // namespace

// What this worker knows of an upstream. Who answers checks and is silent to questions again is on
// trial: something on the way lets checks through, or it gives up on all but what it knows itself.
// It is passed over and sent copies of questions, for nobody who waits, until it answers one.
struct UpstreamChannel::Server {
  Clock::time_point loop_probe_at{};
  unsigned unanswered = 0;           // requests since the last reply, see kLoopSuspicion
  Clock::time_point overdue_from{};  // when the kOverdue-th of these was sent
  // When the first request was sent since its last reply or silence, to an upstream that nothing
  // speaks for; kNoTime: none was.
  Clock::time_point first_unproven = kNoTime;
  std::size_t open = 0;              // requests under way for questions that wait
  ResponseTime response_time;        // of answers
  ResponseTime standing;             // with what was lost; ForwardPolicy::Latency
  ResponsePercentile percentile;     // when a hedge waits for it
  bool suspect = false;              // it was silent or doubted since it last answered a question
  unsigned doubts = 0;               // since then
  Clock::time_point trial_at{};      // when the next copy may be sent
  List<Inquiry, HedgeTag> by_hedge;  // questions asked of it first, in the order of asking

  static constexpr unsigned kDoubtsToTrial = 2;
  [[nodiscard]] bool on_trial() const noexcept { return doubts >= kDoubtsToTrial; }
  // It answered a question.
  void answered() noexcept {
    unanswered = doubts = 0;
    first_unproven = kNoTime;
    suspect = false;
  }
  // Nothing speaks for it.
  [[nodiscard]] bool unproven(const UpstreamHealth& health) const noexcept {
    return suspect || health.last_word() == Clock::time_point{};
  }
  void doubt(UpstreamHealth& health, Clock::time_point now) noexcept {
    if (health.passed_over()) return;
    health.doubt(now);
    suspect = true;
    if (doubts < kDoubtsToTrial) ++doubts;
  }
  // Of `channel`: a copy of a question to those on trial, and to one.
  static void send_trials(UpstreamChannel& channel, const UpstreamQuestion& question,
                          std::size_t chosen, Clock::time_point now) noexcept;
  static void copy_to(UpstreamChannel& channel, std::size_t upstream,
                      const UpstreamQuestion& question, Clock::time_point now) noexcept;
  // Whether there is another that is not passed over.
  [[nodiscard]] static bool better_than(const UpstreamChannel& channel,
                                        std::size_t upstream) noexcept;
};

// Somebody who waits for a question.
struct UpstreamChannel::Waiter final : Hook<Waiter> {
  std::unique_ptr<UpstreamWaiter> who;
  Inquiry* inquiry = nullptr;
  ClientKey client;
  Transport transport = Transport::Udp;
  Capitals capitals{};
  std::size_t octets = 0;
  std::optional<FairList<Waiter*>::Place> share;
};

struct UpstreamChannel::Attempt final : UpstreamAttempt, Hook<Attempt> {
  Attempt(UpstreamChannel& o, Inquiry* e, Next n, Purpose p, Clock::time_point now)
      : owner(o), inquiry(e), sent(now), upstream(n.upstream), transport(n.transport), purpose(p) {}

  void on_message(std::span<std::uint8_t> message, bool cut) noexcept override {
    owner.on_message(*this, message, cut);
  }
  void on_failure(const TransportFailure& failure) noexcept override {
    owner.on_failure(*this, failure);
  }

  UpstreamChannel& owner;
  Inquiry* inquiry;  // nullptr when the question has ended, and for probes
  const Clock::time_point sent;
  const std::size_t upstream;
  const Transport transport;
  const Purpose purpose;
  Capitals capitals{};  // with `mixed`: of the name as it was sent
  bool mixed = false;
  bool edns = false;    // had an OPT record
  bool reused = false;  // on a connection that was there
  bool counted_silent = false;
  bool counted_reply = false;
  bool useless = false;  // answered by what nothing can be done with; a right one may still come
};

// A question and those who wait for the answer.
struct UpstreamChannel::Inquiry final : Hook<RetryTag>, Hook<StartTag>, Hook<HedgeTag> {
  explicit Inquiry(const UpstreamQuestion& q) : question(q) {}

  const UpstreamQuestion question;
  std::uint64_t hash = 0;
  Inquiry* next = nullptr;  // in the table
  Waiters waiters;
  Attempts open;
  Clock::time_point started{};
  Clock::time_point retry_at{};
  Clock::time_point hedge_at{};
  // A reply that is the answer when no better comes, normalised.
  std::vector<std::uint8_t> fallback;
  ReplyCheck fallback_check;
  std::size_t answered_by = 0;  // upstream whose reply it is, or the fallback
  // Why there is none; `cause` is made when it ends.
  TransportFailure failure;
  Next failed;
  ExtendedErrorNote note;
  std::string cause;
  // Bit per upstream: asked; asked over TCP because of what came over UDP; asked without OPT.
  std::uint32_t tried = 0;
  std::uint32_t tried_tcp = 0;
  std::uint32_t plain = 0;
  // Bit per upstream: a reply came in another letter case than it is known to keep.
  std::uint32_t other_case = 0;
  std::uint16_t attempts = 0;  // requests sent
  std::uint8_t tries = 0;      // after silence
  bool second_opinion = false;
  bool hedged = false;
  bool tcp_again = false;
  unsigned closes = 0;  // connections that ended below it, behind answers to others
  bool same_again = false;
  bool silent = false;   // some upstream said nothing
  bool invalid = false;  // some upstream said nonsense
  bool strayed = false;  // the fallback is what is left of an answer to something else: nothing
  bool ended = false;
};

std::shared_ptr<UpstreamChannel> UpstreamChannel::create(WorkerContext& worker,
                                                         const ForwardOptions& options,
                                                         std::shared_ptr<SharedForwarding> shared,
                                                         std::shared_ptr<LoopProbes> loops) {
  if (worker.network == nullptr) worker.network = make_socket_network(*worker.io);
  if (worker.upstream_octets == nullptr) {
    worker.upstream_octets = std::make_shared<UpstreamOctets>();
    worker.upstream_octets->most =
        std::max(kProcessOctets / std::max(worker.worker_count, 1u), kLeastOctets);
  }
  auto channel =
      std::make_shared<UpstreamChannel>(worker, options, std::move(shared), std::move(loops));
  const ForwardTimings& timings = options.timings;
  TransportOptions transport;
  transport.upstreams = options.upstreams;
  transport.source = options.source;
  transport.port_lifetime = timings.port_lifetime;
  transport.requests_per_port = timings.requests_per_port;
  transport.connection_idle = timings.expire;
  transport.connection_age = timings.max_age;
  channel->transport_ = worker.network->make_transport(std::move(transport), channel);
  return channel;
}

UpstreamChannel::UpstreamChannel(WorkerContext& worker, const ForwardOptions& options,
                                 std::shared_ptr<SharedForwarding> shared,
                                 std::shared_ptr<LoopProbes> loops)
    : network_(worker.network),
      octets_(worker.upstream_octets),
      shared_(std::move(shared)),
      loops_(std::move(loops)),
      options_(options),
      worker_(worker.index),
      silent_text_("no answer from " + of_upstreams(options.upstreams.size())),
      unreachable_text_(of_upstreams(options.upstreams.size()) + " unreachable"),
      seed_(std::uint64_t{network_->random()} << 32 | network_->random()),
      timer_(network_->make_timer()),
      servers_(options.upstreams.size()),
      upstream_counters_(options.upstreams.size()) {
  const bool hedges = options.hedge.percentile != 0 || options.hedge.after.count() != 0;
  if (hedges && servers_.size() > 1) hedge_timer_ = network_->make_timer();
}

UpstreamChannel::~UpstreamChannel() {
  closing_ = true;
  transport_.reset();
  const auto destroy = [](Attempt* attempt) { delete attempt; };
  while (!by_start_.empty()) {
    Inquiry& inquiry = by_start_.front();
    inquiry.Hook<StartTag>::unlink();
    while (!inquiry.waiters.empty()) (void)take_out(inquiry.waiters.front());
    inquiry.open.clear_and_dispose(destroy);
    delete &inquiry;
  }
  loose_.clear_and_dispose(destroy);
  checks_.clear_and_dispose(destroy);
}

// --- a question begins ---

std::optional<UpstreamChannel::Refusal> UpstreamChannel::refusal(const Endpoint& client) noexcept {
  vouched_ = false;
  const auto unreachable = [](const char* text) {
    return Refusal{Rcode::ServFail, {true, ExtendedError::NoReachableAuthority, text}};
  };
  if (servers_.empty()) return unreachable("no upstream to ask");
  if (memory_is_short.load(std::memory_order_relaxed)) [[unlikely]] {
    count(counters_.over_limit);
    return Refusal{Rcode::ServFail, {true, ExtendedError::Other, "out of memory"}};
  }
  const Clock::time_point now = network_->now();
  if (loops_ != nullptr && loops_->any()) {
    ++asking_;
    leave_looped();
    --asking_;
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      if (is_looped(i)) probe_loop(i, now);
    }
  }
  bool all_looped = true;
  bool all_bad = true;
  for (std::size_t i = 0; i < servers_.size() && all_bad; ++i) {
    all_looped = all_looped && is_looped(i);
    all_bad = is_bad(i);
  }
  if (all_bad && all_looped) {
    count(counters_.failed);
    return unreachable("every upstream leads back to this server");
  }
  if (all_bad && options_.fail_fast && all_surely_dead(now)) {
    asked_at_ = now;
    arm_tick();  // for the checks
    count(counters_.all_dead);
    count(counters_.failed);
    Refusal refusal = unreachable("all upstreams are down");
    refusal.note.cause = "no healthy proxies";  // CoreDNS's words
    return refusal;
  }
  const ClientKey key = client_key(client);
  constexpr std::size_t kNeed =
      UpstreamWaiter::kAssumedOctets + sizeof(Waiter) + sizeof(Inquiry) + sizeof(Attempt);
  if (make_room(key, kNeed)) {
    vouched_ = true;
    return std::nullopt;
  }
  const Scarce what = shared_->places.full() ? Scarce::Places : Scarce::Octets;
  count(what == Scarce::Places ? counters_.rejected : counters_.over_limit);
  return no_room(what);
}

UpstreamChannel::Refusal UpstreamChannel::no_room(Scarce what) const noexcept {
  if (what == Scarce::Places) {
    return {Rcode::Refused, {true, ExtendedError::Other, shared_->limit_text.c_str()}};
  }
  return {Rcode::ServFail, {true, ExtendedError::Other, "too many queries to upstreams under way"}};
}

void UpstreamChannel::ask(const UpstreamClient& client, const UpstreamQuestion& question,
                          std::unique_ptr<UpstreamWaiter> who) {
  count(counters_.questions);
  auto waiter = std::make_unique<Waiter>();
  waiter->who = std::move(who);
  if (!vouched_) {
    if (const auto refused = refusal(client.endpoint)) {
      return tell_later(std::move(waiter), *refused);
    }
  }
  vouched_ = false;
  ++asking_;
  waiter->client = client_key(client.endpoint);
  waiter->transport = client.transport;
  waiter->capitals = capitals_of(question.name.view());
  waiter->octets = waiter->who->octets() + sizeof(Waiter);
  const std::uint64_t hash = hash_of(question, seed_);
  Inquiry* inquiry = find(question, hash);
  const bool fresh = inquiry == nullptr;
  if (fresh) {
    inquiry = new Inquiry(question);
    inquiry->hash = hash;
    take_in(*inquiry);
    waiter->octets += sizeof(Inquiry) + sizeof(Attempt);
  } else {
    count(counters_.merged);
    came_again(*inquiry, client.endpoint);
  }
  waiter->inquiry = inquiry;
  octets_->used += waiter->octets;
  shared_->places.take();
  ++waiting_;
  if (sharing_) {
    give_share(*waiter);
    publish_most();
  }
  inquiry->waiters.push_back(*waiter.release());
  if (fresh) {
    const std::size_t chosen = first_choice();
    if (is_bad(chosen)) count(counters_.all_dead);
    inquiry->tries = 1;
    if (hedge_timer_ != nullptr) plan_hedge(*inquiry, chosen);
    if (options_.policy == ForwardPolicy::Latency) {
      send_copy(inquiry->question, chosen, inquiry->started);
    }
    Server::send_trials(*this, inquiry->question, chosen, inquiry->started);
    send(*inquiry, first(chosen));
  }
  --asking_;
}

UpstreamChannel::Inquiry* UpstreamChannel::find(const UpstreamQuestion& question,
                                                std::uint64_t hash) noexcept {
  if (table_.empty()) return nullptr;
  for (Inquiry* at = table_[hash & (table_.size() - 1)]; at != nullptr; at = at->next) {
    if (at->hash == hash && same(at->question, question)) return at;
  }
  return nullptr;
}

// It is asked for again while it is under way. That may be our own request, come back: when it
// comes from where that was sent to, or from the port it was sent from, or after a while in which
// whoever has it has not said a word.
void UpstreamChannel::came_again(const Inquiry& inquiry, const Endpoint& client) noexcept {
  if (loops_ == nullptr) return;
  const Clock::time_point now = network_->now();
  for (const Attempt& attempt : inquiry.open) {
    if (shared_->health[attempt.upstream].last_word() >= inquiry.started) continue;
    if (servers_[attempt.upstream].loop_probe_at > now) continue;
    const Endpoint& upstream = options_.upstreams[attempt.upstream];
    if (now - inquiry.started >= options_.timings.retry_after ||
        (client.v6 == upstream.v6 && client.address == upstream.address) ||
        transport_->place(attempt).local.port == client.port) {
      probe_loop(attempt.upstream, now);
    }
  }
}

// Into the table and the lists of time.
void UpstreamChannel::take_in(Inquiry& inquiry) {
  constexpr std::size_t kFirst = 16;
  if (questions_ == table_.size()) {
    std::vector<Inquiry*> old(table_.empty() ? kFirst : table_.size() * 2, nullptr);
    old.swap(table_);
    for (Inquiry* at : old) {
      while (at != nullptr) {
        Inquiry* const next = at->next;
        Inquiry*& first = table_[at->hash & (table_.size() - 1)];
        at->next = first;
        first = at;
        at = next;
      }
    }
  }
  Inquiry*& first = table_[inquiry.hash & (table_.size() - 1)];
  inquiry.next = first;
  first = &inquiry;
  ++questions_;
  inquiry.started = asked_at_ = network_->now();
  inquiry.retry_at = inquiry.started + options_.timings.retry_after;
  by_start_.push_back(inquiry);
  by_retry_.push_back(inquiry);
  arm_tick();
}

// Out of the table and the lists; what is under way for it stays so, for nobody.
void UpstreamChannel::let_go(Inquiry& inquiry) noexcept {
  inquiry.ended = true;
  Inquiry** at = &table_[inquiry.hash & (table_.size() - 1)];
  while (*at != &inquiry) at = &(*at)->next;
  *at = inquiry.next;
  --questions_;
  inquiry.Hook<RetryTag>::unlink();
  inquiry.Hook<StartTag>::unlink();
  inquiry.Hook<HedgeTag>::unlink();
  while (!inquiry.open.empty()) {
    Attempt& attempt = inquiry.open.front();
    if (attempt.useless) {
      drop(attempt);
    } else {
      make_loose(attempt);
    }
  }
}

// --- who is asked ---

bool UpstreamChannel::may_send(const Inquiry& inquiry) const noexcept {
  return options_.max_attempts == 0 || inquiry.attempts < options_.max_attempts;
}

bool UpstreamChannel::is_bad(std::size_t upstream) const noexcept {
  return shared_->health[upstream].passed_over() || servers_[upstream].on_trial() ||
         is_looped(upstream);
}

// Where the policy starts.
std::size_t UpstreamChannel::first_choice() noexcept {
  switch (options_.policy) {
    case ForwardPolicy::Random: turn_ = servers_.size() > 1 ? network_->random() : 0; break;
    case ForwardPolicy::RoundRobin: ++turn_; break;
    case ForwardPolicy::Sequential: turn_ = 0; break;
    case ForwardPolicy::Latency: turn_ = quickest(); break;
  }
  turn_ %= servers_.size();
  std::size_t last = turn_;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const std::size_t candidate = (turn_ + i) % servers_.size();
    if (!is_bad(candidate)) return candidate;
    if (is_looped(last)) last = candidate;
  }
  return last;
}

std::chrono::nanoseconds UpstreamChannel::rank(std::size_t upstream) const noexcept {
  return servers_[upstream].standing.most(std::chrono::nanoseconds::max());
}

// Those that nothing is known of are known by copies soon.
std::size_t UpstreamChannel::quickest() const noexcept {
  std::size_t best = kNone;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (is_bad(i)) continue;
    if (best == kNone || rank(i) < rank(best)) best = i;
  }
  return best == kNone ? 0 : best;
}

std::size_t UpstreamChannel::next_choice(const Inquiry& inquiry, bool untried_only) noexcept {
  if (!may_send(inquiry)) return kNone;
  const bool any = options_.policy != ForwardPolicy::Latency;
  const auto find_one = [&](auto&& fits) {
    std::size_t best = kNone;
    for (std::size_t i = 1; i <= servers_.size(); ++i) {
      const std::size_t candidate = (turn_ + i) % servers_.size();
      if (is_looped(candidate) || !has_room(inquiry, candidate) || !fits(candidate)) continue;
      if (any) return candidate;
      if (best == kNone || rank(candidate) < rank(best)) best = candidate;
    }
    return best;
  };
  const auto untried = [&](std::size_t i) { return (inquiry.tried >> i & 1u) == 0; };
  const auto alive = [&](std::size_t i) { return !is_bad(i); };
  std::size_t found = find_one([&](std::size_t i) { return untried(i) && alive(i); });
  if (found == kNone) found = find_one(untried);
  if (found != kNone || untried_only) return found;
  found = find_one(alive);
  return found != kNone ? found : find_one([](std::size_t) { return true; });
}

const UpstreamChannel::Server& UpstreamChannel::busiest() const noexcept {
  return *std::max_element(servers_.begin(), servers_.end(),
                           [](const Server& a, const Server& b) { return a.open < b.open; });
}

bool UpstreamChannel::has_room(const Inquiry& inquiry, std::size_t upstream) const noexcept {
  static_assert(kMaxRequests + kMaxLoose + kMaxChecks < AttemptTable::kMost, "ids never run out");
  return servers_[upstream].open < kMaxRequests ||
         std::any_of(inquiry.open.begin(), inquiry.open.end(),
                     [&](const Attempt& attempt) { return attempt.upstream == upstream; });
}

// --- requests ---

void UpstreamChannel::send_copy(const UpstreamQuestion& question, std::size_t chosen,
                                Clock::time_point now) noexcept {
  if (++since_copy_ < kQuestionsPerCopy && now - copied_at_ < kCopyEvery) return;
  since_copy_ = 0;
  copied_at_ = now;
  // Each in turn; checks find out about those that are passed over.
  std::size_t upstream = chosen;
  for (std::size_t i = 0; i < servers_.size() && (upstream == chosen || is_bad(upstream)); ++i) {
    upstream = copy_turn_ = (copy_turn_ + 1) % servers_.size();
  }
  if (upstream == chosen || is_bad(upstream) || servers_[upstream].open >= kMaxRequests / 2) return;
  Server::copy_to(*this, upstream, question, now);
}

void UpstreamChannel::Server::send_trials(UpstreamChannel& channel,
                                          const UpstreamQuestion& question, std::size_t chosen,
                                          Clock::time_point now) noexcept {
  for (std::size_t i = 0; i < channel.servers_.size(); ++i) {
    Server& server = channel.servers_[i];
    // While it is doubted checks find out.
    if (i == chosen || !server.on_trial() || channel.shared_->health[i].passed_over() ||
        channel.is_looped(i) || now < server.trial_at) {
      continue;
    }
    server.trial_at = now + kTrialEvery;
    copy_to(channel, i, question, now);
  }
}

void UpstreamChannel::Server::copy_to(UpstreamChannel& channel, std::size_t upstream,
                                      const UpstreamQuestion& question,
                                      Clock::time_point now) noexcept {
  try {
    auto attempt =
        std::make_unique<Attempt>(channel, nullptr, channel.first(upstream), Purpose::Copy, now);
    std::array<std::uint8_t, kMaxWrittenQuery + kMaxUpstreamOptions> request;
    QueryToWrite to_write{question.name.view(), question.type, question.flags(),
                          question.dnssec_ok || !channel.shared_->health[upstream].is_plain(now),
                          question.dnssec_ok};
    if (question.options != nullptr) to_write.options = question.options->octets;
    const std::size_t size = write_query(to_write, request.data());
    const auto sent =
        channel.transport_->send(upstream, attempt->transport, {request.data(), size}, *attempt);
    if (sent.ok) {
      attempt->reused = !sent.opened;
      channel.make_loose(*attempt.release());
    } else if (is_theirs(sent.failure)) {
      channel.doubt(upstream, now);
    }
  } catch (...) {
    // No memory: there will be another.
  }
}

void UpstreamChannel::send(Inquiry& inquiry, Next next) noexcept {
  for (;;) {
    // Where somebody may be forging, or the upstream is another one now: no one forges that.
    if ((inquiry.other_case >> next.upstream & 1u) != 0) next.transport = Transport::Tcp;
    bool reused = false;
    std::optional<TransportFailure> failed;
    try {
      failed = transmit(inquiry, next, &reused);
    } catch (...) {
      failed = TransportFailure{TransportFailure::Step::Socket, ENOMEM, {}};
    }
    if (!failed) return;
    if (next.transport == first(next.upstream).transport && is_theirs(*failed)) {
      doubt(next.upstream, network_->now());
    }
    const auto other = after_failure(inquiry, next, reused, *failed);
    if (!other) break;
    next = *other;
  }
  if (!hopeful(inquiry)) conclude(inquiry);
}

std::optional<TransportFailure> UpstreamChannel::transmit(Inquiry& inquiry, Next next,
                                                          bool* reused) {
  const Clock::time_point now = network_->now();
  const std::uint32_t bit = std::uint32_t{1} << next.upstream;
  const UpstreamQuestion& question = inquiry.question;
  auto attempt = std::make_unique<Attempt>(*this, &inquiry, next, Purpose::Question, now);
  attempt->edns = question.dnssec_ok ||
                  ((inquiry.plain & bit) == 0 && !shared_->health[next.upstream].is_plain(now));
  std::array<std::uint8_t, kMaxWrittenQuery + kMaxUpstreamOptions> request;
  QueryToWrite to_write{question.name.view(), question.type, question.flags(), attempt->edns,
                        question.dnssec_ok};
  if (question.options != nullptr) to_write.options = question.options->octets;
  const std::size_t size = write_query(to_write, request.data());
  if (options_.mixed_case) mix_case(*attempt, {request.data(), size}, question.name.size());
  inquiry.tried |= bit;
  ++inquiry.attempts;
  Server& server = servers_[next.upstream];
  if (server.open >= kMaxRequests / 2) {
    for (auto at = inquiry.open.begin(); at != inquiry.open.end();) {
      Attempt& before = *at++;
      if (before.upstream == next.upstream) drop(before);
    }
  }
  if (server.first_unproven == kNoTime && server.unproven(shared_->health[next.upstream])) {
    server.first_unproven = now;
  }
  if (++server.unanswered == kOverdue) server.overdue_from = std::max(server.overdue_from, now);
  if (server.unanswered >= kLoopSuspicion && loops_ != nullptr) probe_loop(next.upstream, now);
  UpstreamCounters& counters = upstream_counters_[next.upstream];
  count(counters.requests);
  const auto sent =
      transport_->send(next.upstream, next.transport, {request.data(), size}, *attempt);
  if (sent.ok || sent.opened) {
    count((sent.opened ? counters.socket_opened
                       : counters.socket_reused)[static_cast<std::size_t>(next.transport)]);
  }
  // A connection is made first, which takes longer than an answer on one.
  if (sent.opened && next.transport == Transport::Tcp) {
    server.overdue_from = now + options_.timings.retry_after;
    if (server.first_unproven != kNoTime) server.first_unproven = server.overdue_from;
  }
  *reused = attempt->reused = sent.ok && !sent.opened;
  if (!sent.ok) return sent.failure;
  if (!options_.taps.empty()) [[unlikely]] {
    show(*attempt, false, {request.data(), size});
  }
  inquiry.open.push_back(*attempt.release());
  ++server.open;
  return std::nullopt;
}

std::optional<UpstreamChannel::Next> UpstreamChannel::after_failure(
    Inquiry& inquiry, Next failed, bool reused, const TransportFailure& failure) noexcept {
  inquiry.failure = failure;
  inquiry.failed = failed;
  const bool again = may_send(inquiry) && !is_looped(failed.upstream);
  // RFC 7766 section 6.2.4. Each such connection has given one answer at least, but this question
  // may be the one that is closed upon.
  constexpr unsigned kMostCloses = 8;
  if (failure.after_answers && again && inquiry.closes < kMostCloses) {
    ++inquiry.closes;
    return failed;
  }
  // A kept TCP connection may have been closed by the other side just as we wrote to it.
  if (failed.transport == Transport::Tcp && reused && !inquiry.tcp_again && again) {
    inquiry.tcp_again = true;
    return failed;
  }
  if (const std::size_t other = next_choice(inquiry, true); other != kNone) {
    return first(other);
  }
  // The error may have been another query's: one more try, at once.
  if (!hopeful(inquiry) && !inquiry.same_again && inquiry.fallback.empty() && again &&
      is_theirs(failure)) {
    inquiry.same_again = true;
    return first(failed.upstream);
  }
  return std::nullopt;
}

// Whether an answer may still come.
bool UpstreamChannel::hopeful(const Inquiry& inquiry) noexcept {
  return std::any_of(inquiry.open.begin(), inquiry.open.end(),
                     [](const Attempt& attempt) { return !attempt.useless; });
}

void UpstreamChannel::drop(Attempt& attempt) noexcept {
  transport_->forget(attempt);
  unlist(attempt);
  delete &attempt;
}

void UpstreamChannel::unlist(Attempt& attempt) noexcept {
  attempt.Hook<Attempt>::unlink();
  if (attempt.inquiry != nullptr) {
    --servers_[attempt.upstream].open;
  } else if (attempt.purpose == Purpose::HealthCheck) {
    --checks_count_;
  } else {
    --loose_count_;
  }
}

void UpstreamChannel::make_loose(Attempt& attempt) noexcept {
  if (attempt.inquiry != nullptr) unlist(attempt);
  attempt.inquiry = nullptr;
  loose_.push_back(attempt);
  if (++loose_count_ > kMaxLoose) drop(loose_.front());
}

// --- what comes back ---

void UpstreamChannel::show(const Attempt& attempt, bool reply,
                           std::span<const std::uint8_t> message) noexcept {
  const UpstreamServer& server = options_.upstreams[attempt.upstream];
  const UpstreamQuestion& question = attempt.inquiry->question;
  const UpstreamTap::Seen seen{reply,
                               message,
                               question.name.view(),
                               question.type,
                               transport_->place(attempt).local,
                               server,
                               server.tls != nullptr ? Transport::Tcp : attempt.transport,
                               std::chrono::nanoseconds(attempt.sent.time_since_epoch()).count(),
                               worker_};
  for (const auto& tap : options_.taps) tap->on_upstream(seen);
}

void UpstreamChannel::on_message(Attempt& attempt, std::span<std::uint8_t> message,
                                 bool cut) noexcept {
  if (closing_) return;
  if (attempt.inquiry == nullptr) {
    // Nobody waits for it; it only tells something of the upstream.
    if ((message[2] & 0x80) == 0) return count(counters_.invalid);
    const Clock::time_point now = network_->now();
    heard(attempt.upstream, now);
    // Checks and probes ask for what is quick.
    if (attempt.purpose <= Purpose::Copy) {
      servers_[attempt.upstream].answered();
      measure(attempt, message[3] & 0xF, now);
    }
    if (attempt.purpose == Purpose::LoopProbe) {
      loops_->answered(attempt.upstream, worker_);
    } else {
      servers_[attempt.upstream].unanswered = 0;
      servers_[attempt.upstream].first_unproven = kNoTime;
    }
    return drop(attempt);
  }
  const UpstreamQuestion& question = attempt.inquiry->question;
  ReplyCheck check = check_reply(message, question.name.view(), question.type);
  if (check.kind == ReplyKind::NotOurs) return count(counters_.invalid);
  if (attempt.mixed && !has_our_case(attempt, message)) return;
  const Clock::time_point now = network_->now();
  heard(attempt.upstream, now);
  servers_[attempt.upstream].answered();
  if (!std::exchange(attempt.counted_reply, true)) {
    count_reply(upstream_counters_[attempt.upstream], message[3] & 0xF, now - attempt.sent);
    measure(attempt, message[3] & 0xF, now);
  }
  if (!options_.taps.empty()) [[unlikely]] {
    show(attempt, true, message);
  }
  try {
    on_reply(attempt, message, cut, check);
  } catch (...) {
    // No memory for it: as if it had been lost on the way.
  }
}

void UpstreamChannel::mix_case(Attempt& attempt, std::span<std::uint8_t> request,
                               std::size_t name_size) noexcept {
  if (attempt.transport != Transport::Udp || options_.upstreams[attempt.upstream].tls != nullptr ||
      shared_->health[attempt.upstream].loses_case(attempt.sent)) {
    return;
  }
  Capitals chance{};
  for (std::size_t i = 0; i * 32 < name_size; ++i) {
    chance[i / 2] |= std::uint64_t{network_->random()} << i % 2 * 32;
  }
  set_case(request, name_size, chance);
  attempt.capitals = capitals_of(request.subspan(kHeaderSize, name_size));
  // All small: that they come back so says nothing.
  attempt.mixed = attempt.capitals != Capitals{};
}

bool UpstreamChannel::has_our_case(Attempt& attempt,
                                   std::span<const std::uint8_t> message) noexcept {
  // An error that has no question cannot be the wrong one.
  if (load_u16(message.data() + 4) == 0) return true;
  Inquiry& inquiry = *attempt.inquiry;
  UpstreamHealth& health = shared_->health[attempt.upstream];
  const Clock::time_point now = network_->now();
  if (has_case(message, inquiry.question.name.size(), attempt.capitals)) {
    health.gave_case_back(now);
    return true;
  }
  count(counters_.invalid);
  const std::size_t upstream = attempt.upstream;
  if (health.has_given_case_back_since(now - options_.timings.plain_for)) {
    // Forged; the right one is waited for, and what is asked again goes where that is harder.
    inquiry.other_case |= std::uint32_t{1} << upstream;
    return false;
  }
  // Not believed either, for nobody knows: asked again as it stands, with another id and port.
  health.mark_case_lost(now + options_.timings.plain_for);
  if (std::exchange(attempt.useless, true)) return false;
  if (may_send(inquiry)) {
    send(inquiry, first(upstream));
  } else {
    ask_another(inquiry);
  }
  return false;
}

void UpstreamChannel::on_reply(Attempt& attempt, std::span<std::uint8_t> message, bool cut,
                               const ReplyCheck& check) {
  Inquiry& inquiry = *attempt.inquiry;
  const UpstreamQuestion& question = inquiry.question;
  const std::size_t upstream = attempt.upstream;
  const std::uint32_t bit = std::uint32_t{1} << upstream;
  std::span<std::uint8_t> normal;
  if (check.kind != ReplyKind::Malformed && !cut) {
    normal = normalise_reply(message, check, question.name.view(), question.type, question.flags(),
                             normal_);
  }
  const auto try_tcp = [&] {
    inquiry.tried_tcp |= bit;
    send(inquiry, {upstream, Transport::Tcp});
  };
  const bool may_try_tcp =
      attempt.transport == Transport::Udp && (inquiry.tried_tcp & bit) == 0 && may_send(inquiry);
  if (!normal.empty() && check.truncated) {
    // Kept: an upstream without TCP is still worth its first records.
    if (inquiry.fallback.empty()) keep(inquiry, upstream, normal, check);
  }
  if (cut || check.truncated) {
    const bool over_udp = attempt.transport == Transport::Udp;
    drop(attempt);
    if (may_try_tcp) return try_tcp();
    // Over TCP there is no reason to cut anything.
    if (!over_udp) inquiry.invalid = true;
    return ask_another(inquiry);
  }
  if (normal.empty()) {
    count(counters_.invalid);
    inquiry.invalid = true;
    if (attempt.transport == Transport::Udp) {
      // The right one may be behind it.
      if (std::exchange(attempt.useless, true)) return;
      if (may_try_tcp) return try_tcp();
    } else {
      drop(attempt);
    }
    return ask_another(inquiry);
  }
  if (strays(normal, question)) {
    count(counters_.invalid);
    if (attempt.useless) return;
    // All of it is worth more than a part that leads here.
    const bool of_part = attempt.transport == Transport::Tcp && inquiry.fallback_check.truncated;
    if (inquiry.fallback.empty() || is_refusal(inquiry.fallback_check.rcode) || of_part) {
      keep(inquiry, upstream, normal.first(kHeaderSize + question.name.size() + 4), check);
      // Nobody vouches for that there is nothing.
      store_u16(
          inquiry.fallback.data() + 2,
          static_cast<std::uint16_t>(load_u16(inquiry.fallback.data() + 2) & ~(kFlagAA | kFlagAD)));
      inquiry.fallback_check.extended_error =
          static_cast<std::uint16_t>(ExtendedError::InvalidData);
      inquiry.strayed = true;
    } else {
      inquiry.invalid = true;
    }
    if (attempt.transport == Transport::Udp) {
      attempt.useless = true;  // the right one may be behind it
    } else {
      drop(attempt);
    }
    return ask_another(inquiry);
  }
  const bool with_edns = attempt.edns;
  const Transport transport = attempt.transport;
  drop(attempt);
  const auto rcode = Rcode{check.rcode};
  // BADVERS has one, too, and knows no version that we do.
  if (check.has_opt && rcode != Rcode::BadVers) {
    shared_->health[upstream].heard_opt(network_->now());
  }
  const bool no_edns = rcode == Rcode::BadVers ||
                       ((rcode == Rcode::FormErr || rcode == Rcode::NotImp) && !check.has_opt);
  if (no_edns && with_edns && !question.dnssec_ok && (inquiry.plain & bit) == 0 &&
      may_send(inquiry)) {
    inquiry.plain |= bit;
    if (inquiry.fallback.empty()) keep(inquiry, upstream, normal, check);
    return send(inquiry, {upstream, transport});
  }
  if (!with_edns && (inquiry.plain & bit) != 0 && rcode != Rcode::FormErr &&
      rcode != Rcode::NotImp) {
    UpstreamHealth& health = shared_->health[upstream];
    const Clock::time_point now = network_->now();
    if (!health.has_sent_opt_since(now - options_.timings.plain_for)) {
      health.mark_plain(now + options_.timings.plain_for);
    }
  }
  if (is_refusal(check.rcode) && inquiry.strayed) {
    return ask_another(inquiry);
  }
  if (is_refusal(check.rcode) && inquiry.hedged && hopeful(inquiry)) {
    // The other one's is the second opinion.
    inquiry.second_opinion = true;
    if (inquiry.fallback.empty()) keep(inquiry, upstream, normal, check);
    return;
  }
  if (check.rcode < 16 && (options_.failover >> check.rcode & 1u) != 0) {
    const std::size_t other = next_choice(inquiry, true);
    if (other != kNone) {
      keep(inquiry, upstream, normal, check);
      return send(inquiry, first(other));
    }
  }
  if (is_refusal(check.rcode) && !inquiry.second_opinion) {
    inquiry.second_opinion = true;
    const std::size_t other = next_choice(inquiry, true);
    if (other != kNone && !is_bad(other)) {
      keep(inquiry, upstream, normal, check);
      return send(inquiry, first(other));
    }
  }
  inquiry.answered_by = upstream;
  finish(inquiry, normal, check);
}

// What is kept of refusals, and of everything once there is much of it, is the rcode: nobody reads
// more of them.
void UpstreamChannel::keep(Inquiry& inquiry, std::size_t upstream,
                           std::span<const std::uint8_t> message, const ReplyCheck& check) {
  inquiry.answered_by = upstream;
  kept_octets_ -= inquiry.fallback.size();
  inquiry.fallback.clear();
  if (is_refusal(check.rcode) || kept_octets_ + message.size() > kKeptOctets) {
    message = message.first(kHeaderSize + inquiry.question.name.size() + 4);
  }
  inquiry.fallback.assign(message.begin(), message.end());
  if (message.size() == kHeaderSize + inquiry.question.name.size() + 4) {
    std::memset(inquiry.fallback.data() + 6, 0, 6);
  }
  kept_octets_ += inquiry.fallback.size();
  inquiry.fallback_check = check;
}

void UpstreamChannel::on_failure(Attempt& attempt, const TransportFailure& failure) noexcept {
  if (closing_) return;
  const std::unique_ptr<Attempt> owned(&attempt);
  Inquiry* const inquiry = attempt.inquiry;
  unlist(attempt);
  const Next failed{attempt.upstream, attempt.transport};
  // A connection that was there may simply have been idle for too long, and whoever has just
  // answered on it is alive.
  if (failed.transport == first(failed.upstream).transport && is_theirs(failure) &&
      !failure.after_answers && (failed.transport == Transport::Udp || !attempt.reused)) {
    const Clock::time_point now = network_->now();
    if (attempt.purpose == Purpose::HealthCheck && !attempt.counted_silent &&
        !has_spoken_since(attempt)) {
      check_failed(failed.upstream, now);
    } else if (failed.transport == Transport::Tcp && is_closed(failure)) {
      count_silence(attempt, now);
    } else {
      doubt(failed.upstream, now);
    }
  }
  if (inquiry == nullptr) return;
  const auto next = after_failure(*inquiry, failed, attempt.reused, failure);
  if (next) return send(*inquiry, *next);
  if (!hopeful(*inquiry)) conclude(*inquiry);
}

void UpstreamChannel::on_silence(Inquiry& inquiry, Clock::time_point now) noexcept {
  inquiry.silent = true;
  for (Attempt& attempt : inquiry.open) {
    if (attempt.counted_silent || now - attempt.sent < options_.timings.retry_after) continue;
    transport_->distrust(attempt, attempt.sent);
    measure_silence(attempt);
    count_silence(attempt, now);
  }
  // Whom it was hedged with has refused, and there is nobody else to ask.
  if (std::exchange(inquiry.hedged, false) && inquiry.second_opinion && !inquiry.fallback.empty() &&
      is_refusal(inquiry.fallback_check.rcode) && next_choice(inquiry, true) == kNone) {
    return conclude(inquiry);
  }
  if (inquiry.tries >= kMaxTries) return;
  const std::size_t other = next_choice(inquiry, false);
  if (other == kNone) return;
  ++inquiry.tries;
  inquiry.retry_at = now + options_.timings.retry_after;
  by_retry_.push_back(inquiry);
  send(inquiry, first(other));
}

// --- a question ends ---

// No better answer comes.
void UpstreamChannel::ask_another(Inquiry& inquiry) noexcept {
  const std::size_t other = next_choice(inquiry, true);
  if (other != kNone) return send(inquiry, first(other));
  if (!hopeful(inquiry)) conclude(inquiry);
}

void UpstreamChannel::conclude(Inquiry& inquiry) noexcept {
  explain(inquiry);
  if (inquiry.fallback.empty()) count(counters_.failed);
  finish(inquiry, inquiry.fallback, inquiry.fallback_check);
}

void UpstreamChannel::explain(Inquiry& inquiry) noexcept {
  inquiry.note = {true, ExtendedError::NetworkError, unreachable_text_.c_str()};
  const bool silent = inquiry.silent || hopeful(inquiry);
  if (silent) inquiry.note = {true, ExtendedError::NoReachableAuthority, silent_text_.c_str()};
  if (inquiry.invalid) {
    inquiry.note = {true, ExtendedError::InvalidData, "no upstream gave a valid answer"};
  }
  try {
    const auto last = std::find_if(inquiry.open.rbegin(), inquiry.open.rend(),
                                   [](const Attempt& attempt) { return !attempt.useless; });
    if (last != inquiry.open.rend()) {
      inquiry.cause = timeout_text(last->transport, transport_->place(*last),
                                   options_.upstreams[last->upstream]);
    } else if (inquiry.failed.upstream != kNone) {
      inquiry.cause = failure_text(inquiry.failed.transport, inquiry.failure,
                                   options_.upstreams[inquiry.failed.upstream]);
    } else if (inquiry.invalid) {
      inquiry.cause = "dns: malformed reply";
    }
  } catch (...) {
    // No memory: the note's text stands for it.
  }
}

// `message` is empty when there is no answer. While somebody is asking, which may be in the middle
// of a batch, it is told later; the message is the inquiry's own then.
void UpstreamChannel::finish(Inquiry& inquiry, std::span<std::uint8_t> message,
                             const ReplyCheck& check) noexcept {
  let_go(inquiry);
  if (asking_ == 0) {
    tell(inquiry, message, check);
    delete &inquiry;
    return;
  }
  struct Later {
    Later(std::shared_ptr<UpstreamChannel> s, Inquiry& e) : self(std::move(s)), inquiry(&e) {}
    Later(const Later&) = delete;
    Later& operator=(const Later&) = delete;
    // Also when the worker ends before it is told.
    ~Later() {
      while (!inquiry->waiters.empty()) (void)self->take_out(inquiry->waiters.front());
      delete inquiry;
    }
    std::shared_ptr<UpstreamChannel> self;
    Inquiry* inquiry;
  };
  network_->post([later = std::make_shared<Later>(shared_from_this(), inquiry)] {
    Inquiry& e = *later->inquiry;
    later->self->tell(e, e.fallback, e.fallback_check);
  });
}

void UpstreamChannel::tell(Inquiry& inquiry, std::span<std::uint8_t> message,
                           const ReplyCheck& check) noexcept {
  kept_octets_ -= inquiry.fallback.size();
  UpstreamReply good;
  good.ok = true;
  good.message = message;
  // As it is after normalising: BADVERS is about this hop (RFC 6891 6.1.3).
  good.rcode = message.empty() ? check.rcode : message[3] & 0xF;
  good.extended_error = check.extended_error;
  good.upstream = options_.upstreams[inquiry.answered_by];
  UpstreamReply bad;
  bad.error = inquiry.note;
  bad.cause = inquiry.cause;
  while (!inquiry.waiters.empty()) {
    const std::unique_ptr<Waiter> waiter = take_out(inquiry.waiters.front());
    if (message.empty() || (check.truncated && waiter->transport == Transport::Tcp)) {
      // Others may have what there is: that nobody answers is not so.
      if (!message.empty() && !inquiry.invalid) {
        bad.error = {true, ExtendedError::Other,
                     "the answer is truncated, and did not come over TCP"};
      }
      waiter->who->done(bad);
      continue;
    }
    set_case(message, inquiry.question.name.size(), waiter->capitals);
    waiter->who->done(good);
  }
}

// --- room ---

std::unique_ptr<UpstreamChannel::Waiter> UpstreamChannel::take_out(Waiter& waiter) noexcept {
  waiter.Hook<Waiter>::unlink();
  if (waiter.share) {
    shares_.erase(*waiter.share);
    waiter.share.reset();
    publish_most();
  }
  octets_->used -= waiter.octets;
  shared_->places.give_back();
  --waiting_;
  return std::unique_ptr<Waiter>(&waiter);
}

void UpstreamChannel::tell_later(std::unique_ptr<Waiter> waiter, const Refusal& refusal) noexcept {
  network_->post(
      [self = shared_from_this(), refusal, waiter = std::shared_ptr<Waiter>(std::move(waiter))] {
        UpstreamReply reply;
        reply.asked = false;
        reply.rcode = static_cast<std::uint16_t>(refusal.rcode);
        reply.error = refusal.note;
        waiter->who->done(reply);
      });
}

void UpstreamChannel::publish_most() noexcept {
  if (!shared_->places.limited()) return;
  shared_->places.publish_most(worker_, static_cast<std::uint32_t>(shares_.most()));
}

void UpstreamChannel::give_share(Waiter& waiter) noexcept {
  try {
    waiter.share = shares_.insert(waiter.client, &waiter);
  } catch (...) {
    // No memory: it is nobody's then.
  }
}

// Keeps shares while room is scarce, and only then.
void UpstreamChannel::count_shares() noexcept {
  const QueryPlaces& places = shared_->places;
  const auto over = [&](std::size_t part) {
    return octets_->used > octets_->most / part || busiest().open > kMaxRequests / part ||
           (places.limited() && places.taken() >= places.limit() / part);
  };
  if (!sharing_ && over(kScarceFrom)) {
    sharing_ = true;
    for (Inquiry& inquiry : by_start_) {
      for (Waiter& waiter : inquiry.waiters) give_share(waiter);
    }
  } else if (sharing_ && !over(kPlentyFrom)) {
    sharing_ = false;
    for (Inquiry& inquiry : by_start_) {
      for (Waiter& waiter : inquiry.waiters) {
        if (!waiter.share) continue;
        shares_.erase(*waiter.share);
        waiter.share.reset();
      }
    }
  } else {
    return;
  }
  publish_most();
}

bool UpstreamChannel::make_room(const ClientKey& client, std::size_t octets) noexcept {
  pay_debts();
  count_shares();
  while (octets_->used + octets > octets_->most) {
    if (!evict_for(client, Scarce::Octets)) return false;
  }
  while (busiest().open >= kMaxRequests) {
    if (!evict_for(client, Scarce::Requests)) return false;
  }
  QueryPlaces& places = shared_->places;
  if (!places.full() || evict_for(client, Scarce::Places)) return true;
  return places.claim(worker_, static_cast<std::uint32_t>(shares_.count(client) + 1));
}

// False when nobody has more than `client` would have then.
bool UpstreamChannel::evict_for(const ClientKey& client, Scarce what) noexcept {
  if (shares_.most() <= shares_.count(client) + 1) return false;
  evict_one(what);
  return true;
}

// The client that holds most loses what has been waiting longest, and asks the upstream in
// question.
void UpstreamChannel::evict_one(Scarce what) noexcept {
  const auto upstream = static_cast<std::size_t>(&busiest() - servers_.data());
  Waiter** const victim = shares_.victim([what, upstream](const Waiter* waiter) {
    const Attempts& open = waiter->inquiry->open;
    return what != Scarce::Requests ||
           std::any_of(open.begin(), open.end(),
                       [&](const Attempt& attempt) { return attempt.upstream == upstream; });
  });
  if (victim == nullptr) return;
  Inquiry& inquiry = *(*victim)->inquiry;
  auto waiter = take_out(**victim);
  count(what == Scarce::Places ? counters_.rejected : counters_.over_limit);
  tell_later(std::move(waiter), no_room(what));
  if (inquiry.waiters.empty() && !inquiry.ended) {
    let_go(inquiry);
    kept_octets_ -= inquiry.fallback.size();
    delete &inquiry;
  }
}

void UpstreamChannel::pay_debts() noexcept {
  // What was one client's when it was claimed may have ended meanwhile.
  for (std::uint32_t owed = shared_->places.owed(worker_); owed != 0 && shares_.most() > 1;
       --owed) {
    evict_one(Scarce::Places);
  }
}

// --- health and loops ---

void UpstreamChannel::heard(std::size_t upstream, Clock::time_point now) noexcept {
  shared_->health[upstream].heard(now);
}

// An answer that took longer than a question waits says no more than that it did.
void UpstreamChannel::measure(const Attempt& attempt, unsigned rcode,
                              Clock::time_point now) noexcept {
  const auto took = std::min<Clock::duration>(now - attempt.sent, options_.timings.retry_after);
  Server& server = servers_[attempt.upstream];
  server.response_time.add(took);
  if (options_.policy == ForwardPolicy::Latency && !attempt.counted_silent) {
    // Who refuses is as good as silent, however soon it says so; a failure may be the name's.
    if (rcode == static_cast<unsigned>(Rcode::Refused)) {
      server.standing.add(options_.timings.retry_after);
    } else if (rcode != static_cast<unsigned>(Rcode::ServFail)) {
      server.standing.add(took);
    }
  }
  if (options_.hedge.percentile != 0) server.percentile.add(took, options_.hedge.percentile);
}

void UpstreamChannel::measure_silence(const Attempt& attempt) noexcept {
  if (options_.policy != ForwardPolicy::Latency || attempt.counted_silent) return;
  servers_[attempt.upstream].standing.add(options_.timings.retry_after);
}

void UpstreamChannel::judge_overdue(Clock::time_point now) noexcept {
  if (options_.max_fails == 0) return;
  const Clock::duration at_most = options_.timings.retry_after;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    Server& server = servers_[i];
    if (server.open == 0) continue;
    UpstreamHealth& health = shared_->health[i];
    // One request says enough about whom nothing speaks for, where there is somebody else to ask.
    const bool proven =
        server.first_unproven == kNoTime || health.passed_over() || !Server::better_than(*this, i);
    if (proven && server.unanswered < kOverdue) continue;
    Clock::time_point& from = proven ? server.overdue_from : server.first_unproven;
    const auto patience =
        std::clamp<Clock::duration>(server.response_time.most(proven ? at_most : kUnknownPatience),
                                    std::min<Clock::duration>(kLeastPatience, at_most), at_most);
    if (now - from < patience) continue;
    // Other workers hear of it: it has as long again.
    const bool spoken = health.last_word() > from;
    from = now;
    if (!spoken) server.doubt(health, now);
  }
}

bool UpstreamChannel::Server::better_than(const UpstreamChannel& channel,
                                          std::size_t upstream) noexcept {
  for (std::size_t i = 0; i < channel.servers_.size(); ++i) {
    if (i != upstream && !channel.is_bad(i)) return true;
  }
  return false;
}

// That is no retry: each upstream is asked once so.
void UpstreamChannel::leave_silent(Clock::time_point now) noexcept {
  std::uint32_t silent = 0;
  bool elsewhere = false;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (shared_->health[i].passed_over()) silent |= std::uint32_t{1} << i;
    elsewhere = elsewhere || !is_bad(i);
  }
  left_silent_ &= silent;
  // What is left once is not asked while there is another.
  if (silent == left_silent_ || !elsewhere) return;
  left_silent_ = silent;
  const std::size_t most = questions_;
  auto at = by_start_.begin();
  for (std::size_t n = 0; n < most && at != by_start_.end(); ++n) {
    Inquiry& inquiry = *at++;
    const bool only_there =
        std::all_of(inquiry.open.begin(), inquiry.open.end(), [silent](const Attempt& attempt) {
          return attempt.useless || (silent >> attempt.upstream & 1u) != 0;
        });
    if (!only_there) continue;
    const std::size_t other = next_choice(inquiry, true);
    if (other == kNone || is_bad(other)) continue;
    inquiry.silent = true;
    if (inquiry.Hook<RetryTag>::is_linked()) {
      inquiry.Hook<RetryTag>::unlink();
      inquiry.retry_at = now + options_.timings.retry_after;
      by_retry_.push_back(inquiry);
    }
    ++asking_;  // told later: `at` is to stay
    send(inquiry, first(other));
    --asking_;
  }
}

// One of its requests was not answered.
void UpstreamChannel::count_silence(Attempt& attempt, Clock::time_point now) noexcept {
  if (std::exchange(attempt.counted_silent, true)) return;
  // It answers others: a slow name.
  if (has_spoken_since(attempt)) return;
  // From now on one request says enough; not this one, which has been counted.
  servers_[attempt.upstream].suspect = true;
  servers_[attempt.upstream].first_unproven = kNoTime;
  if (shared_->health[attempt.upstream].silent_once_more() >= options_.max_fails) {
    doubt(attempt.upstream, now);
  }
}

bool UpstreamChannel::has_spoken_since(const Attempt& attempt) const noexcept {
  return shared_->health[attempt.upstream].last_word() + UpstreamHealth::kWordEvery >= attempt.sent;
}

// The next tick sends the check.
void UpstreamChannel::doubt(std::size_t upstream, Clock::time_point now) noexcept {
  if (options_.max_fails == 0) return;
  servers_[upstream].doubt(shared_->health[upstream], now);
}

bool UpstreamChannel::all_surely_dead(Clock::time_point now) const noexcept {
  // Checks that are sent as often as they should be fail as often.
  const Clock::time_point of_late =
      now - options_.timings.probe_every - options_.timings.retry_after;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (!is_looped(i) && !shared_->health[i].dead_since(of_late)) return false;
  }
  return true;
}

// While questions come, those that are passed over are asked whether they are back.
void UpstreamChannel::send_checks(Clock::time_point now) noexcept {
  if (!asked_of_late(now)) return;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    UpstreamHealth& health = shared_->health[i];
    if (!health.passed_over() || is_looped(i)) continue;
    if (checks_count_ >= kMaxChecks) {
      // Made for those that have been judged.
      if (!checks_.front().counted_silent) return;
      drop(checks_.front());
    }
    if (!health.take_check(now, now + options_.timings.probe_every)) continue;
    send_probe(i, options_.health_name.view(), RRType::NS, options_.health_recursion,
               Purpose::HealthCheck);
  }
}

UpstreamChannel::Clock::time_point UpstreamChannel::next_check(
    Clock::time_point now) const noexcept {
  Clock::time_point next = Clock::time_point::max();
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const UpstreamHealth& health = shared_->health[i];
    if (health.passed_over() && !is_looped(i)) next = std::min(next, health.check_at());
  }
  return asked_of_late(next) ? std::max(next, now) : Clock::time_point::max();
}

void UpstreamChannel::check_failed(std::size_t upstream, Clock::time_point now) noexcept {
  count(upstream_counters_[upstream].failed_checks);
  shared_->health[upstream].check_failed(now);
}

// Health checks that were silent for as long as a question may be. They stay under way: a late
// answer tells that the upstream is back.
void UpstreamChannel::judge_checks(Clock::time_point now) noexcept {
  for (Attempt& check : checks_) {
    if (check.sent + options_.timings.retry_after > now) break;
    if (std::exchange(check.counted_silent, true) || has_spoken_since(check)) continue;
    transport_->distrust(check, check.sent);
    check_failed(check.upstream, now);
  }
  while (!checks_.empty() && checks_.front().sent + options_.timings.give_up <= now) {
    drop(checks_.front());
  }
}

void UpstreamChannel::probe_loop(std::size_t upstream, Clock::time_point now) noexcept {
  Server& server = servers_[upstream];
  if (server.loop_probe_at > now) return;
  server.loop_probe_at = now + (is_looped(upstream) ? options_.timings.looped_probe_every
                                                    : options_.timings.loop_probe_every);
  const Name name = loops_->make(upstream, worker_, options_.loop_zone);
  send_probe(upstream, name.view(), RRType::HINFO, true, Purpose::LoopProbe);
}

void UpstreamChannel::probe_loops() noexcept {
  if (loops_ == nullptr) return;
  const Clock::time_point now = network_->now();
  for (std::size_t i = 0; i < servers_.size(); ++i) probe_loop(i, now);
}

// A question of nobody's: its answer only tells something about the upstream.
void UpstreamChannel::send_probe(std::size_t upstream, NameView name, RRType type, bool recursion,
                                 Purpose purpose) noexcept {
  std::array<std::uint8_t, kMaxWrittenQuery> request;
  const std::size_t size = write_query(
      {name, type, static_cast<std::uint16_t>(recursion ? kFlagRD : 0)}, request.data());
  auto* const attempt = new Attempt(*this, nullptr, first(upstream), purpose, network_->now());
  const auto sent =
      transport_->send(upstream, attempt->transport, {request.data(), size}, *attempt);
  if (!sent.ok) {
    delete attempt;
    if (purpose == Purpose::HealthCheck && is_theirs(sent.failure)) {
      check_failed(upstream, network_->now());
    }
    return;
  }
  attempt->reused = !sent.opened;
  if (purpose == Purpose::HealthCheck) {
    checks_.push_back(*attempt);
    ++checks_count_;
  } else {
    make_loose(*attempt);
  }
  arm_tick();
}

// Requests to an upstream that turned out to be this server will not be answered: each is one of
// the questions that wait. They go elsewhere or end now, which ends the circle.
void UpstreamChannel::leave_looped() noexcept {
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const std::uint32_t bit = std::uint32_t{1} << i;
    if (!is_looped(i)) {
      left_looped_ &= ~bit;
      continue;
    }
    if ((left_looped_ & bit) != 0) continue;
    left_looped_ |= bit;
    // Those that are asked meanwhile do not go there. What one of these leads to may end another,
    // so that the list is read anew each time.
    const std::size_t most = questions_;
    auto at = by_start_.begin();
    for (std::size_t n = 0; n < most && at != by_start_.end(); ++n) {
      Inquiry& inquiry = *at++;
      const bool only_there =
          std::all_of(inquiry.open.begin(), inquiry.open.end(),
                      [i](const Attempt& attempt) { return attempt.upstream == i; });
      if (!only_there) continue;
      ++asking_;  // told later: `at` is to stay
      const std::size_t other = next_choice(inquiry, true);
      if (other != kNone) {
        send(inquiry, first(other));
      } else {
        conclude(inquiry);
      }
      --asking_;
    }
  }
}

// --- hedges ---

void UpstreamChannel::plan_hedge(Inquiry& inquiry, std::size_t chosen) noexcept {
  hedge_credit_ = std::min(hedge_credit_ + 1, kMostHedges * kQuestionsPerHedge);
  Clock::duration delay = options_.hedge.after;
  if (options_.hedge.percentile != 0) {
    delay = servers_[chosen].percentile.value();
    if (delay == Clock::duration{}) return;
  }
  if (delay >= options_.timings.retry_after) return;
  // Timers are not more exact.
  inquiry.hedge_at =
      inquiry.started + std::max<Clock::duration>(delay, std::chrono::milliseconds(1));
  servers_[chosen].by_hedge.push_back(inquiry);
  if (!hedge_armed_ || inquiry.hedge_at < hedge_due_) arm_hedge(inquiry.hedge_at);
}

void UpstreamChannel::arm_hedge(Clock::time_point when) noexcept {
  hedge_armed_ = true;
  hedge_due_ = when;
  // One at a time: it runs once in as long as a question waits for its hedge.
  hedge_timer_->arm(when, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->on_hedge();
  });
}

void UpstreamChannel::on_hedge() noexcept {
  hedge_armed_ = false;
  const Clock::time_point now = network_->now();
  // Held up, as in on_tick(): what came meanwhile is read first.
  if (now - hedge_due_ > options_.timings.tick && !std::exchange(hedge_was_late_, true)) {
    return arm_hedge(now + std::chrono::milliseconds(1));
  }
  hedge_was_late_ = false;
  Clock::time_point next = Clock::time_point::max();
  for (Server& server : servers_) {
    auto& waiting = server.by_hedge;
    while (!waiting.empty() && waiting.front().hedge_at <= now) {
      Inquiry& inquiry = waiting.front();
      inquiry.Hook<HedgeTag>::unlink();
      hedge(inquiry);
    }
    if (!waiting.empty()) next = std::min(next, waiting.front().hedge_at);
  }
  // What a hedge has led to may have armed it already.
  if (next != Clock::time_point::max() && (!hedge_armed_ || next < hedge_due_)) arm_hedge(next);
}

void UpstreamChannel::hedge(Inquiry& inquiry) noexcept {
  // Asked of another already, for whatever reason.
  if (std::popcount(inquiry.tried) > 1 || !hopeful(inquiry)) return;
  if (hedge_credit_ < kQuestionsPerHedge) return;
  const std::size_t other = next_choice(inquiry, true);
  if (other == kNone || is_bad(other)) return;
  hedge_credit_ -= kQuestionsPerHedge;
  count(counters_.hedged);
  inquiry.hedged = true;
  send(inquiry, first(other));
}

// --- time ---

void UpstreamChannel::arm_tick() noexcept {
  // Holding ourselves: this is what keeps questions under way alive when the stage lets go. What
  // only tells of upstreams may end then.
  const bool hold = questions_ != 0;
  if (tick_armed_ && (tick_holds_ || !hold)) return;
  if (!tick_armed_) tick_due_ = network_->now() + options_.timings.tick;
  tick_armed_ = true;
  tick_holds_ = hold;
  timer_->arm(tick_due_, [weak = weak_from_this(), held = hold ? shared_from_this() : nullptr] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->tick_armed_ = false;
    self->on_tick();
  });
}

void UpstreamChannel::on_tick() noexcept {
  count(counters_.ticks);
  const Clock::time_point now = network_->now();
  const ForwardTimings& timings = options_.timings;
  // This worker was held up (a machine that stood still, a batch without end): replies that came
  // meanwhile are still in the sockets, and are read before anybody is called silent. Once only, or
  // a worker that is always late would never give up.
  if (now - tick_due_ > kLateTicks * timings.tick && !std::exchange(passed_over_, true)) {
    return arm_tick();
  }
  passed_over_ = false;
  if (loops_ != nullptr && loops_->any()) leave_looped();
  pay_debts();
  while (!by_start_.empty() && by_start_.front().started + timings.give_up <= now) {
    Inquiry& inquiry = by_start_.front();
    inquiry.silent = inquiry.silent || !inquiry.open.empty();
    conclude(inquiry);
  }
  while (!by_retry_.empty() && by_retry_.front().retry_at <= now) {
    Inquiry& inquiry = by_retry_.front();
    by_retry_.pop_front();
    on_silence(inquiry, now);
  }
  judge_overdue(now);
  leave_silent(now);
  while (!loose_.empty() && loose_.front().sent + timings.give_up <= now) {
    Attempt& attempt = loose_.front();
    if (attempt.purpose <= Purpose::Copy) measure_silence(attempt);
    drop(attempt);
  }
  judge_checks(now);
  send_checks(now);
  count_shares();
  if (questions_ != 0 || !loose_.empty() || !checks_.empty()) {
    if (tidy_at_ <= now) {
      (void)transport_->tidy(now);
      tidy_at_ = now + std::chrono::seconds(1);
    }
    return arm_tick();
  }
  rest(now);
}

// Nothing is under way: the timer comes back to close what stays idle, and for health checks.
void UpstreamChannel::rest(Clock::time_point now) noexcept {
  send_checks(now);
  if (tick_armed_) return;
  const Clock::time_point next = std::min(transport_->tidy(now), next_check(now));
  if (next == Clock::time_point::max()) return;
  timer_->arm(next, [self = weak_from_this()] {
    const auto channel = self.lock();
    if (channel && !channel->tick_armed_) channel->rest(channel->network_->now());
  });
}

}  // namespace clusterdns::dns
