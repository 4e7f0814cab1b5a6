// What keeps queries to a node's own addresses away from connection tracking, and lets a firewall
// accept them: rules of nf_tables, over netlink.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/node/netlink.h"
#include "registry/ip_address.h"

namespace clusterdns::app {

// For each address: what goes to and comes from its port is not tracked, in chains of a table of
// our own that stand where those of iptables' table `raw` do. What is not tracked is no known
// connection, which a firewall may drop. So it is also accepted in the table `filter` of iptables,
// if there is one that lies in nf_tables, in the form and with the comment that node-cache's rules
// have there. A table of ours could not do that: what one table accepts, another may drop.
class PacketRules {
 public:
  struct Wanted {
    std::vector<registry::IpAddress> addresses;
    std::uint16_t port = 53;
    std::uint16_t health_port = 8080;  // on the node, over TCP
  };
  explicit PacketRules(Wanted wanted) : wanted_(std::move(wanted)) {}

  // Puts what is missing; true when something was. Throws std::runtime_error with what is wrong;
  // std::system_error when the kernel refuses.
  bool ensure();
  // Takes all of it away. The same.
  void remove();

  // Whether iptables keeps a table `filter` in this network namespace that nf_tables does not know.
  [[nodiscard]] static bool legacy_filter();

  static constexpr const char* kTable = "clusterdns_node_cache";

 private:
  [[nodiscard]] std::vector<registry::IpAddress> of_family(std::uint8_t family) const;
  // What is not tracked.
  bool ensure_own(NetlinkSocket& netlink, std::uint8_t family);
  // What is accepted; INPUT and OUTPUT.
  bool ensure_filter(NetlinkSocket& netlink, std::uint8_t family, bool output);

  Wanted wanted_;
  bool first_ = true;
};

}  // namespace clusterdns::app
