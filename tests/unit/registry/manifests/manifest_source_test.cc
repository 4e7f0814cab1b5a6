#include "registry/manifests/manifest_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/registry/manifests/manifest_fixture.h"

namespace clusterdns::registry {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing_support::cluster_ips_of;
using testing_support::endpoints_of;
using testing_support::ScratchFolder;
using testing_support::TestCluster;
using testing_support::texts;

std::string service(const std::string& name, const std::string& more = "",
                    const std::string& ns = "default") {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name + ", namespace: " + ns +
         "}\nspec: {ports: [{port: 80}]" + more + "}\n";
}

std::string slice(const std::string& name, const std::string& of, const std::string& address) {
  return "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " + name +
         ", labels: {kubernetes.io/service-name: " + of +
         "}}\naddressType: IPv4\nendpoints: [{addresses: [" + address + "]}]\n";
}

std::string deployment(const std::string& name, int replicas, const std::string& ns = "default") {
  return "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: " + name +
         ", namespace: " + ns + "}\nspec: {replicas: " + std::to_string(replicas) +
         ", selector: {matchLabels: {app: x}}, template: {metadata: {labels: {app: x}}}}\n";
}

bool exists(const Store& store, const std::string& name) {
  return store.service({"default", name}) != nullptr;
}

class ChangeCounter : public StoreObserver {
 public:
  explicit ChangeCounter(Store& store) : store_(store) { store_.add_observer(this); }
  ~ChangeCounter() override { store_.remove_observer(this); }
  void on_commit(const Changes& changes) override { commits.push_back(changes); }
  std::vector<Changes> commits;

 private:
  Store& store_;
};

TEST(ManifestSource, ReadsFilesAndFolders) {
  ScratchFolder folder;
  folder.write("b.yml", service("b"));
  folder.write("a.yaml", service("a"));
  folder.write("sub/deep/c.json",
               R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"c"},
                   "spec":{"ports":[{"port":80}]}})");
  folder.write("notes.txt", "not: [read");
  folder.write(".hidden.yaml", service("hidden"));
  folder.write(".git/x.yaml", service("git"));
  ScratchFolder elsewhere;
  const fs::path any_name = elsewhere.write("manifest", service("d"));
  Store store;
  ManifestSource source({{folder.path(), any_name}, {}}, store);
  EXPECT_THAT(source.load(), IsEmpty());
  EXPECT_EQ(source.file_count(), 4U);
  for (const char* name : {"a", "b", "c", "d"}) EXPECT_TRUE(exists(store, name)) << name;
  EXPECT_EQ(store.service_count(), 4U);
}

TEST(ManifestSource, PathsThatAreNotThere) {
  ScratchFolder folder;
  Store store;
  ManifestSource source({{folder / "nope.yaml", folder.path()}, {}}, store);
  const auto diagnostics = source.load();
  ASSERT_THAT(diagnostics, SizeIs(2));
  EXPECT_EQ(diagnostics[0].severity, Diagnostic::Severity::Error);
  EXPECT_THAT(diagnostics[0].text, HasSubstr("nope.yaml: No such file"));
  EXPECT_EQ(diagnostics[1].severity, Diagnostic::Severity::Warning);  // a folder with nothing in it
  EXPECT_TRUE(has_errors(diagnostics));
  EXPECT_THAT(source.load(), IsEmpty());  // said once
  folder.write("nope.yaml", service("a"));
  EXPECT_THAT(source.load(), IsEmpty());
  EXPECT_TRUE(exists(store, "a"));
}

TEST(ManifestSource, AFileReachedTwiceIsReadOnce) {
  ScratchFolder folder;
  const fs::path file = folder.write("a.yaml", service("a"));
  fs::create_directory_symlink(folder.path(), folder / "loop");
  Store store;
  ManifestSource source({{file, folder.path(), folder.path() / "." / "a.yaml"}, {}}, store);
  EXPECT_THAT(source.load(), IsEmpty());
  EXPECT_EQ(source.file_count(), 1U);
}

