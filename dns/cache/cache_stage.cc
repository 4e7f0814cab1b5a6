#include "dns/cache/cache_stage.h"

#include "dns/forward/chain.h"

namespace clusterdns::dns {
namespace {

// A question on behalf of a query, with its own copy of the request.
struct Asked {
  std::vector<std::uint8_t> packet;
  Query query;
};

std::shared_ptr<Asked> parse(std::span<const std::uint8_t> request) {
  auto asked = std::make_shared<Asked>();
  asked->packet.reserve(request.size() + kPadding);
  asked->packet.assign(request.begin(), request.end());
  asked->packet.resize(request.size() + kPadding, 0);
  if (parse_query({asked->packet.data(), request.size()}, asked->query) != Gate::Pass) return {};
  return asked;
}

}  // namespace

Verdict CacheStage::handle(QueryContext& ctx) noexcept {
  if (!cache_->takes(ctx.query)) return Verdict::Next;
  const AnswerCache::Entry* const entry =
      cache_->find(ctx.query, ctx.received_ns, ctx.worker->index);
  if (entry == nullptr) return Verdict::Next;
  // What is kept is for those who could have asked for it.
  if (find_upstream(*ctx.route, ctx.query.name(), ctx.client) == nullptr) return Verdict::Next;
  cache_->fill(*entry, ctx.query, ctx.received_ns, ctx.answer);
  return Verdict::Answered;
}

bool keep_and_answer(DeferredQuery& query, std::span<const std::uint8_t> reply) noexcept {
  const auto& cache = query.route->cache;
  if (cache == nullptr || !cache->takes(query.query)) return false;
  const TableGuard guard(*query.worker);
  const std::int64_t now = monotonic_ns();
  const AnswerCache::Entry* const entry =
      cache->store(query.query, reply, now, query.worker->index);
  if (entry == nullptr) return false;
  Answer answer;
  answer.reset(query.query.lower.data(), query.query.qname_size);
  cache->fill(*entry, query.query, now, answer);
  query.finish(answer);
  return true;
}

void ask_through_cache(const Route& route, Upstream& upstream, WorkerContext& worker,
                       std::span<const std::uint8_t> request, Upstream::Callback callback) {
  const auto& cache = route.cache;
  std::shared_ptr<Asked> asked;
  if (cache != nullptr) asked = parse(request);
  if (asked == nullptr || !cache->takes(asked->query)) {
    return upstream.ask(worker, request, std::move(callback));
  }
  std::vector<std::uint8_t> kept;
  {
    const TableGuard guard(worker);
    const std::int64_t now = monotonic_ns();
    if (const auto* entry = cache->find(asked->query, now, worker.index)) {
      kept = cache->message(*entry, asked->query, now);
    }
  }
  if (!kept.empty()) return callback({true, kept, {}});
  upstream.ask(worker, request,
               [cache, asked, &worker, callback = std::move(callback)](const Upstream::Reply& reply) {
                 if (reply.ok) {
                   const TableGuard guard(worker);
                   (void)cache->store(asked->query, reply.message, monotonic_ns(), worker.index);
                 }
                 callback(reply);
               });
}

}  // namespace clusterdns::dns
