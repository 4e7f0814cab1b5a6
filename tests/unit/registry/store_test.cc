#include "registry/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace clusterdns::registry {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Service make_service(const std::string& ns, const std::string& name, const char* ip) {
  Service service;
  service.key = {ns, name};
  service.cluster_ips = {*IpAddress::parse(ip)};
  service.ports = {{"http", Protocol::Tcp, 80, 8080, "", 0}};
  return service;
}

EndpointSlice make_slice(const std::string& ns, const std::string& name, const std::string& service,
                         std::vector<const char*> ips) {
  EndpointSlice slice;
  slice.key = {ns, name};
  slice.service = service;
  for (const char* ip : ips) slice.endpoints.push_back({*IpAddress::parse(ip), true, nullptr});
  return slice;
}

Pod make_pod(const std::string& name, const char* ip) {
  return {{"default", name}, {*IpAddress::parse(ip)}, {}};
}

// Of namespaces that changed.
std::vector<std::string> names(const StoreObserver::Changes& changes) {
  std::vector<std::string> names;
  for (const auto& change : changes.of<Namespace>()) names.push_back(change.either().name);
  return names;
}

class Recorder : public StoreObserver {
 public:
  void on_commit(const Changes& changes) override { commits.push_back(changes); }
  std::vector<Changes> commits;
};

class StoreTest : public testing::Test {
 protected:
  StoreTest() { store_.add_observer(&recorder_); }
  ~StoreTest() override { store_.remove_observer(&recorder_); }

  StoreObserver::Changes commit() {
    recorder_.commits.clear();
    store_.commit();
    EXPECT_LE(recorder_.commits.size(), 1U);
    return recorder_.commits.empty() ? StoreObserver::Changes{} : recorder_.commits.front();
  }

  Store store_;
  Recorder recorder_;
};

TEST_F(StoreTest, TellsOncePerCommit) {
  store_.upsert(make_service("default", "b", "10.96.1.2"));
  store_.upsert(make_service("default", "a", "10.96.1.1"));
  store_.upsert(make_slice("default", "a-1", "a", {"10.244.0.1"}));
  store_.upsert(Namespace{"default", {}});
  EXPECT_THAT(recorder_.commits, IsEmpty());
  EXPECT_NE(store_.service({"default", "a"}), nullptr);  // reading shows it before the commit

  const auto changes = commit();
  EXPECT_THAT(changes.services, ElementsAre(ObjectKey{"default", "a"}, ObjectKey{"default", "b"}));
  EXPECT_THAT(names(changes), ElementsAre("default"));
  store_.commit();
  EXPECT_EQ(recorder_.commits.size(), 1U);
}

TEST_F(StoreTest, EqualObjectsAreNoChange) {
  store_.upsert(make_service("default", "a", "10.96.1.1"));
  store_.upsert(make_slice("default", "a-1", "a", {"10.244.0.1"}));
  store_.upsert(make_pod("p", "10.244.0.1"));
  store_.upsert(Namespace{"default", {{"x", "y"}}});
  commit();
  store_.upsert(make_service("default", "a", "10.96.1.1"));
  store_.upsert(make_slice("default", "a-1", "a", {"10.244.0.1"}));
  store_.upsert(make_pod("p", "10.244.0.1"));
  store_.upsert(Namespace{"default", {{"x", "y"}}});
  store_.commit();
  EXPECT_EQ(recorder_.commits.size(), 1U);
}

TEST_F(StoreTest, SaysWhatAnUpsertDid) {
  using Change = Store::Change;
  EXPECT_EQ(store_.upsert(make_service("n", "a", "10.96.1.1")), Change::Added);
  EXPECT_EQ(store_.upsert(make_service("n", "a", "10.96.1.1")), Change::None);
  EXPECT_EQ(store_.upsert(make_service("n", "a", "10.96.1.2")), Change::Changed);
  EXPECT_EQ(store_.upsert(make_slice("n", "s", "a", {"10.0.0.1"})), Change::Added);
  EXPECT_EQ(store_.upsert(make_slice("n", "s", "a", {"10.0.0.1"})), Change::None);
  EXPECT_EQ(store_.upsert(make_slice("n", "s", "a", {"10.0.0.2"})), Change::Changed);
  EXPECT_EQ(store_.upsert(make_slice("n", "s", "b", {"10.0.0.2"})), Change::Changed);
  EXPECT_EQ(store_.upsert(make_pod("p", "10.0.0.1")), Change::Added);
  EXPECT_EQ(store_.upsert(make_pod("p", "10.0.0.1")), Change::None);
  EXPECT_EQ(store_.upsert(Namespace{"n", {}}), Change::Added);
  EXPECT_EQ(store_.upsert(Namespace{"n", {{"x", "y"}}}), Change::Changed);
}

