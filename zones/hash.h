// The hash of names and addresses in the tables.
#pragma once

#include <cstdint>
#include <cstring>

namespace clusterdns::zones {

// Mixes 128 bits of a product back into 64 (the idea of wyhash's and of MUM).
[[nodiscard]] inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// 64 bits over `size` octets. `seed` is random per table: names are chosen by tenants of the
// cluster, who must not be able to make them collide.
// REQUIRES: 8 readable octets behind the data; what they hold does not matter.
[[nodiscard]] inline std::uint64_t hash_padded(const std::uint8_t* data, std::size_t size,
                                               std::uint64_t seed) noexcept {
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;  // 2^64 divided by the golden ratio
  std::uint64_t h = seed ^ (size * kOdd);
  while (size >= 8) {
    std::uint64_t word;
    std::memcpy(&word, data, 8);
    h = mix(h ^ word, kOdd);
    data += 8;
    size -= 8;
  }
  if (size != 0) {
    std::uint64_t word;
    std::memcpy(&word, data, 8);
    word &= ~std::uint64_t{0} >> (64 - 8 * size);
    h = mix(h ^ word, kOdd);
  }
  return mix(h, 0xD6E8FEB86659FD93);
}

}  // namespace clusterdns::zones
