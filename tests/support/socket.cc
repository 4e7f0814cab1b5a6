#include "support/socket.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <vector>

namespace clusterdns::test {

int patience() {
  static const int factor = [] {
    const char* text = std::getenv("CLUSTERDNS_TEST_PATIENCE");
    const int value = text == nullptr ? 1 : std::atoi(text);
    return value < 1 ? 1 : value;
  }();
  return factor;
}

Deadline Deadline::after(std::chrono::milliseconds budget) { return exactly(budget * patience()); }

Deadline Deadline::exactly(std::chrono::milliseconds budget) {
  return Deadline(std::chrono::steady_clock::now() + budget);
}

bool Deadline::passed() const { return std::chrono::steady_clock::now() >= at_; }

int Deadline::remaining_ms() const {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(at_ - std::chrono::steady_clock::now());
  return left.count() <= 0 ? 0 : static_cast<int>(left.count());
}

Endpoint Endpoint::from_text(std::string_view text) {
  Endpoint result;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    throw TestError("not ADDRESS:PORT: " + std::string(text));
  }
  std::string_view host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), result.port);
  if (error != std::errc() || end != port.data() + port.size()) {
    throw TestError("not ADDRESS:PORT: " + std::string(text));
  }
  result.address = host;
  sockaddr_storage storage{};
  result.fill(storage);  // throws when the address is none
  return result;
}

std::string Endpoint::text() const {
  return family() == AF_INET6 ? "[" + address + "]:" + std::to_string(port)
                              : address + ":" + std::to_string(port);
}

int Endpoint::family() const { return address.find(':') == std::string::npos ? AF_INET : AF_INET6; }

socklen_t Endpoint::fill(sockaddr_storage& storage) const {
  std::memset(&storage, 0, sizeof storage);
  if (family() == AF_INET6) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    if (inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) != 1) {
      throw TestError("not an IPv6 address: " + address);
    }
    std::memcpy(&storage, &v6, sizeof v6);
    return sizeof v6;
  }
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  if (inet_pton(AF_INET, address.c_str(), &v4.sin_addr) != 1) {
    throw TestError("not an IPv4 address: " + address);
  }
  std::memcpy(&storage, &v4, sizeof v4);
  return sizeof v4;
}

Endpoint Endpoint::from_sockaddr(const sockaddr_storage& storage) {
  Endpoint result;
  char text[INET6_ADDRSTRLEN] = {};
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &storage, sizeof v6);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    result.port = ntohs(v6.sin6_port);
  } else {
    sockaddr_in v4{};
    std::memcpy(&v4, &storage, sizeof v4);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    result.port = ntohs(v4.sin_port);
  }
  result.address = text;
  return result;
}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void FileDescriptor::reset() {
  if (fd_ >= 0) {
    ::close(std::exchange(fd_, -1));
  }
}

bool wait_for(int fd, short events, const Deadline& deadline) {
  for (;;) {
    pollfd entry{fd, events, 0};
    const int ready = ::poll(&entry, 1, deadline.remaining_ms());
    if (ready > 0) {
      return true;
    }
    if (ready == 0) {
      return false;
    }
    if (errno != EINTR) {
      throw TestError(std::string("poll: ") + std::strerror(errno));
    }
  }
}

FileDescriptor bound_socket(const Endpoint& local, int type) {
  FileDescriptor fd(::socket(local.family(), type | SOCK_CLOEXEC, 0));
  if (!fd.valid()) {
    throw TestError(std::string("socket: ") + std::strerror(errno));
  }
  sockaddr_storage storage{};
  const socklen_t length = local.fill(storage);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) {
    throw TestError("bind " + local.text() + ": " + std::strerror(errno));
  }
  return fd;
}

void make_room(int fd) {
  const int octets = 4 * 1024 * 1024;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &octets, sizeof octets);
}

Endpoint unused_endpoint(const std::string& address) {
  constexpr int kAttempts = 1000;
  // Above what services of the machine have, below what the kernel chooses from (ip(7)).
  constexpr int kFirst = 10'000;
  static const int end = [] {
    std::ifstream range("/proc/sys/net/ipv4/ip_local_port_range");
    int first = 0;
    return range >> first && first > kFirst + kAttempts ? first : 32'768;
  }();
  static std::random_device random;
  static std::vector<FileDescriptor> taken;
  for (int attempt = 1;; ++attempt) {
    const int port = std::uniform_int_distribution<int>(kFirst, end - 1)(random);
    // Other processes of the tests see this name, which goes with us.
    FileDescriptor mark(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    const int length =
        std::snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "clusterdns-test-port-%d", port);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
    if (::bind(mark.get(), reinterpret_cast<const sockaddr*>(&name), size) != 0) {
      if (attempt < kAttempts) continue;
      throw TestError("no port is left for a test");
    }
    try {
      const Endpoint found{address, static_cast<std::uint16_t>(port)};
      const FileDescriptor udp = bound_socket(found, SOCK_DGRAM);
      const FileDescriptor tcp = bound_socket(found, SOCK_STREAM);
      taken.push_back(std::move(mark));
      return found;
    } catch (const TestError&) {
      if (attempt == kAttempts) throw;
    }
  }
}

Endpoint local_endpoint(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    throw TestError(std::string("getsockname: ") + std::strerror(errno));
  }
  return Endpoint::from_sockaddr(storage);
}

}  // namespace clusterdns::test
