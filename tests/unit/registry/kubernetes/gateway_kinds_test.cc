// The kinds of gateways, and what they want to know of Services and pods, from the API.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "registry/manifests/gateway_reader.h"
#include "tests/unit/registry/kubernetes/source_fixture.h"

namespace clusterdns::registry::kubernetes {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr const char* kVirtualServices = "/apis/networking.istio.io/v1/virtualservices";
constexpr const char* kIstioGateways = "/apis/networking.istio.io/v1/gateways";
constexpr const char* kHttpRoutes = "/apis/gateway.networking.k8s.io/v1beta1/httproutes";

class GatewayKindsTest : public KubernetesSourceTest {
 protected:
  GatewayKindsTest() {
    const auto rows = gateway_rows();
    options_.kinds.assign(rows.begin(), rows.end());
    options_.read.gateways = options_.read.namespace_labels = true;
    options_.pods = true;
    options_.off_again = std::chrono::milliseconds(50);
    cluster_.instead = [this](const std::shared_ptr<Exchange>& exchange) {
      if (exchange->path.find("/apis/") != 0 || exchange->path == kSlices) return false;
      for (const std::string& path : installed_) {
        if (exchange->path == path) return false;
      }
      exchange->reply(404, R"({"kind":"Status","code":404})");
      return true;
    };
  }
  std::vector<std::string> installed_;
};

TEST_F(GatewayKindsTest, AreKeptByTheirOwnVersions) {
  installed_ = {kVirtualServices, kIstioGateways, kHttpRoutes};
  cluster_.put(kVirtualServices, "default/shop",
               R"({"spec":{"hosts":["Shop.example.com"],"gateways":["gw"]}})");
  cluster_.put(kIstioGateways, "default/gw",
               R"({"spec":{"servers":[{"hosts":["*.example.com"]}]}})");
  cluster_.put(kHttpRoutes, "default/gw", R"({"spec":{"hostnames":["a.example.org"]}})");
  ASSERT_TRUE(sync());
  const gateways::ObjectSet& objects = store_.gateways();
  EXPECT_EQ(objects.size(), 3U);
  EXPECT_THAT(objects.find<gateways::VirtualService>({"default", "shop"})->hosts,
              ElementsAre("shop.example.com"));
  EXPECT_NE(objects.find(gateways::Kind::HttpRoute, {"default", "gw"}), nullptr);
  EXPECT_TRUE(kind("gateways.gateway.networking.k8s.io").off);
  EXPECT_FALSE(kind("gateways.networking.istio.io").off);
  EXPECT_THAT(lines("virtualservices"), SizeIs(0));

  ASSERT_TRUE(until([&] { return kind("virtualservices.networking.istio.io").watching; }));
  cluster_.update(kVirtualServices, "default/shop", R"({"spec":{"hosts":["b.example.com"]}})");
  ASSERT_TRUE(until([&] {
    return objects.find<gateways::VirtualService>({"default", "shop"})->hosts.at(0) ==
           "b.example.com";
  }));
  cluster_.erase(kVirtualServices, "default/shop");
  ASSERT_TRUE(until([&] { return objects.size() == 2; }));
}

TEST_F(GatewayKindsTest, ServicesAndPodsTellMore) {
  cluster_.put(
      kServices, "default/lb",
      R"({"metadata":{"creationTimestamp":"2026-01-31T12:00:00Z","labels":{"a":"b"},"annotations":{
      "external-dns.kubernetes.io/hostname":"ignored.example",
      "external-dns.alpha.kubernetes.io/hostname":"A.example.com., *.b.example",
      "external-dns.alpha.kubernetes.io/target":"192.0.2.7, lb.example"}},
      "spec":{"type":"LoadBalancer","clusterIP":"10.96.0.30","selector":{"app":"web"},
              "ports":[{"port":80,"targetPort":"http","nodePort":31000},{"name":"x","port":81,"targetPort":8081,"appProtocol":"kubernetes.io/h2c"}]},
      "status":{"loadBalancer":{"ingress":[{"hostname":"elb.example."},{"ip":"192.0.2.8"}]}}})");
  cluster_.put(kPods, "default/p",
               R"({"metadata":{"creationTimestamp":"2026-02-01T00:00:00Z","labels":{"app":"web"}},
      "spec":{"containers":[{"ports":[{"name":"http","containerPort":8080},{"containerPort":9090}]}]},
      "status":{"podIPs":[{"ip":"10.244.0.9"}],"hostIP":"172.18.0.2",
                "conditions":[{"type":"Ready","status":"True"}]}})");
  ASSERT_TRUE(sync());
  const Service* const service = store_.service({"default", "lb"});
  ASSERT_NE(service, nullptr);
  ASSERT_TRUE(service->detail);
  EXPECT_THAT(service->detail->hosts, ElementsAre("a.example.com", "*.b.example"));
  EXPECT_THAT(service->detail->target_names, ElementsAre("lb.example"));
  EXPECT_EQ(service->detail->target_ips.at(0).to_string(), "192.0.2.7");
  EXPECT_THAT(service->detail->balancer_names, ElementsAre("elb.example"));
  EXPECT_EQ(service->selector, (Labels{{"app", "web"}}));
  EXPECT_EQ(service->labels, (Labels{{"a", "b"}}));
  EXPECT_EQ(service->ports.at(0).target_port_name, "http");
  EXPECT_EQ(service->ports.at(0).node_port, 31000);
  EXPECT_EQ(service->ports.at(1).target_port, 8081);
  EXPECT_THAT(service->detail->app_protocols,
              ElementsAre(AppProtocol{81, Protocol::Tcp, "kubernetes.io/h2c"}));
  EXPECT_EQ(created_text(service->created), "2026-01-31T12:00:00Z");
  const Pod* const pod = store_.find<Pod>({"default", "p"});
  ASSERT_NE(pod, nullptr);
  ASSERT_TRUE(pod->detail);
  EXPECT_TRUE(pod->detail->ready);
  EXPECT_EQ(created_text(pod->detail->created), "2026-02-01T00:00:00Z");
  EXPECT_EQ(pod->detail->host_ips.at(0).to_string(), "172.18.0.2");
  EXPECT_THAT(pod->detail->numbers, ElementsAre(8080, 9090));
  EXPECT_THAT(pod->detail->ports, ElementsAre(ContainerPort{"http", Protocol::Tcp, 8080}));
  EXPECT_EQ(pod->labels, (Labels{{"app", "web"}}));
}

