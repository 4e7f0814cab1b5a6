// Kubernetes DNS specification 1.1.0, section 2.4.2: SRV Records of a Headless Service.
#include <gtest/gtest.h>

#include <algorithm>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

TEST(KubernetesDns_2_4_2, OnePerReadyEndpoint) {
  const Message response = ask("_db._tcp.peers.conf.svc.cluster.local.", "SRV");
  const std::string owner = "_db._tcp.peers.conf.svc.cluster.local. 5 IN SRV 0 33 5432 ";
  expect_answer(response, {owner + "peer-0.peers.conf.svc.cluster.local.",
                           owner + "peer-1.peers.conf.svc.cluster.local.",
                           owner + "peer-2.peers.conf.svc.cluster.local."});
  expect_additional(response, {"peer-0.peers.conf.svc.cluster.local. 5 IN A 10.244.20.1",
                               "peer-1.peers.conf.svc.cluster.local. 5 IN A 10.244.20.2",
                               "peer-2.peers.conf.svc.cluster.local. 5 IN A 10.244.20.3"});
}

TEST(KubernetesDns_2_4_2, WithoutHostnameTheDashedAddress) {
  const Message response = ask("_http._tcp.anon.conf.svc.cluster.local.", "SRV");
  const std::string owner = "_http._tcp.anon.conf.svc.cluster.local. 5 IN SRV 0 33 8080 ";
  expect_answer(response, {owner + "10-244-21-1.anon.conf.svc.cluster.local.",
                           owner + "10-244-21-2.anon.conf.svc.cluster.local.",
                           owner + "10-244-21-3.anon.conf.svc.cluster.local."});
}

// N endpoints times M ports.
TEST(KubernetesDns_2_4_2, EveryPortOfEveryEndpointAtTheService) {
  const Message response = ask(svc("anon"), "SRV");
  std::vector<std::string> expected;
  for (const char* port : {"8080", "9100"}) {
    for (int i = 1; i <= 3; ++i) {
      expected.push_back("anon.conf.svc.cluster.local. 5 IN SRV 0 16 " + std::string(port) +
                         " 10-244-21-" + std::to_string(i) + ".anon.conf.svc.cluster.local.");
    }
  }
  expect_answer(response, expected);
  EXPECT_EQ(response.additional.size(), 3U) << "each address once\n" << response.text();
}

// The number is where the endpoint listens.
TEST(KubernetesDns_2_4_2, PortOfTheEndpoint) {
  expect_answer(ask("_web._tcp.mapped.conf.svc.cluster.local.", "SRV"),
                {"_web._tcp.mapped.conf.svc.cluster.local. 5 IN SRV 0 100 8080 "
                 "m-0.mapped.conf.svc.cluster.local."});
}

TEST(KubernetesDns_2_4_2, AtAnEndpoint) {
  const Message response = ask("peer-1.peers.conf.svc.cluster.local.", "SRV");
  expect_answer(response, {"peer-1.peers.conf.svc.cluster.local. 5 IN SRV 0 100 5432 "
                           "peer-1.peers.conf.svc.cluster.local."});
  expect_additional(response, {"peer-1.peers.conf.svc.cluster.local. 5 IN A 10.244.20.2"});
}

// A hostname with several addresses is one target.
TEST(KubernetesDns_2_4_2, HostnameOfSeveralAddressesIsOneTarget) {
  const Message response = ask("_db._tcp.twins.conf.svc.cluster.local.", "SRV");
  expect_answer(response, {"_db._tcp.twins.conf.svc.cluster.local. 5 IN SRV 0 100 5432 "
                           "twin.twins.conf.svc.cluster.local."});
  expect_additional(response, {"twin.twins.conf.svc.cluster.local. 5 IN A 10.244.23.1",
                               "twin.twins.conf.svc.cluster.local. 5 IN A 10.244.23.2"});
}

TEST(KubernetesDns_2_4_2, BothFamilies) {
  const Message response = ask("_db._tcp.dual-peers.conf.svc.cluster.local.", "SRV");
  const std::string owner = "_db._tcp.dual-peers.conf.svc.cluster.local. 5 IN SRV 0 50 5432 ";
  expect_answer(response, {owner + "node-0.dual-peers.conf.svc.cluster.local.",
                           owner + "fd00-10-244--2202.dual-peers.conf.svc.cluster.local."});
  expect_additional(
      response,
      {"node-0.dual-peers.conf.svc.cluster.local. 5 IN A 10.244.22.1",
       "node-0.dual-peers.conf.svc.cluster.local. 5 IN AAAA fd00:10:244::2201",
       "fd00-10-244--2202.dual-peers.conf.svc.cluster.local. 5 IN AAAA fd00:10:244::2202"});
}

TEST(KubernetesDns_2_4_2, WithoutPortsThereIsNone) {
  expect_nodata(ask(svc("portless"), "SRV"));
  expect_nodata(ask("quiet-0.portless.conf.svc.cluster.local.", "SRV"));
  expect_nxdomain(ask("_tcp.portless.conf.svc.cluster.local.", "SRV"));
}

TEST(KubernetesDns_2_4_2, UnknownPort) {
  expect_nxdomain(ask("_web._tcp.peers.conf.svc.cluster.local.", "SRV"));
  expect_nxdomain(ask("_db._udp.peers.conf.svc.cluster.local.", "SRV"));
}

// Every target must resolve to the endpoint it stands for.
TEST(KubernetesDns_2_4_2, TargetsResolve) {
  for (const char* service : {"peers", "anon", "twins", "mid"}) {
    const Message response = ask(svc(service), "SRV");
    ASSERT_FALSE(response.answer.empty()) << service;
    for (const std::string& data : data_of(response.answer, "SRV")) {
      const std::string target_name = data.substr(data.rfind(' ') + 1);
      EXPECT_FALSE(data_of(ask(target_name, "A").answer, "A").empty()) << target_name;
    }
  }
}

TEST(KubernetesDns_2_4_2, AddressesAtThePortName) {
  const std::string owner = "_db._tcp.peers.conf.svc.cluster.local.";
  expect_answer(ask(owner, "A"), {owner + " 5 IN A 10.244.20.1", owner + " 5 IN A 10.244.20.2",
                                  owner + " 5 IN A 10.244.20.3"});
  expect_nodata(ask(owner, "AAAA"));
}

// Clients choose by priority and weight (RFC 2782), and those that do not take the first.
TEST(KubernetesDns_2_4_2, TheOrderIsFixed) {
  const std::string name = "_db._tcp.peers.conf.svc.cluster.local.";
  const auto first = data_of(ask_udp(name, "SRV").answer, "SRV");
  ASSERT_EQ(first.size(), 3U);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(data_of(ask_udp(name, "SRV").answer, "SRV"), first);
}

}  // namespace
}  // namespace clusterdns::test
