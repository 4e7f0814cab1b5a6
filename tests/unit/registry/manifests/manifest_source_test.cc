#include "registry/manifests/manifest_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/growth.h"
#include "tests/unit/registry/manifests/manifest_fixture.h"

namespace clusterdns::registry {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;
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
  EXPECT_EQ(diagnostics[0].severity, Problem::Severity::Error);
  EXPECT_THAT(to_string(diagnostics[0]), HasSubstr("nope.yaml: No such file"));
  EXPECT_EQ(diagnostics[1].severity, Problem::Severity::Warning);  // a folder with nothing in it
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
  fs::create_symlink("self", folder / "self");
  fs::create_directory_symlink(folder.path() / "sub", folder / "other");
  folder.write("sub/b.yaml", service("b"));
  Store store;
  ManifestSource source({{file, folder.path(), folder.path() / "." / "a.yaml"}, {}}, store);
  EXPECT_THAT(texts(source.load()),
              ElementsAre(HasSubstr("loop: a link to a folder that contains it; left out"),
                          HasSubstr("self: a link that leads to itself; left out")));
  EXPECT_EQ(source.file_count(), 2U);
  EXPECT_THAT(source.load(), IsEmpty());
}

TEST(ManifestSource, WhatIsNoRegularFileIsLeftOut) {
  ScratchFolder folder;
  folder.write("a.yaml", service("a"));
  ASSERT_EQ(::mkfifo((folder / "fifo.yaml").c_str(), 0600), 0);
  fs::create_symlink("/dev/zero", folder / "device.json");
  fs::create_symlink(folder / "nowhere", folder / "dangling.yaml");
  const int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = (folder / "socket.yml").native();
  ASSERT_LT(path.size(), sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(::bind(server, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  Store store;
  ManifestSource source({{folder.path()}, {}}, store);
  EXPECT_THAT(texts(source.load()),
              UnorderedElementsAre(HasSubstr("dangling.yaml: a broken link"),
                                   HasSubstr("device.json: not a regular file"),
                                   HasSubstr("fifo.yaml: not a regular file"),
                                   HasSubstr("socket.yml: not a regular file")));
  EXPECT_TRUE(exists(store, "a"));
  ::close(server);
}

// Runs `call` as a user who is nobody's owner, if this is root's process; false if it is not.
template <class Call>
bool as_nobody(Call call) {
  constexpr uid_t kNobody = 65534;
  if (::geteuid() != 0 || ::seteuid(kNobody) != 0) return false;
  call();
  EXPECT_EQ(::seteuid(0), 0);
  return true;
}

TEST(ManifestSource, WhatMayNotBeReadKeepsWhatItHeld) {
  ScratchFolder folder;
  fs::permissions(folder.path(), fs::perms(0755));
  folder.write("good.yaml", service("good"));
  const fs::path file = folder.write("file.yaml", service("file"));
  folder.write("closed/in-it.yaml", service("in-it"));
  folder.write("listed/behind.yaml", service("behind"));
  Store store;
  ManifestSource source({{folder.path()}, {}}, store);
  EXPECT_THAT(source.load(), IsEmpty());
  fs::permissions(file, fs::perms(0));
  fs::permissions(folder / "closed", fs::perms(0));
  fs::permissions(folder / "listed", fs::perms(0444));  // names, but nothing behind them
  std::vector<std::string> said, again;
  const bool ran = as_nobody([&] {
    said = texts(source.load());
    again = texts(source.load());
  });
  if (!ran) GTEST_SKIP() << "needs root";
  EXPECT_THAT(
      said, UnorderedElementsAre(AllOf(HasSubstr("file.yaml: cannot be read: Permission denied"),
                                       HasSubstr("kept the last good version (1 object)")),
                                 AllOf(HasSubstr("closed: cannot be read: Permission denied"),
                                       HasSubstr("what it held is kept (1 object)")),
                                 AllOf(HasSubstr("behind.yaml: cannot be read: Permission denied"),
                                       HasSubstr("what it held is kept (1 object)"))));
  EXPECT_THAT(again, IsEmpty());
  for (const char* name : {"good", "file", "in-it", "behind"})
    EXPECT_TRUE(exists(store, name)) << name;
  // A new source has no last good version; it serves the rest.
  Store fresh;
  ManifestSource other({{folder.path()}, {}}, fresh);
  ASSERT_TRUE(as_nobody([&] { EXPECT_TRUE(has_errors(other.load())); }));
  EXPECT_TRUE(exists(fresh, "good"));
  EXPECT_EQ(fresh.service_count(), 1U);
}

TEST(ManifestSource, SomethingElseInAManifestsPlaceKeepsWhatItHeld) {
  ScratchFolder folder;
  std::vector<fs::path> files;
  for (const char* name : {"device", "fifo", "folder", "loop"}) {
    files.push_back(folder.write(std::string("in/") + name + ".yaml", service(name)));
  }
  const fs::path given = folder.write("given", service("given"));
  Store store;
  ManifestSource source({{folder / "in", given}, {}}, store);
  EXPECT_THAT(source.load(), IsEmpty());
  for (const fs::path& file : files) fs::remove(file);
  fs::remove(given);
  fs::create_symlink("/dev/null", files[0]);
  ASSERT_EQ(::mkfifo(files[1].c_str(), 0600), 0);
  fs::create_directory(files[2]);
  fs::create_symlink("loop.yaml", files[3]);
  fs::create_directory(given);
  const auto kept = HasSubstr("what it held is kept (1 object)");
  const std::string a_folder = "a folder stands here now, not a manifest";
  EXPECT_THAT(texts(source.load()),
              AllOf(Contains(AllOf(HasSubstr("device.yaml: not a regular file"), kept)),
                    Contains(AllOf(HasSubstr("fifo.yaml: not a regular file"), kept)),
                    Contains(AllOf(HasSubstr("folder.yaml: " + a_folder), kept)),
                    Contains(AllOf(HasSubstr("loop.yaml: cannot be read: "), kept)),
                    Contains(AllOf(HasSubstr("given: " + a_folder), kept))));
  EXPECT_THAT(source.load(), IsEmpty());  // said once
  for (const char* name : {"device", "fifo", "folder", "loop", "given"}) {
    EXPECT_TRUE(exists(store, name)) << name;
  }
  // A manifest again, or nothing.
  fs::remove(given);
  folder.write("given", service("other"));
  for (const fs::path& file : files) fs::remove(file);
  (void)source.load();
  EXPECT_TRUE(exists(store, "other"));
  for (const char* name : {"device", "fifo", "folder", "loop", "given"}) {
    EXPECT_FALSE(exists(store, name)) << name;
  }
}

TEST(ManifestSource, WhatIsNotUtf8CostsItsDocument) {
  TestCluster cluster(service("a") + service("b"));
  cluster.folder.replace("a.yaml", service("a", ", type: NodePort") + "---\n# \xff\n" +
                                       service("b").substr(4) + service("c"));
  EXPECT_THAT(cluster.reload(),
              ElementsAre(AllOf(HasSubstr("7:3: not UTF-8: the octet 0xFF cannot stand here"),
                                HasSubstr("kept 1 object of the last good version"))));
  for (const char* name : {"a", "b", "c"}) EXPECT_TRUE(exists(cluster.store, name)) << name;
  EXPECT_EQ(cluster.store.service({"default", "a"})->type, ServiceType::NodePort);
}

// Manifests of programs are one line; each error in it looked at all of it.
TEST(ManifestSourceCost, ErrorsOfOneLineFollowItsLength) {
  const auto load = [](int count) {
    auto folder = std::make_shared<ScratchFolder>();
    std::string text = R"({"apiVersion":"v1","kind":"List","items":[)";
    for (int i = 0; i < count; ++i) {
      text += R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"B_)" + std::to_string(i) +
              R"("}},)";
    }
    text.back() = ']';
    folder->write("a.json", text + "}\n");
    return [folder] {
      Store store;
      return ManifestSource({{folder->path()}, {}}, store).load().size();
    };
  };
  constexpr double kLinear = 24;  // eight times as much: quadratic is 64
  EXPECT_LT(unit::growth(load(1'000), load(8'000)), kLinear);
}

