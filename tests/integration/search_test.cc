// Search-domain expansion on the server.
#include "integration/fixture.h"
#include "support/scripted_upstream.h"

namespace clusterdns::test {
namespace {

class Search : public Integration {
 protected:
  void SetUp() override {
    manifests_.write("a.yaml", service_yaml("web", "10.96.1.1") + "---\n" +
                                   service_yaml("api", "10.96.1.2", "shop") + "---\n" +
                                   headless_yaml("peers", {"10.244.1.1", "10.244.1.2"}));
  }
  void start(std::string_view lines) {
    serve_corefile(".:0 {\n  bind 127.0.0.1\n" + std::string(lines) +
                   "  kubernetes cluster.local in-addr.arpa {\n    manifests %M\n  }\n}\n");
  }
};

TEST_F(Search, BareServiceName) {
  start("  search\n");
  const Message response = ask("web.");
  expect_rcode(response, "NOERROR");
  EXPECT_EQ(texts(response.answer),
            (std::vector<std::string>{"web. 5 IN CNAME web.default.svc.cluster.local.",
                                      "web.default.svc.cluster.local. 5 IN A 10.96.1.1"}))
      << response.text();
}

TEST_F(Search, ServiceAndNamespace) {
  start("  search\n");
  const Message response = ask("api.shop.");
  ASSERT_EQ(response.answer.size(), 2U) << response.text();
  EXPECT_EQ(response.answer[0].data, "api.shop.svc.cluster.local.");
  EXPECT_EQ(response.answer[1].data, "10.96.1.2");
}

TEST_F(Search, ServiceNamespaceSvc) {
  start("  search\n");
  EXPECT_EQ(addresses("api.shop.svc."), (std::vector<std::string>{"10.96.1.2"}));
}

TEST_F(Search, HeadlessServicesRotate) {
  start("  search\n");
  const auto first = addresses("peers.");
  ASSERT_EQ(first.size(), 2U);
  EXPECT_TRUE(is_rotation(first, addresses("peers."), 1));
}

TEST_F(Search, TypeThatDoesNotExistIsNodata) {
  start("  search\n");
  const Message response = ask("web.", "AAAA");
  expect_rcode(response, "NOERROR");
  EXPECT_TRUE(data_of(response.answer, "AAAA").empty()) << response.text();
  ASSERT_EQ(response.authority.size(), 1U) << response.text();
}

TEST_F(Search, NothingFoundAndNothingToForwardTo) {
  start("  search\n");
  // Nothing is known of names outside.
  expect_rcode(ask("nothing."), "REFUSED");
  expect_rcode(ask("nothing.shop."), "REFUSED");
}

TEST_F(Search, CaseOfTheQuestionIsKept) {
  start("  search\n");
  const Message response = ask("wEb.");
  ASSERT_EQ(response.answer.size(), 2U) << response.text();
  EXPECT_EQ(response.answer[0].owner, "wEb.");
}

TEST_F(Search, NamesWithManyDotsAreNotExpanded) {
  start("  search\n");
  const Message response = ask("a.b.c.d.web.default.");
  EXPECT_NE(rcode_to_text(response.rcode), "NOERROR") << response.text();
}

TEST_F(Search, NamesOfOurZonesAreNotExpanded) {
  start("  search\n");
  expect_nxdomain(ask("nothing.default.svc.cluster.local."));
}

TEST_F(Search, NamesOfOurZonesThatFallThroughAreNotExpanded) {
  serve_corefile(
      ".:0 {\n  bind 127.0.0.1\n  search svc.cluster.local\n  kubernetes cluster.local default {\n"
      "    manifests %M\n    fallthrough\n  }\n}\n");
  EXPECT_EQ(addresses("api.shop."), (std::vector<std::string>{"10.96.1.2"}));
  // web.default.svc.cluster.local is there, but this is a name of the zone default.
  expect_refused(ask("web.default."));
}

TEST_F(Search, WithoutTheStageNothingIsExpanded) {
  start("");
  expect_refused(ask("web."));
}

TEST_F(Search, OwnList) {
  start("  search shop.svc.cluster.local\n");
  EXPECT_EQ(addresses("api."), (std::vector<std::string>{"10.96.1.2"}));
  EXPECT_TRUE(addresses("web.").empty());
}

TEST_F(Search, NotFoundIsForwardedAsItIs) {
  ScriptedUpstream upstream([](const ScriptedUpstream::Exchange& exchange) {
    return reply_to(
        exchange.query,
        {.answers = 1, .records = a_record(exchange.query.questions[0].name, "192.0.2.1")});
  });
  start("  search\n  forward . " + upstream.endpoint().text() + "\n");
  EXPECT_EQ(addresses("printer."), (std::vector<std::string>{"192.0.2.1"}));
  EXPECT_EQ(addresses("web."), (std::vector<std::string>{"10.96.1.1"}));
  for (const auto& exchange : upstream.received()) {
    EXPECT_EQ(exchange.query.questions[0].name, "printer.");
  }
}

}  // namespace
}  // namespace clusterdns::test
