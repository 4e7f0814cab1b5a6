// What a reload takes over of the configuration before, and what it makes anew.
#include <gtest/gtest.h>
#include <spdlog/sinks/null_sink.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "app/corefile/parser.h"
#include "app/instance/instance.h"
#include "tests/unit/app/folder.h"

namespace clusterdns::app {
namespace {

class ReloadTest : public ::testing::Test {
 protected:
  ReloadTest() {
    folder_.write("a.yaml",
                  "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
                  "spec: {ports: [{port: 80}]}\n");
  }
  // A configuration of one block.
  void apply(const std::string& lines) { apply_text(".:0 {\nbind 127.0.0.1\n" + lines + "\n}\n"); }
  void apply_text(const std::string& text) { instance_.apply(parse_corefile(text, "Corefile")); }
  [[nodiscard]] std::string kubernetes(const std::string& options = {}) {
    return "kubernetes cluster.local in-addr.arpa {\nmanifests " + (folder_ / "a.yaml") + "\n" +
           options + "\n}\n";
  }
  [[nodiscard]] const Environment& now() { return instance_.environment(); }
  [[nodiscard]] const ClusterData& cluster() { return now().clusters.front(); }

  Folder folder_;
  boost::asio::io_context io_;
  Instance instance_{
      io_,
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::null_sink_mt>()),
      {}};
};

TEST_F(ReloadTest, WhatDoesNotChangeGoesOn) {
  const std::string same = kubernetes() + "cache 30\nforward . 192.0.2.1 192.0.2.2\n";
  apply(same);
  const auto cache = now().caches.at(0).cache;
  const auto stage = now().forwards.at(0).stage;
  const auto source = cluster().source;
  const auto table = cluster().tables.front().table;
  for (const char* other : {"log\n", "errors\nloadbalance\n", "health :0\n", ""}) {
    apply(same + other);
    EXPECT_EQ(now().caches.at(0).cache, cache) << other;
    EXPECT_EQ(now().forwards.at(0).stage, stage) << other;
    EXPECT_EQ(cluster().source, source) << other;
    EXPECT_EQ(cluster().tables.front().table, table) << other;
  }
}

// Of several addresses the first IPv4 one, as Go; "localhost." has ::1, too.
TEST_F(ReloadTest, PagesAreServedAtTheAddressesOfNames) {
  apply("health localhost.:0\nready LOCALHOST:0\nprometheus localhost.:0\n");
  const AdminPlan& plan = instance_.plan();
  ASSERT_EQ(plan.addresses.size(), 1U);
  EXPECT_EQ(plan.addresses.begin()->second.address.to_string(), "127.0.0.1");
  EXPECT_EQ(instance_.http_lines().size(), 3U);
}

TEST_F(ReloadTest, ANameWithoutAddressIsToldAtItsPlace) {
  try {
    // No server is asked for such a name (RFC 7686).
    apply("health nothing.onion:0\n");
    FAIL();
  } catch (const ConfigError& e) {
    const std::string said = e.what();
    EXPECT_TRUE(said.starts_with("Corefile:3:8: health: 'nothing.onion:0' has no address here ("))
        << said;
  }
}

TEST_F(ReloadTest, WhatChangesIsMadeAnew) {
  apply("cache 30\nforward . 192.0.2.1\n");
  const auto cache = now().caches.at(0).cache;
  const auto stage = now().forwards.at(0).stage;
  // Another cache, the same upstreams.
  apply("cache 60\nforward . 192.0.2.1\n");
  EXPECT_NE(now().caches.at(0).cache, cache);
  EXPECT_EQ(now().forwards.at(0).stage, stage);
  // Another upstream may know other answers.
  const auto next = now().caches.at(0).cache;
  apply("cache 60\nforward . 192.0.2.2\n");
  EXPECT_NE(now().forwards.at(0).stage, stage);
  EXPECT_NE(now().caches.at(0).cache, next);
  const auto last = now().forwards.at(0).stage;
  apply("cache 60\nforward . 192.0.2.2 {\nmax_fails 5\n}\n");
  EXPECT_NE(now().forwards.at(0).stage, last);
}

TEST_F(ReloadTest, BlocksAreNotMixedUp) {
  const auto block = [](const std::string& zone, const std::string& upstream) {
    return zone + ":0 {\nbind 127.0.0.1\ncache\nforward . " + upstream + "\n}\n";
  };
  apply_text(block("a.test", "192.0.2.1") + block("b.test", "192.0.2.1"));
  const auto a = now().caches.at(0).cache;
  const auto b = now().caches.at(1).cache;
  EXPECT_NE(a, b);
  EXPECT_NE(now().forwards.at(0).stage, now().forwards.at(1).stage);
  apply_text(block("b.test", "192.0.2.1") + block("a.test", "192.0.2.9"));
  EXPECT_EQ(now().caches.at(0).cache, b);
  EXPECT_NE(now().caches.at(1).cache, a);
  // Its zone is what a block is known by.
  apply_text(block("c.test", "192.0.2.1"));
  EXPECT_NE(now().caches.at(0).cache, b);
}

TEST_F(ReloadTest, TablesGoOnWithTheirOptions) {
  apply(kubernetes());
  const auto source = cluster().source;
  const auto table = cluster().tables.front().table;
  apply(kubernetes("ttl 30"));
  EXPECT_EQ(cluster().source, source);
  EXPECT_NE(cluster().tables.front().table, table);
  const auto next = cluster().tables.front().table;
  apply(kubernetes("ttl 30\nlabels app=web"));
  EXPECT_NE(cluster().tables.front().table, next);
  // What manifests lack is given out from elsewhere: another source.
  apply(kubernetes("service_cidr 10.97.0.0/16"));
  EXPECT_NE(cluster().source, source);
  EXPECT_EQ(now().clusters.size(), 1U);
}

TEST_F(ReloadTest, BlocksThatReadTheSameShareOneSource) {
  apply_text("a.test:0 {\nbind 127.0.0.1\n" + kubernetes() + "}\nb.test:0 {\nbind 127.0.0.1\n" +
             kubernetes("ttl 7") + "}\n");
  EXPECT_EQ(now().clusters.size(), 1U);
  EXPECT_EQ(cluster().tables.size(), 2U);
}

}  // namespace
}  // namespace clusterdns::app
