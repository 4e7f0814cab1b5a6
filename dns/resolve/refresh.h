// A question whose answer is kept is asked again, for nobody who waits: before the answer is over
// (prefetch), or when it was given although it is (serve_stale).
#pragma once

#include <memory>

#include "dns/cache/answer_cache.h"
#include "dns/query/upstream.h"

namespace clusterdns::dns {

// What `question` is kept under. The name must outlive the result.
[[nodiscard]] inline CacheQuestion kept_question(const UpstreamQuestion& question) noexcept {
  return {question.name.view(), question.type, question.flags(), question.dnssec_ok};
}

// Whether `name` (lower-case) is for somebody else than `upstream` and `first_asked`, who was asked
// before it. REQUIRES: as is_local_name().
[[nodiscard]] bool is_elsewhere(const Route& route, const WorkerContext& worker, NameView name,
                                const Upstream& upstream, const Upstream* first_asked) noexcept;

// Whether upstreams were asked and none gave an answer, so that it is the same for whoever asks
// next (RFC 9520 section 2).
[[nodiscard]] bool is_silence(const UpstreamReply& reply) noexcept;

// Keeps that no upstream gave an answer, as `reply` says, where it is to be kept. REQUIRES: as
// AnswerCache::find(), and is_silence(reply).
void keep_silence(AnswerCache& cache, const CacheQuestion& question, const UpstreamReply& reply,
                  unsigned worker) noexcept;

// One question, on behalf of the client that gave rise to it: that counts in how much waits for
// upstreams. Lives while the question is under way. One worker's.
class Refresh : public std::enable_shared_from_this<Refresh> {
 public:
  // `question` has a lower-case name, which `upstream` covers. REQUIRES: the exchange's route has a
  // cache that takes it.
  Refresh(const Exchange& exchange, UpstreamQuestion question, Upstream& upstream);
  Refresh(const Refresh&) = delete;
  Refresh& operator=(const Refresh&) = delete;

  // Asks; what is said goes to the cache, which is told the end. REQUIRES: held by a shared_ptr.
  void ask() { ask(first_asked_); }
  // Monotonic clock: when this was made.
  [[nodiscard]] std::int64_t began_ns() const noexcept { return began_ns_; }
  // The same from the reply on.
  void on_reply(Upstream& upstream, const UpstreamReply& reply);

 private:
  void ask(Upstream& upstream);
  void end(AnswerCache::Refreshed how) noexcept;

  const std::shared_ptr<const Route> route_;
  WorkerContext* const worker_;
  const Endpoint client_;
  const UpstreamQuestion question_;
  Upstream& first_asked_;
  const std::int64_t began_ns_;
};

}  // namespace clusterdns::dns
