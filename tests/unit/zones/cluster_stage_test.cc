#include "zones/cluster_stage.h"

#include <boost/asio/post.hpp>
#include <map>
#include <set>

#include "dns/query/upstream.h"
#include "dns/server/responder.h"
#include "tests/unit/growth.h"
#include "tests/unit/zones/cluster.h"

namespace clusterdns::zones {
namespace {

using dns::kFlagAA;
using dns::kFlagRA;
using dns::kFlagTC;
using dns::Message;
using dns::Rcode;
using dns::RRType;
using registry::Protocol;
using unit::at;
using unit::Cluster;
using unit::cluster_ip;
using unit::endpoint_port;
using unit::extended_error;
using unit::external;
using unit::headless;
using unit::ip;
using unit::ips;
using unit::Lines;
using unit::lines;
using unit::name;
using unit::port;
using unit::Request;
using unit::slice;
using unit::sorted;
using unit::unready;
using unit::values;

void fill(Cluster& c) {
  c.add_namespace("empty");
  c.add(cluster_ip("default", "my-service", ips({"10.96.0.7"}), {port("http", 80)}));
  c.add(slice("default", "my-service-x", "my-service", {endpoint_port("http", 8080)},
              {at("10.244.0.20"), at("10.244.0.21", "named"), unready(at("10.244.0.22"))}));
  c.add(cluster_ip("default", "unnamed", ips({"10.96.0.9"}), {port("", 8000)}));
  c.add(cluster_ip("default", "dual", ips({"10.96.0.8", "fd00:10:96::8"}),
                   {port("http", 80), port("metrics", 9090), port("dns", 53, Protocol::Udp)}));
  c.add(
      slice("default", "dual-4", "dual", {endpoint_port("http", 8080)}, {at("10.244.0.30", "d0")}));
  c.add(slice("default", "dual-6", "dual", {endpoint_port("http", 8080)},
              {at("fd00:10:244::30", "d0"), at("fd00:10:244::")}));
  c.add(cluster_ip("kube-system", "kube-dns", ips({"10.96.0.10"}),
                   {port("dns", 53, Protocol::Udp), port("dns-tcp", 53), port("metrics", 9153)}));
  c.add(cluster_ip("prod", "my-service", ips({"10.96.1.7"}), {port("http", 81)}));
  c.add(headless("default", "python-www", {port("http", 80)}));
  c.add(slice("default", "python-www-x", "python-www", {endpoint_port("http", 80)},
              {at("10.244.0.10"), at("10.244.0.11"), at("10.244.1.12"), at("10.244.1.13")}));
  c.add(headless("default", "db", {port("postgres", 5432)}));
  c.add(slice("default", "db-x", "db", {endpoint_port("postgres", 5432)},
              {at("10.244.2.1", "db-0"), at("10.244.2.2", "db-1"), at("fd00:10:244::2", "db-1")}));
  c.add(headless("default", "mixed"));
  c.add(slice("default", "mixed-a", "mixed", {endpoint_port("web", 80), endpoint_port("admin", 81)},
              {at("10.244.3.1")}));
  c.add(slice("default", "mixed-b", "mixed", {endpoint_port("web", 90), endpoint_port("", 7)},
              {at("10.244.3.2"), at("10.244.2.1")}));
  c.add(slice("default", "mixed-c", "mixed", {endpoint_port("nonum", 0, Protocol::Sctp)},
              {at("10.244.3.3")}));
  c.add(headless("default", "not-ready"));
  c.add(slice("default", "not-ready-x", "not-ready", {}, {unready(at("10.244.9.9"))}));
  c.add(external("default", "ext", "www.example.com"));
  c.add(external("default", "in", "My-Service.prod.svc.Cluster.Local"));
  c.add(external("default", "two", "in.default.svc.cluster.local"));
  c.add(external("default", "loop-a", "loop-b.default.svc.cluster.local"));
  c.add(external("default", "loop-b", "loop-a.default.svc.cluster.local"));
  c.add(external("default", "self", "self.default.svc.cluster.local"));
  c.add(external("default", "gone", "nothing.default.svc.cluster.local"));
  c.add(external("default", "inner", "default.svc.cluster.local"));
  c.add(external("default", "six", "dual.default.svc.cluster.local"));
  c.add(external("default", "back", "7.0.96.10.in-addr.arpa"));
  c.add(unit::pod("default", "p", ips({"10.244.5.1", "fd00:10:244::51"})));
}

// What a client is told, in a few words: NXDOMAIN, NODATA, or the answer's lines.
std::string told(const Message& message, const std::string& zone = "cluster.local.",
                 std::uint32_t ttl = 5) {
  if (message.rcode != 0 && message.rcode != 3) return dns::rcode_to_text(message.rcode);
  EXPECT_NE(message.flags & kFlagAA, 0);
  EXPECT_EQ(message.flags & kFlagTC, 0);
  std::string text;
  for (const std::string& line : lines(message.answer)) text += (text.empty() ? "" : "\n") + line;
  if (message.rcode == 0 && !text.empty() && message.authority.empty()) return text;
  const std::string below = zone == "." ? "" : zone;
  const std::string soa = zone + " " + std::to_string(ttl) + " SOA ns.dns." + below +
                          " hostmaster." + below + " 4242 7200 1800 86400 " + std::to_string(ttl);
  EXPECT_EQ(lines(message.authority), Lines{soa});
  EXPECT_TRUE(message.additional.empty());
  if (!text.empty()) text += "\n";
  return text + (message.rcode == 0 ? "NODATA" : "NXDOMAIN");
}

struct Case {
  const char* qname;
  RRType type;
  std::string expected;
};

class ClusterStageTest : public ::testing::Test {
 protected:
  void start(std::vector<std::shared_ptr<dns::Stage>> after = {}) {
    fill(c_);
    c_.start(std::move(after));
  }
  void check(const std::vector<Case>& cases, const std::string& zone = "cluster.local.") {
    for (const Case& test : cases) {
      SCOPED_TRACE(std::string(test.qname) + " " + dns::rrtype_to_text(test.type));
      EXPECT_EQ(told(c_.ask(test.qname, test.type), zone), test.expected);
    }
  }
  Cluster c_;
};

TEST_F(ClusterStageTest, ServiceAddresses) {
  start();
  check({
      {"my-service.default.svc.cluster.local", RRType::A,
       "my-service.default.svc.cluster.local. 5 A 10.96.0.7"},
      {"My-Service.DEFAULT.Svc.Cluster.LOCAL", RRType::A,
       "My-Service.DEFAULT.Svc.Cluster.LOCAL. 5 A 10.96.0.7"},
      {"my-service.prod.svc.cluster.local", RRType::A,
       "my-service.prod.svc.cluster.local. 5 A 10.96.1.7"},
      {"my-service.default.svc.cluster.local", RRType::AAAA, "NODATA"},
      {"my-service.default.svc.cluster.local", RRType::TXT, "NODATA"},
      {"my-service.default.svc.cluster.local", RRType::CNAME, "NODATA"},
      {"my-service.default.svc.cluster.local", RRType::NS, "NODATA"},
      {"my-service.default.svc.cluster.local", RRType::SOA, "NODATA"},
      {"my-service.default.svc.cluster.local", RRType::ANY, "NODATA"},
      {"my-service.default.svc.cluster.local", RRType{65280}, "NODATA"},
      {"dual.default.svc.cluster.local", RRType::A,
       "dual.default.svc.cluster.local. 5 A 10.96.0.8"},
      {"dual.default.svc.cluster.local", RRType::AAAA,
       "dual.default.svc.cluster.local. 5 AAAA fd00:10:96::8"},
  });
}

TEST_F(ClusterStageTest, NamesThatDoNotExist) {
  start();
  for (const char* qname : {
           "x.cluster.local",
           "my-service.cluster.local",
           "my-service.default.cluster.local",
           "my-servic.default.svc.cluster.local",
           "my-service2.default.svc.cluster.local",
           "my-service.empty.svc.cluster.local",
           "my-service.nowhere.svc.cluster.local",
           "default.my-service.svc.cluster.local",
           "nowhere.svc.cluster.local",
           "svc.svc.cluster.local",
           "kube-dns.default.svc.cluster.local",
           "not-ready.default.svc.cluster.local",
           "x.not-ready.default.svc.cluster.local",
           "x.my-service.default.svc.cluster.local",
           "x.default.svc.cluster.local",
           "*.default.svc.cluster.local",
           "*.svc.cluster.local",
           "any.default.svc.cluster.local",
           "*.my-service.default.svc.cluster.local",
           R"(my-service\.default.svc.cluster.local)",
           R"(my-service.default\.svc.cluster.local)",
           "my-service.default.svc.x.cluster.local",
           "my-service.default.svcs.cluster.local",
           // Ports.
           "_udp.my-service.default.svc.cluster.local",
           "_sctp.my-service.default.svc.cluster.local",
           "_http.my-service.default.svc.cluster.local",
           "_.my-service.default.svc.cluster.local",
           "tcp.my-service.default.svc.cluster.local",
           "_http._udp.my-service.default.svc.cluster.local",
           "http._tcp.my-service.default.svc.cluster.local",
           "_http.tcp.my-service.default.svc.cluster.local",
           "_htt._tcp.my-service.default.svc.cluster.local",
           "_https._tcp.my-service.default.svc.cluster.local",
           "_._tcp.my-service.default.svc.cluster.local",
           "*._tcp.my-service.default.svc.cluster.local",
           "x._http._tcp.my-service.default.svc.cluster.local",
           "_tcp._http.my-service.default.svc.cluster.local",
           "_tcp.unnamed.default.svc.cluster.local",
           "_8000._tcp.unnamed.default.svc.cluster.local",
           "_http._tcp.named.my-service.default.svc.cluster.local",
           // Endpoints.
           "10-244-0-22.my-service.default.svc.cluster.local",
           "10-244-0-21.my-service.default.svc.cluster.local",
           "10-244-0-20.python-www.default.svc.cluster.local",
           "10-96-0-7.my-service.default.svc.cluster.local",
           "10.244.0.20.my-service.default.svc.cluster.local",
           "x.10-244-0-20.my-service.default.svc.cluster.local",
           "db-2.db.default.svc.cluster.local",
           // Below an alias, and beside the fixed names.
           "x.ext.default.svc.cluster.local",
           "_tcp.ext.default.svc.cluster.local",
           "_http._tcp.ext.default.svc.cluster.local",
           "x.dns-version.cluster.local",
           "x.dns.cluster.local",
           "x.ns.dns.cluster.local",
           "xns.dns.cluster.local",
       }) {
    for (const RRType type : {RRType::A, RRType::AAAA, RRType::SRV, RRType::TXT, RRType::ANY}) {
      SCOPED_TRACE(std::string(qname) + " " + dns::rrtype_to_text(type));
      EXPECT_EQ(told(c_.ask(qname, type)), "NXDOMAIN");
    }
  }
}

TEST_F(ClusterStageTest, NamesThatExistWithoutData) {
  start();
  for (const char* qname : {
           "cluster.local",
           "svc.cluster.local",
           "pod.cluster.local",
           "dns.cluster.local",
           "default.svc.cluster.local",
           "empty.svc.cluster.local",
           "Kube-System.svc.cluster.local",
           "default.pod.cluster.local",
           "_tcp.my-service.default.svc.cluster.local",
           "_TCP.dual.default.svc.cluster.local",
           "_udp.dual.default.svc.cluster.local",
           "_tcp.db.default.svc.cluster.local",
           "_sctp.mixed.default.svc.cluster.local",
       }) {
    for (const RRType type : {RRType::A, RRType::AAAA, RRType::SRV, RRType::TXT, RRType::ANY}) {
      SCOPED_TRACE(std::string(qname) + " " + dns::rrtype_to_text(type));
      EXPECT_EQ(told(c_.ask(qname, type)), "NODATA");
    }
  }
}

TEST_F(ClusterStageTest, EndpointNames) {
  start();
  check({
      {"10-244-0-20.my-service.default.svc.cluster.local", RRType::A,
       "10-244-0-20.my-service.default.svc.cluster.local. 5 A 10.244.0.20"},
      {"10-244-0-20.my-service.default.svc.cluster.local", RRType::AAAA, "NODATA"},
      {"10-244-0-20.my-service.default.svc.cluster.local", RRType::TXT, "NODATA"},
      {"NAMED.my-service.default.svc.cluster.local", RRType::A,
       "NAMED.my-service.default.svc.cluster.local. 5 A 10.244.0.21"},
      {"db-0.db.default.svc.cluster.local", RRType::A,
       "db-0.db.default.svc.cluster.local. 5 A 10.244.2.1"},
      {"db-0.db.default.svc.cluster.local", RRType::AAAA, "NODATA"},
      {"db-1.db.default.svc.cluster.local", RRType::AAAA,
       "db-1.db.default.svc.cluster.local. 5 AAAA fd00:10:244::2"},
      {"d0.dual.default.svc.cluster.local", RRType::A,
       "d0.dual.default.svc.cluster.local. 5 A 10.244.0.30"},
      {"d0.dual.default.svc.cluster.local", RRType::AAAA,
       "d0.dual.default.svc.cluster.local. 5 AAAA fd00:10:244::30"},
      {"fd00-10-244--0.dual.default.svc.cluster.local", RRType::AAAA,
       "fd00-10-244--0.dual.default.svc.cluster.local. 5 AAAA fd00:10:244::"},
      {"fd00-10-244--0.dual.default.svc.cluster.local", RRType::A, "NODATA"},
      {"10-244-2-1.mixed.default.svc.cluster.local", RRType::A,
       "10-244-2-1.mixed.default.svc.cluster.local. 5 A 10.244.2.1"},
  });
}

// Turns by exactly one per answer of that RRset.
TEST_F(ClusterStageTest, RoundRobin) {
  start();
  const std::string www = "python-www.default.svc.cluster.local";
  const Lines all{"10.244.0.10", "10.244.0.11", "10.244.1.12", "10.244.1.13"};
  for (std::size_t turn = 0; turn < 9; ++turn) {
    Lines expected;
    for (std::size_t i = 0; i < 4; ++i) expected.push_back(all[(turn + i) % 4]);
    EXPECT_EQ(values(c_.ask(www).answer), expected) << turn;
    // Neither other types, other names, other names' answers nor aliases turn it.
    c_.ask(www, RRType::AAAA);
    c_.ask(www, RRType::SRV);
    c_.ask("_http._tcp." + www);
    c_.ask("10-244-0-10." + www);
    c_.ask("db.default.svc.cluster.local");
  }
  // Nor do gates: what is refused is not an answer.
  const Lines next = values(c_.ask(www).answer);
  EXPECT_EQ(next[0], all[1]);
  unit::Octets garbage = Request{.qname = www}.wire();
  garbage.push_back(0);
  (void)c_.client.send(c_.routes, garbage);
  EXPECT_EQ(values(c_.ask(www).answer)[0], all[2]);
}

// Addresses alone are turned: of other RRsets programs take the first record as the one.
TEST_F(ClusterStageTest, AddressesRotateAndNothingElse) {
  start();
  const auto firsts = [&](const std::string& qname, RRType type) {
    std::set<std::string> first;
    std::set<Lines> contents;
    const std::size_t n = c_.ask(qname, type).answer.size();
    for (std::size_t i = 0; i < n; ++i) {
      const Message message = c_.ask(qname, type);
      first.insert(values(message.answer)[0]);
      contents.insert(sorted(values(message.answer)));
    }
    EXPECT_EQ(contents.size(), 1u) << qname;
    return first.size();
  };
  EXPECT_EQ(firsts("_http._tcp.python-www.default.svc.cluster.local", RRType::A), 4u);
  EXPECT_EQ(firsts("python-www.default.svc.cluster.local", RRType::SRV), 1u);
  EXPECT_EQ(firsts("_http._tcp.python-www.default.svc.cluster.local", RRType::SRV), 1u);
  EXPECT_EQ(firsts("dual.default.svc.cluster.local", RRType::SRV), 1u);
  EXPECT_EQ(firsts("1.2.244.10.in-addr.arpa", RRType::PTR), 1u);
}

// The name with a hostname first, then in one order whatever the table has.
TEST_F(ClusterStageTest, TheOrderOfReverseNames) {
  for (const bool pod_names : {false, true}) {
    SCOPED_TRACE(pod_names);
    Cluster c;
    c.table_options.block.endpoint_pod_names = pod_names;
    for (const char* service : {"z-client", "a-client", "m-client"})
      c.add(headless("default", service));
    c.add(slice("default", "z-1", "z-client", {endpoint_port("", 80)},
                {at("10.244.7.1", "zk-0", "zk-0"), at("10.244.7.2", "", "zk-1")}));
    for (const char* service : {"m-client", "a-client"}) {
      c.add(slice("default", std::string(service) + "-1", service, {endpoint_port("", 80)},
                  {at("10.244.7.1", "", "zk-0"), at("10.244.7.2", "", "zk-1")}));
    }
    c.start();
    const std::string first = pod_names ? "zk-0" : "10-244-7-1";
    const std::string second = pod_names ? "zk-1" : "10-244-7-2";
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(values(c.ask("1.7.244.10.in-addr.arpa", RRType::PTR).answer),
                (Lines{"zk-0.z-client.default.svc.cluster.local.",
                       first + ".a-client.default.svc.cluster.local.",
                       first + ".m-client.default.svc.cluster.local."}));
      EXPECT_EQ(values(c.ask("2.7.244.10.in-addr.arpa", RRType::PTR).answer),
                (Lines{second + ".a-client.default.svc.cluster.local.",
                       second + ".m-client.default.svc.cluster.local.",
                       second + ".z-client.default.svc.cluster.local."}));
    }
  }
}

// A TTL of an hour is no reason to keep "does not exist" for an hour.
TEST_F(ClusterStageTest, TheSoaHasFiveMinutesAtMost) {
  for (const auto& [ttl, soa] :
       {std::pair{0u, 0u}, {5u, 5u}, {300u, 300u}, {301u, 300u}, {3600u, 300u}}) {
    SCOPED_TRACE(ttl);
    Cluster c;
    c.options.ttl = ttl;
    c.add(cluster_ip("default", "web", ips({"10.96.0.1"})));
    c.start();
    const auto check_soa = [&](const std::vector<dns::Record>& section) {
      ASSERT_EQ(section.size(), 1u);
      EXPECT_EQ(section[0].ttl, soa);
      EXPECT_EQ(dns::load_u32(section[0].rdata.data() + section[0].rdata.size() - 4), soa);
    };
    check_soa(c.ask("none.default.svc.cluster.local").authority);
    check_soa(c.ask("web.default.svc.cluster.local", RRType::AAAA).authority);
    check_soa(c.ask("dns-version.cluster.local").authority);
    check_soa(c.ask("9.9.9.10.in-addr.arpa", RRType::PTR).authority);
    check_soa(c.ask("cluster.local", RRType::SOA).answer);
    EXPECT_EQ(c.ask("web.default.svc.cluster.local").answer.at(0).ttl, ttl);
  }
}

TEST_F(ClusterStageTest, RotationOff) {
  c_.options.rotate = false;
  start();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(values(c_.ask("python-www.default.svc.cluster.local").answer),
              (Lines{"10.244.0.10", "10.244.0.11", "10.244.1.12", "10.244.1.13"}));
  }
}

