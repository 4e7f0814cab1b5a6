// Chooses between server blocks of one zone (`view`).
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "dns/policy/query_scope.h"
#include "dns/query/notify.h"
#include "dns/query/stage.h"

namespace clusterdns::dns {

// The only stage of a route that stands for several: the query goes on in the first of them whose
// condition holds, as if it had come there. When none does, in the route of the zone around this
// one.
class ViewStage final : public Stage, public NotifyRouter {
 public:
  // While the configuration is built. nullptr as condition: it holds always.
  void add(std::shared_ptr<const ViewCondition> condition, std::shared_ptr<const Route> route) {
    choices_.push_back({std::move(condition), std::move(route)});
  }
  // nullptr: there is none, and the query is REFUSED.
  void set_otherwise(std::shared_ptr<const Route> route) { otherwise_ = std::move(route); }

  [[nodiscard]] std::string_view name() const noexcept override { return "view"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;
  [[nodiscard]] bool serves(RRClass rrclass) const noexcept override;
  [[nodiscard]] const Route* route_for(const Exchange& exchange) const noexcept override;

 private:
  struct Choice {
    std::shared_ptr<const ViewCondition> condition;
    std::shared_ptr<const Route> route;
  };
  static Verdict go_to(const Route& route, Exchange& exchange) noexcept;

  std::vector<Choice> choices_;
  std::shared_ptr<const Route> otherwise_;
};

}  // namespace clusterdns::dns
