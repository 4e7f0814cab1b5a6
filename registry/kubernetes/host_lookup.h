// The addresses of an API server's name, without waiting for whoever knows them.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "registry/background.h"

namespace clusterdns::registry::kubernetes {

// Names that are looked up at a time in the whole program; further look-ups fail at once.
inline constexpr std::size_t kMaxLookups = 8;

struct HostAddresses {
  boost::system::error_code error;
  std::vector<boost::asio::ip::address> addresses;  // in the order to try them in
};

// c-ares: /etc/hosts, and the servers of resolv.conf, one of which may be this very server. Returns
// after `limit` at the latest. `servers` stand for those of resolv.conf unless they are nullptr:
// "192.0.2.1:53,[2001:db8::1]:53".
[[nodiscard]] HostAddresses look_up_with_cares(const std::string& host, const char* servers,
                                               std::chrono::milliseconds limit);
// The same with the machine's servers; what they do not have is asked of getaddrinfo(3), which
// knows names that no server does (nsswitch.conf's modules).
[[nodiscard]] HostAddresses look_up_with_system(const std::string& host);

// The longest that look_up_with_system() waits for servers: two tries, and something for a second
// server. Whoever asks for a connection waits a little longer than that.
inline constexpr std::chrono::milliseconds kResolverLimit{5'000};

// One look-up at a time. It takes as long as the resolver takes, on a thread of its own that nobody
// waits for, not even at the end of the program; those who ask for a name that is being looked up
// share the result. All on the io_context's thread.
class HostLookup {
 public:
  using Resolver = HostAddresses (*)(const std::string& host);
  using Done = std::function<void(const HostAddresses&)>;

  explicit HostLookup(boost::asio::io_context& io, Resolver resolver = look_up_with_system)
      : io_(io), resolver_(resolver) {}
  ~HostLookup() { cancel(); }
  HostLookup(const HostLookup&) = delete;
  HostLookup& operator=(const HostLookup&) = delete;

  // `done` comes later, once, unless it is cancelled; a new start() cancels the one before.
  void start(const std::string& host, Done done);
  void cancel();

 private:
  boost::asio::io_context& io_;
  Resolver resolver_;
  std::shared_ptr<Delivery<HostAddresses>> delivery_;
};

}  // namespace clusterdns::registry::kubernetes
