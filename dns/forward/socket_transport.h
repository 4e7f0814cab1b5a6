// Messages to upstreams over UDP and TCP.
//
// UDP: each upstream has a pool of connected sockets, so that the kernel lets in only what comes
// from its address and port. A request takes one of them at random. The pool grows with what is
// asked, one socket for each request within the last second up to kMaxPorts, and sockets are
// replaced in turn: whoever forges a reply has to guess port and id (RFC 5452 section 4.5). They
// are closed when idle.
//
// TCP: one connection to an upstream carries all requests, many at a time, in any order of replies
// (RFC 7766 6.2.1.1). The same with TLS in it (RFC 7858), whose sessions are resumed. Where TLS
// came to nothing, requests fail for kTlsRest without another handshake.
//
// Some servers close a connection behind a few answers, whatever else they were asked on it. For
// kFewFor no connection to such a one is given more requests than it answered, up to kMostBeside
// are used at a time, and what is beyond that waits for one to end.
//
// Some close a connection for one thing that they are asked. What was on a connection that ended
// without any answer is asked again on connections of its own, one for each request, up to
// kMostBeside at a time: then only the one that they close it for is without an answer.
//
// Descriptors, for each worker and upstream that is asked: kMaxPorts sockets in use and as many
// that are replaced and await their last replies, one connection, those replaced and those
// that have all they may be given, one epoll instance.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <memory>
#include <vector>

#include "dns/base/descriptor.h"
#include "dns/forward/attempt_table.h"
#include "dns/forward/transport.h"

namespace clusterdns::dns {

// From the kernel's random generator, fetched a page at a time.
class RandomNumbers {
 public:
  [[nodiscard]] std::uint32_t next() noexcept;

 private:
  std::array<std::uint32_t, 64> numbers_;  // 256 octets: getrandom never cuts that short
  std::size_t left_ = 0;
};

class SocketTransport final : public UpstreamTransport,
                              public std::enable_shared_from_this<SocketTransport> {
 public:
  static constexpr std::size_t kMaxPorts = 64;
  // Connections to one upstream that were replaced, and await their last replies.
  static constexpr std::size_t kMostReplaced = 8;
  // Connections to one upstream that have as many requests as it answers on one, or the one that
  // is asked apart from others.
  static constexpr std::size_t kMostBeside = 32;
  // Octets of requests that wait for a connection to one upstream.
  static constexpr std::size_t kMostQueued = std::size_t{1} << 20;
  static constexpr std::chrono::milliseconds kTlsRest{250};
  static constexpr std::chrono::milliseconds kFewFor{60'000};
  // Behind its last answer.
  static constexpr std::chrono::milliseconds kDirectly{1000};

  SocketTransport(boost::asio::io_context& io, RandomNumbers& random, TransportOptions options,
                  std::weak_ptr<void> owner);
  ~SocketTransport() override;

  [[nodiscard]] Sent send(std::size_t upstream, Transport transport,
                          std::span<std::uint8_t> request,
                          UpstreamAttempt& attempt) noexcept override;
  void forget(UpstreamAttempt& attempt) noexcept override;
  [[nodiscard]] TransportFailure place(const UpstreamAttempt& attempt) const noexcept override;
  void distrust(const UpstreamAttempt& attempt, UpstreamClock::time_point sent) noexcept override;
  UpstreamClock::time_point tidy(UpstreamClock::time_point now) noexcept override;

 private:
  using Clock = UpstreamClock;
  using Attempts = boost::intrusive::list<
      UpstreamAttempt,
      boost::intrusive::member_hook<UpstreamAttempt, decltype(UpstreamAttempt::of_socket_),
                                    &UpstreamAttempt::of_socket_>,
      boost::intrusive::constant_time_size<false>>;
  struct Socket;
  struct Port;
  struct Connection;
  struct Server;

  // Datagrams of one system call. 16 are what a loaded upstream gathers on one port between two
  // wake-ups. Requests announce less than kSlotSize: what is longer is cut, and asked over TCP.
  static constexpr std::size_t kSlots = 16;
  static constexpr std::size_t kSlotSize = 4096;
  struct Batch {
    std::array<mmsghdr, kSlots> headers;
    std::array<iovec, kSlots> vectors;
    // One cache line more than a page: rows a whole number of pages apart would share the few
    // cache lines of one set.
    std::array<std::array<std::uint8_t, kSlotSize + 64>, kSlots> memory;
  };

  [[nodiscard]] Sent send_udp(Server& server, std::span<std::uint8_t> request,
                              UpstreamAttempt& attempt);
  [[nodiscard]] Sent send_tcp(Server& server, std::span<std::uint8_t> request,
                              UpstreamAttempt& attempt);
  // nullptr: `failure` says why.
  Port* port_for(Server& server, Clock::time_point now, Sent& sent);
  std::unique_ptr<Port> open_port(Server& server, Clock::time_point now, TransportFailure& failure);
  // One that others use, too, or one for this request alone. nullptr: `sent` says why, or there is
  // room for no more and it says nothing.
  Connection* connection_for(Server& server, bool apart, Clock::time_point now, Sent& sent);
  // nullptr: `sent` says why.
  std::unique_ptr<Connection> open_connection(Server& server, Clock::time_point now, Sent& sent);
  void put(Connection& connection, std::span<std::uint8_t> request, UpstreamAttempt& attempt,
           Clock::time_point now);
  // It is given nothing new, and ends with what is under way on it.
  static void retire(Server& server) noexcept;
  void send_queued() noexcept;
  // The descriptor for `server`, connected or connecting, watched for `events`; -1.
  Descriptor open(Server& server, int type, std::uint32_t events, Socket& socket,
                  TransportFailure& failure);
  [[nodiscard]] bool watch() noexcept;
  void wait() noexcept;
  void on_ready() noexcept;
  void read_port(Port& port) noexcept;
  void on_connection(Connection& connection, std::uint32_t events) noexcept;
  void read_connection(Connection& connection) noexcept;
  bool write_connection(Connection& connection) noexcept;
  // As recv(2) and send(2).
  static ssize_t receive(Connection& connection, std::uint8_t* to, std::size_t size) noexcept;
  static ssize_t transmit(Connection& connection, std::span<const std::uint8_t> octets) noexcept;
  // Waits for something to read, and for room to write if `room`.
  void await(Connection& connection, bool room) noexcept;
  void set_events(Connection& connection, std::uint32_t events) noexcept;
  void fail(Socket& socket, TransportFailure failure) noexcept;
  void close_connection(Connection& connection, TransportFailure::Step step, int error) noexcept;
  void sweep() noexcept;
  [[nodiscard]] static Endpoint local_of(int fd) noexcept;

  boost::asio::io_context& io_;
  RandomNumbers& random_;
  const TransportOptions options_;
  const std::weak_ptr<void> owner_;
  std::vector<std::unique_ptr<Server>> servers_;
  boost::asio::posix::stream_descriptor ready_;  // the epoll instance of all sockets
  int epoll_ = -1;                               // the same
  std::unique_ptr<Batch> batch_;                 // made at the first use
  bool waiting_ = false;
  bool unswept_ = false;  // some socket awaits its end
  bool queued_ = false;   // some request waits for a connection
};

}  // namespace clusterdns::dns
