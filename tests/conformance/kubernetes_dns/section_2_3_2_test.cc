// Kubernetes DNS specification 1.1.0, section 2.3.2: SRV Records of a Service with ClusterIP.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

TEST(KubernetesDns_2_3_2, NamedPort) {
  const Message response = ask("_http._tcp.web.conf.svc.cluster.local.", "SRV");
  expect_answer(response, {"_http._tcp.web.conf.svc.cluster.local. 5 IN SRV 0 100 80 "
                           "web.conf.svc.cluster.local."});
  expect_additional(response, {"web.conf.svc.cluster.local. 5 IN A 10.96.10.1"});
}

TEST(KubernetesDns_2_3_2, EveryPortAtTheService) {
  const Message response = ask(svc("web"), "SRV");
  expect_answer(response,
                {"web.conf.svc.cluster.local. 5 IN SRV 0 50 80 web.conf.svc.cluster.local.",
                 "web.conf.svc.cluster.local. 5 IN SRV 0 50 443 web.conf.svc.cluster.local."});
  expect_additional(response, {"web.conf.svc.cluster.local. 5 IN A 10.96.10.1"});
}

TEST(KubernetesDns_2_3_2, WeightsShareAHundred) {
  const Message response = ask(svc("many-ports"), "SRV");
  std::vector<std::string> expected;
  for (int i = 0; i < 6; ++i) {
    expected.push_back("many-ports.conf.svc.cluster.local. 5 IN SRV 0 16 " +
                       std::to_string(8000 + i) + " many-ports.conf.svc.cluster.local.");
  }
  expect_answer(response, expected);
}

TEST(KubernetesDns_2_3_2, Protocols) {
  expect_answer(ask("_dns._udp.dual.conf.svc.cluster.local.", "SRV"),
                {"_dns._udp.dual.conf.svc.cluster.local. 5 IN SRV 0 100 53 "
                 "dual.conf.svc.cluster.local."});
  expect_answer(ask("_dns-tcp._tcp.dual.conf.svc.cluster.local.", "SRV"),
                {"_dns-tcp._tcp.dual.conf.svc.cluster.local. 5 IN SRV 0 100 53 "
                 "dual.conf.svc.cluster.local."});
  expect_answer(ask("_sig._sctp.sctp.conf.svc.cluster.local.", "SRV"),
                {"_sig._sctp.sctp.conf.svc.cluster.local. 5 IN SRV 0 100 3868 "
                 "sctp.conf.svc.cluster.local."});
}

TEST(KubernetesDns_2_3_2, PortUnderAnotherProtocolIsNone) {
  expect_nxdomain(ask("_http._udp.web.conf.svc.cluster.local.", "SRV"));
  expect_nxdomain(ask("_dns._tcp.dual.conf.svc.cluster.local.", "SRV"));
  expect_nxdomain(ask("_http._sctp.web.conf.svc.cluster.local.", "SRV"));
}

TEST(KubernetesDns_2_3_2, UnknownPort) {
  expect_nxdomain(ask("_ftp._tcp.web.conf.svc.cluster.local.", "SRV"));
}

TEST(KubernetesDns_2_3_2, LongestPortName) {
  const std::string service(63, 'l');
  const std::string name = "_" + std::string(15, 'p') + "._tcp." + svc(service);
  expect_answer(ask(name, "SRV"), {name + " 5 IN SRV 0 100 80 " + svc(service)});
}

TEST(KubernetesDns_2_3_2, UnnamedPortIsAtTheServiceOnly) {
  expect_answer(ask(svc("unnamed"), "SRV"), {"unnamed.conf.svc.cluster.local. 5 IN SRV 0 100 8080 "
                                             "unnamed.conf.svc.cluster.local."});
  expect_nxdomain(ask("_8080._tcp.unnamed.conf.svc.cluster.local.", "SRV"));
  expect_nxdomain(ask("_._tcp.unnamed.conf.svc.cluster.local.", "SRV"));
  expect_nxdomain(ask("_tcp.unnamed.conf.svc.cluster.local.", "SRV"));
}

TEST(KubernetesDns_2_3_2, TheUnderscoresArePartOfTheName) {
  expect_nxdomain(ask("http.tcp.web.conf.svc.cluster.local.", "SRV"));
  expect_nxdomain(ask("_http.tcp.web.conf.svc.cluster.local.", "SRV"));
  expect_nxdomain(ask("http._tcp.web.conf.svc.cluster.local.", "SRV"));
  expect_nxdomain(ask("__http._tcp.web.conf.svc.cluster.local.", "SRV"));
}

TEST(KubernetesDns_2_3_2, BothFamiliesInTheAdditionalSection) {
  const Message response = ask("_dns._udp.dual.conf.svc.cluster.local.", "SRV");
  expect_additional(response, {"dual.conf.svc.cluster.local. 5 IN A 10.96.10.2",
                               "dual.conf.svc.cluster.local. 5 IN AAAA fd00:10:96::a02"});
}

TEST(KubernetesDns_2_3_2, AddressesAtThePortName) {
  expect_answer(ask("_http._tcp.web.conf.svc.cluster.local.", "A"),
                {"_http._tcp.web.conf.svc.cluster.local. 5 IN A 10.96.10.1"});
  expect_nodata(ask("_http._tcp.web.conf.svc.cluster.local.", "AAAA"));
  expect_answer(ask("_dns._udp.dual.conf.svc.cluster.local.", "AAAA"),
                {"_dns._udp.dual.conf.svc.cluster.local. 5 IN AAAA fd00:10:96::a02"});
}

TEST(KubernetesDns_2_3_2, SrvAtAnEndpoint) {
  const Message response = ask("pet.web.conf.svc.cluster.local.", "SRV");
  expect_answer(response, {"pet.web.conf.svc.cluster.local. 5 IN SRV 0 50 8080 "
                           "pet.web.conf.svc.cluster.local.",
                           "pet.web.conf.svc.cluster.local. 5 IN SRV 0 50 8443 "
                           "pet.web.conf.svc.cluster.local."});
  expect_additional(response, {"pet.web.conf.svc.cluster.local. 5 IN A 10.244.10.2"});
}

}  // namespace
}  // namespace clusterdns::test
