// Endpoints that manifests imply: workloads, pods and selectors; and the example cluster.
#include <algorithm>
#include <set>

#include "integration/fixture.h"

namespace clusterdns::test {
namespace {

class Workloads : public Integration {};

constexpr std::string_view kDeployment = R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, version: NAME}}
    spec: {containers: [{name: c, image: x, ports: [{name: http, containerPort: 8080}]}]}
)";

std::string deployment(const std::string& name, int replicas) {
  std::string text(kDeployment);
  for (std::size_t at = text.find("NAME"); at != std::string::npos; at = text.find("NAME")) {
    text.replace(at, 4, name);
  }
  const std::string_view mark = "REPLICAS";
  return text.replace(text.find(mark), mark.size(), std::to_string(replicas));
}

TEST_F(Workloads, HeadlessServiceBehindTwoDeployments) {
  manifests_.write("svc.yaml",
                   "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
                   "spec: {clusterIP: None, selector: {app: web}, "
                   "ports: [{name: http, port: 80, targetPort: http}]}\n");
  manifests_.write("v1.yaml", deployment("v1", 3));
  manifests_.write("v2.yaml", deployment("v2", 1));
  serve();
  const auto found = addresses("web.default.svc.cluster.local.");
  EXPECT_EQ(std::set<std::string>(found.begin(), found.end()).size(), 4U)
      << ::testing::PrintToString(found) << server_->output();
  // The named target port is the container's number.
  for (const std::string& data :
       data_of(ask("_http._tcp.web.default.svc.cluster.local.", "SRV").answer, "SRV")) {
    EXPECT_EQ(data.substr(0, 10), "0 25 8080 ") << data;
  }
  // Scaling leaves the pods that stay alone.
  manifests_.replace("v1.yaml", deployment("v1", 2));
  ASSERT_TRUE(until([&] { return addresses("web.default.svc.cluster.local.").size() == 3; }));
  for (const std::string& address : addresses("web.default.svc.cluster.local.")) {
    EXPECT_NE(std::find(found.begin(), found.end(), address), found.end()) << address;
  }
}

TEST_F(Workloads, StatefulSetHasNamedPods) {
  manifests_.write("db.yaml",
                   "apiVersion: v1\nkind: Service\nmetadata: {name: db-svc}\n"
                   "spec: {clusterIP: None, selector: {app: db}, ports: [{name: pg, port: 5432}]}\n"
                   "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\n"
                   "spec:\n  serviceName: db-svc\n  replicas: 3\n"
                   "  selector: {matchLabels: {app: db}}\n"
                   "  template:\n    metadata: {labels: {app: db}}\n"
                   "    spec: {containers: [{name: c, image: x}]}\n");
  serve();
  std::set<std::string> each;
  for (int i = 0; i < 3; ++i) {
    const auto one = addresses("db-" + std::to_string(i) + ".db-svc.default.svc.cluster.local.");
    ASSERT_EQ(one.size(), 1U) << server_->output();
    each.insert(one[0]);
  }
  const auto all = addresses("db-svc.default.svc.cluster.local.");
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()), each);
  EXPECT_EQ(each.size(), 3U);
}

std::string pod(const std::string& name, const std::string& address, bool ready) {
  return "---\napiVersion: v1\nkind: Pod\nmetadata: {name: " + name +
         ", labels: {app: p}}\nspec: {containers: [{name: c, image: x}]}\n"
         "status:\n  phase: Running\n  podIP: " +
         address + "\n  conditions: [{type: Ready, status: \"" + (ready ? "True" : "False") +
         "\"}]\n";
}

TEST_F(Workloads, PublishNotReadyAddresses) {
  const std::string service =
      "apiVersion: v1\nkind: Service\nmetadata: {name: NAME}\n"
      "spec: {clusterIP: None, selector: {app: p}, PUBLISH ports: [{port: 80}]}\n";
  const auto named = [&](const std::string& name, const std::string& publish) {
    std::string text = service;
    text.replace(text.find("NAME"), 4, name);
    return text.replace(text.find("PUBLISH"), 7, publish);
  };
  manifests_.write("pods.yaml", pod("a", "10.244.7.1", true) + pod("b", "10.244.7.2", false));
  manifests_.write("ready.yaml", named("ready", ""));
  manifests_.write("all.yaml", named("all", "publishNotReadyAddresses: true,"));
  serve();
  EXPECT_EQ(addresses("ready.default.svc.cluster.local."),
            (std::vector<std::string>{"10.244.7.1"}));
  EXPECT_EQ(addresses("all.default.svc.cluster.local.").size(), 2U) << server_->output();
}