TEST_F(StoreTest, SharesAnObjectWithItsSource) {
  const auto service = std::make_shared<const Service>(make_service("n", "a", "10.96.1.1"));
  const auto slice = std::make_shared<const EndpointSlice>(make_slice("n", "s", "a", {"10.0.0.1"}));
  store_.upsert(service);
  store_.upsert(slice);
  commit();
  EXPECT_EQ(store_.service({"n", "a"}), service.get());
  EXPECT_THAT(store_.slices({"n", "a"}), ElementsAre(slice.get()));
  // An equal one is not a change, but takes its place: the source has let go of the old one.
  const auto service2 = std::make_shared<const Service>(*service);
  const auto slice2 = std::make_shared<const EndpointSlice>(*slice);
  store_.upsert(service2);
  store_.upsert(slice2);
  EXPECT_THAT(commit().services, IsEmpty());
  EXPECT_EQ(store_.service({"n", "a"}), service2.get());
  EXPECT_THAT(store_.slices({"n", "a"}), ElementsAre(slice2.get()));
  EXPECT_EQ(service.use_count(), 1);
  EXPECT_EQ(slice.use_count(), 1);
}

// Keys live in the objects: whatever goes first, what stays is found.
TEST_F(StoreTest, ServiceAndSlicesInAnyOrder) {
  const ObjectKey key{"n", "a-service-with-a-name-that-needs-memory-of-its-own"};
  for (int order = 0; order < 6; ++order) {
    const auto put_service = [&] { store_.upsert(make_service(key.ns, key.name, "10.96.1.1")); };
    const auto put_slices = [&] {
      store_.upsert(make_slice(key.ns, "slice-2", key.name, {"10.0.0.2"}));
      store_.upsert(make_slice(key.ns, "slice-1", key.name, {"10.0.0.1"}));
    };
    if (order % 2 == 0) put_service();
    put_slices();
    put_service();
    ASSERT_EQ(store_.slices(key).size(), 2U);
    EXPECT_EQ(store_.slices(key)[0]->key.name, "slice-1");
    if (order / 2 == 0) {
      store_.erase_service(store_.service(key)->key);
      EXPECT_EQ(store_.service(key), nullptr);
      EXPECT_EQ(store_.slices(key).size(), 2U);
    }
    store_.erase_slice(store_.slices(key)[0]->key);
    EXPECT_EQ(store_.slices(key).size(), 1U);
    if (order / 2 == 1) store_.erase_service(key);
    store_.erase_slice(store_.slices(key)[0]->key);
    EXPECT_THAT(store_.slices(key), IsEmpty());
    store_.erase_service(key);
    EXPECT_EQ(store_.service_count(), 0U);
    EXPECT_EQ(store_.endpoint_count(), 0U);
    EXPECT_EQ(store_.slice_owner({key.ns, "slice-1"}), nullptr);
    EXPECT_THAT(commit().services, ElementsAre(key));
  }
}

TEST_F(StoreTest, KnowsTheOwnerOfASlice) {
  store_.upsert(make_slice("n", "s", "a", {"10.0.0.1"}));
  ASSERT_NE(store_.slice_owner({"n", "s"}), nullptr);
  EXPECT_EQ(*store_.slice_owner({"n", "s"}), "a");
  store_.upsert(make_slice("n", "s", "b", {"10.0.0.1"}));
  EXPECT_EQ(*store_.slice_owner({"n", "s"}), "b");
  EXPECT_THAT(store_.slices({"n", "a"}), IsEmpty());
  EXPECT_EQ(store_.slices({"n", "b"}).size(), 1U);
}

TEST_F(StoreTest, EndpointsCompareByWhatTheyPointTo) {
  const auto slice_with = [](const char* hostname) {
    EndpointSlice slice = make_slice("default", "a-1", "a", {});
    slice.endpoints.push_back(
        {*IpAddress::parse("10.244.0.1"), true,
         std::make_shared<const EndpointDetail>(EndpointDetail{hostname, "", ""})});
    return slice;
  };
  store_.upsert(slice_with("db-0"));
  commit();
  store_.upsert(slice_with("db-0"));
  EXPECT_THAT(commit().services, IsEmpty());
  store_.upsert(slice_with("db-1"));
  EXPECT_THAT(commit().services, ElementsAre(ObjectKey{"default", "a"}));
}

