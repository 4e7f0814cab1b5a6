#include "dns/query/exchange.h"

#include <cassert>

#include "dns/query/outgoing.h"
#include "dns/query/plain_records.h"
#include "dns/query/stage.h"
#include "dns/query/table_guard.h"

namespace clusterdns::dns {
namespace {

constexpr ExtendedErrorNote kTooDeep{true, ExtendedError::Other,
                                     "too many questions were asked for this one"};

}  // namespace

Exchange::Exchange() = default;

Exchange::~Exchange() {
  if (channel_ != nullptr) tell_dropped(*this);
}

void Exchange::refuse_unanswered() noexcept {
  stage = 0;
  fail(Rcode::Refused, kNoStageAnswers);
}

std::unique_ptr<Exchange> Exchange::defer() {
  if (self_ != nullptr) {
    start_answer();
    return std::move(self_);
  }
  return deferred_copy();
}

std::unique_ptr<Exchange> Exchange::defer_with_answer() {
  take_apart();
  if (self_ != nullptr) return std::move(self_);
  auto own = deferred_copy();
  own->answer = std::move(answer);
  own->own_question_name();
  start_answer();
  return own;
}

std::unique_ptr<Exchange> Exchange::deferred_copy() {
  assert(!owns() && "deferred already");
  auto own = std::make_unique<Exchange>();
  static_cast<ExchangeFacts&>(*own) = *this;
  // The parser's padding travels with the packet, see parse_query.
  own->packet_.reserve(query.question_end + kPadding);
  own->packet_.assign(query.packet, query.packet + query.question_end);
  own->packet_.resize(query.question_end + kPadding, 0);
  own->query.packet = own->packet_.data();
  own->start_answer();
  own->kept_route_ = route->shared_from_this();
  if (asker_ != nullptr) {
    own->outer_ = asker_->defer_with_answer();
    own->then_ = asker_then_->keep();
  } else {
    own->channel_ = make_channel(listener);
  }
  return own;
}

void Exchange::own_question_name() noexcept {
  answer.names[0] = {query.lower.data(), query.qname_size, query.qname_size, kHeaderSize};
}

void Exchange::take_apart() noexcept {
  if (answer.plain) return;
  Answer apart;
  apart.reset(query.lower.data(), query.qname_size);
  apart.rcode = answer.rcode;
  apart.authoritative = answer.authoritative;
  apart.recursion_available = answer.recursion_available;
  apart.truncated = answer.truncated;
  apart.authentic_data = answer.authentic_data;
  apart.relayed = answer.relayed;
  apart.overfull = answer.overfull;
  apart.keep_error(answer.error);
  apart.age = answer.age;
  for (const EdnsOption& option : answer.options()) {
    const auto* const data = apart.keep({option.data, option.size});
    if (data != nullptr) apart.add_option(option.code, {data, option.size});
  }
  if ((answer.answer_count | answer.authority_count | answer.additional_count) != 0) {
    // Only its writers know what an RRset holds. So it is written, without a limit, and read.
    std::array<std::uint8_t, kMaxMessageSize> buffer;
    const std::size_t size =
        encode_answer(query, answer, kDefaultUdpSize, buffer.data(), buffer.size());
    apart.truncated = apart.truncated || (buffer[2] & (kFlagTC >> 8)) != 0;
    add_plain_records({buffer.data(), size}, query.question_end, apart);
    apart.plain = true;  // without records, whatever is added next is not
  }
  answer = std::move(apart);
}

void Exchange::take_answer(Exchange& inner, Owner owner) noexcept {
  inner.take_apart();
  answer = std::move(inner.answer);
  inner.start_answer();
  stage = inner.stage;
  upstream = inner.upstream;
  cause_ = std::move(inner.cause_);
  own_question_name();
  answer.recursion_available = recursion_available;
  if (owner == Owner::Asked) return;
  const auto of_inner = answer.find_or_add_name(inner.query.name_as_asked());
  if (!of_inner) {
    answer.overfull = true;
    return;
  }
  for (const std::span<RRsetRef> section :
       {answer.answers(), answer.authorities(), answer.additionals()}) {
    for (RRsetRef& record : section) {
      if (record.owner == 0) record.owner = *of_inner;
    }
  }
}

Verdict Exchange::pass_any_class(unsigned from) noexcept {
  if (query.qclass == RRClass::IN) return pass_through(from);
  const auto& stages = route->stages;
  for (stage = from; stage < stages.size();) {
    Stage& next = *stages[stage++];
    if (!next.serves(query.qclass)) continue;
    const Verdict verdict = next.handle(*this);
    if (verdict != Verdict::Next) return verdict;
  }
  return Verdict::Next;
}

Verdict Exchange::run_filters() noexcept {
  while (filter_count != 0) {
    const Filter next = filters[--filter_count];
    if (next.filter->reads_records()) take_apart();
    const Verdict verdict = next.filter->filter(*this, next.note);
    if (verdict == Verdict::Deferred || verdict == Verdict::Drop) return verdict;
  }
  return Verdict::Answered;
}

void Exchange::ask_for(const Exchange& outer, const OtherQuestion& question) {
  const Name asked(question.name);  // may be of this very exchange
  static_cast<ExchangeFacts&>(*this) = outer;
  upstream_options = question.upstream_options;
  ++depth;
  ++others;
  stage = 0;
  filter_count = 0;
  limit = kMaxMessageSize;
  one_message = true;  // it becomes part of another answer
  asker_ = nullptr;
  const std::size_t size = kHeaderSize + asked.size() + 4;
  packet_.assign(size + kPadding, 0);
  std::uint8_t* const p = packet_.data();
  store_u16(p, outer.query.id);
  store_u16(p + 2, outer.query.flags);
  store_u16(p + 4, 1);
  std::copy_n(asked.data(), asked.size(), p + kHeaderSize);
  store_u16(p + size - 4, static_cast<std::uint16_t>(question.type));
  store_u16(p + size - 2, static_cast<std::uint16_t>(question.rrclass));
  [[maybe_unused]] const Gate gate = parse_query({p, size}, query);
  assert(gate == Gate::Pass);
  query.has_edns = outer.query.has_edns;
  query.opt_offset = query.opt_end = 0;  // there is none in the packet
  query.dnssec_ok = outer.query.dnssec_ok;
  query.udp_size = outer.query.udp_size;
  start_answer();
}

Verdict Exchange::run_other(unsigned from, const OtherQuestion& question,
                            Continuation& then) noexcept {
  if (depth == kMaxDepth || others == kMaxOthers) {
    fail(Rcode::ServFail, kTooDeep);
    return Verdict::Answered;
  }
  if (other_ == nullptr) other_ = std::make_unique<Exchange>();
  Exchange& inner = *other_;
  inner.ask_for(*this, question);
  inner.asker_ = this;
  inner.asker_then_ = &then;
  Verdict verdict = inner.pass_any_class(from);
  if (verdict == Verdict::Next) {
    inner.refuse_unanswered();
    verdict = Verdict::Answered;
  }
  if (verdict == Verdict::Answered) verdict = inner.run_filters();
  if (verdict == Verdict::Deferred) return verdict;  // this may be gone
  others = inner.others;
  return then.resume(*this, inner, verdict == Verdict::Drop ? Outcome::Dropped : inner.outcome());
}

template <class Work>
void Exchange::run_owned(std::unique_ptr<Exchange> exchange, Work work) noexcept {
  Exchange& e = *exchange;
  const TableGuard guard(*e.worker);
  e.self_ = std::move(exchange);
  Verdict verdict = work(e);
  if (verdict == Verdict::Next) {
    e.start_answer();
    verdict = e.pass_any_class(e.stage);
    if (verdict == Verdict::Next) {
      e.refuse_unanswered();
      verdict = Verdict::Answered;
    }
  }
  if (verdict == Verdict::Answered) verdict = e.run_filters();
  if (verdict == Verdict::Deferred) return;  // it may be gone
  assert(e.self_ != nullptr && "deferred, and not said so");
  const Outcome outcome = verdict == Verdict::Drop ? Outcome::Dropped : e.outcome();
  conclude(std::move(e.self_), outcome);
}

void Exchange::conclude(std::unique_ptr<Exchange> exchange, Outcome outcome) noexcept {
  Exchange& e = *exchange;
  if (e.outer_ != nullptr) {
    e.outer_->others = e.others;
    return run_owned(std::move(e.outer_),
                     [&](Exchange& outer) { return e.then_->resume(outer, e, outcome); });
  }
  if (outcome == Outcome::Dropped) return;  // its end tells the observers
  std::array<std::uint8_t, kMaxMessageSize> buffer;
  const std::size_t size = e.encode(buffer.data());
  e.channel_->send({buffer.data(), size});
  e.channel_.reset();
  account<Duration::Own>(e, {buffer.data(), size}, e.cause_);
}

void Exchange::conclude_sent(std::unique_ptr<Exchange> exchange,
                             std::span<const std::uint8_t> response) noexcept {
  exchange->channel_.reset();
  account<Duration::Own>(*exchange, response, exchange->cause_);
}

void Exchange::send_part() noexcept {
  std::array<std::uint8_t, kMaxMessageSize> buffer;
  const std::size_t size = encode(buffer.data());
  channel_->send({buffer.data(), size});
}

std::vector<std::uint8_t> Exchange::encoded() {
  std::array<std::uint8_t, kMaxMessageSize> buffer;
  const std::size_t size = encode(buffer.data());
  return {buffer.data(), buffer.data() + size};
}

void finish(std::unique_ptr<Exchange> exchange, std::string_view cause) noexcept {
  exchange->cause_ = cause;
  Exchange::run_owned(std::move(exchange), [](Exchange&) { return Verdict::Answered; });
}

void go_on(std::unique_ptr<Exchange> exchange) noexcept {
  Exchange::run_owned(std::move(exchange), [](Exchange&) { return Verdict::Next; });
}

void tell_observers(const Exchange& exchange, unsigned stage,
                    std::span<const std::uint8_t> response, std::string_view cause) noexcept {
  if (cause.empty() && exchange.answer.error.set) cause = exchange.answer.error.log_text();
  const AnswerObserver::Event event{exchange.query,
                                    exchange.client,
                                    exchange.local,
                                    exchange.transport,
                                    exchange.received_ns,
                                    response,
                                    cause,
                                    exchange.route->stage_name(stage),
                                    exchange.answer.plain_size,
                                    exchange.answer.relayed ? exchange.upstream : Endpoint{},
                                    exchange.answer.age};
  for (const auto& observer : exchange.route->observers) {
    observer->on_answer(event, *exchange.worker);
  }
}

void tell_dropped(const Exchange& exchange) noexcept {
  if (RouteCounters* const counters = exchange.route->counters.get(); counters != nullptr) {
    // CoreDNS takes silence for success: nobody's answer, of no octets.
    RouteCounters::Cell& cell = counters->cell(exchange.worker->index);
    RouteCounters::count(cell, {exchange.transport == Transport::Tcp, exchange.client.v6,
                                exchange.query.qtype, exchange.query.dnssec_ok, exchange.query.size,
                                0, static_cast<unsigned>(Rcode::NoError), 0});
    RouteCounters::observe_duration(cell, monotonic_ns() - exchange.received_ns);
  }
  const AnswerObserver::Event event{exchange.query,
                                    exchange.client,
                                    exchange.local,
                                    exchange.transport,
                                    exchange.received_ns,
                                    {},
                                    {},
                                    exchange.route->stage_name(exchange.stage),
                                    0};
  for (const auto& observer : exchange.route->observers) {
    observer->on_unanswered(event, AnswerObserver::Fate::Dropped, *exchange.worker);
  }
}

}  // namespace clusterdns::dns
