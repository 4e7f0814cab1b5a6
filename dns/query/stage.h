// A stage of the way of a query, and what it may use.
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

#include "dns/query/answer.h"
#include "dns/query/route_counters.h"
#include "dns/wire/query_parser.h"

namespace clusterdns::dns {

class Route;
class Upstream;
class LocalData;
class ReclaimDomain;
class AnswerCache;
struct WorkerContext;

enum class Transport : std::uint8_t { Udp, Tcp };

// CLOCK_MONOTONIC in nanoseconds.
[[nodiscard]] std::int64_t monotonic_ns() noexcept;

enum class Verdict : std::uint8_t {
  Answered,  // ctx.answer holds the answer
  Next,      // not mine
  Deferred,  // ctx.defer() was called; the answer comes later, on the same worker
  Drop,      // say nothing
};

// An address and port, in the form the kernel gives; cheap to copy, no allocation.
struct Endpoint {
  std::array<std::uint8_t, 16> address{};  // network byte order; IPv4 in the first four
  std::uint16_t port = 0;                  // host byte order
  bool v6 = false;
  std::uint32_t scope_id = 0;              // IPv6 link-local only

  [[nodiscard]] boost::asio::ip::address to_address() const;
  // "192.0.2.1:53" or "[2001:db8::1]:53".
  [[nodiscard]] std::string to_string() const;
};

// Where a deferred answer goes. Made by the listener; used once.
class ReplyChannel {
 public:
  ReplyChannel() = default;
  ReplyChannel(const ReplyChannel&) = delete;
  ReplyChannel& operator=(const ReplyChannel&) = delete;
  virtual ~ReplyChannel() = default;
  // Sends one complete message; called on the worker thread. The peer may be gone: then nothing.
  virtual void send(std::span<const std::uint8_t> message) noexcept = 0;
};

// A query that waits: owns a copy of the request, so that the worker's buffers go on. Lives on one
// worker; destroyed without finish() it answers nothing (the client's retry is the remedy).
struct DeferredQuery {
  std::vector<std::uint8_t> packet;  // the request, with parser padding behind it
  Query query;                       // points into `packet`
  Endpoint client;
  Endpoint local;
  Transport transport = Transport::Udp;
  std::size_t limit = 0;             // largest response in octets
  bool recursion_available = false;
  std::int64_t received_ns = 0;      // monotonic clock
  unsigned stage = 0;                // which one deferred it, see QueryContext::stage
  std::shared_ptr<const Route> route;  // keeps configuration and stages alive
  WorkerContext* worker = nullptr;
  std::unique_ptr<ReplyChannel> channel;

  // Encodes `answer` for this query and sends it, telling the observers of the route.
  // `answer.names[0]` must be this query's question name.
  void finish(Answer& answer) noexcept;
  // Sends a complete message that is already in wire form (id, question and size are right).
  void finish_raw(std::span<const std::uint8_t> message) noexcept;

 private:
  // `failed`: no stage wrote it, see RouteCounters::is_failure.
  void send(std::span<const std::uint8_t> message, std::string_view cause, std::size_t plain_size,
            bool failed) noexcept;
};

// One query in the hands of its worker.
struct QueryContext {
  Query query;
  Answer answer;
  Endpoint client;
  Endpoint local;
  Transport transport = Transport::Udp;
  std::size_t limit = kMaxUdpWithoutEdns;  // largest response in octets
  std::int64_t received_ns = 0;            // monotonic clock, of the batch
  WorkerContext* worker = nullptr;
  const Route* route = nullptr;
  unsigned stage = 0;                      // position in the route + 1 of the stage at work; 0: none

  // Copies what must outlive the batch. Called at most once; return Verdict::Deferred then.
  [[nodiscard]] std::unique_ptr<DeferredQuery> defer();

  // Set by the listener: makes the channel that defer() hands out.
  std::unique_ptr<ReplyChannel> (*make_channel)(void* listener, const QueryContext&) = nullptr;
  void* listener = nullptr;
};

// What stages may use of their worker. One thread runs it; `index` counts from 0.
struct WorkerContext {
  boost::asio::io_context* io = nullptr;
  unsigned index = 0;
  unsigned worker_count = 1;
  // Guards the tables behind LocalData. A batch is inside it already; who goes on with a deferred
  // query later must enter it for each look-up and what is made of it. nullptr: nothing to guard.
  ReclaimDomain* reclaim = nullptr;
  // Counters that await the end of the batch for its duration; see RouteCounters::end_batch.
  RouteCounters::Cell* open_durations = nullptr;
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
  [[nodiscard]] virtual Verdict handle(QueryContext& ctx) noexcept = 0;

