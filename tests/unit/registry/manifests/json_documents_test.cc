#include "registry/manifests/json_documents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>

#include "tests/unit/registry/manifests/documents_fixture.h"

namespace clusterdns::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::place;
using testing_support::ReadText;

struct Result : ReadText {
  explicit Result(const std::string& text) {
    const auto error = read_json(text, find_json(text).value_or(0), 1, *this);
    if (error) failure = place(*error);
  }
  std::string failure;
};

TEST(JsonDocuments, LooksLikeJson) {
  for (const char* text :
       {"{\"a\": 1}", " \n\t{ \n \"a\": 1}", "{}", "[{\"a\": 1}]", "[[", "---\n{\"a\": 1}",
        "# generated\n{\"a\": 1}", "--- # x\n {\"a\"", "{\n  // comment\n"}) {
    EXPECT_TRUE(find_json(text)) << text;
  }
  for (const char* text : {"", "---\n", "a: {}", "{a: 1}", "{{ .Values.x }}", "- {}", "[a, b]",
                           "# {\"a\": 1}", "\"a\": 1", "{"}) {
    EXPECT_FALSE(find_json(text)) << text;
  }
}

TEST(JsonDocuments, EveryKindOfValue) {
  const Result result(
      R"({"a": "x", "b": [1, -2.5e3, true, false, null, "", {}, []], "c": {"d": "1"}})");
  EXPECT_EQ(result.failure, "");
  EXPECT_THAT(result.documents,
              ElementsAre(R"({"a" "x" "b" [1 -2.5e3 true false null "" {} [] ] "c" {"d" "1" } })"));
}

// RFC 8259, section 7.
TEST(JsonDocuments, Escapes) {
  const Result result(
      R"({"a": "\"\\\/\b\f\n\r\t\u00e9\u20AC\ud83d\ude80\u0000", "\u0061b": "\u007b"})");
  EXPECT_EQ(result.failure, "");
  ASSERT_EQ(result.nodes.size(), 1U);
  EXPECT_EQ(result.nodes[0].find("a")->text, std::string("\"\\/\b\f\n\r\té€🚀\0", 18));
  EXPECT_EQ(result.nodes[0].find("ab")->text, "{");
  // Half a pair means nothing, and costs nothing (section 8.2).
  const Result lone(R"({"a": "x\ud83dy", "b": "\ude80\ud83d\ude80"})");
  EXPECT_EQ(lone.failure, "");
  EXPECT_THAT(lone.documents, ElementsAre("{\"a\" \"x\uFFFDy\" \"b\" \"\uFFFD🚀\" }"));
}

