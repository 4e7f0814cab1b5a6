#include "registry/gateway_host.h"

#include <gtest/gtest.h>

namespace clusterdns::registry::gateways {
namespace {

TEST(Host, SmallLettersWithoutADotAtTheEnd) {
  EXPECT_EQ(parse_host("Shop.Example.COM."), "shop.example.com");
  EXPECT_EQ(parse_host("*.Example.com"), "*.example.com");
  EXPECT_EQ(parse_host("*"), "*");
  EXPECT_EQ(parse_host("python-www"), "python-www");
}

TEST(Host, NoName) {
  for (const char* text : {"", ".", "..", "a..b", "*.", "**", "a.*.b", "*a.example.com", "a b",
                           "-a.example", "a/b", "\xff.example", "*.*.example", "a_b.example"}) {
    EXPECT_EQ(parse_host(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_host(std::string(64, 'a') + ".example"), std::nullopt);
  EXPECT_EQ(parse_host(std::string(100000, 'a')), std::nullopt);
  std::string longest;
  while (longest.size() < 250) longest += "a.";
  EXPECT_TRUE(parse_host(longest + "bcd"));
  EXPECT_FALSE(parse_host(longest + "bcde"));
  EXPECT_FALSE(parse_host("*." + longest + "b.d"));
}

TEST(Host, WildcardsStandForAnyDepthAndNotForTheirBase) {
  EXPECT_TRUE(covers("*.example.com", "a.example.com"));
  EXPECT_TRUE(covers("*.example.com", "b.a.example.com"));
  EXPECT_TRUE(covers("*.example.com", "*.example.com"));
  EXPECT_TRUE(covers("*.example.com", "*.a.example.com"));
  EXPECT_TRUE(covers("*", "com"));
  EXPECT_TRUE(covers("*", "*.com"));
  EXPECT_FALSE(covers("*.example.com", "example.com"));
  EXPECT_FALSE(covers("*.example.com", "badexample.com"));
  EXPECT_FALSE(covers("*.a.example.com", "*.example.com"));
  EXPECT_FALSE(covers("*.example.com", "*"));
  EXPECT_FALSE(covers("a.example.com", "*.example.com"));
}

TEST(Host, OneLabel) {
  EXPECT_TRUE(covers_one_label("*.example.com", "a.example.com"));
  EXPECT_FALSE(covers_one_label("*.example.com", "b.a.example.com"));
  EXPECT_FALSE(covers_one_label("*.example.com", "example.com"));
  EXPECT_FALSE(covers_one_label("*", "com"));
  EXPECT_FALSE(covers_one_label("a.example.com", "a.example.com"));
}

TEST(Host, TheNarrowerOfTwo) {
  EXPECT_EQ(narrower("*.example.com", "a.example.com"), "a.example.com");
  EXPECT_EQ(narrower("a.example.com", "*.example.com"), "a.example.com");
  EXPECT_EQ(narrower("*", "*.example.com"), "*.example.com");
  EXPECT_EQ(narrower("a.example.com", "a.example.com"), "a.example.com");
  EXPECT_EQ(narrower("a.example.com", "b.example.com"), std::nullopt);
  EXPECT_EQ(narrower("*.example.com", "example.com"), std::nullopt);
}

TEST(Host, Reversed) {
  EXPECT_EQ(reversed("a.example.com"), "com.example.a.");
  EXPECT_EQ(reversed("com"), "com.");
  EXPECT_EQ(reversed(""), "");
}

}  // namespace
}  // namespace clusterdns::registry::gateways
