#include "dns/forward/address_ranges.h"

#include <gtest/gtest.h>

#include "dns/forward/upstream_address.h"

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
  for (const char* in : {"10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255",
                         "192.168.0.0", "192.168.255.255", "169.254.0.0", "169.254.255.255",
                         "fe80::", "febf:ffff::1", "fc00::", "fdff:ffff::1"}) {
    EXPECT_TRUE(ranges.contains(at(in))) << in;
  }
  for (const char* out : {"9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0",
                          "192.167.255.255", "192.169.0.0", "169.253.255.255", "169.255.0.0",
                          "100.64.0.1", "fec0::", "fe7f::1", "fbff::1", "fe00::1", "2001:db8::1"}) {
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