TEST_F(ClusterStageTest, SrvOfAClusterIpService) {
  start();
  Message message = c_.ask("_http._tcp.My-Service.default.svc.cluster.local", RRType::SRV);
  EXPECT_EQ(lines(message.answer),
            Lines{"_http._tcp.My-Service.default.svc.cluster.local. 5 SRV 0 100 80 "
                  "my-service.default.svc.cluster.local."});
  EXPECT_EQ(lines(message.additional),
            Lines{"my-service.default.svc.cluster.local. 5 A 10.96.0.7"});

  message = c_.ask("dual.default.svc.cluster.local", RRType::SRV);
  EXPECT_EQ(sorted(values(message.answer)), (Lines{"0 33 53 dual.default.svc.cluster.local.",
                                                   "0 33 80 dual.default.svc.cluster.local.",
                                                   "0 33 9090 dual.default.svc.cluster.local."}));
  EXPECT_EQ(lines(message.additional),
            (Lines{"dual.default.svc.cluster.local. 5 A 10.96.0.8",
                   "dual.default.svc.cluster.local. 5 AAAA fd00:10:96::8"}));

  message = c_.ask("_dns._udp.dual.default.svc.cluster.local", RRType::SRV);
  EXPECT_EQ(values(message.answer), Lines{"0 100 53 dual.default.svc.cluster.local."});
  EXPECT_EQ(values(c_.ask("unnamed.default.svc.cluster.local", RRType::SRV).answer),
            Lines{"0 100 8000 unnamed.default.svc.cluster.local."});
  // dns and dns-tcp share a number: one record at the bare name.
  EXPECT_EQ(sorted(values(c_.ask("kube-dns.kube-system.svc.cluster.local", RRType::SRV).answer)),
            (Lines{"0 50 53 kube-dns.kube-system.svc.cluster.local.",
                   "0 50 9153 kube-dns.kube-system.svc.cluster.local."}));
}

