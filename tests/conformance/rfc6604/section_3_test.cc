// RFC 6604, section 3: the RCODE is that of the last name of an alias chain.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

TEST(Rfc6604_3, AliasIntoNothingIsANameError) {
  for (const char* type : {"A", "AAAA", "SRV"}) {
    SCOPED_TRACE(type);
    const Message response = ask(svc("ext-dangling"), type);
    expect_rcode(response, "NXDOMAIN");
    EXPECT_EQ(texts(response.answer),
              (std::vector<std::string>{"ext-dangling.conf.svc.cluster.local. 5 IN CNAME "
                                        "nothing.conf.svc.cluster.local."}));
    expect_negative_soa(response, "cluster.local.", kDefaultTtl);
  }
}

TEST(Rfc6604_3, TheAliasItselfExists) {
  expect_answer(
      ask(svc("ext-dangling"), "CNAME"),
      {"ext-dangling.conf.svc.cluster.local. 5 IN CNAME nothing.conf.svc.cluster.local."});
}

}  // namespace
}  // namespace clusterdns::test