TEST(ManifestSource, APathThatGoesAwayKeepsWhatItHeld) {
  ScratchFolder folder;
  folder.write("m/a.yaml", service("a") + service("b"));
  const fs::path file = folder.write("c.yaml", service("c"));
  const fs::path manifests = folder / "m";
  Store store;
  ManifestSource source({{manifests, file}, {}}, store);
  EXPECT_THAT(source.load(), IsEmpty());
  fs::rename(manifests, folder / "away");
  EXPECT_THAT(texts(source.load()),
              ElementsAre(AllOf(HasSubstr("/m: No such file or directory"),
                                HasSubstr("what it held is kept (2 objects)"))));
  EXPECT_THAT(source.load(), IsEmpty());
  // As after an unmounting: the folder below shows, and has nothing.
  fs::create_directory(manifests);
  EXPECT_THAT(texts(source.load()),
              ElementsAre(AllOf(HasSubstr("this is another folder now, and it is empty"),
                                HasSubstr("what it held is kept (2 objects)"))));
  EXPECT_TRUE(exists(store, "a") && exists(store, "b"));
  fs::remove(manifests);
  fs::rename(folder / "away", manifests);
  EXPECT_THAT(source.load(), IsEmpty());
  fs::remove(file);
  EXPECT_THAT(texts(source.load()), ElementsAre(HasSubstr("what it held is kept (1 object)")));
  EXPECT_TRUE(exists(store, "c"));
  // A file that is deleted in a folder that is there takes its objects along, the last one too.
  fs::remove(manifests / "a.yaml");
  EXPECT_THAT(texts(source.load()),
              ElementsAre(HasSubstr("no *.yaml, *.yml or *.json in this folder")));
  EXPECT_FALSE(exists(store, "a") || exists(store, "b"));
}

