// Deferred answers over UDP. What upstreams reply comes in batches, and leaves in batches: answers
// wait until the handler that brings them has returned, and go out by one sendmmsg, merged by peer.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include <boost/asio/io_context.hpp>

#include "dns/server/segment_merger.h"

namespace clusterdns::dns {

// Of one socket, used by its worker's thread only. Shared by the queries that wait for an upstream,
// which may outlive the socket.
class UdpReplies : public std::enable_shared_from_this<UdpReplies> {
 public:
  // Octets of control data, as SegmentMerger takes it.
  static constexpr std::size_t kControlRoom = SegmentMerger::kControlRoom;

  // `fd` stays the caller's. Memory is taken by the first answer.
  UdpReplies(boost::asio::io_context& io, int fd);
  ~UdpReplies();
  UdpReplies(const UdpReplies&) = delete;
  UdpReplies& operator=(const UdpReplies&) = delete;

  // Sends `message` soon, to the peer and with the control data (of at most kControlRoom octets) of
  // `header`. All is copied. Does nothing once closed.
  void add(const msghdr& header, std::span<const std::uint8_t> message) noexcept;
  // The same, at once, behind what waits: an empty message too, and from another port of the same
  // address if need be.
  void send_alone(const msghdr& header, std::span<const std::uint8_t> message,
                  bool other_port) noexcept;
  // Sends what waits.
  void flush() noexcept {
    if (count_ != 0) send_all();
  }
  // The same, for the last time: the socket goes.
  void close() noexcept;

 private:
  static constexpr unsigned kBatch = SegmentMerger::kBatch;
  // Octets of the answers of a batch; most are short. What is longer than half of it goes by
  // itself.
  static constexpr std::size_t kRoom = 32 * 1024;
  struct Buffers;

  void send_all() noexcept;

  boost::asio::io_context& io_;
  int fd_;  // -1: closed
  unsigned count_ = 0;
  std::size_t used_ = 0;
  bool posted_ = false;
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace clusterdns::dns
