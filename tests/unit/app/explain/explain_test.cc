#include "app/explain/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include <boost/json/parse.hpp>

#include "app/commands/explain_name.h"
#include "app/commands/hosts.h"
#include "app/commands/route_asker.h"
#include "app/corefile/parser.h"
#include "app/explain/explanation_text.h"
#include "tests/unit/registry/gateways/manifests.h"
#include "tests/unit/registry/manifests/manifest_fixture.h"

namespace clusterdns::app {
namespace {

using namespace registry::testing_support;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

class Explain : public ::testing::Test {
 protected:
  // `option`: lines of the Corefile's `gateways`.
  void serve(const std::string& text, const std::string& option = "",
             const std::string& more = "") {
    folder_.write("a.yaml", text);
    const std::string corefile = ".:53 {\n    bind 127.0.0.1\n    gateways {\n" + option +
                                 "\n    }\n    kubernetes cluster.local in-addr.arpa ip6.arpa {\n"
                                 "        manifests " +
                                 folder_.path().native() + "\n        pods verified\n    }\n" +
                                 more + "    search\n}\n";
    server_ = std::make_unique<OfflineServer>(parse_corefile(corefile, "test"));
  }

  Explanation ask(const std::string& name, std::optional<std::string> ns = std::nullopt,
                  dns::RRType type = dns::RRType::A) {
    ExplainRequest request;
    request.name = name;
    request.ns = std::move(ns);
    request.type = type;
    return explain(server_->clusters(), *server_, request);
  }

  static std::set<std::string> codes(const Explanation& explanation) {
    std::set<std::string> result;
    for (const auto& finding : explanation.problems) {
      result.insert(finding.code + " " + finding.object.kind);
      EXPECT_FALSE(finding.fix.empty());
    }
    return result;
  }
  static std::vector<std::string> data(const Explanation& explanation) {
    std::vector<std::string> result;
    for (const auto& record : explanation.answer.records) result.push_back(record.data);
    return result;
  }
  // `role Kind ns/name`.
  static std::vector<std::string> objects(const Explanation& explanation) {
    std::vector<std::string> result;
    for (const auto& object : explanation.objects) {
      result.push_back(object.role + " " + object.kind + " " + object.key.ns + "/" +
                       object.key.name);
    }
    return result;
  }
  static std::string detail(const Explanation& explanation, const std::string& role,
                            const std::string& name) {
    for (const auto& object : explanation.objects) {
      if (object.role == role && object.key.name == name) return object.detail;
    }
    return "";
  }
  static std::string fix(const Explanation& explanation, const std::string& code) {
    for (const auto& finding : explanation.problems) {
      if (finding.code == code) return finding.fix;
    }
    return "";
  }

