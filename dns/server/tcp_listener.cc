#include "dns/server/tcp_listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "dns/net/endpoint.h"

namespace clusterdns::dns {
namespace {

Endpoint endpoint_of(const sockaddr_storage& from) noexcept {
  Endpoint to;
  if (from.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &from, sizeof v4);
    std::memcpy(to.address.data(), &v4.sin_addr, 4);
    to.port = ntohs(v4.sin_port);
  } else {
    sockaddr_in6 v6;
    std::memcpy(&v6, &from, sizeof v6);
    std::memcpy(to.address.data(), &v6.sin6_addr, 16);
    to.port = ntohs(v6.sin6_port);
    to.v6 = true;
    to.scope_id = v6.sin6_scope_id;
  }
  return to;
}

Descriptor open_reserve() noexcept { return Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

// What an accepted connection has met on its way; accept(2) names these.
bool is_about_connection(int error) noexcept {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPERM:  // a firewall
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH: return true;
    default: return false;
  }
}

}  // namespace

TcpListener::TcpListener(Worker& worker, const Configuration::Listener& listener, Descriptor socket)
    : worker_(worker),
      address_(listener.address),
      local_(make_endpoint(address_.address, address_.port)),
      acceptor_(*worker.context().io),
      reserve_(open_reserve()),
      accept_timer_(*worker.context().io),
      listener_(&listener) {
  acceptor_.assign(
      address_.address.is_v6() ? boost::asio::ip::tcp::v6() : boost::asio::ip::tcp::v4(),
      socket.get());
  const int fd = socket.release();
  // Accepted sockets inherit these.
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kTcpReceiveBuffer, sizeof kTcpReceiveBuffer);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kTcpSendBuffer, sizeof kTcpSendBuffer);
}

TcpListener::~TcpListener() = default;

void TcpListener::start() {
  // A bound socket that is shared can always listen: whoever else might have been in the way would
  // have kept it from being bound.
  ::listen(acceptor_.native_handle(), kBacklog);
  wait_accept();
}

void TcpListener::rearm() {
  if (!waiting_) wait_accept();
}

Endpoint TcpListener::local_of(int socket) const noexcept {
  if (!address_.address.is_unspecified()) return local_;
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&local), &size) != 0) return local_;
  return endpoint_of(local);
}

unsigned TcpListener::closeness(const Endpoint& local) const noexcept {
  if (local.port != local_.port || local.v6 != local_.v6) return 0;
  if (address_.address.is_unspecified()) return 1;
  return local.address == local_.address && local.scope_id == local_.scope_id ? 2 : 0;
}

void TcpListener::wait_accept() {
  acceptor_.async_wait(boost::asio::ip::tcp::acceptor::wait_read,
                       [this](const boost::system::error_code& error) {
                         if (error) return;  // closed
                         waiting_ = false;
                         on_acceptable();
                       });
  waiting_ = true;
}

void TcpListener::rest() {
  accept_timer_.expires_after(kAcceptRest);
  accept_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    waiting_ = false;
    // For one that was ended from outside (`ss -K`); does nothing to one that listens.
    ::listen(acceptor_.native_handle(), kBacklog);
    wait_accept();
  });
  waiting_ = true;
}

void TcpListener::on_acceptable() {
  for (unsigned i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int socket = ::accept4(acceptor_.native_handle(), reinterpret_cast<sockaddr*>(&peer),
                                 &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket >= 0) {
      worker_.tcp_connections().add(*this, socket, endpoint_of(peer));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    if (is_about_connection(errno)) continue;
    const bool scarce = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (scarce && make_room()) continue;
    return rest();
  }
  worker_.serve_udp_first();
  wait_accept();
}

bool TcpListener::make_room() {
  if (worker_.tcp_connections().give_some()) return true;
  if (!reserve_) reserve_ = open_reserve();
  if (!reserve_) return false;
  reserve_.reset();
  const Descriptor unlucky(::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC));
  return static_cast<bool>(unlucky);
}

}  // namespace clusterdns::dns
