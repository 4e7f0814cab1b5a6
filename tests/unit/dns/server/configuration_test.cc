#include "dns/server/configuration.h"

#include "dns/forward/forward_stage.h"
#include "tests/unit/dns/query/request.h"
#include "tests/unit/dns/server/client.h"
#include "tests/unit/growth.h"

namespace clusterdns::dns {
namespace {

using unit::Lines;
using unit::name;
using unit::Packet;

class Routes : public ::testing::Test {
 protected:
  void add(const std::string& zone) {
    auto route = std::make_shared<Route>();
    route->zone_text = zone;
    routes_.add(name(zone), std::move(route));
  }
  std::string find(const std::string& qname) {
    const Packet packet(unit::Request{.qname = qname});
    Query query;
    EXPECT_EQ(parse_query(packet.view(), query), Gate::Pass);
    const auto* const found = routes_.find(query);
    return found == nullptr ? "none" : (*found)->zone_text;
  }
  ListenerRoutes routes_;
};

TEST_F(Routes, AllInTheOrderAdded) {
  for (const char* zone : {"local", ".", "a.b.c", "local"}) add(zone);
  Lines zones;
  for (const auto& route : routes_.routes()) zones.push_back(route->zone_text);
  EXPECT_EQ(zones, (Lines{"local", ".", "a.b.c", "local"}));
}

// Few zones are compared and many are hashed; the answers are the same.
TEST_F(Routes, AnyNumberOfZones) {
  add("example");
  add("deep.er.example");
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(find("a.example"), "example") << i;
    EXPECT_EQ(find("A.DEEP.er.example"), "deep.er.example") << i;
    EXPECT_EQ(find("er.example"), "example") << i;
    EXPECT_EQ(find("other"), "none") << i;
    add("zone-" + std::to_string(i) + ".test");
    EXPECT_EQ(find("www.zone-" + std::to_string(i) + ".test"),
              "zone-" + std::to_string(i) + ".test");
  }
  add(".");
  EXPECT_EQ(find("other"), ".");
  EXPECT_EQ(find("."), ".");
}

// A client that may not have its names forwarded must not cost a look at every server block.
TEST_F(Routes, RecursionOfManyBlocks) {
  for (int i = 0; i < 300; ++i) {
    ForwardStage::Options options;
    options.clients = AddressRanges();
    ASSERT_TRUE(options.clients.add("192.0." + std::to_string(i % 7) + ".0/24"));
    auto route = std::make_shared<Route>();
    route->stages.push_back(std::make_shared<ForwardStage>(std::move(options)));
    routes_.add(name("zone-" + std::to_string(i)), std::move(route));
  }
  EXPECT_TRUE(routes_.recursion_available(unit::endpoint("192.0.6.1")));
  EXPECT_FALSE(routes_.recursion_available(unit::endpoint("192.0.7.1")));
}

TEST_F(Routes, CostDoesNotGrowWithTheZones) {
  const auto routes_of = [](int count) {
    auto routes = std::make_unique<ListenerRoutes>();
    const auto route = std::make_shared<Route>();
    for (int i = 0; i < count; ++i) routes->add(name("zone-" + std::to_string(i) + ".test"), route);
    return routes;
  };
  const auto few = routes_of(5'000);
  const auto many = routes_of(40'000);
  const Packet packet(unit::Request{.qname = "www.other.test"});
  Query query;
  ASSERT_EQ(parse_query(packet.view(), query), Gate::Pass);
  EXPECT_LT(unit::growth([&] { return few->find(query) == nullptr; },
                         [&] { return many->find(query) == nullptr; }),
            4);
  EXPECT_LT(unit::growth([&] { return routes_of(5'000) == nullptr; },
                         [&] { return routes_of(40'000) == nullptr; }),
            24)
      << "adding is linear";
}

TEST_F(Routes, LabelsCountAndNotOctets) {
  // More octets, fewer labels, and neither holds the other.
  add("a-very-long-label-that-has-many-octets.test");
  add("x.y.z.test");
  add("test");
  EXPECT_EQ(find("q.x.y.z.test"), "x.y.z.test");
  EXPECT_EQ(find("q.a-very-long-label-that-has-many-octets.test"),
            "a-very-long-label-that-has-many-octets.test");
  EXPECT_EQ(find("y.z.test"), "test");
  EXPECT_EQ(find("z"), "none");
  EXPECT_EQ(find("."), "none");
}

TEST_F(Routes, TheFirstOfEqualZones) {
  auto first = std::make_shared<Route>();
  first->zone_text = "first";
  auto second = std::make_shared<Route>();
  second->zone_text = "second";
  routes_.add(name("x"), first);
  routes_.add(name("x"), second);
  EXPECT_EQ(find("a.x"), "first");
}

TEST_F(Routes, DeepNames) {
  add("a.a");
  std::string text;
  for (int i = 0; i < 127; ++i) text += "a.";
  EXPECT_EQ(find(text), "a.a");
  EXPECT_EQ(find("a"), "none");
}

}  // namespace
}  // namespace clusterdns::dns