  ScratchFolder folder_;
  std::unique_ptr<OfflineServer> server_;
};

// Each name by the cluster that has it; a host of two is told.
TEST_F(Explain, SeveralClusters) {
  const auto cluster = [](const std::string& service, const std::string& address) {
    return "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
           "spec: {clusterIP: " +
           service +
           ", ports: [{port: 80}]}\n---\napiVersion: networking.k8s.io/v1\nkind: Ingress\n"
           "metadata: {name: shop}\nspec: {rules: [{host: shop.test}]}\n"
           "status: {loadBalancer: {ingress: [{ip: " +
           address + "}]}}\n";
  };
  ScratchFolder one, two;
  one.write("a.yaml", cluster("10.96.0.7", "192.0.2.1"));
  two.write("b.yaml", cluster("10.97.0.7", "192.0.2.2"));
  server_ = std::make_unique<OfflineServer>(parse_corefile(
      ".:53 {\n    bind 127.0.0.1\n    gateways\n    kubernetes one.test in-addr.arpa {\n"
      "        manifests " +
          one.path().native() +
          "\n        fallthrough in-addr.arpa\n    }\n    kubernetes two.test in-addr.arpa {\n"
          "        manifests " +
          two.path().native() + "\n    }\n    search default.svc.two.test\n}\n",
      "test"));
  const auto file = [](const Explanation& explanation) {
    return explanation.objects.empty() ? "" : explanation.objects.front().source;
  };
  EXPECT_THAT(file(ask("web.default.svc.one.test.")), HasSubstr("a.yaml:1"));
  EXPECT_THAT(file(ask("web.default.svc.two.test.")), HasSubstr("b.yaml:1"));
  EXPECT_THAT(file(ask("web")), HasSubstr("b.yaml:1")) << "by the search list";
  EXPECT_THAT(file(ask("10.96.0.7")), HasSubstr("a.yaml:1"));
  EXPECT_THAT(file(ask("10.97.0.7")), HasSubstr("b.yaml:1"));
  EXPECT_THAT(codes(ask("web.default.svc.two.test.")), Not(Contains("duplicate-host Ingress")));
  const Explanation shop = ask("shop.test.");
  EXPECT_THAT(data(shop), ElementsAre("192.0.2.1"));
  EXPECT_THAT(codes(shop), Contains("duplicate-host Ingress"));
}

TEST_F(Explain, AHostOfAGateway) {
  serve(documents(kIngressGateway, kWildcard));
  const Explanation shop = ask("Shop.example.com");
  EXPECT_EQ(shop.question, "Shop.example.com.");
  EXPECT_EQ(shop.answer.rcode, "NOERROR");
  EXPECT_EQ(shop.answer.stage, "gateways");
  EXPECT_THAT(data(shop), ElementsAre("203.0.113.50"));
  EXPECT_THAT(shop.tried, IsEmpty());  // an exact host wins over the search list
  EXPECT_THAT(codes(shop), IsEmpty());
  EXPECT_TRUE(shop.good());
  const auto chain = objects(shop);
  EXPECT_EQ(chain[0], "accepts Gateway istio-system/my-ingress-gateway");
  EXPECT_EQ(chain[1], "routes VirtualService team-b/shop");
  EXPECT_THAT(chain, Contains("destination Service team-b/shop"));
  EXPECT_THAT(chain, Contains("address Service istio-system/istio-ingressgateway"));
  EXPECT_EQ(shop.objects[0].detail, "*.example.com, ports 443 80");
  EXPECT_EQ(shop.objects[0].group, "networking.istio.io");
  EXPECT_EQ(shop.objects[0].source, (folder_ / "a.yaml").native() + ":14");
  EXPECT_EQ(shop.objects[1].source, (folder_ / "a.yaml").native() + ":34");
}

TEST_F(Explain, AHostThatIsAcceptedAndNotRouted) {
  serve(documents(kIngressGateway, kWildcard));
  const Explanation other = ask("other.example.com");
  EXPECT_THAT(data(other), ElementsAre("203.0.113.50"));
  EXPECT_THAT(codes(other), ElementsAre("no-route Gateway"));
  EXPECT_FALSE(other.good());
  ASSERT_EQ(other.tried.size(), 3U);  // a wildcard does not win over the search list
  EXPECT_EQ(other.tried[0].name, "other.example.com.default.svc.cluster.local.");
  EXPECT_EQ(other.tried[0].rcode, "NXDOMAIN");
}

// A Gateway for every name, of somebody else and in a bad way, says nothing of this one.
TEST_F(Explain, AnyHostOfOthersIsNobodysFault) {
  const std::string mongo =
      "apiVersion: networking.istio.io/v1\nkind: Gateway\n"
      "metadata: {name: mongo, namespace: team-b}\n"
      "spec: {selector: {app: gone}, servers: [{port: {number: 2379, name: m, protocol: MONGO}, "
      "hosts: [\"*\"]}]}\n";
  serve(documents(kIngressGateway, kWildcard, mongo));
  const Explanation shop = ask("shop.example.com");
  EXPECT_THAT(data(shop), ElementsAre("203.0.113.50"));
  EXPECT_THAT(codes(shop), IsEmpty());
  EXPECT_TRUE(shop.good());
}

TEST_F(Explain, AnyHostAndSubsets) {
  serve(documents(kIngressGateway, kAnyHost));
  const Explanation any = ask("whatever.example.net");
  EXPECT_EQ(any.answer.rcode, "REFUSED");
  EXPECT_THAT(codes(any), ElementsAre("any-host VirtualService"));
  const auto chain = objects(any);
  EXPECT_THAT(chain, Contains("routes VirtualService default/python-www"));
  EXPECT_THAT(chain, Contains("policy DestinationRule default/python-www"));
  EXPECT_EQ(detail(any, "policy", "python-www"),
            "subset v1: 2 ready pods, subset v2: 2 ready pods");
  EXPECT_THAT(detail(any, "destination", "python-www"),
              HasSubstr("http, weight 50, subset v1 (2 ready pods)"));
  EXPECT_THAT(detail(any, "destination", "python-www"), HasSubstr("subset v2 (2 ready pods)"));
  serve(documents(kIngressGateway, kAnyHost), "        any example.net");
  const Explanation claimed = ask("whatever.example.net");
  EXPECT_THAT(data(claimed), ElementsAre("203.0.113.50"));
  EXPECT_THAT(codes(claimed), IsEmpty());
}

TEST_F(Explain, ShortDestinations) {
  serve(documents(kIngressGateway, kBackendCom));
  const Explanation api = ask("api.backend.com");
  EXPECT_TRUE(api.good());
  EXPECT_THAT(objects(api), Contains("destination Service default/server"));
  EXPECT_THAT(objects(api), Contains("destination Service default/web"));
  EXPECT_THAT(detail(api, "destination", "server"), HasSubstr("http, port 8080"));
}

TEST_F(Explain, APendingLoadBalancer) {
  serve(documents(kPendingGateway, kWildcard));
  const Explanation shop = ask("shop.example.com");
  EXPECT_EQ(shop.answer.rcode, "NOERROR");
  EXPECT_THAT(data(shop), IsEmpty());
  EXPECT_THAT(shop.answer.error, HasSubstr("waits for a load balancer's address"));
  EXPECT_THAT(codes(shop), ElementsAre("gateway-address Gateway"));
  EXPECT_THAT(detail(shop, "address", "istio-ingressgateway"), HasSubstr("<pending>"));
  EXPECT_THAT(detail(shop, "address", "istio-ingressgateway"), HasSubstr("31380"));
  serve(documents(kPendingGateway, kWildcard), "        ingress 127.0.0.1");
  const Explanation with = ask("shop.example.com");
  EXPECT_THAT(data(with), ElementsAre("127.0.0.1"));
  EXPECT_TRUE(with.good());
  EXPECT_THAT(objects(with), Contains("address Option /ingress"));
}

TEST_F(Explain, AServiceOfTheCluster) {
  serve(documents(kBackendCom));
  const Explanation web = ask("web");
  EXPECT_EQ(web.answer.stage, "search");
  EXPECT_TRUE(web.good());
  EXPECT_EQ(objects(web)[0], "destination Service default/web");
  EXPECT_THAT(objects(web), Contains("slice EndpointSlice default/web-ipv4"));
  EXPECT_THAT(objects(web), Contains("pod Pod default/web"));
  server_->without_search();
  EXPECT_THAT(codes(ask("server", "other")), ElementsAre("no-such-namespace Name"));
  EXPECT_THAT(codes(ask("serverr", "default")), ElementsAre("no-such-service Name"));
}

TEST_F(Explain, NamesThatAreNotThere) {
  serve(documents(kBackendCom));
  const Explanation missing = ask("servr.default.svc.cluster.local");
  EXPECT_THAT(codes(missing), ElementsAre("no-such-service Name"));
  EXPECT_THAT(fix(missing, "no-such-service"), HasSubstr("Did you mean"));
  EXPECT_FALSE(missing.good());
  const Explanation short_name = ask("serverr");
  EXPECT_THAT(codes(short_name), ElementsAre("no-such-service Name"));
  const Explanation ns = ask("server.prod");
  EXPECT_THAT(codes(ns), ElementsAre("no-such-namespace Name"));
  EXPECT_THAT(fix(ns, "no-such-namespace"), HasSubstr("default"));
  const Explanation here = ask("server.default");
  EXPECT_THAT(codes(here), IsEmpty());
  const Explanation port = ask("_htp._tcp.server.default.svc.cluster.local", {}, dns::RRType::SRV);
  EXPECT_THAT(codes(port), ElementsAre("no-such-port Service"));
  EXPECT_THAT(fix(port, "no-such-port"), HasSubstr("_http._tcp"));
  EXPECT_THAT(codes(ask("_http._tcp.server.default.svc.cluster.local", {}, dns::RRType::SRV)),
              IsEmpty());
  EXPECT_THAT(codes(ask("*.default.svc.cluster.local")), ElementsAre("wildcard-query Name"));
  EXPECT_THAT(codes(ask("web.*.svc.cluster.local")), ElementsAre("wildcard-query Name"));
  // A name of the world that nobody here knows: no guess.
  EXPECT_THAT(codes(ask("www.example.com")), IsEmpty());
  EXPECT_FALSE(ask("www.example.com").good());
}

TEST_F(Explain, AsFromAPod) {
  serve(documents(kIngressGateway, kWildcard));
  server_->without_search();
  const Explanation api = ask("api", "team-a");
  EXPECT_EQ(api.answer.rcode, "NOERROR");
  EXPECT_THAT(api.tried, IsEmpty());
  const Explanation outside = ask("shop.example.com", "team-a");
  ASSERT_EQ(outside.tried.size(), 3U);
  EXPECT_EQ(outside.tried[0].name, "shop.example.com.team-a.svc.cluster.local.");
  EXPECT_THAT(data(outside), ElementsAre("203.0.113.50"));
}

TEST_F(Explain, AServiceWithoutPodsAndOneThatIsNotReady) {
  serve(
      "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {clusterIP: None, selector: {app: "
      "a}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: aa}}\nspec: "
      "{containers: [{name: c}]}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec: "
      "{ports: [{port: 80}], selector: {app: b}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: "
      "q, labels: {app: b}}\nspec: {containers: [{name: c, ports: [{containerPort: "
      "80}]}]}\nstatus: "
      "{phase: Pending}\n");
  EXPECT_THAT(codes(ask("a")), ElementsAre("no-endpoints Service"));
  EXPECT_THAT(codes(ask("b")), ElementsAre("not-ready Service"));
}

TEST_F(Explain, AliasesOfTheCluster) {
  serve(
      "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: ExternalName, "
      "externalName: "
      "b.default.svc.cluster.local}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: "
      "b}\nspec: "
      "{type: ExternalName, externalName: a.default.svc.cluster.local}\n");
  EXPECT_THAT(codes(ask("a.default.svc.cluster.local")), ElementsAre("external-loop Service"));
}

TEST_F(Explain, AnAddress) {
  serve(documents(kIngressGateway));
  const Explanation address = ask("10.100.200.10");
  EXPECT_EQ(address.request.type, dns::RRType::PTR);
  EXPECT_THAT(data(address), ElementsAre("istio-ingressgateway.istio-system.svc.cluster.local."));
  EXPECT_EQ(objects(address)[0], "destination Service istio-system/istio-ingressgateway");
}

TEST_F(Explain, ARivalAndASidecar) {
  const std::string more = R"(
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: team-c}
spec:
  hosts: [shop.example.com]
  gateways: [istio-system/my-ingress-gateway]
  http: [{route: [{destination: {host: missing}}]}]
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: team-a}
spec: {egress: [{hosts: ["./*", "*/shop.example.com"]}]}
)";
  serve(documents(kIngressGateway, kWildcard, more));
  const Explanation shop = ask("shop.example.com");
  EXPECT_THAT(objects(shop), Contains("routes VirtualService team-b/shop"));
  EXPECT_THAT(objects(shop), Contains("rival VirtualService team-c/shop"));
  EXPECT_THAT(objects(shop), Contains("scope Sidecar team-a/default"));
  // The rival's own destinations are not this name's.
  EXPECT_THAT(codes(shop), ElementsAre("duplicate-host VirtualService"));
}

