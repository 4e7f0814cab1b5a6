// RFC 2308: Negative Caching of DNS Queries.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

// Section 2.1: NXDOMAIN with the SOA of the zone.
TEST(Rfc2308_2_1, NameErrorCarriesTheSoa) {
  expect_nxdomain(ask(svc("nothing")));
  expect_nxdomain(ask("nothing.cluster.local."));
  expect_nxdomain(ask("99.99.96.10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
  expect_nxdomain(ask("f.f.ip6.arpa.", "PTR"), "ip6.arpa.");
}

// The same for every type: NXDOMAIN is of the name.
TEST(Rfc2308_2_1, NameErrorForEveryType) {
  for (const char* type : {"A", "AAAA", "SRV", "TXT", "PTR", "CNAME", "MX", "NS", "SOA", "HTTPS",
                           "ANY", "TYPE65280"}) {
    SCOPED_TRACE(type);
    expect_nxdomain(ask(svc("nothing"), type));
  }
}

// Section 2.2: NODATA with the SOA of the zone.
TEST(Rfc2308_2_2, NoDataCarriesTheSoa) {
  expect_nodata(ask(svc("web"), "AAAA"));
  expect_nodata(ask(svc("web"), "MX"));
  expect_nodata(ask("svc.cluster.local."));
  expect_nodata(ask("10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
}

// A name that has one address family exists for the other (musl gives up otherwise).
TEST(Rfc2308_2_2, OtherFamilyIsNoDataNeverNameError) {
  for (const std::string& name :
       {svc("web"), svc("peers"), std::string("peer-0.peers.conf.svc.cluster.local."),
        std::string("10-1-2-3.conf.pod.cluster.local."),
        std::string("_http._tcp.web.conf.svc.cluster.local.")}) {
    SCOPED_TRACE(name);
    expect_nodata(ask(name, "AAAA"));
  }
  expect_nodata(ask(svc("v6only"), "A"));
  expect_nodata(ask(svc("v6-peers"), "A"));
}

// Sections 3 and 5: TTL of the SOA = min(its TTL, MINIMUM); expect_negative_soa compares both.
TEST(Rfc2308_3, TtlIsTheMinimum) {
  for (const auto& [name, zone] : std::vector<std::pair<std::string, std::string>>{
           {svc("nothing"), "cluster.local."},
           {"9.9.96.10.in-addr.arpa.", "in-addr.arpa."},
           {"9.9.ip6.arpa.", "ip6.arpa."}}) {
    expect_negative_soa(ask(name), zone, kDefaultTtl);
  }
}

TEST(Rfc2308_2_1, RefusedCarriesNothing) { expect_refused(ask("example.com.")); }

}  // namespace
}  // namespace clusterdns::test
