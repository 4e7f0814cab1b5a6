#include "registry/gateways/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/gateways/addresses.h"
#include "tests/unit/registry/gateways/manifests.h"
#include "tests/unit/registry/manifests/manifest_fixture.h"

namespace clusterdns::registry::gateways {
namespace {

using namespace testing_support;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// `host: Gateway ns/name addresses…`, or why it has none.
std::vector<std::string> plan_of(const TestCluster& cluster, const PlanOptions& options = {},
                                 const std::vector<IpAddress>& ingress = {}) {
  const Plan plan = make_plan(cluster.store, options);
  AddressFinder finder(cluster.store, ingress);
  std::vector<std::string> lines;
  for (const Claim& claim : plan.claims) {
    const Provider& provider = plan.providers[claim.provider];
    const Resolved resolved = finder.find(provider);
    std::string line = claim.host + (claim.one_label ? " (one label)" : "") + ": ";
    if (resolved.missing.empty()) line += describe(provider);
    for (const IpAddress& address : resolved.addresses) line += " " + address.to_string();
    if (!resolved.alias.empty()) line += " -> " + resolved.alias;
    lines.push_back(line + resolved.missing);
  }
  return lines;
}

std::vector<std::string> plan_of(const std::string& text, const PlanOptions& options = {},
                                 const std::vector<IpAddress>& ingress = {}) {
  const TestCluster cluster(text);
  EXPECT_THAT(cluster.diagnostics, IsEmpty());
  return plan_of(cluster, options, ingress);
}

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }

std::string istio(std::string_view hosts, std::string_view annotations = "{}",
                  std::string_view name = "gw",
                  std::string_view selector = "{istio: ingressgateway}") {
  return "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: " +
         std::string(name) + ", namespace: istio-system, annotations: " + std::string(annotations) +
         "}\nspec:\n  selector: " + std::string(selector) +
         "\n  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: " +
         std::string(hosts) + "}]\n";
}

std::string virtual_service(std::string_view hosts, std::string_view gateways,
                            std::string_view ns = "default", std::string_view more = "") {
  return "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: vs, "
         "namespace: " +
         std::string(ns) + "}\nspec: {hosts: " + std::string(hosts) +
         ", gateways: " + std::string(gateways) + std::string(more) + "}\n";
}

TEST(Plan, WhatPeopleWrite) {
  EXPECT_THAT(plan_of(documents(kIngressGateway, kExampleCom)),
              ElementsAre("example.com: Gateway istio-system/example-gateway 203.0.113.50"));
  EXPECT_THAT(
      plan_of(documents(kIngressGateway, kWildcard)),
      ElementsAre("*.example.com: Gateway istio-system/my-ingress-gateway 203.0.113.50",
                  "api.example.com: Gateway istio-system/my-ingress-gateway 203.0.113.50",
                  "shop.example.com: Gateway istio-system/my-ingress-gateway 203.0.113.50"));
  EXPECT_THAT(plan_of(documents(kIngressGateway, kAnyHost)), IsEmpty());
  PlanOptions any;
  any.any_zones = {"dev.example"};
  EXPECT_THAT(plan_of(documents(kIngressGateway, kAnyHost), any),
              ElementsAre("*.dev.example: Gateway default/python-gateway 203.0.113.50",
                          "dev.example: Gateway default/python-gateway 203.0.113.50"));
  EXPECT_THAT(plan_of(documents(kIngressGateway, kBackendCom)),
              ElementsAre("*.backend.com: Gateway default/backend-gateway 203.0.113.50",
                          "api.backend.com: Gateway default/backend-gateway 203.0.113.50",
                          "www.backend.com: Gateway default/backend-gateway 203.0.113.50"));
}

TEST(Plan, APendingLoadBalancerHasNoAddressButThoseOfItsPodsHosts) {
  const auto waits = plan_of(documents(kPendingGateway, kExampleCom));
  ASSERT_EQ(waits.size(), 1U);
  EXPECT_EQ(waits[0],
            "example.com: Gateway istio-system/example-gateway: Service "
            "istio-system/istio-ingressgateway waits for a load balancer's address");
  const std::string pod = R"(
apiVersion: v1
kind: Pod
metadata: {name: gw-1, namespace: istio-system, labels: {app: istio-ingressgateway, istio: ingressgateway}}
spec: {containers: [{name: proxy}]}
status: {hostIP: 172.18.0.3, phase: Running}
---
apiVersion: v1
kind: Pod
metadata: {name: gw-2, namespace: istio-system, labels: {app: istio-ingressgateway, istio: ingressgateway}}
spec: {containers: [{name: proxy}]}
status: {hostIP: 172.18.0.4, phase: Pending}
)";
  EXPECT_THAT(plan_of(documents(kPendingGateway, kExampleCom, pod)),
              ElementsAre("example.com: Gateway istio-system/example-gateway 172.18.0.3"));
  EXPECT_THAT(plan_of(documents(kPendingGateway, kExampleCom), {}, {ip("127.0.0.1")}),
              ElementsAre("example.com: Gateway istio-system/example-gateway 127.0.0.1"));
}

