// Kubernetes DNS specification 1.1.0, section 2.5: Records for External Name Services.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

TEST(KubernetesDns_2_5, CnameOutside) {
  const Message response = ask(svc("ext-out"));
  expect_answer(response, {"ext-out.conf.svc.cluster.local. 5 IN CNAME www.example.com."});
}

TEST(KubernetesDns_2_5, CnameForEveryType) {
  for (const char* type : {"A", "AAAA", "TXT", "SRV", "MX", "CNAME", "HTTPS"}) {
    SCOPED_TRACE(type);
    expect_answer(ask(svc("ext-out"), type),
                  {"ext-out.conf.svc.cluster.local. 5 IN CNAME www.example.com."});
  }
}

TEST(KubernetesDns_2_5, CnameAskedIsNotFollowed) {
  expect_answer(ask(svc("ext-in"), "CNAME"),
                {"ext-in.conf.svc.cluster.local. 5 IN CNAME web.conf.svc.cluster.local."});
}

TEST(KubernetesDns_2_5, FollowedInsideOurZone) {
  expect_answer_in_order(ask(svc("ext-in")),
                         {"ext-in.conf.svc.cluster.local. 5 IN CNAME web.conf.svc.cluster.local.",
                          "web.conf.svc.cluster.local. 5 IN A 10.96.10.1"});
}

TEST(KubernetesDns_2_5, FollowedIntoAnotherNamespace) {
  expect_answer_in_order(
      ask(svc("ext-other-namespace")),
      {"ext-other-namespace.conf.svc.cluster.local. 5 IN CNAME web.second.svc.cluster.local.",
       "web.second.svc.cluster.local. 5 IN A 10.96.20.1"});
}

TEST(KubernetesDns_2_5, FollowedThroughSeveral) {
  expect_answer_in_order(
      ask(svc("ext-chain")),
      {"ext-chain.conf.svc.cluster.local. 5 IN CNAME ext-in.conf.svc.cluster.local.",
       "ext-in.conf.svc.cluster.local. 5 IN CNAME web.conf.svc.cluster.local.",
       "web.conf.svc.cluster.local. 5 IN A 10.96.10.1"});
}

TEST(KubernetesDns_2_5, FollowedToAHeadlessService) {
  const Message response = ask(svc("ext-headless"));
  expect_answer(response,
                {"ext-headless.conf.svc.cluster.local. 5 IN CNAME peers.conf.svc.cluster.local.",
                 "peers.conf.svc.cluster.local. 5 IN A 10.244.20.1",
                 "peers.conf.svc.cluster.local. 5 IN A 10.244.20.2",
                 "peers.conf.svc.cluster.local. 5 IN A 10.244.20.3"});
  ASSERT_FALSE(response.answer.empty());
  EXPECT_EQ(response.answer[0].type, type_from_text("CNAME"));
}

TEST(KubernetesDns_2_5, BothFamilies) {
  const std::string alias =
      "ext-dual.conf.svc.cluster.local. 5 IN CNAME dual.conf.svc.cluster.local.";
  expect_answer_in_order(ask(svc("ext-dual"), "A"),
                         {alias, "dual.conf.svc.cluster.local. 5 IN A 10.96.10.2"});
  expect_answer_in_order(ask(svc("ext-dual"), "AAAA"),
                         {alias, "dual.conf.svc.cluster.local. 5 IN AAAA fd00:10:96::a02"});
}

TEST(KubernetesDns_2_5, SrvIsFollowedToo) {
  // Two ports of one number are one record.
  expect_answer_in_order(
      ask(svc("ext-dual"), "SRV"),
      {"ext-dual.conf.svc.cluster.local. 5 IN CNAME dual.conf.svc.cluster.local.",
       "dual.conf.svc.cluster.local. 5 IN SRV 0 100 53 dual.conf.svc.cluster.local."});
}

