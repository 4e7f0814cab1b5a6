#include "zones/pod_name.h"

#include "tests/unit/dns/query/request.h"
#include "tests/unit/zones/objects.h"

namespace clusterdns::zones {
namespace {

std::optional<registry::IpAddress> parse(const std::string& label) {
  const dns::Name name = unit::name(label);
  return parse_pod_label(name.data());
}

TEST(PodLabel, IPv4) {
  EXPECT_EQ(parse("10-244-0-10"), unit::ip("10.244.0.10"));
  EXPECT_EQ(parse("0-0-0-0"), unit::ip("0.0.0.0"));
  EXPECT_EQ(parse("255-255-255-255"), unit::ip("255.255.255.255"));
}

TEST(PodLabel, IPv6) {
  EXPECT_EQ(parse("2001-db8--1"), unit::ip("2001:db8::1"));
  EXPECT_EQ(parse("2001-db8-0-0-0-0-0-1"), unit::ip("2001:db8::1"));
  EXPECT_EQ(parse("--1"), unit::ip("::1"));
  EXPECT_EQ(parse("fd00--0"), unit::ip("fd00::"));
  EXPECT_EQ(parse("fd00--"), unit::ip("fd00::"));
  EXPECT_EQ(parse("1--2-3"), unit::ip("1::2:3")) << "three dashes, two of them side by side";
  EXPECT_EQ(parse("--"), unit::ip("::"));
}

TEST(PodLabel, NotAnAddress) {
  for (const char* label : {"web",
                            "-",
                            "10",
                            "10-1-2",
                            "10-1-2-3-4",
                            "10-1-2-256",
                            "10-1-2-x",
                            "010-1-2-3",
                            "10-1-2-03",
                            "10-1-2-",
                            "-10-1-2",
                            "1--2--3",
                            "g--1",
                            "2001-db8-0-0-0-0-0-0-1",
                            "12345--1",
                            R"(10\.244\.0\.10)",
                            R"(2001\:db8\:\:1)",
                            R"(fe80--1%eth0)",
                            R"(10-1-2-3\000)",
                            "111111111111111111111111111111111111111111111111111111111111111"}) {
    EXPECT_FALSE(parse(label)) << label;
  }
}

}  // namespace
}  // namespace clusterdns::zones
