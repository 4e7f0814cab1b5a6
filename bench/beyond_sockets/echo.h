// What the echo programs here share: the answer, and counters for the end.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>

namespace beyond_sockets {

// Octets of the longest query that is read whole, and of an answer.
inline constexpr std::size_t kRoom = 1500;

// A pointer to the question, type A, class IN, TTL 0 (nothing is to keep it), 192.0.2.1.
inline constexpr std::array<std::uint8_t, 16> kRecord = {0xC0, 12, 0, 1, 0,   1, 0, 0,
                                                         0,    0,  0, 4, 192, 0, 2, 1};

// Turns a query into the answer of `bench_echo --answer`: the record is added in place, which needs
// kRecord.size() octets of room behind `size`. Returns the octets of the answer.
[[nodiscard]] inline std::size_t answer(std::uint8_t* packet, std::size_t size) noexcept {
  if (size < 12) return size;
  packet[2] |= 0x80;
  std::size_t at = 12;
  while (at < size && packet[at] != 0) at += packet[at] + std::size_t{1};
  at += 5;
  if (at > size) return size;
  std::memcpy(packet + at, kRecord.data(), kRecord.size());
  packet[3] = 0x80;             // RA
  packet[7] = 1;                // ANCOUNT
  packet[10] = packet[11] = 0;  // no OPT
  return at + kRecord.size();
}

// What a program did, printed when it is ended: how far batches were full says how busy it was.
struct Counters {
  std::uint64_t queries = 0;
  std::uint64_t batches = 0;
  std::uint64_t sends = 0;      // messages given to the kernel; fewer than queries with GSO
  std::uint64_t datagrams = 0;  // buffers that came; fewer than queries with GRO

  void print() const {
    std::printf("queries %llu batches %llu sends %llu datagrams %llu\n",
                static_cast<unsigned long long>(queries), static_cast<unsigned long long>(batches),
                static_cast<unsigned long long>(sends), static_cast<unsigned long long>(datagrams));
    std::fflush(stdout);
  }
};

inline volatile std::sig_atomic_t ended = 0;

// SIGTERM and SIGINT interrupt the system call that waits.
inline void end_on_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { ended = 1; };
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
}

inline bool has_option(int argc, char** argv, std::string_view option) {
  for (int i = 1; i < argc; ++i) {
    if (option == argv[i]) return true;
  }
  return false;
}

// A UDP socket on every IPv4 address of its network namespace, as the servers set theirs: bursts of
// a whole client window must not be lost. Negative after a failure, which has been printed.
inline int bound_socket(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  const int room = 4 << 20;
  (void)::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    std::perror("bind");
    return -1;
  }
  return fd;
}

}  // namespace beyond_sockets
