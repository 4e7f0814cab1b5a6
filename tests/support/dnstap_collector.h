// A collector of dnstap that a test drives step by step. Reads frame streams and protobuf by its
// own means.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace clusterdns::test {

// Fields of a protobuf message: numbers, and octets of the others.
struct ProtoFields {
  std::map<unsigned, std::uint64_t> numbers;
  std::map<unsigned, std::string> octets;

  static ProtoFields of(std::string_view from) {
    ProtoFields fields;
    const auto varint = [&] {
      std::uint64_t value = 0;
      for (unsigned shift = 0;; shift += 7) {
        const auto octet = static_cast<std::uint8_t>(from.at(0));
        from.remove_prefix(1);
        value |= std::uint64_t{octet & 0x7Fu} << shift;
        if (octet < 0x80) return value;
      }
    };
    while (!from.empty()) {
      const std::uint64_t tag = varint();
      const auto field = static_cast<unsigned>(tag >> 3);
      if ((tag & 7) == 0) {
        fields.numbers[field] = varint();
      } else if ((tag & 7) == 5) {
        std::uint32_t value = 0;
        std::memcpy(&value, from.substr(0, 4).data(), 4);
        fields.numbers[field] = value;
        from.remove_prefix(4);
      } else if ((tag & 7) == 2) {
        const std::uint64_t size = varint();
        if (size > from.size()) throw std::runtime_error("a field is too long");
        fields.octets[field] = from.substr(0, size);
        from.remove_prefix(size);
      } else {
        throw std::runtime_error("a field of unknown form");
      }
    }
    return fields;
  }
};

// A message, by the names of dnstap.proto.
struct TapSeen {
  std::string identity, version, extra;
  std::uint64_t kind = 0;  // Dnstap.type
  std::uint64_t type = 0, family = 0, protocol = 0;
  std::string query_address, response_address;
  std::uint64_t query_port = 0, response_port = 0;
  std::uint64_t query_sec = 0, query_nsec = 0, response_sec = 0, response_nsec = 0;
  std::string query, response;

  static TapSeen of(std::string_view frame) {
    ProtoFields outer = ProtoFields::of(frame);
    ProtoFields message = ProtoFields::of(outer.octets.at(14));
    return {outer.octets[1],    outer.octets[2],     outer.octets[3],     outer.numbers[15],
            message.numbers[1], message.numbers[2],  message.numbers[3],  message.octets[4],
            message.octets[5],  message.numbers[6],  message.numbers[7],  message.numbers[8],
            message.numbers[9], message.numbers[12], message.numbers[13], message.octets[10],
            message.octets[14]};
  }
};

// Waits are bounded by 60 seconds: they end when something comes.
class TapCollector {
 public:
  TapCollector() = default;
  virtual ~TapCollector() {
    hang_up();
    close_port();
  }
  TapCollector(const TapCollector&) = delete;
  TapCollector& operator=(const TapCollector&) = delete;

  void listen_at(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ::unlink(path.c_str());
    listen_on(reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  // The port; `port` 0: any.
  std::uint16_t listen_tcp(std::uint16_t port = 0) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listen_on(reinterpret_cast<const sockaddr*>(&address), sizeof address);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }
  void close_port() {
    if (listener_ >= 0) ::close(std::exchange(listener_, -1));
  }

  // Takes a connection, without a word.
  void accept() {
    hang_up();
    wait(listener_);
    connection_ = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection_ < 0) throw std::runtime_error("nobody connects");
    const timeval most{60, 0};
    ::setsockopt(connection_, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    begin();
  }
  // The same, with the greeting.
  void welcome() {
    accept();
    expect_control(4, true);  // READY
    send(number(0) + number(12 + kContent.size()) + number(1) + number(1) +
         number(static_cast<std::uint32_t>(kContent.size())) + std::string(kContent));
    expect_control(2, true);  // START
  }
  // Empty: that it has nothing more to say.
  void say(const std::string& octets) {
    if (octets.empty()) {
      ::shutdown(connection_, SHUT_WR);
    } else {
      send(octets);
    }
  }
  virtual void hang_up() {
    if (connection_ >= 0) ::close(std::exchange(connection_, -1));
  }

  // The next message; nullopt: STOP, which is answered with FINISH.
  std::optional<TapSeen> next() {
    const std::uint32_t size = read_number();
    if (size != 0) return TapSeen::of(read(size));
    const std::string control = read(read_number());
    if (control != number(3)) throw std::runtime_error("a control frame that is not STOP");
    send(number(0) + number(4) + number(5));
    return std::nullopt;
  }

 protected:
  virtual void begin() {}
  virtual ssize_t receive(char* to, std::size_t size) { return ::recv(connection_, to, size, 0); }
  virtual void send(const std::string& octets) {
    (void)!::send(connection_, octets.data(), octets.size(), MSG_NOSIGNAL);
  }
  int connection_ = -1;

 private:
  static constexpr std::string_view kContent = "protobuf:dnstap.Dnstap";

  static std::string number(std::size_t value) {
    std::string octets;
    for (int shift = 24; shift >= 0; shift -= 8) octets += static_cast<char>(value >> shift);
    return octets;
  }
  void listen_on(const sockaddr* address, socklen_t size) {
    close_port();
    listener_ = ::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int one = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (::bind(listener_, address, size) != 0 || ::listen(listener_, 8) != 0) {
      throw std::runtime_error("cannot listen: " + std::string(std::strerror(errno)));
    }
  }
  static void wait(int fd) {
    pollfd polled{fd, POLLIN, 0};
    if (::poll(&polled, 1, 60'000) != 1) throw std::runtime_error("nothing came");
  }
  std::string read(std::size_t size) {
    std::string octets(size, '\0');
    for (std::size_t have = 0; have < size;) {
      const ssize_t n = receive(octets.data() + have, size - have);
      if (n <= 0) throw std::runtime_error("the stream ended in between");
      have += static_cast<std::size_t>(n);
    }
    return octets;
  }
  std::uint32_t read_number() {
    std::uint32_t value = 0;
    for (const char c : read(4)) value = value << 8 | static_cast<std::uint8_t>(c);
    return value;
  }
  void expect_control(std::uint32_t type, bool with_content) {
    if (read_number() != 0) throw std::runtime_error("a message where a control frame belongs");
    const std::string frame = read(read_number());
    const std::string content =
        with_content ? number(1) + number(kContent.size()) + std::string(kContent) : std::string();
    if (frame != number(type) + content) throw std::runtime_error("another control frame");
  }

  int listener_ = -1;
};

}  // namespace clusterdns::test
