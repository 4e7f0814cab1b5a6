// Kubernetes DNS specification 1.1.0, section 2.4.1: A/AAAA Records of a Headless Service.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

// All slices together, each address once, only ready ones.
TEST(KubernetesDns_2_4_1, EveryReadyEndpointOnce) {
  expect_answer(ask(svc("peers")), {"peers.conf.svc.cluster.local. 5 IN A 10.244.20.1",
                                    "peers.conf.svc.cluster.local. 5 IN A 10.244.20.2",
                                    "peers.conf.svc.cluster.local. 5 IN A 10.244.20.3"});
  expect_nodata(ask(svc("peers"), "AAAA"));
}

TEST(KubernetesDns_2_4_1, AbsentConditionMeansReady) {
  expect_answer(ask(svc("anon")), {"anon.conf.svc.cluster.local. 5 IN A 10.244.21.1",
                                   "anon.conf.svc.cluster.local. 5 IN A 10.244.21.2",
                                   "anon.conf.svc.cluster.local. 5 IN A 10.244.21.3"});
}

TEST(KubernetesDns_2_4_1, DualStack) {
  expect_answer(ask(svc("dual-peers"), "A"),
                {"dual-peers.conf.svc.cluster.local. 5 IN A 10.244.22.1"});
  expect_answer(ask(svc("dual-peers"), "AAAA"),
                {"dual-peers.conf.svc.cluster.local. 5 IN AAAA fd00:10:244::2201",
                 "dual-peers.conf.svc.cluster.local. 5 IN AAAA fd00:10:244::2202"});
}

TEST(KubernetesDns_2_4_1, IPv6Only) {
  expect_answer(ask(svc("v6-peers"), "AAAA"),
                {"v6-peers.conf.svc.cluster.local. 5 IN AAAA fd00:10:244::2601",
                 "v6-peers.conf.svc.cluster.local. 5 IN AAAA fd00:10:244::2602"});
  expect_nodata(ask(svc("v6-peers"), "A"));
}

TEST(KubernetesDns_2_4_1, NoReadyEndpointIsNxdomain) {
  expect_nxdomain(ask(svc("not-ready")));
  expect_nxdomain(ask(svc("not-ready"), "AAAA"));
  expect_nxdomain(ask(svc("not-ready"), "SRV"));
  expect_nxdomain(ask("_db._tcp.not-ready.conf.svc.cluster.local.", "SRV"));
  expect_nxdomain(ask("late-0.not-ready.conf.svc.cluster.local."));
}

TEST(KubernetesDns_2_4_1, NoSliceIsNxdomain) { expect_nxdomain(ask(svc("no-slice"))); }

TEST(KubernetesDns_2_4_1, WithoutPorts) {
  expect_answer(ask(svc("portless")), {"portless.conf.svc.cluster.local. 5 IN A 10.244.25.1"});
  expect_answer(ask("quiet-0.portless.conf.svc.cluster.local."),
                {"quiet-0.portless.conf.svc.cluster.local. 5 IN A 10.244.25.1"});
}

TEST(KubernetesDns_2_4_1, Hostname) {
  expect_answer(ask("peer-0.peers.conf.svc.cluster.local."),
                {"peer-0.peers.conf.svc.cluster.local. 5 IN A 10.244.20.1"});
  expect_answer(ask("peer-2.peers.conf.svc.cluster.local."),
                {"peer-2.peers.conf.svc.cluster.local. 5 IN A 10.244.20.3"});
  expect_nodata(ask("peer-0.peers.conf.svc.cluster.local.", "AAAA"));
}

TEST(KubernetesDns_2_4_1, HostnameOfAnUnreadyEndpoint) {
  expect_nxdomain(ask("peer-9.peers.conf.svc.cluster.local."));
}

TEST(KubernetesDns_2_4_1, HostnameOfSeveralAddresses) {
  expect_answer(ask("twin.twins.conf.svc.cluster.local."),
                {"twin.twins.conf.svc.cluster.local. 5 IN A 10.244.23.1",
                 "twin.twins.conf.svc.cluster.local. 5 IN A 10.244.23.2"});
}

