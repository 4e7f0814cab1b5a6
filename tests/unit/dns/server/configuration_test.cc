#include "dns/server/configuration.h"

#include "tests/unit/dns/query/request.h"

namespace clusterdns::dns {
namespace {

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

TEST_F(Routes, EntriesAreOrderedByLabels) {
  for (const char* zone : {"local", ".", "a.b.c", "b.local"}) add(zone);
  std::vector<std::size_t> labels;
  for (const auto& entry : routes_.entries()) labels.push_back(entry.zone.label_count());
  EXPECT_EQ(labels, (std::vector<std::size_t>{3, 2, 1, 0}));
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
