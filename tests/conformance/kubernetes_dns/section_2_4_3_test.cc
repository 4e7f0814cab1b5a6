// Kubernetes DNS specification 1.1.0, section 2.4.3: PTR Records of a Headless Service.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

// fd00:10:244:: without its last four nibbles.
const std::string kV6Tail = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.4.4.2.0.0.1.0.0.0.0.d.f.ip6.arpa.";

TEST(KubernetesDns_2_4_3, Hostname) {
  expect_answer(ask("1.20.244.10.in-addr.arpa.", "PTR"),
                {"1.20.244.10.in-addr.arpa. 5 IN PTR peer-0.peers.conf.svc.cluster.local."});
}

TEST(KubernetesDns_2_4_3, DashedAddress) {
  expect_answer(ask("3.21.244.10.in-addr.arpa.", "PTR"),
                {"3.21.244.10.in-addr.arpa. 5 IN PTR 10-244-21-3.anon.conf.svc.cluster.local."});
}

TEST(KubernetesDns_2_4_3, IPv6) {
  const std::string named = "1.0.2.2." + kV6Tail;
  expect_answer(ask(named, "PTR"), {named + " 5 IN PTR node-0.dual-peers.conf.svc.cluster.local."});
  const std::string dashed = "2.0.2.2." + kV6Tail;
  expect_answer(ask(dashed, "PTR"),
                {dashed + " 5 IN PTR fd00-10-244--2202.dual-peers.conf.svc.cluster.local."});
}

TEST(KubernetesDns_2_4_3, UnreadyEndpointHasNone) {
  expect_nxdomain(ask("9.20.244.10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
  expect_nxdomain(ask("1.24.244.10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
}

TEST(KubernetesDns_2_4_3, WithoutPorts) {
  expect_answer(ask("1.25.244.10.in-addr.arpa.", "PTR"),
                {"1.25.244.10.in-addr.arpa. 5 IN PTR quiet-0.portless.conf.svc.cluster.local."});
}

TEST(KubernetesDns_2_4_3, AddressBehindTwoServicesHasBoth) {
  expect_answer(ask("1.27.244.10.in-addr.arpa.", "PTR"),
                {"1.27.244.10.in-addr.arpa. 5 IN PTR both.shared-a.conf.svc.cluster.local.",
                 "1.27.244.10.in-addr.arpa. 5 IN PTR both.shared-b.conf.svc.cluster.local."});
}

TEST(KubernetesDns_2_4_3, TheOrderIsFixed) {
  const auto first = data_of(ask_udp("1.27.244.10.in-addr.arpa.", "PTR").answer, "PTR");
  ASSERT_EQ(first.size(), 2U);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(data_of(ask_udp("1.27.244.10.in-addr.arpa.", "PTR").answer, "PTR"), first);
  }
}

// A pod that no service selects has no reverse name.
TEST(KubernetesDns_2_4_3, PodThatIsNoEndpointHasNone) {
  expect_nxdomain(ask("1.50.244.10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
}

}  // namespace
}  // namespace clusterdns::test