TEST(KubernetesDns_2_4_1, HostnameInBothFamilies) {
  expect_answer(ask("node-0.dual-peers.conf.svc.cluster.local.", "A"),
                {"node-0.dual-peers.conf.svc.cluster.local. 5 IN A 10.244.22.1"});
  expect_answer(ask("node-0.dual-peers.conf.svc.cluster.local.", "AAAA"),
                {"node-0.dual-peers.conf.svc.cluster.local. 5 IN AAAA fd00:10:244::2201"});
}

TEST(KubernetesDns_2_4_1, DashedAddressWithoutHostname) {
  expect_answer(ask("10-244-21-2.anon.conf.svc.cluster.local."),
                {"10-244-21-2.anon.conf.svc.cluster.local. 5 IN A 10.244.21.2"});
  expect_answer(
      ask("fd00-10-244--2202.dual-peers.conf.svc.cluster.local.", "AAAA"),
      {"fd00-10-244--2202.dual-peers.conf.svc.cluster.local. 5 IN AAAA fd00:10:244::2202"});
  expect_nodata(ask("fd00-10-244--2202.dual-peers.conf.svc.cluster.local.", "A"));
}

TEST(KubernetesDns_2_4_1, TheIdentifierHasOneSpelling) {
  expect_nxdomain(ask("10-244-20-1.peers.conf.svc.cluster.local."));  // it has a hostname
  expect_nxdomain(ask("10-244-021-2.anon.conf.svc.cluster.local."));
  expect_nxdomain(ask("10-244-21-4.anon.conf.svc.cluster.local."));
  expect_nxdomain(ask("fd00-10-244-0-0-0-0-2202.dual-peers.conf.svc.cluster.local.", "AAAA"));
  expect_nxdomain(ask("10\\.244\\.21\\.2.anon.conf.svc.cluster.local."));
}

TEST(KubernetesDns_2_4_1, EndpointOfAnotherService) {
  expect_nxdomain(ask("peer-0.anon.conf.svc.cluster.local."));
  expect_nxdomain(ask("10-244-21-2.peers.conf.svc.cluster.local."));
}

TEST(KubernetesDns_2_4_1, OneAddressBehindTwoServices) {
  expect_answer(ask(svc("shared-a")), {"shared-a.conf.svc.cluster.local. 5 IN A 10.244.27.1"});
  expect_answer(ask(svc("shared-b")), {"shared-b.conf.svc.cluster.local. 5 IN A 10.244.27.1"});
}

TEST(KubernetesDns_2_4_1, AllOfALargeServiceOverTcp) {
  const Message response = ask_tcp(svc("big"));
  std::vector<std::string> expected;
  for (int i = 1; i <= 120; ++i) {
    expected.push_back("big.conf.svc.cluster.local. 5 IN A 10.244.40." + std::to_string(i));
  }
  expect_answer(response, expected);
}

// Rotation by exactly one per answer of that RRset, whichever transport and socket.
TEST(KubernetesDns_2_4_1, RoundRobin) {
  const auto first = data_of(ask_udp(svc("anon")).answer, "A");
  ASSERT_EQ(first.size(), 3U);
  for (std::size_t i = 1; i <= 7; ++i) {
    const auto next =
        data_of((i % 2 == 0 ? ask_udp(svc("anon")) : ask_tcp(svc("anon"))).answer, "A");
    EXPECT_TRUE(is_rotation(first, next, i)) << "answer " << i;
  }
}

TEST(KubernetesDns_2_4_1, RoundRobinOfOneRRsetDoesNotTurnAnother) {
  const auto anon = data_of(ask_udp(svc("anon")).answer, "A");
  const auto twins = data_of(ask_udp("twin.twins.conf.svc.cluster.local.").answer, "A");
  const auto v6 = data_of(ask_udp(svc("dual-peers"), "AAAA").answer, "AAAA");
  EXPECT_TRUE(is_rotation(anon, data_of(ask_udp(svc("anon")).answer, "A"), 1));
  EXPECT_TRUE(
      is_rotation(twins, data_of(ask_udp("twin.twins.conf.svc.cluster.local.").answer, "A"), 1));
  EXPECT_TRUE(is_rotation(v6, data_of(ask_udp(svc("dual-peers"), "AAAA").answer, "AAAA"), 1));
}

}  // namespace
}  // namespace clusterdns::test
