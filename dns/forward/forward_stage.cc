#include "dns/forward/forward_stage.h"

#include <utility>

#include "dns/resolve/resolution.h"

namespace clusterdns::dns {
namespace {

constexpr ExtendedErrorNote kLeadsBack{true, ExtendedError::Other,
                                       "this upstream leads back to this server"};
constexpr ExtendedErrorNote kNotForThisClient{true, ExtendedError::Prohibited,
                                              "queries of this client are not forwarded"};
constexpr ExtendedErrorNote kClassNotForwarded{true, ExtendedError::NotSupported,
                                               "only class IN is forwarded"};

Verdict answer_with(Exchange& exchange, Rcode rcode, const ExtendedErrorNote& error) noexcept {
  exchange.fail(rcode, error);
  return Verdict::Answered;
}

}  // namespace

ForwardStage::ForwardStage(Options options, unsigned workers)
    : options_([&] {
        if (options.zones.empty()) options.zones.add(Name());
        options.forward.loop_zone = Name(options.zones[0]);
        return std::move(options);
      }()),
      loops_(std::make_shared<LoopProbes>(options_.forward.upstreams.size(), workers)),
      shared_(std::make_shared<SharedForwarding>(options_.forward.upstreams.size(), workers,
                                                 options_.max_concurrent)),
      gone_upstreams_(options_.forward.upstreams.size()) {
  for (std::size_t i = 0; i < gone_upstreams_.size(); ++i) {
    gone_upstreams_[i].endpoint = options_.forward.upstreams[i];
    gone_upstreams_[i].tls = options_.forward.upstreams[i].tls != nullptr;
  }
}

ForwardStage::~ForwardStage() = default;

void ForwardStage::attach(WorkerContext& worker) {
  const std::lock_guard lock(mutex_);
  if (channels_.size() < worker.worker_count) channels_.resize(worker.worker_count);
  channels_[worker.index] = UpstreamChannel::create(worker, options_.forward, shared_, loops_);
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
std::shared_ptr<UpstreamChannel> ForwardStage::channel_of(WorkerContext& worker) {
  if (worker.index < channels_.size() && channels_[worker.index]) return channels_[worker.index];
  return UpstreamChannel::create(worker, options_.forward, shared_, loops_);
}

bool ForwardStage::covers(NameView name) const noexcept {
  return options_.zones.contains(name) && !options_.excepts.contains(name);
}

NameView ForwardStage::zone_of(NameView name) const noexcept {
  const std::size_t zone = options_.zones.find(name);
  return options_.zones[zone == ZoneSet::kNone ? 0 : zone];
}

bool ForwardStage::allows(const Endpoint& client) const noexcept {
  return options_.clients.contains(client);
}

bool ForwardStage::is_loop_probe(const Exchange& exchange) noexcept {
  bool fresh = false;
  const std::size_t upstream = loops_->seen(exchange.query.name(), &fresh);
  if (upstream == LoopProbes::kNone) return false;
  if (fresh && options_.on_loop) {
    options_.on_loop(options_.forward.upstreams[upstream], exchange.client, exchange.local);
  }
  return true;
}

Verdict ForwardStage::handle(Exchange& exchange) noexcept {
  if (!covers(exchange.query.name())) return Verdict::Next;
  if (exchange.query.qtype == RRType::HINFO && is_loop_probe(exchange)) [[unlikely]] {
    return answer_with(exchange, Rcode::ServFail, kLeadsBack);
  }
  if (!allows(exchange.client)) {
    return answer_with(exchange, Rcode::Refused, kNotForThisClient);
  }
  if (is_meta_type(exchange.query.qtype)) {
    return answer_with(exchange, Rcode::Refused, kTypeNotForwarded);
  }
  if (exchange.query.qclass != RRClass::IN) {
    return answer_with(exchange, Rcode::Refused, kClassNotForwarded);
  }
  // Answered right here, which costs the least; ask() would say the same later.
  if (const auto refused = channel_of(*exchange.worker)->refusal(exchange.client)) {
    return answer_with(exchange, refused->rcode, refused->note);
  }
  finish_by(*this, exchange.defer());
  return Verdict::Deferred;
}

bool ForwardStage::passes_on(const UpstreamReply& reply) const noexcept {
  if (reply.rcode < 16 && (options_.next >> reply.rcode & 1u) != 0) return true;
  return options_.next_on_nodata && reply.rcode == 0 && load_u16(reply.message.data() + 6) == 0;
}

void ForwardStage::ask(WorkerContext& worker, const UpstreamClient& client,
                       const UpstreamQuestion& question, std::unique_ptr<UpstreamWaiter> waiter) {
  channel_of(worker)->ask(client, question, std::move(waiter));
}

std::shared_ptr<void> ForwardStage::call_in(WorkerContext& worker, std::int64_t delay_ns,
                                            std::function<void()> late) {
  if (worker.network == nullptr) worker.network = make_socket_network(*worker.io);
  const std::shared_ptr<UpstreamTimer> timer = worker.network->make_timer();
  timer->arm(worker.network->now() + std::chrono::nanoseconds(delay_ns), std::move(late));
  return timer;
}

void ForwardStage::add(Totals& totals, const UpstreamChannel& channel) noexcept {
  const ForwardCounters& counters = channel.counters();
  totals.questions += counters.questions.load(std::memory_order_relaxed);
  totals.merged += counters.merged.load(std::memory_order_relaxed);
  totals.invalid += counters.invalid.load(std::memory_order_relaxed);
  totals.failed += counters.failed.load(std::memory_order_relaxed);
  totals.over_limit += counters.over_limit.load(std::memory_order_relaxed);
  totals.ticks += counters.ticks.load(std::memory_order_relaxed);
  totals.all_dead += counters.all_dead.load(std::memory_order_relaxed);
  totals.rejected += counters.rejected.load(std::memory_order_relaxed);
  totals.hedged += counters.hedged.load(std::memory_order_relaxed);
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
  return totals;
}

std::vector<ForwardStage::UpstreamTotals> ForwardStage::upstream_totals() const {
  const std::lock_guard lock(mutex_);
  std::vector<UpstreamTotals> all = gone_upstreams_;
  for (const auto& channel : channels_) {
    if (channel) add(all, *channel);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].looped = loops_->looped(i);
    all[i].down = shared_->health[i].dead();
  }
  return all;
}

}  // namespace clusterdns::dns
