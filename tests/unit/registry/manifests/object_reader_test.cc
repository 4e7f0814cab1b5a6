#include "registry/manifests/object_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "registry/selector.h"

namespace clusterdns::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<ReadObject> read(const std::string& text, const ReadOptions& options = {}) {
  std::vector<ReadObject> results;
  std::istringstream input(text);
  const auto error = read_yaml(input, [&](const YamlNode& node) {
    for (ReadObject& result : read_objects(node, "test.yaml", options)) {
      results.push_back(std::move(result));
    }
  });
  EXPECT_FALSE(error) << error->what;
  return results;
}

// `line:column: what` of each error, up to the first '(' of an explanation.
std::vector<std::string> errors_of(const std::string& text) {
  std::vector<std::string> errors;
  for (const ReadObject& result : read(text)) {
    EXPECT_EQ(result.object.has_value(), result.errors.empty());
    for (const YamlError& error : result.errors) {
      const std::string what = error.what.substr(0, error.what.find(" ("));
      errors.push_back(std::to_string(error.mark.line) + ':' + std::to_string(error.mark.column) +
                       ": " + what);
    }
  }
  return errors;
}

template <typename Manifest>
Manifest read_one(const std::string& text, const ReadOptions& options = {}) {
  std::vector<ReadObject> results = read(text, options);
  if (results.size() != 1 || !results[0].object) {
    ADD_FAILURE() << "not one good object: "
                  << (results.empty() || results[0].errors.empty() ? ""
                                                                   : results[0].errors[0].what);
    return {};
  }
  const auto* manifest = body_as<Manifest>(results[0].object->body);
  if (manifest == nullptr) {
    ADD_FAILURE() << "another kind of object";
    return {};
  }
  return *manifest;
}

std::string service(const std::string& spec) {
  return "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n" + spec;
}

TEST(ObjectReader, ServiceDefaults) {
  const auto manifest = read_one<ServiceManifest>(service("  ports: [{port: 80}]\n"));
  const Service& s = manifest.object;
  EXPECT_EQ(s.key, (ObjectKey{"default", "s"}));
  EXPECT_EQ(s.type, ServiceType::ClusterIP);
  EXPECT_FALSE(s.headless);
  EXPECT_FALSE(s.publish_not_ready_addresses);
  EXPECT_THAT(s.cluster_ips, IsEmpty());
  ASSERT_THAT(s.ports, SizeIs(1));
  EXPECT_EQ(s.ports[0], (ServicePort{"", Protocol::Tcp, 80, 0, "", 0}));
}

TEST(ObjectReader, ServiceInFull) {
  const auto manifest = read_one<ServiceManifest>(R"(
apiVersion: v1
kind: Service
metadata:
  name: s
  namespace: staging
  labels: {tier: front, app: web}
spec:
  type: NodePort
  clusterIP: 10.96.1.2
  clusterIPs: [10.96.1.2, "fd00:10:96::2"]
  ipFamilyPolicy: RequireDualStack
  ipFamilies: [IPv4, IPv6]
  publishNotReadyAddresses: true
  selector: {app: web}
  externalIPs: [198.51.100.7]
  unknownField: {whatever: [1, 2]}
  ports:
  - {name: http, port: 80, targetPort: 8080, nodePort: 31000}
  - {name: dns, port: 53, targetPort: dns-port, protocol: UDP}
status:
  loadBalancer:
    ingress: [{ip: 203.0.113.50}, {hostname: lb.example.com}]
)");
  const Service& s = manifest.object;
  EXPECT_EQ(s.key, (ObjectKey{"staging", "s"}));
  EXPECT_EQ(s.type, ServiceType::NodePort);
  EXPECT_EQ(s.labels, (Labels{{"app", "web"}, {"tier", "front"}}));
  EXPECT_THAT(s.cluster_ips, SizeIs(2));
  EXPECT_TRUE(s.publish_not_ready_addresses);
  EXPECT_EQ(s.ports[0], (ServicePort{"http", Protocol::Tcp, 80, 8080, "", 31000}));
  EXPECT_EQ(s.ports[1], (ServicePort{"dns", Protocol::Udp, 53, 0, "dns-port", 0}));
  EXPECT_EQ(s.external_ips.front().to_string(), "198.51.100.7");
  ASSERT_THAT(s.load_balancer_ips, SizeIs(1));
  EXPECT_EQ(s.load_balancer_ips.front().to_string(), "203.0.113.50");
  EXPECT_EQ(manifest.ip_family_policy, IpFamilyPolicy::RequireDualStack);
  EXPECT_THAT(manifest.ip_families, ElementsAre(IpFamily::V4, IpFamily::V6));
}

