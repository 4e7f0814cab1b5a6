#include "support/socket.h"

#include <arpa/inet.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

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

Endpoint unused_endpoint(const std::string& address) {
  constexpr int kAttempts = 50;
  for (int attempt = 1;; ++attempt) {
    const FileDescriptor udp = bound_socket(Endpoint{address, 0}, SOCK_DGRAM);
    const Endpoint found = local_endpoint(udp.get());
    try {
      const FileDescriptor tcp = bound_socket(found, SOCK_STREAM);
      return found;
    } catch (const TestError&) {
      if (attempt == kAttempts) {
        throw;
      }
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
