#include "registry/manifests/gateway_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/gateway_set.h"
#include "tests/unit/registry/gateways/manifests.h"
#include "tests/unit/registry/manifests/manifest_fixture.h"

namespace clusterdns::registry {
namespace {

using namespace testing_support;
using gateways::Kind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(GatewayReader, AGatewayAsPeopleWriteIt) {
  const TestCluster cluster(documents(kExampleCom, kAnyHost));
  EXPECT_THAT(cluster.diagnostics, IsEmpty());
  const auto* const gateway =
      cluster.store.gateways().find<gateways::IstioGateway>({"istio-system", "example-gateway"});
  ASSERT_NE(gateway, nullptr);
  EXPECT_EQ(gateway->selector, (Labels{{"istio", "ingressgateway"}}));
  ASSERT_EQ(gateway->servers.size(), 2U);
  EXPECT_EQ(gateway->servers[0].port, 443);
  EXPECT_EQ(gateway->servers[0].protocol, "HTTPS");
  EXPECT_EQ(gateway->servers[0].tls_mode, "SIMPLE");
  EXPECT_EQ(gateway->servers[0].hosts[0].host, "example.com");
  EXPECT_EQ(gateway->place.file, cluster.folder / "a.yaml");
  EXPECT_EQ(gateway->place.line, 2U);
  const auto* const service =
      cluster.store.gateways().find<gateways::VirtualService>({"default", "python-www"});
  ASSERT_NE(service, nullptr);
  ASSERT_EQ(service->rules.size(), 1U);
  EXPECT_EQ(service->rules[0].destinations[1].subset, "v2");
  EXPECT_EQ(service->rules[0].destinations[1].weight, 50);
}

TEST(GatewayReader, WhatIsBrokenIsToldWithItsPlaceAndTheRestGoesOn) {
  const TestCluster cluster(R"(
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: bad}
spec:
  servers:
    - hosts:
        - "exa mple.com"
        - shop.example.com
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: good}
spec:
  servers: [{hosts: [example.com]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: list}
spec: {hosts: example.com}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: typo}
spec: {hosts: [a.example], gatways: [good]}
)");
  ASSERT_EQ(cluster.diagnostics.size(), 3U);
  EXPECT_EQ(
      cluster.diagnostics[0],
      cluster.at("a.yaml",
                 "8:11: spec.servers[0].hosts[0]: 'exa mple.com' is left out: it is not a host "
                 "(a DNS name, `*.` and a DNS name, or `*` alone)"));
  EXPECT_THAT(cluster.diagnostics[1], HasSubstr("spec.hosts: must be a list"));
  EXPECT_THAT(cluster.diagnostics[2], HasSubstr("did you mean 'gateways'?"));
  EXPECT_EQ(cluster.store.gateways().size(), 3U);
  EXPECT_NE(cluster.store.gateways().find(Kind::IstioGateway, {"default", "good"}), nullptr);
  const auto* const bad = cluster.store.gateways().find<gateways::IstioGateway>({"default", "bad"});
  ASSERT_NE(bad, nullptr);
  ASSERT_EQ(bad->servers.at(0).hosts.size(), 1U);
  EXPECT_EQ(bad->servers[0].hosts[0].host, "shop.example.com");
}

TEST(GatewayReader, OfTwoGroupsThatHaveAKindOfTheSameName) {
  const TestCluster cluster(R"(
apiVersion: networking.istio.io/v1beta1
kind: Gateway
metadata: {name: gw}
spec: {servers: [{hosts: [a.example]}]}
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: Gateway
metadata: {name: gw}
spec: {listeners: [{name: l, port: 80, protocol: HTTP}]}
)");
  EXPECT_THAT(cluster.diagnostics, IsEmpty());
  EXPECT_NE(cluster.store.gateways().find(Kind::IstioGateway, {"default", "gw"}), nullptr);
  EXPECT_NE(cluster.store.gateways().find(Kind::Gateway, {"default", "gw"}), nullptr);
}

// Tells what changed, and nothing when a file is only written anew.
struct Listener final : StoreObserver {
  void on_commit(const Changes& changes) override { gateways += changes.gateways ? 1 : 0; }
  int gateways = 0;
};

