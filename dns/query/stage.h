// A stage of the query path, and what it may use.
//
// A server block owns a list of stages, in an order fixed by one table (app/directives). A query
// passes them one after the other, on the worker thread that received it, until one answers,
// defers or drops it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>

#include "dns/net/endpoint.h"
#include "dns/query/answer.h"
#include "dns/query/exchange.h"
#include "dns/query/route_counters.h"
#include "dns/wire/query_parser.h"

namespace clusterdns::dns {

class AddressRanges;
class Upstream;
class LocalData;
class ReclaimDomain;
class AnswerCache;
struct TtlBounds;
class UpstreamNetwork;

// Octets of what waits for upstreams at one worker, and how many there may be.
struct UpstreamOctets {
  std::size_t used = 0;
  std::size_t most = 0;
};

// What stages may use of their worker. One thread runs it; `index` counts from 0.
struct WorkerContext {
  boost::asio::io_context* io = nullptr;
  unsigned index = 0;
  unsigned worker_count = 1;
  // Guards the tables behind LocalData. A batch is inside it already; who goes on with a deferred
  // query later must enter it for each look-up and what is made of it. nullptr: nothing to guard.
  ReclaimDomain* reclaim = nullptr;
  // How upstreams are reached; nullptr: by sockets on `io`.
  std::shared_ptr<UpstreamNetwork> network = nullptr;
  // Of all that waits for upstreams here. Made by the first stage that asks any.
  std::shared_ptr<UpstreamOctets> upstream_octets = nullptr;
  // Counters that await the end of the batch for its duration; see RouteCounters::end_batch.
  RouteCounters::Cell* open_durations = nullptr;
  // Where answers that are not kept anywhere begin next, see next_turn().
  std::array<std::uint16_t, 256> turns{};

  // Which of `count` records comes first in the next answer about `name` and `type`. All come first
  // as often, in an order that is no step of one: upstreams turn theirs by one, and two such turns
  // could cancel each other out.
  [[nodiscard]] std::uint32_t next_turn(NameView name, RRType type, std::uint32_t count) noexcept;
};

// REQUIRES of every implementation: handle() neither throws, blocks, locks, logs at info or below,
// nor allocates when it answers from memory. A stage is shared by all workers: what it keeps per
// worker it indexes by WorkerContext::index.
class Stage {
 public:
  Stage() = default;
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  virtual ~Stage() = default;

  // The directive's name, as in the Corefile.
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  [[nodiscard]] virtual Verdict handle(Exchange& exchange) noexcept = 0;

  // Whether it answers questions of that class; it sees no others.
  [[nodiscard]] virtual bool serves(RRClass rrclass) const noexcept {
    return rrclass == RRClass::IN;
  }

  // Whether it decides about names that are in nobody's data. Where aliases lead is then asked of
  // the whole block, as whoever asks for the name does.
  [[nodiscard]] virtual bool decides_by_rules() const noexcept { return false; }

  // Called on each worker's thread before the first query and after the last new one. Deferred
  // queries may still be under way at detach: they hold the route.
  virtual void attach(WorkerContext&) {}
  virtual void detach(WorkerContext&) noexcept {}

  // Non-null when the stage is of that kind.
  [[nodiscard]] virtual LocalData* local_data() noexcept { return nullptr; }
  [[nodiscard]] virtual Upstream* upstream() noexcept { return nullptr; }
};

// Sees what becomes of every query of a server block that has it (log, metrics). Called on the
// worker thread.
class AnswerObserver {
 public:
  AnswerObserver() = default;
  AnswerObserver(const AnswerObserver&) = delete;
  AnswerObserver& operator=(const AnswerObserver&) = delete;
  virtual ~AnswerObserver() = default;

  struct Event {
    const Query& query;
    const Endpoint& client;
    const Endpoint& local;
    Transport transport;
    std::int64_t received_ns;                // monotonic clock
    std::span<const std::uint8_t> response;  // as sent; empty: nothing was
    std::string_view cause;  // why it failed, in words; empty: it did not, or unsaid
    std::string_view stage;  // the directive that answered; empty: none did, or it failed
    std::size_t plain_size;  // octets of the response uncompressed and, if made here, without OPT
    Endpoint upstream{};     // who outside gave the answer; port 0: nobody, or the cache
    // With `stage` cache and no `upstream`: seconds since it was kept; Answer::kNoAge: unknown.
    std::uint32_t age = 0xFFFFFFFF;
  };
  // `event.response` has at least a header.
  virtual void on_answer(const Event& event, WorkerContext& worker) noexcept = 0;

