// Requests to the kernel over netlink(7), and its answers.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "dns/base/descriptor.h"

namespace clusterdns::app {

// A header that counts the octets, then a structure, then attributes, which may be nested. All are
// aligned to four octets.
class NetlinkMessage {
 public:
  template <typename Body>
  NetlinkMessage(std::uint16_t type, std::uint16_t flags, const Body& body)
      : octets_(NLMSG_HDRLEN) {
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
  void add_flags(std::uint16_t flags) noexcept { header_.nlmsg_flags |= flags; }

  [[nodiscard]] std::span<const std::byte> finish(std::uint32_t number) {
    header_.nlmsg_len = static_cast<std::uint32_t>(octets_.size());
    header_.nlmsg_seq = number;
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

// One request at a time. The kernel answers at once; one that does not is given up after seconds.
class NetlinkSocket {
 public:
  // NETLINK_ROUTE, NETLINK_NETFILTER. Throws std::system_error.
  explicit NetlinkSocket(int protocol);

  // 0, or the errno that the kernel answered. `answer` gets the message that it sent instead of a
  // plain acknowledgement, with its header.
  int ask(NetlinkMessage message, std::vector<std::byte>* answer = nullptr);
  // Each object of a list, with its header; the message has NLM_F_DUMP. 0, or an errno.
  int list(NetlinkMessage message, const std::function<void(std::span<const std::byte>)>& each);
  // nf_tables: all of the messages or none of them. 0, or the errno of the first that failed.
  int commit(std::vector<NetlinkMessage> messages);

 private:
  // Sends, then gives each message that answers number `first` and above to `each`, until it says
  // that this was the last. 0, or an errno.
  int exchange(std::span<const std::byte> octets, std::uint32_t first,
               const std::function<bool(const nlmsghdr&, std::span<const std::byte>)>& each);

  dns::Descriptor socket_;
  std::uint32_t number_ = 0;
};

// The data of the attribute `type`, empty when it is not among them.
[[nodiscard]] std::span<const std::byte> find_attribute(std::span<const std::byte> attributes,
                                                        std::uint16_t type);
// Every attribute, with its type.
void each_attribute(std::span<const std::byte> attributes,
                    const std::function<void(std::uint16_t, std::span<const std::byte>)>& each);

}  // namespace clusterdns::app