TEST_F(GatewayKindsTest, PodsThatWeMayNotSeeHoldUpNothing) {
  options_.pods_optional = true;
  const auto others = cluster_.instead;
  cluster_.instead = [others](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->path != kPods) return others(exchange);
    exchange->reply(403, R"({"kind":"Status","code":403,"message":"pods is forbidden"})");
    return true;
  };
  ASSERT_TRUE(sync());
  EXPECT_TRUE(kind("pods").off);
  EXPECT_THAT(lines("pods are not used"), SizeIs(1));
}

// Nobody pays for what nobody asks for.
TEST_F(GatewayKindsTest, WithoutGatewaysNoneOfIt) {
  options_.kinds = {};
  options_.read = {};
  cluster_.put(kServices, "default/lb",
               R"({"metadata":{"creationTimestamp":"2026-01-31T12:00:00Z","annotations":{
      "external-dns.alpha.kubernetes.io/hostname":"a.example.com"}},
      "spec":{"clusterIP":"10.96.0.30","selector":{"app":"web"},
              "ports":[{"port":80,"targetPort":"http","appProtocol":"http"}]}})");
  ASSERT_TRUE(sync());
  const Service* const service = store_.service({"default", "lb"});
  ASSERT_NE(service, nullptr);
  EXPECT_FALSE(service->detail);
  EXPECT_EQ(service->created, 0U);
  EXPECT_TRUE(service->selector.empty());
  EXPECT_EQ(service->ports.at(0).target_port_name, "");
  EXPECT_EQ(cluster_.lists[kVirtualServices], 0U);
}

// For `k8s_external`; few Services have one.
TEST_F(GatewayKindsTest, NamesOfLoadBalancersAreReadAnyway) {
  options_.kinds = {};
  options_.read = {};
  cluster_.put(kServices, "default/lb",
               R"({"spec":{"clusterIP":"10.96.0.30","type":"LoadBalancer","ports":[{"port":80}]},
      "status":{"loadBalancer":{"ingress":[{"hostname":"elb.example."},{"ip":"192.0.2.8"}]}}})");
  ASSERT_TRUE(sync());
  const Service* const service = store_.service({"default", "lb"});
  ASSERT_NE(service, nullptr);
  ASSERT_TRUE(service->detail);
  EXPECT_THAT(service->detail->balancer_names, ElementsAre("elb.example"));
  EXPECT_EQ(service->load_balancer_ips.at(0).to_string(), "192.0.2.8");
}

TEST_F(GatewayKindsTest, ABadHostIsToldAndTheOthersCount) {
  installed_ = {kVirtualServices};
  cluster_.put(kVirtualServices, "default/shop",
               R"({"spec":{"hosts":["a.example.com","my_app.example.com"]}})");
  ASSERT_TRUE(sync());
  const auto* const shop = store_.gateways().find<gateways::VirtualService>({"default", "shop"});
  ASSERT_NE(shop, nullptr);
  EXPECT_THAT(shop->hosts, ElementsAre("a.example.com"));
  EXPECT_THAT(lines("spec.hosts[1]: 'my_app.example.com' is left out"), SizeIs(1));
}

}  // namespace
}  // namespace clusterdns::registry::kubernetes
