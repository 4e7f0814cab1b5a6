#include "registry/gateways/checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/unit/registry/gateways/manifests.h"
#include "tests/unit/registry/manifests/manifest_fixture.h"

namespace clusterdns::registry::gateways {
namespace {

using namespace testing_support;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

std::vector<Finding> findings(const std::string& text, const CheckSettings& settings = {}) {
  const TestCluster cluster(text);
  for (const std::string& problem : cluster.diagnostics) {
    // The source says these by itself, too.
    if (problem.find("no pod that it selects has") == std::string::npos &&
        problem.find("no pod has the labels") == std::string::npos) {
      ADD_FAILURE() << problem;
    }
  }
  return check(cluster.store, settings);
}

// `code object severity`, each once.
std::set<std::string> codes(const std::string& text, const CheckSettings& settings = {}) {
  std::set<std::string> result;
  for (const Finding& finding : findings(text, settings)) {
    result.insert(finding.code + " " + finding.object.kind + " " + finding.object.key.ns + "/" +
                  finding.object.key.name + " " + to_string(finding.severity));
    EXPECT_FALSE(finding.text.empty());
    EXPECT_FALSE(finding.fix.empty()) << finding.code;
  }
  return result;
}

// The one finding of that code.
Finding only(const std::string& code, const std::string& text) {
  std::vector<Finding> found;
  for (Finding& finding : findings(text)) {
    if (finding.code == code) found.push_back(std::move(finding));
  }
  if (found.size() != 1) ADD_FAILURE() << found.size() << " findings of " << code;
  return found.empty() ? Finding{} : found.front();
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

const std::string kGood = documents(kIngressGateway, kWildcard);
const std::string kGoodBackend = documents(kIngressGateway, kBackendCom);

TEST(Checks, NothingIsWrongWithWhatIsRight) {
  EXPECT_THAT(codes(kGood), IsEmpty());
  EXPECT_THAT(codes(kGoodBackend), IsEmpty());
  EXPECT_THAT(codes(documents(kIngressGateway, kAnyHost)),
              UnorderedElementsAre("any-host VirtualService default/python-www info"));
  CheckSettings any;
  any.plan.any_zones = {"dev.example"};
  EXPECT_THAT(codes(documents(kIngressGateway, kAnyHost), any), IsEmpty());
}

TEST(Checks, GatewayService) {
  const std::string bad = replaced(kGood, "selector: {istio: ingressgateway}\n  servers",
                                   "selector: {istio: ingress}\n  servers");
  EXPECT_THAT(codes(bad), UnorderedElementsAre(
                              "gateway-service Gateway istio-system/my-ingress-gateway error"));
  EXPECT_THAT(only("gateway-service", bad).fix, HasSubstr("istio-system/istio-ingressgateway"));
  CheckSettings with_option;
  with_option.ingress = {*IpAddress::parse("127.0.0.1")};
  EXPECT_THAT(codes(bad, with_option), IsEmpty());
}

TEST(Checks, GatewayAddress) {
  const std::string bad = documents(kPendingGateway, kWildcard);
  EXPECT_THAT(codes(bad), UnorderedElementsAre(
                              "gateway-address Gateway istio-system/my-ingress-gateway error"));
  EXPECT_THAT(only("gateway-address", bad).fix, HasSubstr("--ingress"));
}

TEST(Checks, NoRoute) {
  EXPECT_THAT(codes(documents(kIngressGateway, kExampleCom)),
              UnorderedElementsAre("no-route Gateway istio-system/example-gateway error"));
  // Of a Gateway with two hosts the one that nobody routes; a wildcard has something below it.
  const std::string two = replaced(kGood, "hosts: [\"*.example.com\"]",
                                   "hosts: [\"*.example.com\", lonely.example.org]");
  EXPECT_EQ(only("no-route", two).host, "lonely.example.org");
}

TEST(Checks, NotAccepted) {
  const std::string bad = replaced(kGood, "hosts: [shop.example.com]", "hosts: [shop.example.org]");
  EXPECT_THAT(codes(bad), UnorderedElementsAre("not-accepted VirtualService team-b/shop error"));
  // A short host is completed, at gateways too.
  const std::string gateway = replaced(kGoodBackend, "hosts: [\"*.backend.com\"]",
                                       "hosts: [\"*.backend.com\", python-www]");
  const std::string shorter = replaced(gateway, "hosts: [api.backend.com, www.backend.com]",
                                       "hosts: [api.backend.com, www.backend.com, python-www]");
  EXPECT_THAT(only("not-accepted", shorter).fix,
              HasSubstr("completes 'python-www' to 'python-www.default.svc.cluster.local'"));
}

TEST(Checks, GatewayMissing) {
  const std::string bad = replaced(kGood, "gateways: [istio-system/my-ingress-gateway]",
                                   "gateways: [my-ingress-gateway]");
  EXPECT_THAT(codes(bad), UnorderedElementsAre("gateway-missing VirtualService team-a/api error"));
  EXPECT_THAT(only("gateway-missing", bad).fix, HasSubstr("'istio-system/my-ingress-gateway'"));
  const std::string slip = replaced(kGood, "gateways: [istio-system/my-ingress-gateway]",
                                    "gateways: [istio-system/my-ingres-gateway]");
  EXPECT_THAT(only("gateway-missing", slip).fix, HasSubstr("Did you mean"));
}

TEST(Checks, GatewayNamespace) {
  std::string bad =
      replaced(kGood, "hosts: [\"*.example.com\"]", "hosts: [\"team-a/*.example.com\"]");
  bad = replaced(bad, "hosts: [\"*.example.com\"]", "hosts: [\"team-a/*.example.com\"]");
  EXPECT_THAT(codes(bad),
              UnorderedElementsAre("gateway-namespace VirtualService team-b/shop error"));
  const std::string exported =
      replaced(kGood, "hosts: [shop.example.com]", "hosts: [shop.example.com]\n  exportTo: ['.']");
  EXPECT_THAT(codes(exported),
              UnorderedElementsAre("gateway-namespace VirtualService team-b/shop error"));
}

TEST(Checks, MeshOnly) {
  const std::string mesh = replaced(kGood, "  gateways: [istio-system/my-ingress-gateway]\n", "");
  EXPECT_THAT(codes(mesh), Contains("mesh-only VirtualService team-a/api warning"));
  // Not for hosts that are Services.
  const std::string service = replaced(mesh, "hosts: [api.example.com]", "hosts: [api]");
  EXPECT_THAT(codes(service), Not(Contains("mesh-only VirtualService team-a/api warning")));
}

TEST(Checks, DestinationMissing) {
  const std::string bad =
      replaced(kGoodBackend, "destination: {host: server,", "destination: {host: serve,");
  EXPECT_THAT(codes(bad),
              UnorderedElementsAre("destination-missing VirtualService default/backend error"));
  EXPECT_THAT(only("destination-missing", bad).fix, HasSubstr("did you mean 'server'?"));
  // Only names without a dot are completed.
  const std::string dotted =
      replaced(kGood, "host: shop.team-b.svc.cluster.local", "host: shop.team-b");
  EXPECT_THAT(only("destination-missing", dotted).fix,
              HasSubstr("'shop.team-b.svc.cluster.local'"));
  const std::string elsewhere = replaced(kGood, "host: shop.team-b.svc.cluster.local", "host: api");
  EXPECT_THAT(only("destination-missing", elsewhere).fix, HasSubstr("'team-a'"));
  // A ServiceEntry's host is registered.
  const std::string entry = documents(
      replaced(kGood, "host: shop.team-b.svc.cluster.local", "host: shop.partner.example"),
      "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: e}\nspec: {hosts: "
      "['*.partner.example'], ports: [{number: 80, name: http}], resolution: NONE}\n");
  EXPECT_THAT(codes(entry), IsEmpty());
}

TEST(Checks, DestinationPort) {
  const std::string bad = replaced(kGoodBackend, "port: {number: 8080}", "port: {number: 8081}");
  EXPECT_THAT(codes(bad),
              UnorderedElementsAre("destination-port VirtualService default/backend error"));
  EXPECT_THAT(only("destination-port", bad).fix, HasSubstr("8080 (http)"));
}

TEST(Checks, Subsets) {
  const std::string good = documents(kIngressGateway, kAnyHost);
  EXPECT_THAT(codes(replaced(good, "subset: v2}, weight", "subset: v3}, weight")),
              Contains("subset-missing VirtualService default/python-www error"));
  const std::string empty =
      replaced(good, "{name: v2, labels: {version: v2}}", "{name: v2, labels: {version: v9}}");
  EXPECT_THAT(codes(empty), Contains("subset-empty VirtualService default/python-www error"));
}

TEST(Checks, DuplicateHost) {
  const std::string bad = replaced(kGood, "hosts: [shop.example.com]", "hosts: [api.example.com]");
  const Finding finding = only("duplicate-host", bad);
  EXPECT_EQ(finding.severity, Severity::Warning);
  EXPECT_EQ(finding.object.key, (ObjectKey{"team-b", "shop"}));
  EXPECT_THAT(finding.text, HasSubstr("team-a/api"));
}

TEST(Checks, ProtocolName) {
  const std::string bad = replaced(kGoodBackend, "ports: [{name: http, port: 8080}]",
                                   "ports: [{name: tcp-api, port: 8080}]");
  EXPECT_THAT(codes(bad),
              UnorderedElementsAre("protocol-name VirtualService default/backend warning"));
  for (const char* name : {"http2-api", "grpc-web", "api"}) {
    EXPECT_THAT(codes(replaced(kGoodBackend, "ports: [{name: http, port: 8080}]",
                               "ports: [{name: " + std::string(name) + ", port: 8080}]")),
                IsEmpty());
  }
}

TEST(Checks, Weights) {
  const std::string bad =
      replaced(documents(kIngressGateway, kAnyHost), "weight: 50", "weight: 40");
  EXPECT_THAT(codes(bad), Contains("weights VirtualService default/python-www info"));
}

TEST(Checks, TlsRoute) {
  const std::string tls =
      replaced(kGood, "http: [{route: [{destination: {host: api, port: {number: 80}}}]}]",
               "tls: [{match: [{sniHosts: [api.example.com]}], route: [{destination: {host: api, "
               "port: {number: 80}}}]}]");
  EXPECT_THAT(codes(tls), Contains("tls-route VirtualService team-a/api warning"));
  const std::string passthrough =
      replaced(kGood, "tls: {mode: SIMPLE, credentialName: wildcard}", "tls: {mode: PASSTHROUGH}");
  EXPECT_THAT(codes(passthrough), Contains("tls-route VirtualService team-a/api warning"));
}

TEST(Checks, NoEndpointsSaysWhichLabelDiffers) {
  const std::string bad = replaced(kGoodBackend, "labels: {app: web}", "labels: {app: webb}");
  EXPECT_THAT(codes(bad), UnorderedElementsAre("no-endpoints Service default/web error"));
  EXPECT_THAT(only("no-endpoints", bad).text, HasSubstr("app=webb, not app=web"));
  // Nobody routes to it, and it is not headless: it has its cluster IP.
  EXPECT_THAT(codes("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {selector: {a: b}, "
                    "ports: [{port: 80}]}\n"),
              IsEmpty());
}

TEST(Checks, NotReady) {
  const std::string bad = replaced(
      kGoodBackend, "metadata: {name: web, namespace: default, labels: {app: web}}",
      "status: {phase: Pending}\nmetadata: {name: web, namespace: default, labels: {app: web}}");
  EXPECT_THAT(codes(bad), UnorderedElementsAre("not-ready Service default/web error"));
}

TEST(Checks, TargetPort) {
  const std::string named = replaced(kGoodBackend, "ports: [{name: http, port: 8080}]",
                                     "ports: [{name: http, port: 8080, targetPort: web}]");
  EXPECT_THAT(codes(named), UnorderedElementsAre("target-port Service default/server error"));
  const std::string number = replaced(kGoodBackend, "ports: [{name: http, port: 8080}]",
                                      "ports: [{name: http, port: 8080, targetPort: 9090}]");
  EXPECT_THAT(codes(number), UnorderedElementsAre("target-port Service default/server info"));
}

// "If both are defined, appProtocol takes precedence over the port name." (Istio, protocol
// selection)
TEST(Checks, AppProtocolGoesBeforeThePortsName) {
  const auto warned = [](const std::string& port, bool http = true) {
    const std::string text = replaced(kGoodBackend, "ports: [{name: http, port: 8080}]",
                                      "ports: [{" + port + ", port: 8080}]");
    const std::string rule = "  http:\n    - match: [{uri: {prefix: /api}}]\n      route";
    const auto found = findings(http ? text : replaced(text, rule, "  tcp:\n    - route"));
    for (const Finding& finding : found) {
      if (finding.code == "protocol-name" && finding.text.find("8080") != std::string::npos) {
        return finding.text;
      }
    }
    return std::string();
  };
  EXPECT_EQ(warned("name: tcp-x, appProtocol: http"), "");
  EXPECT_EQ(warned("name: tcp-x, appProtocol: HTTP"), "");
  EXPECT_EQ(warned("name: tcp-x, appProtocol: kubernetes.io/h2c"), "");
  EXPECT_EQ(warned("name: tcp-x, appProtocol: kubernetes.io/ws"), "");
  // What Istio does not know it looks at.
  EXPECT_EQ(warned("name: tcp-x, appProtocol: example.com/own"), "");
  EXPECT_EQ(
      warned("name: http, appProtocol: tcp"),
      "an 'http' rule leads to port 8080 of Service default/server, which Istio takes for tcp "
      "by its appProtocol 'tcp'");
  EXPECT_NE(warned("name: http, appProtocol: kubernetes.io/wss"), "");
  EXPECT_EQ(
      warned("name: tcp-x"),
      "an 'http' rule leads to port 8080 of Service default/server, which Istio takes for tcp "
      "by its name 'tcp-x'");
  EXPECT_EQ(
      warned("name: tcp-x, appProtocol: kubernetes.io/h2c", false),
      "a 'tcp' rule leads to port 8080 of Service default/server, which Istio takes for http2 "
      "by its appProtocol 'kubernetes.io/h2c'");
}

std::string external(const std::string& name, const std::string& target) {
  return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name +
         "}\nspec: {type: ExternalName, externalName: " + target + "}\n";
}

TEST(Checks, ExternalNames) {
  EXPECT_THAT(codes(external("a", "db.example.com")), IsEmpty());
  EXPECT_THAT(codes(documents(external("a", "b.default.svc.cluster.local"),
                              external("b", "a.default.svc.cluster.local"))),
              UnorderedElementsAre("external-loop Service default/a error",
                                   "external-loop Service default/b error"));
  EXPECT_THAT(codes(external("a", "nothing.default.svc.cluster.local")),
              UnorderedElementsAre("external-target Service default/a error"));
  // `svc` was forgotten.
  EXPECT_THAT(codes(external("a", "b.default.cluster.local")),
              UnorderedElementsAre("external-target Service default/a error"));
  EXPECT_THAT(codes(external("a", "10-1-2-3.default.pod.cluster.local")), IsEmpty());
  const TestCluster address(external("a", "192.0.2.1"));
  const auto found = check(address.store, {});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].code, "external-target");
}

// As pods would complete them; an alias is never completed.
TEST(Checks, ExternalNamesThatAreShortNamesOfServices) {
  const std::string web =
      "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: team}\nspec: {ports: "
      "[{port: "
      "80}]}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: near}\nspec: {ports: [{port: "
      "80}]}\n";
  const auto found = [&](const std::string& target) {
    return only("external-target", documents(web, external("a", target)));
  };
  for (const std::string target : {"web.team", "web.team.svc", "web.team.svc."}) {
    EXPECT_EQ(found(target).fix, "Write 'web.team.svc.cluster.local'") << target;
    EXPECT_EQ(found(target).severity, Severity::Error);
  }
  EXPECT_EQ(found("near").fix, "Write 'near.default.svc.cluster.local'");
  EXPECT_EQ(found("web.default.svc").fix,
            "Name a Service that exists: a Service 'web' is in namespace 'team'");
  // Names of the world.
  for (const std::string target :
       {"web.example", "web", "db.example.com", "team.web", "localhost"}) {
    EXPECT_THAT(codes(documents(web, external("a", target))), IsEmpty()) << target;
  }
}

TEST(Checks, AServerThatOnlyRedirectsNeedsNoVirtualService) {
  const std::string redirects =
      replaced(std::string(kExampleCom), "protocol: HTTP}\n      hosts",
               "protocol: HTTP}\n      tls: {httpsRedirect: true}\n      hosts");
  const std::string https = redirects.substr(0, redirects.find("    - port: {number: 443")) +
                            redirects.substr(redirects.find("    - port: {number: 80"));
  EXPECT_THAT(codes(documents(kIngressGateway, https)), IsEmpty());
  // What it is sent to is accepted, and not routed.
  EXPECT_THAT(codes(documents(kIngressGateway, redirects)),
              UnorderedElementsAre("no-route Gateway istio-system/example-gateway error"));
  EXPECT_THAT(
      codes(documents(kIngressGateway, replaced(https, "httpsRedirect: true", "mode: SIMPLE"))),
      UnorderedElementsAre("no-route Gateway istio-system/example-gateway error"));
}

// Where there is no pod at all nobody says that it is the namespace's fault.
TEST(Checks, WithoutAnyPodTheyMayBeForbidden) {
  const std::string service =
      "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {clusterIP: None, selector: {app: "
      "a}}\n";
  EXPECT_THAT(
      only("no-endpoints", service).text,
      HasSubstr("no pod of any namespace is known: there is none, or they may not be read"));
  const std::string pod =
      "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: other}\nspec: {containers: "
      "[{name: c}]}\n";
  EXPECT_THAT(only("no-endpoints", documents(service, pod)).text,
              HasSubstr("namespace 'default' has no pods"));
  const std::string node_port =
      replaced(std::string(kPendingGateway), "type: LoadBalancer", "type: NodePort");
  EXPECT_THAT(only("gateway-address", documents(node_port, kExampleCom)).text,
              HasSubstr("no pod is known: there is none, or pods may not be read"));
  EXPECT_THAT(only("gateway-address", documents(node_port, kExampleCom, pod)).text,
              HasSubstr("has no address outside the cluster"));
}

TEST(Checks, IngressAndGatewayApi) {
  const std::string text = R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i}
spec:
  rules:
    - host: a.example
      http: {paths: [{backend: {service: {name: missing, port: {number: 80}}}}]}
    - host: b.example
      http: {paths: [{backend: {service: {name: web, port: {name: nope}}}}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: infra}
spec:
  gatewayClassName: c
  listeners:
    - {name: web, port: 80, protocol: HTTP, hostname: "*.example.com"}
    - {name: lonely, port: 80, protocol: HTTP, hostname: lonely.example.org}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: other-namespace, namespace: team}
spec: {parentRefs: [{name: gw, namespace: infra}], hostnames: [a.example.com]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: good, namespace: infra}
spec: {parentRefs: [{name: gw}], hostnames: [b.example.com]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: other-host, namespace: infra}
spec: {parentRefs: [{name: gw}], hostnames: [b.example.net]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: no-gateway, namespace: team}
spec: {parentRefs: [{name: gw}], hostnames: [b.example.com]}
)";
  EXPECT_THAT(codes(text),
              UnorderedElementsAre("destination-missing Ingress default/i error",
                                   "destination-port Ingress default/i error",
                                   "gateway-address Gateway infra/gw error",
                                   "no-route Gateway infra/gw error",
                                   "gateway-namespace HTTPRoute team/other-namespace error",
                                   "not-accepted HTTPRoute infra/other-host error",
                                   "gateway-missing HTTPRoute team/no-gateway error"));
}