TEST(ManifestSource, NamespacesExistWhenAnythingIsInThem) {
  TestCluster cluster(
      service("s", "", "one") +
      "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: two}\n"
      "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: three}\n"
      "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: four, labels: {env: x}}\n"
      "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: five}\n");
  std::set<std::string> names;
  cluster.store.for_each_namespace([&](const Namespace& ns) { names.insert(ns.name); });
  EXPECT_EQ(names, (std::set<std::string>{"one", "two", "three", "four"}));
  EXPECT_EQ(cluster.store.find_namespace("four")->labels.size(), 2U);
  EXPECT_EQ(cluster.store.find_namespace("one")->labels,
            (Labels{{"kubernetes.io/metadata.name", "one"}}));
  cluster.folder.write("a.yaml", service("s", "", "one"));
  cluster.reload();
  EXPECT_EQ(cluster.store.find_namespace("two"), nullptr);
  EXPECT_NE(cluster.store.find_namespace("one"), nullptr);
}

TEST(ManifestSource, ErrorsNameThePlaceAndWhatBecameOfIt) {
  TestCluster cluster(service("good") +
                      "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: bad\nspec:\n"
                      "  ports:\n  - port: 70000\n");
  EXPECT_THAT(cluster.diagnostics,
              ElementsAre(cluster.at("a.yaml", "13:11: spec.ports[0].port: 70000 is not a port (1 "
                                               "to 65535); Service default/bad is left out")));
  EXPECT_TRUE(exists(cluster.store, "good"));
  EXPECT_FALSE(exists(cluster.store, "bad"));
}

TEST(ManifestSource, FileThatDoesNotParseKeepsItsLastGoodObjects) {
  TestCluster cluster(service("a") + service("b"));
  cluster.folder.replace("a.yaml", service("a") + "---\nkind: [Service\nmore: x\n");
  EXPECT_THAT(cluster.reload(), ElementsAre(HasSubstr("a.yaml:8:5: ")));
  EXPECT_THAT(cluster.diagnostics.front(), HasSubstr("kept the last good version (2 objects)"));
  EXPECT_TRUE(exists(cluster.store, "a") && exists(cluster.store, "b"));
  EXPECT_THAT(cluster.reload(), IsEmpty());  // told once
  cluster.folder.replace("a.yaml", service("c"));
  EXPECT_THAT(cluster.reload(), IsEmpty());
  EXPECT_TRUE(exists(cluster.store, "c"));
  EXPECT_FALSE(exists(cluster.store, "a") || exists(cluster.store, "b"));
}

TEST(ManifestSource, NewFileThatDoesNotParseGivesNothing) {
  TestCluster cluster(service("a"));
  cluster.folder.write("b.yaml", service("b") + "---\n[\n");
  EXPECT_THAT(cluster.reload(), ElementsAre(HasSubstr("nothing of this file is served")));
  EXPECT_FALSE(exists(cluster.store, "b"));
}

TEST(ManifestSource, WrongObjectKeepsItsLastGoodVersionAndOthersChange) {
  TestCluster cluster(service("a", ", clusterIP: 10.96.7.1") +
                      service("b", ", clusterIP: 10.96.7.2") + service("gone"));
  cluster.folder.replace("a.yaml", service("a", ", clusterIP: 10.96.7.999") +
                                       service("b", ", clusterIP: 10.96.7.3"));
  EXPECT_THAT(cluster.reload(),
              ElementsAre(HasSubstr("kept the last good version of Service default/a")));
  EXPECT_THAT(cluster_ips_of(cluster.store, {"default", "a"}), ElementsAre("10.96.7.1"));
  EXPECT_THAT(cluster_ips_of(cluster.store, {"default", "b"}), ElementsAre("10.96.7.3"));
  EXPECT_FALSE(exists(cluster.store, "gone"));
}

TEST(ManifestSource, WrongObjectWithoutANameKeepsAllThatIsMissing) {
  TestCluster cluster(service("a") + service("b"));
  cluster.folder.replace("a.yaml", service("a") + service("B"));
  EXPECT_THAT(cluster.reload(), ElementsAre(HasSubstr("kept 1 object of the last good version")));
  EXPECT_TRUE(exists(cluster.store, "b"));
}

