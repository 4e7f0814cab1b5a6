#include "registry/manifests/object_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "registry/manifests/document_reader.h"
#include "registry/selector.h"
#include "tests/unit/growth.h"

namespace clusterdns::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<ReadObject> read(const std::string& text, const ReadOptions& options = {}) {
  struct Visitor : DocumentVisitor {
    explicit Visitor(const ReadOptions& wanted) : options(wanted) {}
    void on_object(const YamlNode& node, const YamlNode* list) override {
      for (ReadObject& result : read_objects(node, list, "test.yaml", options)) {
        results.push_back(std::move(result));
      }
    }
    const ReadOptions& options;
    std::vector<ReadObject> results;
  } visitor(options);
  DocumentReader reader(read_from(text));
  Document document;
  while (reader.next(document)) {
    const auto error = read_document(document, false, visitor);
    EXPECT_FALSE(error) << error->what;
  }
  EXPECT_FALSE(reader.failure());
  return std::move(visitor.results);
}

// `line:column: what` of each warning.
std::vector<std::string> warnings_of(const std::string& text) {
  std::vector<std::string> warnings;
  for (const ReadObject& result : read(text)) {
    EXPECT_THAT(result.errors, IsEmpty());
    for (const YamlError& warning : result.warnings) {
      warnings.push_back(std::to_string(warning.mark.line) + ':' +
                         std::to_string(warning.mark.column) + ": " + warning.what);
    }
  }
  return warnings;
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
              ElementsAre("5:10: spec.ports: must be a list", HasSubstr("spec.ports: is missing")));
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
  EXPECT_THAT(errors_of("apiVersion: v1\nkind: Service\nmetadata: {name: S, namespace: A}\n"
                        "spec: {ports: [{port: 0}], publishNotReadyAddresses: maybe}\n"),
              SizeIs(4));
}

TEST(ObjectReader, MetadataRules) {
  EXPECT_THAT(errors_of("apiVersion: v1\nkind: Pod\n"),
              ElementsAre("1:1: metadata.name: is missing"));
  EXPECT_THAT(errors_of("apiVersion: v1\nkind: Pod\nmetadata: {generateName: x-}\n"),
              ElementsAre(HasSubstr("generateName")));
  EXPECT_THAT(errors_of("apiVersion: v1\nkind: Pod\nmetadata: {name: A}\n"),
              ElementsAre("3:18: metadata.name: 'A' is not an object's name"));
  EXPECT_THAT(errors_of("apiVersion: v1\nkind: Namespace\nmetadata: {name: a.b}\n"),
              ElementsAre("3:18: metadata.name: 'a.b' is not a DNS label"));
  EXPECT_THAT(errors_of("kind: Pod\nmetadata: {name: a}\n"),
              ElementsAre("1:1: apiVersion is missing"));
  EXPECT_THAT(errors_of("apiVersion: v1\nmetadata: {name: a}\n"),
              ElementsAre("1:1: kind is missing"));
  EXPECT_THAT(errors_of("a\n"), ElementsAre(HasSubstr("must be a map")));
  EXPECT_THAT(errors_of("- {apiVersion: v1, kind: Pod}\n"), ElementsAre(HasSubstr("a bare list")));
}

TEST(ObjectReader, WhatIsNoKubernetesObjectIsOnlyAWarning) {
  const auto results = read("replicaCount: 3\nimage: {tag: x}\n");
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_FALSE(results[0].object);
  EXPECT_THAT(results[0].errors, IsEmpty());
  EXPECT_THAT(results[0].warnings, SizeIs(1));
}

TEST(ObjectReader, AListThatHoldsNoObjectsIsOnlyAWarning) {
  for (const char* text : {"- a\n- {b: c}\n", "[]\n", "- hosts: all\n  tasks: []\n"}) {
    const auto results = read(text);
    ASSERT_THAT(results, SizeIs(1)) << text;
    EXPECT_TRUE(results[0].foreign);
    EXPECT_THAT(results[0].errors, IsEmpty());
    EXPECT_THAT(results[0].warnings, SizeIs(1));
  }
}