TEST_F(Workloads, ExplicitSlicesWin) {
  manifests_.write("pods.yaml", pod("a", "10.244.7.1", true));
  manifests_.write("svc.yaml",
                   "apiVersion: v1\nkind: Service\nmetadata: {name: own}\n"
                   "spec: {clusterIP: None, selector: {app: p}, ports: [{port: 80}]}\n---\n"
                   "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n"
                   "  name: own-x\n  labels: {kubernetes.io/service-name: own}\n"
                   "addressType: IPv4\nports: [{port: 80}]\n"
                   "endpoints: [{addresses: [10.244.99.9]}]\n");
  serve();
  EXPECT_EQ(addresses("own.default.svc.cluster.local."), (std::vector<std::string>{"10.244.99.9"}));
}

TEST_F(Workloads, EndpointsObjects) {
  manifests_.write("e.yaml",
                   "kind: List\napiVersion: v1\nitems:\n"
                   "- {apiVersion: v1, kind: Service, metadata: {name: ext}, spec: {clusterIP: "
                   "None, ports: [{name: db, port: 1}]}}\n"
                   "- apiVersion: v1\n  kind: Endpoints\n  metadata: {name: ext}\n"
                   "  subsets:\n  - addresses: [{ip: 192.0.2.7, hostname: seven}]\n"
                   "    notReadyAddresses: [{ip: 192.0.2.8}]\n    ports: [{name: db, port: 1}]\n");
  serve();
  EXPECT_EQ(addresses("ext.default.svc.cluster.local."), (std::vector<std::string>{"192.0.2.7"}))
      << server_->output();
  EXPECT_EQ(addresses("seven.ext.default.svc.cluster.local."),
            (std::vector<std::string>{"192.0.2.7"}));
}

TEST_F(Workloads, JsonIsAManifest) {
  manifests_.write("a.json", R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"j"},)"
                             R"("spec":{"clusterIP":"10.96.1.7","ports":[{"port":80}]}})");
  serve();
  EXPECT_EQ(addresses("j.default.svc.cluster.local."), (std::vector<std::string>{"10.96.1.7"}));
}

// deploy/examples, as docs/laptop.md promises.
class Examples : public Integration {
 protected:
  void SetUp() override {
    server_.emplace(ProcessOptions{.arguments = {"serve", "--manifests",
                                                 CLUSTERDNS_SOURCE_DIR "/deploy/examples",
                                                 "--listen", "127.0.0.1:0", "--no-forward"}});
    server_->wait_until_listening();
  }
};

TEST_F(Examples, ClusterIPs) {
  for (const auto& [name, address] : std::vector<std::pair<std::string, std::string>>{
           {"istio-ingressgateway.istio-system", "10.100.200.10"},
           {"kube-dns.kube-system", "10.96.0.10"},
           {"kubernetes.default", "10.96.0.1"}}) {
    EXPECT_EQ(addresses(name + ".svc.cluster.local."), (std::vector<std::string>{address}))
        << name << server_->output();
  }
  for (const char* name : {"my-service", "web-api", "my-nodeport-service"}) {
    EXPECT_EQ(addresses(std::string(name) + ".default.svc.cluster.local.").size(), 1U) << name;
  }
}

TEST_F(Examples, PythonWwwRotatesByOne) {
  const std::vector<std::string> set{"10.244.0.10", "10.244.0.11", "10.244.1.12", "10.244.1.13"};
  for (std::size_t turn = 0; turn < 9; ++turn) {
    std::vector<std::string> expected = set;
    std::rotate(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(turn % set.size()),
                expected.end());
    EXPECT_EQ(addresses("python-www.default.svc.cluster.local."), expected) << turn;
  }
}

TEST_F(Examples, WorkloadsMakeEndpoints) {
  EXPECT_EQ(addresses("kubia-service.default.svc.cluster.local.").size(), 4U);
  EXPECT_EQ(addresses("my-headless-service.default.svc.cluster.local.").size(), 3U);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(
        addresses("my-db-" + std::to_string(i) + ".my-headless-service.default.svc.cluster.local.")
            .size(),
        1U);
  }
}

}  // namespace
}  // namespace clusterdns::test
