// The last steps of an answer, the same whatever it comes from: octets, counters, observers.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "dns/query/encoder.h"
#include "dns/query/stage.h"
#include "dns/query/ttl_bounds.h"

namespace clusterdns::dns {

inline std::size_t Exchange::encode(std::uint8_t* out) noexcept {
  const std::size_t size = encode_answer(query, answer, route->udp_size, out, limit);
  if (route->ttl_bounds != nullptr) [[unlikely]] {
    route->ttl_bounds->apply(query, answer, {out, size});
  }
  return size;
}

// Shows an answer to the observers of its route. `stage` is who is said to have answered. Apart
// from what follows, so that a query that nobody looks at pays nothing for it.
void tell_observers(const Exchange& exchange, unsigned stage,
                    std::span<const std::uint8_t> response, std::string_view cause) noexcept;
// Counts one that ends without an answer, and shows it likewise.
void tell_dropped(const Exchange& exchange) noexcept;

// Whose duration is counted: that of the batch, or the exchange's own.
enum class Duration : bool { Batch, Own };

// Counts `response` to exchange.answer and shows it to the observers. `cause` as in finish().
template <Duration kDuration>
[[gnu::always_inline]] inline void account(const Exchange& exchange,
                                           std::span<const std::uint8_t> response,
                                           std::string_view cause = {}) noexcept {
  const Route& route = *exchange.route;
  const Answer& answer = exchange.answer;
  const auto rcode = static_cast<unsigned>(answer.rcode);
  // A failure is nobody's answer.
  const bool failed = RouteCounters::is_failure(rcode) && !answer.relayed;
  const unsigned stage = failed ? 0 : exchange.stage;
  if (RouteCounters* const counters = route.counters.get(); counters != nullptr) {
    RouteCounters::Cell& cell = counters->cell(exchange.worker->index);
    RouteCounters::count(cell, {exchange.transport == Transport::Tcp, exchange.client.v6,
                                exchange.query.qtype, exchange.query.dnssec_ok, exchange.query.size,
                                failed ? 0 : answer.plain_size, rcode, stage});
    if constexpr (kDuration == Duration::Batch) {
      RouteCounters::defer_duration(cell, exchange.worker->open_durations);
    } else {
      RouteCounters::observe_duration(cell, monotonic_ns() - exchange.received_ns);
    }
  }
  if (!route.observers.empty()) [[unlikely]]
    tell_observers(exchange, stage, response, cause);
}

}  // namespace clusterdns::dns
