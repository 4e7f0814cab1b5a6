#include "zones/gateway_stage.h"

#include <memory>
#include <string>
#include <thread>

#include <gmock/gmock.h>

#include "dns/search/search_stage.h"
#include "tests/unit/registry/gateways/manifests.h"
#include "tests/unit/registry/manifests/manifest_fixture.h"
#include "tests/unit/zones/cluster.h"
#include "zones/host_feed.h"

namespace clusterdns::zones {
namespace {

using dns::Message;
using dns::Rcode;
using dns::RRType;
using registry::testing_support::documents;
using registry::testing_support::kAnyHost;
using registry::testing_support::kBackendCom;
using registry::testing_support::kExampleCom;
using registry::testing_support::kIngressGateway;
using registry::testing_support::kPendingGateway;
using registry::testing_support::kWildcard;
using registry::testing_support::TestCluster;
using ::testing::HasSubstr;
using unit::extended_error;
using unit::Lines;
using unit::lines;
using unit::name;
using unit::Request;
using unit::values;

// Manifests, the stages of `gateways`, `kubernetes` and `search` in their order, and the internet
// behind them, which has an address for everything.
class Gateways {
 public:
  explicit Gateways(const std::string& text) : cluster(text), reclaim(1) {}

  void start() {
    options.cluster_zones = {name("cluster.local"), name("in-addr.arpa")};
    feed_options.zones = options.zones;
    feed_options.ttl = options.ttl;
    table = std::make_shared<HostTable>(reclaim);
    feed = std::make_unique<HostFeed>(cluster.store, table, feed_options);
    table->set_ready(ready);
    records = std::make_shared<RecordTable>(reclaim, TableOptions{});
    records_feed = std::make_unique<TableFeed>(cluster.store, records, FeedOptions{});
    records->set_ready(true);
    ClusterOptions cluster_options;
    cluster_options.zones = {name("cluster.local")};
    dns::SearchStage::Options search;
    search.suffixes = dns::SearchStage::pod_search_list("default", name("cluster.local"));
    const auto shared = std::make_shared<const GatewayOptions>(options);
    auto route = std::make_shared<dns::Route>();
    using Part = GatewayStage::Part;
    route->stages = {std::make_shared<GatewayStage>(Part::Exact, shared, table),
                     std::make_shared<ClusterStage>(cluster_options, records),
                     std::make_shared<dns::SearchStage>(std::move(search)),
                     std::make_shared<GatewayStage>(Part::Rest, shared, table),
                     std::make_shared<unit::ScriptedStage>([](dns::Exchange& exchange) {
                       static const std::vector<std::uint8_t> rows =
                           host_rows({unit::ip("192.0.2.255")}, registry::IpFamily::V4, 1);
                       if (exchange.query.qtype != RRType::A) return dns::Verdict::Answered;
                       dns::RRsetRef& rrset = exchange.answer.next_answer();
                       rrset = {};
                       rrset.write = &dns::write_rows;
                       rrset.data = rows.data();
                       rrset.count = 1;
                       rrset.type = RRType::A;
                       return dns::Verdict::Answered;
                     })};
    for (const auto& stage : route->stages) stage->attach(client.worker);
    routes.add(dns::Name{}, std::move(route));
  }

  Message ask(const Request& request) { return client.ask(routes, request).value(); }
  Message ask(const std::string& qname, RRType type = RRType::A) {
    return ask(Request{.qname = qname, .qtype = type, .edns = true});
  }
  Lines addresses(const std::string& qname, RRType type = RRType::A) {
    return values(ask(qname, type).answer);
  }

