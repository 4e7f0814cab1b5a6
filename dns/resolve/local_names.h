// Names that are answered from memory, and where their aliases lead.
#pragma once

#include <cstddef>
#include <cstdint>

#include "dns/query/stage.h"
#include "dns/query/table_guard.h"
#include "dns/wire/name.h"

namespace clusterdns::dns {

inline constexpr ExtendedErrorNote kChainLoops{true, ExtendedError::Other, "the CNAME chain loops"};
inline constexpr ExtendedErrorNote kChainTooLong{true, ExtendedError::Other,
                                                 "the CNAME chain is too long"};

// Looks `name` (lower-case, with kPadding readable octets behind it) up in the LocalData stages of
// `route`, as a query for it would pass them: a stage that lets it fall through gives way to those
// behind it. `*found_in` becomes the one that decides. Found::FallsThrough when it is in some
// stage's zones and none has it, NotMine when it is in nobody's. REQUIRES: the worker is inside a
// batch, or a TableGuard is held.
[[nodiscard]] LocalData::Outcome look_up_local(const Route& route, NameView name, RRType type,
                                               std::uint8_t owner, Answer& answer,
                                               const WorkerContext& worker,
                                               LocalData** found_in) noexcept;

// Whether `name` (lower-case) is within the zones of some LocalData stage of `route`, or in its
// data; only the first `stages` are asked. Turns nothing. REQUIRES: as look_up_local().
[[nodiscard]] bool is_local_name(const Route& route, NameView name, const WorkerContext& worker,
                                 std::size_t stages = static_cast<std::size_t>(-1)) noexcept;

// What names in memory come to.
enum class LocalResult : std::uint8_t {
  Data,      // complete
  NoData,    // complete, with the SOA
  NXDomain,  // complete, with the SOA; the rcode is that of the last name (RFC 6604)
  Failed,    // SERVFAIL, see Answer::error; somebody else may know the name
  NotReady,  // SERVFAIL; nobody else is to be asked
  Endless,   // the aliases loop or are too many: what was found so far, with an Extended DNS Error
  Outside,   // nobody here has the last name
};
// Completes `answer` with what there is for `type` at `name`, following aliases from name to name.
// `*owner` is the index of `name`, and becomes that of the last name. What `answer` holds already
// are the aliases that led here. `first`, when given, is what a look-up in `first_in` said already.
// REQUIRES: as look_up_local().
[[nodiscard]] LocalResult resolve_local(const Route& route, const WorkerContext& worker,
                                        NameView name, RRType type, Answer& answer,
                                        std::uint8_t* owner,
                                        const LocalData::Outcome* first = nullptr,
                                        LocalData* first_in = nullptr) noexcept;

// Seconds; of an alias that we make to a name about which nothing with a TTL is known.
inline constexpr std::uint32_t kTtlOfNothing = 5;
// The first record of the answer is an alias that we make: it lives no longer than what it leads
// to. Returns its TTL.
std::uint32_t bound_alias(Answer& answer) noexcept;

// Adds a CNAME from names[owner] to names[target].
void add_alias(Answer& answer, std::uint8_t owner, std::uint8_t target, std::uint32_t ttl) noexcept;

}  // namespace clusterdns::dns
