// RFC 1035, section 4.2.1: UDP usage: the limit of 512 octets, truncation. With the project's rule
// for sets too large for one datagram: as many rotated records as fit, and TC.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

constexpr std::size_t kMaxUdp = 512;
constexpr std::size_t kCompressedA = 16;

TEST(Rfc1035_4_2_1, AtMost512OctetsWithoutEdns) {
  for (const char* type : {"A", "SRV"}) {
    const Message response = ask_udp(svc("big"), type);
    EXPECT_LE(response.wire.size(), kMaxUdp) << response.text();
    EXPECT_TRUE(response.has(kFlagTC));
    expect_rcode(response, "NOERROR");
  }
}

TEST(Rfc1035_4_2_1, TruncatedAnswersCarryWhatFits) {
  const Message response = ask_udp(svc("big"));
  ASSERT_TRUE(response.has(kFlagTC));
  EXPECT_EQ(response.answer.size(), (kMaxUdp - response.question_end) / kCompressedA)
      << response.text();
}

TEST(Rfc1035_4_2_1, TruncatedSubsetsRotateThroughTheWholeSet) {
  std::set<std::string> seen;
  std::vector<std::string> previous;
  for (int i = 0; i < 120; ++i) {
    const auto records = data_of(ask_udp(svc("big")).answer, "A");
    ASSERT_GT(records.size(), 1U);
    if (!previous.empty()) {
      EXPECT_EQ(records.front(), previous[1]) << "one step per answer";
    }
    previous = records;
    seen.insert(records.begin(), records.end());
  }
  EXPECT_EQ(seen.size(), 120U);
}

TEST(Rfc1035_4_2_1, NoRecordTwiceInOneAnswer) {
  for (int i = 0; i < 120; ++i) {
    const auto records = data_of(ask_udp(svc("big")).answer, "A");
    EXPECT_EQ(std::set<std::string>(records.begin(), records.end()).size(), records.size());
  }
}

TEST(Rfc1035_4_2_1, TruncatedSrvHasWholeRecordsOnly) {
  const Message response = ask_udp(svc("big"), "SRV");
  ASSERT_TRUE(response.has(kFlagTC));
  EXPECT_FALSE(response.answer.empty()) << response.text();  // decode() found no half record
}

TEST(Rfc1035_4_2_1, TheWholeAnswerOverTcp) {
  const Message response = ask_tcp(svc("big"));
  EXPECT_FALSE(response.has(kFlagTC));
  EXPECT_EQ(response.answer.size(), 120U);
}

TEST(Rfc1035_4_2_1, WhatFitsIsNotTruncated) {
  EXPECT_FALSE(ask_udp(svc("peers")).has(kFlagTC));
  EXPECT_FALSE(ask_udp(svc("nothing")).has(kFlagTC));
}

TEST(Rfc1035_4_2_1, AliasToALargeSetIsTruncatedBehindTheAlias) {
  const Message response = ask_udp(svc("ext-big"));
  EXPECT_TRUE(response.has(kFlagTC)) << response.text();
  ASSERT_GT(response.answer.size(), 10U) << response.text();
  EXPECT_EQ(response.answer[0].type, type_from_text("CNAME"));
  EXPECT_EQ(ask_tcp(svc("ext-big")).answer.size(), 121U);
}

TEST(Rfc1035_4_2_1, IPv6Transport) {
  if (target_v6().address.empty()) {
    GTEST_SKIP() << "the target does not listen on IPv6";
  }
  expect_answer(ask_udp(target_v6(), Query{.name = svc("web")}),
                {"web.conf.svc.cluster.local. 5 IN A 10.96.10.1"});
  expect_answer(ask_tcp(target_v6(), Query{.name = svc("web")}),
                {"web.conf.svc.cluster.local. 5 IN A 10.96.10.1"});
}

}  // namespace
}  // namespace clusterdns::test
