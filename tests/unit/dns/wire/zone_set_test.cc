#include "dns/wire/zone_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/dns/query/request.h"
#include "tests/unit/growth.h"

namespace clusterdns::dns {
namespace {

using unit::name;

std::string found(const ZoneSet& set, const std::string& text) {
  const std::size_t i = set.find(name(text).view());
  return i == ZoneSet::kNone ? "none" : name_to_text(set[i]);
}

TEST(ZoneSet, TheLongestZone) {
  ZoneSet set;
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(found(set, "a.example"), "none");
  EXPECT_EQ(set.add(name("example").view()), 0u);
  EXPECT_EQ(set.add(name("b.A.example").view()), 1u);
  EXPECT_EQ(set.add(name("Example").view()), 0u) << "there already";
  EXPECT_EQ(set.size(), 2u);
  EXPECT_EQ(found(set, "example"), "example.");
  EXPECT_EQ(found(set, "a.EXAMPLE"), "example.");
  EXPECT_EQ(found(set, "x.B.a.example"), "b.a.example.");
  EXPECT_EQ(found(set, "anexample"), "none");
  EXPECT_EQ(found(set, "."), "none");
  set.add(NameView(name(".").view()));
  EXPECT_EQ(found(set, "net"), ".");
  EXPECT_EQ(found(set, "."), ".");
  EXPECT_EQ(found(set, "b.a.example"), "b.a.example.");
}

// Few are compared and many are hashed: whatever their number, the answer is the same.
TEST(ZoneSet, EveryNumberOfZones) {
  std::mt19937 random(5);
  const auto random_name = [&random] {
    std::string text;
    for (auto labels = random() % 6; labels > 0; --labels) {
      text += std::string(random() % 3 == 0 ? "B" : "a") + (random() % 2 == 0 ? "" : "bc") + ".";
    }
    return text.empty() ? "." : text;
  };
  ZoneSet set;
  std::vector<Name> zones;
  for (int i = 0; i < 60; ++i) {
    Name zone = name(random_name());
    zone.make_lower();
    const auto same = std::find(zones.begin(), zones.end(), zone);
    ASSERT_EQ(set.add(zone.view()), static_cast<std::size_t>(same - zones.begin()));
    if (same == zones.end()) zones.push_back(zone);
    ASSERT_EQ(set.size(), zones.size());
    for (int k = 0; k < 50; ++k) {
      const Name asked = name(random_name());
      Name lower = asked;
      lower.make_lower();
      const Name* best = nullptr;
      for (const Name& each : zones) {
        if (!lower.is_at_or_below(each.view())) continue;
        if (best == nullptr || each.label_count() > best->label_count()) best = &each;
      }
      const std::size_t at = set.find(asked.view());
      ASSERT_EQ(at == ZoneSet::kNone, best == nullptr) << asked.to_text();
      if (best != nullptr) {
        ASSERT_EQ(name_to_text(set[at]), best->to_text()) << asked.to_text();
      }
    }
  }
}

TEST(ZoneSet, LongestAndDeepestNames) {
  ZoneSet set;
  std::string deep;
  for (int i = 0; i < 127; ++i) deep += "a.";
  const std::string label(63, 'x');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'y');
  for (int i = 0; i < 20; ++i) set.add(name(std::to_string(i) + ".test").view());
  EXPECT_EQ(found(set, deep), "none");
  set.add(name(deep).view());
  set.add(name(longest).view());
  set.add(name("a").view());
  EXPECT_EQ(found(set, deep), name(deep).to_text());
  EXPECT_EQ(found(set, deep.substr(2)), "a.");
  EXPECT_EQ(found(set, longest), name(longest).to_text());
}

TEST(ZoneSet, CostDoesNotGrowWithTheZones) {
  const auto zones = [](int count) {
    ZoneSet set;
    for (int i = 0; i < count; ++i) set.add(name("zone-" + std::to_string(i) + ".example").view());
    return set;
  };
  const ZoneSet few = zones(5'000);
  const ZoneSet many = zones(40'000);
  const Name asked = name("www.other.example");
  EXPECT_LT(unit::growth([&] { return few.contains(asked.view()); },
                         [&] { return many.contains(asked.view()); }),
            4);
  // Adding is linear: eight times as many, and a factor of three for the caches.
  EXPECT_LT(unit::growth([&] { return zones(5'000).size(); }, [&] { return zones(40'000).size(); }),
            24);
}

}  // namespace
}  // namespace clusterdns::dns
