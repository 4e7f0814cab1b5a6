#include "dns/forward/resolv_conf.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace clusterdns::dns {
namespace {

using Texts = std::vector<std::string>;

Texts servers(const ResolvConf& conf) {
  Texts texts;
  for (const auto& address : conf.nameservers) texts.push_back(address.to_string());
  return texts;
}

TEST(ResolvConfTest, ReadsWhatGlibcReads) {
  const ResolvConf conf = parse_resolv_conf(
      "# made by hand\n"
      "; also a comment\n"
      "domain old.example\n"
      "nameserver 192.0.2.1\n"
      "nameserver\t2001:db8::53   # trailing words are not read\n"
      "search one.example  two.example\tthree.example.\r\n"
      "\n"
      "  options ndots:3 timeout:2 attempts:4 rotate use-vc edns0 trust-ad single-request\n"
      "sortlist 130.155.160.0/255.255.240.0",
      "r");
  EXPECT_EQ(servers(conf), (Texts{"192.0.2.1", "2001:db8::53"}));
  EXPECT_EQ(conf.search, (Texts{"one.example", "two.example", "three.example."}));
  EXPECT_EQ(conf.ndots, 3u);
  EXPECT_EQ(conf.timeout_seconds, 2u);
  EXPECT_EQ(conf.attempts, 4u);
  EXPECT_TRUE(conf.rotate);
  EXPECT_TRUE(conf.use_vc);
  EXPECT_TRUE(conf.edns0);
  EXPECT_TRUE(conf.trust_ad);
  EXPECT_EQ(conf.warnings, Texts{});
}

TEST(ResolvConfTest, Defaults) {
  const ResolvConf conf = parse_resolv_conf("", "r");
  EXPECT_TRUE(conf.nameservers.empty());
  EXPECT_TRUE(conf.search.empty());
  EXPECT_EQ(conf.ndots, 1u);
  EXPECT_EQ(conf.timeout_seconds, 5u);
  EXPECT_EQ(conf.attempts, 2u);
  EXPECT_FALSE(conf.rotate || conf.use_vc || conf.edns0 || conf.trust_ad);
}

TEST(ResolvConfTest, LimitsAreThoseOfGlibc) {
  const ResolvConf conf = parse_resolv_conf(
      "options ndots:99 timeout:99999999999999999999 attempts:0\n"
      "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n",
      "/etc/resolv.conf");
  EXPECT_EQ(conf.ndots, 15u);
  EXPECT_EQ(conf.timeout_seconds, 30u);
  EXPECT_EQ(conf.attempts, 1u);
  EXPECT_EQ(servers(conf), (Texts{"192.0.2.1", "192.0.2.2", "192.0.2.3"}));
  EXPECT_EQ(conf.warnings,
            Texts{"/etc/resolv.conf:5: more than 3 nameservers, '192.0.2.4' is not used"});
}

TEST(ResolvConfTest, TheLastOfDomainAndSearchWins) {
  EXPECT_EQ(parse_resolv_conf("search a b\ndomain c d\n", "r").search, Texts{"c"});
  EXPECT_EQ(parse_resolv_conf("domain c\nsearch a b\n", "r").search, (Texts{"a", "b"}));
  EXPECT_EQ(parse_resolv_conf("search a b\nsearch\n", "r").search, Texts{});
}

TEST(ResolvConfTest, ScopedAddresses) {
  const ResolvConf conf = parse_resolv_conf("nameserver fe80::1%lo\n", "r");
  ASSERT_EQ(conf.nameservers.size(), 1u);
  EXPECT_NE(conf.nameservers[0].to_v6().scope_id(), 0u);
}

TEST(ResolvConfTest, WarnsOfWhatItPassesOver) {
  const ResolvConf conf = parse_resolv_conf(
      "nameserver dns.example\nnameserver\nnamserver 192.0.2.1\noptions ndots:x frobnicate\n", "r");
  EXPECT_TRUE(conf.nameservers.empty());
  EXPECT_EQ(conf.ndots, 1u);
  EXPECT_EQ(
      conf.warnings,
      (Texts{"r:1: 'dns.example' is no IP address, the line is not used",
             "r:2: '' is no IP address, the line is not used", "r:3: unknown keyword 'namserver'",
             "r:4: unknown option 'ndots:x'", "r:4: unknown option 'frobnicate'"}));
}

TEST(ResolvConfTest, Files) {
  std::string error;
  EXPECT_FALSE(load_resolv_conf("/nowhere/resolv.conf", &error));
  EXPECT_EQ(error, "/nowhere/resolv.conf: cannot be read: No such file or directory");
  EXPECT_FALSE(load_resolv_conf("/tmp", &error));

  std::string folder = (std::filesystem::temp_directory_path() / "resolv-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/resolv.conf";
  std::ofstream(path) << "nameserver 192.0.2.7\n";
  const auto conf = load_resolv_conf(path, &error);
  ASSERT_TRUE(conf) << error;
  EXPECT_EQ(servers(*conf), Texts{"192.0.2.7"});
  std::ofstream(path, std::ios::trunc) << "";
  EXPECT_TRUE(load_resolv_conf(path, &error));
  std::ofstream(path, std::ios::trunc) << std::string(kMaxResolvConfSize + 1, '#');
  EXPECT_FALSE(load_resolv_conf(path, &error));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace clusterdns::dns
