#include "registry/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "registry/merged_store.h"
#include "registry/store.h"
#include "tests/unit/registry/widget.h"

namespace clusterdns::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing_support::OtherWidget;
using testing_support::Widget;
using testing_support::WidgetColour;

Widget widget(const std::string& name, const std::string& host) {
  Widget made;
  made.key = {"default", name};
  made.hosts = {host};
  return made;
}

TEST(TableTest, TellsWhatChangedSinceTheLastTime) {
  Table<Widget> table;
  EXPECT_EQ(table.upsert(widget("a", "a.example")), Change::Added);
  EXPECT_EQ(table.upsert(widget("a", "a.example")), Change::None);
  EXPECT_EQ(table.upsert(widget("b", "b.example")), Change::Added);
  auto changes = table.take();
  ASSERT_THAT(changes, SizeIs(2));
  EXPECT_EQ(changes[0].before, nullptr);
  EXPECT_EQ(changes[0].after->key.name, "a");
  EXPECT_EQ(changes[1].after->key.name, "b");

  EXPECT_EQ(table.upsert(widget("a", "x.example")), Change::Changed);
  EXPECT_EQ(table.upsert(widget("a", "y.example")), Change::Changed);
  EXPECT_TRUE(table.erase(ObjectKey{"default", "b"}));
  EXPECT_FALSE(table.erase(ObjectKey{"default", "b"}));
  changes = table.take();
  ASSERT_THAT(changes, SizeIs(2));
  EXPECT_THAT(changes[0].before->hosts, ElementsAre("a.example"));
  EXPECT_THAT(changes[0].after->hosts, ElementsAre("y.example"));
  EXPECT_EQ(changes[1].before->key.name, "b");
  EXPECT_EQ(changes[1].after, nullptr);
  EXPECT_THAT(table.take(), IsEmpty());
}

TEST(TableTest, WhatEndsAsItBeganIsNoChange) {
  Table<Widget> table;
  table.upsert(widget("a", "a.example"));
  (void)table.take();
  table.upsert(widget("a", "b.example"));
  table.upsert(widget("a", "a.example"));
  table.upsert(widget("c", "c.example"));
  EXPECT_TRUE(table.erase(ObjectKey{"default", "c"}));
  EXPECT_THAT(table.take(), IsEmpty());
}

TEST(TableTest, AStoreHasATableForEachKindThatIsAskedFor) {
  Store store;
  EXPECT_EQ(store.find_table(Widget::kRow), nullptr);
  EXPECT_EQ(store.find<Widget>({"default", "a"}), nullptr);
  store.upsert(widget("a", "a.example"));
  OtherWidget other;
  other.key = {"default", "a"};
  store.upsert(other);
  EXPECT_THAT(store.find<Widget>({"default", "a"})->hosts, ElementsAre("a.example"));
  EXPECT_NE(store.find<OtherWidget>({"default", "a"}), nullptr);
  EXPECT_EQ(store.table(Widget::kRow).size(), 1U);
  store.erase<Widget>({"default", "a"});
  EXPECT_EQ(store.find<Widget>({"default", "a"}), nullptr);
  EXPECT_NE(store.find<OtherWidget>({"default", "a"}), nullptr);
}

class Recorder : public StoreObserver {
 public:
  void on_commit(const Changes& changes) override { commits.push_back(changes); }
  std::vector<Changes> commits;
};

TEST(TableTest, ObserversAreToldByKind) {
  Store store;
  Recorder recorder;
  store.add_observer(&recorder);
  store.upsert(widget("a", "a.example"));
  store.upsert(Namespace{"default", {}});
  store.commit();
  store.commit();
  ASSERT_THAT(recorder.commits, SizeIs(1));
  ASSERT_THAT(recorder.commits[0].of<Widget>(), SizeIs(1));
  EXPECT_EQ(recorder.commits[0].of<Widget>()[0].either().key.name, "a");
  EXPECT_THAT(recorder.commits[0].of<Namespace>(), SizeIs(1));
  EXPECT_THAT(recorder.commits[0].of<OtherWidget>(), IsEmpty());
  store.remove_observer(&recorder);
}

TEST(TableTest, OfTwoStoresTheUpperOneCounts) {
  Store upper, lower, merged;
  upper.upsert(widget("a", "upper.example"));
  lower.upsert(widget("a", "lower.example"));
  lower.upsert(widget("b", "lower.example"));
  upper.commit();
  lower.commit();
  const MergedStore both(upper, lower, merged);
  EXPECT_THAT(merged.find<Widget>({"default", "a"})->hosts, ElementsAre("upper.example"));
  EXPECT_THAT(merged.find<Widget>({"default", "b"})->hosts, ElementsAre("lower.example"));
  upper.erase<Widget>({"default", "a"});
  upper.commit();
  EXPECT_THAT(merged.find<Widget>({"default", "a"})->hosts, ElementsAre("lower.example"));
  lower.erase<Widget>({"default", "a"});
  lower.commit();
  EXPECT_EQ(merged.find<Widget>({"default", "a"}), nullptr);
}

}  // namespace
}  // namespace clusterdns::registry
