#include "dns/shape/signature_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace clusterdns::dns {
namespace {

using Octets = std::vector<std::uint8_t>;

SignatureCache::Key key_of(unsigned number) {
  const Octets octets{static_cast<std::uint8_t>(number >> 16),
                      static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)};
  return SignatureCache::key_of(octets);
}
Octets signature_of(unsigned number) {
  return Octets(64, static_cast<std::uint8_t>(number * 37 + 1));
}

TEST(SignatureCacheTest, WhatIsPutIsFound) {
  SignatureCache cache(100, 64);
  SignatureCache::Times times;
  Octets found(64);
  EXPECT_FALSE(cache.find(key_of(1), times, found.data()));
  cache.put(key_of(1), {10, 20}, signature_of(1));
  ASSERT_TRUE(cache.find(key_of(1), times, found.data()));
  EXPECT_EQ(found, signature_of(1));
  EXPECT_EQ(times.inception, 10U);
  EXPECT_EQ(times.expiration, 20U);
  // Anew, in the same place.
  cache.put(key_of(1), {30, 40}, signature_of(2));
  ASSERT_TRUE(cache.find(key_of(1), times, found.data()));
  EXPECT_EQ(found, signature_of(2));
  EXPECT_EQ(cache.entries(), 1U);
}

TEST(SignatureCacheTest, HoldsNoMoreThanItsCapacity) {
  for (const std::size_t capacity : {1U, 3U, 4U, 1000U}) {
    SignatureCache cache(capacity, 64);
    for (unsigned i = 0; i < 5000; ++i) cache.put(key_of(i), {1, 2}, signature_of(i));
    EXPECT_LE(cache.entries(), capacity);
    EXPECT_GE(cache.entries() * 2, capacity);
    EXPECT_LE(cache.octets(), capacity * (SignatureCache::kOverhead + 64));
    std::size_t there = 0;
    Octets found(64);
    SignatureCache::Times times;
    for (unsigned i = 0; i < 5000; ++i) {
      if (!cache.find(key_of(i), times, found.data())) continue;
      ++there;
      EXPECT_EQ(found, signature_of(i));
    }
    EXPECT_EQ(there, cache.entries());
  }
}

// As a flood of names that do not exist makes it.
TEST(SignatureCacheTest, WhatIsAskedForStays) {
  SignatureCache cache(64, 64);
  Octets found(64);
  SignatureCache::Times times;
  cache.put(key_of(0), {1, 2}, signature_of(0));
  for (unsigned i = 1; i < 10'000; ++i) {
    ASSERT_TRUE(cache.find(key_of(0), times, found.data())) << i;
    cache.put(key_of(i), {1, 2}, signature_of(i));
  }
}

TEST(SignatureCacheTest, NobodyReadsWhatIsHalfWritten) {
  SignatureCache cache(4, 64);
  std::atomic<bool> end{false};
  std::vector<std::thread> threads;
  std::atomic<unsigned> found_some{0};
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      Octets found(64);
      SignatureCache::Times times;
      for (unsigned i = t; i < 200'000; ++i) {
        cache.put(key_of(i % 7), {i % 7, i % 7}, signature_of(i % 7));
        if (cache.find(key_of(i % 5), times, found.data())) {
          ++found_some;
          if (found != signature_of(i % 5) || times.inception != i % 5) end = true;
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_FALSE(end);
  EXPECT_GT(found_some, 0U);
}

}  // namespace
}  // namespace clusterdns::dns
