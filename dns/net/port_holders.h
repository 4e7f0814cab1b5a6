// Who has a port: read from /proc, for messages and for telling our own sockets from others'.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "dns/net/listen_socket.h"

namespace clusterdns::dns {

struct PortHolder {
  ListenPlace place;
  std::uint64_t inode = 0;
};

// Sockets of this network namespace in the way of `place`: UDP sockets, and TCP sockets that
// listen. With `both_families`, wildcard IPv6 sockets also where IPv4 is asked for: they may serve
// both, which the kernel does not show. Empty when /proc does not tell.
[[nodiscard]] std::vector<PortHolder> port_holders(ListenKind kind, const ListenPlace& place,
                                                   bool both_families);
// The same from the text of /proc/net/{udp,tcp}{,6}.
[[nodiscard]] std::vector<PortHolder> read_port_holders(std::string_view text, bool v6,
                                                        ListenKind kind, const ListenPlace& place,
                                                        bool both_families);

struct SocketOwner {
  pid_t pid = 0;  // 0: not known, because it is another user's or in another container
  std::string program;
};
[[nodiscard]] SocketOwner socket_owner(std::uint64_t inode);

// Words to use for `bind` that name every address of this machine but `taken`: interfaces, where
// none of their addresses is taken. Empty when there are none.
[[nodiscard]] std::string other_interfaces(const std::vector<PortHolder>& taken);

}  // namespace clusterdns::dns