  // Called on each worker's thread before the first query and after the last new one. Deferred
  // queries may still be under way at detach: they hold the route.
  virtual void attach(WorkerContext&) {}
  virtual void detach(WorkerContext&) noexcept {}

  // Non-null when the stage is of that kind.
  [[nodiscard]] virtual LocalData* local_data() noexcept { return nullptr; }
  [[nodiscard]] virtual Upstream* upstream() noexcept { return nullptr; }
};

// Sees every answer of a server block that has it (log, metrics). Called on the worker thread.
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
    std::int64_t received_ns;  // monotonic clock
    std::span<const std::uint8_t> response;  // as sent; at least a header
    std::string_view cause;                  // why it failed, in words; empty: it did not, or unsaid
    std::string_view stage;  // the directive that answered; empty: none did, or it failed
    std::size_t plain_size;  // octets of the response uncompressed and, if made here, without OPT
  };
  virtual void on_answer(const Event& event, WorkerContext& worker) noexcept = 0;
};

// Names that are answered from memory: what CNAME chains and search lists are tried against.
class LocalData {
 public:
  virtual ~LocalData() = default;

  enum class Found : std::uint8_t {
    NotMine,   // outside every zone of this stage
    Data,      // RRsets were added to the answer
    Alias,     // `alias` is the CNAME's target; nothing was added
    NoData,    // the name exists, without this type
    NXDomain,
    NotReady,  // no data yet: SERVFAIL, and try no other source
  };
  struct Outcome {
    Found found = Found::NotMine;
    NameView alias{};             // Alias: target, lower-case, as long-lived as the table
    std::uint32_t ttl = 0;        // Alias: of the CNAME; NoData, NXDomain: of the SOA
    std::uint8_t zone_size = 0;   // octets of the zone's name, a suffix of `name`
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

// Asks other servers. Implemented by the forward stage.
class Upstream {
 public:
  virtual ~Upstream() = default;

  // True when names below the stage's zone include `name` (lower-case) and none of its `except`s.
  [[nodiscard]] virtual bool covers(NameView name) const noexcept = 0;
  // True when this client's queries may be forwarded at all.
  [[nodiscard]] virtual bool allows(const Endpoint& client) const noexcept = 0;

  struct Reply {
    bool ok = false;
    std::span<const std::uint8_t> message;  // valid during the call only
    ExtendedErrorNote error;                // when not ok
  };
  using Callback = std::function<void(const Reply&)>;
  // Sends `request` (a complete query message, its id is ignored) and calls back exactly once, on
  // this worker, perhaps before ask() returns. The reply's id and question are the upstream's.
  virtual void ask(WorkerContext& worker, std::span<const std::uint8_t> request,
                   Callback callback) = 0;
};

// The stages of one server block, and the zone it serves. Immutable once published.
class Route : public std::enable_shared_from_this<Route> {
 public:
  std::vector<std::shared_ptr<Stage>> stages;
  std::vector<std::shared_ptr<AnswerObserver>> observers;
  std::shared_ptr<RouteCounters> counters;  // nullptr: nothing is counted
  std::shared_ptr<AnswerCache> cache;  // of upstreams' answers; nullptr: none
  std::string zone_text;        // as configured, for logs and metrics: "."
  std::string server_text;      // "dns://:53"
  std::uint16_t udp_size = kDefaultUdpSize;  // largest UDP response, and what our OPT announces
  bool rotate = true;           // round robin for every multi-answer RRset

  // The directive at a place of QueryContext::stage; empty for 0.
  [[nodiscard]] std::string_view stage_name(unsigned stage) const noexcept {
    return stage == 0 ? std::string_view{} : stages[stage - 1]->name();
  }
};

// First of the route's Upstreams that covers `name` and allows `client`; nullptr: none.
[[nodiscard]] Upstream* find_upstream(const Route& route, NameView name,
                                      const Endpoint& client) noexcept;

}  // namespace clusterdns::dns