TEST(Checks, AFaultOfAnIngressNamesItsHosts) {
  const auto ingress = [](const std::string& b, const std::string& more = "") {
    return "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i}\nspec:\n" + more +
           "  rules:\n"
           "    - host: a.example\n"
           "      http: {paths: [{backend: {service: {name: missing, port: {number: 80}}}}]}\n"
           "    - host: b.example\n"
           "      http: {paths: [{backend: {service: {name: " +
           b +
           ", port: {number: 80}}}}]}\n"
           "status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}\n---\n"
           "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n";
  };
  const Finding one = only("destination-missing", ingress("web"));
  EXPECT_EQ(one.host, "a.example");
  EXPECT_EQ(one.text, "for host 'a.example': there is no Service default/missing");
  // All of them have it.
  const Finding both = only("destination-missing", ingress("missing"));
  EXPECT_EQ(both.host, "");
  EXPECT_EQ(both.text, "there is no Service default/missing");
  const Finding rest =
      only("destination-port",
           ingress("web", "  defaultBackend: {service: {name: web, port: {number: 81}}}\n"));
  EXPECT_EQ(rest.host, "*");
  EXPECT_EQ(rest.text, "for every other host: port 81 is not a port of Service default/web");
}

// A Gateway of the Gateway API with these listeners, at an address.
std::string api_gateway(const std::string& listeners) {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw, namespace: "
         "infra}\nspec:\n  gatewayClassName: c\n  addresses: [{value: 192.0.2.1}]\n  listeners:\n" +
         listeners;
}
std::string http_route(const std::string& ns, const std::string& spec) {
  return "\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r, "
         "namespace: " +
         ns + "}\nspec: " + spec + "\n";
}