// Two Gateways with an address each, and what is routed at them.
constexpr std::string_view kTwoGateways = R"(
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: left, namespace: default, annotations: {external-dns.alpha.kubernetes.io/target: 192.0.2.1}}
spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["shop.example.com"]}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: right, namespace: default, annotations: {external-dns.alpha.kubernetes.io/target: 192.0.2.2}}
spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["shop.example.com"]}]}
)";
std::string shop(const std::string& name, const std::string& gateways,
                 const std::string& host = "shop.example.com") {
  return "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: " + name +
         "}\nspec: {hosts: [\"" + host + "\"], gateways: " + gateways +
         ", http: [{route: [{destination: {host: " + name +
         "}}]}]}\n---\napiVersion: v1\nkind: "
         "Service\nmetadata: {name: " +
         name + "}\nspec: {ports: [{port: 80}]}\n";
}

// The lines of the tree, without what stands behind the role.
std::vector<std::string> tree(const Explanation& explanation) {
  std::vector<std::string> lines;
  std::istringstream text(explanation_text(explanation, false));
  for (std::string line; std::getline(text, line);) {
    const std::size_t role = line.find(" (");
    const std::size_t end = line.find(')', role);
    if (line.starts_with("  ") && role != std::string::npos)
      lines.push_back(line.substr(2, end - 1));
  }
  return lines;
}

