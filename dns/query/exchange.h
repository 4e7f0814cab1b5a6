// One query and its answer, from the octets that come to those that leave.
//
// In a batch an exchange borrows: it is its worker's scratch, its query points into the receive
// buffer, and all of it is over when the next one comes. defer() makes one that owns what it needs
// and lives until it is finished. Stages and filters see no difference.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dns/net/endpoint.h"
#include "dns/query/answer.h"
#include "dns/wire/query_parser.h"

namespace clusterdns::dns {

class Exchange;
class Route;
struct WorkerContext;

enum class Transport : std::uint8_t { Udp, Tcp };

// CLOCK_MONOTONIC in nanoseconds.
[[nodiscard]] std::int64_t monotonic_ns() noexcept;

enum class Verdict : std::uint8_t {
  Answered,  // Exchange::answer holds the answer
  Next,      // not mine
  Deferred,  // Exchange::defer() was called; the answer comes later, on the same worker
  Drop,      // say nothing
};

// How a message leaves when it is to put clients to the test (dns/target/).
struct OddSending {
  bool other_port = false;     // UDP: from another source port
  bool close = false;          // TCP: the connection is closed behind it
  bool silence = false;        // TCP: nothing more is sent, and nothing read, until it is closed
  bool nothing = false;        // TCP: without the message
  std::int32_t prefix = -1;    // TCP: what its length is said to be; -1: what it is
  std::uint32_t octet_ms = 0;  // TCP: milliseconds between two octets; 0: all at once
};

// Where a deferred answer goes. Made by the listener; its end is that of the reply. Used on the
// worker's thread.
class ReplyChannel {
 public:
  ReplyChannel() = default;
  ReplyChannel(const ReplyChannel&) = delete;
  ReplyChannel& operator=(const ReplyChannel&) = delete;
  virtual ~ReplyChannel() = default;
  // Sends one complete message of a reply, which has several when it is a zone transfer (RFC 5936
  // 2.2). The peer may be gone: then nothing.
  virtual void send(std::span<const std::uint8_t> message) noexcept = 0;
  virtual void send_oddly(std::span<const std::uint8_t> message,
                          const OddSending& /*how*/) noexcept {
    send(message);
  }
  // Whether the peer reads what was sent: who has more messages waits for it before the next one.
  [[nodiscard]] virtual bool has_room() const noexcept { return true; }
  // Tells `waiter` when it does, later; destroyed without that when the peer goes.
  class Waiter {
   public:
    virtual ~Waiter() = default;
    virtual void has_room() noexcept = 0;
  };
  virtual void when_room(std::unique_ptr<Waiter> waiter) { waiter->has_room(); }
};

// Changes answers on their way out, whatever they come from. A stage adds it to an exchange that
// passes, see Exchange::add_filter(), and is what it belongs to as a rule.
class ResponseFilter {
 public:
  ResponseFilter() = default;
  ResponseFilter(const ResponseFilter&) = delete;
  ResponseFilter& operator=(const ResponseFilter&) = delete;
  virtual ~ResponseFilter() = default;
  // The answer is exchange.answer. Answered: it goes on to the next filter, and out. Deferred: as
  // of a stage, see Exchange::defer_with_answer(); finish() goes on with the next filter. Drop:
  // nothing is sent.
  [[nodiscard]] virtual Verdict filter(Exchange& exchange, std::uint64_t note) noexcept = 0;
  // Whether it looks at records: the answer is taken apart then, see Exchange::take_apart(). Else
  // it sees RRsets as their stage has left them.
  [[nodiscard]] virtual bool reads_records() const noexcept { return true; }
};

// EDNS options that a stage wants sent to upstreams. Never changed once they are made.
inline constexpr std::size_t kMaxUpstreamOptions = 512;  // octets
struct UpstreamOptions {
  // As in a request, one behind the other (RFC 6891 6.1.2); at most kMaxUpstreamOptions.
  std::vector<std::uint8_t> octets;
  // The client decides about them, not the question alone: the reply is for nobody else.
  bool of_client = false;
};
using EdnsOptions = std::shared_ptr<const UpstreamOptions>;

// What an exchange is about: all that goes along when it is deferred, copied as one.
struct ExchangeFacts {
  static constexpr unsigned kMaxFilters = 8;

  Query query;  // points into the receive buffer, or into what the exchange owns
  Endpoint client;
  Endpoint local;
  Transport transport = Transport::Udp;
  bool one_message = false;          // the reply is one message, whatever is asked: over HTTPS
  bool recursion_available = false;  // RA, whatever the answer
  std::uint8_t depth = 0;            // how many questions this one was asked for, see run_from
  std::size_t limit = kMaxUdpWithoutEdns;  // largest response in octets
  std::int64_t received_ns = 0;            // monotonic clock, of the batch
  WorkerContext* worker = nullptr;
  const Route* route = nullptr;
  EdnsOptions upstream_options;  // what upstreams are sent besides our OPT's own; nullptr: nothing
  unsigned stage = 0;  // position in the route + 1 of the stage at work or that answered; 0: none

