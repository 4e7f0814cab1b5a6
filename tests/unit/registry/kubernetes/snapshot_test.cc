#include "registry/kubernetes/snapshot.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/unit/registry/widget.h"

namespace clusterdns::registry::kubernetes {
namespace {

using testing_support::Widget;

class SnapshotTest : public ::testing::Test {
 protected:
  SnapshotTest() {
    Service service;
    service.key = {"default", "web"};
    service.cluster_ips = {*IpAddress::parse("10.96.0.1"), *IpAddress::parse("fd00::1")};
    service.ports = {{"http", Protocol::Tcp, 80, 8080, "", 0}};
    service.labels = {{"app", "web"}};
    store_.upsert(service);
    EndpointSlice slice;
    slice.key = {"default", "web-1"};
    slice.service = "web";
    slice.endpoints = {{*IpAddress::parse("10.244.0.1"), true, nullptr}};
    store_.upsert(slice);
    store_.upsert(Namespace{"default", {{"env", "prod"}}});
    Widget widget;
    widget.key = {"default", "w"};
    widget.hosts = {"a.example"};
    store_.upsert(widget);
    imports_.upsert(slice);
  }
  [[nodiscard]] std::string encoded() const {
    return encode_snapshot(store_, &imports_, "cluster", now_);
  }
  // What is wrong with it; "" when it was taken.
  std::string problem(const std::string& data, const std::string& identity = "cluster",
                      std::vector<const Kind*> kinds = {&Widget::kRow}) {
    Store store, imports;
    const auto info = decode_snapshot(data, identity, kinds, store, &imports);
    if (info.has_error()) {
      EXPECT_EQ(store.service_count() + store.endpoint_count() + imports.endpoint_count(), 0U);
      return info.error();
    }
    return "";
  }

  Store store_, imports_;
  const std::chrono::system_clock::time_point now_{std::chrono::seconds(1'700'000'000)};
};

TEST_F(SnapshotTest, ComesBackAsItWas) {
  Store store, imports;
  const std::vector<const Kind*> kinds = {&Widget::kRow};
  const auto info = decode_snapshot(encoded(), "cluster", kinds, store, &imports);
  ASSERT_TRUE(info.has_value()) << info.error();
  EXPECT_EQ(info->taken, now_);
  EXPECT_EQ(info->services, 1U);
  EXPECT_EQ(*store.service({"default", "web"}), *store_.service({"default", "web"}));
  ASSERT_EQ(store.slices({"default", "web"}).size(), 1U);
  EXPECT_EQ(*store.slices({"default", "web"}).front(), *store_.slices({"default", "web"}).front());
  EXPECT_EQ(store.find_namespace("default")->labels, store_.find_namespace("default")->labels);
  EXPECT_EQ(*store.find<Widget>({"default", "w"}), *store_.find<Widget>({"default", "w"}));
  EXPECT_EQ(imports.endpoint_count(), 1U);
}

TEST_F(SnapshotTest, IsOfOneClusterAndWhatWasAskedOfIt) {
  EXPECT_NE(problem(encoded(), "another"), "");
}

// Whatever happens to a file, it is taken whole or not at all.
TEST_F(SnapshotTest, EveryDamageIsFound) {
  const std::string good = encoded();
  ASSERT_EQ(problem(good), "");
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_NE(problem(good.substr(0, size)), "") << size;
  }
  EXPECT_NE(problem(good + '\0'), "");
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int bit : {1, 0x80}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ bit);
      EXPECT_NE(problem(bad), "") << at;
    }
  }
  std::minstd_rand random(1);
  for (int i = 0; i < 200; ++i) {
    std::string noise(random() % 300, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    EXPECT_NE(problem(noise), "");
  }
}

TEST_F(SnapshotTest, AnEmptyClusterIsOne) {
  const Store empty;
  EXPECT_EQ(problem(encode_snapshot(empty, nullptr, "cluster", now_)), "");
}

}  // namespace
}  // namespace clusterdns::registry::kubernetes