TEST(ObjectReader, HeadlessMayHaveNoPorts) {
  EXPECT_TRUE(read_one<ServiceManifest>(service("  clusterIP: None\n")).object.headless);
  EXPECT_TRUE(read_one<ServiceManifest>(service("  clusterIPs: [None]\n")).object.headless);
  EXPECT_THAT(errors_of(service("  type: ClusterIP\n")), ElementsAre("5:3: spec.ports: is missing; "
                                                                     "only a headless Service may "
                                                                     "have no ports"));
}

TEST(ObjectReader, ExternalName) {
  const auto manifest =
      read_one<ServiceManifest>(service("  type: ExternalName\n  externalName: db.example.com.\n"));
  EXPECT_EQ(manifest.object.external_name, "db.example.com");
  EXPECT_THAT(errors_of(service("  type: ExternalName\n")),
              ElementsAre(HasSubstr("spec.externalName: is missing")));
  EXPECT_THAT(errors_of(service("  {type: ExternalName, externalName: Not_A.name}\n")),
              ElementsAre("5:38: spec.externalName: 'Not_A.name' is not a DNS name"));
  EXPECT_THAT(
      errors_of(service("  {type: ExternalName, externalName: a.b, clusterIP: 10.96.0.9}\n")),
      ElementsAre(HasSubstr("spec.clusterIP: must not be set")));
}

TEST(ObjectReader, ServiceErrorsHaveTheirPlace) {
  EXPECT_THAT(errors_of(service("  ports:\n  - port: 70000\n")),
              ElementsAre("6:11: spec.ports[0].port: 70000 is not a port"));
  EXPECT_THAT(errors_of(service("  ports:\n  - port: eighty\n")),
              ElementsAre("6:11: spec.ports[0].port: 'eighty' is not a whole number"));
  EXPECT_THAT(errors_of(service("  ports:\n  - port: \"80\"\n")),
              ElementsAre("6:11: spec.ports[0].port: must be a number: write it without quotes"));
  EXPECT_THAT(errors_of(service("  ports:\n  - name: http\n")),
              ElementsAre("6:5: spec.ports[0].port: is missing"));
  EXPECT_THAT(errors_of(service("  ports:\n  - {port: 80}\n  - {name: b, port: 81}\n")),
              ElementsAre("6:5: spec.ports[0].name: is missing; a Service of several ports names "
                          "each"));
  EXPECT_THAT(errors_of(service("  ports:\n  - {name: b, port: 80}\n  - {name: b, port: 81}\n")),
              ElementsAre("7:12: spec.ports[1].name: 'b' names two ports of this Service"));
  EXPECT_THAT(errors_of(service("  ports:\n  - {name: a, port: 80}\n  - {name: b, port: 80}\n")),
              ElementsAre("7:21: spec.ports[1].port: 80/TCP is listed twice"));
  EXPECT_THAT(errors_of(service("  ports: [{port: 53, protocol: udp}]\n")),
              ElementsAre("5:32: spec.ports[0].protocol: 'udp' is not a protocol"));
  EXPECT_THAT(errors_of(service("  ports: [{port: 80, targetPort: \"8080\"}]\n")),
              ElementsAre(HasSubstr("targetPort: '8080' is not a port name")));
  EXPECT_THAT(errors_of(service("  ports: {port: 80}\n")),
              ElementsAre("5:10: spec.ports: must be a list",
                          HasSubstr("spec.ports: is missing")));
  EXPECT_THAT(errors_of(service("  clusterIP: 10.96.0.300\n  ports: [{port: 80}]\n")),
              ElementsAre("5:14: spec.clusterIP: '10.96.0.300' is not an IPv4 or IPv6 address"));
  EXPECT_THAT(errors_of(service("  {clusterIPs: [10.96.1.1, 10.96.1.2], ports: [{port: 80}]}\n")),
              ElementsAre(HasSubstr("at most one cluster IP of each family")));
  EXPECT_THAT(errors_of(service("  {type: NodePort, clusterIP: None, ports: [{port: 80}]}\n")),
              ElementsAre(HasSubstr("must not be None")));
  EXPECT_THAT(errors_of(service("  {type: Nodeport, ports: [{port: 80}]}\n")),
              ElementsAre(HasSubstr("'Nodeport' is not ClusterIP")));
  EXPECT_THAT(errors_of(service("  {selector: {app: 1}, ports: [{port: 80}]}\n")),
              ElementsAre("5:20: spec.selector.app: 1 must be a string: write \"1\""));
  EXPECT_THAT(errors_of(service("  {selector: {\"a b\": x}, ports: [{port: 80}]}\n")),
              ElementsAre(HasSubstr("'a b' is not a label key")));
  EXPECT_THAT(errors_of(service("  {ipFamilies: [IPv5], ports: [{port: 80}]}\n")),
              ElementsAre(HasSubstr("'IPv5' is not IPv4 or IPv6")));
}

