#include "dns/net/address_ranges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "dns/forward/upstream_address.h"
#include "tests/unit/growth.h"

namespace clusterdns::dns {
namespace {

Endpoint at(const char* text) { return make_endpoint(boost::asio::ip::make_address(text), 1); }

TEST(AddressRangesTest, Loopback) {
  const AddressRanges ranges = AddressRanges::loopback();
  for (const char* in : {"127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(ranges.contains(at(in))) << in;
  }
  for (const char* out : {"126.255.255.255", "128.0.0.0", "::", "::2", "10.0.0.1", "fe80::1"}) {
    EXPECT_FALSE(ranges.contains(at(out))) << out;
  }
}

TEST(AddressRangesTest, EdgesOfThePrivateRanges) {
  const AddressRanges ranges = AddressRanges::loopback_and_private();
  for (const char* in :
       {"10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0",
        "192.168.255.255", "169.254.0.0", "169.254.255.255", "fe80::", "febf:ffff::1",
        "fc00::", "fdff:ffff::1",
        // Not globally reachable (IANA's special-purpose address registries).
        "100.64.0.0", "100.127.255.255", "::ffff:100.64.0.1", "198.18.0.0", "198.19.255.255",
        "192.0.0.7", "64:ff9b:1::1", "2001:2::1", "100::1", "5f00::1"}) {
    EXPECT_TRUE(ranges.contains(at(in))) << in;
  }
  for (const char* out : {"9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0",
                          "192.167.255.255", "192.169.0.0", "169.253.255.255", "169.255.0.0",
                          "100.63.255.255", "100.128.0.0", "198.17.255.255", "198.20.0.0",
                          // Nobody's: documentation, reserved, "this network", anycast.
                          "192.0.2.1", "198.51.100.1", "203.0.113.5", "240.0.0.1", "0.0.0.1",
                          "255.255.255.255", "192.0.0.9", "192.0.0.170", "::ffff:203.0.113.5",
                          "64:ff9b::1", "2001:2:1::1", "100:0:0:1::1", "fec0::", "fe7f::1",
                          "fbff::1", "fe00::1", "2001:db8::1", "3fff::1", "2606:4700::1"}) {
    EXPECT_FALSE(ranges.contains(at(out))) << out;
  }
}

TEST(AddressRangesTest, AllAndNone) {
  for (const char* any : {"0.0.0.0", "255.255.255.255", "::", "ffff::ffff"}) {
    EXPECT_TRUE(AddressRanges::all().contains(at(any))) << any;
    EXPECT_FALSE(AddressRanges().contains(at(any))) << any;
  }
  EXPECT_TRUE(AddressRanges().empty());
}

TEST(AddressRangesTest, OwnRanges) {
  AddressRanges ranges;
  EXPECT_TRUE(ranges.add("192.0.2.64/27"));
  EXPECT_TRUE(ranges.add("198.51.100.7"));
  EXPECT_TRUE(ranges.add("2001:db8:0:7::/61") == false);  // bits behind the prefix
  EXPECT_TRUE(ranges.add("2001:db8:0:8::/61"));
  EXPECT_TRUE(ranges.contains(at("192.0.2.95")));
  EXPECT_FALSE(ranges.contains(at("192.0.2.96")));
  EXPECT_TRUE(ranges.contains(at("198.51.100.7")));
  EXPECT_FALSE(ranges.contains(at("198.51.100.8")));
  EXPECT_TRUE(ranges.contains(at("2001:db8:0:f::1")));
  EXPECT_FALSE(ranges.contains(at("2001:db8:0:10::1")));
  EXPECT_FALSE(ranges.contains(at("2001:db8:0:7::1")));
}

// Many are looked up otherwise than few: at every number around the border, and far beyond it, the
// answers are those of a comparison one by one.
TEST(AddressRangesTest, ManyRanges) {
  std::mt19937 random(7);
  std::vector<AddressRanges> each;
  AddressRanges all;
  std::vector<std::string> probes;
  for (unsigned i = 0; i < 200; ++i) {
    const unsigned v = static_cast<unsigned>(random());
    const std::string v4 = std::to_string(v % 4) + "." + std::to_string(v / 4 % 256) + ".";
    const std::string v6 = "2001:db8:" + std::to_string(v % 10) + ":" + std::to_string(v / 10 % 90);
    const std::string text = i % 5 == 0   ? v4 + "0.0/16"
                             : i % 5 == 1 ? v4 + std::to_string(v % 7) + ".0/24"
                             : i % 5 == 2 ? v4 + "9.0/30"
                             : i % 5 == 3 ? v6 + "::/64"
                                          : v6 + "::4/127";
    ASSERT_TRUE(each.emplace_back().add(text)) << text;
    ASSERT_TRUE(all.add(text));
    ASSERT_TRUE(all.add(text)) << "again";
    probes.push_back(v4 + "9.3");
    probes.push_back(v4 + std::to_string(v % 9) + ".200");
    probes.push_back(v6 + "::5");
    probes.push_back(v6 + ":1::5");
    probes.push_back("::ffff:" + v4 + "9.2");
    for (const std::string& probe : probes) {
      const Endpoint client = at(probe.c_str());
      const bool expected = std::any_of(
          each.begin(), each.end(), [&](const AddressRanges& one) { return one.contains(client); });
      ASSERT_EQ(all.contains(client), expected) << probe << " among " << i + 1;
    }
  }
  AddressRanges copy = AddressRanges::loopback();
  copy.add(all);
  EXPECT_TRUE(copy.contains(at("127.0.0.1")));
  for (const std::string& probe : probes) {
    EXPECT_EQ(copy.contains(at(probe.c_str())), all.contains(at(probe.c_str()))) << probe;
  }
}

// A look-up among 40,000 costs about what it costs among 10,000: comparing each would cost four
// times that.
TEST(AddressRangesTest, CostDoesNotGrowWithTheRanges) {
  const auto ranges_of = [](unsigned count) {
    AddressRanges ranges;
    for (unsigned i = 0; i < count; ++i) {
      const std::string text = "10." + std::to_string(i >> 8) + "." + std::to_string(i & 255);
      EXPECT_TRUE(ranges.add(text + ".0/24"));
    }
    return ranges;
  };
  const AddressRanges few = ranges_of(10'000);
  const AddressRanges many = ranges_of(40'000);
  const Endpoint stranger = at("192.0.2.1");
  EXPECT_LT(
      unit::growth([&] { return few.contains(stranger); }, [&] { return many.contains(stranger); }),
      3);
}

TEST(AddressRangesTest, RefusesWhatIsNoRange) {
  for (const char* bad : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "10.0.0/8", "::/129",
                          "10.0.0.0/8x", "10.0.0.0/-1", "cluster.local", "10.0.0.0/8/8"}) {
    AddressRanges ranges;
    EXPECT_FALSE(ranges.add(bad)) << bad;
    EXPECT_TRUE(ranges.empty()) << bad;
  }
}

}  // namespace
}  // namespace clusterdns::dns
