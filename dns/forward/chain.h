// Follows CNAME chains to their end, whoever holds the next name: our own zones, or upstreams.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dns/query/stage.h"
#include "dns/wire/message_reader.h"
#include "dns/wire/name.h"

namespace clusterdns::dns {

// One CNAME of a chain.
struct ChainLink {
  Name owner;
  Name target;
  std::uint32_t ttl = 0;  // seconds
};

// Keeps the tables behind LocalData from being freed during a look-up outside a batch; inside one
// it does nothing. What was found must be encoded before it ends.
class TableGuard {
 public:
  explicit TableGuard(const WorkerContext& worker) noexcept;
  TableGuard(const TableGuard&) = delete;
  TableGuard& operator=(const TableGuard&) = delete;
  ~TableGuard();

 private:
  ReclaimDomain* entered_ = nullptr;
  unsigned index_ = 0;
};

// Looks `name` (lower-case) up in the LocalData stages of `route`, first come first served.
// `*found_in` becomes the one that holds it. Found::NotMine when none does.
// REQUIRES: the worker is inside a batch, or a TableGuard is held.
[[nodiscard]] LocalData::Outcome look_up_local(const Route& route, NameView name, RRType type,
                                               std::uint8_t owner, Answer& answer,
                                               const WorkerContext& worker,
                                               LocalData** found_in) noexcept;

// Whether `name` (any letter case) is within the zones of some LocalData stage of `route`. Rotates
// nothing. Enters a TableGuard by itself.
[[nodiscard]] bool is_local_name(const Route& route, Name name,
                                 const WorkerContext& worker) noexcept;

// Finishes `query`, whose name leads over `chain` to `target`: `target` is resolved for the query's
// type, in our zones first, else by the upstream that covers it and allows the client. The first
// owner of `chain` is the question name, each next one the target before it; `target` is the last
// target. CNAMEs in an upstream's answer are followed when it did not, and they lead into our
// zones.
//
// The response holds the chain, then what was found, with the rcode of the last name (RFC 6604)
// and the SOA of a negative answer. AA tells what `authoritative` says, which is about the first
// name. Without an upstream for `target` the chain alone is the answer, as from any authoritative
// server (RFC 1034 4.3.2 step 3a). A chain that loops or has more than Answer::kMaxChain links ends
// where it does, with an Extended DNS Error.
void follow_chain(std::unique_ptr<DeferredQuery> query, std::vector<ChainLink> chain, Name target,
                  bool authoritative = true) noexcept;

// Finishes `query` with `chain` followed by an upstream's `reply` about the chain's last target.
void finish_with_reply(DeferredQuery& query, std::span<const ChainLink> chain, const Message& reply,
                       bool authoritative) noexcept;

// Follows the CNAMEs of `message`'s answer section from `from` on, adding them to `chain`; `*last`
// becomes the name they end at. True when there is a record of `type` at that name, or nothing to
// look for (type CNAME or ANY): the upstream went all the way.
[[nodiscard]] bool read_aliases(const Message& message, const Name& from, RRType type,
                                std::vector<ChainLink>& chain, Name* last);

// A request to an upstream on behalf of `query`, about another name: RD set, CD and the OPT record
// of the client kept. The id is 0.
[[nodiscard]] std::vector<std::uint8_t> make_request(const Query& query, NameView name);

}  // namespace clusterdns::dns