TEST(ManifestSource, KeptSlicesKeepTheirEndpoints) {
  TestCluster cluster(service("s") + slice("s-1", "s", "10.0.0.1"));
  cluster.folder.replace("a.yaml", "{");
  EXPECT_THAT(cluster.reload(), SizeIs(1));
  EXPECT_THAT(endpoints_of(cluster.store, {"default", "s"}), ElementsAre("10.0.0.1"));
  cluster.folder.replace("a.yaml", service("s") + slice("s-1", "s", "bad"));
  EXPECT_THAT(cluster.reload(), SizeIs(1));
  EXPECT_THAT(endpoints_of(cluster.store, {"default", "s"}), ElementsAre("10.0.0.1"));
  cluster.folder.replace("a.yaml", service("s") + slice("s-1", "s", "10.0.0.2"));
  EXPECT_THAT(cluster.reload(), IsEmpty());
  EXPECT_THAT(endpoints_of(cluster.store, {"default", "s"}), ElementsAre("10.0.0.2"));
}

TEST(ManifestSource, ASecondDefinitionIsNoReasonToFail) {
  const ScratchFolder folder;
  const std::string ns = "apiVersion: v1\nkind: Namespace\nmetadata: {name: staging}\n";
  folder.write("a.yaml", ns);
  folder.write("b.yaml", ns);
  Store store;
  ManifestSource source({{folder.path()}, {}}, store);
  const auto diagnostics = source.load();
  ASSERT_THAT(diagnostics, ::testing::SizeIs(1));
  EXPECT_EQ(diagnostics[0].severity, Diagnostic::Severity::Warning);
}

TEST(ManifestSource, OfTwoDefinitionsTheFirstCounts) {
  TestCluster cluster(service("s", ", clusterIP: 10.96.7.1"));
  cluster.folder.write("b.yaml", service("s", ", clusterIP: 10.96.7.2"));
  EXPECT_THAT(cluster.reload(),
              ElementsAre(cluster.at("b.yaml", "2:1: Service default/s is already defined at ") +
                          cluster.at("a.yaml", "2:1; this one is ignored, remove one of them")));
  EXPECT_THAT(cluster_ips_of(cluster.store, {"default", "s"}), ElementsAre("10.96.7.1"));
  fs::remove(cluster.folder / "a.yaml");
  EXPECT_THAT(cluster.reload(), IsEmpty());
  EXPECT_THAT(cluster_ips_of(cluster.store, {"default", "s"}), ElementsAre("10.96.7.2"));
}

TEST(ManifestSource, DuplicateSlicesChangePlacesBothWays) {
  TestCluster cluster;
  cluster.folder.write("b.yaml", service("s") + slice("s-1", "s", "10.0.0.2"));
  cluster.reload();
  cluster.folder.write("a.yaml", slice("s-1", "s", "10.0.0.1"));  // comes first from now on
  EXPECT_THAT(cluster.reload(), SizeIs(1));
  EXPECT_THAT(endpoints_of(cluster.store, {"default", "s"}), ElementsAre("10.0.0.1"));
  fs::remove(cluster.folder / "a.yaml");
  EXPECT_THAT(cluster.reload(), IsEmpty());
  EXPECT_THAT(endpoints_of(cluster.store, {"default", "s"}), ElementsAre("10.0.0.2"));
}

TEST(ManifestSource, SharedClusterIpIsAWarning) {
  TestCluster cluster(service("a", ", clusterIP: 10.96.7.1") +
                      service("b", ", clusterIP: 10.96.7.1"));
  EXPECT_THAT(cluster.diagnostics, ElementsAre(HasSubstr("cluster IP 10.96.7.1 is also that of")));
  EXPECT_TRUE(exists(cluster.store, "b"));
}

TEST(ManifestSource, DeletedFilesTakeTheirObjectsAlong) {
  TestCluster cluster(service("a"));
  cluster.folder.write("b.yaml", service("b") + slice("b-1", "b", "10.0.0.1") + deployment("d", 2));
  cluster.reload();
  fs::remove(cluster.folder / "b.yaml");
  EXPECT_THAT(cluster.reload(), IsEmpty());
  EXPECT_FALSE(exists(cluster.store, "b"));
  EXPECT_TRUE(exists(cluster.store, "a"));
  EXPECT_EQ(cluster.store.endpoint_count(), 0U);
  int pods = 0;
  cluster.store.for_each_pod([&](const Pod&) { ++pods; });
  EXPECT_EQ(pods, 0);
}

