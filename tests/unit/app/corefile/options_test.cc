#include "app/corefile/options.h"

#include <gtest/gtest.h>

#include "app/corefile/error.h"
#include "app/corefile/parser.h"

namespace clusterdns::app {
namespace {

struct Values {
  std::vector<std::string> seen;
};

void keep(const Directive& line, Values& values) {
  std::string text = line.name.text;
  for (const Token& word : line.args) text += " " + word.text;
  values.seen.push_back(text);
}

constexpr Option kOptions[] = {
    option<&keep>("size", "NUMBER [UNIT]", "how large", "10"),
    option<&keep>("zones", "ZONE…", "which"),
    option<&keep>("only", "", "once", {}, Option::Kind::Line, true),
    option<&keep>("rule", "NAME", "with lines of its own", {}, Option::Kind::Block),
    later_option("prefetch"),
};

Directive line_of(std::string name, std::vector<std::string> words) {
  Directive line;
  line.name = {std::move(name), {"Corefile", 2, 3, "test"}};
  for (std::string& word : words)
    line.args.push_back({std::move(word), {"Corefile", 2, 9, "test"}});
  return line;
}

std::vector<std::string> messages_of(std::vector<Directive> lines, Values* values) {
  Directive directive = line_of("test", {});
  directive.block = std::move(lines);
  Problems problems;
  read_options(directive, kOptions, problems, *values);
  std::vector<std::string> texts;
  for (const Problem& problem : problems.sorted()) texts.push_back(problem.text);
  return texts;
}

TEST(CountArguments, FollowsBracketsAndDots) {
  const auto expect = [](std::string_view text, std::size_t least, std::size_t most) {
    const ArgumentCount count = count_arguments(text);
    EXPECT_EQ(count.least, least) << text;
    EXPECT_EQ(count.most, most) << text;
  };
  expect("", 0, 0);
  expect("DURATION", 1, 1);
  expect("CAPACITY [TTL] [MINTTL]", 1, 3);
  expect("DURATION [no_rec] [domain FQDN]", 1, 4);
  expect("ZONE…", 1, kAnyNumber);
  expect("[ZONE…]", 0, kAnyNumber);
  expect("success|denial [ZONE…]", 1, kAnyNumber);
  expect("ADDRESS NAME…", 2, kAnyNumber);
}

TEST(Options, AreReadInTheirOrder) {
  Values values;
  EXPECT_TRUE(messages_of({line_of("zones", {"a", "b"}), line_of("size", {"3"}),
                           line_of("only", {}), line_of("zones", {"c"})},
                          &values)
                  .empty());
  EXPECT_EQ(values.seen, (std::vector<std::string>{"zones a b", "size 3", "only", "zones c"}));
}

TEST(Options, WhatIsWrongIsToldAndTheNextIsRead) {
  Values values;
  const auto messages = messages_of(
      {line_of("szie", {"1"}), line_of("size", {}), line_of("size", {"1", "k", "x"}),
       line_of("prefetch", {}), line_of("only", {}), line_of("only", {}), line_of("size", {"7"})},
      &values);
  // Equal places are sorted by nothing else: look for each.
  const auto told = [&](std::string_view part) {
    return std::any_of(messages.begin(), messages.end(), [part](const std::string& message) {
      return message.find(part) != std::string::npos;
    });
  };
  EXPECT_EQ(messages.size(), 5U);
  EXPECT_TRUE(told("did you mean 'size'"));
  EXPECT_TRUE(told("needs at least 1 argument but has none; write `size NUMBER [UNIT]`"));
  EXPECT_TRUE(told("is one argument too many; write `size NUMBER [UNIT]`"));
  EXPECT_TRUE(told("not supported yet"));
  EXPECT_TRUE(told("is given twice, first at Corefile:2:3"));
  EXPECT_EQ(values.seen, (std::vector<std::string>{"only", "size 7"}));
}

TEST(Options, OnlyThoseThatMayHaveLinesOfTheirOwn) {
  Values values;
  Directive rule = line_of("rule", {"a"});
  rule.has_block = true;
  Directive size = line_of("size", {"1"});
  size.has_block = true;
  const auto messages = messages_of({rule, size}, &values);
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_NE(messages[0].find("takes no block"), std::string::npos) << messages[0];
}

}  // namespace
}  // namespace clusterdns::app