TEST(Plan, TheFirstAddressThatExists) {
  const std::string annotated =
      istio("[a.example]", "{external-dns.alpha.kubernetes.io/target: '192.0.2.9, 2001:db8::9'}");
  EXPECT_THAT(plan_of(documents(kIngressGateway, annotated)),
              ElementsAre("a.example: Gateway istio-system/gw 192.0.2.9 2001:db8::9"));
  EXPECT_THAT(plan_of(istio("[a.example]", "{external-dns.kubernetes.io/target: LB.example.net.}")),
              ElementsAre("a.example: Gateway istio-system/gw -> lb.example.net"));
  const std::string ingress = R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: front, namespace: web}
spec: {}
status: {loadBalancer: {ingress: [{ip: 192.0.2.20}]}}
)";
  const std::string by_ingress =
      istio("[a.example]", "{external-dns.alpha.kubernetes.io/ingress: web/front}");
  EXPECT_THAT(plan_of(documents(kIngressGateway, by_ingress, ingress)),
              ElementsAre("a.example: Gateway istio-system/gw 192.0.2.20"));
  EXPECT_THAT(plan_of(documents(kIngressGateway, by_ingress)),
              ElementsAre("a.example: Gateway istio-system/gw 203.0.113.50"));
  // externalIPs before the load balancer's; a plain ClusterIP adds nothing.
  const std::string more = R"(
apiVersion: v1
kind: Service
metadata: {name: another, namespace: other}
spec:
  type: LoadBalancer
  externalIPs: [198.51.100.7]
  selector: {istio: ingressgateway}
  ports: [{port: 80}]
status: {loadBalancer: {ingress: [{ip: 203.0.113.99}]}}
---
apiVersion: v1
kind: Service
metadata: {name: plain, namespace: other}
spec: {selector: {istio: ingressgateway}, ports: [{port: 80}]}
)";
  EXPECT_THAT(plan_of(documents(kIngressGateway, istio("[a.example]"), more)),
              ElementsAre("a.example: Gateway istio-system/gw 203.0.113.50 198.51.100.7"));
  // Without a selector: annotation and option only.
  EXPECT_THAT(
      plan_of(documents(kIngressGateway, istio("[a.example]", "{}", "gw", "{}"))),
      ElementsAre("a.example: Gateway istio-system/gw: has no selector and names no address"));
  EXPECT_THAT(plan_of(istio("[a.example]")),
              ElementsAre("a.example: Gateway istio-system/gw: no Service has its selector "
                          "istio=ingressgateway"));
}

