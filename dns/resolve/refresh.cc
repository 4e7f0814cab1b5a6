#include "dns/resolve/refresh.h"

#include <utility>

#include "dns/query/reply_records.h"
#include "dns/resolve/local_names.h"

namespace clusterdns::dns {

bool is_elsewhere(const Route& route, const WorkerContext& worker, NameView name,
                  const Upstream& upstream, const Upstream* first_asked) noexcept {
  if (is_local_name(route, name, worker)) return true;
  const Upstream* const covering = find_covering(route, name);
  return covering != nullptr && covering != &upstream && covering != first_asked;
}

bool is_silence(const UpstreamReply& reply) noexcept {
  return !reply.ok && reply.asked && reply.error.set &&
         (reply.error.code == ExtendedError::NoReachableAuthority ||
          reply.error.code == ExtendedError::NetworkError);
}

void keep_silence(AnswerCache& cache, const CacheQuestion& question, const UpstreamReply& reply,
                  unsigned worker) noexcept {
  if (!cache.takes(question)) return;
  std::optional<std::uint16_t> error;
  if (reply.error.set) error = static_cast<std::uint16_t>(reply.error.code);
  cache.store_silence(question, error, monotonic_ns(), worker);
}

Refresh::Refresh(const Exchange& exchange, UpstreamQuestion question, Upstream& upstream)
    : route_(exchange.route->shared_from_this()),
      worker_(exchange.worker),
      client_(exchange.client),
      question_(std::move(question)),
      first_asked_(upstream),
      began_ns_(monotonic_ns()) {}

void Refresh::ask(Upstream& upstream) {
  // As for a client over TCP: a truncated reply is not kept.
  upstream.ask(*worker_, {client_, Transport::Tcp}, question_,
               when_replied([self = shared_from_this(), &upstream](const UpstreamReply& reply) {
                 self->on_reply(upstream, reply);
               }));
}

void Refresh::on_reply(Upstream& upstream, const UpstreamReply& reply) {
  const TableGuard guard(*worker_);
  using Refreshed = AnswerCache::Refreshed;
  // Another worker, or who waited for the same reply, has kept it already.
  const std::int64_t now = monotonic_ns();
  if (route_->cache->find_since(kept_question(question_), began_ns_, now) != nullptr) return;
  if (!reply.ok) {
    if (is_silence(reply)) {
      keep_silence(*route_->cache, kept_question(question_), reply, worker_->index);
    }
    return end(reply.asked ? Refreshed::Failed : Refreshed::NotAsked);
  }
  const NameView name = question_.name.view();
  if (upstream.passes_on(reply)) {
    Upstream* const next = find_next_upstream(*route_, upstream, name, client_);
    if (next != nullptr) return ask(*next);
  }
  ReplyRecords records(name);
  (void)records.read(reply.message, {question_.type, question_.dnssec_ok, upstream.zone_of(name)},
                     [&](NameView other) {
                       return is_elsewhere(*route_, *worker_, other, upstream, &first_asked_);
                     });
  const ReplyHead head{load_u16(reply.message.data() + 2), reply.rcode, reply.extended_error};
  (void)route_->cache->store(kept_question(question_), head, records, now, worker_->index);
  end(route_->cache->satisfies(records) ? Refreshed::Answered : Refreshed::Failed);
}

void Refresh::end(AnswerCache::Refreshed how) noexcept {
  route_->cache->end_refresh(kept_question(question_), monotonic_ns(), how);
}

}  // namespace clusterdns::dns
