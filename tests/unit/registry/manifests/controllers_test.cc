#include "registry/manifests/controllers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "registry/ip_address.h"
#include "tests/unit/registry/manifests/manifest_fixture.h"

namespace clusterdns::registry {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::MatchesRegex;
using testing::SizeIs;
using testing_support::cluster_ips_of;
using testing_support::endpoints_of;
using testing_support::hostnames_of;
using testing_support::targets_of;
using testing_support::TestCluster;

std::string headless(const std::string& selector, const std::string& more = "") {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {clusterIP: None, "
         "selector: {" +
         selector + "}, ports: [{name: http, port: 80, targetPort: 8080}]" + more + "}\n";
}

std::string pod(const std::string& name, const std::string& labels, const std::string& status,
                const std::string& metadata = "", const std::string& spec = "{}") {
  return "---\napiVersion: v1\nkind: Pod\nmetadata: {name: " + name + ", labels: {" + labels + "}" +
         metadata + "}\nspec: " + spec + "\nstatus: " + status + "\n";
}

std::string workload(const std::string& kind, const std::string& name, int replicas,
                     const std::string& spec = "{}", const std::string& more = "",
                     const std::string& metadata = "") {
  return "---\napiVersion: apps/v1\nkind: " + kind + "\nmetadata: {name: " + name + metadata +
         "}\nspec: {replicas: " + std::to_string(replicas) +
         ", selector: {matchLabels: {app: " + name + "}}, template: {metadata: {labels: {app: " +
         name + "}}, spec: " + spec + "}" + more + "}\n";
}

const ObjectKey kS{"default", "s"};

TEST(Controllers, DeploymentsMakePodsWithKubernetesNames) {
  TestCluster cluster(headless("app: web") + workload("Deployment", "web", 3));
  EXPECT_THAT(cluster.diagnostics, IsEmpty());
  const auto names = targets_of(cluster.store, kS);
  EXPECT_THAT(names, SizeIs(3));
  EXPECT_THAT(names, Each(MatchesRegex("web-[bcdfghjklmnpqrstvwxz2456789]{10}-"
                                       "[bcdfghjklmnpqrstvwxz2456789]{5}")));
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 3U);
  EXPECT_EQ(std::set<std::string>({names[0].substr(0, 14), names[1].substr(0, 14)}).size(), 1U);
  const Cidr pods = default_pod_cidrs().front();
  for (const std::string& address : endpoints_of(cluster.store, kS)) {
    EXPECT_TRUE(pods.contains(*IpAddress::parse(address))) << address;
  }
}

TEST(Controllers, TheSameInputGivesTheSameCluster) {
  const std::string text = headless("app: web") + workload("Deployment", "web", 20);
  TestCluster one(text);
  TestCluster two(workload("Deployment", "other", 5) + text);
  EXPECT_EQ(endpoints_of(one.store, kS), endpoints_of(two.store, kS));
  EXPECT_EQ(targets_of(one.store, kS), targets_of(two.store, kS));
}

TEST(Controllers, StatefulSetPodsHaveNames) {
  TestCluster cluster(headless("app: db") +
                      workload("StatefulSet", "db", 12, "{}", ", serviceName: s"));
  const auto names = hostnames_of(cluster.store, kS);
  ASSERT_THAT(names, SizeIs(12));
  for (int i = 0; i < 12; ++i) {  // by ordinal: db-2 before db-10
    EXPECT_EQ(names[static_cast<std::size_t>(i)], "db-" + std::to_string(i));
  }
}

TEST(Controllers, HostnamesOnlyForTheGoverningService) {
  TestCluster cluster(headless("app: db") +
                      workload("StatefulSet", "db", 2, "{}", ", serviceName: another"));
  EXPECT_THAT(hostnames_of(cluster.store, kS), ElementsAre("", ""));
}

TEST(Controllers, ServicesChooseOnePodOfAStatefulSet) {
  TestCluster cluster(headless("statefulset.kubernetes.io/pod-name: db-1") +
                      workload("StatefulSet", "db", 3, "{}", ", serviceName: s"));
  EXPECT_THAT(targets_of(cluster.store, kS), ElementsAre("db-1"));
}

TEST(Controllers, StatefulSetOrdinalsMayStartElsewhere) {
  TestCluster cluster(
      headless("app: db") +
      workload("StatefulSet", "db", 2, "{}", ", serviceName: s, ordinals: {start: 7}"));
  EXPECT_THAT(hostnames_of(cluster.store, kS), ElementsAre("db-7", "db-8"));
}

TEST(Controllers, DaemonSetsRunOnTheOneNode) {
  TestCluster cluster(headless("app: agent") + workload("DaemonSet", "agent", 5));
  EXPECT_THAT(endpoints_of(cluster.store, kS), SizeIs(1));
}

TEST(Controllers, TwoDeploymentsBehindOneService) {
  const std::string text = headless("group: kubia") + R"(
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: v1}
spec: {replicas: 3, selector: {matchLabels: {version: v1}},
       template: {metadata: {labels: {group: kubia, version: v1}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: v2}
spec: {selector: {matchLabels: {version: v2}},
       template: {metadata: {labels: {group: kubia, version: v2}}}}
)";
  TestCluster cluster(text);
  const auto names = targets_of(cluster.store, kS);
  ASSERT_THAT(names, SizeIs(4));
  EXPECT_THAT(names[3], HasSubstr("v2-"));
}

TEST(Controllers, ListedPodsAreOrderedByName) {
  TestCluster cluster(headless("app: www") + pod("www-2", "app: www", "{podIP: 10.244.0.11}") +
                      pod("www-4", "app: www", "{podIP: 10.244.1.13}") +
                      pod("www-1", "app: www", "{podIP: 10.244.0.10}") +
                      pod("www-3", "app: www", "{podIP: 10.244.1.12}"));
  EXPECT_THAT(endpoints_of(cluster.store, kS),
              ElementsAre("10.244.0.10", "10.244.0.11", "10.244.1.12", "10.244.1.13"));
}

TEST(Controllers, Readiness) {
  const std::string pods =
      pod("a", "app: x", "{podIP: 10.0.0.1}") +
      pod("b", "app: x", R"({podIP: 10.0.0.2, conditions: [{type: Ready, status: "False"}]})") +
      pod("c", "app: x", "{podIP: 10.0.0.3, phase: Succeeded}") +
      pod("d", "app: x", "{podIP: 10.0.0.4}", ", deletionTimestamp: \"2024-01-01T00:00:00Z\"");
  TestCluster cluster(headless("app: x") + pods);
  EXPECT_THAT(endpoints_of(cluster.store, kS), ElementsAre("10.0.0.1", "10.0.0.2-", "10.0.0.4-"));
  EXPECT_EQ(cluster.store.pod({"default", "c"}), nullptr);

  TestCluster publishing(headless("app: x", ", publishNotReadyAddresses: true") + pods);
  EXPECT_THAT(endpoints_of(publishing.store, kS), ElementsAre("10.0.0.1", "10.0.0.2", "10.0.0.4"));
}

TEST(Controllers, PodsThatEndOrAreLostHaveNoNameOfTheirOwn) {
  TestCluster cluster(
      headless("app: x") + pod("a", "app: x", "{podIP: 10.0.0.1}") +
      pod("b", "app: x", "{podIP: 10.0.0.2}", ", deletionTimestamp: \"2024-01-01T00:00:00Z\"") +
      pod("c", "app: x", "{podIP: 10.0.0.3, phase: Unknown}"));
  EXPECT_NE(cluster.store.pod({"default", "a"}), nullptr);
  EXPECT_EQ(cluster.store.pod({"default", "b"}), nullptr);
  EXPECT_EQ(cluster.store.pod({"default", "c"}), nullptr);
}

TEST(Controllers, APodThatEndsIsReplaced) {
  const std::string deployment = R"(---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec: {replicas: 2, selector: {matchLabels: {app: x}}, template: {metadata: {labels: {app: x}}}}
)";
  const auto listed = [](const std::string& more) {
    return pod("d-1", "app: x", "{podIP: 10.0.0.1}",
               ", ownerReferences: [{kind: Deployment, name: d, controller: true}]" + more);
  };
  TestCluster one(headless("app: x") + listed("") + deployment);
  EXPECT_THAT(one.diagnostics, testing::IsEmpty());
  EXPECT_THAT(endpoints_of(one.store, kS), SizeIs(2));
  EXPECT_THAT(endpoints_of(one.store, kS), testing::Contains("10.0.0.1"));
  TestCluster ending(headless("app: x") + listed(", deletionTimestamp: \"2024-01-01T00:00:00Z\"") +
                     deployment);
  const auto endpoints = endpoints_of(ending.store, kS);
  EXPECT_THAT(endpoints, SizeIs(3));
  EXPECT_THAT(endpoints, testing::Contains("10.0.0.1-"));
}

