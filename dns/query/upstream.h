// How stages have other servers asked. The forward stage is what implements it.
//
// Requests are made of a question's fields, with an OPT record of our own (RFC 6891 6.1.1), which
// may have options that a stage set (Exchange::upstream_options): nothing else of what a client
// sent goes further, and of what upstreams send besides records only the rcode and the code of an
// Extended DNS Error come back.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "dns/query/answer.h"
#include "dns/query/stage.h"
#include "dns/wire/name.h"
#include "dns/wire/query_parser.h"

namespace clusterdns::dns {

// What is asked, in class IN. Two questions that differ in nothing but letter case are one when
// they are under way at the same time.
struct UpstreamQuestion {
  Name name;  // in the letter case that the reply's question shall have
  RRType type{};
  bool recursion_desired = true;
  bool checking_disabled = false;  // RFC 4035 3.2.2
  bool authentic_data = false;     // RFC 6840 5.7
  bool dnssec_ok = false;          // RFC 3225
  EdnsOptions options{};           // of the OPT record; nullptr: none

  // RD, CD and AD as they stand in a header.
  [[nodiscard]] std::uint16_t flags() const noexcept {
    return static_cast<std::uint16_t>((recursion_desired ? kFlagRD : 0) |
                                      (checking_disabled ? kFlagCD : 0) |
                                      (authentic_data ? kFlagAD : 0));
  }
};

// Whether two have the same options.
[[nodiscard]] bool equal_options(const EdnsOptions& a, const EdnsOptions& b) noexcept;

// False when upstreams may answer for this client alone.
[[nodiscard]] inline bool may_be_kept(const ExchangeFacts& exchange) noexcept {
  return exchange.upstream_options == nullptr || !exchange.upstream_options->of_client;
}

// What `exchange` asks, and the same of another name.
[[nodiscard]] UpstreamQuestion question_of(const Exchange& exchange) noexcept;
[[nodiscard]] UpstreamQuestion question_about(const Exchange& exchange, NameView name) noexcept;

// On whose behalf: shares of what is scarce are by client, and a client over TCP is not given a
// truncated reply, since it has nowhere else to go.
struct UpstreamClient {
  Endpoint endpoint;
  Transport transport = Transport::Udp;
};

struct UpstreamReply {
  bool ok = false;
  // False, without `ok`: no upstream was asked, or not waited for, since too much waits here.
  bool asked = true;

  // With `ok`: a message that has been checked (see check_reply) and normalised: id 0, QR, opcode
  // QUERY, the question in its own letter case, RD and CD as asked; AA, TC, RA, AD and rcode as the
  // upstream set them; all records readable, without OPT and TSIG. An rcode above 15 stands there
  // as SERVFAIL. TC only for clients over UDP. Valid during the call only.
  std::span<const std::uint8_t> message;
  // With `ok`, that of the message; else what to answer with.
  std::uint16_t rcode = static_cast<std::uint16_t>(Rcode::ServFail);
  // With `ok`: INFO-CODE of the upstream's Extended DNS Error (RFC 8914).
  std::optional<std::uint16_t> extended_error;
  Endpoint upstream;  // with `ok`: who said so; port 0: unknown

  // Without `ok`: why, for the client and, in CoreDNS's words, for the log. `cause` is valid during
  // the call only.
  ExtendedErrorNote error;
  std::string_view cause;
};

// What is_meta_type() is told.
inline constexpr ExtendedErrorNote kTypeNotForwarded{true, ExtendedError::NotSupported,
                                                     "queries of this type are not forwarded"};

// Who waits for the reply to a question.
class UpstreamWaiter {
 public:
  UpstreamWaiter() = default;
  UpstreamWaiter(const UpstreamWaiter&) = delete;
  UpstreamWaiter& operator=(const UpstreamWaiter&) = delete;
  // Without done() when the worker ends before the question does.
  virtual ~UpstreamWaiter() = default;
  // Called once, on the thread of the worker that asked. May ask again.
  virtual void done(const UpstreamReply& reply) noexcept = 0;
  // About how much waits with it: what waits is bounded in octets.
  [[nodiscard]] virtual std::size_t octets() const noexcept { return kAssumedOctets; }

  // A deferred query, and somebody who follows a chain of names for it.
  static constexpr std::size_t kAssumedOctets = 4096;
};

class Upstream {
 public:
  virtual ~Upstream() = default;

  // True when names below the stage's zone include `name` (lower-case) and none of its `except`s.
  [[nodiscard]] virtual bool covers(NameView name) const noexcept = 0;
  // True when this client's queries may be forwarded at all.
  [[nodiscard]] virtual bool allows(const Endpoint& client) const noexcept = 0;
  // The same as ranges, for who joins those of many; nullptr: only allows() knows.
  [[nodiscard]] virtual const AddressRanges* clients() const noexcept { return nullptr; }
  // The zone that it is there for and `name` is in, lower-case; the root unless it says otherwise.
  [[nodiscard]] virtual NameView zone_of(NameView name) const noexcept;
  // False when there is no server to ask.
  [[nodiscard]] virtual bool can_ask() const noexcept { return true; }
  // Whether `reply` is not the answer when a later Upstream of the route takes the name.
  [[nodiscard]] virtual bool passes_on(const UpstreamReply& reply) const noexcept;
  // Asks `question`. `waiter` is told later, on this worker and never from inside ask(), nor from
  // inside a batch of queries: nobody's query ends in the middle of another's.
  virtual void ask(WorkerContext& worker, const UpstreamClient& client,
                   const UpstreamQuestion& question, std::unique_ptr<UpstreamWaiter> waiter) = 0;
  // For who waits for an answer no longer than that: calls `late` on this worker in `delay_ns`, not
  // from inside a batch, unless the result is gone by then. Without a clock: never.
  [[nodiscard]] virtual std::shared_ptr<void> call_in(WorkerContext& /*worker*/,
                                                      std::int64_t /*delay_ns*/,
                                                      std::function<void()> /*late*/) {
    return nullptr;
  }
};

// A waiter that calls `callback(const UpstreamReply&)`.
// `more`: octets that wait with it besides.
template <class Callback>
[[nodiscard]] std::unique_ptr<UpstreamWaiter> when_replied(Callback callback,
                                                           std::size_t more = 0) {
  class CallbackWaiter final : public UpstreamWaiter {
   public:
    CallbackWaiter(Callback c, std::size_t more) : callback_(std::move(c)), more_(more) {}
    void done(const UpstreamReply& reply) noexcept override { callback_(reply); }
    [[nodiscard]] std::size_t octets() const noexcept override { return kAssumedOctets + more_; }

   private:
    Callback callback_;
    const std::size_t more_;
  };
  return std::make_unique<CallbackWaiter>(std::move(callback), more);
}

}  // namespace clusterdns::dns