// --- what the API server takes, and this had better take too ---

TEST(ObjectReader, ServiceNamesMayBeginWithADigit) {
  EXPECT_EQ(read_one<ServiceManifest>(
                "apiVersion: v1\nkind: Service\nmetadata: {name: 1password-connect}\n"
                "spec: {ports: [{port: 80}]}\n")
                .object.key.name,
            "1password-connect");
}

// k8s.io/apimachinery, IsDNS1123Subdomain: the whole has a limit, its labels have none.
TEST(ObjectReader, NamesOfObjectsMayBeLong) {
  const std::string name = std::string(150, 'a') + '.' + std::string(102, 'b');
  ASSERT_EQ(name.size(), 253U);
  const std::string workload =
      "spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}}}\n";
  for (const auto& [type, rest] :
       {std::pair<std::string, std::string>{"apiVersion: v1\nkind: Pod\n", ""},
        {"apiVersion: v1\nkind: Endpoints\n", ""},
        {"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n", "addressType: IPv4\n"},
        {"apiVersion: apps/v1\nkind: Deployment\n", workload},
        {"apiVersion: apps/v1\nkind: ReplicaSet\n", workload},
        {"apiVersion: apps/v1\nkind: StatefulSet\n", workload},
        {"apiVersion: apps/v1\nkind: DaemonSet\n", workload}}) {
    EXPECT_THAT(errors_of(type + "metadata: {name: " + name + "}\n" + rest), IsEmpty()) << type;
    EXPECT_THAT(errors_of(type + "metadata: {name: " + name + "b}\n" + rest), SizeIs(1)) << type;
  }
  for (const char* kind : {"Service", "Namespace"}) {
    EXPECT_THAT(errors_of(std::string("apiVersion: v1\nkind: ") + kind + "\nmetadata: {name: " +
                          std::string(64, 'a') + "}\nspec: {ports: [{port: 80}]}\n"),
                SizeIs(1));
  }
}

// Go's zero value: a text that is not set.
TEST(ObjectReader, EmptyTextIsNotSet) {
  const auto service = read_one<ServiceManifest>(R"(
apiVersion: v1
kind: Service
metadata: {name: s, namespace: "", generateName: "", labels: {a: ""}}
spec:
  type: ""
  clusterIP: ""
  clusterIPs: [""]
  externalName: ""
  ipFamilyPolicy: ""
  ports: [{name: "", port: 80, protocol: "", targetPort: "", appProtocol: ""}]
  externalIPs: [""]
status: {loadBalancer: {ingress: [{hostname: x.example, ip: ""}]}}
)");
  EXPECT_EQ(service.object.key, (ObjectKey{"default", "s"}));
  EXPECT_EQ(service.object.type, ServiceType::ClusterIP);
  EXPECT_FALSE(service.object.headless);
  EXPECT_EQ(service.object.ports.at(0), (ServicePort{"", Protocol::Tcp, 80, 0, "", 0}));
  EXPECT_THAT(service.object.load_balancer_ips, IsEmpty());

  const auto slice = read_one<EndpointSliceManifest>(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: x, namespace: "", labels: {kubernetes.io/service-name: s}}
addressType: IPv4
ports: [{name: "", port: 80, protocol: ""}]
endpoints: [{addresses: [10.0.0.1], hostname: "", nodeName: "", zone: "", targetRef: {name: ""}}]
)");
  EXPECT_EQ(slice.object.endpoints.front().detail, nullptr);

  const auto endpoints = read_one<EndpointsManifest>(
      "apiVersion: v1\nkind: Endpoints\nmetadata: {name: e}\n"
      "subsets: [{addresses: [{ip: 10.0.0.1, hostname: \"\"}], ports: [{name: \"\", port: "
      "80}]}]\n");
  EXPECT_EQ(endpoints.subsets.at(0)->endpoints.front().detail, nullptr);

  const auto pod = read_one<PodManifest>(R"(
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: "", deletionTimestamp: ""}
spec:
  hostname: ""
  subdomain: ""
  nodeName: ""
  hostNetwork: true
  containers: [{name: c, ports: [{name: "", containerPort: 80, protocol: ""}], restartPolicy: ""}]
