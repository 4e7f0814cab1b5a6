// The one seam between forwarding and the world: time, randomness and messages to upstreams. The
// real one is dns/forward/socket_transport.h; tests have one that does what they say.
#pragma once

#include <boost/intrusive/list.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dns/net/tls_context.h"
#include "dns/query/stage.h"

namespace clusterdns::dns {

// Its time points, whoever says what time it is.
using UpstreamClock = std::chrono::steady_clock;

// What went wrong with a request, and where: the parts of what is said of it, see failure_text().
struct TransportFailure {
  enum class Step : std::uint8_t { Socket, Bind, Connect, Write, Read };
  Step step = Step::Read;
  int error = 0;              // errno; 0: the other side closed the connection
  Endpoint local;             // port 0: not known
  const char* tls = nullptr;  // with EPROTO: see TlsStream::problem(); the transport's own
  // The connection was closed behind answers to others: some servers give a few and close it.
  bool after_answers = false;
};

// Whom to ask, and how.
struct UpstreamServer : Endpoint {
  UpstreamServer() = default;
  UpstreamServer(const Endpoint& at) : Endpoint(at) {}

  // DNS over TLS (RFC 7858), and nothing else; nullptr: UDP and TCP.
  std::shared_ptr<TlsContexts> tls = {};
  // What the certificate must be for, without a final dot; empty: the address.
  std::string server_name = {};

  // Whether it is the same server, asked the same way.
  [[nodiscard]] bool same_as(const UpstreamServer& other) const noexcept {
    return address == other.address && port == other.port && v6 == other.v6 &&
           scope_id == other.scope_id && (tls == nullptr) == (other.tls == nullptr) &&
           server_name == other.server_name;
  }
};

// A request under way. Whoever made it keeps it until it is forgotten; then the transport does not
// know it any more.
class UpstreamAttempt {
 public:
  UpstreamAttempt() = default;
  UpstreamAttempt(const UpstreamAttempt&) = delete;
  UpstreamAttempt& operator=(const UpstreamAttempt&) = delete;
  virtual ~UpstreamAttempt() = default;

  // A message came with this request's id, from the upstream's address and port to the port that it
  // was sent from. Nothing else is known of it. The request stays under way. `message` may be
  // written to and is valid during the call; `cut`: the datagram was longer.
  virtual void on_message(std::span<std::uint8_t> message, bool cut) noexcept = 0;
  // Forgotten already: it will not be answered any more.
  virtual void on_failure(const TransportFailure& failure) noexcept = 0;

 private:
  friend class SocketTransport;
  friend class ScriptedTransport;
  friend class AttemptTable;
  boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>
      of_socket_;
  UpstreamAttempt* next_ = nullptr;   // in a table of ids
  void* socket_ = nullptr;            // nullptr: not under way
  std::vector<std::uint8_t> queued_;  // the request while it waits for a connection
  std::uint16_t id_ = 0;
};

// Sends requests to the upstreams that it was made for, which are named by their index. Used on one
// thread. Calls on_message() and on_failure() from handlers of its own only, never from inside a
// call of these functions, which may all be called from there.
class UpstreamTransport {
 public:
  UpstreamTransport() = default;
  UpstreamTransport(const UpstreamTransport&) = delete;
  UpstreamTransport& operator=(const UpstreamTransport&) = delete;
  virtual ~UpstreamTransport() = default;

  struct Sent {
    bool ok = true;
    bool opened = false;       // a socket was opened for it
    TransportFailure failure;  // unless `ok`; the attempt is not under way then
  };
  // Sends a message of at most 512 octets under a fresh unpredictable id, which is written to it.
  // To an upstream with TLS it goes over TLS, whatever `transport` says.
  [[nodiscard]] virtual Sent send(std::size_t upstream, Transport transport,
                                  std::span<std::uint8_t> request,
                                  UpstreamAttempt& attempt) noexcept = 0;
  // Does nothing to one that is not under way.
  virtual void forget(UpstreamAttempt& attempt) noexcept = 0;
  // Where a request under way has got to, as a failure with error 0.
  [[nodiscard]] virtual TransportFailure place(const UpstreamAttempt& attempt) const noexcept = 0;
  // It has been silent for long: what carries it and has carried nothing back since `sent` carries
  // nothing new.
  virtual void distrust(const UpstreamAttempt& attempt,
                        UpstreamClock::time_point sent) noexcept = 0;
  // Closes what has been idle for long. When there will be more to close; max(): nothing is open.
  virtual UpstreamClock::time_point tidy(UpstreamClock::time_point now) noexcept = 0;
};

class UpstreamTimer {
 public:
  UpstreamTimer() = default;
  UpstreamTimer(const UpstreamTimer&) = delete;
  UpstreamTimer& operator=(const UpstreamTimer&) = delete;
  virtual ~UpstreamTimer() = default;
  // Calls `handler` at `when`, once, instead of what it was to call before.
  virtual void arm(UpstreamClock::time_point when, std::function<void()> handler) = 0;
};

struct TransportOptions {
  std::vector<UpstreamServer> upstreams;
  // What requests come from; nullopt: what the kernel chooses.
  std::optional<boost::asio::ip::address> source = {};
  // A UDP socket is replaced, with its source port, when it is about so old or has carried about so
  // many requests: a port that never changes can be found out (RFC 5452 section 9.2).
  std::chrono::milliseconds port_lifetime{60'000};
  std::uint32_t requests_per_port = 1024;
  // Sockets that carried nothing for so long are closed.
  std::chrono::milliseconds port_idle{10'000};
  std::chrono::milliseconds connection_idle{10'000};
  // A TCP connection is replaced when it is so old; 0: never.
  std::chrono::milliseconds connection_age{0};
};

class UpstreamNetwork {
 public:
  UpstreamNetwork() = default;
  UpstreamNetwork(const UpstreamNetwork&) = delete;
  UpstreamNetwork& operator=(const UpstreamNetwork&) = delete;
  virtual ~UpstreamNetwork() = default;

  [[nodiscard]] virtual UpstreamClock::time_point now() noexcept = 0;
  // Unpredictable.
  [[nodiscard]] virtual std::uint32_t random() noexcept = 0;
  // Calls it on this thread, after whatever is going on. May throw std::bad_alloc.
  virtual void post(std::function<void()> call) = 0;
  [[nodiscard]] virtual std::unique_ptr<UpstreamTimer> make_timer() = 0;
  // `owner` keeps the transport alive: it is held while messages are handed out. Opens nothing
  // before the first request.
  [[nodiscard]] virtual std::shared_ptr<UpstreamTransport> make_transport(
      TransportOptions options, std::weak_ptr<void> owner) = 0;
};

// The real one, on `io`.
[[nodiscard]] std::shared_ptr<UpstreamNetwork> make_socket_network(boost::asio::io_context& io);

}  // namespace clusterdns::dns
