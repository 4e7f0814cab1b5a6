#include "dns/server/responder.h"

#include <algorithm>

#include "dns/query/encoder.h"

namespace clusterdns::dns {
namespace {

// What a UDP response may measure (RFC 6891 6.2.3-6.2.5): the client's size, at least 512, at most
// ours; 512 without EDNS.
std::size_t udp_limit(const Query& query, std::size_t ours) noexcept {
  if (!query.has_edns) return kMaxUdpWithoutEdns;
  return std::min(std::max<std::size_t>(query.udp_size, kMaxUdpWithoutEdns), ours);
}

// The question is echoed with the class and type as they came; RA tells what this client may do.
std::size_t refuse(QueryContext& ctx, Rcode rcode, std::uint16_t udp_size, std::uint8_t* out,
                   std::size_t limit, ExtendedError code, const char* text) noexcept {
  Answer& answer = ctx.answer;
  const bool recursion_available = answer.recursion_available;
  answer.reset(ctx.query.lower.data(), ctx.query.qname_size);
  answer.recursion_available = recursion_available;
  answer.rcode = rcode;
  answer.error = {true, code, text};
  return encode_answer(ctx.query, answer, udp_size, out, limit);
}

// Apart from what follows, so that a query that nobody looks at pays nothing for it.
[[gnu::noinline]] void notify(QueryContext& ctx, const Route& route, unsigned stage,
                              std::span<const std::uint8_t> response) noexcept {
  // As it is counted: a failure is nobody's answer.
  if (RouteCounters::is_failure(static_cast<unsigned>(ctx.answer.rcode))) stage = 0;
  const AnswerObserver::Event event{
      ctx.query,       ctx.client, ctx.local,
      ctx.transport,   ctx.received_ns,
      response,        ctx.answer.error.set ? ctx.answer.error.text : "",
      route.stage_name(stage), ctx.answer.plain_size};
  for (const auto& observer : route.observers) observer->on_answer(event, *ctx.worker);
}

// Counts an answer that was made from memory and shows it to the observers. `stage` as
// QueryContext::stage. Returns `size`, the response's octets at `out`.
[[gnu::always_inline]] inline std::size_t observed(QueryContext& ctx, const Route& route,
                                                   unsigned stage, const std::uint8_t* out,
                                                   std::size_t size) noexcept {
  if (RouteCounters* const counters = route.counters.get(); counters != nullptr) {
    RouteCounters::Cell& cell = counters->cell(ctx.worker->index);
    const auto rcode = static_cast<unsigned>(ctx.answer.rcode);
    const bool failed = RouteCounters::is_failure(rcode);
    RouteCounters::count(
        cell, {ctx.transport == Transport::Tcp, ctx.client.v6, ctx.query.qtype, ctx.query.dnssec_ok,
               ctx.query.size, failed ? 0 : ctx.answer.plain_size, rcode, failed ? 0 : stage});
    RouteCounters::defer_duration(cell, ctx.worker->open_durations);
  }
  if (!route.observers.empty()) [[unlikely]] notify(ctx, route, stage, {out, size});
  return size;
}

// A query that no server block is for; CoreDNS counts those apart.
std::size_t refuse_unrouted(QueryContext& ctx, const ListenerRoutes& routes, std::uint8_t* out,
                            std::size_t limit, ExtendedError code, const char* text) noexcept {
  const std::size_t size =
      refuse(ctx, Rcode::Refused, kDefaultUdpSize, out, limit, code, text);
  if (routes.dropped != nullptr) {
    RouteCounters::Cell& cell = routes.dropped->cell(ctx.worker->index);
    // CoreDNS adds its OPT, made of the query's without the options, before it counts these.
    const std::size_t options =
        ctx.query.has_edns ? ctx.query.opt_end - ctx.query.opt_offset - kOptRecordSize : 0;
    RouteCounters::count(cell, {ctx.transport == Transport::Tcp, ctx.client.v6, ctx.query.qtype,
                                ctx.query.dnssec_ok, ctx.query.size - options,
                                ctx.answer.plain_size + (ctx.query.has_edns ? kOptRecordSize : 0),
                                static_cast<unsigned>(Rcode::Refused), 0});
    RouteCounters::defer_duration(cell, ctx.worker->open_durations);
  }
  return size;
}

}  // namespace

std::size_t respond(QueryContext& ctx, const ListenerRoutes& routes,
                    std::span<const std::uint8_t> request, std::uint8_t* out,
                    std::size_t limit) noexcept {
  Query& query = ctx.query;
  switch (parse_query(request, query)) {
    case Gate::Pass: break;
    case Gate::Drop: return 0;
    case Gate::FormErr: return encode_error(query, Rcode::FormErr, kDefaultUdpSize, out, limit);
    case Gate::NotImp: return encode_error(query, Rcode::NotImp, kDefaultUdpSize, out, limit);
    case Gate::BadVers: return encode_error(query, Rcode::BadVers, kDefaultUdpSize, out, limit);
  }
  ctx.answer.reset(query.lower.data(), query.qname_size);
  const std::size_t size_limit = ctx.transport == Transport::Udp
                                     ? std::min(limit, udp_limit(query, kDefaultUdpSize))
                                     : limit;
  if (query.qclass != RRClass::IN) [[unlikely]] {
    return refuse_unrouted(ctx, routes, out, size_limit, ExtendedError::NotSupported,
                           "only class IN is served");
  }
  const std::shared_ptr<const Route>* const found = routes.find(query);
  ctx.answer.recursion_available = routes.recursion_available(ctx.client);
  if (found == nullptr) [[unlikely]] {
    return refuse_unrouted(ctx, routes, out, size_limit, ExtendedError::NotAuthoritative,
                           "no server block holds this name");
  }
  const Route& route = **found;
  ctx.route = &route;
  ctx.limit = route.udp_size == kDefaultUdpSize || ctx.transport == Transport::Tcp
                  ? size_limit
                  : std::min(limit, udp_limit(query, route.udp_size));
  ctx.stage = 0;
  for (const auto& stage : route.stages) {
    ++ctx.stage;
    switch (stage->handle(ctx)) {
      case Verdict::Next: continue;
      case Verdict::Answered:
        return observed(ctx, route, ctx.stage, out,
                        encode_answer(query, ctx.answer, route.udp_size, out, ctx.limit));
      case Verdict::Deferred:
      case Verdict::Drop: return 0;
    }
  }
  return observed(ctx, route, 0, out,
                  refuse(ctx, Rcode::Refused, route.udp_size, out, ctx.limit,
                         ExtendedError::NotAuthoritative, "no stage answers for this name"));
}

}  // namespace clusterdns::dns
