// `cache`: answers of upstreams from memory (CoreDNS's cache plugin).
#pragma once

#include <memory>

#include "dns/cache/answer_cache.h"
#include "dns/query/stage.h"
#include "dns/query/upstream.h"
#include "dns/resolve/pair_clients.h"

namespace clusterdns::dns {

// Stands behind the stages that answer from memory and before those that ask: names of the cluster
// never come here, so that nothing of it can be stale. What is kept comes from the stages behind
// it, see Resolution.
class CacheStage final : public Stage {
 public:
  explicit CacheStage(std::shared_ptr<AnswerCache> cache);

  [[nodiscard]] std::string_view name() const noexcept override { return "cache"; }
  // Answers what is kept, for clients that an upstream would be asked for.
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;

  [[nodiscard]] AnswerCache& cache() const noexcept { return *cache_; }

 private:
  // The answer when a name above does not exist, see CacheOptions::cut.
  [[nodiscard]] Verdict answer_below_nothing(Exchange& exchange,
                                             const CacheQuestion& question) noexcept;

  // The other of A and AAAA is asked for, and nobody waits for it.
  void ask_along(Exchange& exchange, const CacheQuestion& question, Upstream& upstream);

  std::shared_ptr<AnswerCache> cache_;
  const std::unique_ptr<PairClients> pairs_;  // nullptr: nothing is asked along
};

}  // namespace clusterdns::dns
