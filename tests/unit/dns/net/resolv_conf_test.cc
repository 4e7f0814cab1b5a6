#include "dns/net/resolv_conf.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
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

// `forward` asks all that are named, as CoreDNS does; glibc's three are the stub's business.
TEST(ResolvConfTest, TakesAllNameservers) {
  std::string text;
  for (int i = 1; i <= 16; ++i) text += "nameserver 192.0.2." + std::to_string(i) + "\n";
  const ResolvConf conf = parse_resolv_conf(text, "r");
  EXPECT_EQ(conf.nameservers.size(), kMaxNameservers);
  EXPECT_EQ(servers(conf)[14], "192.0.2.15");
  EXPECT_EQ(conf.warnings, Texts{"r:16: more than 15 nameservers; '192.0.2.16' is ignored"});
}

TEST(ResolvConfTest, AFifoHoldsNobodyUp) {
  std::string folder = (std::filesystem::temp_directory_path() / "resolv-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/resolv.conf";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  std::string error;
  EXPECT_FALSE(load_resolv_conf(path, &error));
  EXPECT_EQ(error, path + ": is not a regular file");
  std::filesystem::remove_all(folder);
}

TEST(ResolvConfTest, LimitsAreThoseOfGlibc) {
  const ResolvConf conf = parse_resolv_conf(
      "options ndots:99 timeout:99999999999999999999 attempts:0\n", "/etc/resolv.conf");
  EXPECT_EQ(conf.ndots, 15u);
  EXPECT_EQ(conf.timeout_seconds, 30u);
  EXPECT_EQ(conf.attempts, 1u);
  EXPECT_EQ(conf.warnings, Texts{});
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
  EXPECT_EQ(conf.warnings,
            (Texts{"r:1: 'dns.example' is not an IP address; the line is ignored",
                   "r:2: '' is not an IP address; the line is ignored",
                   "r:3: unknown keyword 'namserver'", "r:4: unknown option 'ndots:x'",
                   "r:4: unknown option 'frobnicate'"}));
}

TEST(ResolvConfTest, ByteOrderMark) {
  const ResolvConf conf =
      parse_resolv_conf("\xEF\xBB\xBFnameserver 192.0.2.1\r\nnameserver 192.0.2.2\r\n", "r");
  EXPECT_EQ(servers(conf), (Texts{"192.0.2.1", "192.0.2.2"}));
  EXPECT_TRUE(conf.warnings.empty());
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
  std::ofstream(path, std::ios::trunc) << std::string("\xFF\xFEn\0a\0", 6);
  EXPECT_FALSE(load_resolv_conf(path, &error));
  EXPECT_EQ(error, path + ": is not UTF-8 but UTF-16 or UTF-32 text; save it as UTF-8");
  std::ofstream(path, std::ios::trunc) << std::string(kMaxResolvConfSize + 1, '#');
  EXPECT_FALSE(load_resolv_conf(path, &error));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace clusterdns::dns
