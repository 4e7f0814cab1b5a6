// From the octets of a request to the octets of its response: the query path, in order.
#pragma once

#include <cstdint>
#include <span>

#include "dns/query/stage.h"
#include "dns/server/configuration.h"

namespace clusterdns::dns {

// Octets of the largest UDP request that is read whole. Requests carry one question and an OPT
// record; the kernel cuts what is longer, and then it is FORMERR, see respond_malformed().
inline constexpr std::size_t kMaxUdpRequest = 4096;

// Answers one request. `exchange` is the worker's scratch; client, local, transport, received_ns,
// worker and the channel maker are set by the listener. Returns the response's size in octets, 0
// when nothing is to be sent now (dropped or deferred). `limit` is the room in `out`, at least 512;
// for UDP the client's and the route's sizes lower it. REQUIRES: kPadding readable octets behind
// `request`; `limit` is the whole room in `out`.
[[nodiscard]] std::size_t respond(Exchange& exchange, const ListenerRoutes& routes,
                                  std::span<const std::uint8_t> request, std::uint8_t* out,
                                  std::size_t limit) noexcept;

// FORMERR for a request of which only `beginning` was read; silence where respond() has it. As
// there in all else.
[[nodiscard]] std::size_t respond_malformed(Exchange& exchange, const ListenerRoutes& routes,
                                            std::span<const std::uint8_t> beginning,
                                            std::uint8_t* out, std::size_t limit) noexcept;

}  // namespace clusterdns::dns
