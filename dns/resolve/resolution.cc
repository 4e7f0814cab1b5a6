#include "dns/resolve/resolution.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "dns/query/encoder.h"
#include "dns/query/lead_on.h"
#include "dns/resolve/refresh.h"

namespace clusterdns::dns {
namespace {

// What is waited for when the time for it is over already.
constexpr std::int64_t kSoon = 1'000'000;

constexpr ExtendedErrorNote kUnusable{true, ExtendedError::InvalidData,
                                      "the upstream's answer does not answer the question"};
constexpr ExtendedErrorNote kTooLarge{true, ExtendedError::Other,
                                      "the upstream's answer takes more than 64 KiB here"};

Name lowered(const Name& name) noexcept {
  Name lower = name;
  lower.make_lower();
  return lower;
}

Resolved resolved_as(LocalResult result) noexcept {
  switch (result) {
    case LocalResult::NoData: return Resolved::NoData;
    case LocalResult::NXDomain: return Resolved::NXDomain;
    case LocalResult::NotReady: return Resolved::NotReady;
    case LocalResult::Failed:
    case LocalResult::Outside: return Resolved::Unknown;
    case LocalResult::Data:
    case LocalResult::Endless: break;
  }
  return Resolved::Data;
}

Resolved resolved_as(AnswerKind kind) noexcept {
  switch (kind) {
    case AnswerKind::NoData:
    case AnswerKind::Referral: return Resolved::NoData;
    case AnswerKind::NXDomain: return Resolved::NXDomain;
    case AnswerKind::Failure:
    case AnswerKind::Unusable: return Resolved::Failed;
    case AnswerKind::Data:
    case AnswerKind::LeadsOn: break;
  }
  return Resolved::Data;
}

// The usual way to end: the answer is sent.
class Finish final : public Resolution {
 public:
  using Resolution::Resolution;

