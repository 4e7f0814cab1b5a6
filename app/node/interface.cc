#include "app/node/interface.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace clusterdns::app {
namespace {

constexpr std::string_view kDummy = "dummy";

[[noreturn]] void refuse(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

}  // namespace

NodeInterface::NodeInterface(std::string name, std::string_view option)
    : name_(std::move(name)), option_(option) {}

NodeInterface::Kind NodeInterface::kind() {
  NetlinkMessage message(RTM_GETLINK, 0, ifinfomsg{});
  message.attribute(IFLA_IFNAME, name_);
  std::vector<std::byte> answer;
  if (const int error = netlink_.ask(std::move(message), &answer); error == ENODEV) {
    return Kind::None;
  } else if (error != 0) {
    refuse(error, name_);
  }
  ifinfomsg link{};
  if (answer.size() < NLMSG_LENGTH(sizeof link)) return Kind::Other;
  std::memcpy(&link, answer.data() + NLMSG_HDRLEN, sizeof link);
  if ((link.ifi_flags & IFF_LOOPBACK) != 0) return Kind::Loopback;
  const auto info = find_attribute(
      std::span<const std::byte>(answer).subspan(NLMSG_LENGTH(sizeof link)), IFLA_LINKINFO);
  const auto kind = find_attribute(info, IFLA_INFO_KIND);
  // The text ends with a zero.
  const bool dummy = kind.size() == kDummy.size() + 1 &&
                     std::memcmp(kind.data(), kDummy.data(), kDummy.size()) == 0;
  return dummy ? Kind::Dummy : Kind::Other;
}

bool NodeInterface::ensure() {
  bool made = false;
  if (::if_nametoindex(name_.c_str()) == 0) {
    NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, ifinfomsg{});
    message.attribute(IFLA_IFNAME, name_);
    message.nested(IFLA_LINKINFO,
                   [&] { message.attribute(IFLA_INFO_KIND, kDummy.data(), kDummy.size()); });
    const int error = netlink_.ask(std::move(message));
    if (error == EOPNOTSUPP) {
      throw std::runtime_error(
          "this kernel has no dummy interfaces; load its module 'dummy', or put the address on the "
          "loopback interface with " +
          option_ + " lo");
    }
    if (error != 0 && error != EEXIST) refuse(error, name_);
    made = error == 0;
  }
  // On another one the addresses would be announced.
  if (!made && kind() == Kind::Other) {
    throw std::runtime_error(name_ + " exists and is not a dummy interface; choose another " +
                             option_);
  }
  ifinfomsg link{};
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  NetlinkMessage message(RTM_NEWLINK, NLM_F_ACK, link);
  message.attribute(IFLA_IFNAME, name_);
  if (const int error = netlink_.ask(std::move(message)); error != 0) refuse(error, name_);
  return made;
}

NetlinkMessage NodeInterface::address_message(std::uint16_t type, std::uint16_t flags,
                                              const registry::IpAddress& address) const {
  constexpr unsigned kBitsPerOctet = 8;
  ifaddrmsg body{};
  body.ifa_family = address.is_v4() ? AF_INET : AF_INET6;
  body.ifa_prefixlen = static_cast<std::uint8_t>(address.size() * kBitsPerOctet);
  // Nobody else is on this interface who could have the address.
  if (address.is_v6()) body.ifa_flags = IFA_F_NODAD;
  body.ifa_index = ::if_nametoindex(name_.c_str());
  NetlinkMessage message(type, flags, body);
  message.attribute(IFA_LOCAL, address.octets.data(), address.size());
  message.attribute(IFA_ADDRESS, address.octets.data(), address.size());
  return message;
}

bool NodeInterface::add(const registry::IpAddress& address) {
  const int error =
      netlink_.ask(address_message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, address));
  if (error != 0 && error != EEXIST) refuse(error, address.to_string());
  return error == 0;
}

void NodeInterface::remove(std::span<const registry::IpAddress> addresses) {
  const Kind kind = this->kind();
  // ensure() refuses others: nothing on them is ours.
  if (kind == Kind::None || kind == Kind::Other) return;
  if (kind == Kind::Dummy) {
    NetlinkMessage message(RTM_DELLINK, NLM_F_ACK, ifinfomsg{});
    message.attribute(IFLA_IFNAME, name_);
    const int error = netlink_.ask(std::move(message));
    if (error != 0 && error != ENODEV) refuse(error, name_);
    return;
  }
  for (const registry::IpAddress& address : addresses) {
    // It was there before us, and others need it.
    if (address == *registry::IpAddress::parse("::1")) continue;
    const int error = netlink_.ask(address_message(RTM_DELADDR, NLM_F_ACK, address));
    if (error != 0 && error != EADDRNOTAVAIL) refuse(error, address.to_string());
  }
}

std::string reason_of(const std::exception& error) {
  std::string text = error.what();
  const auto* const refused = dynamic_cast<const std::system_error*>(&error);
  if (refused != nullptr && refused->code().value() == EPERM) {
    text += "; it needs the capability NET_ADMIN";
  }
  return text;
}

}  // namespace clusterdns::app
