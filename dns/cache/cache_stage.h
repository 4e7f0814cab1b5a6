// `cache`: answers of upstreams from memory (CoreDNS's cache plugin).
#pragma once

#include <memory>
#include <span>

#include "dns/cache/answer_cache.h"
#include "dns/query/stage.h"

namespace clusterdns::dns {

// Stands behind the stages that answer from memory and before those that ask: names of the cluster
// never come here, so that nothing of it can be stale. What is kept comes from the stages behind it,
// see keep_and_answer().
class CacheStage final : public Stage {
 public:
  explicit CacheStage(std::shared_ptr<AnswerCache> cache) : cache_(std::move(cache)) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "cache"; }
  // Answers what is kept, for clients that an upstream would be asked for.
  [[nodiscard]] Verdict handle(QueryContext& ctx) noexcept override;

  [[nodiscard]] AnswerCache& cache() const noexcept { return *cache_; }

 private:
  std::shared_ptr<AnswerCache> cache_;
};

// Finishes `query` with an upstream's reply through the cache of its route: as the cache will answer
// it from now on, so that the TTLs of the first answer are those of the next. False when there is no
// cache or the reply is not one to keep; the query is untouched then.
[[nodiscard]] bool keep_and_answer(DeferredQuery& query,
                                   std::span<const std::uint8_t> reply) noexcept;

// Upstream::ask() by way of the route's cache: may call back at once.
void ask_through_cache(const Route& route, Upstream& upstream, WorkerContext& worker,
                       std::span<const std::uint8_t> request, Upstream::Callback callback);

}  // namespace clusterdns::dns