TEST(Plan, AServiceThatSelectsAPodOfTheGateway) {
  const std::string text = R"(
apiVersion: v1
kind: Service
metadata: {name: edge, namespace: edge}
spec:
  type: LoadBalancer
  selector: {app: edge}
  ports: [{port: 80}]
status: {loadBalancer: {ingress: [{ip: 203.0.113.5}, {hostname: lb.example.net}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: edge, namespace: edge}
spec:
  selector: {matchLabels: {app: edge}}
  template:
    metadata: {labels: {app: edge, istio: ingressgateway}}
    spec: {containers: [{name: proxy}]}
)";
  EXPECT_THAT(plan_of(documents(istio("[a.example]"), text)),
              ElementsAre("a.example: Gateway istio-system/gw 203.0.113.5"));
}

TEST(Plan, ALoadBalancersNameIsAnAliasAndLocalhostIsNot) {
  const std::string balancer = R"(
apiVersion: v1
kind: Service
metadata: {name: edge, namespace: edge}
spec: {type: LoadBalancer, selector: {istio: ingressgateway}, ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{hostname: NAME}]}}
)";
  const auto with = [&](const std::string& name) {
    std::string text = balancer;
    text.replace(text.find("NAME"), 4, name);
    return plan_of(documents(istio("[a.example]"), text));
  };
  EXPECT_THAT(with("lb.example.net"),
              ElementsAre("a.example: Gateway istio-system/gw -> lb.example.net"));
  EXPECT_THAT(with("localhost"), ElementsAre("a.example: Gateway istio-system/gw 127.0.0.1 ::1"));
}

TEST(Plan, VirtualServicesNarrowTheirGateways) {
  const auto claims = [](const std::string& gateway, const std::string& service) {
    std::vector<std::string> hosts;
    const TestCluster cluster(documents(kIngressGateway, gateway, service));
    for (const Claim& claim : make_plan(cluster.store, {}).claims) hosts.push_back(claim.host);
    return hosts;
  };
  const std::string any = istio("['*']");
  EXPECT_THAT(claims(any, virtual_service("[a.example]", "[istio-system/gw]")),
              ElementsAre("a.example"));
  EXPECT_THAT(claims(any, virtual_service("['*.example']", "[istio-system/gw]")),
              ElementsAre("*.example"));
  // Either way round.
  EXPECT_THAT(claims(istio("[a.example, b.example, c.test]"),
                     virtual_service("['*.example']", "[istio-system/gw]")),
              ElementsAre("a.example", "b.example", "c.test"));
  // Only inside the mesh, or at no Gateway that is there.
  EXPECT_THAT(claims(any, virtual_service("[a.example]", "[]")), IsEmpty());
  EXPECT_THAT(claims(any, virtual_service("[a.example]", "[mesh]")), IsEmpty());
  EXPECT_THAT(claims(any, virtual_service("[a.example]", "[gw]")), IsEmpty());
  EXPECT_THAT(claims(any, virtual_service("[a.example]", "[gw]", "istio-system")),
              ElementsAre("a.example"));
  EXPECT_THAT(claims(istio("['*.test']"), virtual_service("[a.example]", "[istio-system/gw]")),
              ElementsAre("*.test"));
  // Short hosts are completed, at gateways too.
  EXPECT_THAT(claims(any, virtual_service("[python-www]", "[istio-system/gw]")),
              ElementsAre("python-www.default.svc.cluster.local"));
}

// As the gateway routes it: the most specific host, then the oldest object.
TEST(Plan, OfSeveralVirtualServicesTheOneThatRoutesBringsTheHost) {
  const auto named = [](std::string text, const std::string& name,
                        const std::string& created = "") {
    const std::size_t at = text.find("metadata: {name: ");
    const std::size_t end = text.find(',', at);
    return text.replace(at, end - at,
                        "metadata: {name: " + name +
                            (created.empty() ? "" : ", creationTimestamp: '" + created + "'"));
  };
  const auto brought = [](const std::string& text) {
    std::vector<std::string> result;
    const TestCluster cluster(text);
    for (const Claim& claim : make_plan(cluster.store, {}).claims) {
      result.push_back(claim.host + " " + claim.by->key.name);
    }
    return result;
  };
  const std::string gateway = istio("['*.example', shop.example]");
  const std::string wide = virtual_service("['*.example']", "[istio-system/gw]");
  const std::string narrow = virtual_service("[shop.example]", "[istio-system/gw]");
  EXPECT_THAT(brought(documents(gateway, named(wide, "a"), named(narrow, "b"))),
              ElementsAre("*.example a", "shop.example b"));
  EXPECT_THAT(brought(documents(gateway, named(wide, "b"), named(narrow, "a"))),
              ElementsAre("*.example b", "shop.example a"));
  EXPECT_THAT(brought(documents(gateway, named(narrow, "a", "2026-02-01T00:00:00Z"),
                                named(narrow, "b", "2026-01-01T00:00:00Z"))),
              ElementsAre("*.example gw", "shop.example b"));
}

