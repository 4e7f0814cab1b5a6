#include "dns/server/segment_merger.h"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <cerrno>
#include <cstring>

namespace clusterdns::dns {
namespace {

std::size_t size_of(const mmsghdr& message) noexcept { return message.msg_hdr.msg_iov->iov_len; }

// Port and address lie within the first octets of both families.
std::uint32_t hash(const msghdr& header) noexcept {
  std::uint32_t value = 0;
  if (header.msg_namelen == sizeof(sockaddr_in)) {
    const auto& peer = *static_cast<const sockaddr_in*>(header.msg_name);
    value = peer.sin_addr.s_addr ^ (std::uint32_t{peer.sin_port} << 16 | peer.sin_port);
  } else if (header.msg_namelen == sizeof(sockaddr_in6)) {
    const auto& peer = *static_cast<const sockaddr_in6*>(header.msg_name);
    std::memcpy(&value, peer.sin6_addr.s6_addr + 12, sizeof value);
    value ^= std::uint32_t{peer.sin6_port} << 16 | peer.sin6_port;
  }
  return (value * 0x9E3779B1u) >> 25;
}

bool same_peer(const msghdr& a, const msghdr& b) noexcept {
  if (a.msg_namelen != b.msg_namelen || a.msg_controllen != b.msg_controllen) return false;
  // sin_zero is not the kernel's to fill.
  const std::size_t size = a.msg_namelen == sizeof(sockaddr_in) ? offsetof(sockaddr_in, sin_zero)
                                                                : std::size_t{a.msg_namelen};
  return std::memcmp(a.msg_name, b.msg_name, size) == 0 &&
         (a.msg_controllen == 0 ||
          std::memcmp(a.msg_control, b.msg_control, a.msg_controllen) == 0);
}

}  // namespace

SegmentMerger::SegmentMerger(int fd) noexcept {
  // Zero is the socket's default: only messages that ask for it are cut.
  const int none = 0;
  known_ = ::setsockopt(fd, SOL_UDP, UDP_SEGMENT, &none, sizeof none) == 0;
}

unsigned SegmentMerger::gather(std::span<const mmsghdr> batch) noexcept {
  static_assert(kSlots == 1 << (32 - 25), "the hash gives a slot");
  first_.fill(0);
  unsigned peers = 0;
  for (unsigned i = 0; i < batch.size(); ++i) {
    const msghdr& header = batch[i].msg_hdr;
    const auto number = static_cast<std::uint8_t>(i + 1);
    std::uint32_t at = hash(header);
    while (first_[at] != 0 && !same_peer(batch[first_[at] - 1u].msg_hdr, header)) {
      at = (at + 1) % kSlots;
    }
    if (first_[at] == 0) slots_[peers++] = static_cast<std::uint8_t>(at);
    std::uint8_t* place = &first_[at];
    while (*place != 0 && size_of(batch[*place - 1u]) >= size_of(batch[i])) {
      place = &next_[*place - 1u];
    }
    next_[i] = *place;
    *place = number;
  }
  return peers;
}

std::span<mmsghdr> SegmentMerger::merge(std::span<mmsghdr> batch) noexcept {
  if (!known_ || batch.size() < 2 || batch.size() > kBatch) return batch;
  if (rest_ != 0) [[unlikely]] {
    --rest_;
    return batch;
  }
  const unsigned peers = gather(batch);
  if (peers == batch.size()) return batch;
  unsigned messages = 0;
  unsigned used = 0;
  for (unsigned p = 0; p < peers; ++p) {
    for (unsigned number = first_[slots_[p]]; number != 0;) {
      const mmsghdr& longest = batch[number - 1];
      const std::size_t segment = size_of(longest);
      msghdr& header = messages_[messages].msg_hdr;
      header = longest.msg_hdr;
      header.msg_iov = &buffers_[used];
      header.msg_iovlen = 0;
      // Datagrams of one size, of which only the last may be shorter.
      std::size_t total = 0;
      bool full = false;
      do {
        const iovec& buffer = *batch[number - 1].msg_hdr.msg_iov;
        if (header.msg_iovlen != 0 && total + buffer.iov_len > kMaxMessage) break;
        buffers_[used++] = buffer;
        ++header.msg_iovlen;
        total += buffer.iov_len;
        full = buffer.iov_len < segment || segment > kMaxSegment ||
               header.msg_controllen > kControlRoom;
        number = next_[number - 1];
      } while (number != 0 && !full);
      if (header.msg_iovlen > 1) {
        std::uint8_t* const control = control_[messages];
        const std::size_t brought = header.msg_controllen;
        if (brought != 0) std::memcpy(control, header.msg_control, brought);
        cmsghdr option{};
        option.cmsg_level = SOL_UDP;
        option.cmsg_type = UDP_SEGMENT;
        option.cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
        const auto value = static_cast<std::uint16_t>(segment);
        std::memset(control + brought, 0, kSegmentControl);
        std::memcpy(control + brought, &option, sizeof option);
        std::memcpy(control + brought + CMSG_LEN(0), &value, sizeof value);
        header.msg_control = control;
        header.msg_controllen = brought + kSegmentControl;
      }
      ++messages;
    }
  }
  return {messages_.data(), messages};
}

void SegmentMerger::send(std::span<mmsghdr> batch, int fd) noexcept {
  std::span<mmsghdr> messages = merge(batch);
  while (!messages.empty()) {
    const int n =
        ::sendmmsg(fd, messages.data(), static_cast<unsigned>(messages.size()), MSG_DONTWAIT);
    if (n > 0) {
      if (refusals_ != 0) [[unlikely]]
        succeeded(messages.first(static_cast<std::size_t>(n)));
      messages = messages.subspan(static_cast<std::size_t>(n));
    } else if (errno != EINTR) {
      // A full send buffer drops this one; anything else is a peer that cannot be reached. Neither
      // may hold up the rest.
      failed(messages.front(), fd, errno);
      messages = messages.subspan(1);
    }
  }
}

void SegmentMerger::succeeded(std::span<const mmsghdr> messages) noexcept {
  for (const mmsghdr& message : messages) {
    if (message.msg_hdr.msg_iovlen > 1 && refusals_ != 0) --refusals_;
  }
}

void SegmentMerger::failed(const mmsghdr& message, int fd, int error) noexcept {
  msghdr header = message.msg_hdr;
  if (header.msg_iovlen < 2) return;
  // EINVAL and EMSGSIZE are about this peer: the way to it takes less at once, or it has no address
  // to send to. A full buffer drops the message, as a full wire would. What is left speaks about
  // the device or the route (no checksums from it, IPsec: EIO), or the option is unknown after all;
  // only that counts, for no packet of one client may slow down the others.
  const bool about_peer = error == EINVAL || error == EMSGSIZE;
  if (!about_peer && error != EIO && error != EOPNOTSUPP && error != ENOPROTOOPT) return;
  if (!about_peer && ++refusals_ == kRefusals) {
    refusals_ = 0;
    rest_ = kRest;
  }
  header.msg_controllen -= kSegmentControl;
  if (header.msg_controllen == 0) header.msg_control = nullptr;
  header.msg_iovlen = 1;
  for (std::size_t i = 0; i < message.msg_hdr.msg_iovlen; ++i) {
    header.msg_iov = message.msg_hdr.msg_iov + i;
    (void)::sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

}  // namespace clusterdns::dns