  TestCluster cluster;
  dns::ReclaimDomain reclaim;
  GatewayOptions options;
  HostFeedOptions feed_options;
  bool ready = true;
  std::shared_ptr<HostTable> table;
  std::unique_ptr<HostFeed> feed;
  std::shared_ptr<RecordTable> records;
  std::unique_ptr<TableFeed> records_feed;
  dns::ListenerRoutes routes;
  unit::Client client;
};

const Lines kInternet = {"192.0.2.255"};
const Lines kFront = {"203.0.113.50"};

std::string gateway(const std::string& hosts, const std::string& target,
                    const std::string& gateway_name = "gw") {
  return "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: " + gateway_name +
         ", annotations: {external-dns.alpha.kubernetes.io/target: '" + target +
         "'}}\nspec: {servers: [{port: {number: 80, protocol: HTTP}, hosts: " + hosts + "}]}\n";
}

TEST(GatewayStage, AHostHasTheGatewaysAddress) {
  Gateways c(documents(kIngressGateway, kExampleCom));
  c.start();
  const Message answer = c.ask("Example.COM");
  EXPECT_EQ(lines(answer.answer), (Lines{"Example.COM. 5 A 203.0.113.50"}));
  EXPECT_NE(answer.flags & dns::kFlagAA, 0);
  EXPECT_EQ(c.addresses("www.example.com"), kInternet);
  EXPECT_EQ(c.addresses("example.org"), kInternet);
}

// As hosts and zone files of others do it: what is no host goes on, above one and the zone's name,
// too.
TEST(GatewayStage, WhatIsNoHostFallsThroughWhereverItStands) {
  Gateways c(gateway("[a.b.zone.test]", "192.0.2.1"));
  c.options.zones = {name("zone.test")};
  c.options.fall_through = true;
  c.start();
  EXPECT_EQ(c.addresses("a.b.zone.test"), (Lines{"192.0.2.1"}));
  for (const std::string other : {"b.zone.test", "zone.test", "c.zone.test", "x.a.b.zone.test"}) {
    EXPECT_EQ(c.addresses(other), kInternet) << other;
  }
  Gateways within(gateway("[a.b.zone.test]", "192.0.2.1"));
  within.options.zones = {name("zone.test")};
  within.options.fall_through = true;
  within.options.fall_through_in = {name("b.zone.test")};
  within.start();
  EXPECT_EQ(within.addresses("b.zone.test"), kInternet);
  EXPECT_EQ(within.addresses("zone.test"), Lines{});
  EXPECT_EQ(within.ask("c.zone.test").rcode, static_cast<unsigned>(Rcode::NXDomain));
  // Nothing goes on that may turn out to be a host.
  Gateways early(gateway("[a.b.zone.test]", "192.0.2.1"));
  early.options.zones = {name("zone.test")};
  early.options.fall_through = true;
  early.ready = false;
  early.start();
  EXPECT_EQ(early.ask("b.zone.test").rcode, static_cast<unsigned>(Rcode::ServFail));
}

TEST(GatewayStage, EveryOtherTypeIsNoDataWithAnSoa) {
  Gateways c(documents(kIngressGateway, kExampleCom));
  c.start();
  for (const RRType type : {RRType::AAAA, RRType::HTTPS, RRType::SVCB, RRType::MX, RRType::TXT,
                            RRType::NS, RRType::SOA, RRType::CNAME, RRType::ANY}) {
    const Message answer = c.ask("example.com", type);
    EXPECT_EQ(answer.rcode, 0);
    EXPECT_TRUE(answer.answer.empty());
    ASSERT_EQ(answer.authority.size(), 1U) << static_cast<int>(type);
    EXPECT_THAT(unit::line(answer.authority[0]), HasSubstr("example.com. 5 SOA "));
    EXPECT_EQ(extended_error(answer), -1);
  }
}

TEST(GatewayStage, WildcardsOfAnyDepthAndTheLongestOne) {
  Gateways c(documents(gateway("['*.example.com']", "192.0.2.1"),
                       gateway("['*.a.example.com', x.a.example.com]", "192.0.2.2", "a")));
  c.start();
  EXPECT_EQ(c.addresses("b.example.com"), (Lines{"192.0.2.1"}));
  EXPECT_EQ(c.addresses("d.c.b.example.com"), (Lines{"192.0.2.1"}));
  EXPECT_EQ(c.addresses("a.example.com"), (Lines{"192.0.2.1"}));
  EXPECT_EQ(c.addresses("b.a.example.com"), (Lines{"192.0.2.2"}));
  EXPECT_EQ(c.addresses("x.a.example.com"), (Lines{"192.0.2.2"}));
  EXPECT_EQ(c.addresses("example.com"), kInternet);
}

TEST(GatewayStage, AnIngresssWildcardIsOneLabelAndJoinsAGateways) {
  const std::string ingress = R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i}
spec: {rules: [{host: "*.example.com"}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.9}]}}
)";
  Gateways alone(ingress);
  alone.start();
  EXPECT_EQ(alone.addresses("a.example.com"), (Lines{"192.0.2.9"}));
  EXPECT_EQ(alone.addresses("b.a.example.com"), kInternet);
  Gateways both(documents(ingress, gateway("['*.example.com']", "192.0.2.1")));
  both.start();
  EXPECT_EQ(unit::sorted(both.addresses("a.example.com")), (Lines{"192.0.2.1", "192.0.2.9"}));
  EXPECT_EQ(both.addresses("b.a.example.com"), (Lines{"192.0.2.1"}));
}

