// What addresses this machine has.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <string>
#include <vector>

namespace clusterdns::dns {

struct InterfaceAddress {
  std::string interface;             // "eth0"
  boost::asio::ip::address address;  // a link-local one with its scope
};

// Those of all interfaces, from getifaddrs(3); empty when the kernel refuses.
[[nodiscard]] std::vector<InterfaceAddress> interface_addresses();

}  // namespace clusterdns::dns