status: {phase: "", podIP: "", podIPs: [{ip: ""}], hostIP: ""}
)");
  EXPECT_THAT(pod.object.ips, IsEmpty());
  EXPECT_FALSE(pod.terminating);
  EXPECT_THAT(pod.spec.named_ports, IsEmpty());
  EXPECT_TRUE(pod.ready);

  const auto stateful = read_one<WorkloadManifest>(
      "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: \"\"}\nspec: "
      "{serviceName: "
      "\"\", selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: "
      "{hostname: \"\"}}}\n");
  EXPECT_EQ(stateful.service_name, "");

  // What must be there is missing.
  EXPECT_THAT(errors_of("apiVersion: v1\nkind: Pod\nmetadata: {name: \"\"}\n"),
              ElementsAre("3:18: metadata.name: is missing"));
  EXPECT_THAT(errors_of("apiVersion: v1\nkind: Endpoints\nmetadata: {name: e}\n"
                        "subsets: [{addresses: [{ip: \"\"}]}]\n"),
              ElementsAre(HasSubstr("ip: is missing")));
}

TEST(ObjectReader, NullsAndEmptyCollectionsAreNotSet) {
  const auto service = read_one<ServiceManifest>(R"(
apiVersion: v1
kind: Service
metadata: {name: s, namespace: null, labels: null, annotations: {}, ownerReferences: []}
spec: {type: ~, clusterIP: None, clusterIPs: null, ports: null, selector: {}, externalIPs: [],
       ipFamilies: null, ipFamilyPolicy: null, externalName: null, publishNotReadyAddresses: null}
status: null
)");
  EXPECT_TRUE(service.object.headless);
  const auto workload = read_one<WorkloadManifest>(
      "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: d}\nspec: {replicas: null, "
      "serviceName: null, "
      "ordinals: null, selector: {matchLabels: {a: b}, matchExpressions: null}, "
      "template: {metadata: {labels: {a: b}}, spec: null}}\n");
  EXPECT_EQ(workload.replicas, 1U);
  const auto slice = read_one<EndpointSliceManifest>(
      "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
      "metadata: {name: x, labels: {kubernetes.io/service-name: s}}\naddressType: IPv4\nports: "
      "null\n"
      "endpoints: [{addresses: [10.0.0.1], conditions: {ready: null, serving: false}, hostname: "
      "null}]\n");
  EXPECT_TRUE(slice.object.endpoints.front().ready);
}

// SetDefaults_Service: port takes the place of 0 and of nothing.
TEST(ObjectReader, TargetPortThatIsNotSet) {
  for (const char* target : {"0", "\"\"", "null", "0x0"}) {
    const auto manifest = read_one<ServiceManifest>(
        service(std::string("  ports: [{port: 6379, targetPort: ") + target + ", nodePort: 0}]\n"));
    EXPECT_EQ(manifest.object.ports.at(0), (ServicePort{"", Protocol::Tcp, 6379, 0, "", 0}))
        << target;
  }
  EXPECT_THAT(errors_of(service("  ports: [{port: 80, targetPort: 65536}]\n")), SizeIs(1));
  EXPECT_THAT(errors_of(service("  ports: [{port: 80, targetPort: -1}]\n")), SizeIs(1));
}

