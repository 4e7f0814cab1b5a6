// An address and port.
#pragma once

#include <array>
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <string>

namespace clusterdns::dns {

inline constexpr std::uint16_t kDnsPort = 53;  // RFC 1035 4.2

// An address and port, in the form the kernel gives; cheap to copy, no allocation.
struct Endpoint {
  std::array<std::uint8_t, 16> address{};  // network byte order; IPv4 in the first four
  std::uint16_t port = 0;                  // host byte order
  bool v6 = false;
  std::uint32_t scope_id = 0;  // IPv6 link-local only

  [[nodiscard]] boost::asio::ip::address to_address() const;
  // "192.0.2.1:53" or "[2001:db8::1]:53".
  [[nodiscard]] std::string to_string() const;
};

[[nodiscard]] Endpoint make_endpoint(const boost::asio::ip::address& address, std::uint16_t port);

}  // namespace clusterdns::dns
