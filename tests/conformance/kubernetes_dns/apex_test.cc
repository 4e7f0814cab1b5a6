// What the Kubernetes DNS specification leaves to the zone itself, as CoreDNS 1.15 answers it:
// the apex and `ns.dns.<zone>`.
#include <gtest/gtest.h>

#include <sstream>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

TEST(Apex, Soa) {
  for (const char* zone : {"cluster.local.", "in-addr.arpa.", "ip6.arpa."}) {
    SCOPED_TRACE(zone);
    const Message response = ask(zone, "SOA");
    expect_rcode(response, "NOERROR");
    EXPECT_TRUE(response.has(kFlagAA));
    ASSERT_EQ(response.answer.size(), 1U) << response.text();
    EXPECT_EQ(response.answer[0].owner, zone);
    EXPECT_EQ(response.answer[0].ttl, kDefaultTtl);
    std::istringstream fields(response.answer[0].data);
    std::string mname;
    std::string rname;
    std::uint32_t serial = 0;
    std::uint32_t refresh = 0;
    std::uint32_t retry = 0;
    std::uint32_t expire = 0;
    std::uint32_t minimum = 0;
    fields >> mname >> rname >> serial >> refresh >> retry >> expire >> minimum;
    EXPECT_EQ(mname, "ns.dns." + std::string(zone));
    EXPECT_EQ(rname, "hostmaster." + std::string(zone));
    EXPECT_GT(serial, 0U);
    EXPECT_EQ(refresh, 7200U);
    EXPECT_EQ(retry, 1800U);
    EXPECT_EQ(expire, 86400U);
    EXPECT_EQ(minimum, kDefaultTtl);
  }
}

TEST(Apex, Ns) {
  const Message response = ask("cluster.local.", "NS");
  expect_answer(response, {"cluster.local. 5 IN NS ns.dns.cluster.local."});
  // Its address, of whichever family the server has.
  ASSERT_FALSE(response.additional.empty()) << response.text();
  for (const Record& record : response.additional) {
    EXPECT_EQ(record.owner, "ns.dns.cluster.local.") << response.text();
  }
}

TEST(Apex, NameServerHasAnAddress) {
  const auto v4 = data_of(ask("ns.dns.cluster.local.", "A").answer, "A");
  const auto v6 = data_of(ask("ns.dns.cluster.local.", "AAAA").answer, "AAAA");
  EXPECT_GT(v4.size() + v6.size(), 0U);
}

TEST(Apex, NameServerHasNoOtherType) { expect_nodata(ask("ns.dns.cluster.local.", "TXT")); }

TEST(Apex, NoOtherType) {
  for (const char* type : {"A", "AAAA", "TXT", "SRV", "MX", "CNAME", "PTR", "ANY", "DS"}) {
    SCOPED_TRACE(type);
    expect_nodata(ask("cluster.local.", type));
  }
}

TEST(Apex, SoaAndNsElsewhereAreNodata) {
  expect_nodata(ask(svc("web"), "SOA"));
  expect_nodata(ask(svc("web"), "NS"));
  expect_nxdomain(ask(svc("nothing"), "NS"));
}

TEST(Apex, SerialIsTheSameInEveryAnswer) {
  const auto first = data_of(ask("cluster.local.", "SOA").answer, "SOA");
  const auto second = data_of(ask(svc("nothing")).authority, "SOA");
  EXPECT_EQ(first, second);
}

TEST(OutsideTheZones, RefusedWhenNothingForwards) {
  for (const char* name : {"example.com.", ".", "local.", "notcluster.local.", "arpa.",
                           "xcluster.local.", "cluster.local.example.com."}) {
    SCOPED_TRACE(name);
    expect_refused(ask(name));
  }
}

}  // namespace
}  // namespace clusterdns::test
