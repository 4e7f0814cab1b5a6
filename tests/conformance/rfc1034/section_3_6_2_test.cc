// RFC 1034, section 3.6.2: Aliases and canonical names.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

TEST(Rfc1034_3_6_2, AliasIsAnsweredForOtherTypesAndRestarted) {
  const Message response = ask(svc("ext-in"));
  ASSERT_EQ(response.answer.size(), 2U) << response.text();
  EXPECT_EQ(response.answer[0].type, type_from_text("CNAME"));
  EXPECT_EQ(response.answer[0].data, response.answer[1].owner);
}

TEST(Rfc1034_3_6_2, AskedForTheAliasItIsNotRestarted) {
  EXPECT_EQ(ask(svc("ext-in"), "CNAME").answer.size(), 1U);
}

TEST(Rfc1034_3_6_2, NamesThatAreNoAliasesHaveNoCname) {
  expect_nodata(ask(svc("web"), "CNAME"));
  expect_nodata(ask(svc("peers"), "CNAME"));
}

// "CNAME loops should be signalled as an error … never hang": the chain found, and an end.
TEST(Rfc1034_3_6_2, LoopsEnd) {
  for (const char* name : {"ext-loop-a", "ext-loop-b", "ext-self"}) {
    for (const char* type : {"A", "AAAA", "SRV", "TXT", "CNAME"}) {
      SCOPED_TRACE(std::string(name) + " " + type);
      const Message response = ask(svc(name), type);
      expect_rcode(response, "NOERROR");
      EXPECT_GE(response.answer.size(), 1U) << response.text();
    }
  }
}

}  // namespace
}  // namespace clusterdns::test