  struct Filter {
    ResponseFilter* filter = nullptr;
    std::uint64_t note = 0;
  };
  std::array<Filter, kMaxFilters> filters;  // those that have yet to act; the last one is next
  std::uint8_t filter_count = 0;
  std::uint8_t others = 0;  // questions asked so far for the client's, see kMaxOthers
};

// Another question that is asked on behalf of one.
struct OtherQuestion {
  NameView name;
  RRType type{};
  RRClass rrclass = RRClass::IN;
  EdnsOptions upstream_options{};
};

// What became of another question, see Exchange::run_from().
enum class Outcome : std::uint8_t {
  Answered,    // the answer is the other exchange's
  Unanswered,  // likewise, but no stage took it: REFUSED
  Dropped,     // a stage says nothing
};

// Used by one worker's thread. What is written here of stages holds for filters.
class Exchange final : public ExchangeFacts {
 public:
  // Questions that are asked for questions; a circle of them ends there.
  static constexpr unsigned kMaxDepth = 8;
  // All of them, whatever asked whom: each may follow aliases that upstreams make up.
  static constexpr unsigned kMaxOthers = 32;

  Exchange();
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Refers to what holds until the worker ends its batch, or a TableGuard.
  Answer answer;
  // Who outside gave it, for observers; port 0: nobody, or the cache. Set while it is deferred.
  Endpoint upstream;

  // Set by the listener of one that borrows: makes the channel that defer() hands out.
  std::unique_ptr<ReplyChannel> (*make_channel)(void* listener) = nullptr;
  void* listener = nullptr;

  // An answer to the question without anything in it.
  void start_answer() noexcept {
    answer.reset(query.lower.data(), query.qname_size);
    answer.recursion_available = recursion_available;
  }
  // The same, of a failure.
  void fail(Rcode rcode, const ExtendedErrorNote& error) noexcept {
    start_answer();
    answer.rcode = rcode;
    answer.error = error;
  }

  // The answer when no stage took it.
  void refuse_unanswered() noexcept;

  // Makes it outlive the batch; its answer begins anew. Called at most once by a stage; return
  // Verdict::Deferred then and touch this exchange no more: it may be what is returned, and ends
  // whenever that does. Destroyed without finish() it answers nothing (the client's retry is the
  // remedy).
  [[nodiscard]] std::unique_ptr<Exchange> defer();
  // The same with the answer, taken apart.
  [[nodiscard]] std::unique_ptr<Exchange> defer_with_answer();

  // Makes every record of the answer one of Answer::add_record(), whatever it comes from, so that
  // it refers to nothing else any more but the question. Does nothing when it is so already.
  void take_apart() noexcept;
  // How records of the question name of another exchange are called here.
  enum class Owner : bool { Kept, Asked };
  // Takes the answer of `inner` over, and what is said of who answered; records of the name that it
  // was asked about belong to the question of this one (Owner::Asked), or to that name still.
  void take_answer(Exchange& inner, Owner owner) noexcept;

  // `filter` sees the answer, before those that were added earlier; it lives as long as the route.
  // `note` is given back to it. False when there are kMaxFilters.
  [[nodiscard]] bool add_filter(ResponseFilter& filter, std::uint64_t note = 0) noexcept {
    if (filter_count == kMaxFilters) return false;
    filters[filter_count++] = {&filter, note};
    return true;
  }
  // Lets the filters act. Answered unless one says Deferred or Drop.
  [[nodiscard]] Verdict run_filters() noexcept;

  // Passes it through the stages of the route from number `from` on, counted from 0. Next: none
  // took it. After Deferred it may be gone. Defined in stage.h. REQUIRES: the question is of class
  // IN; pass_any_class() asks for no class.
  [[nodiscard]] inline Verdict pass_through(unsigned from) noexcept;
  // The same through those stages that serve its class.
  [[nodiscard]] Verdict pass_any_class(unsigned from) noexcept;

  // Asks another question on behalf of this one: `name` and `type`, with flags, class and EDNS as
  // here, pass the stages from number `from` on (`stage` is the one behind the stage at work). What
  // it comes to, now or later, is told to `then`:
  //   Verdict(Exchange& outer, Exchange& inner, Outcome outcome) noexcept
  // `outer` is this exchange, or what became of it when it was deferred meanwhile, with its answer:
  // `then` must not refer to anything that ends with the batch. `inner` and its answer hold until
  // `then` returns or asks again; take_answer() takes it over. Its verdict is about `outer`; Next:
  // it goes on to the stages behind its own. Returns that verdict, or Deferred; return what it
  // returns. Beyond kMaxDepth and kMaxOthers the answer is SERVFAIL and `then` is not called.
  template <class Then>
  [[nodiscard]] Verdict run_from(unsigned from, NameView name, RRType type, Then then) noexcept;
  // The same of one that differs in more than that.
  template <class Then>
  [[nodiscard]] Verdict run_from(unsigned from, const OtherQuestion& question, Then then) noexcept;

