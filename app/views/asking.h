// How a configuration is asked questions for `explain`, whether it is served or only built.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/directives/directive.h"
#include "app/explain/explain.h"
#include "dns/server/configuration.h"

namespace clusterdns::app {

// The request for one question, with EDNS, and the padding that respond() wants behind it.
struct AskedQuestion {
  std::vector<std::uint8_t> octets;
  std::size_t size = 0;  // without the padding
};
[[nodiscard]] AskedQuestion question_message(const dns::Name& name, dns::RRType type);
// What a reply says; of no octets TIMEOUT. What only an observer knows is left empty.
[[nodiscard]] ExplainedAnswer read_reply(std::span<const std::uint8_t> message);

// Notes of the last answer who gave it. on_answer() on a worker, note() on any thread.
class AnswerWatch final : public dns::AnswerObserver {
 public:
  void on_answer(const Event& event, dns::WorkerContext& worker) noexcept override;
  void clear();
  // Sets `stage`, `upstream` and `age`.
  void note(ExplainedAnswer& answer) const;

 private:
  mutable std::mutex mutex_;
  std::string stage_;
  dns::Endpoint upstream_;
  std::uint32_t age_ = dns::Answer::kNoAge;
};

// The routes of a listener without the stages of these names, seen by `observer` alone and counted
// nowhere.
[[nodiscard]] dns::ListenerRoutes routes_without(const dns::ListenerRoutes& routes,
                                                 const std::vector<std::string_view>& stages,
                                                 std::shared_ptr<dns::AnswerObserver> observer);
// The route with the longest zone that holds `name`; nullptr: there is none.
[[nodiscard]] const dns::Route* route_for(const dns::ListenerRoutes& routes, const dns::Name& name);
// Whether somebody outside is asked about `name`.
[[nodiscard]] bool asks_outside(const dns::Route& route, const dns::Name& name);
// What the `search` of the route tries for `name`, in order.
[[nodiscard]] std::vector<dns::Name> search_names(const dns::Route& route, const dns::Name& name,
                                                  const dns::Endpoint& client);

// The clusters of all `gateways` and `kubernetes`, each once, in that order. They refer to the
// environment's sources.
[[nodiscard]] std::vector<ExplainedCluster> explained_clusters(const Environment& environment);

}  // namespace clusterdns::app
