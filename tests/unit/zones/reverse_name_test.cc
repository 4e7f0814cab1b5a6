#include "zones/reverse_name.h"

#include "tests/unit/dns/query/request.h"
#include "tests/unit/zones/objects.h"

namespace clusterdns::zones {
namespace {

using unit::ip;
using unit::name;

std::string v6_name(const std::string& nibbles) {
  std::string text;
  for (const char c : nibbles) text += std::string(1, c) + ".";
  return text + "ip6.arpa";
}

TEST(ReverseName, WholeAddresses) {
  auto found = parse_reverse_name(name("10.0.244.10.in-addr.arpa").view());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->address, ip("10.244.0.10"));
  EXPECT_TRUE(found->complete());
  EXPECT_FALSE(found->too_long);
  found = parse_reverse_name(name("255.255.255.255.in-addr.arpa").view());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->address, ip("255.255.255.255"));
  found = parse_reverse_name(
      name("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa").view());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->address, ip("2001:db8::1"));
  EXPECT_TRUE(found->complete());
}

TEST(ReverseName, Prefixes) {
  auto found = parse_reverse_name(name("in-addr.arpa").view());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->units, 0u);
  found = parse_reverse_name(name("244.10.in-addr.arpa").view());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->units, 2u);
  EXPECT_FALSE(found->complete());
  EXPECT_EQ(found->address, ip("10.244.0.0"));
  found = parse_reverse_name(name("d.0.1.0.0.2.ip6.arpa").view());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->units, 6u);
  EXPECT_EQ(found->address, ip("2001:d00::"));
  found = parse_reverse_name(name("ip6.arpa").view());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->units, 0u);
}

TEST(ReverseName, MoreLabelsThanAnAddressHas) {
  auto found = parse_reverse_name(name("x.10.0.244.10.in-addr.arpa").view());
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->too_long);
  found = parse_reverse_name(name("1.2.3.4.5.6.7.in-addr.arpa").view());
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->too_long);
  found = parse_reverse_name(name(v6_name(std::string(33, '1'))).view());
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->too_long);
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "1.";
  found = parse_reverse_name(name(deep + "in-addr.arpa").view());
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->too_long);
}

TEST(ReverseName, LabelsThatAreNoUnits) {
  for (const char* text :
       {"01.in-addr.arpa", "00.in-addr.arpa", "256.in-addr.arpa", "999.in-addr.arpa",
        "1000.in-addr.arpa", "a.in-addr.arpa", "1a.in-addr.arpa", "-1.in-addr.arpa",
        "1.x.3.4.in-addr.arpa", R"(1\.2.in-addr.arpa)", "g.ip6.arpa", "10.ip6.arpa", "-.ip6.arpa",
        "x.y.10.0.244.10.ip6.arpa"}) {
    EXPECT_FALSE(parse_reverse_name(name(text).view())) << text;
  }
  EXPECT_TRUE(parse_reverse_name(name("0.in-addr.arpa").view()));
  EXPECT_TRUE(parse_reverse_name(name("f.ip6.arpa").view()));
}

TEST(ReverseName, OutsideTheReverseTrees) {
  for (const char* text : {".", "arpa", "cluster.local", "in-addr.arpa.local", "ip6.local",
                           "10.in-addr", "xin-addr.arpa"}) {
    EXPECT_FALSE(parse_reverse_name(name(text).view())) << text;
  }
  // The suffix as octets of one label.
  EXPECT_FALSE(parse_reverse_name(name(R"(1\003ip6\004arpa)").view()));
}

TEST(ReverseName, OfAnAddressAndBack) {
  EXPECT_EQ(reverse_name(ip("10.244.0.9")).to_text(), "9.0.244.10.in-addr.arpa.");
  EXPECT_EQ(reverse_name(ip("2001:db8::f1")).to_text(),
            "1.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.");
  for (const char* text : {"0.0.0.0", "255.1.20.99", "::", "fd00:10:244::1:2",
                           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}) {
    const auto found = parse_reverse_name(reverse_name(ip(text)).view());
    ASSERT_TRUE(found) << text;
    EXPECT_EQ(found->address, ip(text));
    EXPECT_TRUE(found->complete());
  }
}

TEST(ReverseName, IsReverseZone) {
  for (const char* text : {"in-addr.arpa", "10.in-addr.arpa", "ip6.arpa", "0.d.f.ip6.arpa"}) {
    EXPECT_TRUE(is_reverse_zone(name(text).view())) << text;
  }
  for (const char* text : {".", "arpa", "cluster.local", "xin-addr.arpa", "ip6.arpa.local"}) {
    EXPECT_FALSE(is_reverse_zone(name(text).view())) << text;
  }
}

}  // namespace
}  // namespace clusterdns::zones
