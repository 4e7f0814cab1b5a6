// Services as they are reached from outside: the stage and the feed behind `k8s_external`.
#include "tests/unit/zones/cluster.h"

namespace clusterdns::zones {
namespace {

using dns::Message;
using dns::RRType;
using registry::Protocol;
using unit::at;
using unit::Cluster;
using unit::cluster_ip;
using unit::endpoint_port;
using unit::external;
using unit::headless;
using unit::ips;
using unit::Lines;
using unit::lines;
using unit::name;
using unit::port;
using unit::slice;
using unit::sorted;

class ExternalTest : public ::testing::Test {
 protected:
  ExternalTest() {
    c_.options.zones = {name("example.org"), name("in-addr.arpa")};
    c_.options.external_apex = "dns";
    c_.options.server_addresses = ips({"10.244.0.2"});
    c_.feed_options.external = true;
    auto web = cluster_ip("shop", "web", ips({"10.96.0.7"}),
                          {port("http", 80), port("dns", 53, Protocol::Udp)});
    web.external_ips = ips({"192.0.2.10", "192.0.2.10"});
    web.load_balancer_ips = ips({"198.51.100.1", "2001:db8::1"});
    c_.add(web);
    c_.add(slice("shop", "web-x", "web", {endpoint_port("http", 8080)}, {at("10.244.0.9")}));
    auto shared = cluster_ip("other", "shared", ips({"10.96.0.8"}), {port("", 80)});
    shared.external_ips = ips({"192.0.2.10"});
    c_.add(shared);
    c_.add(cluster_ip("shop", "inside", ips({"10.96.0.9"}), {port("http", 80)}));
    c_.add(external("shop", "ext", "www.example.com"));
    auto balanced = cluster_ip("shop", "balanced", ips({"10.96.0.11"}), {port("http", 80)});
    balanced.detail = registry::share_detail(
        registry::ServiceDetail{{}, {}, {}, {"lb.example.net", "lb2.example.net"}});
    c_.add(balanced);
    c_.add(headless("shop", "db", {port("pg", 5432)}));
    c_.add(slice("shop", "db-x", "db", {endpoint_port("pg", 5432)},
                 {at("10.244.0.5", "db-0"), at("10.244.0.6", "db-1")}));
    auto pinned = headless("shop", "pinned", {port("pg", 5432)});
    pinned.external_ips = ips({"192.0.2.20"});
    c_.add(pinned);
    c_.add(slice("shop", "pinned-x", "pinned", {endpoint_port("pg", 5432)}, {at("10.244.0.7")}));
  }