TEST_F(ClusterStageTest, SrvOfAHeadlessService) {
  start();
  Message message = c_.ask("_postgres._tcp.db.default.svc.cluster.local", RRType::SRV);
  EXPECT_EQ(sorted(values(message.answer)),
            (Lines{"0 50 5432 db-0.db.default.svc.cluster.local.",
                   "0 50 5432 db-1.db.default.svc.cluster.local."}));
  EXPECT_EQ(sorted(lines(message.additional)),
            (Lines{"db-0.db.default.svc.cluster.local. 5 A 10.244.2.1",
                   "db-1.db.default.svc.cluster.local. 5 A 10.244.2.2",
                   "db-1.db.default.svc.cluster.local. 5 AAAA fd00:10:244::2"}));
  // Each target with the ports of its own slice.
  EXPECT_EQ(sorted(values(c_.ask("_web._tcp.mixed.default.svc.cluster.local", RRType::SRV).answer)),
            (Lines{"0 33 80 10-244-3-1.mixed.default.svc.cluster.local.",
                   "0 33 90 10-244-2-1.mixed.default.svc.cluster.local.",
                   "0 33 90 10-244-3-2.mixed.default.svc.cluster.local."}));
  EXPECT_EQ(values(c_.ask("_admin._tcp.mixed.default.svc.cluster.local", RRType::SRV).answer),
            Lines{"0 100 81 10-244-3-1.mixed.default.svc.cluster.local."});
  message = c_.ask("mixed.default.svc.cluster.local", RRType::SRV);
  EXPECT_EQ(sorted(values(message.answer)),
            (Lines{"0 16 7 10-244-2-1.mixed.default.svc.cluster.local.",
                   "0 16 7 10-244-3-2.mixed.default.svc.cluster.local.",
                   "0 16 80 10-244-3-1.mixed.default.svc.cluster.local.",
                   "0 16 81 10-244-3-1.mixed.default.svc.cluster.local.",
                   "0 16 90 10-244-2-1.mixed.default.svc.cluster.local.",
                   "0 16 90 10-244-3-2.mixed.default.svc.cluster.local."}));
  EXPECT_EQ(message.additional.size(), 3u) << "each target's addresses once";
  // A port without a number is not an SRV record.
  check({{"_nonum._sctp.mixed.default.svc.cluster.local", RRType::SRV, "NODATA"}});
}

TEST_F(ClusterStageTest, SrvOfAnEndpoint) {
  start();
  Message message = c_.ask("db-1.db.default.svc.cluster.local", RRType::SRV);
  EXPECT_EQ(values(message.answer), Lines{"0 100 5432 db-1.db.default.svc.cluster.local."});
  EXPECT_EQ(message.additional.size(), 2u);
  message = c_.ask("10-244-3-1.mixed.default.svc.cluster.local", RRType::SRV);
  EXPECT_EQ(sorted(values(message.answer)),
            (Lines{"0 50 80 10-244-3-1.mixed.default.svc.cluster.local.",
                   "0 50 81 10-244-3-1.mixed.default.svc.cluster.local."}));
  EXPECT_EQ(values(c_.ask("named.my-service.default.svc.cluster.local", RRType::SRV).answer),
            Lines{"0 100 8080 named.my-service.default.svc.cluster.local."});
  check({{"10-244-3-3.mixed.default.svc.cluster.local", RRType::SRV, "NODATA"}});
}

TEST_F(ClusterStageTest, SrvWeights) {
  for (const int count : {1, 3, 7, 100, 101, 250}) {
    std::vector<registry::Endpoint> endpoints;
    for (int i = 0; i < count; ++i) endpoints.push_back(at("10.9.1." + std::to_string(i)));
    const std::string service = "w" + std::to_string(count);
    c_.add(headless("weights", service));
    c_.add(slice("weights", service, service, {endpoint_port("p", 1)}, endpoints));
  }
  c_.start();
  c_.client.use(dns::Transport::Tcp);
  for (const auto& [count, weight] : std::map<int, std::string>{
           {1, "100"}, {3, "33"}, {7, "14"}, {100, "1"}, {101, "1"}, {250, "1"}}) {
    const Message message =
        c_.ask("w" + std::to_string(count) + ".weights.svc.cluster.local", RRType::SRV);
    ASSERT_EQ(message.answer.size(), static_cast<std::size_t>(count));
    for (const std::string& text : values(message.answer)) {
      ASSERT_EQ(text.rfind("0 " + weight + " 1 ", 0), 0u) << text;
    }
  }
}

TEST_F(ClusterStageTest, AddressesAtPortNames) {
  start();
  check({
      {"_http._tcp.my-service.default.svc.cluster.local", RRType::A,
       "_http._tcp.my-service.default.svc.cluster.local. 5 A 10.96.0.7"},
      {"_http._tcp.my-service.default.svc.cluster.local", RRType::AAAA, "NODATA"},
      {"_http._tcp.my-service.default.svc.cluster.local", RRType::TXT, "NODATA"},
      {"_dns._udp.dual.default.svc.cluster.local", RRType::AAAA,
       "_dns._udp.dual.default.svc.cluster.local. 5 AAAA fd00:10:96::8"},
      {"_admin._tcp.mixed.default.svc.cluster.local", RRType::A,
       "_admin._tcp.mixed.default.svc.cluster.local. 5 A 10.244.3.1"},
      {"_nonum._sctp.mixed.default.svc.cluster.local", RRType::A,
       "_nonum._sctp.mixed.default.svc.cluster.local. 5 A 10.244.3.3"},
      {"_postgres._tcp.db.default.svc.cluster.local", RRType::AAAA,
       "_postgres._tcp.db.default.svc.cluster.local. 5 AAAA fd00:10:244::2"},
  });
  // Only the endpoints that have the port.
  EXPECT_EQ(sorted(values(c_.ask("_web._tcp.mixed.default.svc.cluster.local").answer)),
            (Lines{"10.244.2.1", "10.244.3.1", "10.244.3.2"}));
}

// RFC 2181, 5: an RRset has each record once, whoever has the address.
TEST_F(ClusterStageTest, SharedAddressesAtPortNames) {
  c_.add(headless("default", "shared"));
  c_.add(slice("default", "shared-1", "shared", {endpoint_port("web", 80), endpoint_port("a", 1)},
               {at("10.244.9.1", "one"), at("10.244.9.2", "two")}));
  c_.add(slice("default", "shared-2", "shared", {endpoint_port("web", 80), endpoint_port("b", 2)},
               {at("10.244.9.2", "three"), at("10.244.9.3", "four")}));
  c_.add(
      slice("default", "shared-3", "shared", {endpoint_port("b", 2)}, {at("10.244.9.4", "five")}));
  start();
  for (int turn = 0; turn < 6; ++turn) {
    EXPECT_EQ(sorted(values(c_.ask("_web._tcp.shared.default.svc.cluster.local").answer)),
              (Lines{"10.244.9.1", "10.244.9.2", "10.244.9.3"}));
    EXPECT_EQ(sorted(values(c_.ask("_a._tcp.shared.default.svc.cluster.local").answer)),
              (Lines{"10.244.9.1", "10.244.9.2"}));
    EXPECT_EQ(sorted(values(c_.ask("_b._tcp.shared.default.svc.cluster.local").answer)),
              (Lines{"10.244.9.2", "10.244.9.3", "10.244.9.4"}));
  }
}

TEST_F(ClusterStageTest, FixedNames) {
  start();
  check({
      {"dns-version.cluster.local", RRType::TXT, "dns-version.cluster.local. 28800 TXT \"1.1.0\""},
      {"DNS-Version.cluster.local", RRType::TXT, "DNS-Version.cluster.local. 28800 TXT \"1.1.0\""},
      {"dns-version.cluster.local", RRType::A, "NODATA"},
      {"dns-version.cluster.local", RRType::ANY, "NODATA"},
      {"ns.dns.cluster.local", RRType::A, "ns.dns.cluster.local. 5 A 10.96.0.10"},
      {"ns.dns.cluster.local", RRType::AAAA, "ns.dns.cluster.local. 5 AAAA fd00:10:96::a"},
      {"ns.dns.cluster.local", RRType::TXT, "NODATA"},
      {"cluster.local", RRType::SOA,
       "cluster.local. 5 SOA ns.dns.cluster.local. hostmaster.cluster.local. 4242 7200 1800 86400 "
       "5"},
      {"Cluster.Local", RRType::NS, "Cluster.Local. 5 NS ns.dns.Cluster.Local."},
      {"cluster.local", RRType::MX, "NODATA"},
      {"cluster.local", RRType::ANY, "NODATA"},
  });
  EXPECT_EQ(lines(c_.ask("cluster.local", RRType::NS).additional),
            (Lines{"ns.dns.cluster.local. 5 A 10.96.0.10",
                   "ns.dns.cluster.local. 5 AAAA fd00:10:96::a"}));
}

TEST_F(ClusterStageTest, FixedNamesInReverseZones) {
  start();
  check(
      {{"in-addr.arpa", RRType::SOA,
        "in-addr.arpa. 5 SOA ns.dns.in-addr.arpa. hostmaster.in-addr.arpa. 4242 7200 1800 86400 5"},
       {"in-addr.arpa", RRType::A, "NODATA"},
       {"svc.in-addr.arpa", RRType::A, "NXDOMAIN"},
       {"dns-version.in-addr.arpa", RRType::TXT, "NXDOMAIN"}},
      "in-addr.arpa.");
}

