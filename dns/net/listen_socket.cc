#include "dns/net/listen_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

#include "dns/net/port_holders.h"

namespace clusterdns::dns {
namespace {

using boost::asio::ip::address;

// How often another free port is tried when the one UDP got is taken on TCP.
constexpr int kFreePortTries = 32;
constexpr std::uint16_t kFirstFreePort = 1024;  // below: CAP_NET_BIND_SERVICE

const char* name(ListenKind kind) { return kind == ListenKind::Udp ? "UDP" : "TCP"; }

// "systemd-resolve (pid 612) has 127.0.0.53:53", or "" when nobody is seen.
std::string describe(const std::vector<PortHolder>& holders) {
  if (holders.empty()) return {};
  const SocketOwner owner = socket_owner(holders.front().inode);
  const std::string who = owner.pid == 0
                              ? "another program"
                              : owner.program + " (pid " + std::to_string(owner.pid) + ")";
  return who + " has " + to_string(holders.front().place);
}

std::string in_use_hint(ListenKind kind, const ListenPlace& place,
                        std::vector<PortHolder> holders) {
  if (holders.empty()) holders = port_holders(kind, place, true);
  std::string hint = describe(holders);
  if (hint.empty()) hint = "another program listens there";
  hint += ": stop it, or choose another port";
  const bool wildcard = place.every_family || place.address.is_unspecified();
  bool beside = wildcard && !holders.empty();
  for (const PortHolder& holder : holders)
    beside = beside && !holder.place.address.is_unspecified();
  if (!beside) return hint;
  const std::string others = other_interfaces(holders);
  // An address of its own on loopback (systemd-resolved: 127.0.0.53) leaves the interface free.
  if (!others.empty()) hint += "; or listen beside it with `bind " + others + "`";
  return hint;
}

std::string own_path() {
  std::array<char, 4096> path;
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  return size > 0 ? std::string(path.data(), static_cast<std::size_t>(size))
                  : "/path/to/clusterdns";
}

[[noreturn]] void fail(int error, const std::string& what, ListenKind kind,
                       const ListenPlace& place, std::vector<PortHolder> holders = {}) {
  std::string hint;
  if (error == EADDRINUSE) hint = in_use_hint(kind, place, std::move(holders));
  if (error == EACCES && place.port < kFirstFreePort) {
    hint = "ports below 1024 need a privilege: `sudo setcap cap_net_bind_service=+ep " +
           own_path() + "` gives it to the program; or choose another port";
  }
  if (error == EADDRNOTAVAIL) {
    hint = "no interface of this machine has that address; `ip address` lists those it has";
  }
  if (error == EMFILE || error == ENFILE)
    hint = "no descriptors are left; raise LimitNOFILE or `ulimit -n`";
  throw std::system_error(
      error, std::generic_category(),
      what + " " + name(kind) + " " + to_string(place) + (hint.empty() ? "" : " (" + hint + ")"));
}

void set(int fd, int level, int option, int value) noexcept {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

bool is_v6(const ListenPlace& place) { return place.every_family || place.address.is_v6(); }

socklen_t to_sockaddr(const ListenPlace& place, sockaddr_storage& to) noexcept {
  std::memset(&to, 0, sizeof to);
  if (is_v6(place)) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(place.port);
    if (!place.every_family) {
      const auto octets = place.address.to_v6().to_bytes();
      std::memcpy(&v6.sin6_addr, octets.data(), octets.size());
      v6.sin6_scope_id = static_cast<std::uint32_t>(place.address.to_v6().scope_id());
    }
    std::memcpy(&to, &v6, sizeof v6);
    return sizeof v6;
  }
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(place.port);
  v4.sin_addr.s_addr = htonl(place.address.to_v4().to_uint());
  std::memcpy(&to, &v4, sizeof v4);
  return sizeof v4;
}

// `share`: with SO_REUSEPORT.
Descriptor open_socket(ListenKind kind, const ListenPlace& place, bool share) {
  const int type = kind == ListenKind::Udp ? SOCK_DGRAM : SOCK_STREAM;
  Descriptor fd(
      ::socket(is_v6(place) ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd && place.every_family && errno == EAFNOSUPPORT) {  // a machine without IPv6
    return open_socket(kind, {boost::asio::ip::address_v4::any(), place.port}, share);
  }
  if (!fd) fail(errno, "cannot open a socket for", kind, place);
  if (is_v6(place)) set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, place.every_family ? 0 : 1);
  if (kind == ListenKind::Tcp) set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (share) set(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  sockaddr_storage to;
  const socklen_t size = to_sockaddr(place, to);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), size) != 0) {
    fail(errno, "cannot bind", kind, place);
  }
  return fd;
}

}  // namespace

std::string to_string(const ListenPlace& place) {
  const std::string port = ":" + std::to_string(place.port);
  if (place.every_family) return port;
  const std::string text = place.address.to_string();
  return (place.address.is_v6() ? "[" + text + "]" : text) + port;
}

std::uint64_t socket_inode(int fd) noexcept {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

bool check_free(ListenKind kind, const ListenPlace& place, const SocketInodes& ours) {
  std::vector<PortHolder> strangers = port_holders(kind, place, false);
  std::erase_if(strangers, [&](const PortHolder& each) { return ours.contains(each.inode); });
  if (!strangers.empty()) fail(EADDRINUSE, "cannot bind", kind, place, std::move(strangers));
  // Nobody is seen: the kernel has the last word, unless our own sockets are in the way.
  for (const PortHolder& each : port_holders(kind, place, true)) {
    if (ours.contains(each.inode)) return false;
  }
  (void)open_socket(kind, place, false);
  return true;
}

Descriptor bind_listen_socket(ListenKind kind, const ListenPlace& place) {
  return open_socket(kind, place, true);
}

std::uint16_t bound_port(int fd) noexcept {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) != 0) return 0;
  if (at.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &at, sizeof v6);
    return ntohs(v6.sin6_port);
  }
  sockaddr_in v4;
  std::memcpy(&v4, &at, sizeof v4);
  return ntohs(v4.sin_port);
}

std::uint16_t find_free_port(const address& address) {
  for (int i = 0;; ++i) {
    const Descriptor udp = open_socket(ListenKind::Udp, {address, 0}, false);
    const std::uint16_t port = bound_port(udp.get());
    try {
      (void)open_socket(ListenKind::Tcp, {address, port}, false);
      return port;
    } catch (const std::system_error&) {
      if (i + 1 == kFreePortTries) throw;
    }
  }
}

}  // namespace clusterdns::dns
