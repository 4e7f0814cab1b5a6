#include "app/node/kube_dns_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "tests/unit/app/folder.h"

namespace clusterdns::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string error_of(std::string_view stub_domains, std::string_view upstreams = "") {
  try {
    (void)parse_kube_dns_config(stub_domains, upstreams);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "no error";
}

TEST(KubeDnsConfig, WhatItSays) {
  const KubeDnsConfig config = parse_kube_dns_config(
      R"({"Corp.Example": ["192.0.2.53", "[2001:db8::53]:5353"], "acme.local.": ["192.0.2.1:10053"]})",
      R"(["192.0.2.2", "2001:db8::1"])");
  EXPECT_THAT(config.stub_domains,
              ElementsAre(Pair("acme.local", ElementsAre("192.0.2.1:10053")),
                          Pair("corp.example", ElementsAre("192.0.2.53", "[2001:db8::53]:5353"))));
  EXPECT_THAT(config.upstreams, ElementsAre("192.0.2.2", "2001:db8::1"));
  EXPECT_EQ(parse_kube_dns_config("", ""), KubeDnsConfig());
  EXPECT_EQ(parse_kube_dns_config("{}", "[]"), KubeDnsConfig());
  EXPECT_EQ(parse_kube_dns_config("null", "null"), KubeDnsConfig());
}

TEST(KubeDnsConfig, WhatIsWrongIsSaid) {
  EXPECT_THAT(error_of("{"), HasSubstr("stubDomains: it is no JSON: "));
  EXPECT_THAT(error_of("[[[[[[[[1]]]]]]]]"), HasSubstr("stubDomains: it is no JSON: "));
  EXPECT_EQ(error_of("[]"),
            "stubDomains: this is no object; write {\"corp.example\": [\"192.0.2.53\"]}");
  EXPECT_EQ(error_of(R"({"a.example": "192.0.2.1"})"),
            "stubDomains: these are no servers; write a list like [\"192.0.2.53\", "
            "\"192.0.2.54:5353\"]");
  EXPECT_EQ(error_of(R"({"a.example": []})"), "stubDomains: 'a.example' has no servers; name one");
  EXPECT_EQ(error_of(R"({"a.example": ["192.0.2.1"], "A.example.": ["192.0.2.2"]})"),
            "stubDomains: 'A.example.' is there twice; write it once");
  EXPECT_EQ(error_of(R"({".": ["192.0.2.1"]})"),
            "stubDomains: '.' is every name; write those servers into upstreamNameservers");
  EXPECT_THAT(error_of("", R"([1])"), HasSubstr("upstreamNameservers: a server is no text; "));
  EXPECT_EQ(error_of("", R"(["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"])"),
            "upstreamNameservers: 4 servers; at most 3 are possible");
  EXPECT_EQ(error_of("", R"(["dns.example"])"),
            "upstreamNameservers: 'dns.example' is no address; write one like 192.0.2.53");
  EXPECT_THAT(error_of("", R"(["192.0.2.256:x"])"), HasSubstr("upstreamNameservers: "));
}

// Each of these would end the word it stands in, and say something else behind it.
TEST(KubeDnsConfig, NothingBreaksOutOfItsWord) {
  for (const char* const text : {"a.example {\\n}\\n.:53", "a b", "{$HOME}", "\\\"a", "a#", "",
                                 "10.0.0.0/8", "a:53", "dns://a"}) {
    EXPECT_THAT(error_of("{\"" + std::string(text) + "\": [\"192.0.2.1\"]}"),
                HasSubstr(" is not a domain; write a name like corp.example"))
        << text;
  }
  for (const char* const text : {"192.0.2.1 {\\n}", "192.0.2.1\\n", "{$HOME}", "192.0.2.1#", ""}) {
    EXPECT_THAT(error_of("", "[\"" + std::string(text) + "\"]"),
                HasSubstr(" is not the address of a server"))
        << text;
  }
}

TEST(KubeDnsConfig, ThereIsABound) {
  std::string many = "{";
  for (std::size_t i = 0; i <= kMaxStubDomains; ++i) {
    many += (i == 0 ? "\"d" : ",\"d") + std::to_string(i) + ".example\":[\"192.0.2.1\"]";
  }
  EXPECT_EQ(error_of(many + "}"), "stubDomains: 1001 domains; at most 1000 are possible");
}

TEST(KubeDnsConfig, AFolderOfFiles) {
  const Folder folder;
  EXPECT_EQ(read_kube_dns_config(folder.path()), KubeDnsConfig());
  (void)folder.write("stubDomains", R"({"a.example": ["192.0.2.1"]})");
  (void)folder.write("federations", "whatever");
  EXPECT_THAT(read_kube_dns_config(folder.path()).stub_domains,
              ElementsAre(Pair("a.example", ElementsAre("192.0.2.1"))));
  std::filesystem::create_directory(folder / "upstreamNameservers");
  EXPECT_THROW((void)read_kube_dns_config(folder.path()), std::runtime_error);
  EXPECT_EQ(read_kube_dns_config(folder / "none"), KubeDnsConfig());
}

}  // namespace
}  // namespace clusterdns::app
