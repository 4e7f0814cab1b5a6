// `tsig`: judges signed requests, signs what is said to them, and refuses what has to be signed and
// is not (RFC 8945; CoreDNS's tsig plugin).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "dns/query/notify.h"
#include "dns/query/stage.h"
#include "dns/query/worker_counters.h"
#include "dns/wire/tsig.h"
#include "dns/wire/zone_set.h"

namespace clusterdns::dns {

// Seconds since 1970.
[[nodiscard]] std::uint64_t unix_seconds() noexcept;

// A request without TSIG passes as if this were not there. One with it is taken through the rest of
// its route from here, with a channel that signs, so that whatever answers, now or later, once or
// in a hundred messages, is signed as it leaves; that allocates.
class TsigStage final : public Stage, public NotifyGuard {
 public:
  struct Options {
    ZoneSet zones;
    std::shared_ptr<const TsigKeys> keys;
    bool require_all = false;
    std::vector<RRType> required;  // types whose queries are to be signed
    bool require_queries = false;  // all queries are; NOTIFYs are like those of type SOA
    bool require_notify = false;   // all NOTIFYs are
    unsigned workers = 1;
    std::uint64_t (*now)() noexcept = &unix_seconds;
  };
  // What became of a request.
  enum class Result : std::uint8_t { Good, Unsigned, FormErr, BadSig, BadKey, BadTime, BadTrunc };
  static constexpr std::size_t kResults = 7;

  explicit TsigStage(Options options);

  [[nodiscard]] std::string_view name() const noexcept override { return "tsig"; }
  // What says which server this is (class CH) is signed, too.
  [[nodiscard]] bool serves(RRClass rrclass) const noexcept override {
    return rrclass == RRClass::IN || rrclass == RRClass::CH;
  }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;

  [[nodiscard]] Rcode judge(const Query& query, std::span<const std::uint8_t> request,
                            unsigned worker, TsigSession& session) noexcept override;
  std::size_t sign(TsigSession& session, std::uint8_t* message, std::size_t size,
                   std::size_t limit) const noexcept override;

  // Requests with that result, of all workers. Any thread.
  [[nodiscard]] std::uint64_t total(Result result) const noexcept {
    return counters_.total(static_cast<std::size_t>(result));
  }

 private:
  [[nodiscard]] bool in_zone(const Query& query) const noexcept {
    return options_.zones.find(query.name(), query.label_offset.data(), query.label_count) !=
           ZoneSet::kNone;
  }
  [[nodiscard]] bool is_required(RRType type) const noexcept;
  [[nodiscard]] bool is_query_required(RRType type) const noexcept {
    return options_.require_queries || is_required(type);
  }
  // NoError: it goes on, signed if `session` is active.
  [[nodiscard]] Rcode judge_octets(bool required, std::span<const std::uint8_t> request,
                                   unsigned worker, TsigSession& session) noexcept;
  [[nodiscard]] Verdict pass_signed(Exchange& exchange, TsigSession session, Rcode rcode);

  const Options options_;
  WorkerCounters counters_;
};

// Signs `message`, of `size` octets, for a client that takes `limit`: when there is no room for the
// TSIG record, the records go and TC says so (RFC 8945 section 5.3). Returns the new size, which is
// more than `limit` only where question, OPT and TSIG alone are. REQUIRES: room for kMaxTsigRecord
// octets behind the message.
std::size_t sign_within(TsigSession& session, std::uint8_t* message, std::size_t size,
                        std::size_t limit, std::uint64_t now) noexcept;

}  // namespace clusterdns::dns
