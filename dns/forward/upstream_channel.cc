#include "dns/forward/upstream_channel.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "dns/wire/name.h"
#include "dns/wire/types.h"

namespace clusterdns::dns {
namespace {

// A tick this many of its lengths late says that the thread did not run, not that upstreams are
// silent; scheduling alone makes it one or two late.
constexpr int kLateTicks = 3;

std::string of_upstreams(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " upstream" : " upstreams");
}

// The octets of the one question after the header; 0 when there is none that can be read. Requests
// have uncompressed question names, and replies may not compress the first name of all.
std::size_t question_size(std::span<const std::uint8_t> message) noexcept {
  if (message.size() < kHeaderSize || load_u16(message.data() + 4) != 1) return 0;
  std::size_t at = kHeaderSize;
  while (at < message.size() && message[at] != 0) {
    if (message[at] > kMaxLabelSize) return 0;
    at += std::size_t{1} + message[at];
  }
  at += 5;
  return at <= message.size() ? at - kHeaderSize : 0;
}

// Whether `reply` answers `request`: a response to a standard query with the same question, letter
// case aside (RFC 5452 section 9.1).
bool answers(std::span<const std::uint8_t> request, std::span<const std::uint8_t> reply) noexcept {
  const std::size_t asked = question_size(request);
  if (asked == 0 || question_size(reply) != asked) return false;
  if ((load_u16(reply.data() + 2) & (kFlagQR | 0x7800)) != kFlagQR) return false;
  const std::size_t name = asked - 4;
  return equal_ignoring_case(reply.subspan(kHeaderSize, name),
                             request.subspan(kHeaderSize, name)) &&
         std::memcmp(reply.data() + kHeaderSize + name, request.data() + kHeaderSize + name, 4) ==
             0;
}

void count_reply(UpstreamCounters& counters, std::span<const std::uint8_t> message,
                 std::chrono::nanoseconds took) noexcept {
  constexpr std::uint64_t kFirstBound = 250'000;  // nanoseconds
  const auto add = [](std::atomic<std::uint64_t>& counter, std::uint64_t more) {
    counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  };
  const std::size_t rcode = std::min<std::size_t>(message[3] & 0xF, kCountedRcodes - 1);
  const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 1));
  const auto bucket = static_cast<std::size_t>(std::bit_width((ns - 1) / kFirstBound));
  add(counters.replies[rcode], 1);
  add(counters.durations[rcode][std::min(bucket, kDurationBuckets - 1)], 1);
  add(counters.duration_sum_ns[rcode], ns);
}

}  // namespace

struct UpstreamChannel::Server {
  Endpoint endpoint;
  std::unique_ptr<AresChannel> udp;
  std::unique_ptr<AresChannel> tcp;
  // Replaced, with requests still under way.
  std::vector<std::unique_ptr<AresChannel>> retired;
  Clock::time_point last_word{};  // when it last answered anything
  Clock::time_point probe_at{};
  Clock::time_point loop_probe_at{};
  Clock::time_point tcp_used{};
  unsigned silent = 0;  // requests without a word since, see ForwardOptions::max_fails
  unsigned unanswered = 0;  // requests since the last reply, see kLoopSuspicion
  bool dead = false;
};

// What a request without a question of a client is for.
enum class Purpose : std::uint8_t { Question, HealthCheck, LoopProbe };

struct UpstreamChannel::Attempt final : AresAttempt, AttemptHook {
  Attempt(UpstreamChannel& o, Exchange* e, std::size_t u, Transport t, Purpose p,
          Clock::time_point now)
      : owner(o), exchange(e), upstream(u), sent(now), transport(t), purpose(p) {}

  void done(Outcome outcome, std::span<const std::uint8_t> message, bool cut) noexcept override {
    owner.attempt_done(*this, outcome, message, cut);
    delete this;
  }

  UpstreamChannel& owner;
  Exchange* exchange;  // nullptr when the question ended before
  const std::size_t upstream;
  const Clock::time_point sent;
  const Transport transport;
  const Purpose purpose;
  bool counted_silent = false;
};

