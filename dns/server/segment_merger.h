// Answers of a batch to the same peer leave as one message, which the kernel cuts into datagrams of
// one size behind the network stack (UDP generic segmentation offload, UDP_SEGMENT, Linux 4.18).
//
// Sending is four fifths of what a query costs, and most of it is spent once a message. A stub
// resolver asks A and AAAA at once from one socket; a forwarder asks much from few. What that saves
// is measured in bench/beyond_sockets.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <span>

namespace clusterdns::dns {

// One for each socket, used by its thread only.
class SegmentMerger {
 public:
  // Messages of a batch.
  static constexpr unsigned kBatch = 64;
  // Octets of a datagram that is merged: more might not fit a link on the way (IPv6's least MTU of
  // 1280, less its headers and UDP's), and what must be cut into fragments cannot be a segment.
  static constexpr std::size_t kMaxSegment = 1232;
  // Octets of a merged message: less than the longest UDP datagram, 65,507.
  static constexpr std::size_t kMaxMessage = 60'000;
  // Octets of control data that a message may bring along; as much as the socket reads into.
  static constexpr std::size_t kControlRoom = 64;
  // A kernel, a route (IPsec) or a device that cannot segment says so every time. After so many
  // refusals more than successes, nothing is merged for the next kRest batches: they cost a system
  // call each, and the route may change.
  static constexpr unsigned kRefusals = 8;
  static constexpr unsigned kRest = 10'000;

  // `fd` is a UDP socket. Merges nothing where the kernel does not know the option.
  explicit SegmentMerger(int fd) noexcept;

  // What to give to sendmmsg in place of `batch`: fewer messages, or `batch` itself when no two may
  // be merged. Each message has a peer, exactly one buffer, and the control data of its peer's
  // other messages or it stays alone. At most kBatch. The order of answers changes, of one peer's
  // too. Valid until the next call; refers to what `batch` refers to. Does not allocate.
  [[nodiscard]] std::span<mmsghdr> merge(std::span<mmsghdr> batch) noexcept;

  // sendmmsg has failed with `error` at `message` of the last merge. When the reason may be that it
  // was merged, its datagrams are sent one by one. Does nothing for a message of one datagram.
  void failed(const mmsghdr& message, int fd, int error) noexcept;

  // Merges the batch, and sends all of it by sendmmsg to `fd`, whose socket it is, without waiting:
  // what the kernel does not take is dropped, as a full wire would.
  void send(std::span<mmsghdr> batch, int fd) noexcept;

  // Whether the next batch would be merged.
  [[nodiscard]] bool enabled() const noexcept { return known_ && rest_ == 0; }

 private:
  static constexpr std::size_t kSegmentControl = CMSG_SPACE(sizeof(std::uint16_t));
  // Open addressing, at most half full.
  static constexpr unsigned kSlots = 2 * kBatch;

  // These have left; those that were merged speak against a rest.
  void succeeded(std::span<const mmsghdr> messages) noexcept;
  // Gathers the batch by peer; returns the number of peers.
  unsigned gather(std::span<const mmsghdr> batch) noexcept;

  bool known_;  // to the kernel
  unsigned refusals_ = 0;
  unsigned rest_ = 0;  // batches
  // Numbers of messages, counted from one; zero is none.
  std::array<std::uint8_t, kSlots> first_{};  // of a peer, by hash
  std::array<std::uint8_t, kBatch> next_{};   // of the same peer, by falling size
  std::array<std::uint8_t, kBatch> slots_{};  // of the peers, in order of appearance
  std::array<mmsghdr, kBatch> messages_{};
  std::array<iovec, kBatch> buffers_{};
  alignas(cmsghdr) std::uint8_t control_[kBatch][kControlRoom + kSegmentControl]{};
};

}  // namespace clusterdns::dns
