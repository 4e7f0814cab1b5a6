#include "registry/manifests/yaml_documents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/registry/manifests/documents_fixture.h"

namespace clusterdns::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::Documents;
using testing_support::read_documents;

TEST(YamlDocuments, ReadsSeveralAndSkipsEmptyOnes) {
  const Documents result =
      read_documents("---\na: 1\n---\n# nothing\n---\n\n---\nb: [x, 'y', ~]\n...\n");
  EXPECT_THAT(result.errors, IsEmpty());
  EXPECT_THAT(result.documents, ElementsAre("{a 1 }", "{b [x \"y\" null ] }"));
  EXPECT_EQ(result.marks[0].line, 2U);
  EXPECT_EQ(result.marks[1].line, 8U);
}

TEST(YamlDocuments, HandsOverListItemsOneByOne) {
  const Documents result =
      read_documents("apiVersion: v1\nitems:\n- kind: A\n  x: 1\n- kind: B\n- y: 2\nkind: List\n");
  EXPECT_THAT(result.errors, IsEmpty());
  EXPECT_THAT(result.documents, ElementsAre("{kind A x 1 }", "{kind B }",
                                            "{apiVersion v1 items [{y 2 } ] kind List }"));
  EXPECT_EQ(result.marks[1].line, 5U);
  EXPECT_EQ(result.marks[1].column, 3U);
}

// Whose List says so first, as the API writes it.
TEST(YamlDocuments, HandsOverItemsOfAListThatIsKnown) {
  const Documents result =
      read_documents("kind: PodList\napiVersion: v1\nitems:\n- x: 1\n- null\n- [a]\n- b\n");
  EXPECT_THAT(result.documents,
              ElementsAre("{x 1 }", "null", "[a ]", "b", "{kind PodList apiVersion v1 items [] }"));
  EXPECT_THAT(result.lists, ElementsAre(HasSubstr("PodList"), HasSubstr("PodList"),
                                        HasSubstr("PodList"), HasSubstr("PodList"), ""));
}

TEST(YamlDocuments, ItemsElsewhereAreNoList) {
  EXPECT_THAT(read_documents("spec:\n  items:\n  - kind: A\n").documents,
              ElementsAre("{spec {items [{kind A } ] } }"));
}

TEST(YamlDocuments, ErrorsHaveLineAndColumn) {
  const Documents result = read_documents("a: 1\n---\nb: [1, 2\nc: d\n");
  EXPECT_THAT(result.errors, ElementsAre(HasSubstr("4:")));
  EXPECT_THAT(result.documents, ElementsAre("{a 1 }"));
}

TEST(YamlDocuments, AliasesAndMergeKeys) {
  const Documents result = read_documents(
      "base: &base {app: web, tier: front}\nuse:\n  <<: *base\n  tier: back\ncopy: *base\n");
  EXPECT_THAT(result.errors, IsEmpty());
  ASSERT_EQ(result.nodes.size(), 1U);
  const YamlNode& node = result.nodes[0];
  const YamlNode* use = node.find("use");
  ASSERT_NE(use, nullptr);
  ASSERT_NE(use->find("app"), nullptr);
  EXPECT_EQ(use->find("app")->text, "web");
  EXPECT_EQ(use->find("tier")->text, "back");
  EXPECT_EQ(node.find("copy")->find("tier")->text, "front");
  EXPECT_EQ(use->find("zone"), nullptr);
}

// Keys and values in one text.
std::string entries_of(const std::string& text, std::string_view key) {
  const Documents result = read_documents(text);
  std::string found;
  for (const auto& [name, value] : result.nodes.at(0).find(key)->entries()) {
    found += name->text + '=' + value->text + ' ';
  }
  return found;
}

