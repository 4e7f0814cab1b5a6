#include "dns/net/interfaces.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <cstring>

namespace clusterdns::dns {

std::vector<InterfaceAddress> interface_addresses() {
  std::vector<InterfaceAddress> found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return found;
  for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr) continue;
    if (i->ifa_addr->sa_family == AF_INET) {
      sockaddr_in v4;
      std::memcpy(&v4, i->ifa_addr, sizeof v4);
      found.push_back({i->ifa_name, boost::asio::ip::address_v4(ntohl(v4.sin_addr.s_addr))});
    } else if (i->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 v6;
      std::memcpy(&v6, i->ifa_addr, sizeof v6);
      boost::asio::ip::address_v6::bytes_type octets;
      std::memcpy(octets.data(), &v6.sin6_addr, octets.size());
      found.push_back({i->ifa_name, boost::asio::ip::address_v6(octets, v6.sin6_scope_id)});
    }
  }
  ::freeifaddrs(list);
  return found;
}

}  // namespace clusterdns::dns