TEST(Controllers, TargetPortsByNameAreResolvedPerPod) {
  const std::string text =
      "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {selector: {app: x}, ports: "
      "[{name: web, port: 80, targetPort: http}, {name: plain, port: 81}]}\n" +
      pod("a", "app: x", "{podIP: 10.0.0.1}", "",
          "{containers: [{ports: [{name: http, containerPort: 8080}]}]}") +
      pod("b", "app: x", "{podIP: 10.0.0.2}", "",
          "{containers: [{ports: [{name: http, containerPort: 9090}]}]}") +
      pod("c", "app: x", "{podIP: 10.0.0.3}", "",
          "{containers: [{ports: [{name: http, containerPort: 8080}]}]}") +
      pod("d", "app: x", "{podIP: 10.0.0.4}", "",
          "{containers: [{ports: [{name: http, containerPort: 1, protocol: UDP}]}]}");
  TestCluster cluster(text);
  const auto slices = cluster.store.slices(kS);
  ASSERT_THAT(slices, SizeIs(3));
  EXPECT_THAT(slices[0]->ports, ElementsAre(EndpointPort{"web", Protocol::Tcp, 8080},
                                            EndpointPort{"plain", Protocol::Tcp, 81}));
  EXPECT_THAT(slices[0]->endpoints, SizeIs(2));
  EXPECT_EQ(slices[1]->ports[0].port, 9090);
  EXPECT_THAT(slices[2]->ports, ElementsAre(EndpointPort{"plain", Protocol::Tcp, 81}));
}