UpstreamChannel::Exchange::Exchange() = default;
UpstreamChannel::Exchange::~Exchange() = default;

std::shared_ptr<UpstreamChannel> UpstreamChannel::create(boost::asio::io_context& io,
                                                         const ForwardOptions& options,
                                                         std::shared_ptr<LoopProbes> loops,
                                                         unsigned worker) {
  return std::make_shared<UpstreamChannel>(io, options, std::move(loops), worker);
}

UpstreamChannel::UpstreamChannel(boost::asio::io_context& io, const ForwardOptions& options,
                                 std::shared_ptr<LoopProbes> loops, unsigned worker)
    : io_(io),
      timer_(io),
      policy_(options.policy),
      prefer_tcp_(options.prefer_tcp),
      max_fails_(options.max_fails),
      max_attempts_(options.max_attempts),
      fail_fast_(options.fail_fast),
      failover_(options.failover),
      health_name_(options.health_name),
      health_recursion_(options.health_recursion),
      loop_zone_(options.loop_zone),
      timings_(options.timings),
      loops_(std::move(loops)),
      worker_(worker),
      silent_text_("no answer from " + of_upstreams(options.upstreams.size())),
      unreachable_text_(of_upstreams(options.upstreams.size()) + " unreachable"),
      invalid_text_("no valid answer from " + of_upstreams(options.upstreams.size())),
      upstream_counters_(options.upstreams.size()) {
  for (const Endpoint& endpoint : options.upstreams) {
    servers_.push_back(std::make_unique<Server>());
    servers_.back()->endpoint = endpoint;
  }
}

UpstreamChannel::~UpstreamChannel() {
  closing_ = true;
  for (const auto& server : servers_) {
    server->udp.reset();
    server->tcp.reset();
    server->retired.clear();
  }
  while (!by_start_.empty()) delete &by_start_.front();
}

bool UpstreamChannel::is_dead(std::size_t upstream) const noexcept {
  return servers_[upstream]->dead;
}

bool UpstreamChannel::is_bad(std::size_t upstream) const noexcept {
  return servers_[upstream]->dead || is_looped(upstream);
}

void UpstreamChannel::ask(std::unique_ptr<Exchange> owned) noexcept {
  count(counters_.questions);
  if (servers_.empty()) {
    count(counters_.failed);
    owned->done({false, {}, {true, ExtendedError::NoReachableAuthority, "no upstream to ask"}});
    return;
  }
  if (outstanding_ >= kMaxOutstanding) {
    count(counters_.over_limit);
    owned->done(
        {false, {}, {true, ExtendedError::Other, "too many queries to upstreams under way"}});
    return;
  }
  const Clock::time_point now = Clock::now();
  if (loops_ != nullptr && loops_->any()) {
    leave_looped();
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      if (is_looped(i)) probe_loop(i, now);
    }
  }
  check_dead(now);
  const std::size_t chosen = first_choice();
  if (is_bad(chosen)) {
    // Only bad ones are left: those that are us cannot help, those that are silent perhaps can.
    if (is_looped(chosen)) {
      count(counters_.failed);
      owned->done({false,
                   {},
                   {true, ExtendedError::NoReachableAuthority,
                    "every upstream leads back to this server"}});
      return;
    }
    count(counters_.all_dead);
    if (fail_fast_) {
      count(counters_.failed);
      owned->done(
          {false, {}, {true, ExtendedError::NoReachableAuthority, "all upstreams are down"}});
      return;
    }
  }
  Exchange& exchange = *owned.release();
  exchange.started_ = now;
  exchange.retry_at_ = now + timings_.retry_after;
  by_start_.push_back(exchange);
  by_retry_.push_back(exchange);
  ++outstanding_;
  arm_timer();
  exchange.tries_ = 1;
  send(exchange, chosen, prefer_tcp_ ? Transport::Tcp : Transport::Udp);
}

