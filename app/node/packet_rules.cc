#include "app/node/packet_rules.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <system_error>

namespace clusterdns::app {
namespace {

using registry::IpAddress;

// node-cache's, so that whoever looks for them finds these, and what it has left is taken over.
constexpr std::string_view kAllowed = "NodeLocal DNS Cache: allow DNS traffic";
constexpr std::string_view kUntracked = "NodeLocal DNS Cache: skip conntrack";
// Before connection tracking (NF_IP_PRI_CONNTRACK, -200), where iptables' table `raw` is.
constexpr std::int32_t kRawPriority = -300;
// Where addresses, and the protocol of IPv4, are in a packet's head.
constexpr std::uint32_t kV4Source = 12, kV4Target = 16, kV4Protocol = 9;
constexpr std::uint32_t kV6Source = 8, kV6Target = 24;
constexpr std::size_t kPortOctets = 2;
// The matches of iptables are aligned to the largest number.
constexpr std::size_t kXtAlign = 8;

constexpr std::array<std::uint8_t, 2> kFamilies = {NFPROTO_IPV4, NFPROTO_IPV6};
constexpr std::array<std::uint8_t, 2> kProtocols = {IPPROTO_TCP, IPPROTO_UDP};

constexpr std::uint16_t nft_type(int message) {
  return static_cast<std::uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | message);
}

NetlinkMessage nft_message(int type, std::uint16_t flags, std::uint8_t family) {
  return {nft_type(type), flags, nfgenmsg{family, NFNETLINK_V0, 0}};
}

void put_number(NetlinkMessage& message, std::uint16_t type, std::uint32_t number) {
  const std::uint32_t octets = htonl(number);
  message.attribute(type, &octets, sizeof octets);
}

template <typename Inside>
void put_nested(NetlinkMessage& message, std::uint16_t type, Inside inside) {
  message.nested(type | NLA_F_NESTED, inside);
}

template <typename Inside>
void put_expression(NetlinkMessage& message, const char* name, Inside inside) {
  put_nested(message, NFTA_LIST_ELEM, [&] {
    message.attribute(NFTA_EXPR_NAME, std::string(name));
    put_nested(message, NFTA_EXPR_DATA, inside);
  });
}

// What was loaded last equals `data`.
void put_equal(NetlinkMessage& message, const void* data, std::size_t size) {
  put_expression(message, "cmp", [&] {
    put_number(message, NFTA_CMP_SREG, NFT_REG_1);
    put_number(message, NFTA_CMP_OP, NFT_CMP_EQ);
    put_nested(message, NFTA_CMP_DATA, [&] { message.attribute(NFTA_DATA_VALUE, data, size); });
  });
}

void put_payload(NetlinkMessage& message, std::uint32_t base, std::uint32_t offset,
                 const void* data, std::size_t size) {
  put_expression(message, "payload", [&] {
    put_number(message, NFTA_PAYLOAD_DREG, NFT_REG_1);
    put_number(message, NFTA_PAYLOAD_BASE, base);
    put_number(message, NFTA_PAYLOAD_OFFSET, offset);
    put_number(message, NFTA_PAYLOAD_LEN, static_cast<std::uint32_t>(size));
  });
  put_equal(message, data, size);
}

void put_meta_protocol(NetlinkMessage& message, std::uint8_t protocol) {
  put_expression(message, "meta", [&] {
    put_number(message, NFTA_META_DREG, NFT_REG_1);
    put_number(message, NFTA_META_KEY, NFT_META_L4PROTO);
  });
  put_equal(message, &protocol, sizeof protocol);
}

// The packet comes from `address`, or goes there.
void put_address(NetlinkMessage& message, const IpAddress& address, bool source) {
  const std::uint32_t offset =
      address.is_v4() ? (source ? kV4Source : kV4Target) : (source ? kV6Source : kV6Target);
  put_payload(message, NFT_PAYLOAD_NETWORK_HEADER, offset, address.octets.data(), address.size());
}

// A match of iptables' own, as `iptables` writes it: versions before 1.8.8 read no other form, and
// give up the whole table.
template <typename Info>
void put_match(NetlinkMessage& message, const char* name, const Info& info) {
  std::vector<std::byte> data((sizeof info + kXtAlign - 1) / kXtAlign * kXtAlign);
  std::memcpy(data.data(), &info, sizeof info);
  put_expression(message, "match", [&] {
    message.attribute(NFTA_MATCH_NAME, std::string(name));
    put_number(message, NFTA_MATCH_REV, 0);
    message.attribute(NFTA_MATCH_INFO, data.data(), data.size());
  });
}

constexpr std::uint16_t kAnyPort = 0xffff;

struct Traffic {
  std::uint8_t protocol;
  const IpAddress* address;
  bool source;  // from the address and the port, not to them
  std::uint16_t port;
};

NetlinkMessage untracked(const char* chain, const Traffic& traffic) {
  auto message = nft_message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
                             traffic.address->is_v4() ? NFPROTO_IPV4 : NFPROTO_IPV6);
  message.attribute(NFTA_RULE_TABLE, std::string(PacketRules::kTable));
  message.attribute(NFTA_RULE_CHAIN, std::string(chain));
  put_nested(message, NFTA_RULE_EXPRESSIONS, [&] {
    put_meta_protocol(message, traffic.protocol);
    put_address(message, *traffic.address, traffic.source);
    const std::uint16_t port = htons(traffic.port);
    put_payload(message, NFT_PAYLOAD_TRANSPORT_HEADER, traffic.source ? 0 : kPortOctets, &port,
                sizeof port);
    put_expression(message, "counter", [] {});
    put_expression(message, "notrack", [] {});
  });
  // A comment as `nft` knows it: type 0, its length, the text with a zero at its end.
  std::string comment("\0", 1);
  comment += static_cast<char>(kUntracked.size() + 1);
  comment += kUntracked;
  message.attribute(NFTA_RULE_USERDATA, comment);
  return message;
}

