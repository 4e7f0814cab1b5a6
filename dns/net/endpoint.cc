#include "dns/net/endpoint.h"

#include <algorithm>

namespace clusterdns::dns {

boost::asio::ip::address Endpoint::to_address() const {
  if (!v6) {
    return boost::asio::ip::address_v4({address[0], address[1], address[2], address[3]});
  }
  return boost::asio::ip::address_v6(address, scope_id);
}

std::string Endpoint::to_string() const {
  const std::string text = to_address().to_string();
  return v6 ? "[" + text + "]:" + std::to_string(port) : text + ":" + std::to_string(port);
}

Endpoint make_endpoint(const boost::asio::ip::address& a, std::uint16_t port) {
  Endpoint endpoint;
  endpoint.port = port;
  if (a.is_v4()) {
    const auto octets = a.to_v4().to_bytes();
    std::copy(octets.begin(), octets.end(), endpoint.address.begin());
  } else {
    endpoint.address = a.to_v6().to_bytes();
    endpoint.v6 = true;
    endpoint.scope_id = static_cast<std::uint32_t>(a.to_v6().scope_id());
  }
  return endpoint;
}

}  // namespace clusterdns::dns
