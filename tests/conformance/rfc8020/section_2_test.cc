// RFC 8020, section 2: "when … NXDOMAIN … the name and all the names under it do not exist". So
// every name above an existing one exists too: NODATA for empty non-terminals (RFC 4592, 2.2.2).
// A resolver that minimises query names (RFC 9156) loses everything below a wrong NXDOMAIN.
#include <gtest/gtest.h>

#include <set>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

const std::vector<std::string> kExisting{
    svc("web"),
    svc("peers"),
    svc("ext-out"),
    svc("web", "second"),
    "pod.svc.svc.cluster.local.",
    "_http._tcp.web.conf.svc.cluster.local.",
    "_dns._udp.dual.conf.svc.cluster.local.",
    "_sig._sctp.sctp.conf.svc.cluster.local.",
    "_db._tcp.peers.conf.svc.cluster.local.",
    "peer-0.peers.conf.svc.cluster.local.",
    "pet.web.conf.svc.cluster.local.",
    "10-1-2-3.conf.pod.cluster.local.",
    "dns-version.cluster.local.",
    "ns.dns.cluster.local.",
    "1.10.96.10.in-addr.arpa.",
    "1.20.244.10.in-addr.arpa.",
    "2.0.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa."};

TEST(Rfc8020_2, EveryNameAboveAnExistingNameExists) {
  std::set<std::string> asked;
  for (std::string name : kExisting) {
    while (name != "cluster.local." && name != "in-addr.arpa." && name != "ip6.arpa.") {
      if (asked.insert(name).second) {
        for (const char* type : {"A", "NS", "TXT"}) {
          const Message response = ask(name, type);
          EXPECT_EQ(rcode_to_text(response.rcode), "NOERROR") << name << ' ' << type;
        }
      }
      name.erase(0, name.find('.') + 1);
    }
  }
}

TEST(Rfc8020_2, EmptyNonTerminalsOfTheSchema) {
  for (const char* name :
       {"svc.cluster.local.", "pod.cluster.local.", "dns.cluster.local.", "conf.svc.cluster.local.",
        "second.svc.cluster.local.", "conf.pod.cluster.local."}) {
    SCOPED_TRACE(name);
    expect_nodata(ask(name, "A"));
    expect_nodata(ask(name, "AAAA"));
    expect_nodata(ask(name, "SRV"));
    expect_nodata(ask(name, "NS"));
  }
}

TEST(Rfc8020_2, NamespaceWithoutServicesExists) { expect_nodata(ask("empty.svc.cluster.local.")); }

TEST(Rfc8020_2, ProtocolLabels) {
  expect_nodata(ask("_tcp.web.conf.svc.cluster.local.", "SRV"));
  expect_nodata(ask("_tcp.web.conf.svc.cluster.local.", "A"));
  expect_nodata(ask("_udp.dual.conf.svc.cluster.local."));
  expect_nodata(ask("_tcp.dual.conf.svc.cluster.local."));
  expect_nodata(ask("_sctp.sctp.conf.svc.cluster.local."));
  expect_nodata(ask("_tcp.peers.conf.svc.cluster.local."));
}

TEST(Rfc8020_2, ProtocolLabelsWithNothingBelow) {
  expect_nxdomain(ask("_udp.web.conf.svc.cluster.local."));
  expect_nxdomain(ask("_sctp.web.conf.svc.cluster.local."));
  expect_nxdomain(ask("_tcp.sctp.conf.svc.cluster.local."));
  expect_nxdomain(ask("_tcp.unnamed.conf.svc.cluster.local."));
  expect_nxdomain(ask("_tcp.nothing.conf.svc.cluster.local."));
  expect_nxdomain(ask("_http.web.conf.svc.cluster.local."));
  expect_nxdomain(ask("_tcp.conf.svc.cluster.local."));
}

TEST(Rfc8020_2, ReverseTrees) {
  expect_nodata(ask("10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
  expect_nodata(ask("96.10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
  expect_nodata(ask("10.96.10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
  expect_nodata(ask("d.f.ip6.arpa.", "PTR"), "ip6.arpa.");
  expect_nodata(ask("0.0.d.f.ip6.arpa.", "PTR"), "ip6.arpa.");
  expect_nxdomain(ask("11.in-addr.arpa.", "PTR"), "in-addr.arpa.");
  expect_nxdomain(ask("97.10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
  expect_nxdomain(ask("9.96.10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
  expect_nxdomain(ask("e.f.ip6.arpa.", "PTR"), "ip6.arpa.");
}

// The other way round: what is NXDOMAIN has nothing below.
TEST(Rfc8020_2, NothingIsBelowANameError) {
  for (const char* name :
       {"x.nothing.conf.svc.cluster.local.", "x.y.svc.cluster.local.",
        "web.nowhere.svc.cluster.local.", "a.b.c.d.cluster.local.",
        "_http._tcp.nothing.conf.svc.cluster.local.", "x.peer-0.peers.conf.svc.cluster.local.",
        "a.b.peers.conf.svc.cluster.local.", "_http._tcp.pet.web.conf.svc.cluster.local.",
        "x._http._tcp.web.conf.svc.cluster.local.", "x.ns.dns.cluster.local."}) {
    SCOPED_TRACE(name);
    expect_nxdomain(ask(name, "A"));
    expect_nxdomain(ask(name, "SRV"));
  }
}

TEST(Rfc8020_2, UnknownNamesAtTheTop) {
  expect_nxdomain(ask("web.cluster.local."));
  expect_nxdomain(ask("web.conf.cluster.local."));
  expect_nxdomain(ask("x.dns.cluster.local."));
  expect_nxdomain(ask("svcs.cluster.local."));
}

}  // namespace
}  // namespace clusterdns::test
