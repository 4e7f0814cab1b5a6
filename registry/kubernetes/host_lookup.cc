#include "registry/kubernetes/host_lookup.h"

#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <utility>

namespace clusterdns::registry::kubernetes {
namespace {

using Waiter = std::shared_ptr<Delivery<HostAddresses>>;

// Look-ups under way in the whole program, and who waits for them.
class Lookups {
 public:
  // Never destroyed: threads that nobody waits for come back to it.
  static Lookups& all() {
    static auto* const lookups = new Lookups;
    return *lookups;
  }

  void add(const std::string& host, HostLookup::Resolver resolver, Waiter waiter) {
    bool fresh = false;
    {
      const std::lock_guard lock(mutex_);
      const auto it = running_.find({host, resolver});
      fresh = it == running_.end();
      if (!fresh) {
        // Those who have lost interest go, so that a name that takes for ever gathers nobody.
        std::erase_if(it->second, [](const Waiter& one) { return one->abandoned(); });
        it->second.push_back(std::move(waiter));
        return;
      }
      if (running_.size() < kMaxLookups) running_[{host, resolver}].push_back(waiter);
      fresh = running_.contains({host, resolver});
    }
    if (!fresh) {
      waiter->put({boost::asio::error::try_again, {}});
    } else if (!run_detached([this, host, resolver] { run(host, resolver); })) {
      finish(host, resolver, {boost::asio::error::no_memory, {}});
    }
  }

 private:
  using Key = std::pair<std::string, HostLookup::Resolver>;

  void run(const std::string& host, HostLookup::Resolver resolver) {
    HostAddresses found;
    try {
      found = resolver(host);
    } catch (const std::exception&) {
      found = {boost::asio::error::no_memory, {}};
    }
    finish(host, resolver, found);
  }

  void finish(const std::string& host, HostLookup::Resolver resolver, const HostAddresses& found) {
    std::vector<Waiter> waiters;
    {
      const std::lock_guard lock(mutex_);
      const auto it = running_.find({host, resolver});
      waiters = std::move(it->second);
      running_.erase(it);
    }
    for (const Waiter& waiter : waiters) waiter->put(found);
  }

  std::mutex mutex_;
  std::map<Key, std::vector<Waiter>> running_;
};

namespace ip = boost::asio::ip;
using boost::system::error_code;

void add_address(HostAddresses& to, int family, const void* socket_address) {
  if (family == AF_INET) {
    sockaddr_in address{};
    std::memcpy(&address, socket_address, sizeof address);
    to.addresses.push_back(ip::address_v4(ntohl(address.sin_addr.s_addr)));
  } else if (family == AF_INET6) {
    sockaddr_in6 address{};
    std::memcpy(&address, socket_address, sizeof address);
    ip::address_v6::bytes_type octets;
    std::memcpy(octets.data(), &address.sin6_addr, octets.size());
    to.addresses.push_back(ip::address_v6(octets, address.sin6_scope_id));
  }
}

// A look-up with c-ares, from the answer's side.
struct CaresLookup {
  HostAddresses result;
  bool ended = false;