TEST_F(ClusterStageTest, ReverseNames) {
  start();
  check(
      {
          {"7.0.96.10.in-addr.arpa", RRType::PTR,
           "7.0.96.10.in-addr.arpa. 5 PTR my-service.default.svc.cluster.local."},
          {"7.0.96.10.In-Addr.ARPA", RRType::PTR,
           "7.0.96.10.In-Addr.ARPA. 5 PTR my-service.default.svc.cluster.local."},
          {"7.0.96.10.in-addr.arpa", RRType::A, "NODATA"},
          {"7.0.96.10.in-addr.arpa", RRType::ANY, "NODATA"},
          {"20.0.244.10.in-addr.arpa", RRType::PTR,
           "20.0.244.10.in-addr.arpa. 5 PTR 10-244-0-20.my-service.default.svc.cluster.local."},
          {"21.0.244.10.in-addr.arpa", RRType::PTR,
           "21.0.244.10.in-addr.arpa. 5 PTR named.my-service.default.svc.cluster.local."},
          {"22.0.244.10.in-addr.arpa", RRType::PTR, "NXDOMAIN"},
          {"9.9.244.10.in-addr.arpa", RRType::PTR, "NXDOMAIN"},
          {"1.0.0.127.in-addr.arpa", RRType::PTR, "NXDOMAIN"},
          {"1.5.244.10.in-addr.arpa", RRType::PTR, "NXDOMAIN"},  // a pod without a service
          // Empty non-terminals, and what is none.
          {"0.96.10.in-addr.arpa", RRType::PTR, "NODATA"},
          {"96.10.in-addr.arpa", RRType::A, "NODATA"},
          {"10.in-addr.arpa", RRType::PTR, "NODATA"},
          {"97.10.in-addr.arpa", RRType::PTR, "NXDOMAIN"},
          {"11.in-addr.arpa", RRType::PTR, "NXDOMAIN"},
          {"x.7.0.96.10.in-addr.arpa", RRType::PTR, "NXDOMAIN"},
          {"07.0.96.10.in-addr.arpa", RRType::PTR, "NXDOMAIN"},
          {"x.10.in-addr.arpa", RRType::PTR, "NXDOMAIN"},
          {"256.96.10.in-addr.arpa", RRType::PTR, "NXDOMAIN"},
      },
      "in-addr.arpa.");
  const std::string six = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa";
  check(
      {
          {("8." + six).c_str(), RRType::PTR,
           "8." + six + ". 5 PTR dual.default.svc.cluster.local."},
          {("9." + six).c_str(), RRType::PTR, "NXDOMAIN"},
          {six.c_str(), RRType::PTR, "NODATA"},
          {("8.8." + six).c_str(), RRType::PTR, "NXDOMAIN"},
          {"f.ip6.arpa", RRType::PTR, "NODATA"},
          {"e.ip6.arpa", RRType::PTR, "NXDOMAIN"},
      },
      "ip6.arpa.");
}

TEST_F(ClusterStageTest, AnAddressOfSeveralServices) {
  start();
  EXPECT_EQ(
      sorted(values(c_.ask("1.2.244.10.in-addr.arpa", RRType::PTR).answer)),
      (Lines{"10-244-2-1.mixed.default.svc.cluster.local.", "db-0.db.default.svc.cluster.local."}));
  // One order, whoever was first in the table.
  c_.options.rotate = false;
  const zones::ClusterStage steady(c_.options, c_.table);
  Cluster other;
  other.options.rotate = false;
  fill(other);
  other.start();
  Cluster again;
  again.options.rotate = false;
  fill(again);
  again.start();
  EXPECT_EQ(values(other.ask("1.2.244.10.in-addr.arpa", RRType::PTR).answer),
            values(again.ask("1.2.244.10.in-addr.arpa", RRType::PTR).answer));
}

// A service's own address is the service's, also when endpoints have it (the API server's).
TEST_F(ClusterStageTest, ReverseOfAClusterIpThatEndpointsHaveToo) {
  c_.add(headless("n", "aaa"));
  c_.add(slice("n", "aaa", "aaa", {}, {at("10.96.0.50")}));
  c_.add(cluster_ip("n", "svc", ips({"10.96.0.50"})));
  c_.add(headless("n", "zzz"));
  c_.add(slice("n", "zzz", "zzz", {}, {at("10.96.0.50")}));
  c_.start();
  EXPECT_EQ(values(c_.ask("50.0.96.10.in-addr.arpa", RRType::PTR).answer),
            Lines{"svc.n.svc.cluster.local."});
}

TEST_F(ClusterStageTest, ReverseZonesOfCidrs) {
  c_.options.zones = {name("cluster.local"), name("96.10.in-addr.arpa"), name("0.d.f.ip6.arpa")};
  start();
  check({{"7.0.96.10.in-addr.arpa", RRType::PTR,
          "7.0.96.10.in-addr.arpa. 5 PTR my-service.default.svc.cluster.local."},
         {"96.10.in-addr.arpa", RRType::NS, "96.10.in-addr.arpa. 5 NS ns.dns.96.10.in-addr.arpa."},
         {"8.0.9.96.10.in-addr.arpa", RRType::PTR, "NXDOMAIN"}},
        "96.10.in-addr.arpa.");
  // Outside them it is not ours: no stage is left.
  EXPECT_EQ(c_.ask("20.0.244.10.in-addr.arpa", RRType::PTR).rcode, 5);
  EXPECT_EQ(c_.ask("10.in-addr.arpa", RRType::PTR).rcode, 5);
}

TEST_F(ClusterStageTest, PodsDisabled) {
  start();
  check({{"10-244-5-1.default.pod.cluster.local", RRType::A, "NXDOMAIN"},
         {"x.nowhere.pod.cluster.local", RRType::A, "NXDOMAIN"},
         {"nowhere.pod.cluster.local", RRType::A, "NXDOMAIN"}});
}

TEST_F(ClusterStageTest, PodsInsecure) {
  c_.options.pods = PodMode::Insecure;
  start();
  check({
      {"10-244-5-1.default.pod.cluster.local", RRType::A,
       "10-244-5-1.default.pod.cluster.local. 5 A 10.244.5.1"},
      {"1-2-3-4.EMPTY.pod.cluster.local", RRType::A,
       "1-2-3-4.EMPTY.pod.cluster.local. 5 A 1.2.3.4"},
      {"1-2-3-4.default.pod.cluster.local", RRType::AAAA, "NODATA"},
      {"1-2-3-4.default.pod.cluster.local", RRType::TXT, "NODATA"},
      {"FD00--1.default.pod.cluster.local", RRType::AAAA,
       "FD00--1.default.pod.cluster.local. 5 AAAA fd00::1"},
      {"fd00--1.default.pod.cluster.local", RRType::A, "NODATA"},
      {"1-2-3.default.pod.cluster.local", RRType::A, "NXDOMAIN"},
      {"web.default.pod.cluster.local", RRType::A, "NXDOMAIN"},
      {"1-2-3-4.nowhere.pod.cluster.local", RRType::A, "NXDOMAIN"},
      {"x.1-2-3-4.default.pod.cluster.local", RRType::A, "NXDOMAIN"},
      {"default.pod.cluster.local", RRType::A, "NODATA"},
  });
}

TEST_F(ClusterStageTest, PodsVerified) {
  c_.options.pods = PodMode::Verified;
  c_.feed_options.pods = true;
  start();
  check({
      {"10-244-5-1.default.pod.cluster.local", RRType::A,
       "10-244-5-1.default.pod.cluster.local. 5 A 10.244.5.1"},
      {"fd00-10-244--51.default.pod.cluster.local", RRType::AAAA,
       "fd00-10-244--51.default.pod.cluster.local. 5 AAAA fd00:10:244::51"},
      {"fd00-10-244-0-0-0-0-51.default.pod.cluster.local", RRType::AAAA,
       "fd00-10-244-0-0-0-0-51.default.pod.cluster.local. 5 AAAA fd00:10:244::51"},
      {"10-244-5-2.default.pod.cluster.local", RRType::A, "NXDOMAIN"},
      {"10-244-5-1.prod.pod.cluster.local", RRType::A, "NXDOMAIN"},
      // An endpoint is not a pod.
      {"10-244-0-20.default.pod.cluster.local", RRType::A, "NXDOMAIN"},
  });
}

TEST_F(ClusterStageTest, AliasesInside) {
  start();
  const std::string in = "In.default.svc.cluster.local. 5 CNAME my-service.prod.svc.cluster.local.";
  check({
      {"In.default.svc.cluster.local", RRType::A,
       in + "\nmy-service.prod.svc.cluster.local. 5 A 10.96.1.7"},
      {"In.default.svc.cluster.local", RRType::CNAME, in},
      {"In.default.svc.cluster.local", RRType::ANY, "NODATA"},
      {"In.default.svc.cluster.local", RRType::AAAA, in + "\nNODATA"},
      {"In.default.svc.cluster.local", RRType::TXT, in + "\nNODATA"},
      {"two.default.svc.cluster.local", RRType::A,
       "two.default.svc.cluster.local. 5 CNAME in.default.svc.cluster.local.\n"
       "in.default.svc.cluster.local. 5 CNAME my-service.prod.svc.cluster.local.\n"
       "my-service.prod.svc.cluster.local. 5 A 10.96.1.7"},
      {"gone.default.svc.cluster.local", RRType::A,
       "gone.default.svc.cluster.local. 5 CNAME nothing.default.svc.cluster.local.\nNXDOMAIN"},
      {"inner.default.svc.cluster.local", RRType::A,
       "inner.default.svc.cluster.local. 5 CNAME default.svc.cluster.local.\nNODATA"},
      {"six.default.svc.cluster.local", RRType::AAAA,
       "six.default.svc.cluster.local. 5 CNAME dual.default.svc.cluster.local.\n"
       "dual.default.svc.cluster.local. 5 AAAA fd00:10:96::8"},
  });
  const Message srv = c_.ask("In.default.svc.cluster.local", RRType::SRV);
  EXPECT_EQ(lines(srv.answer), (Lines{in,
                                      "my-service.prod.svc.cluster.local. 5 SRV 0 100 81 "
                                      "my-service.prod.svc.cluster.local."}));
  EXPECT_EQ(lines(srv.additional), Lines{"my-service.prod.svc.cluster.local. 5 A 10.96.1.7"});
  EXPECT_EQ(lines(c_.ask("back.default.svc.cluster.local", RRType::PTR).answer),
            (Lines{"back.default.svc.cluster.local. 5 CNAME 7.0.96.10.in-addr.arpa.",
                   "7.0.96.10.in-addr.arpa. 5 PTR my-service.default.svc.cluster.local."}));
}

