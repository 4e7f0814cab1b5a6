#include "registry/manifests/yaml_documents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

namespace clusterdns::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string dump(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::Null:
      return "null";
    case YamlNode::Kind::Scalar:
      return node.quoted ? '"' + node.text + '"' : node.text;
    case YamlNode::Kind::Sequence:
    case YamlNode::Kind::Map:
      break;
  }
  std::string out = node.is_map() ? "{" : "[";
  for (const YamlNodePtr& child : node.children) out += dump(*child) + ' ';
  return out + (node.is_map() ? '}' : ']');
}

struct Result {
  std::vector<std::string> documents;
  std::vector<YamlMark> marks;
  std::optional<YamlError> error;
};

Result read(const std::string& text) {
  Result result;
  std::istringstream input(text);
  result.error = read_yaml(input, [&](const YamlNode& node) {
    result.documents.push_back(dump(node));
    result.marks.push_back(node.mark);
  });
  return result;
}

TEST(YamlDocuments, ReadsSeveralAndSkipsEmptyOnes) {
  const Result result = read("---\na: 1\n---\n# nothing\n---\n\n---\nb: [x, 'y', ~]\n...\n");
  EXPECT_FALSE(result.error);
  EXPECT_THAT(result.documents, ElementsAre("{a 1 }", "{b [x \"y\" null ] }"));
  EXPECT_EQ(result.marks[0].line, 2U);
  EXPECT_EQ(result.marks[1].line, 8U);
  EXPECT_THAT(read("").documents, IsEmpty());
  EXPECT_THAT(read("# only a comment\n").documents, IsEmpty());
}

TEST(YamlDocuments, ReadsJsonWithTabs) {
  const Result result = read("{\n\t\"a\": {\"b\": [1, true, null, \"x\\/y\\u00e9\"]}\n}\n");
  EXPECT_FALSE(result.error);
  EXPECT_THAT(result.documents, ElementsAre("{\"a\" {\"b\" [1 true null \"x/y\u00e9\" ] } }"));
}

TEST(YamlDocuments, HandsOverListItemsOneByOne) {
  const Result result =
      read("apiVersion: v1\nitems:\n- kind: A\n  x: 1\n- kind: B\n- y: 2\nkind: List\n");
  EXPECT_FALSE(result.error);
  EXPECT_THAT(result.documents, ElementsAre("{kind A x 1 }", "{kind B }",
                                            "{apiVersion v1 items [{y 2 } ] kind List }"));
  EXPECT_EQ(result.marks[1].line, 5U);
  EXPECT_EQ(result.marks[1].column, 3U);
}

TEST(YamlDocuments, ItemsElsewhereAreNoList) {
  EXPECT_THAT(read("spec:\n  items:\n  - kind: A\n").documents,
              ElementsAre("{spec {items [{kind A } ] } }"));
}

TEST(YamlDocuments, ErrorsHaveLineAndColumnAndKeepWhatCameBefore) {
  const Result result = read("a: 1\n---\nb: [1, 2\nc: d\n");
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->mark.line, 4U);
  EXPECT_THAT(result.documents, ElementsAre("{a 1 }"));
}

TEST(YamlDocuments, AliasesAndMergeKeys) {
  std::istringstream input(
      "base: &base {app: web, tier: front}\nuse:\n  <<: *base\n  tier: back\ncopy: *base\n");
  int seen = 0;
  const auto error = read_yaml(input, [&](const YamlNode& node) {
    ++seen;
    const YamlNode* use = node.find("use");
    ASSERT_NE(use, nullptr);
    ASSERT_NE(use->find("app"), nullptr);
    EXPECT_EQ(use->find("app")->text, "web");
    EXPECT_EQ(use->find("tier")->text, "back");
    EXPECT_EQ(node.find("copy")->find("tier")->text, "front");
    EXPECT_EQ(use->find("zone"), nullptr);
  });
  EXPECT_FALSE(error);
  EXPECT_EQ(seen, 1);
}

TEST(YamlDocuments, AnchorsOutliveTheItemTheyStandIn) {
  const Result result = read("items:\n- &x {kind: A}\n- kind: B\n  same: *x\n");
  EXPECT_FALSE(result.error);
  EXPECT_EQ(result.documents[1], "{kind B same {kind A } }");
}

TEST(YamlDocuments, RefusesAliasBombs) {
  std::string text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string previous = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + previous;
    for (int j = 0; j < 9; ++j) text += "," + previous;
    text += "]\n";
  }
  const Result result = read(text);
  ASSERT_TRUE(result.error);
  EXPECT_THAT(result.error->what, HasSubstr("aliases"));
  EXPECT_GT(result.error->mark.line, 1U);
}

TEST(YamlDocuments, RefusesEndlessNesting) {
  const Result result = read("a: " + std::string(10'000, '['));
  ASSERT_TRUE(result.error);
  EXPECT_THAT(result.error->what, HasSubstr("deep"));
  EXPECT_FALSE(read("a: " + std::string(kMaxYamlDepth - 1, '[') +
                    std::string(kMaxYamlDepth - 1, ']'))
                   .error);
}

TEST(YamlDocuments, OfEqualKeysTheLastCounts) {
  std::istringstream input("a: 1\na: 2\n");
  std::string text;
  EXPECT_FALSE(read_yaml(input, [&](const YamlNode& node) { text = node.find("a")->text; }));
  EXPECT_EQ(text, "2");
}

}  // namespace
}  // namespace clusterdns::registry
