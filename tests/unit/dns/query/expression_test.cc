#include "dns/query/expression.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace clusterdns::dns {
namespace {

std::string error_of(const std::string& text) {
  std::string error = "no error";
  return Expression::compile(text, &error) ? "no error" : error;
}

bool matches(const std::string& text, std::string_view in) {
  std::string error;
  const auto expression = Expression::compile(text, &error);
  EXPECT_TRUE(expression) << text << ": " << error;
  return expression && expression->matches(in);
}

TEST(Expression, GoesSyntax) {
  EXPECT_TRUE(matches("timeout$", "read udp 127.0.0.1:1->127.0.0.1:53: i/o timeout"));
  EXPECT_FALSE(matches("^timeout", "i/o timeout"));
  EXPECT_TRUE(matches("(?i)TIMEOUT", "i/o timeout"));
  EXPECT_TRUE(matches("^a(?i:B)c$", "abc"));
  EXPECT_FALSE(matches("^a(?i:B)c$", "abC"));
  EXPECT_TRUE(matches(R"(^\d+\.\d+$)", "12.5"));
  EXPECT_TRUE(matches(R"(^[[:alpha:]]+$)", "abc"));
  EXPECT_TRUE(matches(R"(^\pL+$)", "\xC3\xBC"));
  EXPECT_TRUE(matches(R"(^\Qa.b\E$)", "a.b"));
  EXPECT_FALSE(matches(R"(^\Qa.b\E$)", "axb"));
  EXPECT_TRUE(matches("", "anything"));
}

// Go has `(?<name>…)` since 1.22.
TEST(Expression, BothWaysToNameAGroup) {
  EXPECT_TRUE(matches("^(?P<a>x)(?<b>y)$", "xy"));
  // Where these characters do not make a group.
  EXPECT_TRUE(matches(R"(^[(?<]+$)", "(?<"));
  EXPECT_TRUE(matches(R"(^[^](?<]$)", "a"));
  EXPECT_FALSE(matches(R"(^[^](?<]$)", "<"));
  EXPECT_TRUE(matches(R"(^[[:digit:](?<]+$)", "1(?<"));
  EXPECT_TRUE(matches(R"(^\(?<x$)", "(<x"));
  EXPECT_TRUE(matches(R"(^\Q(?<x\E$)", "(?<x"));
  EXPECT_TRUE(matches(R"(^\Q(?<x)", "(?<x"));
}

TEST(Expression, ErrorsSayWhat) {
  EXPECT_EQ(error_of("(ab"), "missing ): (ab");
  EXPECT_EQ(error_of("a**b"), "bad repetition operator: **");
  EXPECT_EQ(error_of("(?=a)"), "invalid perl operator: (?=");
  EXPECT_EQ(error_of("(?<=a)"), "invalid perl operator: (?<");
  EXPECT_EQ(error_of("\\"), "trailing \\");
  EXPECT_EQ(error_of("["), "missing ]: [");
}

TEST(Expression, SizeAndMemoryAreBounded) {
  EXPECT_EQ(error_of(std::string(kMaxExpressionSize, 'a')), "no error");
  EXPECT_EQ(error_of(std::string(kMaxExpressionSize + 1, 'a')),
            "it has 10001 octets; at most 10000 are possible");
  EXPECT_EQ(error_of("\\pL{1000}"), "it takes more than 1048576 octets of memory; repeat less");
}

// A matcher that goes back takes 2 to the number of words for this one.
TEST(Expression, TimeGrowsWithTheText) {
  std::string error;
  const auto expression = Expression::compile("^(([^ ])+ ?)+!$", &error);
  ASSERT_TRUE(expression) << error;
  const std::string text(100'000, 'a');
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_FALSE(expression->matches(text));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5));
}

}  // namespace
}  // namespace clusterdns::dns