  // NXDOMAIN, NODATA, or the answer's lines in order.
  std::string told(const std::string& qname, RRType type = RRType::A) {
    const Message message = c_.ask(qname, type);
    EXPECT_NE(message.flags & dns::kFlagAA, 0) << qname;
    std::string text;
    for (const std::string& line : sorted(lines(message.answer))) {
      text += (text.empty() ? "" : "\n") + line;
    }
    if (!text.empty()) return text;
    const bool reverse = qname.ends_with("arpa");
    const std::string zone = reverse ? "in-addr.arpa." : "example.org.";
    EXPECT_EQ(lines(message.authority), Lines{zone + " 5 SOA ns1.dns." + zone + " hostmaster.dns." +
                                              zone + " 4242 7200 1800 86400 5"})
        << qname;
    return message.rcode == 3 ? "NXDOMAIN" : "NODATA";
  }
  Cluster c_;
};

TEST_F(ExternalTest, AddressesFromOutside) {
  c_.start();
  EXPECT_EQ(told("Web.shop.example.org"),
            "Web.shop.example.org. 5 A 192.0.2.10\nWeb.shop.example.org. 5 A 198.51.100.1");
  EXPECT_EQ(told("web.shop.example.org", RRType::AAAA), "web.shop.example.org. 5 AAAA 2001:db8::1");
  EXPECT_EQ(told("_http._tcp.web.shop.example.org", RRType::AAAA),
            "_http._tcp.web.shop.example.org. 5 AAAA 2001:db8::1");
  EXPECT_EQ(told("pinned.shop.example.org"), "pinned.shop.example.org. 5 A 192.0.2.20");
  EXPECT_EQ(told("web.shop.example.org", RRType::TXT), "NODATA");
  EXPECT_EQ(told("shop.example.org"), "NODATA");
  EXPECT_EQ(told("_tcp.web.shop.example.org"), "NODATA");
  for (const char* missing :
       {"inside.shop.example.org", "ext.shop.example.org", "db.shop.example.org",
        "10-244-0-9.web.shop.example.org", "10-244-0-7.pinned.shop.example.org",
        "web.shop.svc.example.org", "nowhere.example.org", "web.other.example.org",
        "_https._tcp.web.shop.example.org", "a.b.c.web.shop.example.org", "dns-version.example.org",
        "svc.example.org"}) {
    EXPECT_EQ(told(missing), "NXDOMAIN") << missing;
  }
}

TEST_F(ExternalTest, Ports) {
  c_.start();
  const Message message = c_.ask("_http._tcp.web.shop.example.org", RRType::SRV);
  EXPECT_EQ(lines(message.answer),
            Lines{"_http._tcp.web.shop.example.org. 5 SRV 0 100 80 web.shop.example.org."});
  EXPECT_EQ(sorted(lines(message.additional)),
            (Lines{"web.shop.example.org. 5 A 192.0.2.10", "web.shop.example.org. 5 A 198.51.100.1",
                   "web.shop.example.org. 5 AAAA 2001:db8::1"}));
  EXPECT_EQ(told("web.shop.example.org", RRType::SRV),
            "web.shop.example.org. 5 SRV 0 50 53 web.shop.example.org.\n"
            "web.shop.example.org. 5 SRV 0 50 80 web.shop.example.org.");
}

TEST_F(ExternalTest, ANameOfALoadBalancerIsAnAlias) {
  c_.start();
  for (const RRType type : {RRType::A, RRType::AAAA, RRType::CNAME}) {
    EXPECT_EQ(told("balanced.shop.example.org", type),
              "balanced.shop.example.org. 5 CNAME lb.example.net.");
  }
}

TEST_F(ExternalTest, HeadlessServicesWhereTheyAreWanted) {
  c_.feed_options.external_headless = true;
  c_.start();
  EXPECT_EQ(told("db.shop.example.org"),
            "db.shop.example.org. 5 A 10.244.0.5\ndb.shop.example.org. 5 A 10.244.0.6");
  EXPECT_EQ(told("db-1.db.shop.example.org"), "db-1.db.shop.example.org. 5 A 10.244.0.6");
  EXPECT_EQ(told("_pg._tcp.db.shop.example.org", RRType::SRV),
            "_pg._tcp.db.shop.example.org. 5 SRV 0 50 5432 db-0.db.shop.example.org.\n"
            "_pg._tcp.db.shop.example.org. 5 SRV 0 50 5432 db-1.db.shop.example.org.");
  EXPECT_EQ(told("pinned.shop.example.org"), "pinned.shop.example.org. 5 A 192.0.2.20");
}

TEST_F(ExternalTest, ReverseNames) {
  c_.start();
  // Both services have it.
  EXPECT_EQ(told("10.2.0.192.in-addr.arpa", RRType::PTR),
            "10.2.0.192.in-addr.arpa. 5 PTR shared.other.example.org.\n"
            "10.2.0.192.in-addr.arpa. 5 PTR web.shop.example.org.");
  EXPECT_EQ(told("10.2.0.192.in-addr.arpa", RRType::A), "NODATA");
  EXPECT_EQ(told("7.0.96.10.in-addr.arpa", RRType::PTR), "NXDOMAIN");
}

TEST_F(ExternalTest, TheApex) {
  // A table of cluster names says which service this server is behind.
  Cluster inside;
  auto service = cluster_ip("kube-system", "kube-dns", ips({"10.96.0.10"}), {port("dns", 53)});
  service.external_ips = ips({"192.0.2.53"});
  for (Cluster* const c : {&inside, &c_}) {
    c->add(service);
    c->add(
        slice("kube-system", "dns-x", "kube-dns", {endpoint_port("dns", 53)}, {at("10.244.0.2")}));
  }
  inside.start();
  c_.start();
  auto stage = std::make_shared<ClusterStage>(c_.options, c_.table, inside.table);
  auto route = std::make_shared<dns::Route>();
  route->stages.push_back(stage);
  c_.routes = dns::ListenerRoutes();
  c_.routes.add(dns::Name{}, route);
  const Message ns = c_.ask("example.org", RRType::NS);
  EXPECT_EQ(lines(ns.answer), Lines{"example.org. 5 NS ns1.dns.example.org."});
  EXPECT_EQ(lines(ns.additional), Lines{"ns1.dns.example.org. 5 A 192.0.2.53"});
  EXPECT_EQ(told("ns1.dns.example.org"), "ns1.dns.example.org. 5 A 192.0.2.53");
  EXPECT_EQ(told("ns1.dns.example.org", RRType::AAAA), "NODATA");
  EXPECT_EQ(told("dns.example.org"), "NODATA");
  EXPECT_EQ(told("ns.dns.example.org"), "NXDOMAIN");
  EXPECT_EQ(told("x.ns1.dns.example.org"), "NXDOMAIN");
  EXPECT_EQ(told("example.org"), "NODATA");
  EXPECT_EQ(told("example.org", RRType::SOA),
            "example.org. 5 SOA ns1.dns.example.org. hostmaster.dns.example.org. 4242 7200 1800 "
            "86400 5");
  EXPECT_EQ(stage->name(), "k8s_external");
}

TEST_F(ExternalTest, FollowsChanges) {
  c_.start();
  EXPECT_EQ(told("inside.shop.example.org"), "NXDOMAIN");
  auto inside = cluster_ip("shop", "inside", ips({"10.96.0.9"}), {port("http", 80)});
  inside.load_balancer_ips = ips({"198.51.100.9"});
  c_.store.upsert(inside);
  c_.store.commit();
  c_.table->set_serial(4242);
  EXPECT_EQ(told("inside.shop.example.org"), "inside.shop.example.org. 5 A 198.51.100.9");
  inside.load_balancer_ips.clear();
  c_.store.upsert(inside);
  c_.store.commit();
  c_.table->set_serial(4242);
  EXPECT_EQ(told("inside.shop.example.org"), "NXDOMAIN");
}

// However many addresses one is given.
TEST_F(ExternalTest, AddressesOfOneServiceAreBounded) {
  auto wide = cluster_ip("shop", "wide", ips({"10.96.0.12"}), {port("http", 80)});
  for (int i = 0; i < 500; ++i) {
    wide.external_ips.push_back(
        unit::ip("203.0." + std::to_string(i / 250) + "." + std::to_string(i % 250)));
  }
  c_.add(wide);
  c_.start();
  const unit::Request request{.qname = "wide.shop.example.org", .edns = true};
  EXPECT_EQ(c_.ask(request).answer.size(), 64u);
}

}  // namespace
}  // namespace clusterdns::zones