// The reason is that of the listener with the hostname, whatever the others would take.
TEST(Checks, TheListenerThatComesNearestSaysWhyARouteIsNotTaken) {
  const std::string route = http_route(
      "team", "{parentRefs: [{name: gw, namespace: infra}], hostnames: [a.example.com]}");
  const std::string other =
      "    - {name: other, port: 80, protocol: HTTP, hostname: b.example.com, allowedRoutes: "
      "{namespaces: {from: All}}}\n";
  const auto refusal = [&](const std::string& listener) {
    std::vector<Finding> found;
    for (Finding& finding : findings(api_gateway(other + listener) + route)) {
      if (finding.object.kind == "HTTPRoute") found.push_back(std::move(finding));
    }
    EXPECT_EQ(found.size(), 1U);
    return found.empty() ? "" : found.front().code + ": " + found.front().text;
  };
  EXPECT_EQ(
      refusal("    - {name: mine, port: 80, protocol: HTTP, hostname: a.example.com}\n"),
      "gateway-namespace: allowedRoutes of listener 'mine' of Gateway infra/gw keeps routes of "
      "namespace 'team' out");
  EXPECT_EQ(
      refusal("    - {name: mine, port: 443, protocol: TLS, hostname: a.example.com}\n"),
      "not-accepted: listener 'mine' of Gateway infra/gw is not for HTTPRoutes: its protocol is "
      "TLS");
  EXPECT_EQ(refusal("    - {name: mine, port: 80, protocol: HTTP, hostname: a.example.com, "
                    "allowedRoutes: {kinds: [{kind: GRPCRoute}], namespaces: {from: All}}}\n"),
            "not-accepted: listener 'mine' of Gateway infra/gw is not for HTTPRoutes: "
            "allowedRoutes.kinds leaves them out");
  // A listener of a protocol without hostnames is no nearer than one with another hostname.
  EXPECT_EQ(refusal("    - {name: mine, port: 5432, protocol: TCP}\n"),
            "not-accepted: no listener of Gateway infra/gw has a hostname for 'a.example.com'");
  EXPECT_EQ(refusal(""),
            "not-accepted: no listener of Gateway infra/gw has a hostname for 'a.example.com'");
  // Without false alarm: one listener that takes it is enough.
  const std::string same =
      "    - {name: same, port: 80, protocol: HTTP, hostname: a.example.com}\n"
      "    - {name: all, port: 443, protocol: HTTPS, hostname: a.example.com, allowedRoutes: "
      "{namespaces: {from: All}}}\n";
  EXPECT_THAT(codes(api_gateway(same) + route), IsEmpty());
}