TEST(Controllers, ExplicitSlicesWin) {
  const std::string slice =
      "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
      "metadata: {name: s-x, labels: {kubernetes.io/service-name: s}}\naddressType: IPv4\n"
      "endpoints: [{addresses: [10.0.9.2]}, {addresses: [10.0.9.1]}]\n";
  const std::string endpoints =
      "---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: s}\n"
      "subsets: [{addresses: [{ip: 10.0.8.1}], notReadyAddresses: [{ip: 10.0.8.2}]}]\n";
  const std::string base = headless("app: web") + workload("Deployment", "web", 3);
  EXPECT_THAT(endpoints_of(TestCluster(base + slice).store, kS),
              ElementsAre("10.0.9.2", "10.0.9.1"));  // in the order written
  EXPECT_THAT(endpoints_of(TestCluster(base + endpoints).store, kS),
              ElementsAre("10.0.8.1", "10.0.8.2-"));
  EXPECT_THAT(endpoints_of(TestCluster(base + endpoints + slice).store, kS),
              ElementsAre("10.0.9.2", "10.0.9.1"));
}

TEST(Controllers, NoSelectorNoSlices) {
  TestCluster cluster("apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: "
                      "80}]}\n" +
                      workload("Deployment", "web", 3));
  EXPECT_THAT(cluster.store.slices(kS), IsEmpty());
}

