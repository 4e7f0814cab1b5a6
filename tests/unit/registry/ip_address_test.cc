#include "registry/ip_address.h"

#include <gtest/gtest.h>

#include <string>

namespace clusterdns::registry {
namespace {

std::string canonical(std::string_view text) {
  const auto address = IpAddress::parse(text);
  return address ? address->to_string() : "not an address";
}

TEST(IpAddress, ReadsAndWritesDottedQuads) {
  EXPECT_EQ(canonical("0.0.0.0"), "0.0.0.0");
  EXPECT_EQ(canonical("10.244.1.13"), "10.244.1.13");
  EXPECT_EQ(canonical("255.255.255.255"), "255.255.255.255");
  const auto address = IpAddress::parse("10.96.0.1");
  ASSERT_TRUE(address);
  EXPECT_TRUE(address->is_v4());
  EXPECT_EQ(address->octets[0], 10);
  EXPECT_EQ(address->octets[3], 1);
  EXPECT_EQ(address->octets[4], 0);
}

TEST(IpAddress, RefusesWhatIsNoAddress) {
  for (const char* text :
       {"", "10", "10.0.0", "10.0.0.256", "10.0.0.01", "10.0.0.1 ", " 10.0.0.1", "10.0.0.1/8",
        "a.b.c.d", ":::", "1::2::3", "fe80::1%eth0", "12345::", "1:2:3:4:5:6:7", "None"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("10.0.0.1\0", 9)));
  EXPECT_FALSE(IpAddress::parse(std::string(200, '1')));
}

// RFC 5952, section 4 and 5.
TEST(IpAddress, WritesCanonicalIpv6) {
  EXPECT_EQ(canonical("::"), "::");
  EXPECT_EQ(canonical("::1"), "::1");
  EXPECT_EQ(canonical("1::"), "1::");
  EXPECT_EQ(canonical("2001:0DB8:0:0:0:0:0:1"), "2001:db8::1");
  EXPECT_EQ(canonical("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1");  // one group stays
  EXPECT_EQ(canonical("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1");           // the longest run
  EXPECT_EQ(canonical("2001:db8:0:0:1:0:0:1"), "2001:db8::1:0:0:1");     // the first of equals
  EXPECT_EQ(canonical("0:0:1::"), "0:0:1::");
  EXPECT_EQ(canonical("::ffff:10.0.0.1"), "::ffff:10.0.0.1");
  EXPECT_EQ(canonical("::10.0.0.1"), "::a00:1");
}

TEST(IpAddress, MappedAddressesStayIpv6) {
  const auto address = IpAddress::parse("::ffff:10.0.0.1");
  ASSERT_TRUE(address);
  EXPECT_TRUE(address->is_v6());
  EXPECT_NE(*address, *IpAddress::parse("10.0.0.1"));
}

TEST(Cidr, ClearsHostBits) {
  EXPECT_EQ(Cidr::parse("10.96.3.7/16")->to_string(), "10.96.0.0/16");
  EXPECT_EQ(Cidr::parse("10.255.255.255/9")->to_string(), "10.128.0.0/9");
  EXPECT_EQ(Cidr::parse("10.1.2.3/32")->to_string(), "10.1.2.3/32");
  EXPECT_EQ(Cidr::parse("10.1.2.3/0")->to_string(), "0.0.0.0/0");
  EXPECT_EQ(Cidr::parse("fd00:10:96::ffff/112")->to_string(), "fd00:10:96::/112");
}

TEST(Cidr, RefusesBadText) {
  for (const char* text : {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8",
                           "10.0.0.0/8x", "/8", "fd00::/129", "10.0.0.0/0008", "x/8"}) {
    EXPECT_FALSE(Cidr::parse(text)) << text;
  }
}

TEST(Cidr, Contains) {
  const Cidr range = *Cidr::parse("10.96.0.0/12");
  EXPECT_TRUE(range.contains(*IpAddress::parse("10.96.0.0")));
  EXPECT_TRUE(range.contains(*IpAddress::parse("10.111.255.255")));
  EXPECT_FALSE(range.contains(*IpAddress::parse("10.112.0.0")));
  EXPECT_FALSE(range.contains(*IpAddress::parse("10.95.255.255")));
  EXPECT_FALSE(range.contains(*IpAddress::parse("a60::")));  // the other family, similar octets
  EXPECT_TRUE(Cidr::parse("0.0.0.0/0")->contains(*IpAddress::parse("203.0.113.50")));
  EXPECT_FALSE(Cidr::parse("::/0")->contains(*IpAddress::parse("203.0.113.50")));
  EXPECT_TRUE(Cidr::parse("fd00::/8")->contains(*IpAddress::parse("fdff::1")));
}

TEST(IpAddressTest, AsOlderApiServersTookIt) {
  const auto read = [](std::string_view text) {
    const auto address = IpAddress::parse_legacy(text);
    return address ? address->to_string() : "none";
  };
  EXPECT_EQ(read("10.96.0.1"), "10.96.0.1");
  EXPECT_EQ(read("010.096.000.001"), "10.96.0.1");  // decimal, never octal
  EXPECT_EQ(read("0.0.0.0"), "0.0.0.0");
  EXPECT_EQ(read("::ffff:10.96.0.1"), "10.96.0.1");
  EXPECT_EQ(read("fd00::1"), "fd00::1");
  for (const char* text :
       {"", ".", "10.96.0", "10.96.0.256", "0x10.1.1.1", "1..2.3", "10.96.0.1 ", "a",
        "00000000000000000000000000000000000000000000001.2.3.4", "10.96.0.", "1.2.3.4.5"}) {
    EXPECT_EQ(read(text), "none") << text;
  }
}

}  // namespace
}  // namespace clusterdns::registry
