#include "app/admin/http_message.h"

#include <gtest/gtest.h>

#include <string>

#include "app/admin/router.h"

namespace clusterdns::app {
namespace {

TEST(HttpMessage, PercentDecoding) {
  EXPECT_EQ(percent_decode("/a%20b%2fc"), "/a b/c");
  EXPECT_EQ(percent_decode("a+b"), "a+b");
  EXPECT_EQ(percent_decode("a+b", true), "a b");
  EXPECT_EQ(percent_decode("%00"), std::string(1, '\0'));
  for (const char* bad : {"%", "%4", "%zz", "a%4g", "%%41"}) {
    EXPECT_EQ(percent_decode(bad), std::nullopt) << bad;
  }
}

TEST(HttpMessage, Parameters) {
  const auto query = HttpParameters::parse("name=a%26b&name=second&empty=&bare&=x&&q=1+2%3D3=4");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->get("name"), "a&b");
  EXPECT_EQ(query->get("q"), "1 2=3=4");
  ASSERT_NE(query->find("empty"), nullptr);
  ASSERT_NE(query->find("bare"), nullptr);
  EXPECT_EQ(query->find("none"), nullptr);
  EXPECT_EQ(query->get("none"), "");
  EXPECT_FALSE(HttpParameters::parse("a=%"));
  std::string many = "a=1";
  for (std::size_t i = 1; i < kHttpParameters; ++i) many += "&a=1";
  EXPECT_TRUE(HttpParameters::parse(many));
  EXPECT_FALSE(HttpParameters::parse(many + "&a=1"));
}

TEST(HttpMessage, WeightedLists) {
  EXPECT_TRUE(accepts("gzip", "gzip"));
  EXPECT_TRUE(accepts("br, GZIP;q=0.5", "gzip"));
  EXPECT_TRUE(accepts("deflate,gzip ; q=1", "gzip"));
  EXPECT_FALSE(accepts("gzip;q=0", "gzip"));
  EXPECT_FALSE(accepts("gzip;q=0.000", "gzip"));
  EXPECT_FALSE(accepts("xgzip", "gzip"));
  EXPECT_FALSE(accepts("", "gzip"));
  EXPECT_TRUE(accepts("text/html, application/x-ndjson", "application/x-ndjson"));
}

TEST(HttpMessage, Tags) {
  EXPECT_TRUE(matches_etag("W/\"a\"", "W/\"a\""));
  EXPECT_TRUE(matches_etag("\"x\", \"a\"", "W/\"a\""));
  EXPECT_TRUE(matches_etag("*", "W/\"a\""));
  EXPECT_FALSE(matches_etag("\"ab\"", "W/\"a\""));
  EXPECT_FALSE(matches_etag("", "W/\"a\""));
}

TEST(HttpRouterTest, MethodsAndPaths) {
  HttpRouter<int> router;
  router.add("GET", "/a", 1);
  router.add("POST", "/a", 2);
  router.add("POST", "/b", 3);
  EXPECT_EQ(*router.find("GET", "/a").handler, 1);
  EXPECT_EQ(*router.find("HEAD", "/a").handler, 1);
  EXPECT_EQ(*router.find("POST", "/a").handler, 2);
  const auto wrong = router.find("PUT", "/a");
  EXPECT_TRUE(wrong.known);
  EXPECT_EQ(wrong.handler, nullptr);
  EXPECT_EQ(wrong.allow, "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(router.find("HEAD", "/b").handler, nullptr);
  EXPECT_EQ(router.find("GET", "/b").allow, "POST, OPTIONS");
  EXPECT_FALSE(router.find("GET", "/a/").known);
  EXPECT_FALSE(router.find("GET", "/A").known);
}

}  // namespace
}  // namespace clusterdns::app