TEST(GatewayStage, SeveralGatewaysTogetherTurnedByOne) {
  Gateways c(documents(gateway("[a.example, '*.example']", "192.0.2.1,192.0.2.2"),
                       gateway("[a.example]", "192.0.2.2,192.0.2.3,2001:db8::1", "second")));
  c.start();
  EXPECT_EQ(c.addresses("a.example"), (Lines{"192.0.2.1", "192.0.2.2", "192.0.2.3"}));
  EXPECT_EQ(c.addresses("A.example"), (Lines{"192.0.2.2", "192.0.2.3", "192.0.2.1"}));
  EXPECT_EQ(c.addresses("a.example", RRType::AAAA), (Lines{"2001:db8::1"}));
  EXPECT_EQ(c.addresses("a.example"), (Lines{"192.0.2.3", "192.0.2.1", "192.0.2.2"}));
  // Turns are the host's own.
  EXPECT_EQ(c.addresses("b.example"), (Lines{"192.0.2.1", "192.0.2.2"}));
}

TEST(GatewayStage, WithoutAnAddressItSaysWhatIsMissing) {
  Gateways c(documents(kPendingGateway, kWildcard));
  c.start();
  for (const char* host : {"shop.example.com", "other.example.com"}) {
    const Message answer = c.ask(host);
    EXPECT_EQ(answer.rcode, 0);
    EXPECT_TRUE(answer.answer.empty());
    ASSERT_EQ(answer.authority.size(), 1U);
    std::string text;
    EXPECT_EQ(extended_error(answer, &text), 0);
    EXPECT_THAT(text, HasSubstr("Gateway istio-system/my-ingress-gateway"));
    EXPECT_THAT(text, HasSubstr("waits for a load balancer's address"));
  }
}

TEST(GatewayStage, NamesOfTheClusterAreNeverAnswered) {
  Gateways c(
      gateway("['*', my-service.default.svc.cluster.local, '*.cluster.local']", "192.0.2.1"));
  c.feed_options.plan.any_zones = {""};
  c.start();
  EXPECT_EQ(c.ask("my-service.default.svc.cluster.local").rcode,
            static_cast<unsigned>(Rcode::NXDomain));
  EXPECT_EQ(c.ask("x.cluster.local").rcode, static_cast<unsigned>(Rcode::NXDomain));
  EXPECT_EQ(c.addresses("anything.example"), (Lines{"192.0.2.1"}));
}

TEST(GatewayStage, AnyHostInTheZonesThatSaySo) {
  Gateways c(documents(kIngressGateway, kAnyHost));
  c.feed_options.plan.any_zones = {"dev.example"};
  c.start();
  EXPECT_EQ(c.addresses("dev.example"), kFront);
  EXPECT_EQ(c.addresses("a.b.dev.example"), kFront);
  EXPECT_EQ(c.addresses("other.example"), kInternet);
}

