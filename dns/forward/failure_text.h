// What is said in the log of requests that failed, in the words that Go's net package has for it:
// `errors { consolidate }` and people's searches go by them.
#pragma once

#include <string>

#include "dns/forward/transport.h"

namespace clusterdns::dns {

// "read udp 192.0.2.1:40000->192.0.2.53:53: i/o timeout": nothing came in time. `place` is where
// the request had got to.
[[nodiscard]] std::string timeout_text(Transport transport, const TransportFailure& place,
                                       const Endpoint& upstream);
// "dial tcp 192.0.2.53:53: connect: connection refused", "read udp ...: read: no route to host",
// "read tcp ...: EOF", "dial tcp 192.0.2.53:853: tls: failed to verify certificate: ...".
[[nodiscard]] std::string failure_text(Transport transport, const TransportFailure& failure,
                                       const Endpoint& upstream);

}  // namespace clusterdns::dns
