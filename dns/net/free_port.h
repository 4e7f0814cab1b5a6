// A port that the kernel chooses, for several sockets.
#pragma once

#include <cstdint>
#include <functional>

#include <boost/asio/ip/address.hpp>

namespace clusterdns::dns {

// Calls `bind` with a port of `address` that is free for UDP and TCP, and with another one when
// somebody else has got it meanwhile (EADDRINUSE). Throws what `bind` throws in the end, and
// std::system_error when there is none.
void bind_free_port(const boost::asio::ip::address& address,
                    const std::function<void(std::uint16_t port)>& bind);

}  // namespace clusterdns::dns