TEST_F(Explain, EachGatewayHasItsOwnRoutesAndAddress) {
  serve(documents(kTwoGateways, shop("a", "[left]"), shop("b", "[right]"), shop("c", "[right]")));
  const Explanation two = ask("shop.example.com");
  EXPECT_THAT(
      tree(two),
      ElementsAre("Gateway default/left (accepts)", "├─ VirtualService default/a (routes)",
                  "│  └─ Service default/a (destination)", "└─ Gateway default/left (address)",
                  "Gateway default/right (accepts)", "├─ VirtualService default/b (routes)",
                  "│  └─ Service default/b (destination)", "├─ VirtualService default/c (rival)",
                  "└─ Gateway default/right (address)"));
  EXPECT_THAT(codes(two), ElementsAre("duplicate-host VirtualService"));
  // One at both: its destinations once.
  serve(documents(kTwoGateways, shop("a", "[left, right]")));
  EXPECT_THAT(
      tree(ask("shop.example.com")),
      ElementsAre("Gateway default/left (accepts)", "├─ VirtualService default/a (routes)",
                  "│  └─ Service default/a (destination)", "└─ Gateway default/left (address)",
                  "Gateway default/right (accepts)", "├─ VirtualService default/a (routes)",
                  "└─ Gateway default/right (address)"));
  // A Gateway that answers for the name and routes nothing is a fault, whatever the other does.
  serve(documents(kTwoGateways, shop("a", "[left]")));
  const Explanation half = ask("shop.example.com");
  EXPECT_EQ(data(half).size(), 2U);
  ASSERT_THAT(codes(half), ElementsAre("no-route Gateway"));
  EXPECT_EQ(half.problems[0].object.key.name, "right");
}

TEST_F(Explain, AVirtualServiceThatNoGatewayAcceptsRoutesNothing) {
  serve(documents(kTwoGateways, shop("a", "[nowhere]")));
  const Explanation nowhere = ask("shop.example.com");
  EXPECT_THAT(tree(nowhere),
              ElementsAre("VirtualService default/a (rival)", "Gateway default/left (accepts)",
                          "└─ Gateway default/left (address)", "Gateway default/right (accepts)",
                          "└─ Gateway default/right (address)"));
  EXPECT_THAT(codes(nowhere), Contains("gateway-missing VirtualService"));
  EXPECT_THAT(codes(nowhere), Contains("no-route Gateway"));
  serve(documents(kTwoGateways, shop("a", "[mesh]"), shop("b", "[left, right]")));
  const Explanation mesh = ask("shop.example.com");
  EXPECT_EQ(detail(mesh, "rival", "a"), "shop.example.com, no gateways: mesh only");
  EXPECT_EQ(detail(mesh, "routes", "a"), "");
  EXPECT_EQ(detail(mesh, "routes", "b"), "shop.example.com");
  EXPECT_TRUE(mesh.good());
}

// A Gateway of one host, at an address or pending, with a VirtualService that leads to `to`.
std::string edge(const std::string& name, const std::string& host, const std::string& to,
                 const std::string& routed = "", const std::string& address = "192.0.2.1") {
  const std::string target =
      address.empty() ? "" : ", annotations: {external-dns.kubernetes.io/target: " + address + "}";
  return "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: " + name + target +
         "}\nspec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [\"" + host +
         "\"]}]}\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: "
         "{name: " +
         name + "}\nspec: {hosts: [\"" + (routed.empty() ? host : routed) + "\"], gateways: [" +
         name + "], http: [{route: [{destination: {host: " + to + "}}]}]}\n";
}
constexpr std::string_view kWeb =
    "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n";

