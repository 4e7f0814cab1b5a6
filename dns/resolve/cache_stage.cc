#include "dns/resolve/cache_stage.h"

#include "dns/query/plain_records.h"
#include "dns/query/wire_sections.h"
#include "dns/resolve/refresh.h"
#include "dns/resolve/resolution.h"

namespace clusterdns::dns {
namespace {

constexpr std::size_t kQuestionTail = 5;  // the root label, type and class

}  // namespace

CacheStage::CacheStage(std::shared_ptr<AnswerCache> cache)
    : cache_(std::move(cache)),
      pairs_(cache_->options().pair_prefetch ? std::make_unique<PairClients>() : nullptr) {}

Verdict CacheStage::handle(Exchange& exchange) noexcept {
  const CacheQuestion question(exchange.query);
  if (!cache_->takes(question) || !may_be_kept(exchange)) return Verdict::Next;
  bool other_comes = false;
  if (pairs_ != nullptr && (question.type == RRType::A || question.type == RRType::AAAA))
      [[unlikely]] {
    other_comes = pairs_->asks(exchange.client, question.name, question.type);
  }
  const AnswerCache::Entry* const entry =
      cache_->find(question, exchange.received_ns, exchange.worker->index);
  if (entry == nullptr) {
    const Verdict verdict = answer_below_nothing(exchange, question);
    if (verdict == Verdict::Next && other_comes) [[unlikely]] {
      Upstream* const asked = find_upstream(*exchange.route, question.name, exchange.client);
      if (asked != nullptr) ask_along(exchange, question, *asked);
    }
    return verdict;
  }
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

void CacheStage::ask_along(Exchange& exchange, const CacheQuestion& question, Upstream& upstream) {
  UpstreamQuestion other = question_of(exchange);
  other.name = Name(question.name);
  other.type = question.type == RRType::A ? RRType::AAAA : RRType::A;
  if (cache_->find_since(kept_question(other), 0, exchange.received_ns) != nullptr) return;
  cache_->count_pair(exchange.worker->index);
  std::make_shared<Refresh>(exchange, std::move(other), upstream)->ask();
}

Verdict CacheStage::answer_below_nothing(Exchange& exchange,
                                         const CacheQuestion& question) noexcept {
  if (!cache_->cuts(question)) return Verdict::Next;
  const Upstream* const upstream = find_upstream(*exchange.route, question.name, exchange.client);
  if (upstream == nullptr) return Verdict::Next;
  const AnswerCache::Entry* const above = cache_->find_cut(
      question, upstream->zone_of(question.name), exchange.received_ns, exchange.worker->index);
  if (above == nullptr) return Verdict::Next;
  // Its names are shortened by another question than this one: they are read one by one.
  const auto message = cache_->message_of(*above, exchange.received_ns);
  Answer& answer = exchange.answer;
  set_reply_head(AnswerCache::head(*above, exchange.received_ns), exchange.query, answer);
  std::size_t question_end = kHeaderSize;
  while (message[question_end] != 0) question_end += std::size_t{1} + message[question_end];
  add_plain_records(message, question_end + kQuestionTail, answer);
  answer.age = AnswerCache::age(*above, exchange.received_ns);
  return Verdict::Answered;
}

}  // namespace clusterdns::dns