TEST(GatewayReader, ChangesAreToldAndPlacesAreNone) {
  TestCluster cluster(documents(kExampleCom));
  Listener listener;
  cluster.store.add_observer(&listener);
  cluster.folder.write("a.yaml", "# moved down\n" + documents(kExampleCom));
  cluster.reload();
  EXPECT_EQ(listener.gateways, 0);
  EXPECT_EQ(cluster.store.gateways()
                .find(Kind::IstioGateway, {"istio-system", "example-gateway"})
                ->place.line,
            3U);
  std::string text = documents(kExampleCom);
  text.replace(text.find("example.com]"), 11, "example.org");
  cluster.folder.write("a.yaml", text);
  cluster.reload();
  EXPECT_EQ(listener.gateways, 1);
  std::filesystem::remove(cluster.folder / "a.yaml");
  cluster.reload();
  EXPECT_EQ(listener.gateways, 2);
  EXPECT_TRUE(cluster.store.gateways().empty());
  EXPECT_EQ(cluster.store.gateways().octets(), 0U);
  cluster.store.remove_observer(&listener);
}

TEST(GatewayReader, WhatServicesAndPodsHaveForGateways) {
  const TestCluster cluster(R"(
apiVersion: v1
kind: Service
metadata: {name: a, annotations: {external-dns.alpha.kubernetes.io/hostname: "A.example, b.example."}}
spec: {type: LoadBalancer, ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{hostname: LB.example.net}]}}
---
apiVersion: v1
kind: Service
metadata: {name: b}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {app: p}}
spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}, {containerPort: 9090}]}]}
status: {hostIP: 172.18.0.3, podIP: 10.244.0.9}
)");
  EXPECT_THAT(cluster.diagnostics, IsEmpty());
  const Service* const a = cluster.store.service({"default", "a"});
  ASSERT_TRUE(a->detail);
  EXPECT_THAT(a->detail->hosts, ElementsAre("a.example", "b.example"));
  EXPECT_THAT(a->detail->balancer_names, ElementsAre("lb.example.net"));
  EXPECT_FALSE(cluster.store.service({"default", "b"})->detail);
  const Pod* const pod = cluster.store.find<Pod>({"default", "p"});
  ASSERT_TRUE(pod->detail);
  EXPECT_THAT(texts(pod->detail->host_ips), ElementsAre("172.18.0.3"));
  EXPECT_THAT(pod->detail->numbers, ElementsAre(8080, 9090));
}

constexpr std::string_view kLongLabel =
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example.com";

