#include "dns/net/address_ranges.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <initializer_list>

#include "dns/base/hash.h"
#include "dns/base/octets.h"

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
  return made_of({
      "127.0.0.0/8", "::1/128",                         // loopback, RFC 1122, RFC 4291
      "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  // private use, RFC 1918
      "100.64.0.0/10",                                  // shared address space, RFC 6598
      "169.254.0.0/16", "fe80::/10",                    // link-local, RFC 3927, RFC 4291
      "192.0.0.0/29",                                   // IPv4 service continuity, RFC 7335
      "198.18.0.0/15", "2001:2::/48",                   // benchmarking, RFC 2544, RFC 5180
      "fc00::/7",                                       // unique local, RFC 4193
      "64:ff9b:1::/48",                                 // IPv4/IPv6 translation, RFC 8215
      "100::/64",                                       // discard-only, RFC 6666
      "5f00::/16",                                      // segment routing SIDs, RFC 9602
  });
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
    const Range4 range{address.to_v4().to_uint(), static_cast<std::uint8_t>(prefix), mask4(prefix)};
    if ((range.network & ~range.mask) != 0) return false;
    v4_.add(range);
    return true;
  }
  const Range6 range{address.to_v6().to_bytes(), static_cast<std::uint8_t>(prefix)};
  for (unsigned i = 0; i < 16; ++i) {
    if ((range.network[i] & ~mask6(prefix, i)) != 0) return false;
  }
  v6_.add(range);
  return true;
}

void AddressRanges::add(const AddressRanges& other) {
  for (const Range4& range : other.v4_.all) v4_.add(range);
  for (const Range6& range : other.v6_.all) v6_.add(range);
}

template <class Range>
void AddressRanges::Ranges<Range>::add(const Range& range) {
  if (all.size() < kFew) {
    if (std::find(all.begin(), all.end(), range) == all.end()) all.push_back(range);
    return;
  }
  const auto insert = [this](const Range& each) {
    if (!hashed.insert(each).second) return false;
    const auto at =
        std::lower_bound(prefixes.begin(), prefixes.end(), each.prefix, std::greater<>());
    if (at == prefixes.end() || *at != each.prefix) prefixes.insert(at, each.prefix);
    return true;
  };
  if (hashed.empty()) {
    for (const Range& each : all) insert(each);
  }
  if (insert(range)) all.push_back(range);
}

std::size_t AddressRanges::Hash::operator()(const Range4& range) const noexcept {
  return static_cast<std::size_t>(mix(range.network ^ 0x9E3779B97F4A7C15, range.prefix + 1u));
}

std::size_t AddressRanges::Hash::operator()(const Range6& range) const noexcept {
  std::array<std::uint8_t, 16 + 8> octets{};  // what hash_padded() wants behind it
  std::copy(range.network.begin(), range.network.end(), octets.begin());
  return static_cast<std::size_t>(hash_padded(octets.data(), 16, range.prefix));
}

bool AddressRanges::contains(const Endpoint& client) const noexcept {
  const std::uint8_t* octets = client.address.data();
  const bool mapped =
      client.v6 && std::memcmp(octets, kMappedPrefix.data(), kMappedPrefix.size()) == 0;
  if (!client.v6 || mapped) {
    const std::uint32_t address = load_u32(octets + (mapped ? 12 : 0));
    for (const std::uint8_t prefix : v4_.prefixes) {
      const std::uint32_t mask = mask4(prefix);
      if (v4_.hashed.contains({address & mask, prefix, mask})) return true;
    }
    if (!v4_.prefixes.empty()) return false;
    for (const Range4& range : v4_.all) {
      if ((address & range.mask) == range.network) return true;
    }
    return false;
  }
  for (const std::uint8_t prefix : v6_.prefixes) {
    Range6 range{{}, prefix};
    for (unsigned i = 0; i < 16; ++i) range.network[i] = octets[i] & mask6(prefix, i);
    if (v6_.hashed.contains(range)) return true;
  }
  if (!v6_.prefixes.empty()) return false;
  for (const Range6& range : v6_.all) {
    const unsigned whole = range.prefix / 8u;
    if (std::memcmp(octets, range.network.data(), whole) != 0) continue;
    if (range.prefix % 8 == 0) return true;
    if ((octets[whole] & mask6(range.prefix, whole)) == range.network[whole]) return true;
  }
  return false;
}

}  // namespace clusterdns::dns