TEST(ObjectReader, AllErrorsOfAnObjectAreReported) {
  EXPECT_THAT(errors_of("apiVersion: v1\nkind: Service\nmetadata: {name: 9s, namespace: A}\n"
                        "spec: {ports: [{port: 0}], publishNotReadyAddresses: maybe}\n"),
              SizeIs(4));
}

TEST(ObjectReader, MetadataRules) {
  EXPECT_THAT(errors_of("apiVersion: v1\nkind: Pod\n"),
              ElementsAre("1:1: metadata.name: is missing"));
  EXPECT_THAT(errors_of("apiVersion: v1\nkind: Pod\nmetadata: {generateName: x-}\n"),
              ElementsAre(HasSubstr("generateName")));
  EXPECT_THAT(errors_of("apiVersion: v1\nkind: Pod\nmetadata: {name: A}\n"),
              ElementsAre("3:18: metadata.name: 'A' is not a DNS name"));
  EXPECT_THAT(errors_of("apiVersion: v1\nkind: Namespace\nmetadata: {name: a.b}\n"),
              ElementsAre("3:18: metadata.name: 'a.b' is not a DNS label"));
  EXPECT_THAT(errors_of("kind: Pod\nmetadata: {name: a}\n"),
              ElementsAre("1:1: apiVersion is missing"));
  EXPECT_THAT(errors_of("apiVersion: v1\nmetadata: {name: a}\n"),
              ElementsAre("1:1: kind is missing"));
  EXPECT_THAT(errors_of("- a\n"), ElementsAre(HasSubstr("must be a map")));
}

TEST(ObjectReader, WhatIsNoKubernetesObjectIsOnlyAWarning) {
  const auto results = read("replicaCount: 3\nimage: {tag: x}\n");
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_FALSE(results[0].object);
  EXPECT_THAT(results[0].errors, IsEmpty());
  EXPECT_THAT(results[0].warnings, SizeIs(1));
}

TEST(ObjectReader, Lists) {
  const std::string pod_items =
      "items:\n- metadata: {name: a}\n- metadata: {name: b, namespace: x}\n";
  const auto typed = read("apiVersion: v1\nkind: PodList\n" + pod_items);
  ASSERT_THAT(typed, SizeIs(2));
  EXPECT_EQ(typed[0].kind, "Pod");
  EXPECT_EQ(typed[1].key, (ObjectKey{"x", "b"}));

  const auto json = read(R"({"apiVersion": "v1", "items": [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}},
    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b"}}], "kind": "List"})");
  ASSERT_THAT(json, SizeIs(2));
  EXPECT_EQ(json[0].kind, "Namespace");
  EXPECT_EQ(json[1].kind, "Pod");

  EXPECT_THAT(read("apiVersion: v1\nkind: List\nitems: []\n"), IsEmpty());
  EXPECT_THAT(read("apiVersion: v1\nkind: List\n"), IsEmpty());
  EXPECT_THAT(errors_of("apiVersion: v1\nkind: List\nitems: 7\n"), SizeIs(1));
}

TEST(ObjectReader, Namespace) {
  const auto manifest = read_one<NamespaceManifest>(
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: staging, labels: {env: x}}\n");
  EXPECT_EQ(manifest.key, (ObjectKey{"", "staging"}));
  EXPECT_EQ(manifest.labels, (Labels{{"env", "x"}, {"kubernetes.io/metadata.name", "staging"}}));
}