// Where the policy starts.
std::size_t UpstreamChannel::first_choice() noexcept {
  switch (policy_) {
    case ForwardPolicy::Random:
      turn_ = servers_.size() > 1 ? random_ids_.next() : 0;
      break;
    case ForwardPolicy::RoundRobin:
      ++turn_;
      break;
    case ForwardPolicy::Sequential:
      turn_ = 0;
      break;
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

std::size_t UpstreamChannel::next_choice(const Exchange& exchange, bool untried_only) noexcept {
  if (!may_send(exchange)) return kNone;
  const auto find = [&](auto&& fits) {
    for (std::size_t i = 1; i <= servers_.size(); ++i) {
      const std::size_t candidate = (turn_ + i) % servers_.size();
      if (!is_looped(candidate) && fits(candidate)) return candidate;
    }
    return kNone;
  };
  const auto untried = [&](std::size_t i) { return (exchange.tried_ >> i & 1u) == 0; };
  std::size_t found = find([&](std::size_t i) { return untried(i) && !servers_[i]->dead; });
  if (found == kNone) found = find(untried);
  if (found != kNone || untried_only) return found;
  found = find([&](std::size_t i) { return !servers_[i]->dead; });
  return found != kNone ? found : find([](std::size_t) { return true; });
}

// While questions come, those held for dead are asked in a while whether they are back.
void UpstreamChannel::check_dead(Clock::time_point now) noexcept {
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    Server& server = *servers_[i];
    if (!server.dead || server.probe_at > now || is_looped(i)) continue;
    server.probe_at = now + timings_.probe_every;
    send_probe(i, health_name_.view(), RRType::NS, health_recursion_, false, now);
  }
}

void UpstreamChannel::probe_loop(std::size_t upstream, Clock::time_point now) noexcept {
  Server& server = *servers_[upstream];
  if (server.loop_probe_at > now) return;
  server.loop_probe_at =
      now + (is_looped(upstream) ? timings_.looped_probe_every : timings_.loop_probe_every);
  const Name name = loops_->make(upstream, worker_, loop_zone_);
  send_probe(upstream, name.view(), RRType::HINFO, true, true, now);
}

void UpstreamChannel::probe_loops() noexcept {
  if (loops_ == nullptr) return;
  const Clock::time_point now = Clock::now();
  for (std::size_t i = 0; i < servers_.size(); ++i) probe_loop(i, now);
}

// A question of nobody's: its answer only tells something about the upstream.
void UpstreamChannel::send_probe(std::size_t upstream, NameView name, RRType type, bool recursion,
                                 bool for_loop, Clock::time_point now) noexcept {
  const Transport transport = prefer_tcp_ ? Transport::Tcp : Transport::Udp;
  request_.assign(kHeaderSize, 0);
  if (recursion) store_u16(request_.data() + 2, kFlagRD);
  store_u16(request_.data() + 4, 1);
  request_.insert(request_.end(), name.begin(), name.end());
  request_.resize(request_.size() + 4);
  store_u16(request_.data() + request_.size() - 4, static_cast<std::uint16_t>(type));
  store_u16(request_.data() + request_.size() - 2, static_cast<std::uint16_t>(RRClass::IN));
  auto* const attempt =
      new Attempt(*this, nullptr, upstream, transport,
                  for_loop ? Purpose::LoopProbe : Purpose::HealthCheck, now);
  count(counters_.requests);
  arm_timer();
  channel_for(*servers_[upstream], transport).send(request_, *attempt);
}

// Requests to an upstream that turned out to be this server will not be answered: each is one of the
// questions that wait. They go elsewhere or end now, which ends the circle.
void UpstreamChannel::leave_looped() noexcept {
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const std::uint32_t bit = std::uint32_t{1} << i;
    if (!is_looped(i)) {
      left_looped_ &= ~bit;
      continue;
    }
    if ((left_looped_ & bit) != 0) continue;
    left_looped_ |= bit;
    std::vector<Exchange*> stuck;
    for (Exchange& exchange : by_start_) {
      const bool only_there = std::all_of(exchange.open_.begin(), exchange.open_.end(),
                                          [i](const Attempt& a) { return a.upstream == i; });
      if (only_there) stuck.push_back(&exchange);
    }
    for (Exchange* const exchange : stuck) {
      const std::size_t other = next_choice(*exchange, true);
      if (other != kNone) {
        send(*exchange, other, prefer_tcp_ ? Transport::Tcp : Transport::Udp);
      } else {
        conclude(*exchange);
      }
    }
  }
}

