// RFC 1035, section 4.1.4: Message compression.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

TEST(Rfc1035_4_1_4, OwnerOfTheAnswerPointsToTheQuestion) {
  const Message response = ask(svc("web"));
  ASSERT_EQ(response.answer.size(), 1U);
  EXPECT_TRUE(response.answer[0].owner_compressed);
  // A pointer, type, class, TTL, length, address.
  EXPECT_EQ(response.answer[0].size, 2U + 10U + 4U);
  EXPECT_EQ(response.wire.size(), response.question_end + 16U);
}

TEST(Rfc1035_4_1_4, EveryRecordOfASet) {
  const Message response = ask_tcp(svc("big"));
  ASSERT_EQ(response.answer.size(), 120U);
  for (const Record& record : response.answer) {
    EXPECT_EQ(record.size, 16U) << record.text();
  }
}

TEST(Rfc1035_4_1_4, NamesInTheRdataOfCnameAndSoa) {
  const Message alias = ask(svc("ext-in"), "CNAME");
  ASSERT_EQ(alias.answer.size(), 1U);
  EXPECT_TRUE(alias.answer[0].rdata_compressed) << alias.text();
  // Label `web` and a pointer to conf.svc.cluster.local.
  EXPECT_EQ(alias.answer[0].rdata.size(), 6U) << alias.text();

  const Message negative = ask(svc("nothing"));
  ASSERT_EQ(negative.authority.size(), 1U);
  EXPECT_TRUE(negative.authority[0].owner_compressed);
  EXPECT_TRUE(negative.authority[0].rdata_compressed);
}

TEST(Rfc1035_4_1_4, AliasChain) {
  const Message response = ask(svc("ext-in"));
  ASSERT_EQ(response.answer.size(), 2U);
  EXPECT_TRUE(response.answer[1].owner_compressed);
  EXPECT_EQ(response.answer[1].size, 16U) << response.text();
}

TEST(Rfc1035_4_1_4, AdditionalOwnersOfSrv) {
  const Message response = ask("_db._tcp.peers.conf.svc.cluster.local.", "SRV");
  ASSERT_EQ(response.additional.size(), 3U) << response.text();
  for (const Record& record : response.additional) {
    EXPECT_TRUE(record.owner_compressed) << record.text();
  }
}

// A pointer holds 14 bits; a 16 KiB answer must still be decodable (the decoder checks each).
TEST(Rfc1035_4_1_4, LargeAnswersStayDecodable) {
  const Message response = ask_tcp(svc("big"), "SRV");
  EXPECT_EQ(response.answer.size(), 120U);
  EXPECT_EQ(response.additional.size(), 120U);
}

}  // namespace
}  // namespace clusterdns::test
