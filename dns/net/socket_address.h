// An endpoint as system calls take it.
#pragma once

#include <sys/socket.h>

#include "dns/net/endpoint.h"

namespace clusterdns::dns {

// sockaddr_in or sockaddr_in6; `*size` gets its octets. Any thread.
[[nodiscard]] sockaddr_storage socket_address(const Endpoint& endpoint, socklen_t* size) noexcept;

}  // namespace clusterdns::dns
