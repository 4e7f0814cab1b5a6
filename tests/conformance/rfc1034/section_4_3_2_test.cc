// RFC 1034 section 4.3.2: the algorithm, on a zone from a file.
#include "conformance/zones.h"

namespace clusterdns::test {
namespace {

TEST(Rfc1034_4_3_2, Step3aTheWholeName) {
  expect_answer(ask("host1.example.test.", "A"), {"host1.example.test. 3600 IN A 192.0.2.1"});
  expect_answer(ask("HOST1.example.test.", "A"), {"HOST1.example.test. 3600 IN A 192.0.2.1"});
}

TEST(Rfc1034_4_3_2, Step3aAliases) {
  expect_answer_in_order(ask("alias.example.test.", "A"),
                         {"alias.example.test. 3600 IN CNAME host1.example.test.",
                          "host1.example.test. 3600 IN A 192.0.2.1"});
  expect_answer(ask("alias.example.test.", "CNAME"),
                {"alias.example.test. 3600 IN CNAME host1.example.test."});
  const Message broken = ask("broken.example.test.", "A");
  expect_rcode(broken, "NXDOMAIN");
  EXPECT_EQ(broken.answer.size(), 1U) << broken.text();
  // Nobody here has the name: the alias is the answer.
  expect_answer(ask("outside.example.test.", "A"),
                {"outside.example.test. 3600 IN CNAME www.elsewhere.test."});
}

TEST(Rfc1034_4_3_2, Step3bReferralsWithGlue) {
  const Message referral = ask("www.inner.example.test.", "A");
  expect_rcode(referral, "NOERROR");
  EXPECT_FALSE(referral.has(kFlagAA));
  EXPECT_TRUE(referral.answer.empty());
  EXPECT_EQ(data_of(referral.authority, "NS"), std::vector<std::string>{"ns.inner.example.test."});
  expect_additional(referral, {"ns.inner.example.test. 3600 IN A 192.0.2.20",
                               "ns.inner.example.test. 3600 IN AAAA 2001:db8::20"});
}

TEST(Rfc1034_4_3_2, Step3cNothing) {
  expect_zone_nxdomain(ask("x.host1.example.test.", "A"));
  expect_zone_nodata(ask("host1.example.test.", "AAAA"));
  expect_zone_nodata(ask("_tcp.host1.example.test.", "A"));
}

TEST(Rfc1034_4_3_2, Step6AdditionalData) {
  expect_additional(ask("_ssh._tcp.host2.example.test.", "SRV"),
                    {"host1.example.test. 3600 IN A 192.0.2.1"});
}

}  // namespace
}  // namespace clusterdns::test