TEST_F(ClusterStageTest, AliasesThatLoop) {
  start();
  Message message = c_.ask(Request{.qname = "loop-a.default.svc.cluster.local", .edns = true});
  EXPECT_EQ(message.rcode, 0);
  EXPECT_EQ(lines(message.answer),
            (Lines{"loop-a.default.svc.cluster.local. 5 CNAME loop-b.default.svc.cluster.local.",
                   "loop-b.default.svc.cluster.local. 5 CNAME loop-a.default.svc.cluster.local."}));
  EXPECT_EQ(extended_error(message), static_cast<int>(dns::ExtendedError::Other));
  message = c_.ask(Request{.qname = "Self.default.svc.cluster.local", .edns = true});
  EXPECT_EQ(message.answer.size(), 1u);
  EXPECT_EQ(extended_error(message), static_cast<int>(dns::ExtendedError::Other));
}

// Answer::kMaxChain links are followed, not one more.
TEST_F(ClusterStageTest, AliasDepth) {
  constexpr int kMax = static_cast<int>(dns::Answer::kMaxChain);
  for (int i = 1; i <= kMax + 3; ++i) {
    c_.add(external(
        "n", "c" + std::to_string(i),
        i == 1 ? "end.n.svc.cluster.local" : "c" + std::to_string(i - 1) + ".n.svc.cluster.local"));
  }
  c_.add(cluster_ip("n", "end", ips({"10.96.0.77"}), {port("http", 80)}));
  c_.start();
  for (int links = 1; links <= kMax + 3; ++links) {
    const Message message = c_.ask(
        Request{.qname = "c" + std::to_string(links) + ".n.svc.cluster.local", .edns = true});
    SCOPED_TRACE(links);
    const auto expected = static_cast<std::size_t>(std::min(links, kMax));
    EXPECT_EQ(message.rcode, 0);
    if (links <= kMax) {
      EXPECT_EQ(message.answer.size(), expected + 1);
      EXPECT_EQ(message.answer.back().type, RRType::A);
      EXPECT_EQ(extended_error(message), -1);
    } else {
      EXPECT_EQ(message.answer.size(), expected);
      EXPECT_EQ(message.answer.back().type, RRType::CNAME);
      EXPECT_EQ(extended_error(message), static_cast<int>(dns::ExtendedError::Other));
    }
    // Negative ends need a name more.
    const Message none =
        c_.ask(Request{.qname = "c" + std::to_string(links) + ".n.svc.cluster.local",
                       .qtype = RRType::MX,
                       .edns = true});
    EXPECT_EQ(none.answer.size(), expected);
    EXPECT_EQ(none.authority.size(), links <= kMax ? 1u : 0u);
    const Message srv =
        c_.ask(Request{.qname = "c" + std::to_string(links) + ".n.svc.cluster.local",
                       .qtype = RRType::SRV,
                       .edns = true});
    EXPECT_EQ(srv.answer.size(), expected + (links <= kMax ? 1 : 0));
  }
}

// An upstream that answers as soon as the batch is over.
class ScriptedUpstream final : public dns::Stage, public dns::Upstream {
 public:
  // No octets: no answer.
  using Script = std::function<unit::Octets(const dns::UpstreamQuestion&)>;
  explicit ScriptedUpstream(Script script) : script_(std::move(script)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "upstream"; }
  [[nodiscard]] dns::Verdict handle(dns::Exchange&) noexcept override { return dns::Verdict::Next; }
  [[nodiscard]] dns::Upstream* upstream() noexcept override { return this; }
  [[nodiscard]] bool covers(dns::NameView) const noexcept override { return true; }
  [[nodiscard]] bool allows(const dns::Endpoint& client) const noexcept override {
    return client.address == unit::endpoint("127.0.0.1").address;
  }
  void ask(dns::WorkerContext& worker, const dns::UpstreamClient&,
           const dns::UpstreamQuestion& question,
           std::unique_ptr<dns::UpstreamWaiter> waiter) override {
    ++asked;
    boost::asio::post(*worker.io,
                      [octets = script_(question),
                       waiter = std::shared_ptr<dns::UpstreamWaiter>(std::move(waiter))] {
                        dns::UpstreamReply reply;
                        reply.ok = !octets.empty();
                        reply.message = octets;
                        if (reply.ok) {
                          reply.rcode = 0;
                        } else {
                          reply.error = {true, dns::ExtendedError::NoReachableAuthority, "dead"};
                        }
                        waiter->done(reply);
                      });
  }
  int asked = 0;

 private:
  Script script_;
};

TEST_F(ClusterStageTest, AliasesOutside) {
  const auto upstream =
      std::make_shared<ScriptedUpstream>([](const dns::UpstreamQuestion& question) {
        EXPECT_EQ(question.name.to_text(), "www.example.com.");
        Message reply;
        reply.flags = dns::kFlagQR;
        reply.has_question = true;
        reply.qname = question.name;
        reply.qtype = question.type;
        reply.qclass = dns::RRClass::IN;
        reply.answer.push_back({reply.qname, RRType::A, dns::RRClass::IN, 300, {192, 0, 2, 80}});
        return dns::write_message(reply, dns::kMaxMessageSize);
      });
  start({upstream});
  Message message = c_.ask("Ext.default.svc.cluster.local");
  EXPECT_EQ(upstream->asked, 1);
  EXPECT_EQ(lines(message.answer), (Lines{"Ext.default.svc.cluster.local. 5 CNAME www.example.com.",
                                          "www.example.com. 300 A 192.0.2.80"}));
  EXPECT_NE(message.flags & kFlagAA, 0);
  EXPECT_NE(message.flags & kFlagRA, 0);
  // The alias itself needs nobody.
  message = c_.ask("ext.default.svc.cluster.local", RRType::CNAME);
  EXPECT_EQ(lines(message.answer),
            Lines{"ext.default.svc.cluster.local. 5 CNAME www.example.com."});
  EXPECT_EQ(upstream->asked, 1);
  // Who may not use the upstream gets the alias only.
  c_.client.from("198.51.100.1");
  message = c_.ask("ext.default.svc.cluster.local");
  EXPECT_EQ(lines(message.answer),
            Lines{"ext.default.svc.cluster.local. 5 CNAME www.example.com."});
  EXPECT_EQ(message.flags & kFlagRA, 0);
  EXPECT_EQ(upstream->asked, 1);
}

TEST_F(ClusterStageTest, AliasesOutsideWithADeadUpstream) {
  start({std::make_shared<ScriptedUpstream>(
      [](const dns::UpstreamQuestion&) { return unit::Octets{}; })});
  const Message message = c_.ask(Request{.qname = "ext.default.svc.cluster.local", .edns = true});
  EXPECT_EQ(message.rcode, 2);
  EXPECT_EQ(extended_error(message), static_cast<int>(dns::ExtendedError::NoReachableAuthority));
}

TEST_F(ClusterStageTest, AliasesOutsideWithoutAnUpstream) {
  start();
  for (const RRType type : {RRType::A, RRType::AAAA, RRType::TXT, RRType::CNAME}) {
    const Message message = c_.ask("ext.default.svc.cluster.local", type);
    EXPECT_EQ(message.rcode, 0);
    EXPECT_EQ(lines(message.answer),
              Lines{"ext.default.svc.cluster.local. 5 CNAME www.example.com."});
  }
}

TEST_F(ClusterStageTest, OutsideTheZones) {
  start();
  for (const char* qname : {".", "local", "example.com", "cluster.local.example.com",
                            "xcluster.local", "arpa", "python-www", R"(x\007cluster\005local)"}) {
    EXPECT_EQ(c_.ask(qname).rcode, static_cast<int>(Rcode::Refused)) << qname;
  }
}

TEST_F(ClusterStageTest, SeveralZones) {
  c_.options.zones = {name("cluster.local"), name("other.test"), name("in-addr.arpa"),
                      name("sub.other.test")};
  start();
  check({{"my-service.default.svc.other.test", RRType::A,
          "my-service.default.svc.other.test. 5 A 10.96.0.7"},
         {"x.default.svc.other.test", RRType::A, "NXDOMAIN"},
         // Aliases lead where they lead.
         {"in.default.svc.other.test", RRType::A,
          "in.default.svc.other.test. 5 CNAME my-service.prod.svc.cluster.local.\n"
          "my-service.prod.svc.cluster.local. 5 A 10.96.1.7"}},
        "other.test.");
  check({{"my-service.default.svc.sub.other.test", RRType::A,
          "my-service.default.svc.sub.other.test. 5 A 10.96.0.7"},
         {"svc.sub.other.test", RRType::A, "NODATA"}},
        "sub.other.test.");
  const Message srv = c_.ask("_http._tcp.my-service.default.svc.other.test", RRType::SRV);
  EXPECT_EQ(values(srv.answer), Lines{"0 100 80 my-service.default.svc.other.test."});
  // PTR leads into the first zone.
  EXPECT_EQ(values(c_.ask("7.0.96.10.in-addr.arpa", RRType::PTR).answer),
            Lines{"my-service.default.svc.cluster.local."});
}

TEST_F(ClusterStageTest, TheRootAsAZone) {
  c_.options.zones = {dns::Name{}};
  start();
  check({{"my-service.default.svc", RRType::A, "my-service.default.svc. 5 A 10.96.0.7"},
         {"svc", RRType::A, "NODATA"},
         {"x", RRType::A, "NXDOMAIN"}},
        ".");
}