TEST(Checks, EveryHostnameThatIsKeptOutIsTold) {
  const std::string text =
      api_gateway("    - {name: mine, port: 80, protocol: HTTP}\n") +
      http_route("team",
                 "{parentRefs: [{name: gw, namespace: infra}], hostnames: [a.example, b.example]}");
  std::set<std::string> hosts;
  for (const Finding& finding : findings(text)) {
    if (finding.code == "gateway-namespace") hosts.insert(finding.host);
  }
  EXPECT_THAT(hosts, UnorderedElementsAre("a.example", "b.example"));
}

TEST(Checks, AnyHostIsToldWhereNothingHasANameAndNowhereElse) {
  const std::string listeners =
      "    - {name: http, port: 80, protocol: HTTP}\n"
      "    - {name: https, port: 443, protocol: HTTPS, hostname: a.example.com}\n";
  // The route without hostnames is attached to the listener that has one.
  EXPECT_THAT(codes(api_gateway(listeners) +
                    http_route("infra", "{parentRefs: [{name: gw, sectionName: https}]}")),
              IsEmpty());
  EXPECT_THAT(codes(api_gateway(listeners) + http_route("infra", "{parentRefs: [{name: gw}]}")),
              IsEmpty());
  EXPECT_THAT(codes(api_gateway(listeners) +
                    http_route("infra",
                               "{parentRefs: [{name: gw, sectionName: http}], hostnames: "
                               "[a.example.com]}")),
              IsEmpty());
  EXPECT_THAT(codes(api_gateway("    - {name: http, port: 80, protocol: HTTP}\n") +
                    http_route("infra", "{parentRefs: [{name: gw, sectionName: http}]}")),
              UnorderedElementsAre("any-host HTTPRoute infra/r info"));
  // Istio: hosts of VirtualServices at a Gateway for every host, and the other way round.
  const std::string any_gateway =
      replaced(replaced(kGood, "hosts: [\"*.example.com\"]", "hosts: [\"*\"]"),
               "hosts: [\"*.example.com\"]", "hosts: [\"*\"]");
  EXPECT_THAT(codes(any_gateway), IsEmpty());
  EXPECT_THAT(codes(replaced(kGood, "hosts: [shop.example.com]", "hosts: [\"*\"]")), IsEmpty());
  // An Ingress with a default backend has the hosts of its rules.
  const std::string ingress =
      "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i}\nspec:\n"
      "  defaultBackend: {service: {name: web, port: {number: 80}}}\n"
      "  rules: [{host: a.example}]\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}\n---\n"
      "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n";
  EXPECT_THAT(codes(ingress), IsEmpty());
  EXPECT_THAT(codes(replaced(ingress, "  rules: [{host: a.example}]\n", "")),
              UnorderedElementsAre("any-host Ingress default/i info"));
}

