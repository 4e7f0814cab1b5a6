#include "dns/forward/forward_stage.h"

#include <utility>

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

// A client's query, relayed as it is.
class ForwardStage::RelayExchange final : public UpstreamChannel::Exchange {
 public:
  // `counts`: it is one of those under way that max_concurrent limits.
  RelayExchange(ForwardStage& stage, std::unique_ptr<DeferredQuery> query, bool counts)
      : query_(std::move(query)), stage_(stage), counts_(counts) {}
  ~RelayExchange() override { release(); }

  [[nodiscard]] std::span<const std::uint8_t> request() const noexcept override {
    return {query_->packet.data(), query_->query.size};
  }

  void done(const Upstream::Reply& reply) noexcept override {
    release();
    if (reply.ok) {
      if (goes_on(reply.message) || leads_inside(reply.message)) return;
      if (keep_and_answer(*query_, reply.message)) return;
    }
    relay(*query_, reply);
  }

 private:
  // While query_ keeps the stage alive.
  void release() noexcept {
    if (std::exchange(counts_, false)) stage_.under_way_.fetch_sub(1, std::memory_order_relaxed);
  }

  // `next` and `next_on_nodata`: true when a later forward stage has been asked instead.
  bool goes_on(std::span<const std::uint8_t> reply) noexcept {
    const unsigned rcode = reply[3] & 0xFu;
    const bool nodata = rcode == 0 && load_u16(reply.data() + 6) == 0;
    if ((stage_.options_.next >> rcode & 1u) == 0 && !(nodata && stage_.options_.next_on_nodata)) {
      return false;
    }
    bool behind = false;
    for (const auto& stage : query_->route->stages) {
      if (stage.get() == &stage_) {
        behind = true;
        continue;
      }
      auto* const other = behind ? dynamic_cast<ForwardStage*>(stage.get()) : nullptr;
      if (other == nullptr || !other->covers(query_->query.name()) ||
          !other->allows(query_->client) || other->options_.forward.upstreams.empty()) {
        continue;
      }
      WorkerContext& worker = *query_->worker;
      other->channel_of(worker)->ask(
          std::make_unique<RelayExchange>(*other, std::move(query_), false));
      return true;
    }
    return false;
  }

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
  ForwardStage& stage_;
  bool counts_;
};

ForwardStage::ForwardStage(Options options, unsigned workers)
    : options_([&] {
        options.forward.loop_zone = options.zone;
        return std::move(options);
      }()),
      loops_(std::make_shared<LoopProbes>(options_.forward.upstreams.size(), workers)),
      gone_upstreams_(options_.forward.upstreams.size()) {
  for (std::size_t i = 0; i < gone_upstreams_.size(); ++i) {
    gone_upstreams_[i].endpoint = options_.forward.upstreams[i];
  }
}

ForwardStage::~ForwardStage() = default;

void ForwardStage::attach(WorkerContext& worker) {
  const std::lock_guard lock(mutex_);
  if (channels_.size() < worker.worker_count) channels_.resize(worker.worker_count);
  channels_[worker.index] =
      UpstreamChannel::create(*worker.io, options_.forward, loops_, worker.index);
  // One worker's look is enough: what it finds counts for all.
  if (options_.probe_loops && worker.index == 0) channels_[0]->probe_loops();
}

void ForwardStage::detach(WorkerContext& worker) noexcept {
  std::shared_ptr<UpstreamChannel> last;  // released outside the lock
  const std::lock_guard lock(mutex_);
  if (worker.index >= channels_.size() || !channels_[worker.index]) return;
  last = std::move(channels_[worker.index]);
  add(gone_, *last);
  add(gone_upstreams_, *last);
}