TEST(GatewayStage, AnExactHostWinsOverTheSearchListAndAWildcardDoesNot) {
  Gateways c(documents(kIngressGateway, kAnyHost, gateway("[python-www]", "192.0.2.1")));
  c.feed_options.plan.any_zones = {""};
  c.start();
  EXPECT_EQ(c.addresses("python-www"), (Lines{"192.0.2.1"}));
  EXPECT_EQ(c.ask("python-www.default").answer.size(), 5U);  // by the search list: a CNAME and four
  EXPECT_EQ(c.addresses("nothing-such"), kFront);
  // A pod asks for the Service, and gets it.
  EXPECT_EQ(c.ask("python-www.default.svc.cluster.local").answer.size(), 4U);
}

TEST(GatewayStage, InANamedZoneTheRestDoesNotExist) {
  Gateways c(documents(kIngressGateway, kWildcard, gateway("[x.y.example.org]", "192.0.2.1")));
  c.options.zones = {name("example.org"), name("example.com")};
  c.start();
  const Message missing = c.ask("nothing.example.org");
  EXPECT_EQ(missing.rcode, static_cast<unsigned>(Rcode::NXDomain));
  ASSERT_EQ(missing.authority.size(), 1U);
  EXPECT_THAT(unit::line(missing.authority[0]), HasSubstr("example.org. 5 SOA "));
  // Above a host.
  EXPECT_EQ(c.ask("y.example.org").rcode, 0);
  EXPECT_TRUE(c.ask("y.example.org").answer.empty());
  EXPECT_EQ(c.ask("example.org").rcode, 0);
  EXPECT_THAT(c.addresses("example.org", RRType::SOA)[0], HasSubstr("hostmaster."));
  EXPECT_EQ(c.ask("example.com").rcode, 0);
  EXPECT_TRUE(c.ask("example.com").answer.empty());
  EXPECT_EQ(c.addresses("x.y.example.org"), (Lines{"192.0.2.1"}));
  EXPECT_EQ(c.ask("z.x.y.example.org").rcode, static_cast<unsigned>(Rcode::NXDomain));
  EXPECT_EQ(c.addresses("else.where"), kInternet);
  // What went is gone, and so is what was above it.
  c.cluster.folder.write("a.yaml", documents(kIngressGateway, kWildcard));
  c.cluster.reload();
  EXPECT_EQ(c.ask("y.example.org").rcode, static_cast<unsigned>(Rcode::NXDomain));
}

TEST(GatewayStage, FallsThrough) {
  Gateways c(documents(kIngressGateway, kExampleCom));
  c.options.zones = {name("example.com")};
  c.options.fall_through = true;
  c.options.fall_through_in = {name("www.example.com")};
  c.start();
  EXPECT_EQ(c.addresses("www.example.com"), kInternet);
  EXPECT_EQ(c.ask("ww.example.com").rcode, static_cast<unsigned>(Rcode::NXDomain));
}

TEST(GatewayStage, ClientsInsideGetTheClusterIp) {
  Gateways c(documents(kIngressGateway, kExampleCom, gateway("[plain.example]", "192.0.2.1")));
  ASSERT_TRUE(c.options.inside.add("10.244.0.0/16"));
  c.feed_options.inside = true;
  c.start();
  EXPECT_EQ(c.addresses("example.com"), kFront);
  c.client.from("10.244.1.7");
  EXPECT_EQ(c.addresses("example.com"), (Lines{"10.100.200.10"}));
  EXPECT_EQ(c.addresses("plain.example"), (Lines{"192.0.2.1"}));
}

TEST(GatewayStage, ALoadBalancersNameIsFollowed) {
  Gateways c(gateway("[a.example, b.example]", "lb.example.net"));
  c.start();
  const Message answer = c.ask("a.example", RRType::CNAME);
  EXPECT_EQ(lines(answer.answer), (Lines{"a.example. 5 CNAME lb.example.net."}));
  EXPECT_EQ(lines(c.ask("a.example").answer), (Lines{"a.example. 5 CNAME lb.example.net."}));
  EXPECT_TRUE(c.ask("a.example", RRType::HTTPS).answer.empty());
  // To a host of ours.
  Gateways inner(
      documents(gateway("[a.example]", "b.example"), gateway("[b.example]", "192.0.2.1", "b")));
  inner.start();
  EXPECT_EQ(lines(inner.ask("a.example").answer),
            (Lines{"a.example. 5 CNAME b.example.", "b.example. 5 A 192.0.2.1"}));
}