  enum class Fate : std::uint8_t {
    Dropped,  // a stage or filter says nothing, or gave it up
    Gate,     // it came to no server block: ignored, refused, or not to be read
  };
  // The others. CoreDNS logs and counts those that are dropped, and neither at a gate, where
  // `event.query` holds only as far as it was read.
  virtual void on_unanswered(const Event& /*event*/, Fate /*fate*/,
                             WorkerContext& /*worker*/) noexcept {}
  // Whether it is told of what ends at a gate of a listener that its server block has.
  [[nodiscard]] virtual bool sees_gates() const noexcept { return false; }
};

// Names that are answered from memory: what CNAME chains and search lists are tried against.
class LocalData {
 public:
  virtual ~LocalData() = default;

  enum class Found : std::uint8_t {
    NotMine,  // outside every zone of this stage
    Data,     // RRsets were added to the answer
    Alias,    // `alias` is the CNAME's target; nothing was added
    NoData,   // the name exists, without this type
    NXDomain,
    FallsThrough,  // within a zone, not here; a query for it would go on to the next stage
    Failed,  // a query for it would be SERVFAIL, see `error`: not here, and nothing to prove it by
    NotReady,  // no data yet: SERVFAIL, see `error`, and try no other source
  };
  struct Outcome {
    Found found = Found::NotMine;
    NameView alias{};            // Alias: target, lower-case, as long-lived as the table
    std::uint32_t ttl = 0;       // Alias: of the CNAME; NoData, NXDomain: of the SOA
    std::uint8_t zone_size = 0;  // octets of the zone's name, a suffix of `name`
    const ExtendedErrorNote* error = nullptr;  // Failed, NotReady: why; static storage
  };
  // Looks `name` (lower-case wire form) up and adds what it finds for `type` to the answer section
  // of `answer` (and glue to the additional section) with owner index `owner`.
  // REQUIRES: kPadding readable octets behind `name`.
  virtual Outcome look_up(NameView name, RRType type, std::uint8_t owner, Answer& answer,
                          const WorkerContext& worker) noexcept = 0;
  // Adds the SOA of the zone that holds `name` to the authority section. `owner` is the index of
  // the name that was looked up.
  virtual void add_soa(NameView name, std::uint8_t owner, Answer& answer) noexcept = 0;
};

// The stages of one server block, and the zone it serves. Immutable once published.
class Route : public std::enable_shared_from_this<Route> {
 public:
  std::vector<std::shared_ptr<Stage>> stages;
  std::vector<std::shared_ptr<AnswerObserver>> observers;
  std::shared_ptr<RouteCounters> counters;      // nullptr: nothing is counted
  std::shared_ptr<AnswerCache> cache;           // of upstreams' answers; nullptr: none
  std::string zone_text;                        // as configured, for logs and metrics: "."
  std::string server_text;                      // "dns://:53"
  std::uint16_t udp_size = kDefaultUdpSize;     // largest UDP response, and what our OPT announces
  bool rotate = true;                           // round robin for every multi-answer RRset
  std::shared_ptr<const TtlBounds> ttl_bounds;  // of all answers; nullptr: none

  // Whether some stage does.
  [[nodiscard]] bool serves(RRClass rrclass) const noexcept;
  // Whether some stage does.
  [[nodiscard]] bool decides_by_rules() const noexcept;
  // The directive at a place of Exchange::stage; empty for 0.
  [[nodiscard]] std::string_view stage_name(unsigned stage) const noexcept {
    return stage == 0 ? std::string_view{} : stages[stage - 1]->name();
  }
};

inline Verdict Exchange::pass_through(unsigned from) noexcept {
  stage = from;
  const auto& stages = route->stages;
  for (auto next = stages.begin() + from; next != stages.end(); ++next) {
    ++stage;
    const Verdict verdict = (*next)->handle(*this);
    if (verdict != Verdict::Next) return verdict;
  }
  return Verdict::Next;
}

// What nobody answers.
inline constexpr ExtendedErrorNote kNoStageAnswers{true, ExtendedError::NotAuthoritative,
                                                   "no stage answers for this name"};

// First of the route's Upstreams that covers `name`; nullptr: none.
[[nodiscard]] Upstream* find_covering(const Route& route, NameView name) noexcept;
// Who is asked about `name` for `client`: as a query for it would have it, the first that covers
// it, or nobody when that does not allow the client. nullptr: none.
[[nodiscard]] Upstream* find_upstream(const Route& route, NameView name,
                                      const Endpoint& client) noexcept;
// The next one behind `passed` that covers `name`, allows `client`, and has somebody to ask.
[[nodiscard]] Upstream* find_next_upstream(const Route& route, const Upstream& passed,
                                           NameView name, const Endpoint& client) noexcept;

}  // namespace clusterdns::dns