// Queries that go on after detach() get a channel for themselves, which their own end closes.
std::shared_ptr<UpstreamChannel> ForwardStage::channel_of(WorkerContext& worker) noexcept {
  if (worker.index < channels_.size() && channels_[worker.index]) return channels_[worker.index];
  return UpstreamChannel::create(*worker.io, options_.forward, loops_, worker.index);
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

bool ForwardStage::is_loop_probe(const QueryContext& ctx) noexcept {
  bool fresh = false;
  const std::size_t upstream = loops_->seen(ctx.query.name(), &fresh);
  if (upstream == LoopProbes::kNone) return false;
  if (fresh && options_.on_loop) {
    options_.on_loop(options_.forward.upstreams[upstream], ctx.client, ctx.local);
  }
  return true;
}

Verdict ForwardStage::handle(QueryContext& ctx) noexcept {
  if (!covers(ctx.query.name())) return Verdict::Next;
  if (ctx.query.qtype == RRType::HINFO && is_loop_probe(ctx)) [[unlikely]] {
    return answer_with(ctx, Rcode::ServFail, ExtendedError::Other,
                       "this upstream leads back to this server");
  }
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
  const bool counts = options_.max_concurrent != 0;
  if (counts && under_way_.fetch_add(1, std::memory_order_relaxed) >= options_.max_concurrent) {
    under_way_.fetch_sub(1, std::memory_order_relaxed);
    rejected_.fetch_add(1, std::memory_order_relaxed);
    return answer_with(ctx, Rcode::Refused, ExtendedError::Other,
                       "too many queries to upstreams under way, see max_concurrent");
  }
  auto exchange = std::make_unique<RelayExchange>(*this, ctx.defer(), counts);
  channel_of(*ctx.worker)->ask(std::move(exchange));
  return Verdict::Deferred;
}

void ForwardStage::ask(WorkerContext& worker, std::span<const std::uint8_t> request,
                       Callback callback) {
  channel_of(worker)->ask(std::make_unique<CallbackExchange>(request, std::move(callback)));
}

void ForwardStage::add(Totals& totals, const UpstreamChannel& channel) noexcept {
  const ForwardCounters& counters = channel.counters();
  totals.questions += counters.questions.load(std::memory_order_relaxed);
  totals.requests += counters.requests.load(std::memory_order_relaxed);
  totals.failed += counters.failed.load(std::memory_order_relaxed);
  totals.over_limit += counters.over_limit.load(std::memory_order_relaxed);
  totals.ticks += counters.ticks.load(std::memory_order_relaxed);
  totals.all_dead += counters.all_dead.load(std::memory_order_relaxed);
}

void ForwardStage::add(std::vector<UpstreamTotals>& all, const UpstreamChannel& channel) noexcept {
  const auto add_each = [](auto& to, const auto& from) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i].load(std::memory_order_relaxed);
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    UpstreamTotals& totals = all[i];
    const UpstreamCounters& counters = channel.counters(i);
    totals.requests += counters.requests.load(std::memory_order_relaxed);
    totals.failed_checks += counters.failed_checks.load(std::memory_order_relaxed);
    add_each(totals.replies, counters.replies);
    add_each(totals.duration_sum_ns, counters.duration_sum_ns);
    add_each(totals.socket_reused, counters.socket_reused);
    add_each(totals.socket_opened, counters.socket_opened);
    for (std::size_t rcode = 0; rcode < kCountedRcodes; ++rcode) {
      add_each(totals.durations[rcode], counters.durations[rcode]);
    }
  }
}

ForwardStage::Totals ForwardStage::totals() const {
  const std::lock_guard lock(mutex_);
  Totals totals = gone_;
  for (const auto& channel : channels_) {
    if (channel) add(totals, *channel);
  }
  totals.rejected = rejected_.load(std::memory_order_relaxed);
  return totals;
}

std::vector<ForwardStage::UpstreamTotals> ForwardStage::upstream_totals() const {
  const std::lock_guard lock(mutex_);
  std::vector<UpstreamTotals> all = gone_upstreams_;
  for (const auto& channel : channels_) {
    if (channel) add(all, *channel);
  }
  for (std::size_t i = 0; i < all.size(); ++i) all[i].looped = loops_->looped(i);
  return all;
}

}  // namespace clusterdns::dns
