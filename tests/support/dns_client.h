// Clients that ask a DNS server over UDP and TCP, and see exactly what comes back.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "support/dns_message.h"
#include "support/socket.h"

namespace clusterdns::test {

// One connected UDP socket: the kernel drops answers that come from any other address, so every
// use also proves RFC 2181, 4.1 (the reply leaves from the address that was asked).
class UdpClient {
 public:
  // `local` (optional): the address to ask from.
  explicit UdpClient(const Endpoint& server, const std::string& local = {});

  void send(std::span<const std::uint8_t> message);
  // The next datagram, or nothing when the deadline passes.
  [[nodiscard]] std::optional<Octets> receive(const Deadline& deadline);
  // Sends and waits for the answer with the same ID; datagrams with other IDs are an error.
  [[nodiscard]] Message exchange(const Query& query,
                                 const Deadline& deadline = Deadline::after(kAnswerTimeout));
  [[nodiscard]] Message exchange(std::span<const std::uint8_t> message,
                                 const Deadline& deadline = Deadline::after(kAnswerTimeout));
  [[nodiscard]] int descriptor() const { return fd_.get(); }

 private:
  FileDescriptor fd_;
};

// One TCP connection with the two-octet length framing of RFC 1035, 4.2.2.
class TcpClient {
 public:
  // Throws TestError when the connection is not made in time. `receive_buffer` octets shrinks
  // SO_RCVBUF, for clients that play slow readers; 0 leaves it. `local` (optional): the address to
  // ask from.
  explicit TcpClient(const Endpoint& server, int receive_buffer = 0, const std::string& local = {});

  // With the length in front.
  void send(std::span<const std::uint8_t> message);
  // As it is. Throws TestError when the peer has closed.
  void send_raw(std::span<const std::uint8_t> octets);
  // The next message, or nothing when the peer closed the connection. Throws TestError when the
  // deadline passes or the peer closed within a message.
  [[nodiscard]] std::optional<Octets> receive(const Deadline& deadline);
  [[nodiscard]] Message exchange(const Query& query);
  // Says that nothing more is sent; answers may still come.
  void end_of_input();
  // True when the peer ended the connection (FIN or RST) before the deadline; what it sent before
  // is thrown away.
  [[nodiscard]] bool closed_by_peer(const Deadline& deadline);
  [[nodiscard]] int descriptor() const { return fd_.get(); }

 private:
  std::size_t read_some(std::span<std::uint8_t> into, const Deadline& deadline);

  FileDescriptor fd_;
};

// One question on a fresh socket. Besides what decode() refuses they throw TestError when there
// is no answer in time, when the ID differs, QR is clear, or the question is not echoed octet for
// octet (FORMERR may leave it out).
[[nodiscard]] Message ask_udp(const Endpoint& server, const Query& query);
[[nodiscard]] Message ask_tcp(const Endpoint& server, const Query& query);
// UDP first and TCP when TC is set, as a stub resolver.
[[nodiscard]] Message ask(const Endpoint& server, const Query& query);

// A query message with its length in front.
[[nodiscard]] Octets framed(std::span<const std::uint8_t> message);

// Throws TestError unless `response` is a response to `query` (see ask_udp).
void check_response(std::span<const std::uint8_t> query, const Message& response);

}  // namespace clusterdns::test
