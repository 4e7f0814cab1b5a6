#include "dns/base/hash.h"

#include <gtest/gtest.h>

#include <bit>
#include <set>
#include <string>
#include <vector>

namespace clusterdns::dns {
namespace {

std::uint64_t hash_of(const std::string& text, std::uint8_t padding, std::uint64_t seed = 1) {
  std::vector<std::uint8_t> octets(text.begin(), text.end());
  octets.insert(octets.end(), 8, padding);
  return hash_padded(octets.data(), text.size(), seed);
}

TEST(HashPadded, WhatStandsBehindDoesNotMatter) {
  std::string text;
  for (int size = 0; size < 40; ++size) {
    EXPECT_EQ(hash_of(text, 0), hash_of(text, 0xFF)) << size;
    text += static_cast<char>('a' + size % 26);
  }
}

TEST(HashPadded, SizeSeedAndEveryOctetMatter) {
  EXPECT_NE(hash_of("a", 0), hash_of(std::string("a\0", 2), 0));
  EXPECT_NE(hash_of("web", 0, 1), hash_of("web", 0, 2));
  const std::string text = "python-www.default.svc";
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] = static_cast<char>(other[i] ^ 1);
    EXPECT_NE(hash_of(text, 0), hash_of(other, 0)) << i;
  }
}

// Names as a cluster has them spread over both halves: tables use the low bits for the place and
// the high ones to tell words apart.
TEST(HashPadded, SpreadsNamesThatDifferLittle) {
  std::set<std::uint64_t> whole, high;
  std::vector<int> low(64);
  constexpr int kNames = 20000;
  for (int i = 0; i < kNames; ++i) {
    const std::uint64_t h = hash_of("\7service" + std::to_string(i) + "\7default", 0, 99);
    whole.insert(h);
    high.insert(h >> 32);
    ++low[h % 64];
  }
  EXPECT_EQ(whole.size(), static_cast<std::size_t>(kNames));
  EXPECT_GT(high.size(), static_cast<std::size_t>(kNames) - 5);
  for (const int count : low) {
    EXPECT_GT(count, kNames / 64 / 2);
    EXPECT_LT(count, kNames / 64 * 2);
  }
}

}  // namespace
}  // namespace clusterdns::dns