TEST(Controllers, SelectorsStayInTheirNamespace) {
  TestCluster cluster(headless("app: x") +
                      pod("a", "app: x", "{podIP: 10.0.0.1}", ", namespace: other") +
                      pod("b", "app: x", "{podIP: 10.0.0.2}"));
  EXPECT_THAT(endpoints_of(cluster.store, kS), ElementsAre("10.0.0.2"));
}

TEST(Controllers, OwnedPodsTakeThePlaceOfMadeOnes) {
  const std::string base = headless("app: web") + workload("Deployment", "web", 3);
  TestCluster owned(base + pod("web-5d4f8c7b96-abcde", "app: web", "{podIP: 10.0.0.1}",
                               ", ownerReferences: [{kind: ReplicaSet, name: web-5d4f8c7b96, "
                               "controller: true}]"));
  EXPECT_THAT(endpoints_of(owned.store, kS), AllOf(SizeIs(3), IsSupersetOf({"10.0.0.1"})));

  // A pod of the name that would have been made: its address is the one written.
  const TestCluster plain(base);
  const std::string name = targets_of(plain.store, kS)[1];
  TestCluster named(base + pod(name, "app: web", "{podIP: 10.0.0.1}"));
  EXPECT_THAT(endpoints_of(named.store, kS), AllOf(SizeIs(3), IsSupersetOf({"10.0.0.1"})));

  // A bare pod with the same labels is one more, as in a cluster.
  TestCluster bare(base + pod("stray", "app: web", "{podIP: 10.0.0.1}"));
  EXPECT_THAT(endpoints_of(bare.store, kS), SizeIs(4));
}

TEST(Controllers, StatefulSetPodsMayBeListed) {
  TestCluster cluster(headless("app: db") +
                      workload("StatefulSet", "db", 3, "{}", ", serviceName: s") +
                      pod("db-1", "app: db", "{podIP: 10.0.0.1}", "", "{hostname: db-1, subdomain: "
                                                                      "s}"));
  EXPECT_THAT(hostnames_of(cluster.store, kS), ElementsAre("db-0", "db-1", "db-2"));
  EXPECT_EQ(endpoints_of(cluster.store, kS)[1], "10.0.0.1");
}

TEST(Controllers, ReplicaSetsAdoptAndDeploymentsDelegate) {
  TestCluster adopting(headless("app: rs") + workload("ReplicaSet", "rs", 2) +
                       pod("bare", "app: rs", "{podIP: 10.0.0.1}"));
  EXPECT_THAT(endpoints_of(adopting.store, kS), AllOf(SizeIs(2), IsSupersetOf({"10.0.0.1"})));

  // A dump of a cluster holds the Deployment, its ReplicaSets and their pods.
  TestCluster dump(headless("app: web") + workload("Deployment", "web", 2) +
                   "---\napiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: web-77, "
                   "ownerReferences: [{kind: Deployment, name: web, controller: true}]}\n"
                   "spec: {replicas: 2, selector: {matchLabels: {app: web}}, template: {metadata: "
                   "{labels: {app: web}}}}\n" +
                   pod("web-77-a", "app: web", "{podIP: 10.0.0.1}",
                       ", ownerReferences: [{kind: ReplicaSet, name: web-77, controller: true}]") +
                   pod("web-77-b", "app: web", "{podIP: 10.0.0.2}",
                       ", ownerReferences: [{kind: ReplicaSet, name: web-77, controller: true}]"));
  EXPECT_THAT(endpoints_of(dump.store, kS), ElementsAre("10.0.0.1", "10.0.0.2"));
}

TEST(Controllers, HostNetworkPodsHaveTheNodesAddress) {
  TestCluster cluster(headless("app: web") +
                      workload("Deployment", "web", 1, "{hostNetwork: true}"));
  EXPECT_THAT(endpoints_of(cluster.store, kS), ElementsAre("172.18.0.2"));
}

