// Kubernetes DNS specification 1.1.0, section 2.3.1: A/AAAA Record of a Service with ClusterIP.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

TEST(KubernetesDns_2_3_1, A) {
  expect_answer(ask(svc("web")), {"web.conf.svc.cluster.local. 5 IN A 10.96.10.1"});
}

TEST(KubernetesDns_2_3_1, SameNameInAnotherNamespace) {
  expect_answer(ask(svc("web", "second")), {"web.second.svc.cluster.local. 5 IN A 10.96.20.1"});
}

TEST(KubernetesDns_2_3_1, IPv4OnlyHasNoAaaa) { expect_nodata(ask(svc("web"), "AAAA")); }

TEST(KubernetesDns_2_3_1, DualStackHasBoth) {
  expect_answer(ask(svc("dual"), "A"), {"dual.conf.svc.cluster.local. 5 IN A 10.96.10.2"});
  expect_answer(ask(svc("dual"), "AAAA"),
                {"dual.conf.svc.cluster.local. 5 IN AAAA fd00:10:96::a02"});
}

TEST(KubernetesDns_2_3_1, IPv6Only) {
  expect_answer(ask(svc("v6only"), "AAAA"),
                {"v6only.conf.svc.cluster.local. 5 IN AAAA fd00:10:96::a03"});
  expect_nodata(ask(svc("v6only"), "A"));
}

TEST(KubernetesDns_2_3_1, NodePortIsItsClusterIP) {
  expect_answer(ask(svc("nodeport")), {"nodeport.conf.svc.cluster.local. 5 IN A 10.96.10.6"});
}

TEST(KubernetesDns_2_3_1, LoadBalancerIsItsClusterIP) {
  expect_answer(ask(svc("lb")), {"lb.conf.svc.cluster.local. 5 IN A 10.96.10.7"});
}

TEST(KubernetesDns_2_3_1, ExternalIPsAreNotInTheClusterZone) {
  expect_answer(ask(svc("external-ips")),
                {"external-ips.conf.svc.cluster.local. 5 IN A 10.96.10.10"});
}

TEST(KubernetesDns_2_3_1, EndpointsDoNotMatter) {
  expect_answer(ask(svc("no-endpoints")),
                {"no-endpoints.conf.svc.cluster.local. 5 IN A 10.96.10.9"});
}

TEST(KubernetesDns_2_3_1, SeveralPortsAreOneAddress) {
  expect_answer(ask(svc("many-ports")), {"many-ports.conf.svc.cluster.local. 5 IN A 10.96.10.8"});
}

TEST(KubernetesDns_2_3_1, LongestServiceName) {
  const std::string name(63, 'l');
  expect_answer(ask(svc(name)), {svc(name) + " 5 IN A 10.96.10.11"});
  expect_nxdomain(ask(svc(name.substr(1))));
}

TEST(KubernetesDns_2_3_1, NamespaceAndServiceNamedLikeSchemaLabels) {
  expect_answer(ask("pod.svc.svc.cluster.local."),
                {"pod.svc.svc.cluster.local. 5 IN A 10.96.30.1"});
  expect_nodata(ask("svc.svc.cluster.local."));
  expect_nxdomain(ask("svc.svc.svc.cluster.local."));
}

TEST(KubernetesDns_2_3_1, UnknownServiceAndNamespace) {
  expect_nxdomain(ask(svc("nothing")));
  expect_nxdomain(ask(svc("web", "nowhere")));
  expect_nxdomain(ask(svc("web", "empty")));
}

// Endpoints of ClusterIP services have names too: the hostname or the dashed address.
TEST(KubernetesDns_2_3_1, EndpointsOfClusterIPServices) {
  expect_answer(ask("pet.web.conf.svc.cluster.local."),
                {"pet.web.conf.svc.cluster.local. 5 IN A 10.244.10.2"});
  expect_answer(ask("10-244-10-1.web.conf.svc.cluster.local."),
                {"10-244-10-1.web.conf.svc.cluster.local. 5 IN A 10.244.10.1"});
  expect_answer(ask("fd00-10-244--a21.dual.conf.svc.cluster.local.", "AAAA"),
                {"fd00-10-244--a21.dual.conf.svc.cluster.local. 5 IN AAAA fd00:10:244::a21"});
  expect_nodata(ask("fd00-10-244--a21.dual.conf.svc.cluster.local.", "A"));
}

TEST(KubernetesDns_2_3_1, AnEndpointHasOneName) {
  expect_nxdomain(ask("10-244-10-2.web.conf.svc.cluster.local."));
}

TEST(KubernetesDns_2_3_1, UnreadyEndpointsHaveNone) {
  expect_nxdomain(ask("unready-pet.web.conf.svc.cluster.local."));
  expect_nxdomain(ask("10-244-10-3.web.conf.svc.cluster.local."));
}

}  // namespace
}  // namespace clusterdns::test