// Annotations are any text, and what a controller has written into a status is nobody's mistake.
TEST(GatewayReader, OneBadNameOfAServiceIsLeftOut) {
  const TestCluster cluster(R"(
apiVersion: v1
kind: Service
metadata:
  name: a
  annotations:
    external-dns.alpha.kubernetes.io/hostname: "_acme.example.com, b.example.com"
    external-dns.alpha.kubernetes.io/target: "192.0.2.77,my_lb.example.com,lb.example.com"
spec: {type: LoadBalancer, clusterIP: 10.96.0.9, ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{hostname: )" +
                            std::string(kLongLabel) + R"(}, {hostname: elb.example.net}]}}
)");
  const Service* const a = cluster.store.service({"default", "a"});
  ASSERT_NE(a, nullptr);
  ASSERT_TRUE(a->detail);
  EXPECT_THAT(a->detail->hosts, ElementsAre("b.example.com"));
  EXPECT_THAT(texts(a->detail->target_ips), ElementsAre("192.0.2.77"));
  EXPECT_THAT(a->detail->target_names, ElementsAre("lb.example.com"));
  EXPECT_THAT(a->detail->balancer_names, ElementsAre("elb.example.net"));
  EXPECT_THAT(cluster.diagnostics,
              ElementsAre(HasSubstr("hostname: '_acme.example.com' is left out"),
                          HasSubstr("target: 'my_lb.example.com' is left out"),
                          HasSubstr("ingress[0].hostname: 'aaa")));
}

TEST(GatewayReader, OneBadHostCostsNoOther) {
  const TestCluster cluster(R"(
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [good.example.com, my_app.example.com, 10.0.0.0/24]
  gateways: [gw, "g w"]
  http: [{route: [{destination: {host: shop}, weight: 2000000}]}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, annotations: {external-dns.alpha.kubernetes.io/target: "192.0.2.77,a_b.x"}}
spec: {servers: [{hosts: ['*', a_b.example.com, "N S/c.example.com"]}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: entry}
spec: {hosts: [db.example.com, a_b.example.com], addresses: [192.0.2.9, lots]}
)");
  const auto& objects = cluster.store.gateways();
  const auto* const service = objects.find<gateways::VirtualService>({"default", "shop"});
  ASSERT_NE(service, nullptr);
  EXPECT_THAT(service->hosts, ElementsAre("good.example.com"));
  EXPECT_THAT(service->gateways, ElementsAre("gw"));
  // Istio's is an int32.
  EXPECT_EQ(service->rules.at(0).destinations.at(0).weight, 2'000'000);
  const auto* const gateway = objects.find<gateways::IstioGateway>({"default", "gw"});
  ASSERT_NE(gateway, nullptr);
  ASSERT_EQ(gateway->servers.at(0).hosts.size(), 1U);
  EXPECT_EQ(gateway->servers[0].hosts[0].host, "*");
  EXPECT_THAT(texts(gateway->targets.addresses), ElementsAre("192.0.2.77"));
  const auto* const entry = objects.find<gateways::ServiceEntry>({"default", "entry"});
  ASSERT_NE(entry, nullptr);
  EXPECT_THAT(entry->hosts, ElementsAre("db.example.com"));
  EXPECT_THAT(texts(entry->addresses), ElementsAre("192.0.2.9"));
  EXPECT_EQ(cluster.diagnostics.size(), 8U);
}

// Without a host a rule, a listener and a route stand for any: one that is left out must not.
TEST(GatewayReader, WhoseOnlyHostIsBadStandsForNone) {
  const std::string host(kLongLabel);
  const TestCluster cluster(R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
    - {host: )" + host + R"(}
    - {host: b.example.com}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  listeners:
    - {name: long, port: 80, protocol: HTTP, hostname: )" +
                            host + R"(}
    - {name: good, port: 80, protocol: HTTP, hostname: c.example.com}
status: {addresses: [{value: not_ok}, {value: 192.0.2.5}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: none}
spec: {parentRefs: [{name: gw}], hostnames: [)" +
                            host + R"(]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: one}
spec: {parentRefs: [{name: gw}], hostnames: [)" +
                            host + R"(, c.example.com]}
)");
  const auto& objects = cluster.store.gateways();
  const auto* const ingress = objects.find<gateways::Ingress>({"default", "web"});
  ASSERT_NE(ingress, nullptr);
  ASSERT_EQ(ingress->rules.size(), 1U);
  EXPECT_EQ(ingress->rules[0].host, "b.example.com");
  const auto* const gateway = objects.find<gateways::Gateway>({"default", "gw"});
  ASSERT_NE(gateway, nullptr);
  ASSERT_EQ(gateway->listeners.size(), 1U);
  EXPECT_EQ(gateway->listeners[0].hostname, "c.example.com");
  EXPECT_THAT(texts(gateway->status.addresses), ElementsAre("192.0.2.5"));
  const auto route = [&](const char* name) {
    return static_cast<const gateways::Route*>(objects.find(Kind::HttpRoute, {"default", name}));
  };
  ASSERT_NE(route("none"), nullptr);
  EXPECT_THAT(route("none")->parents, IsEmpty());
  ASSERT_NE(route("one"), nullptr);
  EXPECT_THAT(route("one")->hostnames, ElementsAre("c.example.com"));
  EXPECT_EQ(route("one")->parents.size(), 1U);
  EXPECT_EQ(cluster.diagnostics.size(), 5U);
}

TEST(GatewayReader, AWeightThatNoServerTakes) {
  const TestCluster cluster(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: a}
spec: {rules: [{backendRefs: [{name: s, weight: 1000001}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec: {hosts: [a.example], http: [{route: [{destination: {host: a}, weight: 2147483648}]}]}
)");
  EXPECT_THAT(cluster.diagnostics,
              ElementsAre(HasSubstr("1000001 is not within 0 to 1000000;"),
                          HasSubstr("2147483648 is not within 0 to 2147483647;")));
}

// extensions/v1beta1 was the first group of an Ingress; its backends are in the older form.
TEST(GatewayReader, AnIngressOfOldVersions) {
  for (const std::string version : {"extensions/v1beta1", "networking.k8s.io/v1beta1"}) {
    const TestCluster cluster("apiVersion: " + version + R"(
kind: Ingress
metadata: {name: web}
spec:
  backend: {serviceName: all, servicePort: 80}
  rules:
    - host: old.example.com
      http: {paths: [{backend: {serviceName: web, servicePort: http}}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.7}]}}
)");
    EXPECT_THAT(cluster.diagnostics, IsEmpty()) << version;
    const auto* const ingress =
        cluster.store.gateways().find<gateways::Ingress>({"default", "web"});
    ASSERT_NE(ingress, nullptr) << version;
    ASSERT_EQ(ingress->rules.size(), 2U);
    EXPECT_EQ(ingress->rules[0].backends.at(0).service.name, "all");
    EXPECT_EQ(ingress->rules[0].backends[0].port, 80);
    EXPECT_EQ(ingress->rules[1].host, "old.example.com");
    EXPECT_EQ(ingress->rules[1].backends.at(0).service.name, "web");
    EXPECT_EQ(ingress->rules[1].backends[0].port_name, "http");
    EXPECT_THAT(texts(ingress->status.addresses), ElementsAre("192.0.2.7"));
  }
}

}  // namespace
}  // namespace clusterdns::registry
