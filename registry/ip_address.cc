#include "registry/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace clusterdns::registry {
namespace {

// The longest text either family has: "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".
constexpr std::size_t kMaxText = INET6_ADDRSTRLEN;
constexpr std::size_t kGroups = 8;

void append_number(std::string& out, unsigned value, int base) {
  std::array<char, 8> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, base);
  out.append(digits.data(), end.ptr);
}

void append_dotted(std::string& out, const std::uint8_t* octets) {
  for (int i = 0; i < 4; ++i) {
    if (i > 0) out += '.';
    append_number(out, octets[i], 10);
  }
}

bool is_v4_mapped(const std::array<std::uint8_t, 16>& octets) {
  return std::all_of(octets.begin(), octets.begin() + 10, [](auto o) { return o == 0; }) &&
         octets[10] == 0xff && octets[11] == 0xff;
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.empty() || text.size() >= kMaxText) return std::nullopt;
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  std::array<char, kMaxText> buffer{};  // inet_pton wants a terminating zero
  std::memcpy(buffer.data(), text.data(), text.size());

  IpAddress address;
  if (text.find(':') == std::string_view::npos) {
    address.family = IpFamily::V4;
    if (inet_pton(AF_INET, buffer.data(), address.octets.data()) != 1) return std::nullopt;
  } else {
    address.family = IpFamily::V6;
    if (inet_pton(AF_INET6, buffer.data(), address.octets.data()) != 1) return std::nullopt;
  }
  return address;
}

std::optional<IpAddress> IpAddress::parse_legacy(std::string_view text) {
  if (text.find(':') != std::string_view::npos) {
    auto address = parse(text);
    if (!address || !is_v4_mapped(address->octets)) return address;
    IpAddress mapped;
    std::copy_n(address->octets.begin() + 12, 4, mapped.octets.begin());
    return mapped;
  }
  if (text.size() >= kMaxText) return std::nullopt;
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool begins = i == 0 || text[i - 1] == '.';
    if (begins) {
      while (text[i] == '0' && i + 1 < text.size() && text[i + 1] != '.') ++i;
    }
    plain += text[i];
  }
  return parse(plain);
}

std::string IpAddress::to_string() const {
  std::string out;
  if (is_v4()) {
    append_dotted(out, octets.data());
    return out;
  }
  // RFC 5952, section 5: mixed notation for the well-known IPv4-mapped prefix.
  if (is_v4_mapped(octets)) {
    out = "::ffff:";
    append_dotted(out, octets.data() + 12);
    return out;
  }
  std::array<unsigned, kGroups> groups{};
  for (std::size_t i = 0; i < kGroups; ++i) {
    groups[i] = static_cast<unsigned>(octets[2 * i] << 8 | octets[2 * i + 1]);
  }
  // RFC 5952, section 4.2: the first longest run of at least two zero groups becomes "::".
  std::size_t run_start = kGroups;
  std::size_t run_length = 1;
  for (std::size_t i = 0; i < kGroups;) {
    std::size_t end = i;
    while (end < kGroups && groups[end] == 0) ++end;
    if (end - i > run_length) {
      run_start = i;
      run_length = end - i;
    }
    i = end + 1;
  }
  for (std::size_t i = 0; i < kGroups;) {
    if (i == run_start) {
      out += "::";
      i += run_length;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    append_number(out, groups[i], 16);
    ++i;
  }
  return out;
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const std::string_view length = text.substr(slash + 1);
  if (length.empty() || length.size() > 3) return std::nullopt;
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), bits);
  if (error != std::errc{} || end != length.data() + length.size()) return std::nullopt;
  if (bits > address->size() * 8) return std::nullopt;

  Cidr cidr{*address, static_cast<std::uint8_t>(bits)};
  for (std::size_t i = 0; i < address->size(); ++i) {
    const std::size_t first_bit = i * 8;
    if (first_bit >= bits) {
      cidr.base.octets[i] = 0;
    } else if (bits - first_bit < 8) {
      cidr.base.octets[i] &= static_cast<std::uint8_t>(0xff00U >> (bits - first_bit));
    }
  }
  return cidr;
}

bool Cidr::contains(const IpAddress& address) const noexcept {
  if (address.family != base.family) return false;
  const std::size_t whole = prefix_length / 8U;
  if (!std::equal(base.octets.begin(), base.octets.begin() + static_cast<std::ptrdiff_t>(whole),
                  address.octets.begin())) {
    return false;
  }
  const unsigned rest = prefix_length % 8U;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff00U >> rest);
  return (address.octets[whole] & mask) == base.octets[whole];
}

std::string Cidr::to_string() const {
  std::string out = base.to_string() + '/';
  append_number(out, prefix_length, 10);
  return out;
}

}  // namespace clusterdns::registry