const char kSlice[] = R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s-1, labels: {kubernetes.io/service-name: s}}
addressType: IPv4
ports: [{name: http, port: 8080}, {name: any}]
endpoints:
- addresses: [10.0.0.1, 10.0.0.2]
  conditions: {ready: true}
  hostname: db-0
  targetRef: {kind: Pod, name: db-0}
  zone: a
- addresses: [10.0.0.3]
  conditions: {ready: false}
- addresses: [10.0.0.4]
  conditions: {}
- addresses: [10.0.0.5]
)";

TEST(ObjectReader, EndpointSlice) {
  const EndpointSlice slice = read_one<EndpointSliceManifest>(kSlice).object;
  EXPECT_EQ(slice.service, "s");
  EXPECT_THAT(slice.ports, ElementsAre(EndpointPort{"http", Protocol::Tcp, 8080},
                                       EndpointPort{"any", Protocol::Tcp, 0}));
  ASSERT_THAT(slice.endpoints, SizeIs(5));
  EXPECT_EQ(slice.endpoints[1].address.to_string(), "10.0.0.2");
  EXPECT_EQ(slice.endpoints[0].detail->hostname, "db-0");
  EXPECT_EQ(slice.endpoints[0].detail->target_name, "db-0");
  EXPECT_EQ(slice.endpoints[0].detail->zone, "a");
  EXPECT_EQ(slice.endpoints[0].detail, slice.endpoints[1].detail);
  EXPECT_TRUE(slice.endpoints[0].ready);
  EXPECT_FALSE(slice.endpoints[2].ready);
  EXPECT_TRUE(slice.endpoints[3].ready);  // absent means ready
  EXPECT_TRUE(slice.endpoints[4].ready);
  EXPECT_EQ(slice.endpoints[4].detail, nullptr);
}

TEST(ObjectReader, TargetNamesOnlyWhenWanted) {
  const EndpointSlice slice = read_one<EndpointSliceManifest>(kSlice, {false}).object;
  EXPECT_EQ(slice.endpoints[0].detail->target_name, "");
  EXPECT_EQ(slice.endpoints[0].detail->hostname, "db-0");
}

TEST(ObjectReader, EndpointSliceErrors) {
  const std::string head =
      "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
      "metadata: {name: s-1, labels: {kubernetes.io/service-name: s}}\n";
  EXPECT_THAT(errors_of(head + "endpoints: []\n"),
              ElementsAre(HasSubstr("addressType: is missing")));
  EXPECT_THAT(errors_of(head + "addressType: IPv6\nendpoints: [{addresses: [10.0.0.1]}]\n"),
              ElementsAre(HasSubstr("10.0.0.1 is not of the slice's addressType")));
  EXPECT_THAT(errors_of(head + "addressType: IPv4\nendpoints:\n- addresses: []\n"),
              ElementsAre("6:14: endpoints[0].addresses: is missing; an endpoint has at least one "
                          "address"));
  EXPECT_THAT(
      errors_of(head + "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], hostname: A}]\n"),
      ElementsAre(HasSubstr("'A' is not a DNS label")));
  // Names instead of addresses are none of ours, and no error.
  EXPECT_THAT(errors_of(head + "addressType: FQDN\nendpoints: [{addresses: [a.b]}]\n"), IsEmpty());
}

TEST(ObjectReader, SliceWithoutServiceIsAWarning) {
  const auto results = read(
      "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x}\n"
      "addressType: IPv4\nendpoints: []\n");
  EXPECT_THAT(results[0].errors, IsEmpty());
  EXPECT_THAT(results[0].warnings, SizeIs(1));
}

