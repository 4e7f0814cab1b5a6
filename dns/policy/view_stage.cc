#include "dns/policy/view_stage.h"

#include <algorithm>

namespace clusterdns::dns {

const Route* ViewStage::route_for(const Exchange& exchange) const noexcept {
  for (const Choice& choice : choices_) {
    if (choice.condition == nullptr || choice.condition->holds(exchange)) {
      return choice.route.get();
    }
  }
  return otherwise_.get();
}

Verdict ViewStage::handle(Exchange& exchange) noexcept {
  if (const Route* const route = route_for(exchange)) return go_to(*route, exchange);
  exchange.refuse_unanswered();
  return Verdict::Answered;
}

Verdict ViewStage::go_to(const Route& route, Exchange& exchange) noexcept {
  exchange.route = &route;
  if (exchange.transport == Transport::Udp && route.udp_size < exchange.limit) {
    exchange.limit = std::max<std::size_t>(route.udp_size, kMaxUdpWithoutEdns);
  }
  exchange.start_answer();
  const Verdict verdict = exchange.pass_any_class(0);
  if (verdict != Verdict::Next) return verdict;
  exchange.refuse_unanswered();
  return Verdict::Answered;
}

bool ViewStage::serves(RRClass rrclass) const noexcept {
  return rrclass == RRClass::IN ||
         std::any_of(choices_.begin(), choices_.end(),
                     [rrclass](const Choice& choice) { return choice.route->serves(rrclass); }) ||
         (otherwise_ != nullptr && otherwise_->serves(rrclass));
}

}  // namespace clusterdns::dns
