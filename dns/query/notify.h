// NOTIFY (RFC 1996): a primary says that a zone has changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dns/net/endpoint.h"
#include "dns/wire/name.h"
#include "dns/wire/query_parser.h"
#include "dns/wire/tsig.h"

namespace clusterdns::dns {

class Exchange;
class Route;

// A stage that wants to know. Found by its type, for a server gets few of these.
class NotifyTarget {
 public:
  virtual ~NotifyTarget() = default;

  enum class Told : std::uint8_t {
    NotMine,  // it has no such zone
    Refused,  // it has, and not from there
    Taken,
  };
  // `zone` is lower-case. Any worker's thread; neither allocates, locks nor waits.
  [[nodiscard]] virtual Told notified(NameView zone, const Endpoint& from) noexcept = 0;
};

// A stage that chooses the route for those behind it (`view`). Found by its type.
class NotifyRouter {
 public:
  virtual ~NotifyRouter() = default;

  // The route that a query of this client for this name goes on in; nullptr: none. Any worker's
  // thread.
  [[nodiscard]] virtual const Route* route_for(const Exchange& exchange) const noexcept = 0;
};

// A stage that knows who may say so by a signature, and signs what is said to them: a NOTIFY passes
// no stages. Found by its type. Any worker's thread.
class NotifyGuard {
 public:
  virtual ~NotifyGuard() = default;

  // NoError: it goes on. Else it ends with that rcode, signed too when `session` is active. `query`
  // has the name and type of the question, `request` is the whole message.
  [[nodiscard]] virtual Rcode judge(const Query& query, std::span<const std::uint8_t> request,
                                    unsigned worker, TsigSession& session) noexcept = 0;
  // Adds a TSIG record to the answer, which has `size` octets; returns what it has then. REQUIRES:
  // room for kMaxTsigRecord more, and an active session.
  virtual std::size_t sign(TsigSession& session, std::uint8_t* message, std::size_t size,
                           std::size_t limit) const noexcept = 0;
};

}  // namespace clusterdns::dns