TEST(Controllers, DualStackServicesHaveSlicesOfBothFamilies) {
  const std::string text =
      "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ipFamilyPolicy: "
      "PreferDualStack, selector: {app: web}, ports: [{port: 80}]}\n" +
      workload("Deployment", "web", 2);
  TestCluster dual(text);
  ASSERT_THAT(dual.store.slices(kS), SizeIs(2));
  EXPECT_TRUE(dual.store.slices(kS)[0]->endpoints[0].address.is_v4());
  EXPECT_TRUE(dual.store.slices(kS)[1]->endpoints[0].address.is_v6());
  ASSERT_NE(dual.store.service(kS), nullptr);
  EXPECT_THAT(dual.store.service(kS)->cluster_ips, SizeIs(2));

  ClusterOptions single;
  single.service_cidrs = {*Cidr::parse("10.96.0.0/16")};
  single.pod_cidrs = {*Cidr::parse("10.244.0.0/16")};
  TestCluster v4_only(text, single);
  EXPECT_THAT(v4_only.diagnostics, IsEmpty());
  EXPECT_THAT(v4_only.store.service(kS)->cluster_ips, SizeIs(1));
}

TEST(ServiceFamilies, FollowPolicyAndWhatIsWritten) {
  const std::vector<IpFamily> both = {IpFamily::V4, IpFamily::V6};
  const std::vector<IpFamily> only_v4 = {IpFamily::V4};
  const std::vector<IpFamily> only_v6 = {IpFamily::V6};
  std::string problem;
  ServiceManifest service;
  service.object.selector = {{"a", "b"}};
  EXPECT_EQ(service_families(service, both, problem), only_v4);
  EXPECT_EQ(service_families(service, {IpFamily::V6, IpFamily::V4}, problem), only_v6);
  service.ip_family_policy = IpFamilyPolicy::PreferDualStack;
  EXPECT_EQ(service_families(service, both, problem), both);
  EXPECT_EQ(service_families(service, only_v4, problem), only_v4);
  EXPECT_EQ(problem, "");
  service.ip_family_policy = IpFamilyPolicy::RequireDualStack;
  EXPECT_EQ(service_families(service, only_v4, problem), only_v4);
  EXPECT_NE(problem, "");

  service.ip_family_policy = IpFamilyPolicy::Unset;
  service.object.cluster_ips = {*IpAddress::parse("fd00:10:96::1")};
  EXPECT_EQ(service_families(service, both, problem), only_v6);
  service.object.cluster_ips = {*IpAddress::parse("fd00:10:96::1"), *IpAddress::parse("10.96.1.1")};
  EXPECT_EQ(service_families(service, both, problem), (std::vector{IpFamily::V6, IpFamily::V4}));
  service.object.cluster_ips.clear();
  service.ip_families = only_v6;
  EXPECT_EQ(service_families(service, both, problem), only_v6);

  ServiceManifest selectorless;
  selectorless.object.headless = true;
  EXPECT_EQ(service_families(selectorless, both, problem), both);
  ServiceManifest alias;
  alias.object.type = ServiceType::ExternalName;
  EXPECT_THAT(service_families(alias, both, problem), IsEmpty());
}

TEST(Controllers, LongWorkloadNamesGiveDistinctPodNamesThatAreLabels) {
  const std::string stem(60, 'x');
  TestCluster cluster(workload("Deployment", stem + "1", 50) +
                      workload("Deployment", stem + "2", 50));
  std::set<std::string> names;
  cluster.store.for_each_pod([&](const Pod& each) {
    names.insert(each.key.name);
    EXPECT_LE(each.key.name.size(), 63U);
  });
  EXPECT_EQ(names.size(), 100U);
}

}  // namespace
}  // namespace clusterdns::registry
