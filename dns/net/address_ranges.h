// Sets of addresses, written as CIDRs: whose queries may be forwarded or expanded.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "dns/net/endpoint.h"

namespace clusterdns::dns {

// Few ranges are compared one by one; of many a look-up costs one probe for each length of prefix
// that occurs. Immutable once configured, then free to read from any thread. An IPv4-mapped IPv6
// address
// (::ffff:192.0.2.1, RFC 4291 2.5.5.2) counts as the IPv4 address it holds.
class AddressRanges {
 public:
  // No address at all.
  AddressRanges() = default;

  // Every address.
  [[nodiscard]] static AddressRanges all();
  // 127.0.0.0/8 and ::1.
  [[nodiscard]] static AddressRanges loopback();
  // Loopback, and what IANA's special-purpose address registries (RFC 6890) say may be source and
  // destination of a packet and is not globally reachable: private and link-local addresses, the
  // address space shared behind a provider's NAT (which pods of some clusters have), benchmarks.
  // Not those for documentation, or reserved, which no host has.
  [[nodiscard]] static AddressRanges loopback_and_private();

  // Adds "10.0.0.0/8", "2001:db8::/32" or one address. False when the text is none of these or has
  // bits set behind its prefix; nothing is added then.
  [[nodiscard]] bool add(std::string_view text);
  // Adds those of `other`.
  void add(const AddressRanges& other);

  [[nodiscard]] bool contains(const Endpoint& client) const noexcept;
  // Each range once: `each(v6, network, bits)`. IPv4 as IPv6 that holds it: 16 octets in network
  // byte order, and 96 bits more.
  template <class Each>
  void for_each(const Each& each) const {
    for (const Range4& range : v4_.all) {
      std::array<std::uint8_t, 16> network{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
      for (unsigned i = 0; i < 4; ++i) {
        network[12 + i] = static_cast<std::uint8_t>(range.network >> (24 - 8 * i));
      }
      each(false, network, 96U + range.prefix);
    }
    for (const Range6& range : v6_.all) each(true, range.network, unsigned{range.prefix});
  }
  [[nodiscard]] bool empty() const noexcept { return v4_.all.empty() && v6_.all.empty(); }

 private:
  // Up to here comparing each costs no more than hashing does.
  static constexpr std::size_t kFew = 16;
  struct Range4 {
    std::uint32_t network;  // host byte order
    std::uint8_t prefix;    // bits
    std::uint32_t mask;
    friend bool operator==(const Range4&, const Range4&) = default;
  };
  struct Range6 {
    std::array<std::uint8_t, 16> network;
    std::uint8_t prefix;  // bits
    friend bool operator==(const Range6&, const Range6&) = default;
  };
  struct Hash {
    std::size_t operator()(const Range4& range) const noexcept;
    std::size_t operator()(const Range6& range) const noexcept;
  };
  // Ranges of one family, each once.
  template <class Range>
  struct Ranges {
    void add(const Range& range);
    std::vector<Range> all;
    // The same and the prefixes that occur, longest first; empty while there are few.
    std::unordered_set<Range, Hash> hashed;
    std::vector<std::uint8_t> prefixes;
  };

  Ranges<Range4> v4_;
  Ranges<Range6> v6_;
};

}  // namespace clusterdns::dns
