#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "registry/model.h"

namespace clusterdns::registry {
namespace {

using ::testing::ElementsAreArray;

Endpoint at(const std::string& address, bool ready = true, const std::string& hostname = "") {
  Endpoint endpoint{*IpAddress::parse(address), ready, nullptr};
  if (!hostname.empty()) {
    endpoint.detail = std::make_shared<const EndpointDetail>(EndpointDetail{hostname, "", ""});
  }
  return endpoint;
}

TEST(EndpointList, EmptyAndCleared) {
  EndpointList list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.size(), 0U);
  EXPECT_EQ(list.begin(), list.end());
  list.push_back(at("fd00::1", true, "h"));
  list.clear();
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list, EndpointList());
  list.push_back(at("10.0.0.1"));
  EXPECT_EQ(list, EndpointList({at("10.0.0.1")}));
}

TEST(EndpointList, KeepsWhatAVectorWould) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    // From a certain place on both families, and details.
    const auto v6_from = random() % 20;
    const auto details_from = random() % 20;
    std::vector<Endpoint> model;
    EndpointList list;
    for (auto i = 0U; i < 1 + random() % 15; ++i) {
      const std::string n = std::to_string(i);
      const bool v6 = i >= v6_from && random() % 2 == 0;
      const bool detail = i >= details_from && random() % 2 == 0;
      model.push_back(at(v6 ? "fd00:1:2:3:4:5:6:" + n : "10.244.3." + n, random() % 3 != 0,
                         detail ? "h" + n : ""));
      list.push_back(model.back());
      ASSERT_EQ(list.back(), model.back());
    }
    if (random() % 2 == 0) list.shrink_to_fit();
    ASSERT_EQ(list.size(), model.size());
    ASSERT_THAT(std::vector<Endpoint>(list.begin(), list.end()), ElementsAreArray(model));
    ASSERT_EQ(list.front(), model.front());
    ASSERT_EQ(list, EndpointList(model));
    // Details are shared, not copied.
    for (std::size_t i = 0; i < model.size(); ++i) ASSERT_EQ(list[i].detail, model[i].detail);
  }
}

TEST(EndpointList, ComparesByWhatIsInIt) {
  const EndpointList one{at("10.0.0.1"), at("10.0.0.2")};
  EXPECT_EQ(one, EndpointList({at("10.0.0.1"), at("10.0.0.2")}));
  EXPECT_NE(one, EndpointList({at("10.0.0.1")}));
  EXPECT_NE(one, EndpointList({at("10.0.0.2"), at("10.0.0.1")}));
  EXPECT_NE(one, EndpointList({at("10.0.0.1"), at("10.0.0.2", false)}));
  EXPECT_NE(one, EndpointList({at("10.0.0.1"), at("10.0.0.2", true, "h")}));
  EXPECT_NE(one, EndpointList({at("10.0.0.1"), at("a00:2::")})) << "the same first octets";
  EXPECT_EQ(EndpointList({at("10.0.0.1", true, "h")}), EndpointList({at("10.0.0.1", true, "h")}));
}

TEST(EndpointList, NarrowWhileAllAreIpv4) {
  EndpointList list;
  for (int i = 0; i < 200; ++i) list.push_back(at("10.0.0." + std::to_string(i)));
  EXPECT_EQ(list[199], at("10.0.0.199"));
  list.push_back(at("fd00::1"));
  EXPECT_EQ(list[0], at("10.0.0.0"));
  EXPECT_EQ(list[199], at("10.0.0.199"));
  EXPECT_EQ(list[200], at("fd00::1"));
}

}  // namespace
}  // namespace clusterdns::registry
