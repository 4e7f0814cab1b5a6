// Who a client is when clients share something that is scarce.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>

#include "dns/net/endpoint.h"

namespace clusterdns::dns {

// An IPv4 address, or the first 64 bits of an IPv6 one: a host has all addresses of its /64
// (RFC 7421), and would be as many clients as it likes otherwise.
struct ClientKey {
  std::uint64_t prefix = 0;  // an IPv4 address: its octets in front
  bool v6 = false;

  friend bool operator==(const ClientKey&, const ClientKey&) = default;
};

// An IPv4 address in IPv6 form (RFC 4291 2.5.5.2) is the IPv4 client.
[[nodiscard]] inline ClientKey client_key(const Endpoint& client) noexcept {
  static constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  ClientKey key;
  key.v6 = client.v6;
  const std::uint8_t* octets = client.address.data();
  if (client.v6 && std::memcmp(octets, kMapped, sizeof kMapped) == 0) {
    key.v6 = false;
    octets += sizeof kMapped;
  }
  std::memcpy(&key.prefix, octets, key.v6 ? 8 : 4);
  return key;
}

}  // namespace clusterdns::dns

template <>
struct std::hash<clusterdns::dns::ClientKey> {
  std::size_t operator()(const clusterdns::dns::ClientKey& key) const noexcept {
    // Fibonacci hashing: addresses of one network differ in their last octets only.
    std::uint64_t mixed = (key.prefix ^ (key.v6 ? 1U : 0U)) * 0x9E3779B97F4A7C15ULL;
    return static_cast<std::size_t>(mixed ^ (mixed >> 32));
  }
};