// What a less specific host at another Gateway does wrong is not this name's fault.
TEST_F(Explain, AtAnotherGatewayTheLessSpecificIsARival) {
  serve(documents(kWeb, edge("narrow", "api.backend.com", "web"),
                  edge("wide", "*.backend.com", "gone")));
  const Explanation api = ask("api.backend.com");
  EXPECT_THAT(objects(api), Contains("routes VirtualService default/narrow"));
  EXPECT_THAT(objects(api), Contains("rival VirtualService default/wide"));
  EXPECT_THAT(codes(api), IsEmpty());
  EXPECT_TRUE(api.good());
  EXPECT_THAT(codes(ask("other.backend.com")), ElementsAre("destination-missing VirtualService"));
  // A Gateway for every host that waits for its address, and routes every host.
  serve(documents(kWeb, edge("narrow", "*.backend.com", "web"), edge("any", "*", "gone", "", "")));
  const Explanation beside = ask("api.backend.com");
  EXPECT_THAT(objects(beside), Contains("rival VirtualService default/any"));
  EXPECT_THAT(codes(beside), IsEmpty());
  EXPECT_TRUE(beside.good());
  // Where nobody else has the name, it is what there is.
  EXPECT_THAT(codes(ask("api.example.net")), Contains("destination-missing VirtualService"));
}

TEST_F(Explain, ARouteOfALessSpecificListenerIsARival) {
  const auto listener = [](const std::string& name, const std::string& host,
                           const std::string& backend) {
    return "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: " + name +
           "}\nspec: {gatewayClassName: c, addresses: [{value: 192.0.2.1}], listeners: [{name: l, "
           "port: 80, protocol: HTTP, hostname: \"" +
           host +
           "\"}]}\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
           "metadata: {name: " +
           name + "}\nspec: {parentRefs: [{name: " + name +
           "}], rules: [{backendRefs: [{name: " + backend + ", port: 80}]}]}\n";
  };
  serve(documents(kWeb, listener("narrow", "api.backend.com", "web"),
                  listener("wide", "*.backend.com", "gone")));
  const Explanation api = ask("api.backend.com");
  EXPECT_THAT(objects(api), Contains("routes HTTPRoute default/narrow"));
  EXPECT_THAT(objects(api), Contains("rival HTTPRoute default/wide"));
  EXPECT_THAT(codes(api), IsEmpty());
  EXPECT_THAT(codes(ask("other.backend.com")), ElementsAre("destination-missing HTTPRoute"));
}

// One whose host no Gateway takes is to blame only where nothing more specific routes the name.
TEST_F(Explain, TheLessSpecificThatIsNotAcceptedIsNoFaultOfARoutedName) {
  const std::string lost =
      "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: lost}\nspec: "
      "{hosts: [\"*.backend.com\"], gateways: [nowhere], http: [{route: [{destination: {host: "
      "web}}]}]}\n";
  serve(documents(kWeb, edge("narrow", "api.backend.com", "web"), lost));
  EXPECT_THAT(codes(ask("api.backend.com")), IsEmpty());
  EXPECT_THAT(codes(ask("other.backend.com")), ElementsAre("gateway-missing VirtualService"));
}

// A name that a Gateway for every host would take, and that has its answer elsewhere.
TEST_F(Explain, AGatewayForEveryHostIsNoFaultOfANameWithAnAnswer) {
  serve(documents(edge("any", "*", "gone", "", "")), "",
        "    hosts {\n        198.51.100.7 www.example.net\n        fallthrough\n    }\n");
  const Explanation outside = ask("www.example.net");
  EXPECT_THAT(data(outside), ElementsAre("198.51.100.7"));
  EXPECT_THAT(codes(outside), ElementsAre("any-host VirtualService"));
  EXPECT_TRUE(outside.good());
}

// The gateway's address is a name outside: what is wrong with the host stays wrong.
TEST_F(Explain, AHostAtALoadBalancersNameIsStillNotRouted) {
  serve(documents(kWeb, edge("gw", "*.example.com", "web", "shop.example.com", "lb.example.net")));
  const Explanation other = ask("a.example.com");
  EXPECT_EQ(other.answer.records.front().type, "CNAME");
  EXPECT_THAT(codes(other), ElementsAre("no-route Gateway"));
  EXPECT_FALSE(other.good());
  EXPECT_THAT(codes(ask("a.example.com", {}, dns::RRType::TXT)), ElementsAre("no-route Gateway"));
  EXPECT_THAT(codes(ask("shop.example.com")), IsEmpty());
  // That of a name that is only led to is not.
  serve(documents(kWeb, edge("gw", "shop.example.com", "web", "", "a.example.net"),
                  edge("next", "*.example.net", "web", "b.example.net")));
  const Explanation led = ask("shop.example.com");
  EXPECT_THAT(data(led), Contains("192.0.2.1"));
  EXPECT_THAT(codes(led), IsEmpty());
  EXPECT_THAT(codes(ask("a.example.net")), ElementsAre("no-route Gateway"));
}

