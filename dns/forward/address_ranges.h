// Sets of addresses, written as CIDRs: whose queries may be forwarded or expanded.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "dns/query/stage.h"

namespace clusterdns::dns {

// Immutable once configured, then free to read from any thread. An IPv4-mapped IPv6 address
// (::ffff:192.0.2.1, RFC 4291 2.5.5.2) counts as the IPv4 address it holds.
class AddressRanges {
 public:
  // No address at all.
  AddressRanges() = default;

  // Every address.
  [[nodiscard]] static AddressRanges all();
  // 127.0.0.0/8 and ::1.
  [[nodiscard]] static AddressRanges loopback();
  // Loopback, link-local, and private: RFC 1918, RFC 3927, RFC 4193, RFC 4291 2.5.6. Shared
  // address space (100.64.0.0/10, RFC 6598) is a provider's and not included.
  [[nodiscard]] static AddressRanges loopback_and_private();

  // Adds "10.0.0.0/8", "2001:db8::/32" or one address. False when the text is none of these or has
  // bits set behind its prefix; nothing is added then.
  [[nodiscard]] bool add(std::string_view text);

  [[nodiscard]] bool contains(const Endpoint& client) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return v4_.empty() && v6_.empty(); }

 private:
  struct Range4 {
    std::uint32_t network;  // host byte order
    std::uint32_t mask;
  };
  struct Range6 {
    std::array<std::uint8_t, 16> network;
    std::uint8_t prefix;  // bits
  };
  std::vector<Range4> v4_;
  std::vector<Range6> v6_;
};

}  // namespace clusterdns::dns
