#include "dns/fixed/fixed_stages.h"

#include "tests/unit/dns/server/client.h"

namespace clusterdns::dns {
namespace {

using unit::Client;
using unit::Lines;
using unit::lines;
using unit::Request;

class FixedTest : public ::testing::Test {
 protected:
  void stage(std::shared_ptr<Stage> stage) { route_->stages.push_back(std::move(stage)); }
  std::optional<Message> ask(const Request& request) {
    ListenerRoutes routes;
    routes.add(Name{}, route_);
    return client_.ask(routes, request);
  }
  std::shared_ptr<Route> route_ = std::make_shared<Route>();
  Client client_;
};

TEST_F(FixedTest, AnyIsOneHinfo) {
  stage(std::make_shared<AnyStage>());
  EXPECT_EQ(lines(ask({.qname = "X.test", .qtype = RRType::ANY})->answer),
            (Lines{"X.test. 8482 HINFO \"ANY obsoleted\" \"See RFC 8482\""}));
  EXPECT_EQ(ask({.qname = "x.test"})->rcode, 5);
}

TEST_F(FixedTest, ChaosSaysWhoThisIs) {
  stage(std::make_shared<ChaosStage>(
      ChaosStage::Options{"1.0", std::string(300, 'h'), {"one", "two"}}));
  const auto text = [&](const char* name) {
    const auto answer = ask({.qname = name, .qtype = RRType::TXT, .qclass = RRClass::CH});
    return unit::sorted(unit::values(answer->answer));
  };
  EXPECT_EQ(text("VERSION.bind"), Lines{"\"1.0\""});
  EXPECT_EQ(text("version.server"), Lines{"\"1.0\""});
  EXPECT_EQ(text("id.server"), Lines{"\"" + std::string(255, 'h') + "\""});
  EXPECT_EQ(text("authors.bind"), (Lines{"\"one\"", "\"two\""}));
  EXPECT_EQ(text("other.bind"), Lines{});
  EXPECT_EQ(ask({.qname = "version.bind", .qtype = RRType::TXT})->rcode, 5);
}

TEST_F(FixedTest, LocalNames) {
  const auto local = std::make_shared<LocalStage>(true, 1);
  stage(local);
  const auto values = [&](const char* name, RRType type = RRType::A) {
    return lines(ask({.qname = name, .qtype = type})->answer);
  };
  EXPECT_EQ(values("localhost"), Lines{"localhost. 604800 A 127.0.0.1"});
  EXPECT_EQ(values("localhost", RRType::AAAA), Lines{"localhost. 604800 AAAA ::1"});
  EXPECT_EQ(values("localhost", RRType::NS), Lines{"localhost. 604800 NS localhost."});
  EXPECT_EQ(values("a.localhost"), Lines{"a.localhost. 604800 A 127.0.0.1"});
  EXPECT_EQ(values("localhost.example.org"), Lines{"localhost.example.org. 604800 A 127.0.0.1"});
  EXPECT_EQ(values("1.0.0.127.in-addr.arpa", RRType::PTR),
            Lines{"1.0.0.127.in-addr.arpa. 604800 PTR localhost."});
  EXPECT_EQ(local->intercepted(), 2u);
  const std::string soa = " 604800 SOA localhost. root.localhost. 1 0 0 0 604800";
  auto answer = ask({.qname = "2.0.0.127.in-addr.arpa", .qtype = RRType::PTR});
  EXPECT_EQ(answer->rcode, 3);
  EXPECT_EQ(lines(answer->authority), Lines{"127.in-addr.arpa." + soa});
  answer = ask({.qname = "localhost", .qtype = RRType::MX});
  EXPECT_EQ(answer->rcode, 0);
  EXPECT_EQ(lines(answer->authority), Lines{"localhost." + soa});
  answer = ask({.qname = "127.in-addr.arpa"});
  EXPECT_EQ(lines(answer->authority), Lines{"127.in-addr.arpa." + soa});
  EXPECT_EQ(ask({.qname = "notlocalhost"})->rcode, 5);
  EXPECT_EQ(ask({.qname = "localhosts.example.org"})->rcode, 5);
}

TEST_F(FixedTest, LocalPrefixCanBeSwitchedOff) {
  stage(std::make_shared<LocalStage>(false, 1));
  EXPECT_EQ(ask({.qname = "localhost.example.org"})->rcode, 5);
  EXPECT_EQ(ask({.qname = "a.localhost"})->rcode, 0);
}

TEST_F(FixedTest, ErraticInTurn) {
  stage(std::make_shared<ErraticStage>(
      ErraticStage::Options{.drop = 3, .delay = 0, .truncate = 2, .large = true}));
  EXPECT_FALSE(ask({.qname = "x.test"}));                // 0
  auto answer = ask({.qname = "x.test", .edns = true});  // 1
  EXPECT_EQ(answer->answer.size(), 30u);
  EXPECT_EQ(answer->flags & kFlagTC, 0);
  EXPECT_NE(ask({.qname = "x.test", .edns = true})->flags & kFlagTC, 0);  // 2
  EXPECT_FALSE(ask({.qname = "x.test"}));                                 // 3
}

TEST_F(FixedTest, ErraticDelays) {
  stage(std::make_shared<ErraticStage>(
      ErraticStage::Options{.drop = 0, .delay = 2, .duration = std::chrono::nanoseconds(1)}));
  // The client's own poll may come too early.
  (void)ask({.qname = "x.test", .qtype = RRType::AAAA});
  client_.io.restart();
  client_.io.run();
  const auto late = client_.later.empty() ? client_.raw : client_.later[0];
  EXPECT_EQ(lines(unit::decode(late).answer), Lines{"x.test. 0 AAAA 2001:db8::53"});
  EXPECT_EQ(ask({.qname = "x.test", .qtype = RRType::TXT})->rcode, 2);
}

}  // namespace
}  // namespace clusterdns::dns
