#include "dns/expr/expr.h"

#include <gtest/gtest.h>

namespace clusterdns::dns {
namespace {

constexpr ExprNames::Function kFunctions[] = {{"name", 0, 0}, {"twice", 1, 1}, {"type", 0, 0}};

class TestScope final : public ExprScope {
 public:
  [[nodiscard]] std::optional<ExprValue> call(std::size_t function,
                                              std::span<const ExprValue> arguments) const override {
    if (function == 0) return ExprValue(std::string("abc.example.com."));
    if (function == 2) return ExprValue(std::string("AAAA"));
    if (arguments[0].as_int() == nullptr) return std::nullopt;
    return ExprValue(*arguments[0].as_int() * 2);
  }
  [[nodiscard]] ExprValue variable(std::size_t) const override { return std::int64_t{7}; }
};

const std::vector<std::string> kVariables{"seven"};
const ExprNames kNames{kFunctions, kVariables};

std::string value_of(std::string_view text) {
  std::string error;
  const auto expr = Expr::parse(text, kNames, &error);
  if (!expr) return "error: " + error;
  const auto value = expr->evaluate(TestScope());
  return value ? value->to_text() : "failed";
}

TEST(ExprTest, Values) {
  EXPECT_EQ(value_of("42"), "42");
  EXPECT_EQ(value_of("0xff + 0b11 + 0o17 + 1_000"), "1273");
  EXPECT_EQ(value_of("1.5 + .5"), "2");
  EXPECT_EQ(value_of(R"('a\n\x41é\'' + "b" + `c\d`)"), "a\nA\xc3\xa9'bc\\d");
  EXPECT_EQ(value_of("[1, 'a', [true], nil,]"), "[1 a [true] <nil>]");
  EXPECT_EQ(value_of("{a: 1, 'b': 2, (name()): 3}"), "map[a:1 abc.example.com.:3 b:2]");
  EXPECT_EQ(value_of("seven * 6"), "42");
  EXPECT_EQ(value_of("1 /* one */ + 2 // two"), "3");
}

// Levels as in expr-lang's documentation.
TEST(ExprTest, Operators) {
  EXPECT_EQ(value_of("1 + 2 * 3 - 4 / 2"), "5");
  EXPECT_EQ(value_of("7 % 4 + -1"), "2");
  EXPECT_EQ(value_of("2 ** 3 ^ 2"), "512");
  EXPECT_EQ(value_of("-2 ** 2"), "-4");
  EXPECT_EQ(value_of("7 / 2"), "3.5");
  EXPECT_EQ(value_of("1 < 2 and 2 <= 2 && 3 > 2 and not (2 >= 3)"), "true");
  EXPECT_EQ(value_of("!true || false or 1 == 1.0"), "true");
  EXPECT_EQ(value_of("not true == false"), "true");
  EXPECT_EQ(value_of("'a' < 'b' && 'a' != 'b'"), "true");
  EXPECT_EQ(value_of("2 in [1, 2] and 3 not in [1, 2] and 'a' in {a: 1}"), "true");
  EXPECT_EQ(
      value_of("name() startsWith 'abc' and name() endsWith '.' and name() contains 'example'"),
      "true");
  EXPECT_EQ(value_of(R"(name() matches '^abc\\..*\\.com\\.$')"), "true");
  EXPECT_EQ(value_of(R"(name() matches '^' + 'ab')"), "true");
  EXPECT_EQ(value_of("not (name() matches `x$`)"), "true");
  EXPECT_EQ(value_of("true ? 1 : 2"), "1");
  EXPECT_EQ(value_of("false ? 1 : true ? 2 : 3"), "2");
  EXPECT_EQ(value_of("nil ?? 5"), "5");
  EXPECT_EQ(value_of("1..4"), "[1 2 3 4]");
  EXPECT_EQ(value_of("let x = twice(2); let y = x + 1; x * y"), "20");
  EXPECT_EQ(value_of("if 1 > 2 { 'a' } else { 'b' }"), "b");
}

TEST(ExprTest, MembersAndSlices) {
  EXPECT_EQ(value_of("[1, 2, 3][-1]"), "3");
  EXPECT_EQ(value_of("{a: {b: 5}}.a.b"), "5");
  EXPECT_EQ(value_of("{a: 1}?.c ?? 'none'"), "none");
  EXPECT_EQ(value_of("'hello'[1:3] + 'hello'[-2:] + 'hello'[:1]"), "elloh");
  EXPECT_EQ(value_of("[1, 2, 3][1:]"), "[2 3]");
  EXPECT_EQ(value_of("[1][5]"), "failed");
}

TEST(ExprTest, Functions) {
  EXPECT_EQ(value_of("any(['10.0.0.0/8', 'x'], # == 'x')"), "true");
  EXPECT_EQ(value_of("all(1..3, # > 0) and none([1], # > 1) and one([1, 2], {# > 1})"), "true");
  EXPECT_EQ(value_of("filter(1..6, # % 2 == 0) | map(# * #index)"), "[0 4 12]");
  EXPECT_EQ(value_of("map([{a: 1}, {a: 2}], .a)"), "[1 2]");
  EXPECT_EQ(value_of("count([true, false, true]) + sum([1, 2]) + len('abc')"), "8");
  EXPECT_EQ(value_of("upper('a') + lower('B') + trim('  c ') + trimPrefix('xd', 'x')"), "Abcd");
  EXPECT_EQ(value_of("split('a.b.c', '.', 2) | join('-')"), "a-b.c");
  EXPECT_EQ(value_of("replace('1-2-3', '-', '.')"), "1.2.3");
  EXPECT_EQ(value_of("int('12') + abs(-3) + max(1, [5, 2]) + min(4, 3)"), "23");
  EXPECT_EQ(value_of("first([1, 2]) + last([1, 2]) + indexOf('abc', 'c')"), "5");
  EXPECT_EQ(value_of("sort([3, 1, 2]) | reverse() | string()"), "[3 2 1]");
  EXPECT_EQ(value_of("hasPrefix('abc', 'a') && hasSuffix('abc', 'c')"), "true");
  EXPECT_EQ(value_of("bitand(6, 3) + bitshl(1, 4)"), "18");
  EXPECT_EQ(value_of("'a,b' | split(',') | len()"), "2");
  // Characters, as expr-lang counts them; what is no UTF-8 is one each.
  EXPECT_EQ(value_of(R"(len('é€😀') + len('\xff\xc3'))"), "5");
}

TEST(ExprTest, MapsAndSums) {
  // A number is another key than its text.
  EXPECT_EQ(value_of("groupBy(1..5, # % 2)[1]"), "[1 3 5]");
  EXPECT_EQ(value_of("groupBy(1..5, # % 2)['1']"), "<nil>");
  EXPECT_EQ(value_of("1 in groupBy([1], #) and true in groupBy([1], # > 0)"), "true");
  EXPECT_EQ(value_of("keys(groupBy(['a', 'bc'], len(#))) | sum()"), "3");
  EXPECT_EQ(value_of("groupBy([1], [#])"), "failed");
  EXPECT_EQ(value_of("toPairs({b: 2, a: 1})"), "[[a 1] [b 2]]");
  EXPECT_EQ(value_of("fromPairs([['x', 1], [2, 'y']])[2]"), "y");
  EXPECT_EQ(value_of("fromPairs([[1]])"), "failed");
  EXPECT_EQ(value_of("reduce(1..4, #acc * #)"), "24");
  EXPECT_EQ(value_of("reduce(['a', 'b'], #acc + #, 'x') + string(reduce([], #acc + #, 0))"),
            "xab0");
  EXPECT_EQ(value_of("reduce([], #acc)"), "failed");
  EXPECT_EQ(value_of("reduce(1..3, #acc + reduce(1..#, #acc + #))"), "10");
  EXPECT_EQ(value_of("map([1], #acc)"), "error: '#acc' has no meaning here (1:14)");
  EXPECT_EQ(value_of("map([1, 1.5, 'a', nil, [], {}, true], type(#))"),
            "[int float string nil array map bool]");
}

TEST(ExprTest, WhatIsWrongIsSaid) {
  EXPECT_EQ(value_of("nam()"), "error: unknown function nam (1:1)");
  EXPECT_EQ(value_of("clientip"), "error: unknown name clientip (1:1)");
  EXPECT_EQ(value_of("name(1)"), "error: name takes 0 arguments, and not 1 (1:5)");
  EXPECT_EQ(value_of("1 +"), "error: unexpected end (1:4)");
  EXPECT_EQ(value_of("(1"), "error: expected ')', and not the end (1:3)");
  EXPECT_EQ(value_of("'a"), "error: literal not terminated (1:3)");
  EXPECT_EQ(value_of("1 2"), "error: unexpected 2 (1:3)");
  EXPECT_EQ(value_of("#"), "error: '#' has a meaning inside of a predicate only (1:2)");
  EXPECT_EQ(value_of("now()"), "error: the function now is not supported (1:1)");
  EXPECT_NE(value_of("name() matches '('").find("is not a regular expression"), std::string::npos);
  EXPECT_EQ(value_of(std::string(500, '(')).substr(0, 23), "error: nested too deepl");
  EXPECT_EQ(value_of("1 + 'a'"), "failed");
  EXPECT_EQ(value_of("twice('a')"), "failed");
  EXPECT_EQ(value_of("5 % 0"), "failed");
}

// No expression keeps a worker, or takes its memory.
TEST(ExprTest, EvaluationIsBounded) {
  EXPECT_EQ(value_of("1..100000000"), "failed");
  EXPECT_EQ(value_of("repeat('a', 1000000000)"), "failed");
  EXPECT_EQ(value_of("len(map(1..60000, map(1..60000, #)))"), "failed");
  EXPECT_EQ(value_of("let a = repeat('a', 60000); let b = a + a; b"), "failed");
  EXPECT_EQ(value_of("sum(map(1..1000, len(repeat('abc', #))))"), "1501500");
}

TEST(ExprTest, NamesOfVariables) {
  EXPECT_TRUE(Expr::may_be_variable("ip_1", kNames));
  for (const char* bad : {"", "1a", "a-b", "name", "true", "len", "let", "type", "in"}) {
    EXPECT_FALSE(Expr::may_be_variable(bad, kNames)) << bad;
  }
}

TEST(ExprTest, TypeOfTheQueryAndOfAValue) {
  EXPECT_EQ(value_of("type()"), "AAAA");
  EXPECT_EQ(value_of("type(1)"), "int");
  EXPECT_EQ(value_of("type(1, 2)"), "error: type takes 0 arguments, and not 2 (1:5)");
}

// Values that share their parts are small; what walks through them meets each part again.
TEST(ExprTest, SharedAndDeepValuesAreBounded) {
  EXPECT_EQ(value_of("reduce(1..40, [#acc, #acc], 0) == reduce(1..40, [#acc, #acc], 0)"), "failed");
  EXPECT_EQ(value_of("string(reduce(1..40, [#acc, #acc], 'x'))"), "failed");
  EXPECT_EQ(value_of("string(reduce(1..19000, [[[#acc]]], 0)) == ''"), "failed");
  EXPECT_EQ(value_of("reduce(1..19000, ({'a': #acc}), 0)"), "failed");
  EXPECT_EQ(value_of("let s = repeat('a', 65536); len(map(1..30000, s)) > 0"), "failed");
  EXPECT_EQ(value_of("len(string(reduce(1..10, [#acc, #acc], 'x')))"), "4093");
}

}  // namespace
}  // namespace clusterdns::dns