TEST(ObjectReader, NumbersAsYamlWritesThem) {
  for (const char* number :
       {"80", "0x50", "0o120", "0120", "0b1010000", "8_0", "80.0", "8e1", "+80", "!!int \"80\""}) {
    EXPECT_EQ(read_one<ServiceManifest>(service(std::string("  ports: [{port: ") + number + "}]\n"))
                  .object.ports.at(0)
                  .port,
              80)
        << number;
  }
  EXPECT_THAT(errors_of(service("  {selector: {app: 0x50}, ports: [{port: 80}]}\n")),
              ElementsAre(HasSubstr("0x50 must be a string: write \"0x50\"")));
  EXPECT_THAT(errors_of(service("  {selector: {app: !!str 80}, ports: [{port: 80}]}\n")),
              IsEmpty());
  EXPECT_THAT(errors_of(service("  {selector: {app: 1_000}, ports: [{port: 80}]}\n")), SizeIs(1));
  EXPECT_THAT(errors_of(service("  {selector: {app: 2001-12-14}, ports: [{port: 80}]}\n")),
              IsEmpty());
}

// Their SetDefaults functions; from apps/v1beta2 on there are none.
TEST(ObjectReader, OldWorkloadsSelectWhatTheirTemplateHas) {
  const auto text = [](const char* version, const char* kind) {
    return std::string("apiVersion: ") + version + "\nkind: " + kind +
           "\nmetadata: {name: w}\nspec: {template: {metadata: {labels: {app: web}}}}\n";
  };
  for (const auto& [version, kind] :
       {std::pair<const char*, const char*>{"extensions/v1beta1", "Deployment"},
        {"extensions/v1beta1", "DaemonSet"},
        {"extensions/v1beta1", "ReplicaSet"},
        {"apps/v1beta1", "Deployment"},
        {"apps/v1beta1", "StatefulSet"}}) {
    EXPECT_EQ(read_one<WorkloadManifest>(text(version, kind)).selector, (Labels{{"app", "web"}}))
        << version << kind;
  }
  for (const char* version : {"apps/v1", "apps/v1beta2"}) {
    EXPECT_THAT(errors_of(text(version, "Deployment")),
                ElementsAre(HasSubstr("selector: is missing")));
  }
  EXPECT_THAT(errors_of("apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: w}\n"
                        "spec: {template: {}}\n"),
              ElementsAre(HasSubstr("selector: is missing")));
}

TEST(ObjectReader, OldEndpointSlices) {
  const auto slice = read_one<EndpointSliceManifest>(R"(
apiVersion: discovery.k8s.io/v1beta1
kind: EndpointSlice
metadata: {name: x, labels: {kubernetes.io/service-name: s}}
addressType: IPv4
endpoints:
- {addresses: [10.0.0.1], topology: {topology.kubernetes.io/zone: a, kubernetes.io/hostname: n}}
)");
  EXPECT_EQ(slice.object.endpoints.front().detail->zone, "a");
  const auto older = read_one<EndpointSliceManifest>(
      "apiVersion: discovery.k8s.io/v1alpha1\nkind: EndpointSlice\n"
      "metadata: {name: x, labels: {kubernetes.io/service-name: s}}\naddressType: IP\n"
      "endpoints: [{addresses: [10.0.0.1]}, {addresses: ['fd00::1']}]\n");
  EXPECT_THAT(older.object.endpoints, SizeIs(2));
}

TEST(ObjectReader, EndpointsMayNameTwoPortsAlike) {
  EXPECT_THAT(
      errors_of(
          "apiVersion: v1\nkind: Endpoints\nmetadata: {name: dns}\nsubsets: [{addresses: [{ip: "
          "10.0.0.1}], ports: [{name: dns, port: 53}, {name: dns, port: 53, protocol: UDP}]}]\n"),
      IsEmpty());
}