// What is kept stands where it stood: of two definitions the first counts.
TEST(ManifestSource, WhatIsKeptKeepsItsPlace) {
  ScratchFolder first, second;
  first.write("m/a.yaml", service("s", ", clusterIP: 10.96.7.1"));
  second.write("b.yaml", service("s", ", clusterIP: 10.96.7.2"));
  Store store;
  ManifestSource source({{first / "m", second.path()}, {}}, store);
  EXPECT_THAT(source.load(), SizeIs(1));
  fs::rename(first / "m", first / "away");
  second.write("c.yaml", service("t"));
  EXPECT_THAT(source.load(), SizeIs(1));
  EXPECT_THAT(cluster_ips_of(store, {"default", "s"}), ElementsAre("10.96.7.1"));
  EXPECT_TRUE(exists(store, "t"));
}

TEST(ManifestSource, AnotherSourceGoesOnFromTheLastGoodVersions) {
  TestCluster cluster(service("a") + service("b"));
  const auto ips = cluster_ips_of(cluster.store, {"default", "a"});
  cluster.folder.replace("a.yaml", service("b") + service("a", ", type: Nonsense"));
  cluster.folder.write("c.yaml", service("C"));
  EXPECT_THAT(cluster.reload(), SizeIs(2));
  ScratchFolder more;
  more.write("d.yaml", service("d"));
  Store store;
  ManifestSource source({{cluster.folder.path(), more.path()}, {}}, store);
  source.inherit(*cluster.source);
  // What was told is not told again.
  EXPECT_THAT(texts(source.load()), IsEmpty());
  EXPECT_EQ(cluster_ips_of(store, {"default", "a"}), ips);
  EXPECT_TRUE(exists(store, "b") && exists(store, "d"));
  // Files that are none of its own go.
  Store other;
  ManifestSource without({{more.path()}, {}}, other);
  without.inherit(source);
  EXPECT_THAT(without.load(), IsEmpty());
  EXPECT_EQ(other.service_count(), 1U);
}