 private:
  void done(Resolved, bool, std::string_view cause) override { finish(take_query(), cause); }
};

}  // namespace

void Resolution::ask_first(Upstream& upstream) {
  target_ = Name(query_->query.name());
  first_asked_ = &upstream;
  send(upstream);
}

struct Resolution::Stale {
  Kept kept;
  NameView zone;                     // of the upstream that was asked
  std::shared_ptr<Refresh> refresh;  // takes the reply when the answer was given meanwhile
  std::shared_ptr<void> timer;
  bool given = false;
};

void Resolution::verify(Upstream& upstream, const AnswerCache::Entry& stale) {
  target_ = Name(query_->query.name());
  first_asked_ = &upstream;
  wait_with(upstream, stale);
  send(upstream);
}

void Resolution::resolve(std::vector<ChainLink> chain, bool authoritative) {
  chain_ = std::move(chain);
  given_ = chain_.size();
  target_ = lowered(chain_.back().target);
  authoritative_ = authoritative;
  run();
}

void Resolution::resolve_kept(std::span<const std::uint8_t> message) {
  target_ = Name(query_->query.name());
  ReplyRecords records(target_.view());
  (void)records.read(message, request_about({}), {});
  lead_on(records);
}

void Resolution::run() {
  const TableGuard guard(*query_->worker);
  first_asked_ = nullptr;
  start_answer();
  const bool long_chain = chain_.size() > Answer::kMaxChain;
  if (long_chain || loops()) {
    query_->answer.error = long_chain ? kChainTooLong : kChainLoops;
    return end(Resolved::Data, true);
  }
  auto last = static_cast<std::uint8_t>(chain_.size());
  const LocalResult result = resolve_local(*query_->route, *query_->worker, target_.view(),
                                           query_->query.qtype, query_->answer, &last);
  if (result != LocalResult::Outside) return end(resolved_as(result), last > given_);
  if (last != chain_.size()) {
    chain_ = chain_of(query_->answer);
    target_ = lowered(chain_.back().target);
  }
  ask();
}

void Resolution::ask() {
  const Route& route = *query_->route;
  if (is_meta_type(query_->query.qtype)) {
    return fail(Rcode::Refused, kTypeNotForwarded, {}, Resolved::Unknown);
  }
  Upstream* const upstream = find_upstream(route, target_.view(), query_->client);
  if (upstream == nullptr || !may_ask_) {
    start_answer();
    return end(Resolved::Unknown, chain_.size() > given_);
  }
  first_asked_ = upstream;
  stale_.reset();
  if (searching_ && chain_.size() == given_) authoritative_ = false;
  if (route.cache != nullptr && may_be_kept(*query_)) {
    const UpstreamQuestion asked = question();
    const CacheQuestion wanted = kept_question(asked);
    const std::int64_t now = monotonic_ns();
    const unsigned worker = query_->worker->index;
    const bool takes = route.cache->takes(wanted);
    const AnswerCache::Entry* const entry =
        takes ? route.cache->find(wanted, now, worker) : nullptr;
    if (entry != nullptr) {
      const AnswerCache::Care care = route.cache->care_for(*entry, now, worker);
      if (care == AnswerCache::Care::Verify) {
        wait_with(*upstream, *entry);
        return send(*upstream);
      }
      const Kept answer = kept(*entry, wanted, now);
      if (care == AnswerCache::Care::Refresh) {
        std::make_shared<Refresh>(*query_, asked, *upstream)->ask();
      }
      return answer_from(answer, upstream->zone_of(target_.view()));
    }
    if (takes) {
      if (const auto* const above =
              route.cache->find_cut(wanted, upstream->zone_of(wanted.name), now, worker)) {
        const Kept answer{route.cache->message_of(*above, now), AnswerCache::head(*above, now),
                          false, AnswerCache::age(*above, now)};
        return answer_from(answer, upstream->zone_of(target_.view()));
      }
    }
  }
  send(*upstream);
}

Resolution::Kept Resolution::kept(const AnswerCache::Entry& entry, const CacheQuestion& question,
                                  std::int64_t now_ns) const {
  return {query_->route->cache->message(entry, question, now_ns), AnswerCache::head(entry, now_ns),
          AnswerCache::leads_on(entry), AnswerCache::age(entry, now_ns)};
}

void Resolution::answer_from(const Kept& kept, NameView zone) {
  query_->upstream = {};
  query_->answer.age = kept.age;
  if (kept.head.silence) {
    // It is still not known whether the name is there.
    start_answer();
    query_->answer.rcode = Rcode::ServFail;
    set_reply_error(kept.head, query_->answer);
    return done(Resolved::Silent, chain_.size() > given_, {});
  }
  const auto request = request_about(zone);
  if (!kept.leads_on) return answer_behind_chain(kept.message, request, kept.head);
  ReplyRecords records(target_.view());
  (void)records.read(kept.message, request, {});
  lead_on(records);
}

void Resolution::wait_with(Upstream& upstream, const AnswerCache::Entry& stale) {
  const UpstreamQuestion asked = question();
  const AnswerCache& cache = *query_->route->cache;
  stale_ = std::make_shared<Stale>();
  stale_->kept = kept(stale, kept_question(asked), monotonic_ns());
  stale_->zone = upstream.zone_of(target_.view());
  stale_->refresh = std::make_shared<Refresh>(*query_, asked, upstream);
  std::int64_t patience = cache.options().stale.patience_ns;
  if (patience == 0) return;
  // RFC 8767 section 5 (client response timer): of the client's query, whatever names it leads to.
  const std::int64_t waited = stale_->refresh->began_ns() - query_->received_ns;
  patience = std::max<std::int64_t>(patience - waited, kSoon);
  stale_->timer = upstream.call_in(*query_->worker, patience,
                                   [self = weak_from_this(), weak = std::weak_ptr(stale_)] {
                                     const auto resolution = self.lock();
                                     const auto waiting = weak.lock();
                                     if (resolution && waiting) resolution->on_late(waiting);
                                   });
}

void Resolution::on_late(const std::shared_ptr<Stale>& stale) {
  if (stale_ != stale) return;
  const TableGuard guard(*query_->worker);
  stale->given = true;
  give_stale(AnswerCache::Refreshed::Failed);
}

void Resolution::give_stale(AnswerCache::Refreshed how) {
  const auto stale = std::move(stale_);
  AnswerCache& cache = *query_->route->cache;
  const UpstreamQuestion asked = question();
  const CacheQuestion wanted = kept_question(asked);
  const std::int64_t now = monotonic_ns();
  if (const auto* const fresh = cache.find_since(wanted, stale->refresh->began_ns(), now)) {
    // Another worker has asked with more luck.
    stale->kept = kept(*fresh, wanted, now);
  } else {
    // Who asks meanwhile need not wait as long.
    cache.end_refresh(wanted, now, how);
    cache.count_stale(query_->worker->index);
  }
  answer_from(stale->kept, stale->zone);
  // The question may be under way for longer, and `stale` with it.
  stale->kept = {};
}

void Resolution::send(Upstream& upstream) {
  upstream.ask(
      *query_->worker, {query_->client, query_->transport}, question(),
      when_replied(
          [self = shared_from_this(), stale = stale_, &upstream](const UpstreamReply& reply) {
            if (stale && stale->given) return stale->refresh->on_reply(upstream, reply);
            self->on_reply(upstream, reply);
          },
          stale_ ? stale_->kept.message.size() : 0));
}

void Resolution::on_reply(Upstream& upstream, const UpstreamReply& reply) {
  const TableGuard guard(*query_->worker);
  const Route& route = *query_->route;
  using Refreshed = AnswerCache::Refreshed;
  if (!reply.ok) {
    if (stale_) return give_stale(reply.asked ? Refreshed::Failed : Refreshed::NotAsked);
    if (is_silence(reply) && route.cache != nullptr && may_be_kept(*query_)) {
      const UpstreamQuestion asked = question();
      keep_silence(*route.cache, kept_question(asked), reply, query_->worker->index);
    }
    return fail(Rcode{reply.rcode}, reply.error, reply.cause, Resolved::Silent);
  }
  query_->upstream = reply.upstream;
  if (upstream.passes_on(reply)) {
    Upstream* const next = find_next_upstream(route, upstream, target_.view(), query_->client);
    if (next != nullptr) return send(*next);
  }
  ReplyRecords records(target_.view());
  const auto request = request_about(upstream.zone_of(target_.view()));
  const AnswerKind kind = records.read(reply.message, request, [&](NameView name) {
    return is_elsewhere(route, *query_->worker, name, upstream, first_asked_);
  });
  // Its names were shortened more than ours are. Over TCP there is nowhere to go for the rest.
  const bool too_large = records.truncated() && query_->transport == Transport::Tcp;
  if (kind == AnswerKind::Unusable || too_large) {
    if (stale_) return give_stale(Refreshed::Failed);
    return fail(Rcode::ServFail, too_large ? kTooLarge : kUnusable, {}, Resolved::Failed);
  }
  const ReplyHead head{load_u16(reply.message.data() + 2), reply.rcode, reply.extended_error};
  const AnswerCache::Entry* entry = nullptr;
  const std::int64_t now = monotonic_ns();
  if (route.cache != nullptr && may_be_kept(*query_)) {
    const UpstreamQuestion asked = question();
    const CacheQuestion wanted = kept_question(asked);
    if (route.cache->takes(wanted)) {
      entry = route.cache->store(wanted, head, records, now, query_->worker->index);
    }
  }
  if (stale_) {
    if (!route.cache->satisfies(records)) return give_stale(Refreshed::Failed);
    const UpstreamQuestion asked = question();
    route.cache->end_refresh(kept_question(asked), now, Refreshed::Answered);
    stale_.reset();
  }
  if (kind == AnswerKind::LeadsOn) return lead_on(records);
  if (!chain_.empty()) return answer_behind_chain(reply.message, request, head);
  start_answer();
  // That a failure is kept is said from the next answer on.
  if (entry != nullptr && kind != AnswerKind::Failure) {
    // As it will be answered from now on, so that the TTLs of the first answer are those of the
    // next.
    route.cache->fill(*entry, query_->query, now, route.rotate, query_->answer);
  } else {
    fill(records, head);
  }
  end(resolved_as(kind), !records.links().empty());
}

void Resolution::lead_on(const ReplyRecords& records) {
  const auto links = records.links();
  if (links.empty()) return fail(Rcode::ServFail, kUnusable, {}, Resolved::Failed);
  chain_.insert(chain_.end(), links.begin(), links.end());
  target_ = lowered(records.last_name());
  run();
}

void Resolution::answer_behind_chain(std::span<const std::uint8_t> reply,
                                     const ReplyRecords::Request& request, const ReplyHead& head) {
  if (searching_) {
    ReplyRecords alone(target_.view());
    (void)alone.read(reply, request, {});
    std::uint32_t ttl = alone.ttl() == ReplyRecords::kNoTtl ? kTtlOfNothing : alone.ttl();
    for (std::size_t i = 1; i < chain_.size(); ++i) ttl = std::min(ttl, chain_[i].ttl);
    chain_.front().ttl = ttl;
  }
  ReplyRecords records(query_->query.name());
  for (const ChainLink& link : chain_) records.add_link(link);
  const AnswerKind kind = records.read(reply, request, {});
  query_->start_answer();
  fill(records, head);
  // The first name is not signed, and about it these bits are.
  if (!chain_.empty()) {
    query_->answer.authoritative = authoritative_;
    query_->answer.authentic_data = false;
  }
  done(resolved_as(kind), chain_.size() > given_ || !records.links().empty(), {});
}

void Resolution::fill(const ReplyRecords& records, const ReplyHead& head) noexcept {
  const Query& query = query_->query;
  Answer& answer = query_->answer;
  set_reply_head(head, query, answer);
  answer.truncated = records.truncated();
  sections_ = records.sections();
  std::uint32_t turn = 0;
  if (query_->route->rotate && sections_.turn_count > 1) {
    turn = query_->worker->next_turn(query.name(), query.qtype, sections_.turn_count);
  }
  add_wire_sections(sections_, kTtlAsItStands, turn, answer);
}

void Resolution::fail(Rcode rcode, const ExtendedErrorNote& note, std::string_view cause,
                      Resolved resolved) {
  start_answer();
  query_->answer.rcode = rcode;
  query_->answer.error = note;
  done(resolved, chain_.size() > given_, cause);
}

void Resolution::end(Resolved resolved, bool aliases, std::string_view cause) {
  if (searching_ && query_->answer.answer_count > 0) {
    chain_.front().ttl = bound_alias(query_->answer);
  }
  done(resolved, aliases, cause);
}

void Resolution::start_answer() noexcept {
  query_->start_answer();
  Answer& answer = query_->answer;
  answer.authoritative = authoritative_;
  const std::size_t links = std::min(chain_.size(), Answer::kMaxChain);
  for (std::size_t i = 0; i < links; ++i) {
    const Name& target = chain_[i].target;
    const std::uint8_t index =
        answer.add_name(target.data(), static_cast<std::uint8_t>(target.size()));
    add_alias(answer, static_cast<std::uint8_t>(index - 1), index, chain_[i].ttl);
  }
}

ReplyRecords::Request Resolution::request_about(NameView zone) const noexcept {
  return {query_->query.qtype, query_->query.dnssec_ok, zone};
}

UpstreamQuestion Resolution::question() const noexcept {
  UpstreamQuestion asked =
      chain_.empty() ? question_of(*query_) : question_about(*query_, target_.view());
  // One letter case for all, so that equal questions are one.
  asked.name = target_;
  return asked;
}

bool Resolution::loops() const noexcept {
  if (chain_.empty()) return false;
  if (equal_ignoring_case(query_->query.name(), target_.view())) return true;
  return std::any_of(chain_.begin(), chain_.end() - 1, [&](const ChainLink& link) {
    return equal_ignoring_case(link.target.view(), target_.view());
  });
}

std::vector<ChainLink> chain_of(const Answer& answer) {
  std::vector<ChainLink> chain;
  for (const RRsetRef& link : answer.answers()) {
    const AnswerName& target = answer.names[link.first];
    chain.push_back({Name({target.wire, target.size}), link.ttl});
  }
  return chain;
}

Verdict finish_outside(Exchange& exchange, std::uint8_t last) {
  const AnswerName& name = exchange.answer.names[last];
  if (exchange.route->decides_by_rules()) {
    return exchange.run_from(0, {name.wire, name.size}, exchange.query.qtype,
                             [](Exchange& outer, Exchange& inner, Outcome outcome) {
                               if (outcome == Outcome::Dropped) return Verdict::Drop;
                               if (outcome == Outcome::Answered) lead_on(outer.answer, inner);
                               return Verdict::Answered;
                             });
  }
  if (find_upstream(*exchange.route, {name.wire, name.size}, exchange.client) == nullptr) {
    return Verdict::Answered;
  }
  auto chain = chain_of(exchange.answer);
  const bool authoritative = exchange.answer.authoritative;
  std::make_shared<Finish>(exchange.defer())->resolve(std::move(chain), authoritative);
  return Verdict::Deferred;
}

void finish_by(Upstream& upstream, std::unique_ptr<Exchange> query) {
  std::make_shared<Finish>(std::move(query))->ask_first(upstream);
}

void finish_verified(Upstream& upstream, std::unique_ptr<Exchange> query,
                     const AnswerCache::Entry& stale) {
  std::make_shared<Finish>(std::move(query))->verify(upstream, stale);
}

void finish_from_cache(std::unique_ptr<Exchange> query, std::span<const std::uint8_t> message) {
  std::make_shared<Finish>(std::move(query))->resolve_kept(message);
}

}  // namespace clusterdns::dns
