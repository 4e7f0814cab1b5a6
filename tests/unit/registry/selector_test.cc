#include "registry/selector.h"

#include <gtest/gtest.h>

#include <string>

namespace clusterdns::registry {
namespace {

const Labels kLabels = {{"app", "web"}, {"empty", ""}, {"tier", "front"}};

bool matches_text(const char* text) {
  const auto selector = LabelSelector::parse(text);
  EXPECT_TRUE(selector.has_value()) << text;
  return selector.has_value() && selector->matches(kLabels);
}

TEST(Labels, NormalizeSortsAndKeepsTheLast) {
  Labels labels = {{"b", "1"}, {"a", "2"}, {"b", "3"}};
  normalize(labels);
  EXPECT_EQ(labels, (Labels{{"a", "2"}, {"b", "3"}}));
}

TEST(Labels, FindLabel) {
  ASSERT_NE(find_label(kLabels, "tier"), nullptr);
  EXPECT_EQ(*find_label(kLabels, "tier"), "front");
  EXPECT_EQ(find_label(kLabels, "b"), nullptr);
  const Labels none;
  EXPECT_EQ(find_label(none, "b"), nullptr);
}

TEST(EqualitySelector, MatchesWhenAllPairsAreThere) {
  EXPECT_TRUE(matches(Labels{{"app", "web"}}, kLabels));
  EXPECT_TRUE(matches(Labels{{"app", "web"}, {"tier", "front"}}, kLabels));
  EXPECT_FALSE(matches(Labels{{"app", "db"}}, kLabels));
  EXPECT_FALSE(matches(Labels{{"app", "web"}, {"zone", "a"}}, kLabels));
  EXPECT_TRUE(matches({}, kLabels));
}

TEST(LabelSelector, Operators) {
  EXPECT_TRUE(matches_text(""));
  EXPECT_TRUE(matches_text("   "));
  EXPECT_TRUE(matches_text("app"));
  EXPECT_FALSE(matches_text("zone"));
  EXPECT_FALSE(matches_text("!app"));
  EXPECT_TRUE(matches_text("! zone"));
  EXPECT_TRUE(matches_text("app=web"));
  EXPECT_TRUE(matches_text("app == web"));
  EXPECT_FALSE(matches_text("app=db"));
  EXPECT_FALSE(matches_text("zone=a"));
  EXPECT_TRUE(matches_text("app!=db"));
  EXPECT_FALSE(matches_text("app != web"));
  EXPECT_TRUE(matches_text("zone!=a"));  // also true without the key
  EXPECT_TRUE(matches_text("app in (db, web)"));
  EXPECT_FALSE(matches_text("app in (db)"));
  EXPECT_FALSE(matches_text("zone in (a)"));
  EXPECT_TRUE(matches_text("app notin (db)"));
  EXPECT_FALSE(matches_text("app notin(db,web)"));
  EXPECT_TRUE(matches_text("zone notin (a)"));
  EXPECT_TRUE(matches_text("empty="));
  EXPECT_TRUE(matches_text("empty in (,x)"));
  EXPECT_FALSE(matches_text("app="));
}

TEST(LabelSelector, RequirementsAreAConjunction) {
  EXPECT_TRUE(matches_text("app=web,tier!=back,app in (web,db),zone notin (z),empty,!zone"));
  EXPECT_FALSE(matches_text("app=web,tier!=front"));
}

TEST(LabelSelector, ErrorsTellWhereAndWhat) {
  const auto offset_of = [](const char* text) {
    const auto selector = LabelSelector::parse(text);
    EXPECT_TRUE(selector.has_error()) << text;
    if (!selector.has_error()) return std::string::npos;
    EXPECT_FALSE(selector.error().what.empty());
    return selector.error().offset;
  };
  EXPECT_EQ(offset_of(","), 0U);
  EXPECT_EQ(offset_of("a=b,"), 4U);
  EXPECT_EQ(offset_of("a b"), 2U);
  EXPECT_EQ(offset_of("a in x"), 5U);
  EXPECT_EQ(offset_of("a in (x"), 7U);
  EXPECT_EQ(offset_of("a in (x))"), 8U);
  EXPECT_EQ(offset_of("a!b"), 2U);
  EXPECT_EQ(offset_of("a=b=c"), 3U);
  EXPECT_EQ(offset_of("a>1"), 1U);
  EXPECT_EQ(offset_of("app=-x"), 4U);
  EXPECT_EQ(offset_of("x=y,-a=b"), 4U);
}

TEST(LabelSelector, TextRoundTrips) {
  for (const char* text : {"a=b", "a!=b", "a in (x,y)", "a notin (x,y)", "a", "!a",
                           "a=b,c!=d,e in (x,y),f notin (z),g,!h", ""}) {
    const auto once = LabelSelector::parse(text);
    ASSERT_TRUE(once.has_value()) << text;
    const auto twice = LabelSelector::parse(once->to_string());
    ASSERT_TRUE(twice.has_value()) << once->to_string();
    EXPECT_EQ(*once, *twice) << text;
  }
}

}  // namespace
}  // namespace clusterdns::registry
