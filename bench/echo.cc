// The least a UDP server can do with recvmmsg and sendmmsg: every datagram goes back with the QR
// bit set. What a DNS server adds to this is its own work.
//
//   bench_echo PORT [--answer]
//
// With --answer an A record is added, so that it serves as the upstream of forwarders.
#include "beyond_sockets/echo.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

using beyond_sockets::kRoom;
constexpr unsigned kBatch = 64;

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
  static std::array<std::array<std::uint8_t, kRoom + beyond_sockets::kRecord.size()>, kBatch>
      buffers;
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
      if (answers) vectors[i].iov_len = beyond_sockets::answer(packet, messages[i].msg_len);
    }
    for (int sent = 0; sent < n;) {
      const int done = ::sendmmsg(fd, messages.data() + sent, static_cast<unsigned>(n - sent), 0);
      if (done <= 0) break;
      sent += done;
    }
  }
}
