#include "dns/policy/tsig_stage.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <utility>

#include "dns/query/encoder.h"
#include "dns/wire/record_walker.h"

namespace clusterdns::dns {
namespace {

constexpr ExtendedErrorNote kNotSigned{true, ExtendedError::Prohibited,
                                       "the request has to be signed (TSIG)"};
constexpr ExtendedErrorNote kNotWhole{true, ExtendedError::Other,
                                      "the request is no longer available to be checked"};

// What the rest of a route is passed with: makes the channels of exchanges that wait.
struct Arming {
  std::unique_ptr<ReplyChannel> (*make_channel)(void*);
  void* listener;
  TsigSession session;
  std::size_t limit;
  std::uint64_t (*now)() noexcept;
};

// Signs each message on its way to the listener's channel.
class SigningChannel final : public ReplyChannel {
 public:
  explicit SigningChannel(Arming& arming)
      : inner_(arming.make_channel(arming.listener)),
        session_(std::move(arming.session)),
        limit_(arming.limit),
        now_(arming.now) {}

  void send(std::span<const std::uint8_t> message) noexcept override {
    with_signature(message, [this](auto whole) { inner_->send(whole); });
  }
  void send_oddly(std::span<const std::uint8_t> message, const OddSending& how) noexcept override {
    with_signature(message, [&](auto whole) { inner_->send_oddly(whole, how); });
  }
  [[nodiscard]] bool has_room() const noexcept override { return inner_->has_room(); }
  void when_room(std::unique_ptr<Waiter> waiter) override { inner_->when_room(std::move(waiter)); }

 private:
  template <class Send>
  void with_signature(std::span<const std::uint8_t> message, Send send) noexcept {
    // What is no message any more, for a test of clients, has no place for a signature.
    if (message.size() < kHeaderSize) return send(message);
    std::array<std::uint8_t, kMaxMessageSize + kMaxTsigRecord> buffer;
    std::copy(message.begin(), message.end(), buffer.begin());
    const std::size_t size = sign_within(session_, buffer.data(), message.size(), limit_, now_());
    send(std::span<const std::uint8_t>(buffer).first(size));
  }