NetlinkMessage accepted(const char* chain, const Traffic& traffic) {
  const bool v4 = traffic.address->is_v4();
  // At the head of the chain.
  auto message = nft_message(NFT_MSG_NEWRULE, NLM_F_CREATE, v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
  message.attribute(NFTA_RULE_TABLE, std::string("filter"));
  message.attribute(NFTA_RULE_CHAIN, std::string(chain));
  put_nested(message, NFTA_RULE_EXPRESSIONS, [&] {
    put_address(message, *traffic.address, traffic.source);
    if (v4) {
      put_payload(message, NFT_PAYLOAD_NETWORK_HEADER, kV4Protocol, &traffic.protocol, 1);
    } else {
      put_meta_protocol(message, traffic.protocol);
    }
    const auto ports = [&](auto info) {
      auto* const exact = traffic.source ? info.spts : info.dpts;
      auto* const any = traffic.source ? info.dpts : info.spts;
      exact[0] = exact[1] = traffic.port;
      any[0] = 0;
      any[1] = kAnyPort;
      return info;
    };
    if (traffic.protocol == IPPROTO_TCP) {
      put_match(message, "tcp", ports(xt_tcp{}));
    } else {
      put_match(message, "udp", ports(xt_udp{}));
    }
    xt_comment_info comment{};
    kAllowed.copy(comment.comment, sizeof comment.comment - 1);
    put_match(message, "comment", comment);
    put_expression(message, "counter", [] {});
    put_expression(message, "immediate", [&] {
      put_number(message, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
      put_nested(message, NFTA_IMMEDIATE_DATA, [&] {
        put_nested(message, NFTA_DATA_VERDICT,
                   [&] { put_number(message, NFTA_VERDICT_CODE, NF_ACCEPT); });
      });
    });
  });
  put_nested(message, NFTA_RULE_COMPAT, [&] {
    put_number(message, NFTA_RULE_COMPAT_PROTO, traffic.protocol);
    put_number(message, NFTA_RULE_COMPAT_FLAGS, 0);
  });
  return message;
}

NetlinkMessage named_table(int type, std::uint16_t flags, std::uint8_t family) {
  auto message = nft_message(type, flags, family);
  message.attribute(NFTA_TABLE_NAME, std::string(PacketRules::kTable));
  return message;
}

NetlinkMessage own_chain(std::uint8_t family, const char* name, std::uint32_t hook) {
  auto message = nft_message(NFT_MSG_NEWCHAIN, NLM_F_CREATE, family);
  message.attribute(NFTA_CHAIN_TABLE, std::string(PacketRules::kTable));
  message.attribute(NFTA_CHAIN_NAME, std::string(name));
  put_nested(message, NFTA_CHAIN_HOOK, [&] {
    put_number(message, NFTA_HOOK_HOOKNUM, hook);
    put_number(message, NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(kRawPriority));
  });
  message.attribute(NFTA_CHAIN_TYPE, std::string("filter"));
  return message;
}

// Each rule of a chain, its attributes.
void each_rule(NetlinkSocket& netlink, std::uint8_t family, const char* table, const char* chain,
               const std::function<void(std::span<const std::byte>)>& each) {
  auto message = nft_message(NFT_MSG_GETRULE, NLM_F_DUMP, family);
  message.attribute(NFTA_RULE_TABLE, std::string(table));
  if (chain != nullptr) message.attribute(NFTA_RULE_CHAIN, std::string(chain));
  const int error = netlink.list(std::move(message), [&](std::span<const std::byte> octets) {
    const std::size_t head = NLMSG_LENGTH(sizeof(nfgenmsg));
    if (octets.size() > head) each(octets.subspan(head));
  });
  if (error != 0 && error != ENOENT) {
    throw std::system_error(error, std::generic_category(), "rules of nf_tables");
  }
}

bool is_text(std::span<const std::byte> data, std::string_view text) {
  return data.size() >= text.size() && std::memcmp(data.data(), text.data(), text.size()) == 0 &&
         (data.size() == text.size() || data[text.size()] == std::byte{0});
}

// A rule that accepted() could have made, or node-cache.
bool is_ours(std::span<const std::byte> rule) {
  bool ours = false;
  each_attribute(find_attribute(rule, NFTA_RULE_EXPRESSIONS),
                 [&](std::uint16_t, std::span<const std::byte> expression) {
                   if (!is_text(find_attribute(expression, NFTA_EXPR_NAME), "match")) return;
                   const auto data = find_attribute(expression, NFTA_EXPR_DATA);
                   ours = ours || (is_text(find_attribute(data, NFTA_MATCH_NAME), "comment") &&
                                   is_text(find_attribute(data, NFTA_MATCH_INFO), kAllowed));
                 });
  return ours;
}

// The numbers by which the kernel knows our rules of a chain of `filter`.
std::vector<std::uint64_t> our_handles(NetlinkSocket& netlink, std::uint8_t family,
                                       const char* chain) {
  std::vector<std::uint64_t> handles;
  each_rule(netlink, family, "filter", chain, [&](std::span<const std::byte> rule) {
    // Old kernels give the rules of all chains.
    if (!is_text(find_attribute(rule, NFTA_RULE_CHAIN), chain) || !is_ours(rule)) return;
    const auto handle = find_attribute(rule, NFTA_RULE_HANDLE);
    if (handle.size() != sizeof(std::uint64_t)) return;
    std::uint64_t number = 0;
    std::memcpy(&number, handle.data(), sizeof number);  // goes back as it came
    handles.push_back(number);
  });
  return handles;
}

NetlinkMessage without(std::uint8_t family, const char* chain, std::uint64_t handle) {
  auto message = nft_message(NFT_MSG_DELRULE, 0, family);
  message.attribute(NFTA_RULE_TABLE, std::string("filter"));
  message.attribute(NFTA_RULE_CHAIN, std::string(chain));
  message.attribute(NFTA_RULE_HANDLE, &handle, sizeof handle);
  return message;
}

bool has_chain(NetlinkSocket& netlink, std::uint8_t family, const char* chain) {
  auto message = nft_message(NFT_MSG_GETCHAIN, NLM_F_ACK, family);
  message.attribute(NFTA_CHAIN_TABLE, std::string("filter"));
  message.attribute(NFTA_CHAIN_NAME, std::string(chain));
  return netlink.ask(std::move(message)) == 0;
}

NetlinkSocket open_netfilter() {
  try {
    return NetlinkSocket(NETLINK_NETFILTER);
  } catch (const std::system_error& e) {
    if (e.code().value() != EPROTONOSUPPORT) throw;
    throw std::runtime_error(
        "this kernel has no nf_tables; load its module 'nf_tables', or start with "
        "-setupiptables=false");
  }
}

void commit(NetlinkSocket& netlink, std::vector<NetlinkMessage> messages, const char* what) {
  const int error = netlink.commit(std::move(messages));
  if (error == EOPNOTSUPP || error == EINVAL) {
    throw std::system_error(error, std::generic_category(),
                            std::string(what) + ": this kernel's nf_tables lacks what they need");
  }
  if (error != 0) throw std::system_error(error, std::generic_category(), what);
}

constexpr const char* kOwnRules = "rules against connection tracking";
constexpr const char* kFilterRules = "rules of iptables' table 'filter'";

}  // namespace

std::vector<IpAddress> PacketRules::of_family(std::uint8_t family) const {
  std::vector<IpAddress> some;
  for (const IpAddress& address : wanted_.addresses) {
    if (address.is_v4() == (family == NFPROTO_IPV4)) some.push_back(address);
  }
  return some;
}

bool PacketRules::ensure_own(NetlinkSocket& netlink, std::uint8_t family) {
  constexpr const char* kPrerouting = "prerouting";
  constexpr const char* kOutput = "output";
  std::vector<NetlinkMessage> rules;
  for (const IpAddress& address : of_family(family)) {
    for (const std::uint8_t protocol : kProtocols) {
      rules.push_back(untracked(kPrerouting, {protocol, &address, false, wanted_.port}));
      rules.push_back(untracked(kOutput, {protocol, &address, true, wanted_.port}));
      // Of the node's own programs.
      rules.push_back(untracked(kOutput, {protocol, &address, false, wanted_.port}));
    }
    for (const bool source : {false, true}) {
      rules.push_back(untracked(kOutput, {IPPROTO_TCP, &address, source, wanted_.health_port}));
    }
  }
  std::size_t present = 0;
  each_rule(netlink, family, kTable, nullptr, [&](auto) { ++present; });
  if (!first_ && present == rules.size()) return false;
  // Made if it is not there, so that it can be deleted with what it has, and be new.
  std::vector<NetlinkMessage> messages;
  messages.push_back(named_table(NFT_MSG_NEWTABLE, NLM_F_CREATE, family));
  messages.push_back(named_table(NFT_MSG_DELTABLE, 0, family));
  messages.push_back(named_table(NFT_MSG_NEWTABLE, NLM_F_CREATE, family));
  messages.push_back(own_chain(family, kPrerouting, NF_INET_PRE_ROUTING));
  messages.push_back(own_chain(family, kOutput, NF_INET_LOCAL_OUT));
  for (NetlinkMessage& rule : rules) messages.push_back(std::move(rule));
  commit(netlink, std::move(messages), kOwnRules);
  return true;
}

bool PacketRules::ensure_filter(NetlinkSocket& netlink, std::uint8_t family, bool output) {
  const char* const chain = output ? "OUTPUT" : "INPUT";
  if (!has_chain(netlink, family, chain)) return false;
  const auto present = our_handles(netlink, family, chain);
  std::vector<NetlinkMessage> messages;
  for (const std::uint64_t handle : present) messages.push_back(without(family, chain, handle));
  for (const IpAddress& address : of_family(family)) {
    for (const std::uint8_t protocol : kProtocols) {
      messages.push_back(accepted(chain, {protocol, &address, output, wanted_.port}));
    }
  }
  if (!first_ && messages.size() == 2 * present.size()) return false;
  commit(netlink, std::move(messages), kFilterRules);
  return true;
}

bool PacketRules::ensure() {
  NetlinkSocket netlink = open_netfilter();
  bool changed = false;
  for (const std::uint8_t family : kFamilies) {
    if (of_family(family).empty()) continue;
    changed = ensure_own(netlink, family) || changed;
    for (const bool output : {false, true}) {
      changed = ensure_filter(netlink, family, output) || changed;
    }
  }
  first_ = false;
  return changed;
}

void PacketRules::remove() {
  NetlinkSocket netlink = open_netfilter();
  std::optional<std::system_error> failed;
  const auto attempt = [&](std::vector<NetlinkMessage> messages, const char* what) {
    const int error = netlink.commit(std::move(messages));
    if (error != 0 && error != ENOENT) failed.emplace(error, std::generic_category(), what);
  };
  for (const std::uint8_t family : kFamilies) {
    if (of_family(family).empty()) continue;
    for (const char* const chain : {"INPUT", "OUTPUT"}) {
      std::vector<NetlinkMessage> messages;
      for (const std::uint64_t handle : our_handles(netlink, family, chain)) {
        messages.push_back(without(family, chain, handle));
      }
      attempt(std::move(messages), kFilterRules);
    }
    std::vector<NetlinkMessage> own;
    own.push_back(named_table(NFT_MSG_DELTABLE, 0, family));
    attempt(std::move(own), kOwnRules);
  }
  if (failed) throw *failed;
}

bool PacketRules::legacy_filter() {
  std::ifstream names("/proc/net/ip_tables_names");
  for (std::string name; std::getline(names, name);) {
    if (name == "filter") return true;
  }
  return false;
}

}  // namespace clusterdns::app