AresChannel& UpstreamChannel::channel_for(Server& server, Transport transport) {
  auto& channel = transport == Transport::Tcp ? server.tcp : server.udp;
  if (channel && transport == Transport::Udp &&
      (channel->sent() >= timings_.requests_per_port ||
       (channel->sent() != 0 && Clock::now() - channel->opened() >= timings_.port_lifetime))) {
    // Not destroyed here: this may be one of its own callbacks.
    server.retired.push_back(std::move(channel));
  }
  if (channel && transport == Transport::Tcp && timings_.max_age.count() != 0 &&
      channel->sent() != 0 && Clock::now() - channel->opened() >= timings_.max_age) {
    server.retired.push_back(std::move(channel));
  }
  if (!channel) {
    channel = std::make_unique<AresChannel>(io_, weak_from_this(), server.endpoint, transport,
                                            timings_.give_up, random_ids_, batch_);
  }
  return *channel;
}

void UpstreamChannel::send(Exchange& exchange, std::size_t upstream, Transport transport) noexcept {
  const auto request = exchange.request();
  if (request.size() > AresChannel::kMaxUdpRequest) transport = Transport::Tcp;
  exchange.tried_ |= std::uint32_t{1} << upstream;
  ++exchange.attempts_;
  const Clock::time_point now = Clock::now();
  Server& server = *servers_[upstream];
  if (++server.unanswered >= kLoopSuspicion && loops_ != nullptr) probe_loop(upstream, now);
  if (transport == Transport::Tcp) server.tcp_used = now;
  auto* const attempt = new Attempt(*this, &exchange, upstream, transport, Purpose::Question, now);
  exchange.open_.push_back(*attempt);
  request_.assign(request.begin(), request.end());
  UpstreamCounters& counters = upstream_counters_[upstream];
  count(counters_.requests);
  count(counters.requests);
  AresChannel& channel = channel_for(server, transport);
  const std::uint64_t opened = channel.sockets_opened();
  // The exchange, and the channel's socket, may be gone when this returns.
  channel.send(request_, *attempt);
  count((channel.sockets_opened() == opened ? counters.socket_reused
                                            : counters.socket_opened)[static_cast<std::size_t>(
      transport)]);
}

// Every attempt ends here. What is asked next may end at once and come back here, one deeper; the
// flags of the exchange bound that.
void UpstreamChannel::attempt_done(Attempt& attempt, AresAttempt::Outcome outcome,
                                   std::span<const std::uint8_t> message, bool cut) noexcept {
  if (closing_ || outcome == AresAttempt::Outcome::Gone) return;
  Server& server = *servers_[attempt.upstream];
  if (outcome == AresAttempt::Outcome::Reply) {
    const Clock::time_point now = Clock::now();
    count(counters_.replies);
    server.last_word = now;
    server.silent = 0;
    server.dead = false;
    if (attempt.purpose == Purpose::LoopProbe) {
      loops_->answered(attempt.upstream, worker_);
    } else {
      server.unanswered = 0;
    }
    if (attempt.purpose == Purpose::Question) {
      count_reply(upstream_counters_[attempt.upstream], message, now - attempt.sent);
    }
  } else if (attempt.purpose == Purpose::HealthCheck) {
    count(upstream_counters_[attempt.upstream].failed_checks);
  } else if (outcome == AresAttempt::Outcome::Failed && attempt.transport == Transport::Udp) {
    mark_dead(server, Clock::now());
  }
  if (attempt.exchange == nullptr) return;
  Exchange& exchange = *attempt.exchange;
  attempt.exchange = nullptr;
  attempt.unlink();
  switch (outcome) {
    case AresAttempt::Outcome::Reply:
      return on_reply(exchange, attempt.upstream, attempt.transport, message, cut);
    case AresAttempt::Outcome::Failed:
      return on_failure(exchange, attempt.upstream, attempt.transport);
    case AresAttempt::Outcome::Timeout:
      exchange.silent_ = true;
      break;
    case AresAttempt::Outcome::Gone:
      break;
  }
  // c-ares' time is ours, so that the tick ends the exchange soon.
}

