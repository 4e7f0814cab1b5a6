#include "app/setup/domains.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace clusterdns::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> names(RoutedDomains& domains) {
  std::vector<std::string> result;
  for (const RoutedDomain& each : domains.take()) {
    result.push_back((each.alone ? "=" : "") + each.name);
  }
  return result;
}

TEST(PlainName, WhatMayStandInAFile) {
  std::string why;
  EXPECT_EQ(plain_name("Shop.Example.COM.", &why), "shop.example.com");
  EXPECT_EQ(plain_name("_tcp.a-b.example", &why), "_tcp.a-b.example");
  EXPECT_EQ(plain_name(std::string(63, 'a') + ".example", &why), std::string(63, 'a') + ".example");
}

// Each would be a line, an option, a comment, a pattern, a path or another word of some file.
TEST(PlainName, HostileOnes) {
  for (const std::string text : {"a.example\nnameserver 192.0.2.1",
                                 "a.example/192.0.2.1#53",
                                 "a example",
                                 "a.example#",
                                 "~.",
                                 "a.example;",
                                 "\"a\".example",
                                 "a'.example",
                                 "../etc/passwd",
                                 "a/b.example",
                                 "a..example",
                                 ".example",
                                 "",
                                 ".",
                                 "-a.example",
                                 "a.-b.example",
                                 "*",
                                 "a.*.example",
                                 "a%n.example",
                                 "$(x).example",
                                 "`x`.example",
                                 "a\\032b.example",
                                 "b\xc3\xbc.example",
                                 "10.0.0.1",
                                 "a\r.example",
                                 "a\t.example",
                                 "a,b.example"}) {
    std::string why;
    EXPECT_EQ(plain_name(text, &why), std::nullopt) << text;
    EXPECT_FALSE(why.empty());
  }
  std::string why;
  EXPECT_EQ(plain_name(std::string("a\0b.example", 11), &why), std::nullopt);
  EXPECT_EQ(plain_name(std::string(64, 'a') + ".example", &why), std::nullopt);
  std::string longest;
  for (int i = 0; i < 128; ++i) longest += "a.";
  EXPECT_EQ(plain_name(longest, &why), std::nullopt);
}

TEST(RoutedDomainsTest, ZonesAndHostsEachOnce) {
  RoutedDomains domains;
  domains.add_cluster_zone("cluster.local.");
  domains.add_cluster_zone("in-addr.arpa.");
  domains.add_cluster_zone("ip6.arpa.");
  domains.add_cluster_zone(".");
  domains.add_cluster_zone("10.in-addr.arpa.");
  domains.add_host("shop.example.com");
  domains.add_host("SHOP.example.com");
  domains.add_host("*.apps.example.com");
  domains.add_host("one.apps.example.com");
  domains.add_host("web.default.svc.cluster.local");
  EXPECT_THAT(names(domains), ElementsAre("10.in-addr.arpa", "apps.example.com", "cluster.local",
                                          "=shop.example.com"));
  EXPECT_THAT(domains.left_out(), IsEmpty());
}

TEST(RoutedDomainsTest, AWildcardOfTheSameNameCounts) {
  RoutedDomains domains;
  domains.add_host("example.com");
  domains.add_host("*.example.com");
  EXPECT_THAT(names(domains), ElementsAre("example.com"));
}

TEST(RoutedDomainsTest, HostsThatWouldTakeTooMuch) {
  RoutedDomains domains;
  for (const char* const host : {"com", "*.com", "localhost", "*.localhost", "a.localhost", "*",
                                 "evil\nnameserver 1.1.1.1.example"}) {
    domains.add_host(host);
  }
  EXPECT_THAT(names(domains), IsEmpty());
  EXPECT_THAT(domains.left_out(), SizeIs(7));
  EXPECT_THAT(domains.left_out().front(), HasSubstr("'com' is not routed"));
  EXPECT_THAT(domains.left_out().back(), HasSubstr("\\x0A"));
}

TEST(RoutedDomainsTest, LinesAboutHostsAreFew) {
  RoutedDomains domains;
  for (int i = 0; i < 1000; ++i) domains.add_host("host" + std::to_string(i));
  EXPECT_THAT(domains.left_out(), SizeIs(11));
  EXPECT_THAT(domains.left_out().back(), HasSubstr("990 more"));
}

TEST(RoutedDomainsTest, WhatIsNamedOnPurposeHasToBeAName) {
  RoutedDomains domains;
  domains.add_zone("test.");
  EXPECT_THROW(domains.add_zone("a b."), std::runtime_error);
  EXPECT_THAT(names(domains), ElementsAre("test"));
}

}  // namespace
}  // namespace clusterdns::app
