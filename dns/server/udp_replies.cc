#include "dns/server/udp_replies.h"

#include <cerrno>
#include <cstring>

#include <boost/asio/post.hpp>

namespace clusterdns::dns {

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
  iovec vector{const_cast<std::uint8_t*>(message.data()), message.size()};
  msghdr alone = header;
  alone.msg_iov = &vector;
  alone.msg_iovlen = 1;
  alone.msg_flags = 0;
  (void)::sendmsg(fd_, &alone, MSG_DONTWAIT | MSG_NOSIGNAL);
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
