#include "dns/server/responder.h"

#include <algorithm>
#include <array>

#include "dns/query/encoder.h"
#include "dns/query/notify.h"
#include "dns/query/outgoing.h"
#include "dns/wire/plain_size.h"
#include "dns/wire/record_walker.h"

namespace clusterdns::dns {
namespace {

constexpr ExtendedErrorNote kOnlyClassIn{true, ExtendedError::NotSupported,
                                         "only class IN is served"};
constexpr ExtendedErrorNote kNoServerBlock{true, ExtendedError::NotAuthoritative,
                                           "no server block holds this name"};

// What a UDP response may measure (RFC 6891 6.2.3-6.2.5): the client's size, at least 512, at most
// ours; 512 without EDNS.
std::size_t udp_limit(const Query& query, std::size_t ours) noexcept {
  if (!query.has_edns) return kMaxUdpWithoutEdns;
  return std::min(std::max<std::size_t>(query.udp_size, kMaxUdpWithoutEdns), ours);
}

// Shows what came to no server block to whoever wants to see that; of `size` octets at `out`.
[[gnu::noinline]] std::size_t tell_gate(const Exchange& exchange, const ListenerRoutes& routes,
                                        const std::uint8_t* out, std::size_t size) noexcept {
  const AnswerObserver::Event event{exchange.query,
                                    exchange.client,
                                    exchange.local,
                                    exchange.transport,
                                    exchange.received_ns,
                                    {out, size},
                                    {},
                                    {},
                                    size == 0 ? 0 : plain_size({out, size})};
  for (const auto& observer : routes.observers()) {
    observer->on_unanswered(event, AnswerObserver::Fate::Gate, *exchange.worker);
  }
  return size;
}

std::size_t at_gate(const Exchange& exchange, const ListenerRoutes& routes, const std::uint8_t* out,
                    std::size_t size) noexcept {
  return routes.observers().empty() ? size : tell_gate(exchange, routes, out, size);
}

// A query that no server block is for; CoreDNS counts those apart.
[[gnu::noinline]] std::size_t refuse_unrouted(Exchange& exchange, const ListenerRoutes& routes,
                                              std::uint8_t* out, std::size_t limit,
                                              const ExtendedErrorNote& error) noexcept {
  exchange.fail(Rcode::Refused, error);
  const Query& query = exchange.query;
  const Answer& answer = exchange.answer;
  const std::size_t size = encode_answer(query, exchange.answer, kDefaultUdpSize, out, limit);
  if (routes.dropped != nullptr) {
    RouteCounters::Cell& cell = routes.dropped->cell(exchange.worker->index);
    // CoreDNS adds its OPT, made of the query's without the options, before it counts these.
    const std::size_t options =
        query.has_edns ? query.opt_end - query.opt_offset - kOptRecordSize : 0;
    RouteCounters::count(cell, {exchange.transport == Transport::Tcp, exchange.client.v6,
                                query.qtype, query.dnssec_ok, query.size - options,
                                answer.plain_size + (query.has_edns ? kOptRecordSize : 0),
                                static_cast<unsigned>(Rcode::Refused), 0});
    RouteCounters::defer_duration(cell, exchange.worker->open_durations);
  }
  return at_gate(exchange, routes, out, size);
}

[[gnu::noinline]] std::size_t end_at_gate(const Exchange& exchange, const ListenerRoutes& routes,
                                          Gate gate, std::uint8_t* out,
                                          std::size_t limit) noexcept {
  Rcode rcode = Rcode::FormErr;
  switch (gate) {
    case Gate::Drop: return at_gate(exchange, routes, out, 0);
    case Gate::NotImp: rcode = Rcode::NotImp; break;
    case Gate::BadVers: rcode = Rcode::BadVers; break;
    case Gate::FormErr:
    case Gate::Pass: break;
  }
  return at_gate(exchange, routes, out,
                 encode_error(exchange.query, rcode, kDefaultUdpSize, out, limit));
}

// A NOTIFY (RFC 1996): an answer when a stage of the block that holds the zone knows it, else 0.
// What it says of the zone is looked at by nobody: who wants to know asks.
[[gnu::noinline]] std::size_t take_notify(Exchange& exchange, const ListenerRoutes& routes,
                                          std::span<const std::uint8_t> request, std::uint8_t* out,
                                          std::size_t limit) noexcept {
  // Header and question as a query has them. Primaries bring the SOA along, which is not looked at.
  Query& query = exchange.query;
  const std::size_t name_end = skip_name(request, kHeaderSize);
  std::array<std::uint8_t, kHeaderSize + kMaxNameSize + 4 + kPadding> question{};
  const std::size_t size_of_question = name_end + 4;
  if (name_end == 0 || request.size() < size_of_question ||
      size_of_question + kPadding > question.size()) {
    return 0;
  }
  std::copy_n(request.begin(), size_of_question, question.begin());
  std::fill_n(question.begin() + 2, kHeaderSize - 2, std::uint8_t{0});
  question[5] = 1;  // QDCOUNT
  // What the parser has found of OPT behind it.
  const Query whole = query;
  const Gate gate = parse_query({question.data(), size_of_question}, query);
  query.packet = whole.packet;
  query.size = whole.size;
  query.id = whole.id;
  query.flags = whole.flags;
  query.has_edns = whole.has_edns;
  query.dnssec_ok = whole.dnssec_ok;
  query.udp_size = whole.udp_size;
  query.opt_offset = whole.opt_offset;
  query.opt_end = whole.opt_end;
  if (gate != Gate::Pass || load_u16(request.data() + 4) != 1) return 0;
  if (query.qtype != RRType::SOA || query.qclass != RRClass::IN) return 0;
  const std::shared_ptr<const Route>* const found = routes.find(query);
  if (found == nullptr) return 0;
  // Each stands for a zone around the one before, so that they end.
  const Route* route = found->get();
  const auto chosen = [&]() -> const NotifyRouter* {
    return route == nullptr || route->stages.empty()
               ? nullptr
               : dynamic_cast<const NotifyRouter*>(route->stages.front().get());
  };
  while (const NotifyRouter* const router = chosen()) {
    exchange.route = route;
    route = router->route_for(exchange);
  }
  if (route == nullptr) return 0;
  const NotifyGuard* guard = nullptr;
  TsigSession session;
  Rcode rcode = Rcode::NoError;
  const auto end = [&](std::size_t size) {
    if (session.active()) size = guard->sign(session, out, size, limit);
    return at_gate(exchange, routes, out, size);
  };
  for (const auto& stage : route->stages) {
    if (auto* const each = dynamic_cast<NotifyGuard*>(stage.get()); each != nullptr) {
      guard = each;
      rcode = each->judge(query, request, exchange.worker->index, session);
    }
    auto* const target = dynamic_cast<NotifyTarget*>(stage.get());
    if (target == nullptr) continue;
    if (rcode != Rcode::NoError) {
      return end(encode_error(query, rcode, kDefaultUdpSize, out, limit));
    }
    const NotifyTarget::Told told = target->notified(query.name(), exchange.client);
    if (told == NotifyTarget::Told::NotMine) continue;
    const bool taken = told == NotifyTarget::Told::Taken;
    const std::size_t size =
        encode_error(query, taken ? Rcode::NoError : Rcode::Refused, kDefaultUdpSize, out, limit);
    if (taken) out[2] |= kFlagAA >> 8;
    return end(size);
  }
  return 0;
}

[[nodiscard]] bool is_notify(std::span<const std::uint8_t> request) noexcept {
  constexpr std::uint16_t kOpcodeBits = 0x7800;
  return request.size() >= kHeaderSize && (load_u16(request.data() + 2) & kOpcodeBits) >> 11 ==
                                              static_cast<std::uint16_t>(Opcode::Notify);
}

// What a batch sends of an exchange that waits, or that ends in silence: nothing.
[[gnu::noinline]] std::size_t silent(const Exchange& exchange, Verdict verdict) noexcept {
  // One that waits is another by now, and may have ended.
  if (verdict == Verdict::Drop) tell_dropped(exchange);
  return 0;
}

// What is sent now of an exchange that has passed the stages with `verdict`.
[[gnu::always_inline]] inline std::size_t leave(Exchange& exchange, Verdict verdict,
                                                std::uint8_t* out) noexcept {
  if (verdict != Verdict::Answered) [[unlikely]] {
    if (verdict != Verdict::Next) return silent(exchange, verdict);
    exchange.refuse_unanswered();
  }
  if (exchange.filter_count != 0) [[unlikely]] {
    const Verdict filtered = exchange.run_filters();
    if (filtered != Verdict::Answered) return silent(exchange, filtered);
  }
  const std::size_t size = exchange.encode(out);
  account<Duration::Batch>(exchange, {out, size});
  return size;
}

// A question of another class than IN that some stage serves.
[[gnu::noinline]] std::size_t respond_in_class(Exchange& exchange, std::uint8_t* out) noexcept {
  return leave(exchange, exchange.pass_any_class(0), out);
}

}  // namespace

std::size_t respond(Exchange& exchange, const ListenerRoutes& routes,
                    std::span<const std::uint8_t> request, std::uint8_t* out,
                    std::size_t limit) noexcept {
  Query& query = exchange.query;
  if (const Gate gate = parse_query(request, query); gate != Gate::Pass) [[unlikely]] {
    if (gate == Gate::NotImp && is_notify(request)) {
      const std::size_t size = take_notify(exchange, routes, request, out, limit);
      if (size != 0) return size;
      (void)parse_query(request, query);
    }
    return end_at_gate(exchange, routes, gate, out, limit);
  }
  exchange.filter_count = 0;
  exchange.others = 0;
  const std::size_t size_limit = exchange.transport == Transport::Udp
                                     ? std::min(limit, udp_limit(query, kDefaultUdpSize))
                                     : limit;
  const std::shared_ptr<const Route>* const found = routes.find(query);
  exchange.recursion_available = routes.recursion_available(exchange.client);
  const bool other_class = query.qclass != RRClass::IN;
  if (other_class && (found == nullptr || !(*found)->serves(query.qclass))) [[unlikely]] {
    exchange.recursion_available = false;
    return refuse_unrouted(exchange, routes, out, size_limit, kOnlyClassIn);
  }
  if (found == nullptr) [[unlikely]] {
    return refuse_unrouted(exchange, routes, out, size_limit, kNoServerBlock);
  }
  const Route& route = **found;
  exchange.route = &route;
  exchange.limit = route.udp_size == kDefaultUdpSize || exchange.transport == Transport::Tcp
                       ? size_limit
                       : std::min(limit, udp_limit(query, route.udp_size));
  exchange.start_answer();
  if (other_class) [[unlikely]]
    return respond_in_class(exchange, out);
  return leave(exchange, exchange.pass_through(0), out);
}

std::size_t respond_malformed(Exchange& exchange, const ListenerRoutes& routes,
                              std::span<const std::uint8_t> beginning, std::uint8_t* out,
                              std::size_t limit) noexcept {
  const Gate gate = parse_query(beginning, exchange.query);
  return end_at_gate(exchange, routes, gate == Gate::Drop ? gate : Gate::FormErr, out, limit);
}

}  // namespace clusterdns::dns