TEST(ManifestSource, ReloadChangesOnlyWhatChanged) {
  TestCluster cluster(service("a") + service("b") + slice("b-1", "b", "10.0.0.1") +
                      deployment("d", 3));
  ChangeCounter counter(cluster.store);
  cluster.folder.replace("a.yaml", "# a comment more\n" + service("a") + service("b") +
                                       slice("b-1", "b", "10.0.0.1") + deployment("d", 3));
  EXPECT_THAT(cluster.reload(), IsEmpty());
  EXPECT_THAT(counter.commits, IsEmpty());
  cluster.folder.replace("a.yaml", service("a") + service("b") + slice("b-1", "b", "10.0.0.2") +
                                       deployment("d", 4));
  cluster.reload();
  ASSERT_THAT(counter.commits, SizeIs(1));
  EXPECT_THAT(counter.commits[0].services, ElementsAre(ObjectKey{"default", "b"}));
  EXPECT_THAT(counter.commits[0].namespaces, IsEmpty());
  EXPECT_THAT(counter.commits[0].pods_before, IsEmpty());
  EXPECT_THAT(counter.commits[0].pods_after, SizeIs(1));
}

// Addresses given out, by service name.
std::vector<std::string> all_cluster_ips(const Store& store) {
  std::vector<std::string> result;
  store.for_each_service([&](const Service& each) {
    result.push_back(each.key.name + ' ' + each.cluster_ips.front().to_string());
  });
  std::sort(result.begin(), result.end());
  return result;
}

TEST(ManifestSource, AddressesStayWhenOthersComeAndGo) {
  // A small range, so that keys collide.
  ClusterOptions small;
  small.service_cidrs = {*Cidr::parse("10.96.0.0/26")};
  std::string text;
  for (int i = 0; i < 30; ++i) text += service("s" + std::to_string(i));
  TestCluster cluster(text, small);
  EXPECT_THAT(cluster.diagnostics, IsEmpty());
  const auto before = all_cluster_ips(cluster.store);
  std::set<std::string> distinct;
  for (const std::string& each : before) distinct.insert(each.substr(each.find(' ')));
  EXPECT_EQ(distinct.size(), 30U);

  // Names that sort before all others would be served first.
  cluster.folder.write("0.yaml", service("a0") + service("a1") + service("a2"));
  EXPECT_THAT(cluster.reload(), IsEmpty());
  const auto with_more = all_cluster_ips(cluster.store);
  EXPECT_THAT(with_more, SizeIs(33));
  for (const std::string& each : before) EXPECT_THAT(with_more, Contains(each));
  fs::remove(cluster.folder / "0.yaml");
  cluster.reload();
  EXPECT_EQ(all_cluster_ips(cluster.store), before);
}

TEST(ManifestSource, ExplicitAddressesComeFirstAlsoLater) {
  TestCluster cluster(service("mine"));
  const std::string given = cluster_ips_of(cluster.store, {"default", "mine"}).front();
  // Another namespace names the address that was given out: the explicit one wins.
  cluster.folder.write("b.yaml", service("theirs", ", clusterIP: " + given, "other"));
  EXPECT_THAT(cluster.reload(), IsEmpty());
  EXPECT_THAT(cluster_ips_of(cluster.store, {"other", "theirs"}), ElementsAre(given));
  const std::string moved = cluster_ips_of(cluster.store, {"default", "mine"}).front();
  EXPECT_NE(moved, given);
  // The same files read by a new process give the same addresses.
  Store fresh;
  ManifestSource again({{cluster.folder.path()}, {}}, fresh);
  EXPECT_THAT(again.load(), IsEmpty());
  EXPECT_THAT(cluster_ips_of(fresh, {"default", "mine"}), ElementsAre(moved));
}

TEST(ManifestSource, PodAddressesAvoidExplicitOnes) {
  const auto pods_of = [](const Store& store) {
    std::set<std::string> ips;
    store.for_each_pod([&](const Pod& pod) { ips.insert(pod.ips.front().to_string()); });
    return ips;
  };
  TestCluster plain(deployment("d", 3));
  const std::set<std::string> wanted = pods_of(plain.store);
  ASSERT_EQ(wanted.size(), 3U);
  std::string slices = service("other", "", "default");
  int n = 0;
  for (const std::string& ip : wanted) {
    const std::string number = std::to_string(n);
    ++n;
    slices += slice("o-" + number, "other", ip);
  }
  TestCluster crowded(deployment("d", 3) + slices);
  for (const std::string& ip : pods_of(crowded.store)) EXPECT_FALSE(wanted.contains(ip)) << ip;
  // The same when the explicit ones come while serving.
  plain.folder.write("b.yaml", slices);
  plain.reload();
  for (const std::string& ip : pods_of(plain.store)) EXPECT_FALSE(wanted.contains(ip)) << ip;
}