TEST(Plan, NamesOfTheClusterAreNobodysHosts) {
  PlanOptions options;
  options.cluster_zones = {"cluster.local", "10.in-addr.arpa"};
  EXPECT_THAT(
      plan_of(documents(kIngressGateway, istio("[web.default.svc.cluster.local, '*.cluster.local', "
                                               "cluster.local, a.example, notcluster.local]")),
              options),
      ElementsAre("a.example: Gateway istio-system/gw 203.0.113.50",
                  "notcluster.local: Gateway istio-system/gw 203.0.113.50"));
}

TEST(Plan, WhoMayBind) {
  const auto claims = [](const std::string& hosts, const std::string& ns,
                         const std::string& more = "") {
    std::vector<std::string> result;
    const TestCluster cluster(
        documents(istio(hosts), virtual_service("[a.example]", "[istio-system/gw]", ns, more)));
    for (const Claim& claim : make_plan(cluster.store, {}).claims) result.push_back(claim.host);
    return result;
  };
  EXPECT_THAT(claims("['team/*']", "team"), ElementsAre("a.example"));
  EXPECT_THAT(claims("['team/*']", "other"), IsEmpty());
  EXPECT_THAT(claims("['./*']", "istio-system"), ElementsAre("a.example"));
  EXPECT_THAT(claims("['./*']", "team"), IsEmpty());
  EXPECT_THAT(claims("['*/*']", "team"), ElementsAre("a.example"));
  EXPECT_THAT(claims("['*']", "team", ", exportTo: ['.']"), IsEmpty());
  EXPECT_THAT(claims("['*']", "team", ", exportTo: [istio-system]"), ElementsAre("a.example"));
}

TEST(Plan, Ingresses) {
  const std::string text = R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: default}
spec:
  ingressClassName: nginx
  rules: [{host: WWW.example.com}, {host: "*.apps.example.com"}, {}]
status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: old, namespace: default, annotations: {kubernetes.io/ingress.class: haproxy}}
spec: {rules: [{host: old.example.com}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: none, namespace: default}
spec: {rules: [{host: none.example.com}]}
)";
  EXPECT_THAT(plan_of(text),
              ElementsAre("*.apps.example.com (one label): Ingress default/web 192.0.2.1",
                          "none.example.com: Ingress default/none: its status has no address yet",
                          "old.example.com: Ingress default/old: its status has no address yet",
                          "www.example.com: Ingress default/web 192.0.2.1"));
  PlanOptions nginx;
  nginx.classes = {"nginx"};
  EXPECT_THAT(plan_of(text, nginx, {ip("127.0.0.1")}),
              ElementsAre("*.apps.example.com (one label): Ingress default/web 192.0.2.1",
                          "none.example.com: Ingress default/none 127.0.0.1",
                          "www.example.com: Ingress default/web 192.0.2.1"));
}

std::string api_gateway(std::string_view listeners, std::string_view more = "") {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw, namespace: "
         "infra}\nspec: {gatewayClassName: c, listeners: " +
         std::string(listeners) + std::string(more) +
         "}\nstatus: {addresses: [{type: IPAddress, value: 192.0.2.7}]}\n";
}
std::string route(std::string_view hostnames,
                  std::string_view parent = "{name: gw, namespace: infra}",
                  std::string_view ns = "infra", std::string_view kind = "HTTPRoute",
                  std::string_view status = "{}") {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: " + std::string(kind) +
         "\nmetadata: {name: r, namespace: " + std::string(ns) + "}\nspec: {parentRefs: [" +
         std::string(parent) + "], hostnames: " + std::string(hostnames) +
         "}\nstatus: " + std::string(status) + "\n";
}

