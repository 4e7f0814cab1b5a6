#include "dns/forward/address_ranges.h"

#include <charconv>
#include <cstring>
#include <initializer_list>

namespace clusterdns::dns {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

constexpr std::uint32_t mask4(unsigned prefix) noexcept {
  return prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix);
}

// The octet at `index` of an IPv6 mask of `prefix` bits.
constexpr std::uint8_t mask6(unsigned prefix, unsigned index) noexcept {
  if (prefix >= index * 8 + 8) return 0xFF;
  if (prefix <= index * 8) return 0;
  return static_cast<std::uint8_t>(0xFF00u >> (prefix - index * 8));
}

AddressRanges made_of(std::initializer_list<const char*> texts) {
  AddressRanges ranges;
  for (const char* text : texts) {
    if (!ranges.add(text)) std::abort();  // our own constants
  }
  return ranges;
}

}  // namespace

AddressRanges AddressRanges::all() { return made_of({"0.0.0.0/0", "::/0"}); }

AddressRanges AddressRanges::loopback() { return made_of({"127.0.0.0/8", "::1/128"}); }

AddressRanges AddressRanges::loopback_and_private() {
  return made_of({"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                  "169.254.0.0/16", "fe80::/10", "fc00::/7"});
}

bool AddressRanges::add(std::string_view text) {
  const std::size_t slash = text.find('/');
  boost::system::error_code ec;
  const auto address = boost::asio::ip::make_address(text.substr(0, slash), ec);
  if (ec) return false;
  const unsigned bits = address.is_v4() ? 32 : 128;
  unsigned prefix = bits;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
    if (error != std::errc{} || end != digits.data() + digits.size() || prefix > bits) return false;
  }
  if (address.is_v4()) {
    const Range4 range{address.to_v4().to_uint(), mask4(prefix)};
    if ((range.network & ~range.mask) != 0) return false;
    v4_.push_back(range);
    return true;
  }
  const Range6 range{address.to_v6().to_bytes(), static_cast<std::uint8_t>(prefix)};
  for (unsigned i = 0; i < 16; ++i) {
    if ((range.network[i] & ~mask6(prefix, i)) != 0) return false;
  }
  v6_.push_back(range);
  return true;
}

bool AddressRanges::contains(const Endpoint& client) const noexcept {
  const std::uint8_t* octets = client.address.data();
  const bool mapped =
      client.v6 && std::memcmp(octets, kMappedPrefix.data(), kMappedPrefix.size()) == 0;
  if (!client.v6 || mapped) {
    const std::uint32_t address = load_u32(octets + (mapped ? 12 : 0));
    for (const Range4& range : v4_) {
      if ((address & range.mask) == range.network) return true;
    }
    return false;
  }
  for (const Range6& range : v6_) {
    const unsigned whole = range.prefix / 8u;
    if (std::memcmp(octets, range.network.data(), whole) != 0) continue;
    if (range.prefix % 8 == 0) return true;
    if ((octets[whole] & mask6(range.prefix, whole)) == range.network[whole]) return true;
  }
  return false;
}

}  // namespace clusterdns::dns
