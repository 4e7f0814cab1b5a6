#include "dns/net/socket_address.h"

#include <netinet/in.h>

#include <cstring>

namespace clusterdns::dns {

sockaddr_storage socket_address(const Endpoint& endpoint, socklen_t* size) noexcept {
  sockaddr_storage storage{};
  if (endpoint.v6) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(endpoint.port);
    address.sin6_scope_id = endpoint.scope_id;
    std::memcpy(&address.sin6_addr, endpoint.address.data(), 16);
    std::memcpy(&storage, &address, sizeof address);
    *size = sizeof address;
  } else {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    std::memcpy(&address.sin_addr, endpoint.address.data(), 4);
    std::memcpy(&storage, &address, sizeof address);
    *size = sizeof address;
  }
  return storage;
}

}  // namespace clusterdns::dns