TEST(ManifestSource, ATemplateIsToldOnce) {
  TestCluster cluster(service("a"));
  cluster.folder.write("chart/templates/service.yaml", R"({{- if .Values.service.enabled }}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "shop.fullname" . }}
  labels:
    {{- include "shop.labels" . | nindent 4 }}
spec:
  ports: [{port: {{ .Values.port }}}]
{{- end }}
---
apiVersion: v1
kind: Service
metadata: {name: "{{ .Release.Name }}-x"}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: plain, annotations: {legend: "{{ pod }}"}}
spec: {ports: [{port: 80}]}
)");
  EXPECT_THAT(
      cluster.reload(),
      ElementsAre(cluster.at("chart/templates/service.yaml",
                             "1:1: a template, not a manifest; render it first, for example with "
                             "`helm template`; 3 objects left out")));
  EXPECT_TRUE(exists(cluster.store, "plain"));
}

TEST(ManifestSource, FilesOfOtherKindsAreToldAndLetBe) {
  TestCluster cluster(service("a"));
  cluster.folder.write("values.yaml", "replicaCount: 3\n---\nx: y\n");
  cluster.folder.write("empty.yaml", "");
  cluster.folder.write("playbook.yml", "- hosts: all\n  tasks: []\n");
  EXPECT_THAT(cluster.reload(), SizeIs(3));
  for (const std::string& text : cluster.diagnostics) EXPECT_THAT(text, HasSubstr("ignored"));
  cluster.folder.write("Chart.yaml", "apiVersion: v2\nname: shop\nversion: 0.1.0\n");
  EXPECT_THAT(
      cluster.reload(),
      ElementsAre(cluster.at("Chart.yaml", "1:1: kind is missing; this object is left out")));
  cluster.folder.write("tsconfig.json", "{\n  // comment\n  \"strict\": true,\n}\n");
  EXPECT_THAT(cluster.reload(),
              ElementsAre(cluster.at("tsconfig.json",
                                     "2:3: not JSON: JSON has no comments; remove "
                                     "them; nothing of this file is served")));
  // A folder of such files is not worth a line for each.
  for (int i = 0; i < 60; ++i)
    cluster.folder.write("node_modules/" + std::to_string(i) + "/package.json",
                         "{\"name\": \"x\"}");
  EXPECT_THAT(cluster.reload(), SizeIs(11));
  EXPECT_THAT(cluster.diagnostics, Contains("and 50 more files without a Kubernetes object"));
  EXPECT_TRUE(exists(cluster.store, "a"));
}

TEST(ManifestSource, FindingsOfOneFileAreBounded) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += service("B_" + std::to_string(i));
  TestCluster cluster(text + service("good"));
  EXPECT_THAT(cluster.diagnostics, SizeIs(kMaxFileProblems + 1));
  EXPECT_THAT(cluster.diagnostics.back(), HasSubstr("a.yaml: and 900 more findings in this file"));
  EXPECT_TRUE(exists(cluster.store, "good"));
  // Not all names are known, so nothing that is missing counts as gone.
  cluster.folder.replace("a.yaml", text);
  cluster.reload();
  EXPECT_TRUE(exists(cluster.store, "good"));
}

TEST(ManifestSource, ObjectsOfOneFileAreBounded) {
  ScratchFolder folder;
  LoadedFile file;
  file.path =
      folder.write("a.yaml", service("a") + service("b") + service("c") + service("d")).native();
  ReadOptions options;
  options.max_objects = 2;
  std::vector<Problem> problems;
  std::vector<ManifestObject> replaced;
  reload_file(file, {}, options, problems, replaced);
  EXPECT_THAT(file.objects, SizeIs(2));
  EXPECT_THAT(texts(problems),
              ElementsAre(HasSubstr("a.yaml:12:1: more than 2 objects in one file")));
}

