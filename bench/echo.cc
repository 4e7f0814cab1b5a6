// The least a UDP server can do with recvmmsg and sendmmsg: every datagram goes back with the QR
// bit set. What a DNS server adds to this is its own work.
//
//   bench_echo PORT [--answer]
//
// With --answer an A record is added, so that it serves as the upstream of forwarders.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

constexpr unsigned kBatch = 64;
constexpr std::size_t kRoom = 1500;

// A pointer to the question, type A, class IN, TTL 0 (nothing is to keep it), 192.0.2.1.
constexpr std::array<std::uint8_t, 16> kRecord = {0xC0, 12, 0, 1, 0,   1, 0, 0,
                                                  0,    0,  0, 4, 192, 0, 2, 1};

// Where the question ends, 0 when there is none.
std::size_t question_end(const std::uint8_t* packet, std::size_t size) {
  std::size_t at = 12;
  while (at < size && packet[at] != 0) at += packet[at] + std::size_t{1};
  return at + 5 <= size ? at + 5 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s PORT [--answer]\n", argv[0]);
    return 2;
  }
  const bool answers = argc > 2 && std::string_view(argv[2]) == "--answer";
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[1])));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // As the server sets it: bursts of a whole client window must not be lost.
  const int room = 4 << 20;
  (void)::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    std::perror("bind");
    return 1;
  }
  static std::array<std::array<std::uint8_t, kRoom + kRecord.size()>, kBatch> buffers;
  static std::array<sockaddr_in, kBatch> peers;
  static std::array<iovec, kBatch> vectors;
  static std::array<mmsghdr, kBatch> messages;
  for (unsigned i = 0; i < kBatch; ++i) {
    vectors[i].iov_base = buffers[i].data();
    messages[i].msg_hdr.msg_name = &peers[i];
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  for (;;) {
    for (unsigned i = 0; i < kBatch; ++i) {
      vectors[i].iov_len = kRoom;
      messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_in);
    }
    const int n = ::recvmmsg(fd, messages.data(), kBatch, MSG_WAITFORONE, nullptr);
    if (n <= 0) continue;
    for (unsigned i = 0; i < static_cast<unsigned>(n); ++i) {
      std::uint8_t* const packet = buffers[i].data();
      vectors[i].iov_len = messages[i].msg_len;
      packet[2] |= 0x80;
      if (!answers) continue;
      const std::size_t end = question_end(packet, messages[i].msg_len);
      if (end == 0) continue;
      std::memcpy(packet + end, kRecord.data(), kRecord.size());
      packet[3] = 0x80;             // RA
      packet[7] = 1;                // ANCOUNT
      packet[10] = packet[11] = 0;  // no OPT
      vectors[i].iov_len = end + kRecord.size();
    }
    for (int sent = 0; sent < n;) {
      const int done = ::sendmmsg(fd, messages.data() + sent, static_cast<unsigned>(n - sent), 0);
      if (done <= 0) break;
      sent += done;
    }
  }
}
