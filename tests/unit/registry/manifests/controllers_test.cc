#include "registry/manifests/controllers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "registry/ip_address.h"
#include "tests/unit/growth.h"
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
         ", selector: {matchLabels: {app: " + name +
         "}}, template: {metadata: {labels: {app: " + name + "}}, spec: " + spec + "}" + more +
         "}\n";
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

TEST(Controllers, ReplicationControllersMakePods) {
  const std::string controller =
      "---\napiVersion: v1\nkind: ReplicationController\nmetadata: {name: rc}\nspec: {replicas: 2, "
      "selector: {app: rc}, template: {metadata: {labels: {app: rc}}}}\n";
  TestCluster cluster(headless("app: rc") + controller);
  EXPECT_THAT(cluster.diagnostics, IsEmpty());
  EXPECT_THAT(targets_of(cluster.store, kS),
              AllOf(SizeIs(2), Each(MatchesRegex("rc-[bcdfghjklmnpqrstvwxz2456789]{5}"))));
  // Those that are listed are its own.
  TestCluster listed(headless("app: rc") + controller + pod("a", "app: rc", "{podIP: 10.244.0.9}") +
                     pod("b", "x: z", "{podIP: 10.244.0.8}",
                         ", ownerReferences: [{kind: ReplicationController, name: rc, controller: "
                         "true}]"));
  EXPECT_THAT(targets_of(listed.store, kS), ElementsAre("a"));
}

TEST(Controllers, PodsOfOneWorkloadAreBounded) {
  TestCluster cluster(headless("app: web") + workload("Deployment", "web", kMaxWorkloadPods + 1));
  EXPECT_THAT(
      cluster.diagnostics,
      ElementsAre(HasSubstr("Deployment default/web wants 1001 replicas; it gets 1000 pods, "
                            "which is the most")));
  EXPECT_THAT(targets_of(cluster.store, kS), SizeIs(kMaxWorkloadPods));
}

TEST(Controllers, PodsOfAllWorkloadsAreBounded) {
  constexpr std::size_t kFit = kMaxMadePods / kMaxWorkloadPods;
  std::vector<WorkloadManifest> workloads(kFit);
  for (std::size_t i = 0; i < kFit; ++i) {
    workloads[i].kind = i % 2 == 0 ? WorkloadKind::Deployment : WorkloadKind::StatefulSet;
    workloads[i].key = {"default", "w" + std::to_string(i)};
    workloads[i].replicas = 150'000;
    workloads[i].template_spec = std::make_shared<const PodSpec>();
  }
  std::vector<const WorkloadManifest*> all;
  for (const WorkloadManifest& workload : workloads) all.push_back(&workload);
  PodBudget budget;
  EXPECT_EQ(plan_pods({}, all, &budget).size(), kMaxMadePods);
  EXPECT_EQ(budget.left, 0u);
  EXPECT_FALSE(budget.exceeded);
  EXPECT_THAT(plan_pods({}, {all[0]}, &budget), IsEmpty());
  EXPECT_TRUE(budget.exceeded);
}

// All namespaces share what there is, and what is left when one of them goes.
TEST(Controllers, EndpointsOfSelectorsAreBounded) {
  constexpr int kServices = 250, kPods = 1'000;
  const auto in = [](const std::string& ns, int services) {
    std::string text =
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, namespace: " + ns +
        "}\nspec: {replicas: " + std::to_string(kPods) +
        ", selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}}}\n";
    for (int i = 0; i < services; ++i) {
      text += "---\napiVersion: v1\nkind: Service\nmetadata: {name: s" + std::to_string(i) +
              ", namespace: " + ns + "}\nspec: {selector: {a: b}, ports: [{port: 80}]}\n";
    }
    return text;
  };
  const auto endpoints = [](const TestCluster& cluster, const std::string& ns) {
    std::size_t count = 0;
    for (int i = 0; i < kServices; ++i) {
      count += endpoints_of(cluster.store, {ns, "s" + std::to_string(i)}).size();
    }
    return count;
  };
  TestCluster cluster(in("one", kServices));
  ASSERT_THAT(cluster.diagnostics, SizeIs(1));
  EXPECT_THAT(
      cluster.diagnostics[0],
      AllOf(HasSubstr("50 Services of namespace one, this one first, have not all endpoints"),
            HasSubstr("more than 200000")));
  EXPECT_EQ(endpoints(cluster, "one"), kMaxMadeEndpoints);
  cluster.folder.write("b.yaml", in("two", 1));
  EXPECT_THAT(cluster.reload(),
              ElementsAre(HasSubstr("1 Service of namespace two, this one, has")));
  EXPECT_EQ(endpoints(cluster, "two"), 0u);
  cluster.folder.replace("a.yaml", in("one", 10));
  EXPECT_THAT(cluster.reload(), IsEmpty());
  cluster.folder.replace("b.yaml", in("two", 2));
  EXPECT_THAT(cluster.reload(), IsEmpty());
  EXPECT_EQ(endpoints(cluster, "one"), 10u * kPods);
  EXPECT_EQ(endpoints(cluster, "two"), 2u * kPods);
}

