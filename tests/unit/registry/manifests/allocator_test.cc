#include "registry/manifests/allocator.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace clusterdns::registry {
namespace {

AddressPool make_pool(const char* cidr, PoolKind kind) { return {*Cidr::parse(cidr), kind}; }

TEST(AddressPool, SameKeySameAddress) {
  AddressPool one = make_pool("10.96.0.0/16", PoolKind::Services);
  AddressPool two = make_pool("10.96.0.0/16", PoolKind::Services);
  ASSERT_TRUE(two.allocate("default/other"));
  EXPECT_EQ(one.allocate("default/my-service"), two.allocate("default/my-service"));
}

// The addresses users have seen and written down do not change with a release.
TEST(AddressPool, HashIsPartOfTheContract) {
  EXPECT_EQ(stable_hash(""), stable_hash(std::string_view{}));
  EXPECT_EQ(make_pool("10.96.0.0/16", PoolKind::Services).allocate("default/my-service"),
            IpAddress::parse("10.96.119.133"));
}

TEST(AddressPool, CollisionsGoOn) {
  AddressPool pool = make_pool("10.96.0.0/16", PoolKind::Services);
  const auto first = pool.allocate("a/a");
  const auto second = pool.allocate("a/a");
  ASSERT_TRUE(first && second);
  EXPECT_NE(*first, *second);
}

TEST(AddressPool, NeverGivesWhatIsTaken) {
  const auto wanted = make_pool("10.96.0.0/16", PoolKind::Services).allocate("a/a");
  AddressPool pool = make_pool("10.96.0.0/16", PoolKind::Services);
  EXPECT_TRUE(pool.take(*wanted));
  EXPECT_FALSE(pool.take(*wanted));
  EXPECT_TRUE(pool.is_taken(*wanted));
  EXPECT_NE(pool.allocate("a/a"), wanted);
}

TEST(AddressPool, FirstPartOfServicesComesLast) {
  AddressPool pool = make_pool("10.96.0.0/23", PoolKind::Services);
  const Cidr explicit_band = *Cidr::parse("10.96.0.0/27");  // 512 / 16 = 32 addresses
  std::set<IpAddress> seen;
  for (int i = 0; i < 512 - 32 - 1; ++i) {  // without the broadcast address
    const auto address = pool.allocate("ns/" + std::to_string(i));
    ASSERT_TRUE(address) << i;
    EXPECT_FALSE(explicit_band.contains(*address)) << address->to_string();
    EXPECT_TRUE(seen.insert(*address).second);
  }
  for (int i = 0; i < 31; ++i) {  // without the network address
    const auto address = pool.allocate("more/" + std::to_string(i));
    ASSERT_TRUE(address) << i;
    EXPECT_TRUE(explicit_band.contains(*address)) << address->to_string();
  }
  EXPECT_FALSE(pool.allocate("ns/one-too-many"));
  EXPECT_FALSE(pool.allocate("ns/and-another"));
}

TEST(AddressPool, DefaultServiceRangeKeepsItsFirst24) {
  AddressPool pool = make_pool("10.96.0.0/16", PoolKind::Services);
  const Cidr explicit_band = *Cidr::parse("10.96.0.0/24");
  for (int i = 0; i < 20'000; ++i) {
    const auto address = pool.allocate("ns/" + std::to_string(i));
    ASSERT_TRUE(address);
    ASSERT_FALSE(explicit_band.contains(*address)) << address->to_string();
  }
}

TEST(AddressPool, PodsHaveNoBridgeOrBroadcastAddress) {
  AddressPool pool = make_pool("10.244.0.0/22", PoolKind::Pods);
  int count = 0;
  while (const auto address = pool.allocate("ns/" + std::to_string(count))) {
    const int last = address->octets[3];
    EXPECT_TRUE(last != 0 && last != 1 && last != 255) << address->to_string();
    ++count;
  }
  EXPECT_EQ(count, 4 * 253);
}

TEST(AddressPool, WideIpv6Ranges) {
  AddressPool pool = make_pool("fd00:10:244::/56", PoolKind::Pods);
  const auto address = pool.allocate("ns/a");
  ASSERT_TRUE(address);
  EXPECT_TRUE(pool.range().contains(*address));
  EXPECT_TRUE(pool.is_taken(*address));
  // Inside the range, but beyond what is given out.
  EXPECT_FALSE(pool.contains(*IpAddress::parse("fd00:10:244:1::1")));
  EXPECT_FALSE(pool.take(*IpAddress::parse("fd00:10:244:1::1")));
}

TEST(AddressPool, TinyRanges) {
  AddressPool one = make_pool("10.0.0.7/32", PoolKind::Pods);
  EXPECT_EQ(one.allocate("a/a"), IpAddress::parse("10.0.0.7"));
  EXPECT_FALSE(one.allocate("a/b"));
  AddressPool thirty = make_pool("10.0.0.0/30", PoolKind::Services);
  EXPECT_TRUE(thirty.allocate("a/a"));
  EXPECT_TRUE(thirty.allocate("a/b"));
  EXPECT_FALSE(thirty.allocate("a/c"));
}

TEST(AddressPools, NextRangeWhenOneIsFull) {
  AddressPools pools(
      {*Cidr::parse("10.0.0.0/30"), *Cidr::parse("fd00::/120"), *Cidr::parse("10.1.0.0/24")},
      PoolKind::Services);
  EXPECT_EQ(pools.families(), (std::vector<IpFamily>{IpFamily::V4, IpFamily::V6}));
  EXPECT_TRUE(Cidr::parse("10.0.0.0/30")->contains(*pools.allocate({"a", "a"}, IpFamily::V4)));
  EXPECT_TRUE(Cidr::parse("10.0.0.0/30")->contains(*pools.allocate({"a", "b"}, IpFamily::V4)));
  EXPECT_TRUE(Cidr::parse("10.1.0.0/24")->contains(*pools.allocate({"a", "c"}, IpFamily::V4)));
  EXPECT_TRUE(pools.allocate({"a", "d"}, IpFamily::V6)->is_v6());
  EXPECT_FALSE(AddressPools({}, PoolKind::Pods).allocate({"a", "a"}, IpFamily::V4));
}

}  // namespace
}  // namespace clusterdns::registry