TEST(Plan, TheGatewayApi) {
  const auto hosts = [](const std::string& gateway, const std::string& its_route) {
    std::vector<std::string> result;
    const TestCluster cluster(documents(gateway, its_route));
    EXPECT_THAT(cluster.diagnostics, IsEmpty());
    for (const Claim& claim : make_plan(cluster.store, {}).claims) result.push_back(claim.host);
    return result;
  };
  const std::string http =
      api_gateway("[{name: web, port: 80, protocol: HTTP, hostname: '*.example.com'}]");
  EXPECT_THAT(plan_of(documents(http, route("[a.example.com]"))),
              ElementsAre("a.example.com: Gateway infra/gw 192.0.2.7"));
  EXPECT_THAT(hosts(http, route("[]")), ElementsAre("*.example.com"));
  EXPECT_THAT(hosts(http, route("['*.com']")), ElementsAre("*.example.com"));
  EXPECT_THAT(hosts(http, route("[other.test]")), IsEmpty());
  // A listener without a route does not answer.
  EXPECT_THAT(hosts(http, route("[]", "{name: other, namespace: infra}")), IsEmpty());
  EXPECT_THAT(hosts(http, route("[]", "{name: gw, namespace: infra, kind: Service, group: ''}")),
              IsEmpty());
  // sectionName and port.
  EXPECT_THAT(hosts(http, route("[]", "{name: gw, sectionName: web}")),
              ElementsAre("*.example.com"));
  EXPECT_THAT(hosts(http, route("[]", "{name: gw, sectionName: tls}")), IsEmpty());
  EXPECT_THAT(hosts(http, route("[]", "{name: gw, port: 443}")), IsEmpty());
  // Kinds by protocol.
  EXPECT_THAT(hosts(http, route("[]", "{name: gw}", "infra", "GRPCRoute")),
              ElementsAre("*.example.com"));
  EXPECT_THAT(hosts(http, route("[]", "{name: gw}", "infra", "TLSRoute")), IsEmpty());
  const std::string tls =
      api_gateway("[{name: t, port: 443, protocol: TLS, hostname: a.example.com}]");
  EXPECT_THAT(hosts(tls, route("[]", "{name: gw}", "infra", "TLSRoute")),
              ElementsAre("a.example.com"));
  EXPECT_THAT(hosts(tls, route("[]")), IsEmpty());
  // Namespaces: the same one, unless said otherwise.
  EXPECT_THAT(hosts(http, route("[]", "{name: gw, namespace: infra}", "team")), IsEmpty());
  const std::string all = api_gateway(
      "[{name: web, port: 80, protocol: HTTP, hostname: '*.example.com', allowedRoutes: "
      "{namespaces: "
      "{from: All}}}]");
  EXPECT_THAT(hosts(all, route("[]", "{name: gw, namespace: infra}", "team")),
              ElementsAre("*.example.com"));
  const std::string some = api_gateway(
      "[{name: web, port: 80, protocol: HTTP, hostname: '*.example.com', allowedRoutes: "
      "{namespaces: "
      "{from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: team}}}}}]");
  EXPECT_THAT(hosts(some, route("[]", "{name: gw, namespace: infra}", "team")),
              ElementsAre("*.example.com"));
  EXPECT_THAT(hosts(some, route("[]", "{name: gw, namespace: infra}", "other")), IsEmpty());
  const std::string grpc = api_gateway(
      "[{name: web, port: 80, protocol: HTTP, hostname: '*.example.com', allowedRoutes: {kinds: "
      "[{kind: GRPCRoute}]}}]");
  EXPECT_THAT(hosts(grpc, route("[]")), IsEmpty());
  // The controller's word.
  const auto says = [](const char* status) {
    return std::string(
               "{parents: [{parentRef: {name: gw}, conditions: [{type: Accepted, status: '") +
           status + "'}]}]}";
  };
  EXPECT_THAT(hosts(http, route("[]", "{name: gw}", "infra", "HTTPRoute", says("False"))),
              IsEmpty());
  EXPECT_THAT(hosts(http, route("[]", "{name: gw}", "infra", "HTTPRoute", says("True"))),
              ElementsAre("*.example.com"));
}

