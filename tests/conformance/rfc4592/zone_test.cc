// RFC 4592 section 2.2.1: the example zone, and what it says of each question.
#include "conformance/zones.h"

namespace clusterdns::test {
namespace {

TEST(Rfc4592_2_2_1, Synthesised) {
  expect_answer(ask("host3.example.test.", "MX"),
                {"host3.example.test. 3600 IN MX 10 host1.example.test."});
  expect_zone_nodata(ask("host3.example.test.", "A"));
  expect_answer(ask("foo.bar.example.test.", "TXT"),
                {"foo.bar.example.test. 3600 IN TXT \"this is a wildcard\""});
}

TEST(Rfc4592_2_2_1, NotSynthesised) {
  expect_zone_nodata(ask("host1.example.test.", "MX"));
  expect_zone_nodata(ask("sub.*.example.test.", "MX"));
  expect_zone_nxdomain(ask("_telnet._tcp.host1.example.test.", "SRV"));
  const Message referral = ask("host.subdel.example.test.", "A");
  expect_rcode(referral, "NOERROR");
  EXPECT_FALSE(referral.has(kFlagAA));
  EXPECT_EQ(data_of(referral.authority, "NS").size(), 2U) << referral.text();
  expect_zone_nxdomain(ask("ghost.*.example.test.", "MX"));
}

TEST(Rfc4592_2_1_1, TheNameItself) {
  expect_answer(ask("*.example.test.", "TXT"),
                {"*.example.test. 3600 IN TXT \"this is a wildcard\""});
}

}  // namespace
}  // namespace clusterdns::test
