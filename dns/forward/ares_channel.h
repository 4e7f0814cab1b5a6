// One c-ares channel to one upstream over one transport, on Asio's reactor.
//
// c-ares 1.18 keeps the queries, matches replies to them by id and question, frames TCP and opens
// and closes the sockets; Asio only says when a socket is ready. UDP and TCP have a channel each,
// because c-ares drops *every* query of a server when one of its sockets breaks: an upstream that
// closes an idle TCP connection must not cost the UDP queries under way.
//
// Why socket functions of our own (ares_set_socket_functions):
// - c-ares cuts UDP replies to 512 octets unless ARES_FLAG_EDNS is set, and with that flag it
//   rewrites requests it did not make (it takes 11 octets off the end of a request that got
//   FORMERR). Our receive function keeps the whole datagram beside the copy c-ares sees.
// - recvmmsg reads what has gathered in one system call.
// - c-ares closes sockets from inside its callbacks: the Asio descriptor must let go first.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <bitset>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dns/query/stage.h"

struct ares_channeldata;

namespace clusterdns::dns {

// Query ids from the kernel's random generator, fetched a page at a time: an id is half of what
// keeps an off-path forger out (RFC 5452 section 4.3).
class RandomIds {
 public:
  [[nodiscard]] std::uint16_t next() noexcept;

 private:
  std::array<std::uint16_t, 128> ids_;  // 256 octets: getrandom never cuts that short
  std::size_t left_ = 0;
};

// Datagrams of one system call. One per worker, shared by its channels: at any time only one of
// them reads.
class ReceiveBatch {
 public:
  // What a loaded upstream gathers between two wake-ups; more costs memory and gains nothing.
  static constexpr std::size_t kSlots = 16;
  // The largest UDP reply in use: requests that announce more get a cut datagram, then TCP.
  static constexpr std::size_t kSlotSize = 4096;

  void reset() noexcept { next_ = count_ = 0; }
  // The next datagram: those left over, then a new system call unless the last one showed that no
  // more are there. False with errno set when there is none.
  [[nodiscard]] bool next(int fd) noexcept;

  [[nodiscard]] std::span<const std::uint8_t> current() const noexcept { return current_; }
  [[nodiscard]] bool current_was_cut() const noexcept { return current_cut_; }

 private:
  std::vector<std::uint8_t> memory_;  // made at the first use
  std::array<mmsghdr, kSlots> headers_;
  std::array<iovec, kSlots> vectors_;
  std::size_t next_ = 0;
  std::size_t count_ = 0;
  std::span<const std::uint8_t> current_;
  bool current_cut_ = false;
};

// One request on its way. Owned by its maker, who must keep it until done().
class AresAttempt {
 public:
  enum class Outcome : std::uint8_t {
    Reply,   // a message whose id and question are the request's
    Failed,  // refused, unreachable, connection lost, out of descriptors or memory
    Timeout,
    Gone,  // the channel was destroyed
  };

  AresAttempt() = default;
  AresAttempt(const AresAttempt&) = delete;
  AresAttempt& operator=(const AresAttempt&) = delete;
  virtual ~AresAttempt() = default;

  // Called once. `message` holds during the call; `cut` says that the datagram was longer.
  virtual void done(Outcome outcome, std::span<const std::uint8_t> message, bool cut) noexcept = 0;

 private:
  friend class AresChannel;
  class AresChannel* channel_ = nullptr;
  std::uint16_t id_ = 0;
};

// Used on one thread, that of `io`. Must not be destroyed from inside AresAttempt::done() of one of
// its own attempts.
class AresChannel {
 public:
  using Transport = dns::Transport;
  // A UDP request over this size is one that c-ares would put on TCP.
  static constexpr std::size_t kMaxUdpRequest = 512;
  // Ids are 16 bits and must differ within a channel; a quarter in use keeps finding a free one
  // cheap and guessing one hard.
  static constexpr unsigned kMaxOutstanding = 16384;

  // `owner` keeps this channel alive: it is locked while events are handled. `timeout` is when
  // c-ares gives a request up. Nothing is opened before the first send().
  AresChannel(boost::asio::io_context& io, std::weak_ptr<void> owner, const Endpoint& server,
              Transport transport, std::chrono::milliseconds timeout, RandomIds& ids,
              ReceiveBatch& batch);
  AresChannel(const AresChannel&) = delete;
  AresChannel& operator=(const AresChannel&) = delete;
  ~AresChannel();

  // Sends `request`, whose first two octets become a fresh id. `attempt.done()` may be called
  // before this returns.
  void send(std::span<std::uint8_t> request, AresAttempt& attempt) noexcept;

  // Gives up what is past its time.
  void expire() noexcept;

  [[nodiscard]] unsigned outstanding() const noexcept { return outstanding_; }
  // Requests sent so far, and when the first was.
  [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }
  [[nodiscard]] std::chrono::steady_clock::time_point opened() const noexcept { return opened_; }
  // Sockets opened so far: TCP connections are made again when the other side closed them.
  [[nodiscard]] std::uint64_t sockets_opened() const noexcept { return sockets_opened_; }

 private:
  struct Socket;
  struct Hooks;  // the functions that c-ares calls

  [[nodiscard]] bool open();
  int open_socket(int family, int type) noexcept;
  int connect_socket(int fd) noexcept;
  int close_socket(int fd) noexcept;
  std::int64_t receive(int fd, void* data, std::size_t size, sockaddr* from,
                       socklen_t* from_size) noexcept;
  std::int64_t transmit(int fd, const iovec* vectors, int count) noexcept;
  void interest(int fd, bool readable, bool writable) noexcept;
  void wait_readable(const std::shared_ptr<Socket>& socket);
  void wait_writable(const std::shared_ptr<Socket>& socket);
  void on_readable(const std::shared_ptr<Socket>& socket) noexcept;
  void answered(AresAttempt& attempt, int status, const std::uint8_t* message, int size) noexcept;

  boost::asio::io_context& io_;
  std::weak_ptr<void> owner_;
  const Transport transport_;
  const std::chrono::milliseconds timeout_;
  RandomIds& random_ids_;
  ReceiveBatch& batch_;
  sockaddr_storage server_{};
  socklen_t server_size_ = 0;
  ares_channeldata* channel_ = nullptr;
  std::shared_ptr<Socket> socket_;
  std::bitset<65536> ids_in_use_;
  unsigned outstanding_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t sockets_opened_ = 0;
  std::chrono::steady_clock::time_point opened_{};
  bool got_tcp_data_ = false;
};

}  // namespace clusterdns::dns
