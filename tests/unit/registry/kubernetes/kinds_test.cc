// Kinds that have a row, as KubernetesSource follows them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/unit/registry/kubernetes/source_fixture.h"
#include "tests/unit/registry/widget.h"

namespace clusterdns::registry::kubernetes {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using testing_support::Widget;
using testing_support::WidgetColour;

constexpr const char* kWidgets = "/apis/widgets.example.com/v1/widgets";
constexpr const char* kOlder = "/apis/widgets.example.com/v1beta1/widgets";
constexpr const char* kOldest = "/apis/widgets.example.com/v1alpha1/widgets";
constexpr const char* kName = "widgets.widgets.example.com";

std::string widget(const std::string& host) {
  return R"({"spec":{"hosts":[")" + host + R"("],"colour":"blue"}})";
}

class KindsTest : public KubernetesSourceTest {
 protected:
  KindsTest() {
    options_.kinds = {&Widget::kRow};
    options_.off_again = std::chrono::milliseconds(50);
    cluster_.instead = [this](const std::shared_ptr<Exchange>& exchange) {
      if (exchange->path.find("/apis/widgets.example.com/") != 0) return false;
      accepted_ = exchange->headers["accept"];
      if (exchange->path == served_) return false;
      exchange->reply(refusal_, R"({"kind":"Status","message":"no such thing","code":404})");
      return true;
    };
  }
  std::string host(const std::string& name) {
    const Widget* const found = store_.find<Widget>({"default", name});
    return found == nullptr ? "no such widget" : found->hosts.empty() ? "" : found->hosts[0];
  }