TEST(Checks, OneFindingForAGatewayThatIsNamedTwice) {
  const std::string twice =
      replaced(kGoodBackend, "gateways: [backend-gateway]",
               "gateways: [backend-gateway, default/backend-gateway, nowhere, default/nowhere]");
  EXPECT_EQ(findings(twice).size(), 1U);
  EXPECT_THAT(codes(twice),
              UnorderedElementsAre("gateway-missing VirtualService default/backend error"));
}

TEST(Checks, MirrorsAreDestinations) {
  const std::string rule = "route: [{destination: {host: web, port: {number: 80}}}]";
  EXPECT_THAT(codes(replaced(kGoodBackend, rule,
                             rule + "\n      mirror: {host: server, port: {number: 8080}}")),
              IsEmpty());
  EXPECT_THAT(codes(replaced(kGoodBackend, rule, rule + "\n      mirror: {host: copy}")),
              UnorderedElementsAre("destination-missing VirtualService default/backend error"));
  EXPECT_THAT(
      codes(replaced(kGoodBackend, rule,
                     rule + "\n      mirrors: [{destination: {host: web, port: {number: 81}}, "
                            "percentage: {value: 10}}]")),
      UnorderedElementsAre("destination-port VirtualService default/backend error"));
}

TEST(Checks, WhatWasMeantIsLookedForInTheNamespaceFirst) {
  const std::string other =
      replaced(std::string(kBackendCom), "metadata: {name: backend-gateway, namespace: default}",
               "metadata: {name: backend-gatewax, namespace: aaa}");
  const std::string text =
      documents(kIngressGateway, kBackendCom, other.substr(0, other.find("---")));
  EXPECT_EQ(only("gateway-missing",
                 replaced(text, "gateways: [backend-gateway]", "gateways: [backend-gatewa]"))
                .fix,
            "Did you mean 'default/backend-gateway'?");
  // Of nothing near in the namespace: where there is one.
  const std::string service =
      documents(text,
                "apiVersion: v1\nkind: Service\nmetadata: {name: payments, namespace: bank}\n"
                "spec: {ports: [{port: 80}]}");
  EXPECT_EQ(only("destination-missing", replaced(service, "host: web,", "host: payment,")).fix,
            "Name a Service that exists: did you mean 'payments', which is in namespace 'bank'?");
}