TEST(YamlDocuments, EntriesOfMergedMaps) {
  const std::string bases = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: &c {<<: *b, w: 3}\n";
  EXPECT_EQ(entries_of(bases + "m: {<<: *a, y: 9}", "m"), "x=1 y=9 ");
  EXPECT_EQ(entries_of(bases + "m: {<<: [*a, *b]}", "m"), "z=2 x=1 y=1 ");
  EXPECT_EQ(entries_of(bases + "m: {<<: *c, v: 0}", "m"), "y=2 z=2 w=3 v=0 ");
  EXPECT_EQ(entries_of("m: {a: 1, b: 2, a: 3}", "m"), "b=2 a=3 ");
  EXPECT_EQ(entries_of("m: {\"<<\": 1, [x]: 2, ? {y: z} : 3}", "m"), "<<=1 ");
}

TEST(YamlDocuments, AnchorsOutliveTheItemTheyStandIn) {
  const Documents result = read_documents("items:\n- &x {kind: A}\n- kind: B\n  same: *x\n");
  EXPECT_THAT(result.errors, IsEmpty());
  EXPECT_EQ(result.documents[1], "{kind B same {kind A } }");
}

TEST(YamlDocuments, AnchorsEndWithTheirDocument) {
  EXPECT_THAT(read_documents("a: &x 1\n---\nb: *x\n").errors, ElementsAre(HasSubstr("3:")));
}

TEST(YamlDocuments, RefusesAliasBombs) {
  std::string text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string previous = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + previous;
    for (int j = 0; j < 9; ++j) text += "," + previous;
    text += "]\n";
  }
  EXPECT_THAT(read_documents(text + "---\ngood: 1\n").errors, ElementsAre(HasSubstr("aliases")));
  EXPECT_THAT(read_documents(text + "---\ngood: 1\n").documents, ElementsAre("{good 1 }"));
}

// Each merges the one before: a chain, not a tree.
TEST(YamlDocuments, RefusesEndlessMerging) {
  std::string text = "a0: &a0 {k0: x}\n";
  for (int i = 1; i < 2000; ++i) {
    const std::string number = std::to_string(i);
    text += "a" + number + ": &a" + number + " {<<: *a" + std::to_string(i - 1) + ", k" + number +
            ": x}\n";
  }
  EXPECT_THAT(read_documents(text).errors, ElementsAre(HasSubstr("aliases")));
}

TEST(YamlDocuments, RefusesEndlessNesting) {
  EXPECT_THAT(read_documents("a: " + std::string(10'000, '[')).errors,
              ElementsAre(HasSubstr("deep")));
  EXPECT_THAT(read_documents("a: " + std::string(kMaxYamlDepth - 1, '[') +
                             std::string(kMaxYamlDepth - 1, ']'))
                  .errors,
              IsEmpty());
}

TEST(YamlDocuments, OfEqualKeysTheLastCounts) {
  const Documents result = read_documents("a: 1\nb: 0\na: 2\n");
  EXPECT_EQ(result.nodes.at(0).find("a")->text, "2");
  EXPECT_THAT(result.oddities, ElementsAre("3:1: the key 'a' appears twice in one map; the last "
                                           "one "
                                           "counts, remove the other"));
}

TEST(YamlDocuments, Tags) {
  EXPECT_THAT(
      read_documents("a: !!str 80\nb: !!int \"80\"\nc: ! x\nd: !Ref y\ne: !!null ''\n").documents,
      ElementsAre("{a \"80\" b 80 c \"x\" d \"y\" e null }"));
}

TEST(YamlDocuments, Directives) {
  EXPECT_THAT(
      read_documents("%YAML 1.1\n%TAG !e! tag:example.org,2000:\n---\na: !e!x 1\n").documents,
      ElementsAre("{a \"1\" }"));
}

TEST(YamlDocuments, TextOfSeveralLines) {
  const Documents result = read_documents(
      "a: |\n  one\n\n  two\nb: >-\n  one\n  two\nc: \"one\\\n  two\"\nd: one\n  two\n");
  const YamlNode& node = result.nodes.at(0);
  EXPECT_EQ(node.find("a")->text, "one\n\ntwo\n");
  EXPECT_EQ(node.find("b")->text, "one two");
  EXPECT_EQ(node.find("c")->text, "onetwo");
  EXPECT_EQ(node.find("d")->text, "one two");
}

}  // namespace
}  // namespace clusterdns::registry