TEST(ManifestSource, ManyFilesOfEveryKind) {
  ScratchFolder folder;
  for (int i = 0; i < 300; ++i) {
    const std::string number = std::to_string(i);
    folder.write(number + ".yaml", i % 3 == 0   ? service("s" + number)
                                   : i % 3 == 1 ? "x: 1\n"
                                                : service("S" + number));
    fs::create_symlink("nowhere", folder / ("l" + number + ".yaml"));
  }
  Store store;
  ManifestSource source({{folder.path()}, {}}, store);
  EXPECT_THAT(source.load(), SizeIs(100 + 11 + 300));
  EXPECT_EQ(store.service_count(), 100U);
  EXPECT_THAT(source.load(), IsEmpty());
}

// --- what passes in silence otherwise ---

TEST(ManifestSource, SelectorsThatChooseNoPod) {
  const std::string pod =
      "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: web}}\n";
  TestCluster cluster(service("headless", ", clusterIP: None, selector: {app: wbe}") +
                      service("plain", ", selector: {app: nobody}") +
                      service("good", ", clusterIP: None, selector: {app: web}") +
                      service("by-hand", ", clusterIP: None, selector: {app: nobody}") +
                      slice("h-1", "by-hand", "10.0.0.1") + pod);
  EXPECT_THAT(
      cluster.diagnostics,
      ElementsAre(cluster.at("a.yaml",
                             "2:1: Service default/headless is headless, and no pod has the labels "
                             "'app=wbe', so its name has no addresses; did you mean 'app=web'?")));
  // Told once, also when something else changes.
  cluster.folder.write("b.yaml", service("other"));
  EXPECT_THAT(cluster.reload(), IsEmpty());
}

TEST(ManifestSource, TargetPortsThatNoPodHas) {
  const std::string pod =
      "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: x}}\n"
      "spec: {containers: [{ports: [{name: http, containerPort: 8080}]}]}\n";
  const auto with = [](const std::string& name, const std::string& port) {
    return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name +
           "}\nspec: {selector: {app: x}, ports: [{port: 80, targetPort: " + port + "}]}\n";
  };
  TestCluster cluster(with("slip", "htpp") + with("good", "http") + with("number", "9") + pod);
  EXPECT_THAT(
      cluster.diagnostics,
      ElementsAre(HasSubstr(
          "Service default/slip: no pod that it selects has a TCP port named 'htpp'; did you "
          "mean 'http'?")));
}

TEST(ManifestSource, EndpointsOfAServiceThatIsNotThere) {
  TestCluster cluster(service("web-frontend") + slice("w-1", "web-fontend", "10.0.0.1") +
                      slice("x-1", "elsewhere", "10.0.0.2") +
                      "---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: web-frontned}\n");
  EXPECT_THAT(cluster.diagnostics,
              UnorderedElementsAre(
                  HasSubstr("EndpointSlice default/w-1: there is no Service 'web-fontend'; did you "
                            "mean 'web-frontend'?"),
                  HasSubstr("Endpoints default/web-frontned: there is no Service 'web-frontned'")));
}

TEST(ManifestSource, HeadlessServicesWithoutPodsAreNotToldForEver) {
  std::string text;
  for (int i = 0; i < 100; ++i)
    text += service("s" + std::to_string(i), ", clusterIP: None, selector: {app: x}");
  TestCluster cluster(text);
  EXPECT_THAT(cluster.diagnostics, SizeIs(21));
  EXPECT_THAT(cluster.diagnostics, Contains(HasSubstr("and 80 more headless Services")));
}

TEST(ManifestSource, NamespacesExistWhenAnythingIsInThem) {
  TestCluster cluster(
      service("s", "", "one") +
      "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: two}\n"
      "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: three}\n"
      "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: four, labels: {env: x}}\n"
      "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: five}\n");
  std::set<std::string> names;
  cluster.store.for_each<Namespace>([&](const Namespace& ns) { names.insert(ns.name); });
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
              ElementsAre(cluster.at("a.yaml",
                                     "13:11: spec.ports[0].port: 70000 is not a port (1 "
                                     "to 65535); Service default/bad is left out")));
  EXPECT_TRUE(exists(cluster.store, "good"));
  EXPECT_FALSE(exists(cluster.store, "bad"));
}

