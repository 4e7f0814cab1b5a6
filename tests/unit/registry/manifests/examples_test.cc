// The example cluster is what the pages and the demo promise.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "registry/gateways/plan.h"
#include "registry/manifests/manifest_source.h"
#include "tests/unit/registry/manifests/manifest_fixture.h"

namespace clusterdns::registry {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing_support::cluster_ips_of;
using testing_support::endpoints_of;
using testing_support::hostnames_of;
using testing_support::texts;

const fs::path kExamples = fs::path(CLUSTERDNS_SOURCE_DIR) / "deploy" / "examples";

class Examples : public testing::Test {
 protected:
  Examples() : source_({{kExamples}, {}}, store_), diagnostics_(texts(source_.load())) {}

  const Service& service(const std::string& name, const std::string& ns = "default") {
    const Service* found = store_.service({ns, name});
    if (found == nullptr) throw std::runtime_error("no Service " + ns + "/" + name);
    return *found;
  }

  Store store_;
  ManifestSource source_;
  std::vector<std::string> diagnostics_;
};

TEST_F(Examples, HaveNoErrors) {
  EXPECT_THAT(diagnostics_, IsEmpty());
  for (const char* ns : {"default", "kube-system", "istio-system", "staging"}) {
    EXPECT_NE(store_.find_namespace(ns), nullptr) << ns;
  }
}

TEST_F(Examples, Services) {
  EXPECT_THAT(cluster_ips_of(store_, {"default", "kubernetes"}), ElementsAre("10.96.0.1"));
  EXPECT_THAT(cluster_ips_of(store_, {"kube-system", "kube-dns"}), ElementsAre("10.96.0.10"));
  EXPECT_THAT(cluster_ips_of(store_, {"istio-system", "istio-ingressgateway"}),
              ElementsAre("10.100.200.10"));
  EXPECT_THAT(texts(service("istio-ingressgateway", "istio-system").load_balancer_ips),
              ElementsAre("203.0.113.50"));
  EXPECT_EQ(service("istio-ingressgateway", "istio-system").type, ServiceType::LoadBalancer);
  EXPECT_THAT(service("my-service").ports,
              ElementsAre(ServicePort{"http", Protocol::Tcp, 80, 8080, "", 0}));
  EXPECT_EQ(service("my-nodeport-service").type, ServiceType::NodePort);
  EXPECT_EQ(service("my-nodeport-service").ports[0].node_port, 31000);
  EXPECT_THAT(service("my-nodeport-service").cluster_ips, SizeIs(1));
  EXPECT_NE(service("my-service").cluster_ips, service("my-service", "staging").cluster_ips);
  EXPECT_EQ(service("external-db").external_name, "db.example.com");
  EXPECT_EQ(service("db-alias").external_name, "my-service.default.svc.cluster.local");
  EXPECT_THAT(service("kubernetes").ports,
              ElementsAre(ServicePort{"https", Protocol::Tcp, 443, 6443, "", 0}));
  EXPECT_THAT(service("kube-dns", "kube-system").ports,
              ElementsAre(ServicePort{"dns", Protocol::Udp, 53, 53, "", 0},
                          ServicePort{"dns-tcp", Protocol::Tcp, 53, 53, "", 0},
                          ServicePort{"metrics", Protocol::Tcp, 9153, 9153, "", 0}));
}

TEST_F(Examples, Endpoints) {
  EXPECT_THAT(endpoints_of(store_, {"default", "python-www"}),
              ElementsAre("10.244.0.10", "10.244.0.11", "10.244.1.12", "10.244.1.13"));
  EXPECT_THAT(endpoints_of(store_, {"default", "kubia-service"}), SizeIs(4));
  EXPECT_THAT(endpoints_of(store_, {"default", "web-api"}), SizeIs(2));
  EXPECT_THAT(hostnames_of(store_, {"default", "my-headless-service"}),
              ElementsAre("my-db-0", "my-db-1", "my-db-2"));
  std::set<IpAddress> distinct;
  std::size_t count = 0;
  store_.for_each<Pod>([&](const Pod& pod) {
    distinct.insert(pod.ips.front());
    ++count;
  });
  EXPECT_EQ(count, 4U + 4U + 2U + 3U + 1U);
  EXPECT_EQ(distinct.size(), count);
}

TEST_F(Examples, IstioDocumentsAreRead) {
  std::set<std::string> hosts;
  for (const gateways::Claim& claim : gateways::make_plan(store_, {}).claims) {
    hosts.insert(claim.host);
  }
  EXPECT_EQ(hosts, (std::set<std::string>{"example.com", "*.example.com", "api.example.com",
                                          "shop.example.com"}));
  EXPECT_EQ(store_.gateways().size(), 6U);
}

TEST_F(Examples, EachFileBeginsWithWhatItShows) {
  for (const fs::directory_entry& entry : fs::directory_iterator(kExamples)) {
    if (entry.path().extension() != ".yaml") continue;
    std::ifstream input(entry.path());
    std::string first;
    std::getline(input, first);
    EXPECT_TRUE(first.starts_with("# ")) << entry.path();
    const std::string text((std::istreambuf_iterator<char>(input)), {});
    EXPECT_NE(text.find("# Names"), std::string::npos) << entry.path();
  }
}

}  // namespace
}  // namespace clusterdns::registry
