// RFC 3225, section 3: "The DO bit of the query MUST be copied in the response", whatever that is.
#include <gtest/gtest.h>

#include <vector>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

struct Asked {
  const char* what;
  std::string name;
  std::string type;
};

TEST(Rfc3225_3, InEveryAnswer) {
  for (const Asked& asked : std::vector<Asked>{{"address", svc("web"), "A"},
                                               {"NODATA", svc("web"), "AAAA"},
                                               {"NXDOMAIN", svc("nothing"), "A"},
                                               {"alias", svc("ext-dangling"), "A"},
                                               {"services", svc("peers"), "SRV"},
                                               {"reverse name", "1.20.244.10.in-addr.arpa.", "PTR"},
                                               {"apex", "cluster.local.", "SOA"},
                                               {"REFUSED", "cluster.local.", "AXFR"},
                                               {"not ours", "example.com.", "A"}}) {
    SCOPED_TRACE(asked.what);
    for (const bool dnssec_ok : {true, false}) {
      const Query query{
          .name = asked.name, .type = asked.type, .edns = Edns{.dnssec_ok = dnssec_ok}};
      for (const Message& response : {ask_udp(target(), query), ask_tcp(target(), query)}) {
        ASSERT_TRUE(response.edns.has_value());
        EXPECT_EQ(response.edns->dnssec_ok, dnssec_ok);
      }
    }
  }
}

// Gates that say no have read the OPT record too, or could have.
TEST(Rfc3225_3, InRefusalsOfMalformedQueries) {
  const auto expect_do = [](WireWriter& query, const char* rcode) {
    SCOPED_TRACE(rcode);
    const std::optional<Octets> answer = answer_to(query.out);
    ASSERT_TRUE(answer.has_value());
    const Message response = decode(*answer);
    expect_rcode(response, rcode);
    ASSERT_TRUE(response.edns.has_value()) << response.text();
    EXPECT_TRUE(response.edns->dnssec_ok);
  };
  const Edns dnssec{.dnssec_ok = true};
  WireWriter notify;
  notify.header(random_id(), 4 << 11, 1, 0, 0, 1).question("cluster.local.", "SOA").opt(dnssec);
  expect_do(notify, "NOTIMP");
  WireWriter none;
  none.header(random_id(), kFlagRD, 0, 0, 0, 1).opt(dnssec);
  expect_do(none, "FORMERR");
  WireWriter two;
  two.header(random_id(), kFlagRD, 2, 0, 0, 1).question(svc("web"), "A").question(svc("web"), "A");
  two.opt(dnssec);
  expect_do(two, "FORMERR");
  WireWriter answers;
  answers.header(random_id(), kFlagRD, 1, 1, 0, 1).question(svc("web"), "A");
  answers.record("x.example.", "A", 0, Octets{192, 0, 2, 1}).opt(dnssec);
  expect_do(answers, "FORMERR");
  WireWriter version;
  version.header(random_id(), kFlagRD, 1, 0, 0, 1).question(svc("web"), "A");
  version.opt({.version = 1, .dnssec_ok = true});
  expect_do(version, "BADVERS");
}

}  // namespace
}  // namespace clusterdns::test