TEST(ObjectReader, Endpoints) {
  const auto manifest = read_one<EndpointsManifest>(R"(
apiVersion: v1
kind: Endpoints
metadata: {name: legacy}
subsets:
- addresses: [{ip: 10.0.0.1, hostname: a}, {ip: "fd00::1"}]
  notReadyAddresses: [{ip: 10.0.0.2}]
  ports: [{name: http, port: 80}]
- addresses: [{ip: 10.0.0.3}]
)");
  ASSERT_THAT(manifest.subsets, SizeIs(2));
  const EndpointSlice& first = *manifest.subsets[0];
  EXPECT_EQ(first.service, "legacy");
  ASSERT_THAT(first.endpoints, SizeIs(3));
  EXPECT_EQ(first.endpoints[0].detail->hostname, "a");
  EXPECT_TRUE(first.endpoints[1].ready);
  EXPECT_FALSE(first.endpoints[2].ready);
  EXPECT_NE(first.key, manifest.subsets[1]->key);
  EXPECT_THAT(errors_of("apiVersion: v1\nkind: Endpoints\nmetadata: {name: x}\n"
                        "subsets: [{addresses: [{ip: 1.2.3}]}]\n"),
              ElementsAre("4:29: subsets[0].addresses[0].ip: '1.2.3' is not an IPv4 or IPv6 "
                          "address"));
}

PodManifest pod_with_status(const std::string& status) {
  return read_one<PodManifest>("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nstatus: " + status +
                               "\n");
}

TEST(ObjectReader, PodReadiness) {
  EXPECT_TRUE(read_one<PodManifest>("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n").ready);
  EXPECT_TRUE(pod_with_status("{phase: Running}").ready);
  EXPECT_FALSE(pod_with_status("{phase: Pending}").ready);
  EXPECT_FALSE(pod_with_status(R"({conditions: [{type: Ready, status: "False"}]})").ready);
  EXPECT_TRUE(pod_with_status(R"({phase: Running, conditions: [{type: PodScheduled, status:
    "True"}, {type: Ready, status: "True"}]})")
                  .ready);
  EXPECT_FALSE(pod_with_status("{containerStatuses: [{ready: true}, {ready: false}]}").ready);
  EXPECT_TRUE(pod_with_status("{containerStatuses: [{ready: true}]}").ready);
  EXPECT_TRUE(pod_with_status("{phase: Succeeded}").terminated);
  EXPECT_TRUE(pod_with_status("{phase: Failed}").terminated);
  EXPECT_FALSE(pod_with_status("{phase: Running}").terminated);
}

TEST(ObjectReader, PodAddresses) {
  EXPECT_THAT(pod_with_status("{podIP: 10.244.0.1}").object.ips, SizeIs(1));
  EXPECT_THAT(pod_with_status("{podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}")
                  .object.ips,
              SizeIs(2));
  EXPECT_THAT(pod_with_status("{podIPs: [{ip: 10.0.0.1}]}").object.ips, SizeIs(1));
  EXPECT_THAT(errors_of("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
                        "status: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.2}]}\n"),
              ElementsAre("4:17: status.podIP: 10.0.0.1 must equal podIPs[0].ip"));
  EXPECT_THAT(errors_of("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nstatus: {podIP: x}\n"),
              SizeIs(1));
}

TEST(ObjectReader, PodSpec) {
  const auto pod = read_one<PodManifest>(R"(
apiVersion: v1
kind: Pod
metadata:
  name: p
  deletionTimestamp: "2024-01-01T00:00:00Z"
  ownerReferences:
  - {kind: Other, name: y}
  - {kind: ReplicaSet, name: web-123, controller: true}
spec:
  hostname: h
  subdomain: sub
  hostNetwork: true
  containers:
  - ports: [{name: http, containerPort: 8080}, {containerPort: 9090}]
  initContainers:
  - {restartPolicy: Always, ports: [{name: side, containerPort: 7070, protocol: UDP}]}
  - {ports: [{name: gone, containerPort: 6060}]}
status: {hostIP: 172.18.0.5}
)");
  EXPECT_EQ(pod.spec.hostname, "h");
  EXPECT_EQ(pod.spec.subdomain, "sub");
  EXPECT_TRUE(pod.terminating);
  EXPECT_EQ(pod.owner, (OwnerReference{"ReplicaSet", "web-123"}));
  EXPECT_THAT(pod.spec.named_ports, ElementsAre(ContainerPort{"http", Protocol::Tcp, 8080},
                                                ContainerPort{"side", Protocol::Udp, 7070}));
  EXPECT_EQ(pod.object.ips.front().to_string(), "172.18.0.5");
}

std::string deployment(const std::string& selector, const std::string& more = "") {
  return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n" + more +
         "  selector: " + selector + "\n  template: {metadata: {labels: {app: web, tier: a}}}\n";
}