TEST_F(ClusterStageTest, Ttl) {
  c_.options.ttl = 600;
  start();
  EXPECT_EQ(c_.ask("my-service.default.svc.cluster.local").answer.at(0).ttl, 600u);
  EXPECT_EQ(c_.ask("in.default.svc.cluster.local").answer.at(0).ttl, 600u);
  EXPECT_EQ(c_.ask("7.0.96.10.in-addr.arpa", RRType::PTR).answer.at(0).ttl, 600u);
  const Message srv = c_.ask("dual.default.svc.cluster.local", RRType::SRV);
  EXPECT_EQ(srv.answer.at(0).ttl, 600u);
  EXPECT_EQ(srv.additional.at(0).ttl, 600u);
  EXPECT_EQ(told(c_.ask("x.cluster.local"), "cluster.local.", 300), "NXDOMAIN");
  EXPECT_EQ(told(c_.ask("svc.cluster.local"), "cluster.local.", 300), "NODATA");
}

TEST_F(ClusterStageTest, FallThrough) {
  c_.options.fall_through = true;
  const auto last = std::make_shared<unit::ScriptedStage>([](dns::Exchange& exchange) {
    exchange.answer.rcode = Rcode::YXDomain;
    return dns::Verdict::Answered;
  });
  start({last});
  EXPECT_EQ(c_.ask("x.cluster.local").rcode, 6);
  EXPECT_EQ(c_.ask("x.default.svc.cluster.local").rcode, 6);
  EXPECT_EQ(c_.ask("9.0.96.11.in-addr.arpa", RRType::PTR).rcode, 6);
  // What exists stays here.
  EXPECT_EQ(told(c_.ask("svc.cluster.local")), "NODATA");
  EXPECT_EQ(told(c_.ask("my-service.default.svc.cluster.local", RRType::AAAA)), "NODATA");
}

TEST_F(ClusterStageTest, FallThroughInSomeZones) {
  c_.options.fall_through = true;
  c_.options.fall_through_in = {name("in-addr.arpa")};
  start();
  EXPECT_EQ(told(c_.ask("x.cluster.local")), "NXDOMAIN");
  EXPECT_EQ(c_.ask("9.0.96.11.in-addr.arpa", RRType::PTR).rcode, 5);
  EXPECT_EQ(c_.ask("9.ip6.arpa", RRType::PTR).rcode, 3);
}

TEST_F(ClusterStageTest, BeforeTheRegistryIsInSync) {
  start();
  c_.table->set_ready(false);
  Message message = c_.ask(Request{.qname = "nothing.default.svc.cluster.local", .edns = true});
  EXPECT_EQ(message.rcode, 2);
  EXPECT_EQ(extended_error(message), static_cast<int>(dns::ExtendedError::NotReady));
  EXPECT_TRUE(message.authority.empty());
  EXPECT_EQ(c_.ask("9.9.9.9.in-addr.arpa", RRType::PTR).rcode, 2);
  // An alias to what may yet come.
  message = c_.ask(Request{.qname = "gone.default.svc.cluster.local", .edns = true});
  EXPECT_EQ(message.rcode, 2);
  EXPECT_EQ(extended_error(message), static_cast<int>(dns::ExtendedError::NotReady));
  // What is there is there, and the apex always is.
  EXPECT_EQ(c_.ask("my-service.default.svc.cluster.local").answer.size(), 1u);
  EXPECT_EQ(c_.ask("cluster.local", RRType::SOA).answer.size(), 1u);
  EXPECT_EQ(c_.ask("dns-version.cluster.local", RRType::TXT).answer.size(), 1u);
  c_.table->set_ready(true);
  EXPECT_EQ(told(c_.ask("nothing.default.svc.cluster.local")), "NXDOMAIN");
}

TEST_F(ClusterStageTest, ZoneTransfersAreRefused) {
  start();
  c_.client.use(dns::Transport::Tcp);
  for (const RRType type : {RRType::AXFR, RRType::IXFR}) {
    for (const char* qname :
         {"cluster.local", "x.cluster.local", "my-service.default.svc.cluster.local"}) {
      const Message message = c_.ask(Request{.qname = qname, .qtype = type, .edns = true});
      EXPECT_EQ(message.rcode, 5) << qname;
      EXPECT_TRUE(message.answer.empty());
      EXPECT_EQ(extended_error(message), static_cast<int>(dns::ExtendedError::Prohibited));
    }
  }
}

TEST_F(ClusterStageTest, WithoutServerAddresses) {
  c_.options.server_addresses = {};
  start();
  check({{"ns.dns.cluster.local", RRType::A, "NODATA"},
         {"cluster.local", RRType::NS, "cluster.local. 5 NS ns.dns.cluster.local."}});
}

// ---- answers that do not fit ----

class LargeAnswers : public ClusterStageTest {
 protected:
  LargeAnswers() {
    for (int i = 0; i < 60; ++i) {
      const std::string n = std::to_string(i);
      c_.add(headless("big", "s" + n));
      c_.add(slice("big", "s" + n, "s" + n, {endpoint_port("web", 80)}, {at("10.50.0.1")}));
    }
    std::vector<registry::Endpoint> many;
    for (int i = 0; i < 100; ++i) many.push_back(at("10.60.0." + std::to_string(i)));
    c_.add(headless("big", "many"));
    c_.add(slice("big", "many", "many", {endpoint_port("web", 80)}, many));
    std::vector<registry::Endpoint> rest;
    for (int i = 100; i < 150; ++i) rest.push_back(at("10.60.0." + std::to_string(i)));
    c_.add(headless("big", "half"));
    c_.add(slice("big", "half-a", "half", {endpoint_port("web", 80)}, many));
    c_.add(slice("big", "half-b", "half", {endpoint_port("", 81)}, rest));
    c_.options.rotate = true;
    c_.start();
  }
  // The whole answer over TCP, then at every limit over UDP what is a piece of it.
  void check_every_limit(const std::string& qname, RRType type) {
    c_.client.use(dns::Transport::Tcp);
    const Message whole = c_.ask(Request{.qname = qname, .qtype = type, .edns = true});
    EXPECT_EQ(whole.flags & kFlagTC, 0);
    const Lines all = sorted(lines(whole.answer));
    std::set<std::string> glue;
    for (const std::string& text : lines(whole.additional)) glue.insert(text);
    for (std::size_t limit = 1232; limit >= 512; limit -= 3) {
      c_.client.use(dns::Transport::Udp);
      const Message part = c_.ask(Request{.qname = qname,
                                          .qtype = type,
                                          .edns = true,
                                          .udp_size = static_cast<std::uint16_t>(limit)});
      ASSERT_LE(c_.client.raw.size(), limit);
      const Lines some = sorted(lines(part.answer));
      ASSERT_FALSE(some.empty()) << limit;
      ASSERT_TRUE(std::includes(all.begin(), all.end(), some.begin(), some.end())) << limit;
      ASSERT_EQ(std::set<std::string>(some.begin(), some.end()).size(), some.size());
      ASSERT_EQ((part.flags & kFlagTC) != 0, some.size() < all.size()) << limit;
      for (const std::string& text : lines(part.additional)) ASSERT_TRUE(glue.contains(text));
    }
  }
};

TEST_F(LargeAnswers, Addresses) {
  check_every_limit("many.big.svc.cluster.local", RRType::A);
  check_every_limit("_web._tcp.many.big.svc.cluster.local", RRType::A);
}

TEST_F(LargeAnswers, AddressesOfSomeEndpoints) {
  check_every_limit("_web._tcp.half.big.svc.cluster.local", RRType::A);
}

TEST_F(LargeAnswers, Srv) {
  check_every_limit("_web._tcp.many.big.svc.cluster.local", RRType::SRV);
  check_every_limit("half.big.svc.cluster.local", RRType::SRV);
}

TEST_F(LargeAnswers, Ptr) { check_every_limit("1.0.50.10.in-addr.arpa", RRType::PTR); }

// Clients that never use TCP see every endpoint in turn.
TEST_F(LargeAnswers, SubsetsRotateThroughTheWhole) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const Message message = c_.ask("many.big.svc.cluster.local");
    EXPECT_NE(message.flags & kFlagTC, 0);
    for (const std::string& text : values(message.answer)) seen.insert(text);
  }
  EXPECT_EQ(seen.size(), 100u);
}

// SRV over TCP with more data than pointers reach.
TEST_F(LargeAnswers, SrvBeyondThePointersReach) {
  std::vector<registry::Endpoint> endpoints;
  for (int i = 0; i < 1000; ++i) {
    endpoints.push_back(at("10.70." + std::to_string(i / 250) + "." + std::to_string(i % 250)));
  }
  c_.add(headless("big", "huge"));
  c_.add(slice("big", "huge", "huge", {endpoint_port("web", 80)}, endpoints));
  c_.store.commit();
  c_.client.use(dns::Transport::Tcp);
  const Message message = c_.ask("huge.big.svc.cluster.local", RRType::SRV);
  const std::set<std::string> targets = [&] {
    std::set<std::string> all;
    for (const auto& record : message.answer) {
      std::size_t end = 0;
      all.insert(dns::Name::from_message(record.rdata, 6, &end)->to_text());
    }
    return all;
  }();
  EXPECT_GT(targets.size(), 500u);
  for (const auto& record : message.additional) {
    ASSERT_TRUE(targets.contains(record.owner.to_text())) << unit::line(record);
  }
}

// ---- what an answer costs ----

