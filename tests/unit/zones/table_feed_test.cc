#include "zones/table_feed.h"

#include "tests/unit/growth.h"
#include "tests/unit/zones/cluster.h"

namespace clusterdns::zones {
namespace {

using dns::RRType;
using unit::at;
using unit::Cluster;
using unit::cluster_ip;
using unit::endpoint_port;
using unit::external;
using unit::headless;
using unit::ips;
using unit::Lines;
using unit::slice;
using unit::unready;
using unit::values;

class TableFeedTest : public ::testing::Test {
 protected:
  // "10.96.0.1", "NXDOMAIN", "" for NODATA.
  std::string a(const std::string& relative) {
    const dns::Message message = c_.ask(relative + ".cluster.local");
    if (message.rcode != 0) return dns::rcode_to_text(message.rcode);
    std::string text;
    for (const std::string& value : unit::sorted(values(message.answer))) {
      text += (text.empty() ? "" : " ") + value;
    }
    return text;
  }
  Cluster c_;
};

TEST_F(TableFeedTest, StartsWithWhatIsThereAndFollows) {
  c_.add(cluster_ip("default", "before", ips({"10.96.0.1"})));
  c_.start();
  EXPECT_EQ(a("before.default.svc"), "10.96.0.1");
  EXPECT_EQ(a("after.other.svc"), "NXDOMAIN");
  c_.add(cluster_ip("other", "after", ips({"10.96.0.2"})));
  EXPECT_EQ(a("after.other.svc"), "NXDOMAIN") << "not before the commit";
  c_.store.commit();
  EXPECT_EQ(a("after.other.svc"), "10.96.0.2");
  EXPECT_EQ(a("other.svc"), "");
  c_.store.erase_service({"other", "after"});
  c_.store.erase_namespace("other");
  c_.store.commit();
  EXPECT_EQ(a("after.other.svc"), "NXDOMAIN");
  EXPECT_EQ(a("other.svc"), "NXDOMAIN");
}

TEST_F(TableFeedTest, SlicesBeforeTheService) {
  c_.add(slice("default", "a", "db", {}, {at("10.244.0.1")}));
  c_.start();
  EXPECT_EQ(a("db.default.svc"), "NXDOMAIN");
  c_.add(headless("default", "db"));
  c_.store.commit();
  EXPECT_EQ(a("db.default.svc"), "10.244.0.1");
  c_.add(slice("default", "b", "db", {}, {at("10.244.0.2")}));
  c_.store.commit();
  EXPECT_EQ(a("db.default.svc"), "10.244.0.1 10.244.0.2");
  // A slice that moves leaves the one and joins the other.
  c_.add(headless("default", "db2"));
  c_.add(slice("default", "b", "db2", {}, {at("10.244.0.2")}));
  c_.store.commit();
  EXPECT_EQ(a("db.default.svc"), "10.244.0.1");
  EXPECT_EQ(a("db2.default.svc"), "10.244.0.2");
  c_.store.erase_slice({"default", "a"});
  c_.store.commit();
  EXPECT_EQ(a("db.default.svc"), "NXDOMAIN");
}

TEST_F(TableFeedTest, ServicesThatChangeKind) {
  c_.add(cluster_ip("default", "s", ips({"10.96.0.1"})));
  c_.add(slice("default", "s", "s", {}, {at("10.244.0.1")}));
  c_.start();
  EXPECT_EQ(a("s.default.svc"), "10.96.0.1");
  c_.add(headless("default", "s"));
  c_.store.commit();
  EXPECT_EQ(a("s.default.svc"), "10.244.0.1");
  EXPECT_EQ(c_.ask("1.0.96.10.in-addr.arpa", RRType::PTR).rcode, 3);
  c_.add(external("default", "s", "www.example.com"));
  c_.store.commit();
  EXPECT_EQ(a("s.default.svc"), "www.example.com.");
  EXPECT_EQ(c_.ask("1.0.244.10.in-addr.arpa", RRType::PTR).rcode, 3);
}

TEST_F(TableFeedTest, OnlySomeNamespaces) {
  c_.feed_options.namespaces = {"default", "later"};
  c_.add(cluster_ip("default", "s", ips({"10.96.0.1"})));
  c_.add(cluster_ip("hidden", "s", ips({"10.96.0.2"})));
  c_.start();
  EXPECT_EQ(a("s.default.svc"), "10.96.0.1");
  EXPECT_EQ(a("s.hidden.svc"), "NXDOMAIN");
  EXPECT_EQ(a("hidden.svc"), "NXDOMAIN");
  EXPECT_EQ(c_.ask("2.0.96.10.in-addr.arpa", RRType::PTR).rcode, 3);
  c_.add(cluster_ip("later", "s", ips({"10.96.0.3"})));
  c_.add(cluster_ip("hidden", "t", ips({"10.96.0.4"})));
  c_.store.commit();
  EXPECT_EQ(a("s.later.svc"), "10.96.0.3");
  EXPECT_EQ(a("t.hidden.svc"), "NXDOMAIN");
}

// A namespace that comes or goes costs what is in it, however many services there are elsewhere.
TEST_F(TableFeedTest, ANamespaceCostsItsOwnServices) {
  const auto filled = [](int others) {
    auto cluster = std::make_unique<Cluster>();
    for (int i = 0; i < others; ++i) {
      cluster->add(cluster_ip("other", "s" + std::to_string(i), ips({"10.97.0.1"})));
    }
    for (int i = 0; i < 10; ++i) {
      cluster->add(cluster_ip("shop", "s" + std::to_string(i), ips({"10.96.0.1"})));
    }
    cluster->start();
    return cluster;
  };
  const auto toggle = [](Cluster& cluster) {
    cluster.store.erase_namespace("shop");
    cluster.store.commit();
    cluster.store.upsert(registry::Namespace{"shop", {}});
    cluster.store.commit();
    return cluster.store.find_namespace("shop") == nullptr;
  };
  const auto few = filled(100), many = filled(10'000);
  EXPECT_LT(unit::growth([&] { return toggle(*few); }, [&] { return toggle(*many); }), 4);
}

TEST_F(TableFeedTest, NamespacesByLabel) {
  c_.feed_options.namespace_labels = *registry::LabelSelector::parse("env=prod");
  c_.add(cluster_ip("shop", "s", ips({"10.96.0.1"})));
  c_.start();
  EXPECT_EQ(a("s.shop.svc"), "NXDOMAIN");
  EXPECT_EQ(a("shop.svc"), "NXDOMAIN");
  // The label comes, and goes; the services with it.
  c_.store.upsert(registry::Namespace{"shop", {{"env", "prod"}}});
  c_.store.commit();
  EXPECT_EQ(a("s.shop.svc"), "10.96.0.1");
  EXPECT_EQ(a("shop.svc"), "");
  c_.store.upsert(registry::Namespace{"shop", {{"env", "test"}}});
  c_.store.commit();
  EXPECT_EQ(a("s.shop.svc"), "NXDOMAIN");
  EXPECT_EQ(a("shop.svc"), "NXDOMAIN");
  EXPECT_EQ(c_.ask("1.0.96.10.in-addr.arpa", RRType::PTR).rcode, 3);
}

TEST_F(TableFeedTest, ServicesByLabel) {
  c_.feed_options.services = *registry::LabelSelector::parse("app");
  auto service = cluster_ip("default", "s", ips({"10.96.0.1"}));
  c_.add(service);
  c_.start();
  EXPECT_EQ(a("s.default.svc"), "NXDOMAIN");
  EXPECT_EQ(a("default.svc"), "") << "the namespace exists all the same";
  service.labels = {{"app", "x"}};
  c_.add(service);
  c_.store.commit();
  EXPECT_EQ(a("s.default.svc"), "10.96.0.1");
  service.labels = {};
  c_.add(service);
  c_.store.commit();
  EXPECT_EQ(a("s.default.svc"), "NXDOMAIN");
}

TEST_F(TableFeedTest, NoEndpoints) {
  c_.feed_options.no_endpoints = true;
  c_.add(cluster_ip("default", "s", ips({"10.96.0.1"})));
  c_.add(slice("default", "s", "s", {}, {at("10.244.0.1")}));
  c_.add(headless("default", "h"));
  c_.add(slice("default", "h", "h", {}, {at("10.244.0.2")}));
  c_.start();
  EXPECT_EQ(a("s.default.svc"), "10.96.0.1");
  EXPECT_EQ(a("10-244-0-1.s.default.svc"), "NXDOMAIN");
  EXPECT_EQ(a("h.default.svc"), "NXDOMAIN");
}

TEST_F(TableFeedTest, IgnoreEmptyService) {
  c_.feed_options.ignore_empty_service = true;
  c_.add(cluster_ip("default", "empty", ips({"10.96.0.1"})));
  c_.add(cluster_ip("default", "waits", ips({"10.96.0.2"})));
  c_.add(slice("default", "waits", "waits", {}, {unready(at("10.244.0.2"))}));
  c_.add(cluster_ip("default", "full", ips({"10.96.0.3"})));
  c_.add(slice("default", "full", "full", {}, {unready(at("10.244.0.3")), at("10.244.0.4")}));
  c_.add(external("default", "ext", "www.example.com"));
  c_.start();
  EXPECT_EQ(a("empty.default.svc"), "NXDOMAIN");
  EXPECT_EQ(a("waits.default.svc"), "NXDOMAIN");
  EXPECT_EQ(a("full.default.svc"), "10.96.0.3");
  EXPECT_EQ(a("ext.default.svc"), "www.example.com.");
  c_.add(slice("default", "waits", "waits", {}, {at("10.244.0.2")}));
  c_.add(slice("default", "full", "full", {}, {unready(at("10.244.0.3"))}));
  c_.store.commit();
  EXPECT_EQ(a("waits.default.svc"), "10.96.0.2");
  EXPECT_EQ(a("full.default.svc"), "NXDOMAIN");
}

TEST_F(TableFeedTest, Pods) {
  c_.options.pods = PodMode::Verified;
  c_.feed_options.pods = true;
  c_.add(unit::pod("default", "a", ips({"10.244.0.1"})));
  c_.add(unit::pod("default", "host-1", ips({"192.168.0.1"})));
  c_.add(unit::pod("default", "host-2", ips({"192.168.0.1"})));
  c_.start();
  EXPECT_EQ(a("10-244-0-1.default.pod"), "10.244.0.1");
  c_.add(unit::pod("default", "a", ips({"10.244.0.2"})));
  c_.store.commit();
  EXPECT_EQ(a("10-244-0-1.default.pod"), "NXDOMAIN");
  EXPECT_EQ(a("10-244-0-2.default.pod"), "10.244.0.2");
  c_.store.erase<registry::Pod>({"default", "host-1"});
  c_.store.commit();
  EXPECT_EQ(a("192-168-0-1.default.pod"), "192.168.0.1");
  c_.store.erase<registry::Pod>({"default", "host-2"});
  c_.store.commit();
  EXPECT_EQ(a("192-168-0-1.default.pod"), "NXDOMAIN");
}

TEST_F(TableFeedTest, WithoutPods) {
  c_.options.pods = PodMode::Verified;
  c_.add(unit::pod("default", "a", ips({"10.244.0.1"})));
  c_.start();
  EXPECT_EQ(a("10-244-0-1.default.pod"), "NXDOMAIN");
}

TEST_F(TableFeedTest, TheSerialIsTheTimeOfTheChange) {
  c_.start();
  c_.table->set_serial(1);
  c_.add(cluster_ip("default", "s", ips({"10.96.0.1"})));
  c_.store.commit();
  EXPECT_GT(c_.table->serial(), 1'700'000'000u);
}

TEST_F(TableFeedTest, WhatIsLeftOutIsToldOnce) {
  Lines told;
  c_.warn = [&told](const std::string& text) { told.push_back(text); };
  c_.table_options.block.most_octets = 100'000;
  const auto add = [&](int count) {
    std::vector<registry::Endpoint> endpoints;
    for (int i = 0; i < count; ++i) {
      endpoints.push_back(at("10.0." + std::to_string(i >> 8) + "." + std::to_string(i & 255)));
    }
    c_.add(slice("shop", "big", "big", {}, endpoints));
    c_.store.commit();
  };
  c_.add(headless("shop", "big"));
  c_.add(cluster_ip("shop", "other", ips({"10.96.0.1"})));
  c_.start();
  add(10);
  EXPECT_TRUE(told.empty());
  add(5'000);
  add(5'001);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].find("Service shop/big is larger than one service may be"), 0u) << told[0];
  EXPECT_NE(told[0].find(" addresses of endpoints"), std::string::npos) << told[0];
  EXPECT_EQ(a("other.shop.svc"), "10.96.0.1");
  // It shrinks, and grows again.
  add(10);
  add(5'000);
  EXPECT_EQ(told.size(), 2u);
}

// A zone for each endpoint: what each has of the ports must not be multiplied without bounds.
TEST_F(TableFeedTest, ManyZonesAndManyPorts) {
  Lines told;
  c_.options.zonal = true;
  c_.feed_options.zonal = true;
  c_.warn = [&told](const std::string& text) { told.push_back(text); };
  c_.add(headless("n", "s"));
  c_.start();
  const auto add = [&](int ports, int endpoints) {
    std::vector<registry::EndpointPort> all;
    for (int i = 0; i < ports; ++i) {
      all.push_back(endpoint_port("p" + std::to_string(i), static_cast<std::uint16_t>(i + 1)));
    }
    std::vector<registry::Endpoint> each;
    for (int i = 0; i < endpoints; ++i) {
      each.push_back(at("10.0." + std::to_string(i >> 8) + "." + std::to_string(i & 255)));
      each.back().detail = std::make_shared<registry::EndpointDetail>(
          registry::EndpointDetail{{}, {}, "z" + std::to_string(i), {}});
    }
    c_.add(slice("n", "a", "s", all, each));
    c_.store.commit();
  };
  add(3, 500);
  EXPECT_EQ(a("z0.pin._zone.s.n.svc"), "10.0.0.0");
  EXPECT_EQ(a("z499.pin._zone.s.n.svc"), "10.0.1.243");
  EXPECT_TRUE(told.empty());
  add(20'000, 2'000);
  EXPECT_LE(c_.table->block_octets(), 2 * kMaxServiceOctets);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find("topology zones"), std::string::npos) << told[0];
  EXPECT_EQ(a("z0.pin._zone.s.n.svc"), "10.0.0.0");
  add(3, 2);
  EXPECT_EQ(a("z1.pin._zone.s.n.svc"), "10.0.0.1");
  EXPECT_EQ(a("z499.pin._zone.s.n.svc"), "");
}

TEST_F(TableFeedTest, OldDataIsFreed) {
  c_.add(headless("default", "h"));
  c_.start();
  for (int i = 0; i < 200; ++i) {
    c_.add(slice("default", "h", "h", {}, {at("10.244.0." + std::to_string(i))}));
    c_.store.commit();
    ASSERT_EQ(c_.reclaim.pending(), 0u);
  }
}

TEST_F(TableFeedTest, StopsFollowingWhenItGoes) {
  c_.start();
  c_.feed.reset();
  c_.add(cluster_ip("default", "s", ips({"10.96.0.1"})));
  c_.store.commit();
  EXPECT_EQ(a("s.default.svc"), "NXDOMAIN");
}

}  // namespace
}  // namespace clusterdns::zones
