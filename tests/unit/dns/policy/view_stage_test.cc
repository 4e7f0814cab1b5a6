#include "dns/policy/view_stage.h"

#include "tests/unit/dns/server/client.h"

namespace clusterdns::dns {
namespace {

using unit::Client;
using unit::ScriptedStage;

std::shared_ptr<const ViewCondition> when(std::string_view text) {
  std::string error;
  auto expr = Expr::parse(text, {QueryScope::functions(), {}}, &error);
  EXPECT_TRUE(expr) << error;
  std::vector<Expr> all;
  all.push_back(*std::move(expr));
  return std::make_shared<ViewCondition>(std::move(all));
}

// A route that answers with this code.
std::shared_ptr<Route> route(Rcode rcode) {
  auto route = std::make_shared<Route>();
  route->stages.push_back(std::make_shared<ScriptedStage>([rcode](Exchange& exchange) {
    exchange.answer.rcode = rcode;
    return Verdict::Answered;
  }));
  return route;
}

class ViewTest : public ::testing::Test {
 protected:
  ViewTest() { choosing_->stages.push_back(view_); }
  int ask(const unit::Request& request) {
    ListenerRoutes routes;
    routes.add(Name{}, choosing_);
    return client_.ask(routes, request)->rcode;
  }
  std::shared_ptr<ViewStage> view_ = std::make_shared<ViewStage>();
  std::shared_ptr<Route> choosing_ = std::make_shared<Route>();
  Client client_;
};

TEST_F(ViewTest, TheFirstThatHoldsIsTaken) {
  view_->add(when("incidr(client_ip(), '127.0.0.0/24') and type() == 'A'"), route(Rcode::YXDomain));
  view_->add(when("name() matches '^abc\\\\..*\\\\.test\\\\.$'"), route(Rcode::YXRRSet));
  EXPECT_EQ(ask({.qname = "x.test"}), 6);
  EXPECT_EQ(ask({.qname = "abc.x.test", .qtype = RRType::MX}), 7);
  EXPECT_EQ(ask({.qname = "x.test", .qtype = RRType::MX}), 5);
  view_->set_otherwise(route(Rcode::NXRRSet));
  EXPECT_EQ(ask({.qname = "x.test", .qtype = RRType::MX}), 8);
  client_.from("2001:db8::1");
  EXPECT_EQ(ask({.qname = "x.test"}), 8);
  view_->add(nullptr, route(Rcode::NotZone));
  EXPECT_EQ(ask({.qname = "x.test"}), 10);
}

TEST_F(ViewTest, WhatAQueryHas) {
  client_.from("192.0.2.7");
  const auto holds = [&](const char* text,
                         unit::Request request = {.qname = "X.test", .edns = true}) {
    view_ = std::make_shared<ViewStage>();
    choosing_ = std::make_shared<Route>();
    choosing_->stages.push_back(view_);
    view_->add(when(text), route(Rcode::NotZone));
    return ask(request) == 10;
  };
  EXPECT_TRUE(holds("name() == 'x.test.' && class() == 'IN' && type() == 'A'"));
  EXPECT_TRUE(holds("client_ip() == '192.0.2.7' && port() == '40000'"));
  EXPECT_TRUE(holds("server_ip() == '127.0.0.1' && server_port() == '53' && proto() == 'udp'"));
  EXPECT_TRUE(
      holds("id() == 10775 && opcode() == 0 && size() == 35 && bufsize() == 1232 && !do()"));
  EXPECT_TRUE(holds("metadata('a/b') == ''"));
  EXPECT_TRUE(holds("type() in ['A', 'AAAA']"));
  EXPECT_TRUE(holds("incidr('2001:db8::5', '2001:db8::/33') and not incidr('10.0.0.1', '::/0')"));
  // What is no truth, or fails, does not hold.
  EXPECT_FALSE(holds("1"));
  EXPECT_FALSE(holds("incidr('nobody', '10.0.0.0/8')"));
  EXPECT_FALSE(holds("incidr('10.0.0.1', '10.0.0.0')"));
}

}  // namespace
}  // namespace clusterdns::dns