void UpstreamChannel::on_reply(Exchange& exchange, std::size_t upstream, Transport transport,
                               std::span<const std::uint8_t> message, bool cut) noexcept {
  if (!answers(exchange.request(), message)) {
    count(counters_.invalid);
    exchange.invalid_ = true;
    const std::size_t other = next_choice(exchange, true);
    if (other != kNone) return send(exchange, other, Transport::Udp);
    if (exchange.open_.empty()) conclude(exchange);
    return;
  }
  if (transport == Transport::Udp && (cut || (load_u16(message.data() + 2) & kFlagTC) != 0)) {
    // Kept: an upstream without TCP is still worth its first records.
    if (!cut) exchange.fallback_.assign(message.begin(), message.end());
    count(counters_.tcp_after_tc);
    return send(exchange, upstream, Transport::Tcp);
  }
  const auto rcode = Rcode{static_cast<std::uint16_t>(message[3] & 0xF)};
  if ((failover_ >> static_cast<unsigned>(rcode) & 1u) != 0) {
    const std::size_t other = next_choice(exchange, true);
    if (other != kNone) {
      exchange.fallback_.assign(message.begin(), message.end());
      return send(exchange, other, prefer_tcp_ ? Transport::Tcp : Transport::Udp);
    }
  }
  if ((rcode == Rcode::ServFail || rcode == Rcode::Refused) && !exchange.second_opinion_) {
    exchange.second_opinion_ = true;
    const std::size_t other = next_choice(exchange, true);
    if (other != kNone && !servers_[other]->dead) {
      count(counters_.second_opinions);
      exchange.fallback_.assign(message.begin(), message.end());
      return send(exchange, other, prefer_tcp_ ? Transport::Tcp : Transport::Udp);
    }
  }
  finish(exchange, {true, message, {}});
}

void UpstreamChannel::on_failure(Exchange& exchange, std::size_t upstream,
                                 Transport transport) noexcept {
  // A kept TCP connection may have been closed by the other side just as we wrote to it.
  if (transport == Transport::Tcp && !exchange.tcp_again_ && may_send(exchange) &&
      !is_looped(upstream)) {
    exchange.tcp_again_ = true;
    return send(exchange, upstream, Transport::Tcp);
  }
  const Transport first = prefer_tcp_ ? Transport::Tcp : Transport::Udp;
  const std::size_t other = next_choice(exchange, true);
  if (other != kNone) return send(exchange, other, first);
  if (!exchange.open_.empty()) return;
  // The error may have been another query's: one more try, at once.
  if (!exchange.same_again_ && exchange.fallback_.empty() && may_send(exchange) &&
      !is_looped(upstream)) {
    exchange.same_again_ = true;
    return send(exchange, upstream, first);
  }
  conclude(exchange);
}

void UpstreamChannel::mark_dead(Server& server, Clock::time_point now) noexcept {
  if (max_fails_ == 0) return;
  if (!server.dead) count(counters_.marked_dead);
  server.dead = true;
  server.probe_at = now + timings_.probe_every;
}