  static void done(void* self_pointer, int status, int, ares_addrinfo* found) {
    auto& self = *static_cast<CaresLookup*>(self_pointer);
    self.ended = true;
    HostAddresses& result = self.result;
    if (status == ARES_SUCCESS) {
      for (const auto* one = found->nodes; one != nullptr; one = one->ai_next) {
        add_address(result, one->ai_family, one->ai_addr);
      }
    }
    if (found != nullptr) ares_freeaddrinfo(found);
    if (!result.addresses.empty()) return;
    result.error = status == ARES_SUCCESS || status == ARES_ENOTFOUND || status == ARES_ENODATA
                       ? error_code(boost::asio::error::host_not_found)
                   : status == ARES_ENOMEM
                       ? error_code(boost::asio::error::no_memory)
                       : error_code(boost::asio::error::host_not_found_try_again);
  }
};

// Waits for the channel's sockets, and lets c-ares see to them; no longer than until `end`.
void serve(ares_channel channel, std::chrono::steady_clock::time_point end) {
  std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
  const int bits = ares_getsock(channel, sockets.data(), ARES_GETSOCK_MAXNUM);
  std::array<pollfd, ARES_GETSOCK_MAXNUM> polled{};
  nfds_t count = 0;
  for (int i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
    short events = 0;
    if (ARES_GETSOCK_READABLE(bits, i)) events |= POLLIN;
    if (ARES_GETSOCK_WRITABLE(bits, i)) events |= POLLOUT;
    if (events != 0) polled[count++] = {sockets[static_cast<std::size_t>(i)], events, 0};
  }
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  timeval most{static_cast<time_t>(left.count() / 1000),
               static_cast<suseconds_t>(left.count() % 1000 * 1000)};
  timeval own{};
  const timeval* const wait = ares_timeout(channel, &most, &own);
  ::poll(polled.data(), count, static_cast<int>(wait->tv_sec * 1000 + wait->tv_usec / 1000 + 1));
  ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // what is past its time
  for (nfds_t i = 0; i < count; ++i) {
    const short events = polled[i].revents;
    if (events == 0) continue;
    const bool readable = (events & (POLLIN | POLLERR | POLLHUP)) != 0;
    ares_process_fd(channel, readable ? polled[i].fd : ARES_SOCKET_BAD,
                    (events & POLLOUT) != 0 ? polled[i].fd : ARES_SOCKET_BAD);
  }
}

}  // namespace

HostAddresses look_up_with_cares(const std::string& host, const char* servers,
                                 std::chrono::milliseconds limit) {
  ares_options options{};
  options.timeout = 2000;
  options.tries = 2;
  ares_channel channel = nullptr;
  if (ares_init_options(&channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) != ARES_SUCCESS) {
    return {boost::asio::error::no_memory, {}};
  }
  CaresLookup lookup;
  if (servers != nullptr && ares_set_servers_ports_csv(channel, servers) != ARES_SUCCESS) {
    lookup.result.error = boost::asio::error::no_recovery;
  } else {
    ares_addrinfo_hints hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    const auto end = std::chrono::steady_clock::now() + limit;
    ares_getaddrinfo(channel, host.c_str(), nullptr, &hints, &CaresLookup::done, &lookup);
    while (!lookup.ended) {
      if (std::chrono::steady_clock::now() < end) {
        serve(channel, end);
      } else {
        ares_cancel(channel);
        break;
      }
    }
  }
  ares_destroy(channel);
  if (!lookup.ended && !lookup.result.error) {
    lookup.result.error = boost::asio::error::host_not_found_try_again;
  }
  return lookup.result;
}

HostAddresses look_up_with_system(const std::string& host) {
  HostAddresses result = look_up_with_cares(host, nullptr, kResolverLimit);
  if (result.error != boost::asio::error::host_not_found) return result;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (failed != 0) {
    if (failed == EAI_AGAIN) result.error = boost::asio::error::host_not_found_try_again;
    return result;
  }
  result = {};
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    add_address(result, one->ai_family, one->ai_addr);
  }
  ::freeaddrinfo(found);
  if (result.addresses.empty()) result.error = boost::asio::error::host_not_found;
  return result;
}

void HostLookup::start(const std::string& host, Done done) {
  cancel();
  delivery_ = std::make_shared<Delivery<HostAddresses>>(
      io_, [this, done = std::move(done)](const HostAddresses& found) {
        delivery_.reset();
        // This may start the next one.
        const Done callback = done;
        callback(found);
      });
  Lookups::all().add(host, resolver_, delivery_);
}

void HostLookup::cancel() {
  if (delivery_) delivery_->abandon();
  delivery_.reset();
}

}  // namespace clusterdns::registry::kubernetes
