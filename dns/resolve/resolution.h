// One way to finish a question: names in memory, then the cache, then upstreams, and the same again
// for where an alias leads. Forwarding, aliases out of our zones and search lists all go this way,
// so that a name resolves alike, asked for or led to.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "dns/cache/answer_cache.h"
#include "dns/query/reply_records.h"
#include "dns/query/upstream.h"
#include "dns/resolve/local_names.h"

namespace clusterdns::dns {

// What became of a name.
enum class Resolved : std::uint8_t {
  Data,
  NoData,
  NXDomain,
  NotReady,  // our own zone has no data yet
  Failed,    // an upstream said so: SERVFAIL, REFUSED and the like
  Silent,    // no upstream answered in time, or none with sense
  Unknown,   // nobody is there to be asked
};

// Resolves names on behalf of a deferred query, one after the other. Lives as long as somebody
// holds it or a question is under way. One worker's.
class Resolution : public std::enable_shared_from_this<Resolution> {
 public:
  explicit Resolution(std::unique_ptr<Exchange> query) noexcept : query_(std::move(query)) {}
  Resolution(const Resolution&) = delete;
  Resolution& operator=(const Resolution&) = delete;
  virtual ~Resolution() = default;

  // Resolves the question name by `upstream`, which covers it: there is nothing in memory, and the
  // cache was asked. REQUIRES: held by a shared_ptr, as the two below.
  void ask_first(Upstream& upstream);
  // Resolves `chain`'s last target. The first alias is of the question name.
  // `authoritative` becomes AA, which is about the first name.
  void resolve(std::vector<ChainLink> chain, bool authoritative);
  // Goes on with an answer of the cache to the question that leads on.
  void resolve_kept(std::span<const std::uint8_t> message);
  // As ask_first(), with an answer of the cache for when that brings no better one in time.
  void verify(Upstream& upstream, const AnswerCache::Entry& stale);

 protected:
  // query().answer is the whole answer, to be encoded before this returns. `aliases`: the name that
  // was resolved exists as an alias, and `resolved` is about where it leads.
  virtual void done(Resolved resolved, bool aliases, std::string_view cause) = 0;

  [[nodiscard]] Exchange& query() noexcept { return *query_; }
  [[nodiscard]] const Exchange& query() const noexcept { return *query_; }
  [[nodiscard]] std::unique_ptr<Exchange> take_query() noexcept { return std::move(query_); }
  [[nodiscard]] const ChainLink& first_link() const noexcept { return chain_.front(); }
  // The first alias of the chain is one that we make to a name that may exist: it lives no longer
  // than what it leads to, and AA tells whether the name is ours.
  bool searching_ = false;
  // Upstreams may be asked.
  bool may_ask_ = true;

 private:
  // An answer of the cache, as it is given.
  struct Kept {
    std::vector<std::uint8_t> message;
    ReplyHead head;
    bool leads_on = false;
    std::uint32_t age = 0;  // seconds
  };
  // A stale one that waits for the upstream to say better.
  struct Stale;

  void run();
  void ask();
  void send(Upstream& upstream);
  void on_reply(Upstream& upstream, const UpstreamReply& reply);
  // Goes on from what the cache holds about target_.
  void answer_from(const Kept& kept, NameView zone);
  [[nodiscard]] Kept kept(const AnswerCache::Entry& entry, const CacheQuestion& question,
                          std::int64_t now_ns) const;
  // `stale_` is given when asking has not brought a better answer in time.
  void wait_with(Upstream& upstream, const AnswerCache::Entry& stale);
  void on_late(const std::shared_ptr<Stale>& stale);
  void give_stale(AnswerCache::Refreshed how);
  // Goes on where the aliases that `records` begins with lead.
  void lead_on(const ReplyRecords& records);
  // The answer is `reply`, a message about target_, behind the aliases that led there.
  void answer_behind_chain(std::span<const std::uint8_t> reply,
                           const ReplyRecords::Request& request, const ReplyHead& head);
  void fill(const ReplyRecords& records, const ReplyHead& head) noexcept;
  void fail(Rcode rcode, const ExtendedErrorNote& note, std::string_view cause, Resolved resolved);
  void end(Resolved resolved, bool aliases, std::string_view cause = {});
  // An answer that holds the chain so far; what it leads to is names[chain_.size()].
  void start_answer() noexcept;
  [[nodiscard]] ReplyRecords::Request request_about(NameView zone) const noexcept;
  [[nodiscard]] UpstreamQuestion question() const noexcept;
  // The last link closes a circle when its target is an owner before it.
  [[nodiscard]] bool loops() const noexcept;

  std::unique_ptr<Exchange> query_;
  std::vector<ChainLink> chain_;
  std::size_t given_ = 0;  // links of the chain that were there at the start
  Name target_;            // lower-case; the question name without a chain
  bool authoritative_ = false;
  Upstream* first_asked_ = nullptr;  // about the present name
  WireSections sections_;            // what the answer refers to
  std::shared_ptr<Stale> stale_;     // about the present name
};

// Goes on with names[last] of exchange.answer, whose aliases lead to a name that is not in memory:
// by way of the cache and upstreams, later, or else the aliases are the answer, as from any
// authoritative server (RFC 1034 4.3.2 step 3a). Where a stage decides by rules, the whole block is
// asked.
[[nodiscard]] Verdict finish_outside(Exchange& exchange, std::uint8_t last);

// The aliases that `answer` holds.
[[nodiscard]] std::vector<ChainLink> chain_of(const Answer& answer);

// Answers `query` by `upstream`, which covers its name, later.
void finish_by(Upstream& upstream, std::unique_ptr<Exchange> query);
// The same, with an answer of the cache for when that brings no better one in time.
void finish_verified(Upstream& upstream, std::unique_ptr<Exchange> query,
                     const AnswerCache::Entry& stale);
// Goes on from what the cache holds about the question, an alias to a name of somebody else's.
void finish_from_cache(std::unique_ptr<Exchange> query, std::span<const std::uint8_t> message);

}  // namespace clusterdns::dns
