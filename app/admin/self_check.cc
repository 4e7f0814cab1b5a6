#include "app/admin/self_check.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "dns/concurrent/blocked_signals.h"
#include "dns/wire/types.h"

namespace clusterdns::app {
namespace {

// How long one question may take; a worker answers it in microseconds, a loaded machine in more.
constexpr int kPatienceMs = 1000;
// Rest after a question without an answer, so that a broken listener does not burn a core.
constexpr int kRestMs = 20;

class Socket {
 public:
  Socket(int family, int type) : fd_(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

// Where `listener` is reached from here: a wildcard address is at home on loopback.
socklen_t reach(const dns::ListenAddress& listener, sockaddr_storage& to) {
  std::memset(&to, 0, sizeof to);
  if (listener.address.is_v6()) {
    auto* const v6 = reinterpret_cast<sockaddr_in6*>(&to);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(listener.port);
    const auto address = listener.address.is_unspecified() ? boost::asio::ip::address_v6::loopback()
                                                           : listener.address.to_v6();
    const auto octets = address.to_bytes();
    std::memcpy(&v6->sin6_addr, octets.data(), octets.size());
    v6->sin6_scope_id = static_cast<std::uint32_t>(address.scope_id());
    return sizeof *v6;
  }
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&to);
  v4->sin_family = AF_INET;
  v4->sin_port = htons(listener.port);
  const auto address = listener.address.is_unspecified() ? boost::asio::ip::address_v4::loopback()
                                                         : listener.address.to_v4();
  v4->sin_addr.s_addr = htonl(address.to_uint());
  return sizeof *v4;
}

// Nobody can reach the listener, and so need not be waited for: no loopback, no route.
bool is_unreachable(int error) {
  return error == ENETUNREACH || error == EHOSTUNREACH || error == EADDRNOTAVAIL ||
         error == EAFNOSUPPORT || error == EPERM || error == EACCES;
}

// What ends the thread. Without one it could not be ended.
dns::Descriptor event() {
  dns::Descriptor fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) throw std::system_error(errno, std::generic_category(), "eventfd");
  return fd;
}

}  // namespace

SelfCheck::SelfCheck(std::vector<dns::ListenAddress> listeners,
                     std::function<std::vector<std::uint64_t>()> queries,
                     std::function<void()> passed)
    : listeners_(std::move(listeners)),
      queries_(std::move(queries)),
      passed_(std::move(passed)),
      stop_(event()),
      thread_(dns::thread_without_signals([this] { run(); })) {}

SelfCheck::~SelfCheck() {
  const std::uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

bool SelfCheck::stopped() const {
  pollfd poll{stop_.get(), POLLIN, 0};
  return ::poll(&poll, 1, 0) > 0;
}

bool SelfCheck::wait(int fd, short events) const {
  pollfd polls[2] = {{stop_.get(), POLLIN, 0}, {fd, events, 0}};
  return ::poll(polls, 2, kPatienceMs) > 0 && polls[0].revents == 0;
}

void SelfCheck::run() {
  ::pthread_setname_np(::pthread_self(), "self-check");
  for (;;) {
    try {
      for (const dns::ListenAddress& listener : listeners_) {
        if (listener.tls) continue;  // the same workers, which need no handshake to be asked
        if (!check(listener, SOCK_DGRAM) || !check(listener, SOCK_STREAM)) return;
      }
      return passed_();
    } catch (...) {
      // No memory; all over again.
      pollfd stop{stop_.get(), POLLIN, 0};
      if (::poll(&stop, 1, kPatienceMs) > 0) return;
    }
  }
}

bool SelfCheck::check(const dns::ListenAddress& listener, int type) {
  const auto before = queries_();
  for (;;) {
    switch (ask(listener, type)) {
      case Outcome::Stopped: return false;
      case Outcome::Unreachable: return !stopped();
      case Outcome::Silent: {
        pollfd poll{stop_.get(), POLLIN, 0};
        if (::poll(&poll, 1, kRestMs) > 0) return false;
        continue;
      }
      case Outcome::Answered: break;
    }
    const auto now = queries_();
    bool all = true;
    for (std::size_t i = 0; i < now.size(); ++i) all = all && now[i] > before[i];
    if (all) return true;
    if (stopped()) return false;
  }
}

SelfCheck::Outcome SelfCheck::ask(const dns::ListenAddress& listener, int type) {
  sockaddr_storage to;
  const socklen_t to_size = reach(listener, to);
  const Socket socket(to.ss_family, type);
  if (socket.get() < 0) return is_unreachable(errno) ? Outcome::Unreachable : Outcome::Silent;
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), to_size) != 0) {
    if (is_unreachable(errno)) return Outcome::Unreachable;
    if (errno != EINPROGRESS) return Outcome::Silent;
    if (!wait(socket.get(), POLLOUT)) return stopped() ? Outcome::Stopped : Outcome::Silent;
  }
  const bool tcp = type == SOCK_STREAM;
  // RFC 1035 4.1.1: opcode 2 is STATUS, which nobody implements.
  std::array<std::uint8_t, 2 + dns::kHeaderSize> message{};
  const std::uint16_t id = id_++;
  message[1] = dns::kHeaderSize;
  dns::store_u16(message.data() + 2, id);
  message[4] = 2 << 3;
  const std::size_t skip = tcp ? 0 : 2;
  if (::send(socket.get(), message.data() + skip, message.size() - skip, MSG_NOSIGNAL) < 0) {
    return is_unreachable(errno) ? Outcome::Unreachable : Outcome::Silent;
  }
  std::array<std::uint8_t, 64> reply;
  std::size_t got = 0;
  const std::size_t want = message.size() - skip;
  while (got < want) {
    if (!wait(socket.get(), POLLIN)) return stopped() ? Outcome::Stopped : Outcome::Silent;
    const ssize_t n = ::recv(socket.get(), reply.data() + got, reply.size() - got, 0);
    if (n <= 0) return Outcome::Silent;
    got += static_cast<std::size_t>(n);
    if (!tcp) break;
  }
  const std::uint8_t* const header = reply.data() + (tcp ? 2 : 0);
  if (got < want || dns::load_u16(header) != id || (header[2] & 0x80) == 0) return Outcome::Silent;
  return Outcome::Answered;
}

}  // namespace clusterdns::app
