// RFC 1034, section 3.7: Queries. Authority and the shape of answers.
#include <gtest/gtest.h>

#include <set>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

TEST(Rfc1034_3_7, AuthoritativeForEveryNameOfOurZones) {
  for (const std::string& name : {svc("web"), svc("nothing"), std::string("svc.cluster.local."),
                                  std::string("1.10.96.10.in-addr.arpa.")}) {
    EXPECT_TRUE(ask(name).has(kFlagAA)) << name;
  }
}

TEST(Rfc1034_3_7, NotAuthoritativeElsewhere) { EXPECT_FALSE(ask("example.com.").has(kFlagAA)); }

// Section 4.3.1: no recursion to offer when nothing is forwarded.
TEST(Rfc1034_4_3_1, RecursionIsNotOffered) {
  EXPECT_FALSE(ask(svc("web")).has(kFlagRA));
  EXPECT_FALSE(ask("example.com.").has(kFlagRA));
}

// Minimal by default: no NS set in the authority section of positive answers.
TEST(Rfc1034_3_7, PositiveAnswersAreMinimal) {
  for (const std::string& name : {svc("web"), svc("peers"), svc("ext-in")}) {
    const Message response = ask(name);
    EXPECT_TRUE(response.authority.empty()) << response.text();
    EXPECT_TRUE(response.additional.empty()) << response.text();
  }
}

TEST(Rfc1034_3_7, AnswersAreOfTheTypeAsked) {
  for (const auto& [name, type] : {std::pair<std::string, const char*>{svc("dual"), "A"},
                                   {svc("dual"), "AAAA"},
                                   {svc("web"), "SRV"},
                                   {"1.10.96.10.in-addr.arpa.", "PTR"}}) {
    for (const Record& record : ask(name, type).answer) {
      EXPECT_EQ(record.type, type_from_text(type));
      EXPECT_EQ(record.owner, name);
    }
  }
}

}  // namespace
}  // namespace clusterdns::test
