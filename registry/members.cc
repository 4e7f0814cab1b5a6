#include "registry/members.h"

namespace clusterdns::registry {

std::uint64_t ObjectReader::number() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) break;
    const auto octet = static_cast<unsigned char>(rest_[0]);
    rest_.remove_prefix(1);
    value |= std::uint64_t{octet & 0x7FU} << shift;
    if (octet < 0x80) return value;
  }
  fail();
  return 0;
}

std::string_view ObjectReader::view() {
  const std::uint64_t size = number();
  if (size > rest_.size()) fail();
  if (!good_) return {};
  const std::string_view text = rest_.substr(0, static_cast<std::size_t>(size));
  rest_.remove_prefix(text.size());
  return text;
}

IpAddress ObjectReader::address() {
  IpAddress result;
  const std::string_view octets = view();
  if (octets.size() != 4 && octets.size() != 16) {
    fail();
    return result;
  }
  result.family = octets.size() == 4 ? IpFamily::V4 : IpFamily::V6;
  std::memcpy(result.octets.data(), octets.data(), octets.size());
  return result;
}

}  // namespace clusterdns::registry