TEST_F(StoreTest, SlicesAreOrderedByName) {
  for (const char* name : {"s-c", "s-a", "s-b"}) {
    store_.upsert(make_slice("default", name, "s", {"10.244.0.1"}));
  }
  std::vector<std::string> names;
  for (const EndpointSlice* slice : store_.slices({"default", "s"})) {
    names.push_back(slice->key.name);
  }
  EXPECT_THAT(names, ElementsAre("s-a", "s-b", "s-c"));
  EXPECT_EQ(store_.endpoint_count(), 3U);
}

TEST_F(StoreTest, SlicesMayComeBeforeTheirService) {
  store_.upsert(make_slice("default", "a-1", "a", {"10.244.0.1"}));
  EXPECT_EQ(store_.service({"default", "a"}), nullptr);
  EXPECT_EQ(store_.service_count(), 0U);
  EXPECT_EQ(store_.slices({"default", "a"}).size(), 1U);
  store_.upsert(make_service("default", "a", "10.96.1.1"));
  EXPECT_EQ(store_.service_count(), 1U);
  EXPECT_EQ(store_.slices({"default", "a"}).size(), 1U);
}

TEST_F(StoreTest, SlicesOutliveTheirService) {
  store_.upsert(make_service("default", "a", "10.96.1.1"));
  store_.upsert(make_slice("default", "a-1", "a", {"10.244.0.1"}));
  commit();
  store_.erase_service({"default", "a"});
  EXPECT_THAT(commit().services, ElementsAre(ObjectKey{"default", "a"}));
  EXPECT_EQ(store_.slices({"default", "a"}).size(), 1U);
  store_.erase_slice({"default", "a-1"});
  EXPECT_THAT(commit().services, ElementsAre(ObjectKey{"default", "a"}));
  EXPECT_THAT(store_.slices({"default", "a"}), IsEmpty());
}

TEST_F(StoreTest, SliceThatMovesTouchesBothServices) {
  store_.upsert(make_slice("default", "x", "a", {"10.244.0.1"}));
  commit();
  store_.upsert(make_slice("default", "x", "b", {"10.244.0.1"}));
  EXPECT_THAT(commit().services, ElementsAre(ObjectKey{"default", "a"}, ObjectKey{"default", "b"}));
  EXPECT_THAT(store_.slices({"default", "a"}), IsEmpty());
  EXPECT_EQ(store_.slices({"default", "b"}).size(), 1U);
}

TEST_F(StoreTest, SameNameInAnotherNamespaceIsAnother) {
  store_.upsert(make_service("default", "my-service", "10.96.1.1"));
  store_.upsert(make_service("staging", "my-service", "10.96.1.2"));
  EXPECT_EQ(store_.service_count(), 2U);
  store_.erase_service({"staging", "my-service"});
  EXPECT_NE(store_.service({"default", "my-service"}), nullptr);
  EXPECT_EQ(store_.service({"staging", "my-service"}), nullptr);
}

TEST_F(StoreTest, ServicesOfANamespace) {
  const auto names_in = [&](const char* ns) {
    std::vector<std::string> names;
    store_.for_each_service_in(ns,
                               [&](const Service& service) { names.push_back(service.key.name); });
    std::sort(names.begin(), names.end());
    return names;
  };
  EXPECT_THAT(names_in("a"), IsEmpty());
  for (const char* const name : {"x", "y", "z"})
    store_.upsert(make_service("a", name, "10.96.0.1"));
  store_.upsert(make_service("b", "x", "10.96.0.2"));
  // Slices alone are no service, and a service that goes may leave them behind.
  store_.upsert(make_slice("a", "w-1", "w", {"10.244.0.1"}));
  store_.upsert(make_slice("a", "y-1", "y", {"10.244.0.1"}));
  EXPECT_THAT(names_in("a"), ElementsAre("x", "y", "z"));
  EXPECT_THAT(names_in("b"), ElementsAre("x"));
  store_.erase_service({"a", "y"});
  store_.erase_service({"a", "x"});
  EXPECT_THAT(names_in("a"), ElementsAre("z"));
  store_.erase_slice({"a", "y-1"});
  store_.erase_slice({"a", "w-1"});
  store_.upsert(make_service("a", "y", "10.96.0.1"));
  store_.erase_service({"a", "z"});
  EXPECT_THAT(names_in("a"), ElementsAre("y"));
  store_.erase_service({"a", "y"});
  EXPECT_THAT(names_in("a"), IsEmpty());
  EXPECT_THAT(names_in("b"), ElementsAre("x"));
}