void UpstreamChannel::on_silence(Exchange& exchange, Clock::time_point now) noexcept {
  exchange.silent_ = true;
  for (Attempt& attempt : exchange.open_) {
    if (attempt.counted_silent || now - attempt.sent < timings_.retry_after) continue;
    attempt.counted_silent = true;
    Server& server = *servers_[attempt.upstream];
    if (server.last_word >= attempt.sent) continue;  // it answers others: a slow name
    if (++server.silent >= max_fails_) mark_dead(server, now);
  }
  if (exchange.tries_ >= kMaxTries) return;
  const std::size_t other = next_choice(exchange, false);
  if (other == kNone) return;
  ++exchange.tries_;
  exchange.retry_at_ = now + timings_.retry_after;
  by_retry_.push_back(exchange);
  count(counters_.retries);
  send(exchange, other, prefer_tcp_ ? Transport::Tcp : Transport::Udp);
}

void UpstreamChannel::conclude(Exchange& exchange) noexcept {
  if (!exchange.fallback_.empty()) return finish(exchange, {true, exchange.fallback_, {}});
  ExtendedErrorNote note{true, ExtendedError::NetworkError, unreachable_text_.c_str()};
  if (exchange.silent_ || !exchange.open_.empty()) {
    note = {true, ExtendedError::NoReachableAuthority, silent_text_.c_str()};
  }
  if (exchange.invalid_) note = {true, ExtendedError::InvalidData, invalid_text_.c_str()};
  count(counters_.failed);
  finish(exchange, {false, {}, note});
}

void UpstreamChannel::finish(Exchange& exchange, const Upstream::Reply& reply) noexcept {
  const std::unique_ptr<Exchange> owned(&exchange);
  exchange.RetryHook::unlink();
  exchange.StartHook::unlink();
  while (!exchange.open_.empty()) {
    exchange.open_.front().exchange = nullptr;  // c-ares has no way to take a request back
    exchange.open_.pop_front();
  }
  --outstanding_;
  exchange.done(reply);
}

bool UpstreamChannel::idle() const noexcept {
  return outstanding_ == 0 && std::all_of(servers_.begin(), servers_.end(), [](const auto& server) {
           return (!server->udp || server->udp->outstanding() == 0) && !server->tcp &&
                  server->retired.empty();
         });
}

void UpstreamChannel::arm_timer() noexcept {
  if (timer_armed_) return;
  timer_armed_ = true;
  tick_due_ = Clock::now() + timings_.tick;
  timer_.expires_at(tick_due_);
  // Holding ourselves: this is what keeps questions under way alive when the stage lets go.
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
    self->timer_armed_ = false;
    if (!ec) self->on_tick();
  });
}

void UpstreamChannel::on_tick() noexcept {
  count(counters_.ticks);
  const Clock::time_point now = Clock::now();
  // This worker was held up (a machine that stood still, a batch without end): replies that came
  // meanwhile are still in the sockets, and are read before anybody is called silent. Once only, or
  // a worker that is always late would never give up.
  if (now - tick_due_ > kLateTicks * timings_.tick && !std::exchange(passed_over_, true)) {
    return arm_timer();
  }
  passed_over_ = false;
  if (loops_ != nullptr && loops_->any()) leave_looped();
  while (!by_start_.empty() && by_start_.front().started_ + timings_.give_up <= now) {
    Exchange& exchange = by_start_.front();
    exchange.silent_ = exchange.silent_ || !exchange.open_.empty();
    conclude(exchange);
  }
  while (!by_retry_.empty() && by_retry_.front().retry_at_ <= now) {
    Exchange& exchange = by_retry_.front();
    by_retry_.pop_front();
    on_silence(exchange, now);
  }
  for (const auto& server : servers_) {
    if (server->udp && server->udp->outstanding() != 0) server->udp->expire();
    if (server->tcp && server->tcp->outstanding() != 0) {
      server->tcp->expire();
    } else if (server->tcp && now - server->tcp_used >= timings_.expire) {
      server->tcp.reset();
    }
    for (const auto& channel : server->retired) channel->expire();
    std::erase_if(server->retired, [](const auto& channel) { return channel->outstanding() == 0; });
  }
  if (!idle()) arm_timer();
}

}  // namespace clusterdns::dns