// A tenant makes the objects, anybody asks: an answer costs what it is long, whatever stands behind
// it. Objects of eight times the size, asked for answers that are cut at the same limit.
class AnswerCost : public ::testing::Test {
 protected:
  static std::unique_ptr<Cluster> cluster(int n) {
    auto c = std::make_unique<Cluster>();
    const auto address = [](int i) {
      return "10." + std::to_string(i >> 16) + "." + std::to_string(i >> 8 & 255) + "." +
             std::to_string(i & 255);
    };
    const auto ports = [](int count, const std::string& prefix) {
      std::vector<registry::EndpointPort> all;
      for (int i = 0; i < count; ++i) {
        all.push_back(endpoint_port(prefix + std::to_string(i), static_cast<std::uint16_t>(i + 1)));
      }
      return all;
    };
    std::vector<registry::Endpoint> plain;
    std::vector<registry::Endpoint> a;
    std::vector<registry::Endpoint> b;
    std::vector<registry::Endpoint> same;
    for (int i = 0; i < n; ++i) {
      plain.push_back(at(address(i)));
      a.push_back(at(address(i), "a" + std::to_string(i)));
      b.push_back(at(address(i), "b" + std::to_string(i)));
      same.push_back(at("10.99.0.1", "s" + std::to_string(i)));
    }
    c->add(headless("n", "plain"));
    c->add(slice("n", "plain", "plain", ports(2, "p"), plain));
    c->add(headless("n", "ports"));
    c->add(slice("n", "ports", "ports", ports(n, "p"), {plain[0]}));
    c->add(headless("n", "both"));
    c->add(slice("n", "both", "both", ports(n / 4, "p"), plain));
    c->add(headless("n", "two"));
    c->add(slice("n", "two-a", "two", ports(1, "x"), a));
    c->add(slice("n", "two-b", "two", ports(1, "x"), b));
    c->add(
        slice("n", "two-c", "two", ports(1, "y"), {at(address(0), "dup"), at("10.98.0.1", "one")}));
    c->add(headless("n", "same"));
    c->add(slice("n", "same", "same", ports(1, "x"), same));
    c->add(slice("n", "same-b", "same", ports(1, "y"), {at("10.98.0.2")}));
    c->add(headless("n", "slices"));
    for (int i = 0; i < n / 4; ++i) {
      c->add(slice("n", "slices-" + std::to_string(i), "slices",
                   {endpoint_port("p" + std::to_string(i), 80), endpoint_port("all", 81)},
                   {at(address(i))}));
    }
    auto own = cluster_ip("n", "own", ips({"10.96.0.77"}));
    for (int i = 0; i < n; ++i) {
      own.ports.push_back(unit::port("p" + std::to_string(i), static_cast<std::uint16_t>(i + 1)));
    }
    c->add(own);
    c->add(slice("n", "own", "own", ports(n, "p"), plain));
    c->start();
    return c;
  }
};

TEST_F(AnswerCost, FollowsTheAnswer) {
  constexpr int kSmall = 2'000;
  constexpr int kLarge = 16'000;
  const auto small = cluster(kSmall);
  const auto large = cluster(kLarge);
  const std::vector<std::pair<std::string, RRType>> questions = {{"plain", RRType::A},
                                                                 {"plain", RRType::SRV},
                                                                 {"_p1._tcp.plain", RRType::A},
                                                                 {"_p1._tcp.plain", RRType::SRV},
                                                                 {"10-0-0-7.plain", RRType::SRV},
                                                                 {"ports", RRType::SRV},
                                                                 {"10-0-0-0.ports", RRType::SRV},
                                                                 {"_p7._tcp.ports", RRType::SRV},
                                                                 {"_p1999._tcp.ports", RRType::A},
                                                                 {"_none._tcp.ports", RRType::A},
                                                                 {"_udp.ports", RRType::A},
                                                                 {"both", RRType::SRV},
                                                                 {"_p3._tcp.both", RRType::SRV},
                                                                 {"_x0._tcp.two", RRType::A},
                                                                 {"_y0._tcp.two", RRType::A},
                                                                 {"_y0._tcp.two", RRType::SRV},
                                                                 {"a7.two", RRType::A},
                                                                 {"_x0._tcp.same", RRType::A},
                                                                 {"_x0._tcp.same", RRType::SRV},
                                                                 {"_all._tcp.slices", RRType::A},
                                                                 {"_all._tcp.slices", RRType::SRV},
                                                                 {"_p3._tcp.slices", RRType::SRV},
                                                                 {"slices", RRType::SRV},
                                                                 {"own", RRType::SRV},
                                                                 {"10-0-0-7.own", RRType::SRV},
                                                                 {"_p1999._tcp.own", RRType::SRV},
                                                                 {"_udp.own", RRType::SRV}};
  for (const bool tcp : {false, true}) {
    for (const auto& cluster : {small.get(), large.get()}) {
      cluster->client.use(tcp ? dns::Transport::Tcp : dns::Transport::Udp);
    }
    for (const auto& [name, type] : questions) {
      // Over TCP those whose answers are cut, or alike, for both sizes.
      if (tcp && (name == "plain" || name == "_p1._tcp.plain" || name.starts_with("_x0.") ||
                  name.starts_with("_all") || name == "slices" || name == "ports" ||
                  name == "own" || name.ends_with(".ports") || name.ends_with(".own"))) {
        continue;
      }
      const auto cost = [&, qname = name + ".n.svc.cluster.local", qtype = type](Cluster& c) {
        const unit::Octets request = Request{.qname = qname, .qtype = qtype, .edns = true}.wire();
        const std::size_t limit = tcp ? dns::kMaxMessageSize : 1232;
        return unit::cpu_ns([&] { return c.client.send(c.routes, request, limit).size(); });
      };
      EXPECT_LT(cost(*large), 3 * cost(*small))
          << name << " " << dns::rrtype_to_text(type) << (tcp ? " over TCP" : "");
    }
  }
  // The reverse name of an address with as many names.
  small->client.use(dns::Transport::Udp);
  large->client.use(dns::Transport::Udp);
  const unit::Octets request =
      Request{.qname = "1.0.99.10.in-addr.arpa", .qtype = RRType::PTR, .edns = true}.wire();
  EXPECT_LT(unit::growth([&] { return small->client.send(small->routes, request, 1232).size(); },
                         [&] { return large->client.send(large->routes, request, 1232).size(); }),
            3);
}

// Over TCP the whole answer, when names share addresses and ports differ by slice: everything once.
TEST_F(AnswerCost, NothingIsMissingOrTwice) {
  const auto c = cluster(400);
  c->client.use(dns::Transport::Tcp);
  const auto distinct = [&](const std::string& qname, RRType type) {
    const Message message = c->ask(qname + ".n.svc.cluster.local", type);
    EXPECT_EQ(message.flags & kFlagTC, 0) << qname;
    const Lines all = sorted(values(message.answer));
    EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size()) << qname;
    return all.size();
  };
  for (int turn = 0; turn < 5; ++turn) {
    EXPECT_EQ(distinct("_x0._tcp.two", RRType::A), 400u);
    EXPECT_EQ(distinct("_x0._tcp.two", RRType::SRV), 800u);
    EXPECT_EQ(distinct("_y0._tcp.two", RRType::A), 2u);
    EXPECT_EQ(distinct("_y0._tcp.two", RRType::SRV), 2u);
    EXPECT_EQ(distinct("two", RRType::A), 401u);
    EXPECT_EQ(distinct("_x0._tcp.same", RRType::A), 1u);
    EXPECT_EQ(distinct("_x0._tcp.same", RRType::SRV), 400u);
    EXPECT_EQ(distinct("_all._tcp.slices", RRType::A), 100u);
    EXPECT_EQ(distinct("_all._tcp.slices", RRType::SRV), 100u);
    EXPECT_EQ(distinct("_p7._tcp.slices", RRType::SRV), 1u);
    EXPECT_EQ(distinct("slices", RRType::SRV), 200u);
    EXPECT_EQ(distinct("10-0-0-0.ports", RRType::SRV), 400u);
    EXPECT_EQ(distinct("own", RRType::SRV), 400u);
  }
  EXPECT_EQ(c->ask("1.0.99.10.in-addr.arpa", RRType::PTR).answer.size(), 64u);
}

// --- names by topology zone, and the server's own service ---

registry::Endpoint in_zone(std::string_view address, std::string zone, std::string hostname = "") {
  registry::Endpoint endpoint = at(address);
  endpoint.detail = std::make_shared<registry::EndpointDetail>(
      registry::EndpointDetail{std::move(hostname), {}, std::move(zone), {}});
  return endpoint;
}

class ZonalTest : public ::testing::Test {
 protected:
  ZonalTest() {
    c_.options.zonal = true;
    c_.feed_options.zonal = true;
    c_.add(headless("default", "db", {port("sql", 5432)}));
    c_.add(slice("default", "db-x", "db", {endpoint_port("sql", 5432)},
                 {in_zone("10.244.0.1", "Zone-A", "db-0"), in_zone("10.244.0.2", "zone-b"),
                  in_zone("10.244.0.3", "zone-b"), in_zone("10.244.0.4", "corp.example"),
                  unready(in_zone("10.244.0.5", "zone-c")), at("10.244.0.6")}));
    c_.add(cluster_ip("default", "web", ips({"10.96.0.7"}), {port("http", 80)}));
    c_.add(slice("default", "web-x", "web", {endpoint_port("http", 80)},
                 {in_zone("10.244.1.1", "zone-a")}));
    c_.add(headless("default", "idle"));
    c_.start();
  }
  // Addresses in order, "NXDOMAIN", or "" for NODATA.
  std::string a(const std::string& relative, RRType type = RRType::A) {
    const Message message = c_.ask(relative + ".default.svc.cluster.local", type);
    if (message.rcode != 0) return dns::rcode_to_text(message.rcode);
    std::string text;
    for (const std::string& value : sorted(values(message.answer)))
      text += (text.empty() ? "" : " ") + value;
    return text;
  }
  Cluster c_;
};

TEST_F(ZonalTest, PinHasTheEndpointsOfTheZoneAndNoOthers) {
  EXPECT_EQ(a("zone-a.pin._zone.db"), "10.244.0.1");
  EXPECT_EQ(a("ZONE-B.PIN._zone.db"), "10.244.0.2 10.244.0.3");
  EXPECT_EQ(a("corp.example.pin._zone.db"), "10.244.0.4") << "a zone's name may have dots";
  EXPECT_EQ(a("zone-c.pin._zone.db"), "") << "its only endpoint is not ready";
  EXPECT_EQ(a("nowhere.pin._zone.db"), "");
  EXPECT_EQ(a("zone-a.pin._zone.db", RRType::TXT), "");
  EXPECT_EQ(a("zone-a.pin._zone.idle"), "");
}

TEST_F(ZonalTest, PreferHasAllWhereTheZoneHasNone) {
  EXPECT_EQ(a("zone-b.prefer._zone.db"), "10.244.0.2 10.244.0.3");
  EXPECT_EQ(a("nowhere.prefer._zone.db"), "10.244.0.1 10.244.0.2 10.244.0.3 10.244.0.4 10.244.0.6");
}

