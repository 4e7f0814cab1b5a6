// Manifests of kinds that have a row, as ManifestSource reads them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "registry/manifests/manifest_source.h"
#include "tests/unit/registry/manifests/manifest_fixture.h"
#include "tests/unit/registry/widget.h"

namespace clusterdns::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing_support::OtherWidget;
using testing_support::ScratchFolder;
using testing_support::Widget;

std::string widget(const std::string& name, const std::string& spec,
                   const std::string& version = "widgets.example.com/v1") {
  return "---\napiVersion: " + version + "\nkind: Widget\nmetadata: {name: " + name + "}\nspec: {" +
         spec + "}\n";
}

class ManifestKindsTest : public ::testing::Test {
 protected:
  std::vector<std::string> load(const std::string& text) {
    folder_.replace("a.yaml", text);
    std::vector<std::string> texts;
    for (const Problem& problem : source_.load()) texts.push_back(to_string(problem));
    return texts;
  }
  std::vector<std::string> hosts(const std::string& name) {
    const Widget* const found = store_.find<Widget>({"default", name});
    return found == nullptr ? std::vector<std::string>{"no such widget"} : found->hosts;
  }

  ScratchFolder folder_;
  Store store_;
  ManifestSource source_{{{folder_.path()}, {}, {&Widget::kRow, &OtherWidget::kRow}}, store_};
};

TEST_F(ManifestKindsTest, ComeChangeAndGo) {
  EXPECT_THAT(load(widget("a", "hosts: [a.example]") + widget("b", "shiny: true")), IsEmpty());
  EXPECT_THAT(hosts("a"), ElementsAre("a.example"));
  EXPECT_TRUE(store_.find<Widget>({"default", "b"})->shiny);
  EXPECT_THAT(source_.other_objects(), IsEmpty());
  EXPECT_THAT(load(widget("a", "hosts: [x.example]")), IsEmpty());
  EXPECT_THAT(hosts("a"), ElementsAre("x.example"));
  EXPECT_EQ(store_.find<Widget>({"default", "b"}), nullptr);
}

TEST_F(ManifestKindsTest, ABrokenOneKeepsItsLastGoodVersion) {
  load(widget("a", "hosts: [a.example]") + widget("b", "hosts: [b.example]"));
  EXPECT_THAT(load(widget("a", "hosts: [7]") + widget("b", "hosts: [c.example]")),
              ElementsAre(HasSubstr(
                  "a.yaml:5:16: spec.hosts[0]: 7 must be a string: write \"7\"; kept the last good "
                  "version of Widget.widgets.example.com default/a")));
  EXPECT_THAT(hosts("a"), ElementsAre("a.example"));
  EXPECT_THAT(hosts("b"), ElementsAre("c.example"));
}

TEST_F(ManifestKindsTest, KindsOfOneNameAreNotMixedUp) {
  EXPECT_THAT(load(widget("a", "") + widget("a", "", "other.example.com/v1")), IsEmpty());
  EXPECT_NE(store_.find<Widget>({"default", "a"}), nullptr);
  EXPECT_NE(store_.find<OtherWidget>({"default", "a"}), nullptr);
  EXPECT_THAT(load(widget("a", "hosts: [first]") + widget("a", "hosts: [second]")),
              ElementsAre(HasSubstr("Widget.widgets.example.com default/a is already defined at")));
  EXPECT_THAT(hosts("a"), ElementsAre("first"));
  EXPECT_EQ(store_.find<OtherWidget>({"default", "a"}), nullptr);
}

TEST_F(ManifestKindsTest, VersionsAreReadAlikeAndUnknownOnesTold) {
  EXPECT_THAT(load(widget("a", "hosts: [a]", "widgets.example.com/v1alpha1")), IsEmpty());
  EXPECT_THAT(hosts("a"), ElementsAre("a"));
  EXPECT_THAT(
      load(widget("a", "hosts: [b]", "widgets.example.com/v7")),
      ElementsAre(HasSubstr("'widgets.example.com/v7' is not a version of Widget; it is read "
                            "as 'widgets.example.com/v1'")));
  EXPECT_THAT(hosts("a"), ElementsAre("b"));
}

TEST_F(ManifestKindsTest, WhereOneStandsCanBeAsked) {
  load(widget("a", "") + widget("b", ""));
  EXPECT_EQ(source_.place_of("Widget.widgets.example.com", {"default", "b"}),
            (folder_ / "a.yaml").native() + ":7");
  EXPECT_EQ(source_.place_of("Widget.widgets.example.com", {"default", "c"}), std::nullopt);
  EXPECT_EQ(source_.place_of("Widget.other.example.com", {"default", "b"}), std::nullopt);
}

TEST_F(ManifestKindsTest, NobodyAsksForThem) {
  Store store;
  ManifestSource source({{folder_.path()}, {}, {}}, store);
  folder_.replace("a.yaml", widget("a", ""));
  EXPECT_THAT(source.load(), IsEmpty());
  EXPECT_EQ(store.find_table(Widget::kRow), nullptr);
  EXPECT_THAT(source.other_objects(), SizeIs(1));
}

}  // namespace
}  // namespace clusterdns::registry