TEST_F(StoreTest, ErasingWhatIsNotThereIsNoChange) {
  store_.erase_service({"default", "a"});
  store_.erase_slice({"default", "a"});
  store_.erase<Pod>({"default", "a"});
  store_.erase_namespace("default");
  store_.commit();
  EXPECT_THAT(recorder_.commits, IsEmpty());
}

TEST_F(StoreTest, ErasesByAKeyThatLivesInTheObject) {
  store_.upsert(make_service("default", "a", "10.96.1.1"));
  store_.upsert(make_slice("default", "a-1", "b", {"10.244.0.1"}));
  store_.erase_service(store_.service({"default", "a"})->key);
  store_.erase_slice(store_.slices({"default", "b"}).front()->key);
  EXPECT_EQ(store_.service({"default", "a"}), nullptr);
  EXPECT_EQ(store_.endpoint_count(), 0U);
}

TEST_F(StoreTest, PodsAreToldAsTheyWereAndAsTheyAre) {
  store_.upsert(make_pod("p", "10.244.0.1"));
  auto changes = commit();
  ASSERT_EQ(changes.of<Pod>().size(), 1U);
  EXPECT_EQ(changes.of<Pod>()[0].before, nullptr);
  EXPECT_EQ(*changes.of<Pod>()[0].after, make_pod("p", "10.244.0.1"));

  store_.upsert(make_pod("p", "10.244.0.2"));
  changes = commit();
  ASSERT_EQ(changes.of<Pod>().size(), 1U);
  EXPECT_EQ(*changes.of<Pod>()[0].before, make_pod("p", "10.244.0.1"));
  EXPECT_EQ(*changes.of<Pod>()[0].after, make_pod("p", "10.244.0.2"));

  store_.erase<Pod>({"default", "p"});
  changes = commit();
  ASSERT_EQ(changes.of<Pod>().size(), 1U);
  EXPECT_EQ(*changes.of<Pod>()[0].before, make_pod("p", "10.244.0.2"));
  EXPECT_EQ(changes.of<Pod>()[0].after, nullptr);
}

TEST_F(StoreTest, StepsBetweenTwoCommitsAreOne) {
  store_.upsert(make_pod("p", "10.244.0.1"));
  store_.upsert(make_pod("q", "10.244.0.9"));
  commit();
  store_.upsert(make_pod("p", "10.244.0.2"));
  store_.upsert(make_pod("p", "10.244.0.3"));
  store_.erase<Pod>({"default", "q"});
  store_.upsert(make_pod("q", "10.244.0.9"));  // as it was
  store_.upsert(make_pod("r", "10.244.0.7"));
  store_.erase<Pod>({"default", "r"});  // never seen by anyone
  const auto changes = commit();
  ASSERT_EQ(changes.of<Pod>().size(), 1U);
  EXPECT_EQ(*changes.of<Pod>()[0].before, make_pod("p", "10.244.0.1"));
  EXPECT_EQ(*changes.of<Pod>()[0].after, make_pod("p", "10.244.0.3"));
}

TEST_F(StoreTest, NamespacesComeChangeAndGo) {
  store_.upsert(Namespace{"staging", {}});
  EXPECT_THAT(names(commit()), ElementsAre("staging"));
  store_.upsert(Namespace{"staging", {{"env", "x"}}});
  EXPECT_THAT(names(commit()), ElementsAre("staging"));
  ASSERT_NE(store_.find_namespace("staging"), nullptr);
  EXPECT_EQ(store_.find_namespace("staging")->labels.size(), 1U);
  store_.erase_namespace("staging");
  EXPECT_THAT(names(commit()), ElementsAre("staging"));
  EXPECT_EQ(store_.find_namespace("staging"), nullptr);
}

TEST_F(StoreTest, RemovedObserversHearNothing) {
  store_.remove_observer(&recorder_);
  store_.upsert(Namespace{"staging", {}});
  store_.commit();
  EXPECT_THAT(recorder_.commits, IsEmpty());
}

}  // namespace
}  // namespace clusterdns::registry
