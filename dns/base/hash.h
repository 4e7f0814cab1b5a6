// The hash of names and addresses in tables.
#pragma once

#include <cstdint>
#include <cstring>

namespace clusterdns::dns {

// Mixes 128 bits of a product back into 64 (the idea of wyhash's and of MUM).
[[nodiscard]] inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// 64 bits over `size` octets, 16 with each multiplication. `seed` is random per table: names are
// chosen by tenants of the cluster, who must not be able to make them collide.
// REQUIRES: 8 readable octets behind the data; what they hold does not matter.
[[nodiscard]] inline std::uint64_t hash_padded(const std::uint8_t* data, std::size_t size,
                                               std::uint64_t seed) noexcept {
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;  // 2^64 divided by the golden ratio
  constexpr std::uint64_t kOther = 0xD6E8FEB86659FD93;
  std::uint64_t h = seed ^ (size * kOdd);
  std::uint64_t low;
  std::uint64_t high;
  while (size > 16) {
    std::memcpy(&low, data, 8);
    std::memcpy(&high, data + 8, 8);
    h = mix(low ^ kOther, high ^ h);
    data += 16;
    size -= 16;
  }
  if (size > 8) {
    std::memcpy(&low, data, 8);
    std::memcpy(&high, data + 8, 8);
    high &= ~std::uint64_t{0} >> (128 - 8 * size);
  } else {
    std::memcpy(&low, data, 8);
    if (size != 8) low &= (std::uint64_t{1} << (8 * size)) - 1;
    high = 0;
  }
  return mix(mix(low ^ kOther, high ^ h), kOdd);
}

}  // namespace clusterdns::dns
