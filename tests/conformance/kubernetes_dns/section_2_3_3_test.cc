// Kubernetes DNS specification 1.1.0, section 2.3.3: PTR Record of a Service with ClusterIP.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

// fd00:10:96::a02 and so on, without its last nibbles.
const std::string kV6Tail = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa.";

TEST(KubernetesDns_2_3_3, IPv4) {
  expect_answer(ask("1.10.96.10.in-addr.arpa.", "PTR"),
                {"1.10.96.10.in-addr.arpa. 5 IN PTR web.conf.svc.cluster.local."});
  expect_answer(ask("1.20.96.10.in-addr.arpa.", "PTR"),
                {"1.20.96.10.in-addr.arpa. 5 IN PTR web.second.svc.cluster.local."});
}

TEST(KubernetesDns_2_3_3, IPv6) {
  const std::string name = "2.0.a.0." + kV6Tail;
  expect_answer(ask(name, "PTR"), {name + " 5 IN PTR dual.conf.svc.cluster.local."});
}

TEST(KubernetesDns_2_3_3, DualStackHasBoth) {
  expect_answer(ask("2.10.96.10.in-addr.arpa.", "PTR"),
                {"2.10.96.10.in-addr.arpa. 5 IN PTR dual.conf.svc.cluster.local."});
}

TEST(KubernetesDns_2_3_3, NodePortAndLoadBalancerHaveTheirClusterIP) {
  expect_answer(ask("6.10.96.10.in-addr.arpa.", "PTR"),
                {"6.10.96.10.in-addr.arpa. 5 IN PTR nodeport.conf.svc.cluster.local."});
  expect_answer(ask("7.10.96.10.in-addr.arpa.", "PTR"),
                {"7.10.96.10.in-addr.arpa. 5 IN PTR lb.conf.svc.cluster.local."});
}

TEST(KubernetesDns_2_3_3, OutsideAddressesHaveNone) {
  expect_nxdomain(ask("7.113.0.203.in-addr.arpa.", "PTR"), "in-addr.arpa.");
  expect_nxdomain(ask("5.100.51.198.in-addr.arpa.", "PTR"), "in-addr.arpa.");
}

TEST(KubernetesDns_2_3_3, UnknownAddress) {
  expect_nxdomain(ask("99.10.96.10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
  expect_nxdomain(ask("f.f.f.f." + kV6Tail, "PTR"), "ip6.arpa.");
}

TEST(KubernetesDns_2_3_3, EndpointOfAClusterIPService) {
  expect_answer(ask("2.10.244.10.in-addr.arpa.", "PTR"),
                {"2.10.244.10.in-addr.arpa. 5 IN PTR pet.web.conf.svc.cluster.local."});
  expect_answer(ask("1.10.244.10.in-addr.arpa.", "PTR"),
                {"1.10.244.10.in-addr.arpa. 5 IN PTR 10-244-10-1.web.conf.svc.cluster.local."});
}

TEST(KubernetesDns_2_3_3, UnreadyEndpointHasNone) {
  expect_nxdomain(ask("3.10.244.10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
}

TEST(KubernetesDns_2_3_3, OtherTypesAtAReverseName) {
  expect_nodata(ask("1.10.96.10.in-addr.arpa.", "A"), "in-addr.arpa.");
  expect_nodata(ask("1.10.96.10.in-addr.arpa.", "TXT"), "in-addr.arpa.");
  expect_nodata(ask("1.10.96.10.in-addr.arpa.", "SOA"), "in-addr.arpa.");
}

// RFC 1035, 3.5: a number of an address is written without leading zeros, and below 256.
TEST(KubernetesDns_2_3_3, NumbersHaveOneSpelling) {
  expect_nxdomain(ask("01.10.96.10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
  expect_nxdomain(ask("001.10.96.10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
  expect_nxdomain(ask("257.10.96.10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
  expect_nxdomain(ask("+1.10.96.10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
  expect_nxdomain(ask("0x1.10.96.10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
  expect_nxdomain(ask("1\\.10.96.10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
}

TEST(KubernetesDns_2_3_3, NothingIsBelowAnAddress) {
  expect_nxdomain(ask("1.1.10.96.10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
}

TEST(KubernetesDns_2_3_3, PtrOfForwardNames) {
  expect_nodata(ask(svc("web"), "PTR"));
  expect_nxdomain(ask(svc("nothing"), "PTR"));
}

}  // namespace
}  // namespace clusterdns::test
