#include "app/node/netlink.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace clusterdns::app {
namespace {

// The largest datagram of a list, and more than an interface's description.
constexpr std::size_t kAnswerOctets = std::size_t{64} * 1024;
constexpr timeval kPatience{2, 0};

// The errno of an acknowledgement.
int error_of(std::span<const std::byte> message) {
  nlmsgerr error{};
  if (message.size() < NLMSG_LENGTH(sizeof error.error)) return EPROTO;
  std::memcpy(&error.error, message.data() + NLMSG_HDRLEN, sizeof error.error);
  return -error.error;
}

}  // namespace

NetlinkSocket::NetlinkSocket(int protocol)
    : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)) {
  if (!socket_) throw std::system_error(errno, std::generic_category(), "netlink");
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
}

int NetlinkSocket::exchange(
    std::span<const std::byte> octets, std::uint32_t first,
    const std::function<bool(const nlmsghdr&, std::span<const std::byte>)>& each) {
  if (::send(socket_.get(), octets.data(), octets.size(), 0) < 0) return errno;
  std::vector<std::byte> received(kAnswerOctets);
  for (;;) {
    const ssize_t size = ::recv(socket_.get(), received.data(), received.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno == EAGAIN ? ETIMEDOUT : errno;
    std::span<const std::byte> rest(received.data(), static_cast<std::size_t>(size));
    nlmsghdr header{};
    while (rest.size() >= sizeof header) {
      std::memcpy(&header, rest.data(), sizeof header);
      if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size()) return EPROTO;
      // What answers a request that was given up is not meant.
      if (header.nlmsg_seq >= first && each(header, rest.first(header.nlmsg_len))) return 0;
      rest = rest.subspan(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), rest.size()));
    }
  }
}

int NetlinkSocket::ask(NetlinkMessage message, std::vector<std::byte>* answer) {
  int result = 0;
  const std::uint32_t number = ++number_;
  const int error = exchange(message.finish(number), number,
                             [&](const nlmsghdr& header, std::span<const std::byte> octets) {
                               if (header.nlmsg_type == NLMSG_ERROR) {
                                 result = error_of(octets);
                               } else if (answer != nullptr) {
                                 answer->assign(octets.begin(), octets.end());
                               }
                               return true;
                             });
  return error != 0 ? error : result;
}

int NetlinkSocket::list(NetlinkMessage message,
                        const std::function<void(std::span<const std::byte>)>& each) {
  int result = 0;
  const std::uint32_t number = ++number_;
  const int error =
      exchange(message.finish(number), number,
               [&](const nlmsghdr& header, std::span<const std::byte> octets) {
                 if (header.nlmsg_type == NLMSG_ERROR) result = error_of(octets);
                 if (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE) {
                   return true;
                 }
                 each(octets);
                 return false;
               });
  return error != 0 ? error : result;
}

int NetlinkSocket::commit(std::vector<NetlinkMessage> messages) {
  if (messages.empty()) return 0;
  nfgenmsg subsystem{AF_UNSPEC, NFNETLINK_V0, htons(NFNL_SUBSYS_NFTABLES)};
  messages.back().add_flags(NLM_F_ACK);
  messages.insert(messages.begin(), NetlinkMessage(NFNL_MSG_BATCH_BEGIN, 0, subsystem));
  messages.emplace_back(NFNL_MSG_BATCH_END, std::uint16_t{0}, subsystem);
  std::vector<std::byte> octets;
  const std::uint32_t first = number_ + 1;
  for (NetlinkMessage& message : messages) {
    const auto one = message.finish(++number_);
    octets.insert(octets.end(), one.begin(), one.end());
  }
  int result = 0;
  // Only what fails is answered, and the last one that asked for it.
  const int error =
      exchange(octets, first, [&](const nlmsghdr& header, std::span<const std::byte> answer) {
        if (header.nlmsg_type != NLMSG_ERROR) return false;
        result = error_of(answer);
        return result != 0 || header.nlmsg_seq + 1 == number_;
      });
  return error != 0 ? error : result;
}

void each_attribute(std::span<const std::byte> attributes,
                    const std::function<void(std::uint16_t, std::span<const std::byte>)>& each) {
  rtattr head{};
  while (attributes.size() >= sizeof head) {
    std::memcpy(&head, attributes.data(), sizeof head);
    if (head.rta_len < sizeof head || head.rta_len > attributes.size()) return;
    each(head.rta_type & NLA_TYPE_MASK,
         attributes.subspan(sizeof head, head.rta_len - sizeof head));
    attributes =
        attributes.subspan(std::min<std::size_t>(RTA_ALIGN(head.rta_len), attributes.size()));
  }
}

std::span<const std::byte> find_attribute(std::span<const std::byte> attributes,
                                          std::uint16_t type) {
  std::span<const std::byte> found;
  bool first = true;
  each_attribute(attributes, [&](std::uint16_t at, std::span<const std::byte> data) {
    if (at != type || !first) return;
    found = data;
    first = false;
  });
  return found;
}

}  // namespace clusterdns::app
