// Sees the messages that are exchanged with upstreams.
#pragma once

#include <cstdint>
#include <span>

#include "dns/query/exchange.h"

namespace clusterdns::dns {

// Called on the workers' threads, which it neither holds up nor has allocate.
class UpstreamTap {
 public:
  UpstreamTap() = default;
  UpstreamTap(const UpstreamTap&) = delete;
  UpstreamTap& operator=(const UpstreamTap&) = delete;
  virtual ~UpstreamTap() = default;

  struct Seen {
    bool reply = false;  // the upstream's; else what it is asked
    std::span<const std::uint8_t> message;
    NameView name;  // the question's
    RRType type{};
    Endpoint local;  // port 0: not known
    Endpoint upstream;
    Transport transport = Transport::Udp;
    std::int64_t asked_ns = 0;  // monotonic clock
    unsigned worker = 0;
  };
  virtual void on_upstream(const Seen& seen) noexcept = 0;
};

}  // namespace clusterdns::dns
