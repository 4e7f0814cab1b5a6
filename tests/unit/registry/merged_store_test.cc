#include "registry/merged_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/registry/widget.h"

namespace clusterdns::registry {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing_support::Widget;

Service service(const std::string& ns, const std::string& name, const char* ip) {
  Service made;
  made.key = {ns, name};
  made.cluster_ips = {*IpAddress::parse(ip)};
  return made;
}

EndpointSlice slice(const std::string& name, const std::string& of, const char* ip) {
  EndpointSlice made;
  made.key = {"default", name};
  made.service = of;
  made.endpoints = {{*IpAddress::parse(ip), true, nullptr}};
  return made;
}

// Counts what observers of the merged store are told.
class Commits final : public StoreObserver {
 public:
  explicit Commits(Store& store) : store_(store) { store_.add_observer(this); }
  ~Commits() override { store_.remove_observer(this); }
  void on_commit(const Changes& changes) override {
    ++count;
    services = changes.services;
  }
  int count = 0;
  std::vector<ObjectKey> services;

 private:
  Store& store_;
};

class MergedStoreTest : public ::testing::Test {
 protected:
  std::string ip(const std::string& name) const {
    const Service* const found = merged_.service({"default", name});
    return found == nullptr ? "" : found->cluster_ips.front().to_string();
  }
  std::vector<std::string> slices(const std::string& of) const {
    std::vector<std::string> names;
    for (const EndpointSlice* const each : merged_.slices({"default", of}))
      names.push_back(each->key.name);
    return names;
  }

  Store upper_, lower_, merged_;
};

TEST_F(MergedStoreTest, BeginsWithWhatBothHaveAndFollows) {
  upper_.upsert(service("default", "a", "10.96.0.1"));
  lower_.upsert(service("default", "b", "10.96.0.2"));
  upper_.commit();
  lower_.commit();
  const MergedStore both(upper_, lower_, merged_);
  EXPECT_EQ(ip("a"), "10.96.0.1");
  EXPECT_EQ(ip("b"), "10.96.0.2");
  upper_.upsert(service("default", "c", "10.96.0.3"));
  EXPECT_EQ(ip("c"), "") << "not before the commit";
  upper_.commit();
  lower_.erase_service({"default", "b"});
  lower_.commit();
  EXPECT_EQ(ip("c"), "10.96.0.3");
  EXPECT_EQ(ip("b"), "");
}

TEST_F(MergedStoreTest, TheUpperOneCountsAsAWhole) {
  lower_.upsert(service("default", "web", "10.96.0.2"));
  lower_.upsert(slice("low-1", "web", "10.244.0.2"));
  lower_.upsert(slice("low-2", "web", "10.244.0.3"));
  upper_.commit();
  lower_.commit();
  const MergedStore both(upper_, lower_, merged_);
  EXPECT_EQ(ip("web"), "10.96.0.2");
  EXPECT_THAT(slices("web"), ElementsAre("low-1", "low-2"));
  upper_.upsert(service("default", "web", "10.96.0.1"));
  upper_.upsert(slice("up-1", "web", "10.244.0.1"));
  upper_.commit();
  EXPECT_EQ(ip("web"), "10.96.0.1");
  EXPECT_THAT(slices("web"), ElementsAre("up-1")) << "never a mixture";
  // What happens to the hidden one is not seen, and is there when it is not hidden any more.
  lower_.erase_slice({"default", "low-1"});
  lower_.commit();
  EXPECT_THAT(slices("web"), ElementsAre("up-1"));
  upper_.erase_slice({"default", "up-1"});
  upper_.erase_service({"default", "web"});
  upper_.commit();
  EXPECT_EQ(ip("web"), "10.96.0.2");
  EXPECT_THAT(slices("web"), ElementsAre("low-2"));
}

// A service of the upper one without endpoints has none, whatever the lower one has.
TEST_F(MergedStoreTest, AServiceWithoutSlicesHasNone) {
  lower_.upsert(service("default", "web", "10.96.0.2"));
  lower_.upsert(slice("low-1", "web", "10.244.0.2"));
  upper_.upsert(service("default", "web", "10.96.0.1"));
  upper_.commit();
  lower_.commit();
  const MergedStore both(upper_, lower_, merged_);
  EXPECT_EQ(ip("web"), "10.96.0.1");
  EXPECT_THAT(slices("web"), IsEmpty());
}

TEST_F(MergedStoreTest, ANamespaceThatIsOnlyMentionedHidesNoLabels) {
  upper_.upsert(Namespace{"shop", {{"kubernetes.io/metadata.name", "shop"}}});
  lower_.upsert(Namespace{"shop", {{"kubernetes.io/metadata.name", "shop"}, {"env", "prod"}}});
  upper_.commit();
  lower_.commit();
  const MergedStore both(upper_, lower_, merged_);
  EXPECT_EQ(merged_.find_namespace("shop")->labels.size(), 2U);
  upper_.upsert(Namespace{"shop", {{"kubernetes.io/metadata.name", "shop"}, {"env", "test"}}});
  upper_.commit();
  EXPECT_EQ(merged_.find_namespace("shop")->labels, upper_.find_namespace("shop")->labels);
  upper_.erase_namespace("shop");
  upper_.commit();
  EXPECT_EQ(merged_.find_namespace("shop")->labels, lower_.find_namespace("shop")->labels);
  lower_.erase_namespace("shop");
  lower_.commit();
  EXPECT_EQ(merged_.find_namespace("shop"), nullptr);
}

TEST_F(MergedStoreTest, KindsThatHaveARow) {
  const auto host = [&](const char* name) {
    const Widget* const found = merged_.find<Widget>({"default", name});
    return found == nullptr ? "none" : found->hosts.front();
  };
  const auto widget = [](const char* name, const char* at) {
    Widget made;
    made.key = {"default", name};
    made.hosts = {at};
    return made;
  };
  lower_.upsert(widget("w", "low.example"));
  upper_.commit();
  lower_.commit();
  const MergedStore both(upper_, lower_, merged_);
  EXPECT_EQ(host("w"), "low.example");
  upper_.upsert(widget("w", "up.example"));
  upper_.commit();
  EXPECT_EQ(host("w"), "up.example");
  upper_.erase<Widget>({"default", "w"});
  upper_.commit();
  EXPECT_EQ(host("w"), "low.example");
  lower_.erase<Widget>({"default", "w"});
  lower_.commit();
  EXPECT_EQ(host("w"), "none");
}

TEST_F(MergedStoreTest, OneCommitIsOneAndWhatIsHiddenIsNone) {
  upper_.upsert(service("default", "a", "10.96.0.1"));
  upper_.commit();
  lower_.commit();
  const MergedStore both(upper_, lower_, merged_);
  Commits commits(merged_);
  lower_.upsert(service("default", "b", "10.96.0.2"));
  lower_.upsert(service("default", "c", "10.96.0.3"));
  lower_.commit();
  EXPECT_EQ(commits.count, 1);
  EXPECT_THAT(commits.services, ElementsAre(ObjectKey{"default", "b"}, ObjectKey{"default", "c"}));
  lower_.upsert(service("default", "a", "10.96.0.9"));
  lower_.commit();
  EXPECT_EQ(ip("a"), "10.96.0.1");
  lower_.commit();
  EXPECT_EQ(commits.count, 1);
}

}  // namespace
}  // namespace clusterdns::registry