TEST(ObjectReader, Workloads) {
  const auto manifest =
      read_one<WorkloadManifest>(deployment("{matchLabels: {app: web}}", "  replicas: 4\n"));
  EXPECT_EQ(manifest.kind, WorkloadKind::Deployment);
  EXPECT_EQ(manifest.replicas, 4U);
  EXPECT_EQ(manifest.template_labels, (Labels{{"app", "web"}, {"tier", "a"}}));
  EXPECT_EQ(read_one<WorkloadManifest>(deployment("{matchLabels: {app: web}}")).replicas, 1U);
  EXPECT_EQ(read_one<WorkloadManifest>(
                deployment("{matchExpressions: [{key: app, operator: In, values: [web, db]}, "
                           "{key: zone, operator: DoesNotExist}]}"))
                .key.name,
            "d");
  const auto stateful = read_one<WorkloadManifest>(
      "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec:\n"
      "  serviceName: dbs\n  ordinals: {start: 5}\n  selector: {matchLabels: {a: b}}\n"
      "  template: {metadata: {labels: {a: b}}}\n");
  EXPECT_EQ(stateful.service_name, "dbs");
  EXPECT_EQ(stateful.first_ordinal, 5U);
}

TEST(ObjectReader, WorkloadErrors) {
  EXPECT_THAT(errors_of(deployment("{matchLabels: {app: db}}")),
              ElementsAre("5:13: spec.selector: does not match spec.template.metadata.labels"));
  EXPECT_THAT(errors_of(deployment("{matchExpressions: [{key: app, operator: Has}]}")),
              ElementsAre(HasSubstr("'Has' is not In, NotIn"), HasSubstr("is empty")));
  EXPECT_THAT(errors_of(deployment("{matchExpressions: [{key: app, operator: In}]}")),
              ElementsAre(HasSubstr("In needs a value"), HasSubstr("does not match")));
  EXPECT_THAT(errors_of(deployment("{}")), ElementsAre(HasSubstr("is empty")));
  EXPECT_THAT(errors_of("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {}\n"),
              ElementsAre(HasSubstr("spec.template: is missing"),
                          HasSubstr("spec.selector: is missing")));
  EXPECT_THAT(errors_of(deployment("{matchLabels: {app: web}}", "  replicas: -1\n")),
              ElementsAre("5:13: spec.replicas: -1 is not within 0 to 200000"));
  EXPECT_THAT(errors_of(deployment("{matchLabels: {app: web}}", "  replicas: 2000000000\n")),
              SizeIs(1));
}

TEST(ObjectReader, OtherKindsAreKeptWithTheirHosts) {
  const auto gateway = read_one<OtherObject>(R"(
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g, namespace: istio-system}
spec:
  servers:
  - hosts: [example.com, "*.example.com"]
  - hosts: [example.com]
)");
  EXPECT_EQ(gateway.kind, "Gateway");
  EXPECT_EQ(gateway.key, (ObjectKey{"istio-system", "g"}));
  EXPECT_EQ(gateway.file, "test.yaml");
  EXPECT_EQ(gateway.mark.line, 2U);
  EXPECT_THAT(gateway.hosts, ElementsAre("example.com", "*.example.com"));

  const auto ingress = read_one<OtherObject>(
      "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i}\n"
      "spec: {rules: [{host: shop.example.com}]}\n");
  EXPECT_THAT(ingress.hosts, ElementsAre("shop.example.com"));
  // The same kind of another group is another kind.
  EXPECT_EQ(read_one<OtherObject>("apiVersion: serving.knative.dev/v1\nkind: Service\n"
                                  "metadata: {name: 9}\nspec: nonsense\n")
                .kind,
            "Service");
}

TEST(ObjectReader, UnknownKindsNeverFail) {
  for (const char* rest : {"", "spec: [1]\n", "metadata: 7\nspec: {hosts: {a: b}}\n",
                           "spec: {servers: [1, [2], {hosts: [[3]]}]}\n"}) {
    EXPECT_THAT(errors_of(std::string("apiVersion: x/v1\nkind: Y\n") + rest), IsEmpty()) << rest;
  }
}

}  // namespace
}  // namespace clusterdns::registry
