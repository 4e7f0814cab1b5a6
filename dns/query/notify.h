// NOTIFY (RFC 1996): a primary says that a zone has changed.
#pragma once

#include <cstdint>

#include "dns/net/endpoint.h"
#include "dns/wire/name.h"

namespace clusterdns::dns {

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

}  // namespace clusterdns::dns