// The alias exists, its target has no such record: NODATA of the target (RFC 2308, 2.2).
TEST(KubernetesDns_2_5, TargetWithoutTheType) {
  const Message response = ask(svc("ext-in"), "AAAA");
  expect_rcode(response, "NOERROR");
  EXPECT_EQ(texts(response.answer),
            (std::vector<std::string>{
                "ext-in.conf.svc.cluster.local. 5 IN CNAME web.conf.svc.cluster.local."}));
  expect_negative_soa(response, "cluster.local.", kDefaultTtl);
}

TEST(KubernetesDns_2_5, TargetIsAnEmptyNonTerminal) {
  const Message response = ask(svc("ext-empty"));
  expect_rcode(response, "NOERROR");
  EXPECT_EQ(data_of(response.answer, "CNAME"),
            (std::vector<std::string>{"conf.svc.cluster.local."}));
  expect_negative_soa(response, "cluster.local.", kDefaultTtl);
}

TEST(KubernetesDns_2_5, TargetInAReverseZone) {
  const Message response = ask(svc("ext-reverse"), "PTR");
  expect_answer_in_order(response,
                         {"ext-reverse.conf.svc.cluster.local. 5 IN CNAME 1.10.96.10.in-addr.arpa.",
                          "1.10.96.10.in-addr.arpa. 5 IN PTR web.conf.svc.cluster.local."});
}

TEST(KubernetesDns_2_5, Loop) {
  const Message response = ask(svc("ext-loop-a"));
  expect_rcode(response, "NOERROR");
  ASSERT_FALSE(response.answer.empty()) << response.text();
  EXPECT_LE(response.answer.size(), 2U) << response.text();
  EXPECT_EQ(response.answer[0].text(),
            "ext-loop-a.conf.svc.cluster.local. 5 IN CNAME ext-loop-b.conf.svc.cluster.local.");
}

TEST(KubernetesDns_2_5, LoopToItself) {
  const Message response = ask(svc("ext-self"));
  expect_rcode(response, "NOERROR");
  EXPECT_EQ(texts(response.answer),
            (std::vector<std::string>{
                "ext-self.conf.svc.cluster.local. 5 IN CNAME ext-self.conf.svc.cluster.local."}));
}

// 30 links: whatever the limit, the answer is a chain without gaps and comes at once.
TEST(KubernetesDns_2_5, DepthLimit) {
  const Message response = ask(svc("ext-deep-1"));
  expect_rcode(response, "NOERROR");
  ASSERT_FALSE(response.answer.empty()) << response.text();
  EXPECT_LT(response.answer.size(), 31U) << response.text();
  std::string next = svc("ext-deep-1");
  for (const Record& record : response.answer) {
    EXPECT_EQ(record.owner, next) << response.text();
    next = record.data;
  }
}

TEST(KubernetesDns_2_5, ShortChainsAreCompleted) {
  // From the 24th on seven links are left.
  const Message response = ask(svc("ext-deep-24"));
  ASSERT_EQ(response.answer.size(), 8U) << response.text();
  EXPECT_EQ(response.answer.back().text(), "web.conf.svc.cluster.local. 5 IN A 10.96.10.1");
}

TEST(KubernetesDns_2_5, NoPortsAndNoEndpoints) {
  expect_nxdomain(ask("_http._tcp.ext-in.conf.svc.cluster.local.", "SRV"));
  expect_nxdomain(ask("_tcp.ext-in.conf.svc.cluster.local.", "SRV"));
  expect_nxdomain(ask("pet.ext-in.conf.svc.cluster.local."));
}

TEST(KubernetesDns_2_5, TheSameOverTcp) {
  expect_answer_in_order(ask_tcp(svc("ext-in")),
                         {"ext-in.conf.svc.cluster.local. 5 IN CNAME web.conf.svc.cluster.local.",
                          "web.conf.svc.cluster.local. 5 IN A 10.96.10.1"});
}

}  // namespace
}  // namespace clusterdns::test
