#include "dns/net/free_port.h"

#include <cerrno>
#include <system_error>

#include "dns/net/listen_socket.h"

namespace clusterdns::dns {

void bind_free_port(const boost::asio::ip::address& address,
                    const std::function<void(std::uint16_t)>& bind) {
  constexpr int kTries = 32;
  for (int i = 1;; ++i) {
    try {
      return bind(find_free_port(address));
    } catch (const std::system_error& e) {
      if (e.code().value() != EADDRINUSE || i == kTries) throw;
    }
  }
}

}  // namespace clusterdns::dns