TEST(ManifestSource, ScalingKeepsTheOtherPods) {
  TestCluster cluster(service("s", ", selector: {app: x}") + deployment("d", 5));
  const auto before = endpoints_of(cluster.store, {"default", "s"});
  cluster.folder.replace("a.yaml", service("s", ", selector: {app: x}") + deployment("d", 3));
  cluster.reload();
  const auto after = endpoints_of(cluster.store, {"default", "s"});
  EXPECT_EQ(after, std::vector<std::string>(before.begin(), before.begin() + 3));
}

TEST(ManifestSource, NoAddressLeftIsAnError) {
  ClusterOptions tiny;
  tiny.service_cidrs = {*Cidr::parse("10.96.0.0/30")};
  tiny.pod_cidrs = {*Cidr::parse("10.244.0.0/29")};
  TestCluster cluster(service("a") + service("b") + service("c") + deployment("d", 9), tiny);
  EXPECT_THAT(cluster.diagnostics, ElementsAre(HasSubstr("Service default/c: no free IPv4"),
                                               HasSubstr("4 pods have no address")));
}

TEST(ManifestSource, Ipv6WithoutARangeIsAnError) {
  ClusterOptions v4;
  v4.service_cidrs = {*Cidr::parse("10.96.0.0/16")};
  TestCluster cluster(service("a", ", ipFamilies: [IPv6]") +
                          service("b", ", ipFamilyPolicy: RequireDualStack"),
                      v4);
  EXPECT_THAT(cluster.diagnostics,
              ElementsAre(HasSubstr("a.yaml:2:1: Service default/a: no free IPv6 cluster IP"),
                          HasSubstr("RequireDualStack needs")));
  EXPECT_THAT(cluster_ips_of(cluster.store, {"default", "b"}), SizeIs(1));
}

TEST(ManifestSource, TouchesOnlyItsOwnObjects) {
  TestCluster cluster(service("a"));
  Service foreign;
  foreign.key = {"default", "foreign"};
  cluster.store.upsert(foreign);
  cluster.folder.replace("a.yaml", service("b"));
  cluster.reload();
  EXPECT_TRUE(exists(cluster.store, "foreign"));
  EXPECT_FALSE(exists(cluster.store, "a"));
}

TEST(ManifestSource, OtherObjectsFollowTheFiles) {
  const std::string other =
      "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v, namespace: "
      "default}\nspec: {hosts: [api.example.com]}\n";
  TestCluster cluster(other);
  ASSERT_THAT(cluster.source->other_objects(), SizeIs(1));
  EXPECT_THAT(cluster.source->other_objects()[0].hosts, ElementsAre("api.example.com"));
  EXPECT_EQ(cluster.source->other_objects()[0].file, (cluster.folder / "a.yaml").native());
  cluster.folder.replace("a.yaml", service("s"));
  cluster.reload();
  EXPECT_THAT(cluster.source->other_objects(), IsEmpty());
}

TEST(ManifestSource, SameSizedEditRightAfterReadingIsSeen) {
  TestCluster cluster(service("a", ", clusterIP: 10.96.7.1"));
  // In place, same inode, same size, perhaps within one tick of the file system's clock.
  cluster.folder.write("a.yaml", service("a", ", clusterIP: 10.96.7.2"));
  cluster.reload();
  EXPECT_THAT(cluster_ips_of(cluster.store, {"default", "a"}), ElementsAre("10.96.7.2"));
}

TEST(ManifestSource, TabsGetAHint) {
  TestCluster cluster("apiVersion: v1\nkind: Service\nmetadata:\n\tname: x\n");
  EXPECT_THAT(cluster.diagnostics, ElementsAre(HasSubstr("indented with a tab")));
}

}  // namespace
}  // namespace clusterdns::registry
