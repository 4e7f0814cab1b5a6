#include "dns/forward/forward_stage.h"

#include "dns/cache/cache_stage.h"
#include "dns/forward/chain.h"
#include "dns/forward/relay.h"

namespace clusterdns::dns {
namespace {

// Types between the data types and ANY ask for something other than an RRset: TSIG, IXFR, AXFR,
// MAILB, MAILA (RFC 6895 3.1, QTYPEs and meta-types), and OPT. Many of them answer with more than
// one message.
bool is_meta_type(RRType type) noexcept {
  const auto number = static_cast<std::uint16_t>(type);
  return (number >= 249 && number <= 254) || type == RRType::OPT;
}

bool has_local_data(const Route& route) noexcept {
  for (const auto& stage : route.stages) {
    if (stage->local_data() != nullptr) return true;
  }
  return false;
}

// A client's query, relayed as it is.
class RelayExchange final : public UpstreamChannel::Exchange {
 public:
  explicit RelayExchange(std::unique_ptr<DeferredQuery> query) : query_(std::move(query)) {}

  [[nodiscard]] std::span<const std::uint8_t> request() const noexcept override {
    return {query_->packet.data(), query_->query.size};
  }

  void done(const Upstream::Reply& reply) noexcept override {
    if (reply.ok && leads_inside(reply.message)) return;
    if (reply.ok && keep_and_answer(*query_, reply.message)) return;
    relay(*query_, reply);
  }

 private:
  // A name outside may be an alias of one of ours, which the upstream cannot know: that is followed
  // here. True when it was.
  bool leads_inside(std::span<const std::uint8_t> reply) noexcept {
    ReplyShape shape;
    if (!walk_reply(reply, shape) || !shape.ends_in_alias || !has_local_data(*query_->route)) {
      return false;
    }
    const auto message = read_message(reply);
    if (!message) return false;
    std::vector<ChainLink> chain;
    Name target;
    const Name asked(query_->query.name_as_asked());
    if (read_aliases(*message, asked, query_->query.qtype, chain, &target) || chain.empty()) {
      return false;
    }
    if (!is_local_name(*query_->route, target, *query_->worker)) return false;
    follow_chain(std::move(query_), std::move(chain), target, /*authoritative=*/false);
    return true;
  }

  std::unique_ptr<DeferredQuery> query_;
};

// A question of our own.
class CallbackExchange final : public UpstreamChannel::Exchange {
 public:
  CallbackExchange(std::span<const std::uint8_t> request, Upstream::Callback callback)
      : request_(request.begin(), request.end()), callback_(std::move(callback)) {}

  [[nodiscard]] std::span<const std::uint8_t> request() const noexcept override { return request_; }
  void done(const Upstream::Reply& reply) noexcept override { callback_(reply); }

 private:
  std::vector<std::uint8_t> request_;
  Upstream::Callback callback_;
};

Verdict answer_with(QueryContext& ctx, Rcode rcode, ExtendedError code, const char* text) noexcept {
  ctx.answer.rcode = rcode;
  ctx.answer.error = {true, code, text};
  return Verdict::Answered;
}

}  // namespace

ForwardStage::ForwardStage(Options options) : options_(std::move(options)) {}

ForwardStage::~ForwardStage() = default;

void ForwardStage::attach(WorkerContext& worker) {
  const std::lock_guard lock(mutex_);
  if (channels_.size() < worker.worker_count) channels_.resize(worker.worker_count);
  channels_[worker.index] = UpstreamChannel::create(*worker.io, options_.forward);
}

void ForwardStage::detach(WorkerContext& worker) noexcept {
  std::shared_ptr<UpstreamChannel> last;  // released outside the lock
  const std::lock_guard lock(mutex_);
  if (worker.index < channels_.size()) last = std::move(channels_[worker.index]);
}

// Queries that go on after detach() get a channel for themselves, which their own end closes.
std::shared_ptr<UpstreamChannel> ForwardStage::channel_of(WorkerContext& worker) noexcept {
  if (worker.index < channels_.size() && channels_[worker.index]) return channels_[worker.index];
  return UpstreamChannel::create(*worker.io, options_.forward);
}

bool ForwardStage::covers(NameView name) const noexcept {
  if (!has_suffix_ignoring_case(name, options_.zone.view())) return false;
  for (const Name& except : options_.excepts) {
    if (has_suffix_ignoring_case(name, except.view())) return false;
  }
  return true;
}

bool ForwardStage::allows(const Endpoint& client) const noexcept {
  return options_.clients.contains(client);
}

Verdict ForwardStage::handle(QueryContext& ctx) noexcept {
  if (!covers(ctx.query.name())) return Verdict::Next;
  if (!allows(ctx.client)) {
    return answer_with(ctx, Rcode::Refused, ExtendedError::Prohibited,
                       "queries of this client are not forwarded");
  }
  if (is_meta_type(ctx.query.qtype)) {
    return answer_with(ctx, Rcode::Refused, ExtendedError::NotSupported,
                       "queries of this type are not forwarded");
  }
  if (ctx.query.qclass != RRClass::IN) {
    return answer_with(ctx, Rcode::Refused, ExtendedError::NotSupported,
                       "only class IN is forwarded");
  }
  if (options_.forward.upstreams.empty()) {
    return answer_with(ctx, Rcode::ServFail, ExtendedError::NoReachableAuthority,
                       "no upstream to ask");
  }
  auto exchange = std::make_unique<RelayExchange>(ctx.defer());
  channel_of(*ctx.worker)->ask(std::move(exchange));
  return Verdict::Deferred;
}

void ForwardStage::ask(WorkerContext& worker, std::span<const std::uint8_t> request,
                       Callback callback) {
  channel_of(worker)->ask(std::make_unique<CallbackExchange>(request, std::move(callback)));
}

ForwardStage::Totals ForwardStage::totals() const {
  Totals totals;
  const std::lock_guard lock(mutex_);
  for (const auto& channel : channels_) {
    if (!channel) continue;
    const ForwardCounters& counters = channel->counters();
    totals.questions += counters.questions.load(std::memory_order_relaxed);
    totals.requests += counters.requests.load(std::memory_order_relaxed);
    totals.failed += counters.failed.load(std::memory_order_relaxed);
    totals.over_limit += counters.over_limit.load(std::memory_order_relaxed);
    totals.ticks += counters.ticks.load(std::memory_order_relaxed);
  }
  return totals;
}

}  // namespace clusterdns::dns
