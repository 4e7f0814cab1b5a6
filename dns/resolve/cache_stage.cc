#include "dns/resolve/cache_stage.h"

#include "dns/resolve/refresh.h"
#include "dns/resolve/resolution.h"

namespace clusterdns::dns {

Verdict CacheStage::handle(Exchange& exchange) noexcept {
  const CacheQuestion question(exchange.query);
  if (!cache_->takes(question) || !may_be_kept(exchange)) return Verdict::Next;
  const AnswerCache::Entry* const entry =
      cache_->find(question, exchange.received_ns, exchange.worker->index);
  if (entry == nullptr) return Verdict::Next;
  // What is kept is for those who could have asked for it.
  Upstream* const upstream = find_upstream(*exchange.route, question.name, exchange.client);
  if (upstream == nullptr) return Verdict::Next;
  const AnswerCache::Care care =
      cache_->care_for(*entry, exchange.received_ns, exchange.worker->index);
  if (care == AnswerCache::Care::Verify) [[unlikely]] {
    finish_verified(*upstream, exchange.defer(), *entry);
    return Verdict::Deferred;
  }
  if (care == AnswerCache::Care::Refresh) [[unlikely]] {
    UpstreamQuestion again = question_of(exchange);
    again.name = Name(question.name);
    std::make_shared<Refresh>(exchange, std::move(again), *upstream)->ask();
  }
  if (AnswerCache::leads_on(*entry)) [[unlikely]] {
    const auto message = cache_->message(*entry, question, exchange.received_ns);
    finish_from_cache(exchange.defer(), message);
    return Verdict::Deferred;
  }
  cache_->fill(*entry, exchange.query, exchange.received_ns, exchange.route->rotate,
               exchange.answer);
  return Verdict::Answered;
}

}  // namespace clusterdns::dns
