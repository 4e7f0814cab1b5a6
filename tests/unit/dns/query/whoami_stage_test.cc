#include "dns/query/whoami_stage.h"

#include "tests/unit/dns/server/client.h"

namespace clusterdns::dns {
namespace {

using unit::Client;
using unit::Lines;
using unit::lines;

class WhoamiTest : public ::testing::Test {
 protected:
  WhoamiTest() {
    auto route = std::make_shared<Route>();
    route->stages.push_back(std::make_shared<WhoamiStage>(1));
    routes_.add(Name{}, std::move(route));
  }
  ListenerRoutes routes_;
  Client client_;
};

TEST_F(WhoamiTest, AddressPortAndTransport) {
  auto answer = client_.ask(routes_, {.qname = "Who.example"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, 0);
  EXPECT_NE(answer->flags & kFlagAA, 0);
  EXPECT_TRUE(answer->answer.empty());
  EXPECT_EQ(lines(answer->additional),
            (Lines{"Who.example. 0 A 127.0.0.1", "_udp.Who.example. 0 SRV 0 0 40000 ."}));

  client_.from("2001:db8::7");
  client_.use(Transport::Tcp);
  answer = client_.ask(routes_, {.qname = "who.example", .qtype = RRType::MX, .edns = true});
  ASSERT_TRUE(answer);
  EXPECT_EQ(lines(answer->additional),
            (Lines{"who.example. 0 AAAA 2001:db8::7", "_tcp.who.example. 0 SRV 0 0 40000 ."}));
}

TEST_F(WhoamiTest, ANameThatLeavesNoRoomForTheLabel) {
  std::string longest;
  for (int i = 0; i < 127; ++i) longest += "a.";
  const auto answer = client_.ask(routes_, {.qname = longest});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->additional.size(), 1u);
  EXPECT_EQ(client_.ask(routes_, {.qname = longest.substr(6)})->additional.size(), 2u);
}

}  // namespace
}  // namespace clusterdns::dns
