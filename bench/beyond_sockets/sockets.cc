// A UDP server on recvmmsg and sendmmsg, as bench_echo, with what the same socket can do for
// several datagrams at once.
//
//   beyond_sockets PORT [--gso] [--gro]
//
// --gso  answers of a batch to the same peer leave as one message (UDP_SEGMENT). The kernel cuts it
//        into datagrams of one size, the last of which may be shorter. So each peer's answers are
//        ordered by size: equal ones make a message, which takes one shorter answer as its end.
// --gro  several queries of one peer may come as one buffer (UDP_GRO).
#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "echo.h"

namespace beyond_sockets {
namespace {

constexpr unsigned kBatch = 64;
// A coalesced buffer holds up to 64 KiB in theory; more than this is not a batch of DNS queries.
constexpr std::size_t kGroRoom = 16384;
// Queries in the buffers of one batch, with GRO: what is beyond stays unanswered.
constexpr unsigned kMost = 512;
// Open addressing, at most half full.
constexpr unsigned kPeerSlots = 2 * kMost;
// The kernel's UDP_MAX_SEGMENTS was 64 before Linux 6.9.
constexpr unsigned kMaxSegments = 64;

struct Answer {
  std::uint8_t* data;
  std::size_t size;
  const sockaddr_in* peer;
  std::uint16_t next;  // of the same peer, by falling size
};

union Control {
  cmsghdr header;  // for alignment
  std::array<std::uint8_t, CMSG_SPACE(sizeof(int))> octets;
};

std::array<std::array<std::uint8_t, kGroRoom + kRecord.size()>, kBatch> buffers;
std::array<std::array<std::uint8_t, 512 + kRecord.size()>, kMost> copies;
std::array<sockaddr_in, kBatch> peers;
std::array<iovec, kBatch> in_vectors;
std::array<mmsghdr, kBatch> in;
std::array<Control, kBatch> in_control;
std::array<Answer, kMost> answers;
std::array<iovec, kMost> out_vectors;
std::array<mmsghdr, kMost> out;
std::array<Control, kMost> out_control;

// The size of the datagrams in a buffer that was coalesced, 0 when it holds only one.
std::size_t segment_size(msghdr& header) noexcept {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO) continue;
    int size;
    std::memcpy(&size, CMSG_DATA(c), sizeof size);
    return static_cast<std::size_t>(size);
  }
  return 0;
}

// Which answers go to the same peer.
class Peers {
 public:
  // Adds an answer to its peer's list, in order of falling size.
  void add(std::uint16_t number) noexcept {
    const Answer& added = answers[number];
    const std::uint64_t key =
        (std::uint64_t{added.peer->sin_addr.s_addr} << 16) | added.peer->sin_port;
    std::size_t at = (key * 0x9E3779B97F4A7C15u) >> 48 & (kPeerSlots - 1);
    while (slots_[at].batch == batch_ && slots_[at].key != key) at = (at + 1) & (kPeerSlots - 1);
    Slot& slot = slots_[at];
    if (slot.batch != batch_) {
      slot = {key, batch_, kNone};
      heads_[count_++] = &slot.first;
    }
    std::uint16_t* place = &slot.first;
    while (*place != kNone && answers[*place].size >= added.size) place = &answers[*place].next;
    answers[number].next = *place;
    *place = number;
  }
  [[nodiscard]] unsigned count() const noexcept { return count_; }
  [[nodiscard]] std::uint16_t first(unsigned i) const noexcept { return *heads_[i]; }
  void clear() noexcept {
    ++batch_;
    count_ = 0;
  }

  static constexpr std::uint16_t kNone = 0xFFFF;

 private:
  struct Slot {
    std::uint64_t key = 0;
    std::uint64_t batch = 0;
    std::uint16_t first = kNone;
  };
  std::array<Slot, kPeerSlots> slots_{};
  std::array<std::uint16_t*, kMost> heads_{};
  std::uint64_t batch_ = 1;
  unsigned count_ = 0;
};

Peers by_peer;

