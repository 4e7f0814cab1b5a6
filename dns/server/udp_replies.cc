#include "dns/server/udp_replies.h"

#include <netinet/in.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include <boost/asio/post.hpp>

#include "dns/base/descriptor.h"

namespace clusterdns::dns {

namespace {

void send_by(int fd, const msghdr& header, std::span<const std::uint8_t> message) noexcept {
  iovec vector{const_cast<std::uint8_t*>(message.data()), message.size()};
  msghdr alone = header;
  alone.msg_iov = &vector;
  alone.msg_iovlen = 1;
  alone.msg_flags = 0;
  (void)::sendmsg(fd, &alone, MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

struct UdpReplies::Buffers {
  explicit Buffers(int fd) : merger(fd) {}

  SegmentMerger merger;
  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> vectors{};
  std::array<sockaddr_storage, kBatch> peers{};
  alignas(cmsghdr) std::uint8_t control[kBatch][kControlRoom];
  std::uint8_t octets[kRoom];
};

UdpReplies::UdpReplies(boost::asio::io_context& io, int fd) : io_(io), fd_(fd) {}
UdpReplies::~UdpReplies() = default;

void UdpReplies::add(const msghdr& header, std::span<const std::uint8_t> message) noexcept {
  if (fd_ < 0) return;
  try {
    if (message.size() <= kRoom / 2) {
      if (buffers_ == nullptr) buffers_ = std::make_unique<Buffers>(fd_);
      if (!posted_) {
        boost::asio::post(io_, [self = shared_from_this()] {
          self->posted_ = false;
          self->flush();
        });
        posted_ = true;
      }
      if (count_ == kBatch || kRoom - used_ < message.size()) send_all();
      Buffers& b = *buffers_;
      iovec& vector = b.vectors[count_];
      vector = {b.octets + used_, message.size()};
      std::memcpy(vector.iov_base, message.data(), message.size());
      msghdr& to = b.messages[count_].msg_hdr;
      to = {};
      to.msg_name = std::memcpy(&b.peers[count_], header.msg_name, header.msg_namelen);
      to.msg_namelen = header.msg_namelen;
      to.msg_iov = &vector;
      to.msg_iovlen = 1;
      if (header.msg_controllen != 0) {
        to.msg_control = std::memcpy(b.control[count_], header.msg_control, header.msg_controllen);
        to.msg_controllen = header.msg_controllen;
      }
      used_ += message.size();
      ++count_;
      return;
    }
  } catch (...) {
    // No memory to wait in: it goes at once.
  }
  send_by(fd_, header, message);
}

void UdpReplies::send_alone(const msghdr& header, std::span<const std::uint8_t> message,
                            bool other_port) noexcept {
  if (fd_ < 0) return;
  flush();
  if (!other_port) return send_by(fd_, header, message);
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&local), &size) != 0) return;
  // The port stands in the same place for both families.
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  std::memset(reinterpret_cast<std::uint8_t*>(&local) + offsetof(sockaddr_in, sin_port), 0, 2);
  const Descriptor other(::socket(local.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (other.get() < 0 ||
      ::bind(other.get(), reinterpret_cast<const sockaddr*>(&local), size) != 0) {
    return;
  }
  send_by(other.get(), header, message);
}

void UdpReplies::close() noexcept {
  flush();
  fd_ = -1;
}

void UdpReplies::send_all() noexcept {
  Buffers& b = *buffers_;
  b.merger.send(std::span(b.messages).first(count_), fd_);
  count_ = 0;
  used_ = 0;
}

}  // namespace clusterdns::dns