TEST(Plan, AddressesOfTheGatewayApi) {
  const std::string gateway =
      "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw, namespace: "
      "infra}\nspec: {gatewayClassName: c, listeners: [{name: web, port: 80, protocol: HTTP, "
      "hostname: a.example}]}\n";
  const std::string service = R"(
apiVersion: v1
kind: Service
metadata: {name: gw-c, namespace: infra, labels: {gateway.networking.k8s.io/gateway-name: gw}}
spec: {type: LoadBalancer, ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.44}]}}
)";
  EXPECT_THAT(plan_of(documents(gateway, route("[]"), service)),
              ElementsAre("a.example: Gateway infra/gw 192.0.2.44"));
  const auto none = plan_of(documents(gateway, route("[]")));
  ASSERT_EQ(none.size(), 1U);
  EXPECT_THAT(none[0], HasSubstr("its status has no address"));
}

TEST(Plan, ServicesAndServiceEntries) {
  const std::string text = R"(
apiVersion: v1
kind: Service
metadata:
  name: db
  namespace: default
  annotations: {external-dns.alpha.kubernetes.io/hostname: "db.example.com, *.db.example.com"}
spec: {type: LoadBalancer, ports: [{port: 5432}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.60}]}}
---
apiVersion: v1
kind: Service
metadata: {name: head, namespace: default, annotations: {external-dns.alpha.kubernetes.io/hostname: h.example.com}}
spec: {clusterIP: None}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: head-1, namespace: default, labels: {kubernetes.io/service-name: head}}
addressType: IPv4
endpoints: [{addresses: [10.244.0.9]}, {addresses: [10.244.0.10], conditions: {ready: false}}]
---
apiVersion: v1
kind: Service
metadata: {name: plain, namespace: default, annotations: {external-dns.alpha.kubernetes.io/hostname: p.example.com}}
spec: {ports: [{port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: e, namespace: default}
spec:
  hosts: [legacy.example.com, "*.legacy.example.com"]
  addresses: [192.0.2.70, 192.0.2.71/32, 198.51.100.0/24]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: s, namespace: default}
spec: {hosts: [static.example.com], resolution: STATIC, endpoints: [{address: 192.0.2.80}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: d, namespace: default}
spec: {hosts: [dns.example.com], resolution: DNS}
)";
  EXPECT_THAT(plan_of(text),
              ElementsAre("*.db.example.com: Service default/db 192.0.2.60",
                          "db.example.com: Service default/db 192.0.2.60",
                          "h.example.com: Service default/head 10.244.0.9",
                          "legacy.example.com: ServiceEntry default/e 192.0.2.70 192.0.2.71",
                          "static.example.com: ServiceEntry default/s 192.0.2.80"));
  PlanOptions only;
  only.sources = {false, false, false, false, true};
  EXPECT_EQ(plan_of(text, only).size(), 2U);
}

// Two tenants with a thousand wildcards each, of which each covers the other's: the work is
// bounded, and what is left out is told.
TEST(Plan, HostileNumbersAreBounded) {
  auto gateway = std::make_shared<IstioGateway>();
  gateway->key = {"a", "gw"};
  gateway->content = 1;
  auto& server = gateway->servers.emplace_back();
  for (int i = 0; i < 3000; ++i) server.hosts.push_back({"", "h" + std::to_string(i) + ".example"});
  Store store;
  store.gateways().put(gateway);
  auto service = std::make_shared<VirtualService>();
  service->key = {"a", "vs"};
  service->content = 1;
  service->gateways = {"gw"};
  for (int i = 0; i < 3000; ++i) service->hosts.emplace_back("*.example");
  store.gateways().put(service);
  const Plan plan = make_plan(store, {});
  EXPECT_GT(plan.left_out, 0U);
  EXPECT_LE(plan.claims.size(), kMaxClaims);
  EXPECT_GE(plan.claims.size(), 3000U);
}

TEST(Plan, HostsAreBoundedInNumber) {
  auto gateway = std::make_shared<IstioGateway>();
  gateway->key = {"a", "gw"};
  gateway->content = 1;
  auto& server = gateway->servers.emplace_back();
  for (std::size_t i = 0; i < kMaxClaims + 7; ++i) {
    server.hosts.push_back({"", "h" + std::to_string(i) + ".example"});
  }
  Store store;
  store.gateways().put(gateway);
  const Plan plan = make_plan(store, {});
  EXPECT_EQ(plan.claims.size(), kMaxClaims);
  EXPECT_EQ(plan.left_out, 7U);
}

}  // namespace
}  // namespace clusterdns::registry::gateways