// ---- cost ----

std::string numbered(const char* name, int i) { return name + std::to_string(i); }

// Half of the pods have `a: "1"`, the other half `b: "1"`, and each a number of its own.
std::vector<PodManifest> halves(int count) {
  std::vector<PodManifest> pods(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    PodManifest& pod = pods[static_cast<std::size_t>(i)];
    pod.object.key = {"default", numbered("p", i)};
    pod.object.labels = {{i % 2 == 0 ? "a" : "b", "1"}, {"n", std::to_string(i)}};
  }
  return pods;
}

template <typename Manifest>
std::vector<const Manifest*> pointers(const std::vector<Manifest>& manifests) {
  std::vector<const Manifest*> result;
  for (const Manifest& manifest : manifests) result.push_back(&manifest);
  return result;
}

WorkloadManifest replica_set(const std::string& name, Labels selector) {
  WorkloadManifest workload;
  workload.kind = WorkloadKind::ReplicaSet;
  workload.key = {"default", name};
  workload.replicas = 0;
  workload.selector = std::move(selector);
  workload.template_spec = std::make_shared<const PodSpec>();
  return workload;
}

constexpr double kLinear = 24;  // eight times as much: quadratic is 64

TEST(ControllersCost, AdoptionFollowsPodsAndWorkloads) {
  const auto plan = [](int count) {
    return [pods = halves(count), sets = [&] {
      std::vector<WorkloadManifest> sets;
      for (int i = 0; i < count; ++i) {
        // All of them alike, each of its own pod, each of none.
        sets.push_back(replica_set(numbered("alike", i), {{"a", "1"}}));
        sets.push_back(replica_set(numbered("own", i), {{"b", "1"}, {"n", std::to_string(i)}}));
        sets.push_back(replica_set(numbered("none", i), {{"a", "1"}, {"n", "x"}}));
      }
      return sets;
    }()] { return plan_pods(pointers(pods), pointers(sets)).size(); };
  };
  EXPECT_LT(unit::growth(plan(200), plan(1'600)), kLinear);
}

TEST(ControllersCost, SelectorsFollowKindsOfPods) {
  // Pods of one template, and Services whose selectors choose none of them though each label does.
  const auto select = [](int count) {
    return [count] {
      std::vector<PlannedPod> pods(static_cast<std::size_t>(count));
      for (int i = 0; i < count; ++i) {
        pods[static_cast<std::size_t>(i)].object.labels = {{i % 2 == 0 ? "a" : "b", "1"},
                                                           {"c", "1"}};
      }
      PodIndex index(pods);
      std::size_t chosen = 0;
      for (int i = 0; i < count; ++i) chosen += index.select({{"a", "1"}, {"b", "1"}})->size();
      return chosen;
    };
  };
  EXPECT_EQ(select(10)(), 0u);
  EXPECT_LT(unit::growth(select(200), select(1'600)), kLinear);
}

TEST(ControllersCost, SelectorsOfANamespaceAreBounded) {
  const Labels labels{{"a", "1"}};
  LabelIndex index;
  constexpr std::size_t kObjects = 100'000;
  for (std::size_t i = 0; i < kObjects; ++i) index.add(labels);
  std::size_t chosen = 0;
  while (const auto some = index.select(labels)) {
    ASSERT_EQ(some->size(), kObjects);
    ASSERT_LE(chosen += some->size(), kMaxSelected);
  }
  EXPECT_GE(chosen + 2 * kObjects, kMaxSelected);
  EXPECT_TRUE(index.select({{"a", "2"}})) << "what costs nothing is still to be had";
}

// Pods with a specification each, and a service that asks for the ports of all by name.
struct ManyPorts {
  ManyPorts(int pod_count, int port_count, bool alike) {
    for (int i = 0; i < port_count; ++i) {
      ServicePort port;
      port.name = port.target_port_name = numbered("p", i);
      port.port = 80;
      service.ports.push_back(port);
    }
    service.key = {"default", "s"};
    specs.resize(static_cast<std::size_t>(pod_count));
    pods.resize(specs.size());
    for (int i = 0; i < pod_count; ++i) {
      PodSpec& spec = specs[static_cast<std::size_t>(i)];
      spec.named_ports = {{"p0", Protocol::Tcp, static_cast<std::uint16_t>(alike ? 1 : i + 1)}};
      PlannedPod& pod = pods[static_cast<std::size_t>(i)];
      pod.spec = &spec;
      pod.object.ips = {*IpAddress::parse("10.0.0.1")};
    }
    for (const PlannedPod& pod : pods) selected.push_back(&pod);
  }

  std::vector<EndpointSlice> slices(std::size_t* left_out = nullptr) const {
    return make_slices(
        service, {IpFamily::V4}, selected, [](const std::string&) { return false; }, {}, left_out);
  }

  Service service;
  std::vector<PodSpec> specs;
  std::vector<PlannedPod> pods;
  std::vector<const PlannedPod*> selected;
};

TEST(ControllersCost, GroupsOfPortsFollowPodsAndPorts) {
  const ManyPorts few(250, 250, true), many(2'000, 2'000, true);
  EXPECT_EQ(many.slices().size(), 1u);
  EXPECT_LT(unit::growth([&] { return few.slices().size(); }, [&] { return many.slices().size(); }),
            kLinear);
  const ManyPorts some_groups(100, 1, false), more_groups(800, 1, false);
  EXPECT_EQ(more_groups.slices().size(), 800u);
  EXPECT_LT(unit::growth([&] { return some_groups.slices().size(); },
                         [&] { return more_groups.slices().size(); }),
            kLinear);
}

TEST(ControllersCost, PortsOfSlicesAreBounded) {
  const ManyPorts many(200, 1'000, false);
  std::size_t left_out = 0;
  EXPECT_EQ(many.slices(&left_out).size(), kMaxSlicePorts / 1'000);
  EXPECT_EQ(left_out, 200 - kMaxSlicePorts / 1'000);
}

TEST(ControllersCost, NamesThatAreCutToTheSameAreMadeInTurn) {
  const auto plan = [](int count) {
    return [sets = [&] {
      std::vector<WorkloadManifest> sets;
      for (int i = 0; i < count; ++i) {
        sets.push_back(replica_set(std::string(60, 'a') + std::to_string(i), {}));
        sets.back().replicas = 5;
      }
      return sets;
    }()] { return plan_pods({}, pointers(sets)).size(); };
  };
  EXPECT_EQ(plan(40)(), 200u);
  EXPECT_LT(unit::growth(plan(40), plan(320)), kLinear);
}

// The first of several containers with a port of that name counts; a pod without one is an endpoint
// all the same.
TEST(Controllers, PodsAreGroupedByTheNumbersOfNamedPorts) {
  ManyPorts ports(4, 2, true);
  ports.specs[0].named_ports = {{"p0", Protocol::Tcp, 1}, {"p0", Protocol::Tcp, 2}};
  ports.specs[1].named_ports = {{"p1", Protocol::Udp, 7}, {"p0", Protocol::Tcp, 1}};
  ports.specs[2].named_ports = {};
  ports.specs[3].named_ports = {{"p1", Protocol::Tcp, 3}, {"p0", Protocol::Tcp, 1}};
  const auto slices = ports.slices();
  ASSERT_EQ(slices.size(), 3u);
  EXPECT_EQ(slices[0].endpoints.size(), 2u);
  EXPECT_EQ(slices[0].ports, (std::vector<EndpointPort>{{"p0", Protocol::Tcp, 1}}));
  EXPECT_TRUE(slices[1].ports.empty());
  EXPECT_EQ(slices[2].ports,
            (std::vector<EndpointPort>{{"p0", Protocol::Tcp, 1}, {"p1", Protocol::Tcp, 3}}));
}

// A pod's name may be no label, and then it names no endpoint.
TEST(Controllers, LongNamesOfPodsNameNoEndpoints) {
  const std::string name = std::string(70, 'a');
  TestCluster cluster(headless("app: x") + pod(name, "app: x", "{podIP: 10.0.0.1}") +
                      pod("with.dots", "app: x", "{podIP: 10.0.0.2}"));
  EXPECT_THAT(cluster.diagnostics, IsEmpty());
  EXPECT_THAT(endpoints_of(cluster.store, kS), ElementsAre("10.0.0.1", "10.0.0.2"));
  EXPECT_THAT(targets_of(cluster.store, kS), ElementsAre("", ""));
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
  TestCluster cluster(headless("app: db") + workload("StatefulSet", "db", 2, "{}",
                                                     ", serviceName: s, ordinals: {start: 7}"));
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
  EXPECT_EQ(cluster.store.find<Pod>({"default", "c"}), nullptr);

  TestCluster publishing(headless("app: x", ", publishNotReadyAddresses: true") + pods);
  EXPECT_THAT(endpoints_of(publishing.store, kS), ElementsAre("10.0.0.1", "10.0.0.2", "10.0.0.4"));
}

TEST(Controllers, PodsThatEndOrAreLostHaveNoNameOfTheirOwn) {
  TestCluster cluster(
      headless("app: x") + pod("a", "app: x", "{podIP: 10.0.0.1}") +
      pod("b", "app: x", "{podIP: 10.0.0.2}", ", deletionTimestamp: \"2024-01-01T00:00:00Z\"") +
      pod("c", "app: x", "{podIP: 10.0.0.3, phase: Unknown}"));
  EXPECT_NE(cluster.store.find<Pod>({"default", "a"}), nullptr);
  EXPECT_EQ(cluster.store.find<Pod>({"default", "b"}), nullptr);
  EXPECT_EQ(cluster.store.find<Pod>({"default", "c"}), nullptr);
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
  TestCluster cluster(
      "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: "
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
                      pod("db-1", "app: db", "{podIP: 10.0.0.1}", "",
                          "{hostname: db-1, subdomain: "
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
  cluster.store.for_each<Pod>([&](const Pod& each) {
    names.insert(each.key.name);
    EXPECT_LE(each.key.name.size(), 63U);
  });
  EXPECT_EQ(names.size(), 100U);
}

}  // namespace
}  // namespace clusterdns::registry