TEST(GatewayStage, ChangesShowAtOnce) {
  Gateways c(documents(kPendingGateway, kWildcard));
  c.start();
  EXPECT_TRUE(c.addresses("shop.example.com").empty());
  c.cluster.folder.write("a.yaml", documents(kIngressGateway, kWildcard));
  c.cluster.reload();
  EXPECT_EQ(c.addresses("shop.example.com"), kFront);
  EXPECT_EQ(c.feed->figures()->hosts.load(), 3U);
  EXPECT_EQ(c.feed->figures()->without_address.load(), 0U);
  c.cluster.folder.write("a.yaml", documents(kIngressGateway, kBackendCom));
  c.cluster.reload();
  EXPECT_EQ(c.addresses("shop.example.com"), kInternet);
  EXPECT_EQ(c.addresses("api.backend.com"), kFront);
  std::filesystem::remove(c.cluster.folder / "a.yaml");
  c.cluster.reload();
  EXPECT_EQ(c.addresses("api.backend.com"), kInternet);
  EXPECT_EQ(c.table->size(), 0U);
  EXPECT_EQ(c.table->octets(), 0U);
}

TEST(GatewayStage, UntilTheRegistryIsInSyncANamedZoneSaysNothing) {
  Gateways c("");
  c.options.zones = {name("example.com")};
  c.ready = false;
  c.start();
  EXPECT_EQ(c.ask("www.example.com").rcode, static_cast<unsigned>(Rcode::ServFail));
  c.table->set_ready(true);
  EXPECT_EQ(c.ask("www.example.com").rcode, static_cast<unsigned>(Rcode::NXDomain));
}

TEST(HostTable, ReadersSeeWholeAnswersWhileHostsComeAndGo) {
  dns::ReclaimDomain reclaim(1);
  HostTable table(reclaim);
  const auto addresses = [](const char* text) {
    HostAddresses result;
    result.a_rows = host_rows({unit::ip(text), unit::ip(text)}, registry::IpFamily::V4, 5);
    return result;
  };
  std::atomic<bool> stop = false;
  std::atomic<bool> torn = false;
  std::atomic<std::uint64_t> seen = 0;
  const dns::Name host = name("a.example");
  std::thread reader([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      reclaim.enter(0);
      if (const auto* const block = table.find(host.view())) {
        if (const auto* const now = block->get(HostTable::kExact)) {
          if (now->a_rows.size() != 32 || now->a_rows[15] != now->a_rows[31]) torn = true;
          seen.fetch_add(1, std::memory_order_relaxed);
        }
      }
      reclaim.leave(0);
    }
  });
  const HostTable::GroupId group = table.add_group(addresses("192.0.2.0"));
  const HostTable::GroupIds ids = {group, HostTable::kNoGroup, HostTable::kNoGroup};
  for (int i = 0; i < 2000 || seen.load(std::memory_order_relaxed) < 1000; ++i) {
    ASSERT_TRUE(table.set(host, ids));
    table.set_group(group, addresses(("192.0.2." + std::to_string(i % 256)).c_str()));
    if (i % 3 == 0) table.remove(host);
    table.collect();
  }
  stop = true;
  reader.join();
  EXPECT_FALSE(torn.load());
}

// What docs/limits.md says of ten thousand hosts.
TEST(HostTable, TenThousandHosts) {
  dns::ReclaimDomain reclaim(1);
  HostTable table(reclaim);
  HostAddresses addresses;
  addresses.a_rows = host_rows({unit::ip("192.0.2.1")}, registry::IpFamily::V4, 5);
  const HostTable::GroupId group = table.add_group(addresses);
  for (int i = 0; i < 10000; ++i) {
    ASSERT_TRUE(table.set(name("host-" + std::to_string(i) + ".example.com"),
                          {group, HostTable::kNoGroup, HostTable::kNoGroup}));
  }
  EXPECT_LT(table.octets(), 1'500'000U);
}

}  // namespace
}  // namespace clusterdns::zones
