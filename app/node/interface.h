// Addresses on an interface that leads nowhere: a dummy, or loopback.
#pragma once

#include <string>
#include <string_view>

#include "app/node/netlink.h"
#include "registry/ip_address.h"

namespace clusterdns::app {

// All throw std::runtime_error with what is wrong; std::system_error when the kernel refuses.
class NodeInterface {
 public:
  // `option`: what names the interface, for messages: "--interface".
  NodeInterface(std::string name, std::string_view option);

  // Makes the dummy interface unless one of that name is there, and brings it up. True when it
  // was made.
  bool ensure();
  // True when the interface did not have it.
  bool add(const registry::IpAddress& address);
  // Removes a dummy interface with all that is on it; of another, `addresses` alone. What is not
  // there is no error.
  void remove(std::span<const registry::IpAddress> addresses);

 private:
  enum class Kind : std::uint8_t { None, Dummy, Loopback, Other };
  [[nodiscard]] Kind kind();
  [[nodiscard]] NetlinkMessage address_message(std::uint16_t type, std::uint16_t flags,
                                               const registry::IpAddress& address) const;

  std::string name_;
  std::string option_;
  NetlinkSocket netlink_{NETLINK_ROUTE};
};

// What is wrong, and when it is a missing right, which one.
[[nodiscard]] std::string reason_of(const std::exception& error);

}  // namespace clusterdns::app