// k8s.io/utils/net, ParseIPSloppy: what older API servers have taken is still read.
TEST(ObjectReader, AddressesAsTheyWereOnceWritten) {
  const std::string text = service("  {clusterIP: 010.096.000.007, ports: [{port: 80}]}\n");
  EXPECT_EQ(read_one<ServiceManifest>(text).object.cluster_ips.at(0).to_string(), "10.96.0.7");
  EXPECT_THAT(warnings_of(text), ElementsAre(HasSubstr("'010.096.000.007' is read as 10.96.0.7")));
  const std::string mapped = service("  {clusterIP: '::ffff:10.96.0.7', ports: [{port: 80}]}\n");
  EXPECT_EQ(read_one<ServiceManifest>(mapped).object.cluster_ips.at(0).to_string(), "10.96.0.7");
}

TEST(ObjectReader, LabelsThroughMergeKeys) {
  const auto results = read(
      "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  annotations: {a: &a {x: '1', y: '1'}, b: "
      "&b {y: '2'}}\n"
      "  labels: {<<: [*a, *b], z: '3'}\n");
  ASSERT_THAT(results, SizeIs(1));
  ASSERT_TRUE(results[0].object);
  EXPECT_EQ(body_as<PodManifest>(results[0].object->body)->object.labels,
            (Labels{{"x", "1"}, {"y", "1"}, {"z", "3"}}));
}

// --- slips that would pass in silence ---

TEST(ObjectReader, KindsAndVersionsThatThereAreNot) {
  const std::string rest = "metadata: {name: x}\n";
  for (const auto& [type, wanted] : {
           std::pair<std::string, std::string>{
               "apiVersion: v1\nkind: servce\n",
               "2:7: kind: 'servce' is not a kind of v1, so it is not read; did you mean "
               "'Service'?"},
           {"apiVersion: v1\nkind: service\n", "did you mean 'Service'?"},
           {"apiVersion: v1\nkind: Deployment\n", "Deployment is one of apps/v1"},
           {"apiVersion: apps/v1\nkind: Service\n", "Service is one of v1"},
           {"apiVersion: apps/v1\nkind: Deploymnet\n", "did you mean 'Deployment'?"},
           {"apiVersion: app/v1\nkind: Deployment\n",
            "1:13: apiVersion: 'app/v1' is not a version of Deployment, so it is not read; did you "
            "mean 'apps/v1'?"},
           {"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlices\n",
            "did you mean 'EndpointSlice'?"},
           // Groups that Kubernetes would have, and has not.
           {"apiVersion: core/v1\nkind: Service\n",
            "1:13: apiVersion: 'core/v1' is not a version of Service, so it is not read; did you "
            "mean 'v1'?"},
           {"apiVersion: k8s.io/v1\nkind: Pod\n", "did you mean 'v1'?"},
           {"apiVersion: apps.k8s.io/v1\nkind: StatefulSet\n", "did you mean 'apps/v1'?"},
           {"apiVersion: batch/v1\nkind: Deployment\n", "did you mean 'apps/v1'?"},
           {"apiVersion: discovery/v1\nkind: EndpointSlice\n",
            "did you mean 'discovery.k8s.io/v1'?"},
           {"apiVersion: discovery.k8.io/v1\nkind: EndpointSlice\n",
            "did you mean 'discovery.k8s.io/v1'?"},
           {"apiVersion: v1\nkind: Widget\n", "'Widget' is not a kind of v1, so it is not read"},
           {"apiVersion: v2\nkind: Namespace\n",
            "1:13: apiVersion: 'v2' is not a version of Namespace; it is read as 'v1'"},
           {"apiVersion: apps/v2\nkind: ConfigMap\n", "'ConfigMap' is not a kind of apps/v2"},
       }) {
    EXPECT_THAT(warnings_of(type + rest), ElementsAre(HasSubstr(wanted))) << type;
  }
  for (const char* type :
       {"apiVersion: v1\nkind: Node\n", "apiVersion: v1\nkind: ConfigMap\n",
        "apiVersion: v1\nkind: ServiceAccount\n", "apiVersion: apps/v1\nkind: ControllerRevision\n",
        "apiVersion: batch/v1\nkind: Job\n", "apiVersion: serving.knative.dev/v1\nkind: Service\n",
        "apiVersion: example.org/v1\nkind: Deployment\n",
        // OpenKruise's.
        "apiVersion: apps.kruise.io/v1beta1\nkind: StatefulSet\n",
        "apiVersion: skaffold/v4beta6\nkind: Config\n",
        "apiVersion: extensions/v1beta1\nkind: Ingress\n"}) {
    EXPECT_THAT(warnings_of(type + rest), IsEmpty()) << type;
  }
}