TEST_F(ZonalTest, SrvTargetsAreTheEndpointsOwnNames) {
  const Message message = c_.ask("zone-b.pin._zone.db.default.svc.cluster.local", RRType::SRV);
  EXPECT_EQ(sorted(values(message.answer)),
            (Lines{"0 50 5432 10-244-0-2.db.default.svc.cluster.local.",
                   "0 50 5432 10-244-0-3.db.default.svc.cluster.local."}));
  EXPECT_EQ(sorted(values(message.additional)), (Lines{"10.244.0.2", "10.244.0.3"}));
}

TEST_F(ZonalTest, WhatIsNoZonalNameDoesNotExist) {
  EXPECT_EQ(a("zone-a.pin._zone.web"), "NXDOMAIN") << "a cluster IP is in no zone";
  EXPECT_EQ(a("zone-a.pin._zone.ghost"), "NXDOMAIN");
  EXPECT_EQ(a("zone-a.florp._zone.db"), "NXDOMAIN");
  EXPECT_EQ(a("zone-a.pin._zones.db"), "NXDOMAIN");
  EXPECT_EQ(a("zone-a.db"), "NXDOMAIN");
  EXPECT_EQ(a("pin._zone.db"), "") << "names below it exist";
  EXPECT_EQ(a("_zone.db"), "");
  EXPECT_EQ(a("florp._zone.db"), "NXDOMAIN");
  EXPECT_EQ(a("_zone.web"), "NXDOMAIN");
}

TEST_F(ZonalTest, FollowsChangesAndLeavesNothingBehind) {
  c_.add(slice("default", "db-x", "db", {endpoint_port("sql", 5432)},
               {in_zone("10.244.0.2", "zone-a")}));
  c_.store.commit();
  EXPECT_EQ(a("zone-a.pin._zone.db"), "10.244.0.2");
  EXPECT_EQ(a("zone-b.pin._zone.db"), "");
  c_.store.erase_service({"default", "db"});
  c_.store.commit();
  EXPECT_EQ(a("zone-a.pin._zone.db"), "NXDOMAIN");
  EXPECT_EQ(a("_zone.db"), "NXDOMAIN");
  // One reverse name each, however many names an address stands under.
  EXPECT_EQ(c_.ask("2.0.244.10.in-addr.arpa", RRType::PTR).rcode,
            static_cast<std::uint16_t>(Rcode::NXDomain));
}

TEST(ZonalNames, AreTooLongWithoutTheOption) {
  Cluster c;
  c.add(headless("default", "db"));
  c.add(slice("default", "db-x", "db", {}, {in_zone("10.244.0.1", "zone-a")}));
  c.start();
  EXPECT_EQ(c.ask("zone-a.pin._zone.db.default.svc.cluster.local").rcode,
            static_cast<std::uint16_t>(Rcode::NXDomain));
  EXPECT_EQ(c.ask("_zone.db.default.svc.cluster.local").rcode,
            static_cast<std::uint16_t>(Rcode::NXDomain));
}

// The table of imports and the stage that answers from it.
class ImportsTest : public ::testing::Test {
 protected:
  static registry::Endpoint of(std::string cluster, std::string_view address,
                               std::string hostname = "") {
    registry::Endpoint endpoint = at(address);
    endpoint.detail = std::make_shared<registry::EndpointDetail>(
        registry::EndpointDetail{std::move(hostname), {}, {}, std::move(cluster)});
    return endpoint;
  }
  ImportsTest() {
    c_.options.zones = {name("clusterset.local")};
    c_.table_options.reverse = false;
    c_.table_options.block.clusters = true;
    c_.feed_options.clusters = true;
    c_.add(headless("default", "db", {port("sql", 5432)}));
    c_.add(slice("default", "e", "db", {endpoint_port("sql", 5432)},
                 {of("east", "10.1.0.1", "db-0")}));
    c_.add(slice(
        "default", "w", "db", {endpoint_port("sql", 5432)},
        {of("West", "10.2.0.1", "db-0"), of("West", "10.2.0.2"), of("", "10.3.0.1", "lost")}));
    c_.add(cluster_ip("default", "web", ips({"10.96.0.7"}), {port("http", 80)}));
    c_.add(slice("default", "web-e", "web", {endpoint_port("http", 80)}, {of("east", "10.1.1.1")}));
    c_.start();
  }
  std::string ask(const std::string& relative, RRType type = RRType::A) {
    const Message message = c_.ask(relative + ".default.svc.clusterset.local", type);
    if (message.rcode != 0) return dns::rcode_to_text(message.rcode);
    std::string text;
    for (const std::string& value : sorted(values(message.answer)))
      text += (text.empty() ? "" : " ") + value;
    return text;
  }
  Cluster c_;
};

TEST_F(ImportsTest, EndpointsAreNamedWithTheirCluster) {
  EXPECT_EQ(ask("db"), "10.1.0.1 10.2.0.1 10.2.0.2 10.3.0.1");
  EXPECT_EQ(ask("db-0.east.db"), "10.1.0.1");
  EXPECT_EQ(ask("DB-0.WEST.db"), "10.2.0.1");
  EXPECT_EQ(ask("10-2-0-2.west.db"), "10.2.0.2");
  EXPECT_EQ(ask("10-1-1-1.east.web"), "10.1.1.1") << "also behind an address of the set";
  EXPECT_EQ(ask("lost.db"), "10.3.0.1") << "a slice that does not say its cluster";
  EXPECT_EQ(ask("db-0.db"), "NXDOMAIN");
  EXPECT_EQ(ask("db-0.north.db"), "NXDOMAIN");
  EXPECT_EQ(ask("db-1.east.db"), "NXDOMAIN");
  EXPECT_EQ(ask("lost.west.db"), "NXDOMAIN");
  EXPECT_EQ(ask("x.db-0.east.db"), "NXDOMAIN");
  EXPECT_EQ(ask("east.db"), "") << "names below it exist";
  EXPECT_EQ(ask("north.db"), "NXDOMAIN");
}

TEST_F(ImportsTest, SrvTargetsHaveTheCluster) {
  EXPECT_EQ(ask("_sql._tcp.db", RRType::SRV),
            "0 25 5432 10-2-0-2.west.db.default.svc.clusterset.local. "
            "0 25 5432 db-0.east.db.default.svc.clusterset.local. "
            "0 25 5432 db-0.west.db.default.svc.clusterset.local. "
            "0 25 5432 lost.db.default.svc.clusterset.local.");
  EXPECT_EQ(ask("db-0.east.db", RRType::SRV),
            "0 100 5432 db-0.east.db.default.svc.clusterset.local.");
  const Message message = c_.ask("db.default.svc.clusterset.local", RRType::SRV);
  EXPECT_EQ(sorted(values(message.additional)),
            (Lines{"10.1.0.1", "10.2.0.1", "10.2.0.2", "10.3.0.1"}));
}

TEST_F(ImportsTest, ManyEndpointsAreFoundByAnIndex) {
  std::vector<registry::Endpoint> many;
  for (int i = 0; i < 200; ++i) {
    many.push_back(of(i % 2 == 0 ? "east" : "west", "10.9.0." + std::to_string(i),
                      "n-" + std::to_string(i / 2)));
  }
  c_.add(headless("default", "big"));
  c_.add(slice("default", "big-1", "big", {}, many));
  c_.store.commit();
  for (int i = 0; i < 200; ++i) {
    const std::string label =
        "n-" + std::to_string(i / 2) + (i % 2 == 0 ? ".east" : ".west") + ".big";
    EXPECT_EQ(ask(label), "10.9.0." + std::to_string(i));
  }
  EXPECT_EQ(ask("n-0.north.big"), "NXDOMAIN");
}

TEST_F(ImportsTest, ClustersThatLeaveAreGone) {
  c_.store.erase_slice({"default", "e"});
  c_.store.commit();
  EXPECT_EQ(ask("db-0.east.db"), "NXDOMAIN");
  EXPECT_EQ(ask("east.db"), "NXDOMAIN");
  EXPECT_EQ(ask("db-0.west.db"), "10.2.0.1");
}

// The addresses under which the server is reached are those of its own service, as soon as it is
// one of that service's endpoints; also without reverse zones, whose table the look-up uses.
class OwnServiceTest : public ::testing::TestWithParam<bool> {};

TEST_P(OwnServiceTest, NsAnswersTheAddressesOfTheService) {
  Cluster c;
  c.table_options.reverse = GetParam();
  if (!GetParam()) c.options.zones = {name("cluster.local")};
  c.options.server_addresses = ips({"10.244.0.53", "fd00:10:244::53"});
  c.table_options.own_addresses = c.options.server_addresses;
  c.add(cluster_ip("kube-system", "kube-dns", ips({"10.96.0.10", "fd00:10:96::a"}),
                   {port("dns", 53)}));
  c.add(slice("kube-system", "kube-dns-x", "kube-dns", {endpoint_port("dns", 53)},
              {at("10.244.9.9")}));
  c.start();
  const auto ns = [&](RRType type) { return values(c.ask("ns.dns.cluster.local", type).answer); };
  EXPECT_EQ(ns(RRType::A), Lines{"10.244.0.53"}) << "not behind the service yet";
  c.add(slice("kube-system", "kube-dns-x", "kube-dns", {endpoint_port("dns", 53)},
              {at("10.244.9.9"), at("10.244.0.53")}));
  c.store.commit();
  EXPECT_EQ(ns(RRType::A), Lines{"10.96.0.10"});
  EXPECT_EQ(ns(RRType::AAAA), Lines{"fd00:10:96::a"});
  const Message apex = c.ask("cluster.local", RRType::NS);
  EXPECT_EQ(values(apex.answer), Lines{"ns.dns.cluster.local."});
  EXPECT_EQ(sorted(values(apex.additional)), (Lines{"10.96.0.10", "fd00:10:96::a"}));
  // A headless service has no address of its own: those of all servers.
  c.add(headless("kube-system", "kube-dns", {port("dns", 53)}));
  c.store.commit();
  EXPECT_EQ(sorted(ns(RRType::A)), (Lines{"10.244.0.53", "10.244.9.9"}));
  c.store.erase_service({"kube-system", "kube-dns"});
  c.store.commit();
  EXPECT_EQ(ns(RRType::A), Lines{"10.244.0.53"});
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutReverseZones, OwnServiceTest, ::testing::Bool());

}  // namespace
}  // namespace clusterdns::zones
