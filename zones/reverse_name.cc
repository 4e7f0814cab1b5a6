#include "zones/reverse_name.h"

#include <array>
#include <cstring>
#include <string>

namespace clusterdns::zones {
namespace {

constexpr std::uint8_t kV4[] = {7, 'i', 'n', '-', 'a', 'd', 'd', 'r', 4, 'a', 'r', 'p', 'a', 0};
constexpr std::uint8_t kV6[] = {3, 'i', 'p', '6', 4, 'a', 'r', 'p', 'a', 0};
constexpr unsigned kMaxUnits = 32;

bool ends_in(dns::NameView name, const std::uint8_t* suffix, std::size_t size) noexcept {
  return name.size() >= size && std::memcmp(name.data() + name.size() - size, suffix, size) == 0;
}

// -1 when the label is not a decimal octet.
int octet_of(const std::uint8_t* label) noexcept {
  const unsigned length = label[0];
  if (length == 0 || length > 3) return -1;
  if (length > 1 && label[1] == '0') return -1;
  int value = 0;
  for (unsigned i = 1; i <= length; ++i) {
    if (label[i] < '0' || label[i] > '9') return -1;
    value = value * 10 + (label[i] - '0');
  }
  return value <= 255 ? value : -1;
}

int nibble_of(const std::uint8_t* label) noexcept {
  if (label[0] != 1) return -1;
  const std::uint8_t c = label[1];
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::optional<ReverseName> parse_reverse_name(dns::NameView name) noexcept {
  const bool v4 = ends_in(name, kV4, sizeof kV4);
  if (!v4 && !ends_in(name, kV6, sizeof kV6)) return std::nullopt;
  const std::size_t end = name.size() - (v4 ? sizeof kV4 : sizeof kV6);
  const unsigned full = v4 ? 4 : kMaxUnits;
  std::array<std::uint8_t, kMaxUnits> units{};
  unsigned count = 0;
  ReverseName result;
  result.address.family = v4 ? registry::IpFamily::V4 : registry::IpFamily::V6;
  // Leftmost label first: the least significant unit.
  std::size_t labels = 0;
  for (std::size_t at = 0; at < end; at += std::size_t{1} + name[at]) ++labels;
  std::size_t at = 0;
  if (labels > full) {
    // Only the rightmost labels can be units; anything left of a whole address is below it.
    result.too_long = true;
    for (; labels > full; --labels) at += std::size_t{1} + name[at];
  }
  for (; at < end; at += std::size_t{1} + name[at]) {
    const int value = v4 ? octet_of(name.data() + at) : nibble_of(name.data() + at);
    if (value < 0) return std::nullopt;
    units[count++] = static_cast<std::uint8_t>(value);
  }
  if (at != end) return std::nullopt;  // the suffix is not on a label boundary
  result.units = count;
  for (unsigned i = 0; i < count; ++i) {
    const std::uint8_t value = units[count - 1 - i];
    if (v4) {
      result.address.octets[i] = value;
    } else {
      result.address.octets[i / 2] |= static_cast<std::uint8_t>(i % 2 == 0 ? value << 4 : value);
    }
  }
  return result;
}

dns::Name reverse_name(const registry::IpAddress& address) noexcept {
  std::string text;
  if (address.is_v4()) {
    for (int i = 3; i >= 0; --i) {
      text += std::to_string(address.octets[static_cast<std::size_t>(i)]) + ".";
    }
    text += "in-addr.arpa.";
  } else {
    constexpr char kHex[] = "0123456789abcdef";
    for (int i = 15; i >= 0; --i) {
      const std::uint8_t octet = address.octets[static_cast<std::size_t>(i)];
      text += kHex[octet & 0xF];
      text += '.';
      text += kHex[octet >> 4];
      text += '.';
    }
    text += "ip6.arpa.";
  }
  return *dns::Name::from_text(text);
}

bool is_reverse_zone(dns::NameView name) noexcept {
  dns::Name owned(name);
  return owned.is_at_or_below({kV4, sizeof kV4}) || owned.is_at_or_below({kV6, sizeof kV6});
}

}  // namespace clusterdns::zones