TEST(ObjectReader, FieldsNearToKnownOnes) {
  EXPECT_THAT(
      warnings_of(service(
          "  selectors: {app: web}\n  ports:\n  - port: 80\n    prot: UDP\n    portName: x\n")),
      ElementsAre("5:3: spec: there is no field 'selectors'; did you mean 'selector'?",
                  "8:5: spec.ports[0]: there is no field 'prot'; did you mean 'protocol'?"));
  EXPECT_THAT(
      warnings_of(service("  clusterip: None\n  ports: [{port: 80, targetport: 8080}]\n")),
      ElementsAre(HasSubstr("did you mean 'clusterIP'?"), HasSubstr("did you mean 'targetPort'?")));
  EXPECT_THAT(warnings_of("apiVersion: v1\nkind: Pod\nmetadata: {name: p, label: {a: b}}\n"
                          "spec: {hostName: h, subDomain: s, containers: [{ports: [{containerport: "
                          "80, containerPort: 80}]}]}\n"),
              ElementsAre(HasSubstr("'label'; did you mean 'labels'?"),
                          HasSubstr("'hostName'; did you mean 'hostname'?"),
                          HasSubstr("'subDomain'; did you mean 'subdomain'?")));
  EXPECT_THAT(warnings_of("apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: p}\n"
                          "spec: {servicename: x, replica: 3, selector: {matchLabels: {a: b}}, "
                          "template: {metadata: {labels: {a: b}}}}\n"),
              SizeIs(2));
  // Fields that no name depends on, and what is far from all, are left alone.
  EXPECT_THAT(
      warnings_of(service("  sessionAfinity: ClientIP\n  whatever: 1\n  ports: [{port: 80}]\n")),
      IsEmpty());
  EXPECT_THAT(
      warnings_of("apiVersion: v1\nkind: Pod\nmetadata: {name: p, managedFields: [], uid: x}\n"
                  "spec: {hostnameOverride: x, hostUsers: true, hostPID: true, os: {name: linux}, "
                  "nodeName: n}\n"),
      IsEmpty());
}

TEST(ObjectReader, ValuesThatWereMeantOtherwise) {
  EXPECT_THAT(warnings_of(service("  {type: ExternalName, externalName: 192.0.2.1}\n")),
              ElementsAre(HasSubstr("'192.0.2.1' is an address")));
  EXPECT_THAT(errors_of(service("  {clusterIP: none, ports: [{port: 80}]}\n")),
              ElementsAre(HasSubstr("did you mean 'None', which makes a Service headless?")));
  EXPECT_THAT(
      errors_of(service("  {type: loadbalancer, ports: [{port: 80}]}\n")),
      ElementsAre("5:10: spec.type: 'loadbalancer' is not ClusterIP, NodePort, LoadBalancer or "
                  "ExternalName; did you mean 'LoadBalancer'?"));
  // 63 letters are a good name of a port; with the underscore before it is not a label.
  EXPECT_THAT(warnings_of(service("  ports: [{port: 80, name: " + std::string(63, 'a') + "}]\n")),
              ElementsAre(HasSubstr("too long for SRV names")));
}

