#include "app/commands/node_address.h"

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace clusterdns::app {
namespace {

constexpr std::string_view kDummy = "dummy";
// One answer of the kernel to one request; an interface's description is some 1500 octets.
constexpr std::size_t kAnswerOctets = 16 * 1024;

// A netlink message: a header that counts the octets, then a structure, then attributes, which may
// be nested. All are aligned to four octets (netlink(7)).
class Message {
 public:
  template <typename Body>
  Message(std::uint16_t type, std::uint16_t flags, const Body& body) : octets_(NLMSG_HDRLEN) {
    append(&body, sizeof body);
    header_.nlmsg_type = type;
    header_.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  }

  void attribute(std::uint16_t type, const void* data, std::size_t size) {
    const rtattr head{static_cast<std::uint16_t>(RTA_LENGTH(size)), type};
    append(&head, sizeof head);
    append(data, size);
  }
  void attribute(std::uint16_t type, const std::string& text) {
    attribute(type, text.c_str(), text.size() + 1);
  }
  // `inside` appends the attributes that belong into this one.
  template <typename Inside>
  void nested(std::uint16_t type, Inside inside) {
    const std::size_t begin = octets_.size();
    attribute(type, nullptr, 0);
    inside();
    const rtattr head{static_cast<std::uint16_t>(octets_.size() - begin), type};
    std::memcpy(octets_.data() + begin, &head, sizeof head);
  }

  [[nodiscard]] std::span<const std::byte> finish() {
    header_.nlmsg_len = static_cast<std::uint32_t>(octets_.size());
    std::memcpy(octets_.data(), &header_, sizeof header_);
    return octets_;
  }

 private:
  void append(const void* data, std::size_t size) {
    if (size == 0) return;
    const std::size_t begin = octets_.size();
    octets_.resize(begin + NLMSG_ALIGN(size));
    std::memcpy(octets_.data() + begin, data, size);
  }

  nlmsghdr header_{};
  std::vector<std::byte> octets_;
};

class Netlink {
 public:
  Netlink() : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {
    if (socket_ < 0) throw std::system_error(errno, std::generic_category(), "netlink");
  }
  ~Netlink() { ::close(socket_); }
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;

  // 0, or the errno that the kernel answered. `answer` gets the octets of what it sent instead of a
  // plain acknowledgement.
  int ask(Message message, std::vector<std::byte>* answer = nullptr) const {
    const auto octets = message.finish();
    if (::send(socket_, octets.data(), octets.size(), 0) < 0) return errno;
    std::vector<std::byte> received(kAnswerOctets);
    const ssize_t size = ::recv(socket_, received.data(), received.size(), 0);
    if (size < 0) return errno;
    received.resize(static_cast<std::size_t>(size));
    nlmsghdr header{};
    if (received.size() < sizeof header) return EPROTO;
    std::memcpy(&header, received.data(), sizeof header);
    if (header.nlmsg_type == NLMSG_ERROR) {
      nlmsgerr error{};
      if (received.size() < NLMSG_LENGTH(sizeof error.error)) return EPROTO;
      std::memcpy(&error.error, received.data() + NLMSG_HDRLEN, sizeof error.error);
      return -error.error;
    }
    if (answer != nullptr) *answer = std::move(received);
    return 0;
  }

 private:
  int socket_;
};

// The data of the attribute `type`, empty when it is not among them.
std::span<const std::byte> find_attribute(std::span<const std::byte> attributes,
                                          std::uint16_t type) {
  rtattr head{};
  while (attributes.size() >= sizeof head) {
    std::memcpy(&head, attributes.data(), sizeof head);
    if (head.rta_len < sizeof head || head.rta_len > attributes.size()) break;
    if (head.rta_type == type) {
      return attributes.subspan(sizeof head, head.rta_len - sizeof head);
    }
    attributes = attributes.subspan(std::min<std::size_t>(RTA_ALIGN(head.rta_len),
                                                          attributes.size()));
  }
  return {};
}

// Addresses belong on interfaces that lead nowhere; on another one they would be announced.
bool leads_nowhere(const Netlink& netlink, const std::string& name) {
  Message message(RTM_GETLINK, 0, ifinfomsg{});
  message.attribute(IFLA_IFNAME, name);
  std::vector<std::byte> answer;
  if (const int error = netlink.ask(std::move(message), &answer); error != 0) {
    throw std::system_error(error, std::generic_category(), name);
  }
  ifinfomsg link{};
  if (answer.size() < NLMSG_LENGTH(sizeof link)) return false;
  std::memcpy(&link, answer.data() + NLMSG_HDRLEN, sizeof link);
  if ((link.ifi_flags & IFF_LOOPBACK) != 0) return true;
  const auto info = find_attribute(std::span<const std::byte>(answer).subspan(
                                       NLMSG_LENGTH(sizeof link)),
                                   IFLA_LINKINFO);
  const auto kind = find_attribute(info, IFLA_INFO_KIND);
  // The text ends with a zero.
  return kind.size() == kDummy.size() + 1 &&
         std::memcmp(kind.data(), kDummy.data(), kDummy.size()) == 0;
}

// Makes the interface; true when it was not there.
bool make_interface(const Netlink& netlink, const std::string& name) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, ifinfomsg{});
  message.attribute(IFLA_IFNAME, name);
  message.nested(IFLA_LINKINFO,
                 [&] { message.attribute(IFLA_INFO_KIND, kDummy.data(), kDummy.size()); });
  const int error = netlink.ask(std::move(message));
  if (error == 0) return true;
  if (error == EOPNOTSUPP) {
    throw std::runtime_error(
        "this kernel has no dummy interfaces; load its module 'dummy', or put the address on the "
        "loopback interface with --interface lo");
  }
  if (error != EEXIST) throw std::system_error(error, std::generic_category(), name);
  return false;
}