TEST(ManifestSource, FileThatDoesNotParseKeepsItsLastGoodObjects) {
  TestCluster cluster(service("a") + service("b"));
  cluster.folder.replace("a.yaml", service("a") + "---\nkind: [Service\nmore: x\n");
  EXPECT_THAT(cluster.reload(), ElementsAre(HasSubstr("a.yaml:8:5: ")));
  EXPECT_THAT(cluster.diagnostics.front(), HasSubstr("kept 1 object of the last good version"));
  EXPECT_TRUE(exists(cluster.store, "a") && exists(cluster.store, "b"));
  EXPECT_THAT(cluster.reload(), IsEmpty());  // told once
  cluster.folder.replace("a.yaml", service("c"));
  EXPECT_THAT(cluster.reload(), IsEmpty());
  EXPECT_TRUE(exists(cluster.store, "c"));
  EXPECT_FALSE(exists(cluster.store, "a") || exists(cluster.store, "b"));
}

TEST(ManifestSource, ADocumentThatDoesNotParseCostsItselfAlone) {
  TestCluster cluster(service("a"));
  cluster.folder.write("b.yaml", service("b") + "---\n[\n" + service("c") + "---\nkind: {\n");
  EXPECT_THAT(cluster.reload(), ElementsAre(HasSubstr("this document is left out"),
                                            HasSubstr("this document is left out")));
  EXPECT_TRUE(exists(cluster.store, "b") && exists(cluster.store, "c"));
  cluster.folder.write("d.yaml", "[\n");
  EXPECT_THAT(cluster.reload(), ElementsAre(HasSubstr("nothing of this file is served")));
}

TEST(ManifestSource, WhatIsNoTextKeepsAllOfTheFile) {
  TestCluster cluster(service("a") + service("b"));
  cluster.folder.replace("a.yaml", service("c") + std::string("\0binary", 7));
  EXPECT_THAT(cluster.reload(),
              ElementsAre(AllOf(HasSubstr("a.yaml:6:1: not text"),
                                HasSubstr("kept the last good version (2 objects)"))));
  EXPECT_TRUE(exists(cluster.store, "a") && exists(cluster.store, "b"));
  EXPECT_FALSE(exists(cluster.store, "c"));
}

TEST(ManifestSource, WrongObjectKeepsItsLastGoodVersionAndOthersChange) {
  TestCluster cluster(service("a", ", clusterIP: 10.96.7.1") +
                      service("b", ", clusterIP: 10.96.7.2") + service("gone"));
  cluster.folder.replace(
      "a.yaml", service("a", ", clusterIP: 10.96.7.999") + service("b", ", clusterIP: 10.96.7.3"));
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
  EXPECT_EQ(diagnostics[0].severity, Problem::Severity::Warning);
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
  cluster.store.for_each<Pod>([&](const Pod&) { ++pods; });
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
  cluster.folder.replace(
      "a.yaml", service("a") + service("b") + slice("b-1", "b", "10.0.0.2") + deployment("d", 4));
  cluster.reload();
  ASSERT_THAT(counter.commits, SizeIs(1));
  EXPECT_THAT(counter.commits[0].services, ElementsAre(ObjectKey{"default", "b"}));
  EXPECT_THAT(counter.commits[0].of<Namespace>(), IsEmpty());
  ASSERT_THAT(counter.commits[0].of<Pod>(), SizeIs(1));
  EXPECT_EQ(counter.commits[0].of<Pod>()[0].before, nullptr);
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
    store.for_each<Pod>([&](const Pod& pod) { ips.insert(pod.ips.front().to_string()); });
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
  TestCluster cluster(
      service("a", ", ipFamilies: [IPv6]") + service("b", ", ipFamilyPolicy: RequireDualStack"),
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
      "apiVersion: example.com/v1\nkind: Website\nmetadata: {name: v, namespace: default}\n"
      "spec: {hosts: [api.example.com]}\n";
  TestCluster cluster(other);
  ASSERT_THAT(cluster.source->other_objects(), SizeIs(1));
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