  std::string served_ = kWidgets;  // the version that the API server has
  unsigned refusal_ = 404;
  std::string accepted_;
};

TEST_F(KindsTest, AreListedAndWatchedAsJson) {
  cluster_.put(kWidgets, "default/a", widget("a.example"));
  ASSERT_TRUE(sync());
  EXPECT_EQ(accepted_, "application/json");
  EXPECT_EQ(host("a"), "a.example");
  EXPECT_EQ(store_.find<Widget>({"default", "a"})->colour, WidgetColour::Blue);
  ASSERT_TRUE(until([&] { return kind(kName).watching; }));
  cluster_.update(kWidgets, "default/a", widget("b.example"));
  cluster_.update(kWidgets, "default/c", widget("c.example"));
  ASSERT_TRUE(until([&] { return host("c") == "c.example"; }));
  EXPECT_EQ(host("a"), "b.example");
  cluster_.erase(kWidgets, "default/a");
  ASSERT_TRUE(until([&] { return host("a") == "no such widget"; }));
}

TEST_F(KindsTest, AreCommittedWithTheRest) {
  cluster_.put(kWidgets, "default/a", widget("a.example"));
  const Commits commits(store_);
  ASSERT_TRUE(sync());
  EXPECT_EQ(commits.count, 1U);
}

TEST_F(KindsTest, AnOlderVersionIsTakenWhereThereIsNoNewer) {
  served_ = kOlder;
  cluster_.put(kOlder, "default/a", widget("a.example"));
  ASSERT_TRUE(sync());
  EXPECT_EQ(host("a"), "a.example");
  EXPECT_FALSE(kind(kName).off);
  EXPECT_THAT(lines("widgets"), SizeIs(0));
  EXPECT_EQ(cluster_.lists[kWidgets], 1U);
  EXPECT_EQ(cluster_.lists[kOldest], 0U);
}

TEST_F(KindsTest, OneThatIsNotThereIsNotWaitedForAndFoundLater) {
  served_ = "";
  ASSERT_TRUE(sync());
  EXPECT_TRUE(kind(kName).off);
  EXPECT_NE(store_.service({"default", "web"}), nullptr);
  ASSERT_TRUE(until([&] { return cluster_.lists[kOldest] > 3; }));
  EXPECT_THAT(lines("widgets"), SizeIs(1));
  EXPECT_THAT(lines("widgets.widgets.example.com are not used"), SizeIs(1));

  served_ = kOlder;
  cluster_.put(kOlder, "default/a", widget("a.example"));
  ASSERT_TRUE(until([&] { return host("a") == "a.example"; }));
  EXPECT_FALSE(kind(kName).off);
  EXPECT_THAT(lines("widgets.widgets.example.com are used from now on"), SizeIs(1));
  ASSERT_TRUE(until([&] { return kind(kName).watching; }));
  cluster_.update(kOlder, "default/a", widget("b.example"));
  ASSERT_TRUE(until([&] { return host("a") == "b.example"; }));
}

TEST_F(KindsTest, OneThatWeMayNotSeeIsNotWaitedForAndKeepsNoOneElse) {
  refusal_ = 403;
  served_ = "";
  ASSERT_TRUE(sync());
  EXPECT_TRUE(kind(kName).off);
  ASSERT_TRUE(until([&] { return cluster_.lists[kWidgets] > 2; }));
  EXPECT_THAT(lines("widgets"), ElementsAre(HasSubstr("once we may list and watch them")));
  // What we may not see in one version we may not see in another.
  EXPECT_EQ(cluster_.lists[kOlder], 0U);
}

TEST_F(KindsTest, OneThatIsUninstalledIsGone) {
  cluster_.put(kWidgets, "default/a", widget("a.example"));
  options_.lease = std::chrono::seconds(1);
  ASSERT_TRUE(sync());
  ASSERT_TRUE(until([&] { return kind(kName).watching; }));
  served_ = "";
  ASSERT_TRUE(until([&] { return host("a") == "no such widget"; }));
  EXPECT_TRUE(kind(kName).off);
  EXPECT_THAT(lines("are not used"), SizeIs(1));
}

TEST_F(KindsTest, ABadOneCostsItselfAndKeepsItsLastGoodVersion) {
  cluster_.put(kWidgets, "default/a", widget("a.example"));
  cluster_.put(kWidgets, "default/b", R"({"spec":{"hosts":[7]}})");
  ASSERT_TRUE(sync());
  EXPECT_EQ(host("a"), "a.example");
  EXPECT_EQ(host("b"), "no such widget");
  EXPECT_THAT(lines("default/b"), ElementsAre(HasSubstr("spec.hosts[0]: 7 must be a string")));
  ASSERT_TRUE(until([&] { return kind(kName).watching; }));
  cluster_.update(kWidgets, "default/a", R"({"spec":{"hosts":"none"}})");
  cluster_.update(kWidgets, "default/c", widget("c.example"));
  ASSERT_TRUE(until([&] { return host("c") == "c.example"; }));
  EXPECT_EQ(host("a"), "a.example");
}

TEST_F(KindsTest, ATreeThatIsTooLargeCostsItselfAlone) {
  std::string deep;
  for (int i = 0; i < 700'000; ++i) deep += "[],";
  cluster_.put(kWidgets, "default/a", R"({"spec":{"x":[)" + deep + R"([]]}})");
  cluster_.put(kWidgets, "default/b", widget("b.example"));
  ASSERT_TRUE(sync());
  EXPECT_EQ(host("a"), "no such widget");
  EXPECT_EQ(host("b"), "b.example");
  EXPECT_EQ(kind(kName).unreadable, 1U);
}

TEST_F(KindsTest, TheyShareTheMemoryThereIs) {
  options_.max_kept = 20'000;
  cluster_.put(kWidgets, "default/a", widget(std::string(100'000, 'x')));
  cluster_.put(kWidgets, "default/b", widget("b.example"));
  ASSERT_TRUE(sync());
  EXPECT_EQ(host("a"), "no such widget");
  EXPECT_EQ(host("b"), "b.example");
  EXPECT_THAT(lines("would take more than"), SizeIs(1));
}

TEST_F(KindsTest, ASnapshotHoldsThem) {
  cluster_.put(kWidgets, "default/a", widget("a.example"));
  options_.snapshot = folder_ / "snapshot";
  ASSERT_TRUE(sync());
  source_->stop();
  api_.shut();
  Store fresh;
  KubernetesSource again(options_, fresh, nullptr, logger_);
  ASSERT_TRUE(again.load_snapshot());
  ASSERT_NE(fresh.find<Widget>({"default", "a"}), nullptr);
  EXPECT_EQ(*fresh.find<Widget>({"default", "a"}), *store_.find<Widget>({"default", "a"}));
  // One that holds other kinds than are asked for is another's.
  options_.kinds = {};
  Store other;
  KubernetesSource without(options_, other, nullptr, logger_);
  EXPECT_FALSE(without.load_snapshot());
}

TEST_F(KindsTest, OnlyThoseThatAreAskedForAreWatched) {
  options_.kinds = {};
  ASSERT_TRUE(sync());
  EXPECT_EQ(cluster_.lists[kWidgets], 0U);
  EXPECT_EQ(store_.find_table(Widget::kRow), nullptr);
}

}  // namespace
}  // namespace clusterdns::registry::kubernetes
