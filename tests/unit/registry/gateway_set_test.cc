#include "registry/gateway_set.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace clusterdns::registry::gateways {
namespace {

// A Gateway that takes some `octets`.
ObjectPointer gateway(const std::string& name, std::size_t octets) {
  auto object = std::make_shared<IstioGateway>();
  object->key = {"default", name};
  auto& server = object->servers.emplace_back();
  while (octets_of(*object) < octets) {
    for (int i = 0; i < 1000; ++i) server.hosts.push_back({"", std::string(200, 'h')});
  }
  return object;
}

constexpr std::size_t kMiB = 1024 * 1024;

TEST(GatewaySet, ObjectsTakeABoundedNumberOfOctets) {
  ObjectSet set;
  int kept = 0;
  while (set.put(gateway(std::to_string(kept), 4 * kMiB))) {
    ++kept;
    ASSERT_LE(set.octets(), kMaxObjectOctets);
  }
  EXPECT_EQ(static_cast<int>(set.size()), kept);
  EXPECT_GT(set.octets(), kMaxObjectOctets - 5 * kMiB);

  // One that has grown beyond the room does not stay as it was: that is no longer what it says.
  EXPECT_FALSE(set.put(gateway("0", 12 * kMiB)));
  EXPECT_EQ(set.find(Kind::IstioGateway, {"default", "0"}), nullptr);
  EXPECT_TRUE(set.put(gateway("0", 3 * kMiB)));

  set.erase(Kind::IstioGateway, {"default", "1"});
  EXPECT_TRUE(set.put(gateway("another", 3 * kMiB)));
  EXPECT_LE(set.octets(), kMaxObjectOctets);
}

TEST(GatewaySet, WhatIsLeftOutOfAListIsCounted) {
  std::vector<ObjectPointer> objects;
  for (int i = 0; i < 12; ++i) objects.push_back(gateway(std::to_string(i), 8 * kMiB));
  ObjectSet set;
  const std::size_t left_out = set.replace(objects);
  EXPECT_GT(left_out, 0U);
  EXPECT_EQ(set.size() + left_out, objects.size());
  EXPECT_LE(set.octets(), kMaxObjectOctets);
}

}  // namespace
}  // namespace clusterdns::registry::gateways