  const std::unique_ptr<ReplyChannel> inner_;
  TsigSession session_;
  const std::size_t limit_;
  std::uint64_t (*const now_)() noexcept;
};

std::unique_ptr<ReplyChannel> make_signing(void* arming) {
  return std::make_unique<SigningChannel>(*static_cast<Arming*>(arming));
}

// A message without its records but OPT, and with TC. Returns the new size.
std::size_t leave_question(std::uint8_t* message, std::size_t size) noexcept {
  const std::span<const std::uint8_t> whole(message, size);
  std::size_t end = kHeaderSize;
  if (load_u16(message + 4) != 0) {
    const std::size_t name_end = skip_name(whole, end);
    if (name_end == 0 || size - name_end < 4) return size;
    end = name_end + 4;
  }
  std::size_t opt_size = 0;
  RecordWalker walker(whole, end);
  RecordPlace record;
  while (walker.next(record)) {
    if (record.type != RRType::OPT) continue;
    opt_size = record.end - record.owner;
    std::memmove(message + end, message + record.owner, opt_size);
    break;
  }
  message[2] |= kFlagTC >> 8;
  store_u16(message + 6, 0);
  store_u16(message + 8, 0);
  store_u16(message + 10, opt_size == 0 ? 0 : 1);
  return end + opt_size;
}

TsigStage::Result result_of(TsigVerdict verdict) noexcept {
  using Result = TsigStage::Result;
  switch (verdict) {
    case TsigVerdict::Good: return Result::Good;
    case TsigVerdict::FormErr: return Result::FormErr;
    case TsigVerdict::BadSig: return Result::BadSig;
    case TsigVerdict::BadKey: return Result::BadKey;
    case TsigVerdict::BadTime: return Result::BadTime;
    case TsigVerdict::BadTrunc: return Result::BadTrunc;
  }
  return Result::FormErr;
}

}  // namespace

std::uint64_t unix_seconds() noexcept { return static_cast<std::uint64_t>(std::time(nullptr)); }

std::size_t sign_within(TsigSession& session, std::uint8_t* message, std::size_t size,
                        std::size_t limit, std::uint64_t now) noexcept {
  if (size + session.record_size() > limit) size = leave_question(message, size);
  return session.sign_reply(message, size, now);
}

TsigStage::TsigStage(Options options)
    : options_(std::move(options)), counters_(options_.workers, kResults) {}

bool TsigStage::is_required(RRType type) const noexcept {
  return options_.require_all || std::find(options_.required.begin(), options_.required.end(),
                                           type) != options_.required.end();
}

Rcode TsigStage::judge_octets(bool required, std::span<const std::uint8_t> request, unsigned worker,
                              TsigSession& session) noexcept {
  const auto count = [&](Result result) {
    counters_.add(worker, static_cast<std::size_t>(result));
  };
  TsigRecord record;
  switch (find_tsig(request, record)) {
    case TsigPresence::Malformed: count(Result::FormErr); return Rcode::FormErr;
    case TsigPresence::Absent:
      if (!required) return Rcode::NoError;
      count(Result::Unsigned);
      return Rcode::Refused;
    case TsigPresence::Present: break;
  }
  const TsigVerdict verdict = session.take_request(request, record, *options_.keys, options_.now());
  count(result_of(verdict));
  if (verdict == TsigVerdict::FormErr) return Rcode::FormErr;
  return verdict == TsigVerdict::Good ? Rcode::NoError : Rcode::NotAuth;
}

Verdict TsigStage::handle(Exchange& exchange) noexcept {
  // A question that is asked for another one: that has been judged.
  if (exchange.depth != 0 || !in_zone(exchange.query)) return Verdict::Next;
  const Query& query = exchange.query;
  // Without a record besides OPT there is no signature.
  if (load_u16(query.packet + 10) == (query.has_edns ? 1 : 0)) {
    if (!is_query_required(query.qtype)) return Verdict::Next;
    counters_.add(exchange.worker->index, static_cast<std::size_t>(Result::Unsigned));
    exchange.fail(Rcode::Refused, kNotSigned);
    return Verdict::Answered;
  }
  if (exchange.owns()) {
    // Never so as directives are ordered: what follows needs the request's octets.
    exchange.fail(Rcode::ServFail, kNotWhole);
    return Verdict::Answered;
  }
  TsigSession session;
  const Rcode rcode = judge_octets(is_query_required(query.qtype), {query.packet, query.size},
                                   exchange.worker->index, session);
  if (session.active()) return pass_signed(exchange, std::move(session), rcode);
  if (rcode == Rcode::NoError) return Verdict::Next;
  if (rcode == Rcode::Refused) {
    exchange.fail(rcode, kNotSigned);
  } else {
    exchange.start_answer();
    exchange.answer.rcode = rcode;
  }
  return Verdict::Answered;
}

Verdict TsigStage::pass_signed(Exchange& exchange, TsigSession session, Rcode rcode) {
  Arming arming{exchange.make_channel, exchange.listener, std::move(session), exchange.limit,
                options_.now};
  exchange.make_channel = &make_signing;
  exchange.listener = &arming;
  // Over TCP there is nothing to come back over: the answer leaves room for its signature. Over UDP
  // one without room is TC and the question alone (RFC 8945 section 5.3).
  if (exchange.transport == Transport::Tcp) exchange.limit -= arming.session.record_size();
  Verdict verdict = Verdict::Answered;
  if (rcode == Rcode::NoError) {
    verdict = exchange.pass_any_class(exchange.stage);
    if (verdict == Verdict::Next) {
      exchange.refuse_unanswered();
      verdict = Verdict::Answered;
    }
  } else {
    exchange.start_answer();
    exchange.answer.rcode = rcode;
  }
  // All of them, also of stages before this one: what they do is signed.
  if (verdict == Verdict::Answered) verdict = exchange.run_filters();
  std::unique_ptr<Exchange> own;
  if (verdict == Verdict::Answered) own = exchange.defer_with_answer();
  exchange.make_channel = arming.make_channel;
  exchange.listener = arming.listener;
  exchange.limit = arming.limit;
  if (own == nullptr) return verdict;
  const std::vector<std::uint8_t> message = own->encoded();
  own->channel().send(message);
  Exchange::conclude_sent(std::move(own), message);
  return Verdict::Deferred;
}

Rcode TsigStage::judge(const Query& query, std::span<const std::uint8_t> request, unsigned worker,
                       TsigSession& session) noexcept {
  if (!in_zone(query)) return Rcode::NoError;
  return judge_octets(options_.require_notify || is_required(query.qtype), request, worker,
                      session);
}

std::size_t TsigStage::sign(TsigSession& session, std::uint8_t* message, std::size_t size,
                            std::size_t limit) const noexcept {
  return sign_within(session, message, size, limit, options_.now());
}

}  // namespace clusterdns::dns
