// An IPv4 or IPv6 address as a small value, and CIDR ranges of them.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace clusterdns::registry {

enum class IpFamily : std::uint8_t { V4 = 4, V6 = 6 };

// 17 octets, trivially copyable. Octets are in network byte order; an IPv4 address uses the first
// four and leaves the rest zero, so that comparison and hashing need no branch.
// An IPv4-mapped IPv6 address (::ffff:a.b.c.d) stays IPv6.
struct IpAddress {
  std::array<std::uint8_t, 16> octets{};
  IpFamily family = IpFamily::V4;

  // RFC 1123 dotted quad without leading zeros, or RFC 4291 text without a zone index.
  // nullopt when `text` is neither.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);
  // As parse(), and as older API servers have taken addresses in objects (k8s.io/utils/net,
  // ParseIPSloppy): leading zeros do not count, and an IPv4-mapped IPv6 address is the IPv4 one.
  [[nodiscard]] static std::optional<IpAddress> parse_legacy(std::string_view text);
  // Dotted quad, or RFC 5952 canonical text.
  [[nodiscard]] std::string to_string() const;

  [[nodiscard]] bool is_v4() const noexcept { return family == IpFamily::V4; }
  [[nodiscard]] bool is_v6() const noexcept { return family == IpFamily::V6; }
  // 4 or 16.
  [[nodiscard]] std::size_t size() const noexcept { return is_v4() ? 4 : 16; }

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

// `address/prefix_length`, for example 10.96.0.0/16 or fd00:10:96::/112.
struct Cidr {
  IpAddress base;  // host bits are zero
  std::uint8_t prefix_length = 0;

  // nullopt on bad text, or a length over 32 or 128. Host bits that are set are cleared.
  [[nodiscard]] static std::optional<Cidr> parse(std::string_view text);
  [[nodiscard]] bool contains(const IpAddress& address) const noexcept;
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const Cidr&, const Cidr&) = default;
};

}  // namespace clusterdns::registry