TEST_F(Explain, AnEgressHostIsOfANamespace) {
  const auto sidecar = [](const std::string& ns, const std::string& hosts) {
    return "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: default, "
           "namespace: " +
           ns + "}\nspec: {egress: [{hosts: " + hosts + "}]}\n";
  };
  const std::string left_out = "its egress hosts leave the name out, for pods of namespace 'other'";
  const std::string entry =
      "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: db, namespace: "
      "data}\nspec: {hosts: [db.example.com], addresses: [240.0.0.1]}\n";
  const auto scope = [&](const std::string& hosts, const std::string& name) {
    serve(documents(kWeb, entry, sidecar("other", hosts)));
    return detail(ask(name, "other"), "scope", "default");
  };
  const std::string web = "web.default.svc.cluster.local";
  EXPECT_EQ(scope(R"(["./*", "istio-system/*"])", web), left_out);
  EXPECT_EQ(scope(R"(["./*", "default/*"])", web),
            "egress default/*, for pods of namespace 'other'");
  EXPECT_EQ(scope(R"(["*/*"])", web), "egress */*, for pods of namespace 'other'");
  EXPECT_EQ(scope(R"(["~/*"])", web), left_out);
  EXPECT_EQ(scope(R"(["./web.default.svc.cluster.local"])", web), left_out);
  // A name that is completed, as the resolver of a pod does it.
  EXPECT_EQ(scope(R"(["default/web.default.svc.cluster.local"])", "web.default"),
            "egress default/web.default.svc.cluster.local, for pods of namespace 'other'");
  EXPECT_EQ(scope(R"(["data/*.example.com"])", "db.example.com"),
            "egress data/*.example.com, for pods of namespace 'other'");
  EXPECT_EQ(scope(R"(["default/*.example.com"])", "db.example.com"), left_out);
  // What the mesh does not know is not let in or kept out by it.
  EXPECT_EQ(scope(R"(["./*"])", "www.example.org"), "");
  // Of its own namespace.
  serve(documents(kWeb, sidecar("default", R"(["./*"])")));
  EXPECT_EQ(detail(ask(web, "default"), "scope", "default"),
            "egress ./*, for pods of namespace 'default'");
  // Seen from nowhere: those that name it, and let it in.
  serve(documents(kWeb, sidecar("other", R"(["other/web.default.svc.cluster.local"])")));
  EXPECT_EQ(detail(ask(web), "scope", "default"), "");
  serve(documents(kWeb, sidecar("other", R"(["default/web.default.svc.cluster.local"])")));
  EXPECT_EQ(detail(ask(web), "scope", "default"),
            "egress default/web.default.svc.cluster.local, for pods of namespace 'other'");
}

TEST_F(Explain, OfAnIngressEachHostHasItsOwnBackends) {
  serve(documents(kWeb, R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i}
spec:
  rules:
    - host: x.a.test
      http: {paths: [{backend: {service: {name: web, port: {number: 80}}}}]}
    - host: "*.a.test"
      http: {paths: [{backend: {service: {name: gone, port: {number: 80}}}}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}
)"));
  const Explanation exact = ask("x.a.test");
  EXPECT_EQ(detail(exact, "routes", "i"), "x.a.test");
  EXPECT_THAT(codes(exact), IsEmpty());
  const Explanation wild = ask("y.a.test");
  EXPECT_EQ(detail(wild, "routes", "i"), "*.a.test");
  EXPECT_THAT(codes(wild), ElementsAre("destination-missing Ingress"));
}

TEST_F(Explain, OfAnIngressTheMoreSpecificHostRoutes) {
  const auto ingress = [](const std::string& name, const std::string& host, const std::string& ip) {
    return "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: " + name +
           "}\nspec: {rules: [{host: \"" + host +
           "\"}]}\nstatus: {loadBalancer: {ingress: [{ip: " + ip + "}]}}\n";
  };
  serve(documents(ingress("a", "*.example.com", "192.0.2.1"),
                  ingress("b", "shop.example.com", "192.0.2.2")));
  const Explanation shop = ask("shop.example.com");
  EXPECT_THAT(data(shop), ElementsAre("192.0.2.2"));
  EXPECT_THAT(objects(shop), ElementsAre("rival Ingress default/a", "routes Ingress default/b",
                                         "address Ingress default/b"));
}

TEST_F(Explain, AnIngressHasItsAddressBelowIt) {
  serve(documents(kWeb, R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i}
spec: {rules: [{host: a.test, http: {paths: [{backend: {service: {name: web, port: {number: 80}}}}]}}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}
)",
                  edge("gw", "a.test", "web")));
  EXPECT_THAT(
      tree(ask("a.test")),
      ElementsAre("Ingress default/i (routes)", "├─ Service default/web (destination)",
                  "└─ Ingress default/i (address)", "Gateway default/gw (accepts)",
                  "├─ VirtualService default/gw (routes)",
                  "│  └─ Service default/web (destination)", "└─ Gateway default/gw (address)"));
}

// A Gateway of plain HTTP that sends all to HTTPS, which another one has.
TEST_F(Explain, AGatewayThatOnlyRedirectsLacksNoRoute) {
  const std::string redirect =
      "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: plain, annotations: "
      "{external-dns.kubernetes.io/target: 192.0.2.1}}\nspec: {servers: [{port: {number: 80, name: "
      "http, protocol: HTTP}, tls: {httpsRedirect: true}, hosts: [\"shop.example.com\"]}]}\n";
  serve(documents(kWeb, redirect, edge("gw", "shop.example.com", "web")));
  EXPECT_THAT(codes(ask("shop.example.com")), IsEmpty());
  serve(documents(kWeb, replaced(redirect, "httpsRedirect: true", "httpsRedirect: false"),
                  edge("gw", "shop.example.com", "web")));
  EXPECT_THAT(codes(ask("shop.example.com")), ElementsAre("no-route Gateway"));
}

TEST_F(Explain, ARouteOfAListenerSetNamesIt) {
  serve(documents(kWeb, R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  gatewayClassName: c
  addresses: [{value: 192.0.2.1}]
  listeners: [{name: l, port: 80, protocol: HTTP, hostname: "*.x.test"}]
)",
                  R"(
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: gw}
spec: {parentRef: {name: gw}, listeners: [{name: ls, port: 80, protocol: HTTP, hostname: ls.test}]}
)",
                  R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  parentRefs: [{kind: ListenerSet, name: gw}]
  hostnames: [ls.test, a.x.test]
  rules: [{backendRefs: [{name: web, port: 80}]}]
)"));
  const std::string not_read = ", attached to ListenerSet default/gw, which is not read";
  const Explanation set = ask("ls.test");
  EXPECT_EQ(detail(set, "rival", "r"), "ls.test" + not_read);
  EXPECT_THAT(objects(set), Contains("accepts ListenerSet default/gw"));
  EXPECT_EQ(detail(set, "accepts", "gw"), "listener ls: ls.test, port 80; it is not read");
  // The Gateway of the same name is another object.
  EXPECT_EQ(detail(ask("a.x.test"), "rival", "r"), "a.x.test" + not_read);
}

TEST_F(Explain, AWildcardQueryThatIsAnswered) {
  serve(documents(kIngressGateway, kWildcard));
  const auto text = [&](const std::string& name) {
    for (const auto& finding : ask(name).problems) {
      if (finding.code == "wildcard-query") return finding.text;
    }
    return std::string();
  };
  EXPECT_THAT(text("*.example.com"), HasSubstr("the answer is that of one name"));
  EXPECT_THAT(text("*.example.net"), HasSubstr("no wildcard query is answered"));
}

TEST_F(Explain, ObjectsHaveAnAge) {
  const auto since = [](const std::string& text, std::string_view what, const std::string& time) {
    return replaced(text, what, std::string(what) + ", creationTimestamp: \"" + time + "\"");
  };
  std::string text =
      since(std::string(kWildcard), "{name: shop, namespace: team-b", "2026-01-01T00:00:00Z");
  text = since(text, "{name: my-ingress-gateway, namespace: istio-system", "2026-01-09T22:00:00Z");
  const std::string gateway =
      since(std::string(kIngressGateway), "{name: istio-ingressgateway, namespace: istio-system",
            "2026-01-09T23:58:01Z");
  serve(documents(gateway, text));
  const Explanation shop = ask("shop.example.com");
  const auto now =
      std::chrono::system_clock::from_time_t(registry::parse_created("2026-01-10T00:00:00Z"));
  const std::string tree = explanation_text(shop, false, now);
  EXPECT_THAT(tree, HasSubstr("(routes) shop.example.com, 9 d old  "));
  EXPECT_THAT(tree, HasSubstr("(accepts) *.example.com, ports 443 80, 2 h old  "));
  EXPECT_THAT(tree, HasSubstr("https 443, 119 s old  "));
  EXPECT_THAT(tree, Not(HasSubstr("ready,  old")));
  const auto value = explanation_value(shop);
  const auto& objects = value.at("objects").as_array();
  EXPECT_EQ(objects.at(0).at("created").as_string(), "2026-01-09T22:00:00Z");
  EXPECT_TRUE(std::any_of(objects.begin(), objects.end(), [](const auto& object) {
    return object.at("created").is_null();  // nobody says
  }));
  const Explanation read = explanation_from(boost::json::value(value));
  EXPECT_EQ(explanation_text(read, false, now), tree);
}

TEST_F(Explain, TheNearestNamespace) {
  serve(documents(kBackendCom));
  EXPECT_EQ(fix(ask("nosuch.defalt.svc.cluster.local"), "no-such-namespace"),
            "Did you mean 'default'?");
}

TEST_F(Explain, WhatIsKeptHasAnAge) {
  Explanation explanation;
  explanation.question = "www.example.com.";
  explanation.request.name = "www.example.com.";
  explanation.answer = {"NOERROR", "cache", {}, "", "", 12};
  EXPECT_THAT(explanation_text(explanation, false), HasSubstr("by cache, kept for 12 s"));
  const Explanation read = explanation_from(boost::json::value(explanation_value(explanation)));
  EXPECT_EQ(read.answer.age, 12U);
  explanation.answer = {"NOERROR", "forward", {}, "", "192.0.2.53:53"};
  EXPECT_THAT(explanation_text(explanation, false),
              HasSubstr("by forward, asked of 192.0.2.53:53"));
  EXPECT_FALSE(explanation_from(boost::json::value(explanation_value(explanation))).answer.age);
}

TEST_F(Explain, NothingOfATerminalComesThrough) {
  Explanation explanation;
  explanation.question = "a.";
  explanation.objects.push_back(
      {"Gateway", "g", {"n\u202E", "x\x1b[31m"}, "accepts", "d\u2066", "f\x07"});
  explanation.problems.push_back({"no-route",
                                  registry::gateways::Severity::Error,
                                  {"Name", {"", "\u202Ey"}},
                                  "t\u200B",
                                  "f\n",
                                  ""});
  const std::string text = explanation_text(explanation, false);
  for (const char* const hidden : {"\u202E", "\x1b", "\u2066", "\x07", "\u200B", "f\n\n"}) {
    EXPECT_EQ(text.find(hidden), std::string::npos) << text;
  }
  EXPECT_THAT(text, HasSubstr("n\\xE2\\x80\\xAE/x\\x1B[31m"));
}

// Answers as the test says, and knows a world outside.
class ScriptedAsker final : public Asker {
 public:
  ExplainedAnswer ask(const dns::Name& name, dns::RRType) override {
    return {"NOERROR", "gateways", {{name.to_text(), "A", 5, "203.0.113.50"}}, "", ""};
  }
  std::optional<ExplainedAnswer> ask_outside(const dns::Name&, dns::RRType) override {
    return outside;
  }
  std::vector<dns::Name> search_list(const dns::Name&) override { return {}; }
  std::optional<ExplainedAnswer> outside;
};

TEST_F(Explain, ANameThatAlsoExistsOutside) {
  serve(documents(kIngressGateway, kWildcard));
  ScriptedAsker asker;
  ExplainRequest request;
  request.name = "shop.example.com";
  EXPECT_THAT(codes(explain(server_->clusters(), asker, request)), IsEmpty());
  asker.outside = ExplainedAnswer{"NXDOMAIN", "forward", {}, "", "192.0.2.53:53"};
  EXPECT_THAT(codes(explain(server_->clusters(), asker, request)), IsEmpty());
  asker.outside->rcode = "NOERROR";
  asker.outside->records = {{"shop.example.com.", "A", 300, "198.51.100.7"}};
  const Explanation hidden = explain(server_->clusters(), asker, request);
  EXPECT_THAT(codes(hidden), ElementsAre("foreign Name"));
  EXPECT_TRUE(hidden.good());
  EXPECT_THAT(hidden.problems[0].text, HasSubstr("198.51.100.7"));
}

TEST_F(Explain, TheJson) {
  serve(documents(kIngressGateway, kWildcard));
  const auto value = boost::json::parse(explanation_json(ask("other.example.com")));
  const auto& root = value.as_object();
  const auto& question = root.at("question").as_object();
  EXPECT_EQ(question.at("name").as_string(), "other.example.com.");
  EXPECT_EQ(question.at("type").as_string(), "A");
  EXPECT_EQ(question.at("client").as_string(), "127.0.0.1");
  EXPECT_TRUE(question.at("namespace").is_null());
  const auto& record = root.at("answer").as_object().at("records").as_array().at(0).as_object();
  EXPECT_EQ(record.at("ttl").as_int64(), 5);
  EXPECT_EQ(record.at("name").as_string(), "other.example.com.");
  const auto& problem = root.at("problems").as_array().at(0).as_object();
  EXPECT_EQ(problem.at("code").as_string(), "no-route");
  EXPECT_EQ(problem.at("severity").as_string(), "error");
  EXPECT_EQ(problem.at("object").as_object().at("namespace").as_string(), "istio-system");
  EXPECT_EQ(root.at("tried").as_array().size(), 3U);
  EXPECT_EQ(root.at("objects").as_array().at(0).as_object().at("role").as_string(), "accepts");
}

TEST_F(Explain, TheTextHasColourOnlyWhereItIsWanted) {
  serve(documents(kIngressGateway, kWildcard));
  const Explanation explanation = ask("other.example.com");
  EXPECT_THAT(explanation_text(explanation, false), Not(HasSubstr("\033")));
  EXPECT_THAT(explanation_text(explanation, true), HasSubstr("\033[31m"));
  EXPECT_THAT(explanation_text(explanation, false), HasSubstr("error no-route: Gateway"));
}

TEST_F(Explain, TheCommands) {
  folder_.write("a.yaml", documents(kIngressGateway, kWildcard));
  ExplainOptions options;
  options.cluster.manifests = {folder_.path().native()};
  options.cluster.forward.clear();
  options.format = OutputFormat::Json;
  const auto run = [&](const std::string& name) {
    options.name = name;
    std::ostringstream out;
    std::ostringstream err;
    const int code = run_explain(options, false, out, err);
    EXPECT_EQ(err.str(), "");
    (void)boost::json::parse(out.str());
    return code;
  };
  EXPECT_EQ(run("shop.example.com"), 0);
  EXPECT_EQ(run("other.example.com"), 1);
  EXPECT_EQ(run("nothing.example.org"), 1);
  HostsOptions hosts;
  hosts.cluster.manifests = options.cluster.manifests;
  hosts.cluster.forward.clear();
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(run_hosts(hosts, out, err), 0);
  EXPECT_EQ(
      out.str(),
      "HOST              SOURCE                                   GATEWAY                          "
      "        ADDRESSES     ROUTED TO\n"
      "*.example.com     Gateway istio-system/my-ingress-gateway  Gateway istio-system/my-ingress-"
      "gateway  203.0.113.50  -\n"
      "api.example.com   VirtualService team-a/api                Gateway istio-system/my-ingress-"
      "gateway  203.0.113.50  api.team-a.svc.cluster.local:80\n"
      "shop.example.com  VirtualService team-b/shop               Gateway istio-system/my-ingress-"
      "gateway  203.0.113.50  shop.team-b.svc.cluster.local:80\n");
}

TEST_F(Explain, HostsOfOneNamespace) {
  folder_.write("a.yaml", documents(kIngressGateway, kWildcard));
  HostsOptions options;
  options.cluster.manifests = {folder_.path().native()};
  options.cluster.forward.clear();
  options.format = OutputFormat::Json;
  const auto run = [&](const std::string& ns, std::string* error) {
    options.namespace_name = ns;
    std::ostringstream out;
    std::ostringstream err;
    EXPECT_EQ(run_hosts(options, out, err), error == nullptr ? 0 : 1);
    if (error != nullptr) *error = err.str();
    return out.str();
  };
  const auto rows = boost::json::parse(run("team-b", nullptr)).as_array();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].as_object().at("host").as_string(), "shop.example.com");
  std::string error;
  EXPECT_EQ(run("team-x", &error), "");
  EXPECT_THAT(error, HasSubstr("hosts: there is no namespace 'team-x'; did you mean 'team-a'?"));
}

}  // namespace
}  // namespace clusterdns::app