TEST(JsonDocuments, KeysOfAnyLength) {
  const std::string key(100'000, 'k');
  const Result result("{\"" + key + "\": \"" + key + "\"}");
  EXPECT_EQ(result.failure, "");
  EXPECT_EQ(result.nodes.at(0).find(key)->text, key);
}

TEST(JsonDocuments, Positions) {
  const Result result("\n{\n  \"a\": {\"b\" :\n    [ 1,\n\t  \"x\" ]\n  }\n}\n\n{\"c\": 1}");
  EXPECT_EQ(result.failure, "");
  ASSERT_EQ(result.nodes.size(), 2U);
  EXPECT_EQ(result.nodes[0].mark, (YamlMark{2, 1}));
  EXPECT_EQ(result.nodes[0].find("a")->mark, (YamlMark{3, 8}));
  const YamlNode& list = *result.nodes[0].find("a")->find("b");
  EXPECT_EQ(list.mark, (YamlMark{4, 5}));
  EXPECT_EQ(list.children[0]->mark, (YamlMark{4, 7}));
  EXPECT_EQ(list.children[1]->mark, (YamlMark{5, 4}));
  EXPECT_EQ(result.nodes[1].mark, (YamlMark{9, 1}));
}

// As `kubectl get -o json` and `jq` put them behind one another.
TEST(JsonDocuments, SeveralTexts) {
  EXPECT_THAT(Result("{\"a\": 1}{\"b\": 2}\n\n{\"c\": 3}\n").documents,
              ElementsAre("{\"a\" 1 }", "{\"b\" 2 }", "{\"c\" 3 }"));
}

TEST(JsonDocuments, ItemsComeOneByOne) {
  const Result result(
      R"({"kind": "PodList", "items": [{"x": 1}, null, {"kind": "B"}], "metadata": {}})");
  EXPECT_THAT(result.documents,
              ElementsAre("{\"x\" 1 }", "null", "{\"kind\" \"B\" }",
                          "{\"kind\" \"PodList\" \"items\" [] \"metadata\" {} }"));
  EXPECT_THAT(result.lists[0], HasSubstr("PodList"));
  // Of what is not a List only those that say what they are.
  EXPECT_THAT(Result(R"({"items": [{"x": 1}, {"kind": "B"}]})").documents,
              ElementsAre("{\"kind\" \"B\" }", "{\"items\" [{\"x\" 1 } ] }"));
}

TEST(JsonDocuments, RepeatedKeysAreOddAndTheLastCounts) {
  const Result result("{\"a\": 1,\n \"b\": 2,\n \"a\": 3}");
  EXPECT_EQ(result.nodes.at(0).find("a")->text, "3");
  EXPECT_THAT(result.oddities, ElementsAre(HasSubstr("3:2: the key 'a' appears twice")));
}

TEST(JsonDocuments, WhatIsNoJson) {
  for (const auto& [text, wanted] : {
           std::pair<std::string, std::string>{"{\"a\": 1,}",
                                               "1:9: not JSON: a comma before the closing bracket"},
           {"{\"a\": [1,\n 2,\n ]}", "3:2: not JSON: a comma before"},
           {"{\n  // x\n  \"a\": 1}", "2:3: not JSON: JSON has no comments"},
           {"{\"a\": /* x */ 1}", "1:7: not JSON: JSON has no comments"},
           {"{\"a\": 'x'}", "1:7: not JSON: syntax error"},
           {"{\"a\": x}", "1:7: not JSON: syntax error"},
           {"{\"a\" 1}", "1:6: not JSON: syntax error"},
           {"{\"a\": 1 \"b\": 2}", "1:9: not JSON: syntax error"},
           {"{\"a\": 01}", "not JSON"},
           {"{\"a\": \"x", "not JSON: the text ends in the middle"},
           {"{\"a\": [1, 2", "not JSON: the text ends in the middle"},
           {"{\"a\": 1]", "not JSON"},
           {"{\"a\": 1} x", "1:10: not JSON: syntax error"},
           {"{\"a\": \"\\x\"}", "not JSON"},
           {"{\"a\": \"\\u12g4\"}", "not JSON"},
       }) {
    EXPECT_THAT(Result(text).failure, HasSubstr(wanted)) << text;
  }
}

TEST(JsonDocuments, OctetsThatAreNoUtf8AreLet) {
  EXPECT_EQ(Result("{\"a\": \"\xff\xc0\"}").failure, "");
}

TEST(JsonDocuments, NestingHasALimit) {
  const std::string deep = "{\"a\": " + std::string(100'000, '[');
  EXPECT_THAT(Result(deep).failure, HasSubstr("nested more than 64 levels deep"));
  const std::string most =
      "{\"a\": " + std::string(kMaxYamlDepth - 1, '[') + std::string(kMaxYamlDepth - 1, ']') + "}";
  EXPECT_EQ(Result(most).failure, "");
}

TEST(JsonDocuments, MemoryOfOneObjectHasALimit) {
  std::string text = "{\"a\": [";
  for (std::size_t i = 0; i < kMaxTreeOctets / sizeof(YamlNode); ++i) text += "1,";
  EXPECT_THAT(Result(text + "1]}").failure, HasSubstr("one object of more than 256 MiB in memory"));
}

// Objects that have been handed over do not count.
TEST(JsonDocuments, MemoryOfAListHasNone) {
  std::string item = "{\"kind\": \"A\", \"a\": [";
  for (std::size_t i = 0; i < 100'000; ++i) item += "1,";
  item += "1]},";
  std::string text = "{\"items\": [";
  for (int i = 0; i < 40; ++i) text += item;  // 448 MiB
  text += "{\"kind\": \"A\"}]}";
  struct Counter : DocumentVisitor {
    void on_object(const YamlNode&, const YamlNode*) override { ++count; }
    std::size_t count = 0;
  } counter;
  EXPECT_FALSE(read_json(text, 0, 1, counter));
  EXPECT_EQ(counter.count, 42U);
}

}  // namespace
}  // namespace clusterdns::registry