// Fills `out` with as few messages as the sizes allow and returns how many.
unsigned segmented() noexcept {
  unsigned messages = 0;
  std::size_t used = 0;
  for (unsigned p = 0; p < by_peer.count(); ++p) {
    std::uint16_t number = by_peer.first(p);
    while (number != Peers::kNone) {
      const std::size_t size = answers[number].size;
      iovec* const first = &out_vectors[used];
      msghdr& header = out[messages].msg_hdr;
      header = {};
      header.msg_name = const_cast<sockaddr_in*>(answers[number].peer);
      header.msg_namelen = sizeof(sockaddr_in);
      header.msg_iov = first;
      for (bool full = false; number != Peers::kNone && !full;) {
        const Answer& next = answers[number];
        out_vectors[used++] = {next.data, next.size};
        full = next.size < size || ++header.msg_iovlen == kMaxSegments;
        if (next.size < size) ++header.msg_iovlen;
        number = next.next;
      }
      if (header.msg_iovlen > 1) {
        header.msg_control = &out_control[messages];
        header.msg_controllen = CMSG_SPACE(sizeof(std::uint16_t));
        cmsghdr* const c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
        const auto segment = static_cast<std::uint16_t>(size);
        std::memcpy(CMSG_DATA(c), &segment, sizeof segment);
      }
      ++messages;
    }
  }
  by_peer.clear();
  return messages;
}

unsigned one_each(unsigned count) noexcept {
  for (unsigned i = 0; i < count; ++i) {
    out_vectors[i] = {answers[i].data, answers[i].size};
    msghdr& header = out[i].msg_hdr;
    header.msg_name = const_cast<sockaddr_in*>(answers[i].peer);
    header.msg_namelen = sizeof(sockaddr_in);
    header.msg_iov = &out_vectors[i];
    header.msg_iovlen = 1;
  }
  return count;
}

int serve(int fd, bool gso, bool gro) {
  Counters counters;
  for (unsigned i = 0; i < kBatch; ++i) {
    in_vectors[i] = {buffers[i].data(), gro ? kGroRoom : kRoom};
    in[i].msg_hdr.msg_name = &peers[i];
    in[i].msg_hdr.msg_iov = &in_vectors[i];
    in[i].msg_hdr.msg_iovlen = 1;
  }
  while (!ended) {
    for (unsigned i = 0; i < kBatch; ++i) {
      in[i].msg_hdr.msg_namelen = sizeof(sockaddr_in);
      if (gro) {
        in[i].msg_hdr.msg_control = &in_control[i];
        in[i].msg_hdr.msg_controllen = sizeof in_control[i];
      }
    }
    const int received = ::recvmmsg(fd, in.data(), kBatch, MSG_WAITFORONE, nullptr);
    if (received <= 0) continue;
    ++counters.batches;
    counters.datagrams += static_cast<unsigned>(received);
    unsigned count = 0;
    for (unsigned i = 0; i < static_cast<unsigned>(received); ++i) {
      const std::size_t size = in[i].msg_len;
      const std::size_t segment = gro ? segment_size(in[i].msg_hdr) : 0;
      if (segment == 0 || segment >= size) {
        answers[count] = {buffers[i].data(), answer(buffers[i].data(), size), &peers[i], 0};
        ++count;
        continue;
      }
      // An answer is longer than its query: these have no room where they are.
      for (std::size_t at = 0; at < size && count + kBatch < kMost; at += segment) {
        const std::size_t part = std::min({segment, size - at, std::size_t{512}});
        std::memcpy(copies[count].data(), buffers[i].data() + at, part);
        answers[count] = {copies[count].data(), answer(copies[count].data(), part), &peers[i], 0};
        ++count;
      }
    }
    counters.queries += count;
    if (gso) {
      for (unsigned i = 0; i < count; ++i) by_peer.add(static_cast<std::uint16_t>(i));
    }
    const unsigned messages = gso ? segmented() : one_each(count);
    counters.sends += messages;
    for (unsigned sent = 0; sent < messages;) {
      const int done = ::sendmmsg(fd, out.data() + sent, messages - sent, 0);
      if (done > 0) {
        sent += static_cast<unsigned>(done);
      } else if (errno != EINTR) {
        std::perror("sendmmsg");
        ++sent;
      }
    }
  }
  counters.print();
  return 0;
}

}  // namespace
}  // namespace beyond_sockets

int main(int argc, char** argv) {
  using namespace beyond_sockets;
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s PORT [--gso] [--gro]\n", argv[0]);
    return 2;
  }
  end_on_signals();
  const int fd = bound_socket(static_cast<std::uint16_t>(std::atoi(argv[1])));
  if (fd < 0) return 1;
  const bool gro = has_option(argc, argv, "--gro");
  const int on = 1;
  if (gro && ::setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on) != 0) {
    std::perror("UDP_GRO");
    return 1;
  }
  return serve(fd, has_option(argc, argv, "--gso"), gro);
}
