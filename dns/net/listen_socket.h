// Sockets that are bound for listening, told apart from those of other programs.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include <boost/asio/ip/address.hpp>

#include "dns/base/descriptor.h"

namespace clusterdns::dns {

enum class ListenKind : std::uint8_t { Udp, Tcp };

struct ListenPlace {
  boost::asio::ip::address address;
  std::uint16_t port = 0;     // 0: any free one
  bool every_family = false;  // IPv6 and IPv4 by one socket; `address` is ignored
};
// "127.0.0.1:53", "[::1]:53", or ":53" for every family.
[[nodiscard]] std::string to_string(const ListenPlace& place);

// Inode numbers of sockets; how the kernel tells them apart in /proc.
using SocketInodes = std::set<std::uint64_t>;
[[nodiscard]] std::uint64_t socket_inode(int fd) noexcept;

// Throws std::system_error when somebody else's socket has `place`, or one that `place` takes in,
// or that takes in `place`; its text says who, as far as this process may know, and what to do.
// `ours` are no strangers; false when some of them are there. SO_REUSEPORT alone would let two
// programs of one user share a port in silence, each getting half of the queries.
bool check_free(ListenKind kind, const ListenPlace& place, const SocketInodes& ours);

// A bound socket, non-blocking, close-on-exec, not listening yet; any number of them for one place
// (SO_REUSEPORT). Of several places that take in an address the kernel asks the closest. Throws
// std::system_error as check_free() does.
[[nodiscard]] Descriptor bind_listen_socket(ListenKind kind, const ListenPlace& place);

// A port of `address` that is free for UDP and TCP. Throws std::system_error.
[[nodiscard]] std::uint16_t find_free_port(const boost::asio::ip::address& address);
[[nodiscard]] std::uint16_t bound_port(int fd) noexcept;

}  // namespace clusterdns::dns