  // The octets of the answer at `out`, which has room for `limit`. Returns their number.
  // Defined in outgoing.h.
  [[nodiscard]] inline std::size_t encode(std::uint8_t* out) noexcept;
  // As octets of their own.
  [[nodiscard]] std::vector<std::uint8_t> encoded();

  // Of one that was deferred, for replies of several messages. Sends the answer as one of them; the
  // last one is finish()'s. No filter sees it.
  void send_part() noexcept;
  // Where its messages go.
  [[nodiscard]] ReplyChannel& channel() noexcept { return *channel_; }

  // Ends one that was deferred and whose answer has been sent by its channel(), from inside a batch
  // or not: counts `response` and shows it to the observers. Without it exchange.answer.rcode and
  // plain_size are all that counts of the answer.
  static void conclude_sent(std::unique_ptr<Exchange> exchange,
                            std::span<const std::uint8_t> response) noexcept;

  // Whether it outlives the batch.
  [[nodiscard]] bool owns() const noexcept { return kept_route_ != nullptr; }

 private:
  friend void finish(std::unique_ptr<Exchange>, std::string_view) noexcept;
  friend void go_on(std::unique_ptr<Exchange>) noexcept;

  // What is called when the other question has come to something.
  class Continuation {
   public:
    virtual ~Continuation() = default;
    virtual Verdict resume(Exchange& outer, Exchange& inner, Outcome outcome) noexcept = 0;
    // Moves it to where it outlives the batch.
    virtual std::unique_ptr<Continuation> keep() = 0;
  };
  template <class Then>
  class CallThen;

  void ask_for(const Exchange& outer, const OtherQuestion& question);
  [[nodiscard]] Verdict run_other(unsigned from, const OtherQuestion& question,
                                  Continuation& then) noexcept;
  [[nodiscard]] Outcome outcome() const noexcept {
    return stage == 0 ? Outcome::Unanswered : Outcome::Answered;
  }
  // Takes one that owns itself from what `work` says of it to its end.
  template <class Work>
  static void run_owned(std::unique_ptr<Exchange> exchange, Work work) noexcept;
  // The end: tells whoever asked for it, or sends it and tells the observers.
  static void conclude(std::unique_ptr<Exchange> exchange, Outcome outcome) noexcept;
  [[nodiscard]] std::unique_ptr<Exchange> deferred_copy();
  // An answer that was taken over has names that belonged to another exchange.
  void own_question_name() noexcept;

  // Of one that owns itself.
  // Header and question of the request, with the parser's padding: what else a client sends does
  // not wait with it. `query.size` is that of the whole request; nothing is at `query.opt_offset`.
  std::vector<std::uint8_t> packet_;
  std::shared_ptr<const Route> kept_route_;  // keeps configuration and stages alive
  std::unique_ptr<ReplyChannel> channel_;    // nullptr: sent, or asked for by another
  std::string cause_;                        // why it failed, while a filter waits
  // Itself, while stages and filters work on it: defer() hands it out.
  std::unique_ptr<Exchange> self_;
  // Asked for by another that waits.
  std::unique_ptr<Exchange> outer_;
  std::unique_ptr<Continuation> then_;

  // Of one that was asked for by another and borrows.
  Exchange* asker_ = nullptr;
  Continuation* asker_then_ = nullptr;

  // For what is asked on behalf of this one; kept for the next.
  std::unique_ptr<Exchange> other_;
};

// Sends exchange->answer once the filters have seen it, and tells the observers of the route.
// `cause` is what these learn of why it failed when that is more than the client is told in
// `answer.error`. REQUIRES: it was deferred; what the answer refers to holds until this returns.
void finish(std::unique_ptr<Exchange> exchange, std::string_view cause = {}) noexcept;
// Passes it on to the stages behind the one that deferred it.
void go_on(std::unique_ptr<Exchange> exchange) noexcept;

template <class Then>
class Exchange::CallThen final : public Continuation {
 public:
  explicit CallThen(Then then) noexcept : then_(std::move(then)) {}
  Verdict resume(Exchange& outer, Exchange& inner, Outcome outcome) noexcept override {
    return then_(outer, inner, outcome);
  }
  std::unique_ptr<Continuation> keep() override {
    return std::make_unique<CallThen>(std::move(then_));
  }

 private:
  Then then_;
};

template <class Then>
Verdict Exchange::run_from(unsigned from, NameView name, RRType type, Then then) noexcept {
  return run_from(from, {name, type, query.qclass, upstream_options}, std::move(then));
}

template <class Then>
Verdict Exchange::run_from(unsigned from, const OtherQuestion& question, Then then) noexcept {
  CallThen<Then> call(std::move(then));
  return run_other(from, question, call);
}

}  // namespace clusterdns::dns