// TCPRoutes are not read: nothing can be said of a listener that is for them alone.
TEST(Checks, AListenerForRoutesThatAreNotRead) {
  const std::string listener =
      "    - {name: t, port: 5432, protocol: TLS, hostname: db.example.com, tls: {mode: "
      "Terminate}, "
      "allowedRoutes: {kinds: [{kind: TCPRoute}]}}\n";
  const auto has_no_route = [](const std::string& text) {
    const auto found = findings(documents(text));
    return std::any_of(found.begin(), found.end(),
                       [](const Finding& finding) { return finding.code == "no-route"; });
  };
  EXPECT_FALSE(has_no_route(api_gateway(listener)));
  EXPECT_TRUE(has_no_route(api_gateway(replaced(listener, "TCPRoute", "TLSRoute"))));
}

TEST(Checks, TheTwoGatewaysOfOneNameAreTwo) {
  std::set<std::string> groups;
  for (const Finding& finding : findings(
           documents(kExampleCom, replaced(api_gateway("    - {name: a, port: 80, protocol: HTTP, "
                                                       "hostname: a.example}\n"),
                                           "{name: gw, namespace: infra}",
                                           "{name: example-gateway, namespace: istio-system}")))) {
    groups.insert(finding.code + " " + finding.object.group);
  }
  EXPECT_THAT(groups, UnorderedElementsAre("gateway-service networking.istio.io",
                                           "no-route networking.istio.io",
                                           "no-route gateway.networking.k8s.io"));
}

