#include "support/dns_client.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace clusterdns::test {
namespace {

constexpr std::size_t kMaxMessage = 65535;
constexpr int kRcodeFormErr = 1;

std::string error_text(const char* what) { return std::string(what) + ": " + std::strerror(errno); }

}  // namespace

UdpClient::UdpClient(const Endpoint& server, const std::string& local) {
  const std::string any = server.family() == AF_INET6 ? "::" : "0.0.0.0";
  fd_ = bound_socket(Endpoint{local.empty() ? any : local, 0}, SOCK_DGRAM);
  make_room(fd_.get());
  sockaddr_storage storage{};
  const socklen_t length = server.fill(storage);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) {
    throw TestError(error_text("connect"));
  }
}

void UdpClient::send(std::span<const std::uint8_t> message) {
  if (::send(fd_.get(), message.data(), message.size(), 0) !=
      static_cast<ssize_t>(message.size())) {
    throw TestError(error_text("send"));
  }
}

std::optional<Octets> UdpClient::receive(const Deadline& deadline) {
  if (!wait_for(fd_.get(), POLLIN, deadline)) {
    return std::nullopt;
  }
  Octets buffer(kMaxMessage);
  const ssize_t count = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
  if (count < 0) {
    throw TestError(error_text("recv"));
  }
  buffer.resize(static_cast<std::size_t>(count));
  return buffer;
}

Message UdpClient::exchange(const Query& query, const Deadline& deadline) {
  return exchange(encode(query), deadline);
}

Message UdpClient::exchange(std::span<const std::uint8_t> message, const Deadline& deadline) {
  send(message);
  const std::optional<Octets> answer = receive(deadline);
  if (!answer.has_value()) {
    throw TestError("no answer over UDP in time");
  }
  Message response = decode(*answer);
  check_response(message, response);
  return response;
}

TcpClient::TcpClient(const Endpoint& server, int receive_buffer, const std::string& local) {
  fd_ = FileDescriptor(::socket(server.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_.valid()) {
    throw TestError(error_text("socket"));
  }
  if (receive_buffer != 0) {
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  if (!local.empty()) {
    sockaddr_storage from{};
    const socklen_t size = Endpoint{local, 0}.fill(from);
    if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&from), size) != 0) {
      throw TestError(error_text("bind"));
    }
  }
  sockaddr_storage storage{};
  const socklen_t length = server.fill(storage);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) {
    if (errno != EINPROGRESS || !wait_for(fd_.get(), POLLOUT, Deadline::after(kAnswerTimeout))) {
      throw TestError(error_text("connect"));
    }
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      throw TestError(std::string("connect: ") + std::strerror(error));
    }
  }
}

void TcpClient::send(std::span<const std::uint8_t> message) { send_raw(framed(message)); }

void TcpClient::end_of_input() { ::shutdown(fd_.get(), SHUT_WR); }

void TcpClient::send_raw(std::span<const std::uint8_t> octets) {
  const Deadline deadline = Deadline::after(kAnswerTimeout);
  while (!octets.empty()) {
    const ssize_t count = ::send(fd_.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      octets = octets.subspan(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      if (!wait_for(fd_.get(), POLLOUT, deadline)) {
        throw TestError("TCP peer does not read");
      }
    } else if (errno != EINTR) {
      throw TestError(error_text("send"));
    }
  }
}

std::size_t TcpClient::read_some(std::span<std::uint8_t> into, const Deadline& deadline) {
  for (;;) {
    const ssize_t count = ::recv(fd_.get(), into.data(), into.size(), 0);
    if (count >= 0) {
      return static_cast<std::size_t>(count);
    }
    if (errno == ECONNRESET) {
      return 0;
    }
    if (errno != EAGAIN && errno != EINTR) {
      throw TestError(error_text("recv"));
    }
    if (!wait_for(fd_.get(), POLLIN, deadline)) {
      throw TestError("nothing over TCP in time");
    }
  }
}

std::optional<Octets> TcpClient::receive(const Deadline& deadline) {
  const auto fill = [&](std::span<std::uint8_t> into) {
    std::size_t done = 0;
    while (done < into.size()) {
      const std::size_t count = read_some(into.subspan(done), deadline);
      if (count == 0) {
        break;
      }
      done += count;
    }
    return done;
  };
  std::array<std::uint8_t, 2> length{};
  const std::size_t got = fill(length);
  if (got == 0) {
    return std::nullopt;
  }
  Octets message(static_cast<std::size_t>(length[0]) << 8 | length[1]);
  if (got != length.size() || fill(message) != message.size()) {
    throw TestError("peer closed within a message");
  }
  return message;
}

Message TcpClient::exchange(const Query& query) {
  const Octets message = encode(query);
  send(message);
  const std::optional<Octets> answer = receive(Deadline::after(kAnswerTimeout));
  if (!answer.has_value()) {
    throw TestError("peer closed instead of answering");
  }
  Message response = decode(*answer);
  check_response(message, response);
  return response;
}

bool TcpClient::closed_by_peer(const Deadline& deadline) {
  std::array<std::uint8_t, 4096> buffer{};
  for (;;) {
    const ssize_t count = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (count == 0 || (count < 0 && errno == ECONNRESET)) {
      return true;
    }
    if (count > 0) {
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) {
      throw TestError(error_text("recv"));
    }
    if (!wait_for(fd_.get(), POLLIN, deadline)) {
      return false;
    }
  }
}

Octets framed(std::span<const std::uint8_t> message) {
  WireWriter writer;
  writer.u16(static_cast<unsigned>(message.size())).raw(message);
  return std::move(writer.out);
}

void check_response(std::span<const std::uint8_t> query, const Message& response) {
  if (query.size() < kHeaderSize) {
    throw TestError("a query without header was answered");
  }
  const unsigned id = static_cast<unsigned>(query[0]) << 8 | query[1];
  if (response.id != id) {
    throw TestError("answer with ID " + std::to_string(response.id) + " to " + std::to_string(id));
  }
  if (!response.has(kFlagQR)) {
    throw TestError("answer without QR:\n" + response.text());
  }
  if (response.questions.empty() && response.rcode == kRcodeFormErr) {
    return;
  }
  if (response.question_end > query.size() ||
      !std::equal(query.begin() + kHeaderSize,
                  query.begin() + static_cast<std::ptrdiff_t>(response.question_end),
                  response.wire.begin() + kHeaderSize)) {
    throw TestError("the question is not echoed octet for octet:\n" + response.text());
  }
  const unsigned asked = static_cast<unsigned>(query[4]) << 8 | query[5];
  if (response.rcode != kRcodeFormErr && response.questions.size() != asked) {
    throw TestError("the question is not echoed:\n" + response.text());
  }
}

Message ask_udp(const Endpoint& server, const Query& query) {
  return UdpClient(server).exchange(query);
}

Message ask_tcp(const Endpoint& server, const Query& query) {
  return TcpClient(server).exchange(query);
}

Message ask(const Endpoint& server, const Query& query) {
  Message response = ask_udp(server, query);
  return response.has(kFlagTC) ? ask_tcp(server, query) : response;
}

}  // namespace clusterdns::test
