// A UDP socket on loopback for tests of what sends.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

namespace clusterdns::dns::testing {

// Far more than loopback takes: the kernel may leave the delivery to a thread of its own.
inline constexpr int kPatienceMs = 20'000;

// A UDP socket on loopback, port 0.
class LoopbackSocket {
 public:
  explicit LoopbackSocket(int family = AF_INET)
      : fd_(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_storage any{};
    any.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET) {
      reinterpret_cast<sockaddr_in&>(any).sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else {
      reinterpret_cast<sockaddr_in6&>(any).sin6_addr = in6addr_loopback;
    }
    size_ = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    bound_ = ::bind(fd_, reinterpret_cast<sockaddr*>(&any), size_) == 0;
    socklen_t size = sizeof name_;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&name_), &size);
  }
  LoopbackSocket(const LoopbackSocket&) = delete;
  LoopbackSocket& operator=(const LoopbackSocket&) = delete;
  ~LoopbackSocket() { ::close(fd_); }

  // Waits for so many datagrams, and adds what else is there.
  std::vector<std::string> received(std::size_t count) const {
    std::vector<std::string> all;
    std::array<char, 4096> buffer;
    for (;;) {
      const ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (n >= 0) {
        all.emplace_back(buffer.data(), static_cast<std::size_t>(n));
        continue;
      }
      pollfd waiting{fd_, POLLIN, 0};
      if (all.size() >= count || ::poll(&waiting, 1, kPatienceMs) <= 0) return all;
    }
  }
  int fd() const { return fd_; }
  bool bound() const { return bound_; }
  const sockaddr_storage& name() const { return name_; }
  socklen_t name_size() const { return size_; }

 private:
  int fd_;
  sockaddr_storage name_{};
  socklen_t size_;
  bool bound_;
};

}  // namespace clusterdns::dns::testing