void bring_up(const Netlink& netlink, const std::string& name) {
  ifinfomsg link{};
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  Message message(RTM_NEWLINK, NLM_F_ACK, link);
  message.attribute(IFLA_IFNAME, name);
  if (const int error = netlink.ask(std::move(message)); error != 0) {
    throw std::system_error(error, std::generic_category(), name);
  }
}

// True when the interface did not have it.
bool add_address(const Netlink& netlink, const std::string& name,
                 const registry::IpAddress& address) {
  constexpr unsigned kBitsPerOctet = 8;
  ifaddrmsg body{};
  body.ifa_family = address.is_v4() ? AF_INET : AF_INET6;
  body.ifa_prefixlen = static_cast<std::uint8_t>(address.size() * kBitsPerOctet);
  // Nobody else is on this interface who could have the address.
  if (address.is_v6()) body.ifa_flags = IFA_F_NODAD;
  body.ifa_index = ::if_nametoindex(name.c_str());
  Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, body);
  message.attribute(IFA_LOCAL, address.octets.data(), address.size());
  message.attribute(IFA_ADDRESS, address.octets.data(), address.size());
  const int error = netlink.ask(std::move(message));
  if (error != 0 && error != EEXIST) {
    throw std::system_error(error, std::generic_category(), address.to_string());
  }
  return error == 0;
}

}  // namespace

int run_node_address(const NodeAddressOptions& options, std::ostream& out, std::ostream& err) {
  try {
    const Netlink netlink;
    const bool made = ::if_nametoindex(options.interface.c_str()) == 0 &&
                      make_interface(netlink, options.interface);
    if (!made && !leads_nowhere(netlink, options.interface)) {
      throw std::runtime_error(options.interface +
                               " is there and no dummy interface; choose another --interface");
    }
    bring_up(netlink, options.interface);
    for (const registry::IpAddress& address : options.addresses) {
      const bool added = add_address(netlink, options.interface, address);
      out << options.interface << ": " << address.to_string()
          << (added ? " added\n" : " is there already\n");
    }
    return 0;
  } catch (const std::system_error& e) {
    err << "clusterdns node-address: " << e.what();
    if (e.code().value() == EPERM) err << "; it needs the capability NET_ADMIN";
    err << "\n";
  } catch (const std::exception& e) {
    err << "clusterdns node-address: " << e.what() << "\n";
  }
  return 1;
}

}  // namespace clusterdns::app