TEST(ObjectReader, FindingsOfOneObjectAreBounded) {
  std::string ports;
  for (int i = 0; i < 1000; ++i) ports += "  - {port: x, name: A, portocol: 1}\n";
  const auto results = read(service("  ports:\n" + ports));
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_EQ(results[0].errors.size(), kMaxFindings);
  EXPECT_EQ(results[0].warnings.size(), kMaxFindings);
  // Whatever stands in a name, a message stays a line.
  const auto long_name = read("apiVersion: v1\nkind: Pod\nmetadata: {name: \"a\\n" +
                              std::string(100'000, 'X') + "\"}\n");
  EXPECT_LT(long_name.at(0).errors.at(0).what.size(), 400U);
  EXPECT_THAT(long_name.at(0).errors.at(0).what, HasSubstr("a\\x0AXXX"));
}

// One item that is none does not cost the others.
TEST(ObjectReader, ItemsThatAreNoObjects) {
  for (const char* head :
       {"apiVersion: v1\nkind: List\nitems:\n", "apiVersion: v1\nkind: PodList\nitems:\n"}) {
    const auto results =
        read(std::string(head) +
             "- null\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n- text\n- 7\n- []\n"
             "- {}\n- {apiVersion: v1, kind: Pod, metadata: null}\n"
             "- {apiVersion: v1, kind: Pod, metadata: {name: b}}\n");
    std::vector<std::string> good;
    std::size_t bad = 0;
    for (const ReadObject& result : results) {
      if (result.object) good.push_back(result.key.name);
      bad += result.object ? 0 : 1;
    }
    EXPECT_THAT(good, ElementsAre("a", "b")) << head;
    EXPECT_EQ(bad, 6U) << head;
  }
}

TEST(ObjectReader, ListsInLists) {
  const auto results = read(R"(
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: List
  items: [{apiVersion: v1, kind: PodList, items: [{metadata: {name: a}}]}, null]
- {apiVersion: v1, kind: Pod, metadata: {name: b}}
)");
  std::vector<std::string> good;
  for (const ReadObject& result : results) {
    if (result.object) good.push_back(result.key.name);
  }
  EXPECT_THAT(good, ElementsAre("a", "b"));
  // Kinds of others may end in List and be none.
  EXPECT_EQ(read_one<OtherObject>(
                "apiVersion: example.org/v1\nkind: AllowList\nmetadata: {name: a}\nspec: {}\n")
                .kind,
            "AllowList");
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
  const EndpointSlice slice =
      read_one<EndpointSliceManifest>(kSlice, {.keep_target_names = false}).object;
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
  EXPECT_THAT(
      pod_with_status("{podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}").object.ips,
      SizeIs(2));
  EXPECT_THAT(pod_with_status("{podIPs: [{ip: 10.0.0.1}]}").object.ips, SizeIs(1));
  // Where they differ the older field counts, as in the API server.
  EXPECT_EQ(pod_with_status("{podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.2}]}").object.ips,
            std::vector<IpAddress>{*IpAddress::parse("10.0.0.1")});
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

TEST(ObjectReader, ReplicationControllers) {
  const auto controller = [](const std::string& selector, const std::string& labels) {
    return "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: rc}\nspec:\n" + selector +
           "  replicas: 3\n  template: {metadata: {labels: {" + labels + "}}}\n";
  };
  const auto manifest =
      read_one<WorkloadManifest>(controller("  selector: {app: web}\n", "app: web, tier: a"));
  EXPECT_EQ(manifest.kind, WorkloadKind::ReplicationController);
  EXPECT_EQ(manifest.replicas, 3U);
  EXPECT_EQ(manifest.selector, (Labels{{"app", "web"}}));
  EXPECT_EQ(read_one<WorkloadManifest>(controller("", "app: web")).selector,
            (Labels{{"app", "web"}}));
  EXPECT_THAT(errors_of(controller("  selector: {app: db}\n", "app: web")),
              ElementsAre("5:13: spec.selector: does not match spec.template.metadata.labels"));
  EXPECT_THAT(errors_of(controller("", "")), ElementsAre(HasSubstr("spec.selector: is missing")));
}

TEST(ObjectReader, WorkloadErrors) {
  EXPECT_THAT(errors_of(deployment("{matchLabels: {app: db}}")),
              ElementsAre("5:13: spec.selector: does not match spec.template.metadata.labels"));
  EXPECT_THAT(errors_of(deployment("{matchExpressions: [{key: app, operator: Has}]}")),
              ElementsAre(HasSubstr("'Has' is not In, NotIn"), HasSubstr("is empty")));
  EXPECT_THAT(errors_of(deployment("{matchExpressions: [{key: app, operator: In}]}")),
              ElementsAre(HasSubstr("In needs a value"), HasSubstr("does not match")));
  EXPECT_THAT(errors_of(deployment("{}")), ElementsAre(HasSubstr("is empty")));
  EXPECT_THAT(
      errors_of("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {}\n"),
      ElementsAre(HasSubstr("spec.template: is missing"), HasSubstr("spec.selector: is missing")));
  EXPECT_THAT(errors_of(deployment("{matchLabels: {app: web}}", "  replicas: -1\n")),
              ElementsAre("5:13: spec.replicas: -1 is not within 0 to 200000"));
  EXPECT_THAT(errors_of(deployment("{matchLabels: {app: web}}", "  replicas: 2000000000\n")),
              SizeIs(1));
}

TEST(ObjectReader, OtherKindsAreKept) {
  const auto website = read_one<OtherObject>(R"(
apiVersion: example.com/v1
kind: Website
metadata: {name: g, namespace: web}
)");
  EXPECT_EQ(website.kind, "Website");
  EXPECT_EQ(website.key, (ObjectKey{"web", "g"}));
  EXPECT_EQ(website.file, "test.yaml");
  EXPECT_EQ(website.mark.line, 2U);
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

// Thousands of unknown fields in one place, on one line: they cost what they are.
TEST(ObjectReader, UnknownFieldsAreLinear) {
  const auto text = [](int count) {
    std::string fields;
    for (int i = 0; i < count; ++i) fields += ",\"k" + std::to_string(i) + "\":1";
    return "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web\"" + fields +
           "},\"spec\":{\"ports\":[{\"port\":80}]}}";
  };
  const auto reading = [&](int count) { return [all = text(count)] { return read(all).size(); }; };
  constexpr double kLinear = 24;  // eight times as much: quadratic is 64
  EXPECT_LT(unit::growth(reading(1'000), reading(8'000)), kLinear);
}

// The API server checks neither (pkg/apis/discovery/validation).
TEST(ObjectReader, AZoneOrPortOfASliceThatIsNoneIsLeftOut) {
  const std::string zone(70, 'z');
  const auto results = read(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: a-1, labels: {kubernetes.io/service-name: a}}
addressType: IPv4
ports: [{name: a, port: 70000}, {name: b, port: -1}, {name: c, port: 80}]
endpoints:
  - {addresses: [10.0.0.1], zone: "rack 7/row 2"}
  - {addresses: [10.0.0.2], zone: )" +
                            zone + R"(}
  - {addresses: [10.0.0.3], zone: east}
)");
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_THAT(results[0].errors, IsEmpty());
  EXPECT_THAT(results[0].warnings, SizeIs(4));
  ASSERT_TRUE(results[0].object);
  const auto& slice = body_as<EndpointSliceManifest>(results[0].object->body)->object;
  ASSERT_THAT(slice.ports, SizeIs(1));
  EXPECT_EQ(slice.ports[0].port, 80);
  ASSERT_THAT(slice.endpoints, SizeIs(3));
  EXPECT_EQ(slice.endpoints[0].detail, nullptr);
  EXPECT_EQ(slice.endpoints[1].detail, nullptr);
  EXPECT_EQ(slice.endpoints[2].detail->zone, "east");
}

}  // namespace
}  // namespace clusterdns::registry
