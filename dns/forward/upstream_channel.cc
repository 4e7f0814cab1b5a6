#include "dns/forward/upstream_channel.h"

#include <algorithm>

#include "dns/wire/name.h"
#include "dns/wire/types.h"

namespace clusterdns::dns {
namespace {

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

}  // namespace

struct UpstreamChannel::Server {
  Endpoint endpoint;
  std::unique_ptr<AresChannel> udp;
  std::unique_ptr<AresChannel> tcp;
  // Replaced, with requests still under way.
  std::vector<std::unique_ptr<AresChannel>> retired;
  Clock::time_point last_word{};  // when it last answered anything
  Clock::time_point probe_at{};
  unsigned silent = 0;  // requests without a word since, see kSilentToDead
  bool dead = false;
};

struct UpstreamChannel::Attempt final : AresAttempt, AttemptHook {
  Attempt(UpstreamChannel& o, Exchange* e, std::size_t u, Transport t, Clock::time_point now)
      : owner(o), exchange(e), upstream(u), sent(now), transport(t) {}

  void done(Outcome outcome, std::span<const std::uint8_t> message, bool cut) noexcept override {
    owner.attempt_done(*this, outcome, message, cut);
    delete this;
  }

  UpstreamChannel& owner;
  Exchange* exchange;  // nullptr when the question ended before
  const std::size_t upstream;
  const Clock::time_point sent;
  const Transport transport;
  bool counted_silent = false;
};

UpstreamChannel::Exchange::Exchange() = default;
UpstreamChannel::Exchange::~Exchange() = default;

std::shared_ptr<UpstreamChannel> UpstreamChannel::create(boost::asio::io_context& io,
                                                         const ForwardOptions& options) {
  return std::make_shared<UpstreamChannel>(io, options);
}

UpstreamChannel::UpstreamChannel(boost::asio::io_context& io, const ForwardOptions& options)
    : io_(io),
      timer_(io),
      policy_(options.policy),
      prefer_tcp_(options.prefer_tcp),
      timings_(options.timings),
      silent_text_("no answer from " + of_upstreams(options.upstreams.size())),
      unreachable_text_(of_upstreams(options.upstreams.size()) + " unreachable"),
      invalid_text_("no valid answer from " + of_upstreams(options.upstreams.size())) {
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
  Exchange& exchange = *owned.release();
  const Clock::time_point now = Clock::now();
  exchange.started_ = now;
  exchange.retry_at_ = now + timings_.retry_after;
  by_start_.push_back(exchange);
  by_retry_.push_back(exchange);
  ++outstanding_;
  arm_timer();
  exchange.tries_ = 1;
  const std::size_t chosen = first_choice();
  probe_dead(exchange, chosen, now);
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
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const std::size_t candidate = (turn_ + i) % servers_.size();
    if (!servers_[candidate]->dead) return candidate;
  }
  return turn_;
}

std::size_t UpstreamChannel::next_choice(const Exchange& exchange, bool untried_only) noexcept {
  const auto find = [&](auto&& fits) {
    for (std::size_t i = 1; i <= servers_.size(); ++i) {
      const std::size_t candidate = (turn_ + i) % servers_.size();
      if (fits(candidate)) return candidate;
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

// One question in a while also goes to those held for dead.
void UpstreamChannel::probe_dead(const Exchange& exchange, std::size_t chosen,
                                 Clock::time_point now) noexcept {
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    Server& server = *servers_[i];
    if (!server.dead || server.probe_at > now) continue;
    server.probe_at = now + timings_.probe_every;
    if (i == chosen) continue;
    const auto request = exchange.request();
    const Transport transport =
        request.size() > AresChannel::kMaxUdpRequest ? Transport::Tcp : Transport::Udp;
    // Of nobody's: its answer only tells that the upstream is back.
    auto* const attempt = new Attempt(*this, nullptr, i, transport, now);
    request_.assign(request.begin(), request.end());
    count(counters_.requests);
    channel_for(server, transport).send(request_, *attempt);
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
  auto* const attempt = new Attempt(*this, &exchange, upstream, transport, Clock::now());
  exchange.open_.push_back(*attempt);
  request_.assign(request.begin(), request.end());
  count(counters_.requests);
  channel_for(*servers_[upstream], transport).send(request_, *attempt);
}

// Every attempt ends here. What is asked next may end at once and come back here, one deeper; the
// flags of the exchange bound that.
void UpstreamChannel::attempt_done(Attempt& attempt, AresAttempt::Outcome outcome,
                                   std::span<const std::uint8_t> message, bool cut) noexcept {
  if (closing_ || outcome == AresAttempt::Outcome::Gone) return;
  Server& server = *servers_[attempt.upstream];
  if (outcome == AresAttempt::Outcome::Reply) {
    count(counters_.replies);
    server.last_word = Clock::now();
    server.silent = 0;
    server.dead = false;
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
  if (transport == Transport::Tcp && !exchange.tcp_again_) {
    exchange.tcp_again_ = true;
    return send(exchange, upstream, Transport::Tcp);
  }
  const Transport first = prefer_tcp_ ? Transport::Tcp : Transport::Udp;
  const std::size_t other = next_choice(exchange, true);
  if (other != kNone) return send(exchange, other, first);
  if (!exchange.open_.empty()) return;
  // The error may have been another query's: one more try, at once.
  if (!exchange.same_again_ && exchange.fallback_.empty()) {
    exchange.same_again_ = true;
    return send(exchange, upstream, first);
  }
  conclude(exchange);
}

void UpstreamChannel::mark_dead(Server& server, Clock::time_point now) noexcept {
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
    if (++server.silent >= kSilentToDead) mark_dead(server, now);
  }
  if (exchange.tries_ >= kMaxTries) return;
  ++exchange.tries_;
  exchange.retry_at_ = now + timings_.retry_after;
  by_retry_.push_back(exchange);
  count(counters_.retries);
  send(exchange, next_choice(exchange, false), prefer_tcp_ ? Transport::Tcp : Transport::Udp);
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
           return (!server->udp || server->udp->outstanding() == 0) &&
                  (!server->tcp || server->tcp->outstanding() == 0) && server->retired.empty();
         });
}

void UpstreamChannel::arm_timer() noexcept {
  if (timer_armed_) return;
  timer_armed_ = true;
  timer_.expires_after(timings_.tick);
  // Holding ourselves: this is what keeps questions under way alive when the stage lets go.
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
    self->timer_armed_ = false;
    if (!ec) self->on_tick();
  });
}

void UpstreamChannel::on_tick() noexcept {
  count(counters_.ticks);
  const Clock::time_point now = Clock::now();
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
    if (server->tcp && server->tcp->outstanding() != 0) server->tcp->expire();
    for (const auto& channel : server->retired) channel->expire();
    std::erase_if(server->retired, [](const auto& channel) { return channel->outstanding() == 0; });
  }
  if (!idle()) arm_timer();
}

}  // namespace clusterdns::dns