TEST(Checks, NoFalseAlarmInTheExamples) {
  Store store;
  ManifestSource source(ManifestOptions{{CLUSTERDNS_SOURCE_DIR "/deploy/examples"}, {}}, store);
  EXPECT_THAT(texts(source.load()), IsEmpty());
  for (const Finding& finding : check(store, {})) {
    EXPECT_EQ(finding.severity, Severity::Info) << finding.code << ": " << finding.text;
  }
}

// VirtualServices that name no Gateway that is there.
std::string many_wrong() {
  std::string text = kGood;
  for (int i = 0; i < 100; ++i) {
    text += "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v" +
            std::to_string(i) +
            ", namespace: default}\nspec: {hosts: [a.example.com], gateways: [none]}\n";
  }
  return text;
}

TEST(ChecksTest, WhatMayBeFoundIsBounded) {
  const TestCluster cluster(many_wrong());
  const std::vector<Finding> all = check(cluster.store, {});
  ASSERT_GE(all.size(), 100U);
  CheckBounds enough{1'000'000, [] { return false; }};
  EXPECT_EQ(check(cluster.store, {}, &enough).size(), all.size());
  EXPECT_FALSE(enough.reached);
  CheckBounds few{3 * octets_of(all.front()), {}};
  EXPECT_LE(check(cluster.store, {}, &few).size(), 3U);
  EXPECT_TRUE(few.reached);
}

TEST(ChecksTest, ItEndsWhenItIsToldTo) {
  const TestCluster cluster(many_wrong());
  CheckBounds bounds;
  bounds.stop = [] { return true; };
  EXPECT_LT(check(cluster.store, {}, &bounds).size(), 50U);
  EXPECT_TRUE(bounds.reached);
}

}  // namespace
}  // namespace clusterdns::registry::gateways
