#include "dns/rewrite/name_rules.h"

#include <gtest/gtest.h>

namespace clusterdns::dns {
namespace {

NameRule regex(std::string_view from, std::string_view to) {
  std::string error;
  return {Expression::compile(from, &error).value(), to};
}

std::string changed(const NameRule& rule, std::string_view name) {
  NameText to;
  switch (rule.change(name, to)) {
    case NameChange::None: return "none";
    case NameChange::TooLong: return "too long";
    case NameChange::Changed: break;
  }
  return std::string(to.view());
}

TEST(NameTextTest, EscapesAsCoreDnsDoes) {
  const std::uint8_t wire[] = {8, 'a', '.', ' ', '\\', '@', 0x07, 0xFF, '$', 1, 'B', 0};
  NameText text{NameView(wire)};
  EXPECT_EQ(text.view(), R"(a\.\ \\\@\007\255$.B.)");
  text.make_lower();
  EXPECT_EQ(text.view(), R"(a\.\ \\\@\007\255$.b.)");
  EXPECT_EQ(NameText(Name().view()).view(), ".");
  // It is read back as what it was.
  EXPECT_TRUE(equal_ignoring_case(Name::from_text(text.view())->view(), wire));
}

TEST(NameTextTest, HoldsTheLongestName) {
  std::vector<std::uint8_t> wire;
  for (int i = 0; i < 4; ++i) {
    wire.push_back(i < 3 ? 63 : 61);
    wire.insert(wire.end(), wire.back(), 0xFF);
  }
  wire.push_back(0);
  ASSERT_EQ(wire.size(), kMaxNameSize);
  const NameText text{NameView(wire)};
  EXPECT_EQ(text.view().size(), 250 * 4 + 4);
}

TEST(NameRuleTest, FixedText) {
  EXPECT_EQ(changed({NameMatch::Exact, "a.test.", "b.test."}, "a.test."), "b.test.");
  EXPECT_EQ(changed({NameMatch::Exact, "a.test.", "b.test."}, "x.a.test."), "none");
  EXPECT_EQ(changed({NameMatch::Prefix, "foo.", "bar."}, "foo.example.com."), "bar.example.com.");
  EXPECT_EQ(changed({NameMatch::Prefix, "foo.", "bar."}, "fooo.example.com."), "none");
  EXPECT_EQ(changed({NameMatch::Suffix, ".schmoogle.com.", ".google.com."}, "www.schmoogle.com."),
            "www.google.com.");
  // As CoreDNS: a suffix is text, and need not begin a label.
  EXPECT_EQ(changed({NameMatch::Suffix, "com.", "org."}, "xcom."), "xorg.");
  EXPECT_EQ(changed({NameMatch::Substring, "a.", "bb."}, "a.a.test."), "bb.bb.test.");
  EXPECT_EQ(changed({NameMatch::Substring, "x.", "y."}, "a.test."), "none");
}

TEST(NameRuleTest, ExpressionsWithGroups) {
  const NameRule rule = regex(R"((.*)-(us-west-1)\.example\.org)", "{1}.service.{2}.consul.");
  EXPECT_EQ(changed(rule, "ftp-us-west-1.example.org."), "ftp.service.us-west-1.consul.");
  EXPECT_EQ(changed(rule, "ftp-us-east-1.example.org."), "none");
  // The whole match, a group that there is not, and a place that is none.
  EXPECT_EQ(changed(regex("a(b)?", "{0}-{1}{2}{01}{x}"), "a"), "a-{2}{01}{x}");
}

TEST(NameRuleTest, WhatGetsTooLongIsSaid) {
  const NameRule rule{NameMatch::Substring, "a", std::string(100, 'b')};
  EXPECT_EQ(changed(rule, std::string(60, 'a')), "too long");
}

// Rules of every kind, found by the index and by trying each: the same, in the same order.
TEST(RuleIndexTest, FindsWhatTryingEachFinds) {
  std::vector<NameRule> rules;
  for (int i = 0; i < 40; ++i) {
    const std::string n = std::to_string(i % 7);
    rules.emplace_back(NameMatch::Exact, "e" + n + ".test.", "");
    rules.emplace_back(NameMatch::Suffix,
                       n + std::string(static_cast<std::size_t>(i % 3), 'x') + ".test.", "");
    rules.emplace_back(NameMatch::Prefix, "p" + n, "");
    rules.push_back(regex("^[a-z]" + n, ""));
    rules.emplace_back(NameMatch::Substring, n + ".t", "");
  }
  RuleIndex index;
  for (const NameRule& rule : rules) index.add(&rule);
  index.add(nullptr);
  for (const std::string name :
       {"e3.test.", "p5.test.", "q6xx.test.", "p12.other.", ".", "e9.test."}) {
    for (const std::size_t first : {std::size_t{0}, std::size_t{33}, rules.size()}) {
      std::vector<std::size_t> expected;
      for (std::size_t i = first; i < rules.size(); ++i) {
        if (rules[i].matches(name)) expected.push_back(i);
      }
      expected.push_back(rules.size());  // of which no name decides
      std::vector<std::size_t> found;
      RuleIndex::Walk walk(index, name, first);
      for (std::size_t i; (i = walk.next()) != RuleIndex::kNone;) {
        if (i == rules.size() || rules[i].matches(name)) found.push_back(i);
      }
      EXPECT_EQ(found, expected) << name << " from " << first;
    }
  }
}

// What fixed text decides is not tried when the text is another.
TEST(RuleIndexTest, ManyRulesCostNoMoreThanFew) {
  std::vector<NameRule> rules;
  for (int i = 0; i < 10'000; ++i) {
    rules.emplace_back(i % 2 == 0 ? NameMatch::Exact : NameMatch::Suffix,
                       "n" + std::to_string(i) + ".test.", "");
  }
  RuleIndex index;
  for (const NameRule& rule : rules) index.add(&rule);
  RuleIndex::Walk walk(index, "n4243.test.", 0);
  EXPECT_EQ(walk.next(), 4243u);
  EXPECT_EQ(walk.next(), RuleIndex::kNone);
}

}  // namespace
}  // namespace clusterdns::dns
