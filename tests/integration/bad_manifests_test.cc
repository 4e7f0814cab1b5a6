// What is wrong with one manifest, or one object, costs that one: at the start, at a reload, and in
// `check`.
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <thread>

#include "integration/fixture.h"

namespace clusterdns::test {
namespace {

constexpr const char* kBad =
    "apiVersion: v1\nkind: Service\nmetadata: {name: Bad_Name}\nspec: {ports: [{port: 80}]}\n";

std::vector<std::string> lines_with(const std::string& text, const std::string& part) {
  std::vector<std::string> found;
  std::istringstream all(text);
  for (std::string line; std::getline(all, line);) {
    if (line.find(part) != std::string::npos) found.push_back(line);
  }
  return found;
}

class BadManifests : public Integration {
 protected:
  void SetUp() override { manifests_.write("good.yaml", service_yaml("good", "10.96.1.1")); }

  bool answers(const std::string& service, const std::string& address) {
    return addresses(service + ".default.svc.cluster.local.") == std::vector<std::string>{address};
  }
  RunResult check() { return run({.arguments = {"check", manifests_.path().string()}}); }
};

TEST_F(BadManifests, TheRestIsServedFromTheStart) {
  manifests_.write("bad.yaml", kBad + ("---\n" + service_yaml("late", "10.96.1.3")));
  manifests_.write("broken.yaml", service_yaml("early", "10.96.1.4") + "---\nkind: [Service\n");
  manifests_.write("Chart.yaml", "apiVersion: v2\nname: shop\nversion: 0.1.0\n");
  manifests_.write("values.yaml", "replicaCount: 3\n");
  manifests_.write("templates/service.yaml",
                   "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ include \"x\" . }}\n"
                   "  labels:\n    {{- include \"y\" . | nindent 4 }}\n");
  manifests_.write("tsconfig.json", "{\n  // comment\n  \"a\": 1\n}\n");
  manifests_.write("image.json", std::string("\x89PNG\r\n\x1a\n\0\0", 10));
  manifests_.write("empty.yaml", "");
  ASSERT_EQ(::mkfifo((manifests_ / "fifo.yaml").c_str(), 0600), 0);
  std::filesystem::create_directory_symlink(".", manifests_ / "loop");
  std::filesystem::create_symlink("self", manifests_ / "self");
  serve();
  EXPECT_TRUE(answers("good", "10.96.1.1"));
  EXPECT_TRUE(answers("late", "10.96.1.3"));
  EXPECT_TRUE(answers("early", "10.96.1.4"));
  const RunResult checked = check();
  EXPECT_EQ(checked.exit_code, 1);
  for (const char* file : {"bad.yaml:3:18:", "broken.yaml:", "Chart.yaml:1:1:", "values.yaml:1:1:",
                           "service.yaml:4:9: a template", "tsconfig.json:2:3: not JSON",
                           "image.json:2:1: not text", "fifo.yaml:", "loop:", "self:"}) {
    EXPECT_EQ(lines_with(server_->output(), file).size(), 1U) << file << "\n" << server_->output();
    EXPECT_EQ(lines_with(checked.standard_error, file).size(), 1U) << file << "\n"
                                                                   << checked.standard_error;
  }
  EXPECT_TRUE(lines_with(server_->output(), "empty.yaml").empty());
}

// What is only odd is told, and fails nothing.
TEST_F(BadManifests, WarningsDoNotMakeCheckFail) {
  manifests_.write("odd.yaml",
                   "apiVersion: v1\nkind: servce\nmetadata: {name: x}\n---\n"
                   "apiVersion: v1\nkind: Service\nmetadata: {name: odd}\n"
                   "spec: {selectors: {a: b}, ports: [{port: 80, prot: UDP}]}\n");
  const RunResult checked = check();
  EXPECT_EQ(checked.exit_code, 0) << checked.standard_error;
  for (const char* part :
       {"did you mean 'Service'?", "did you mean 'selector'?", "did you mean 'protocol'?"}) {
    EXPECT_EQ(lines_with(checked.standard_error, part).size(), 1U) << checked.standard_error;
  }
  serve({"--strict"});
  EXPECT_EQ(lines_with(server_->output(), "did you mean 'selector'?").size(), 1U)
      << server_->output();
}

TEST_F(BadManifests, StrictRefusesTheStart) {
  manifests_.write("bad.yaml", kBad);
  const RunResult served =
      run({.arguments = {"serve", "--strict", "--manifests", manifests_.path().string(), "--listen",
                         "127.0.0.1:0", "--no-forward"}});
  EXPECT_EQ(served.exit_code, 1);
  EXPECT_EQ(lines_with(served.standard_error, "bad.yaml:3:18: metadata.name: 'Bad_Name'").size(),
            1U)
      << served.standard_error;
  const std::string corefile =
      ".:0 {\n  bind 127.0.0.1\n  kubernetes cluster.local {\n    manifests %M\n    strict\n  "
      "}\n}\n";
  const auto path = directory_.write("Corefile", with_paths(corefile));
  const RunResult configured = run({.arguments = {"-conf", path.string()}});
  EXPECT_EQ(configured.exit_code, 1);
  EXPECT_EQ(lines_with(configured.standard_error,
                       "Corefile:5:5: kubernetes: strict: the start is refused")
                .size(),
            1U)
      << configured.standard_error;
  EXPECT_EQ(lines_with(configured.standard_error, "bad.yaml:3:18").size(), 1U);
  std::filesystem::remove(manifests_ / "bad.yaml");
  serve_corefile(corefile);
  EXPECT_TRUE(answers("good", "10.96.1.1"));
  // While it runs, what is broken costs itself, and stops no reload.
  manifests_.write("bad.yaml", kBad);
  EXPECT_TRUE(server_->wait_for_output("bad.yaml:3:18")) << server_->output();
  server_->signal(SIGUSR1);
  EXPECT_TRUE(server_->wait_for_output("Reloading complete")) << server_->output();
  EXPECT_TRUE(answers("good", "10.96.1.1"));
}

TEST_F(BadManifests, AReloadGoesOnFromTheLastGoodVersion) {
  manifests_.write("a.yaml", service_yaml("a", "10.96.1.2"));
  TempDir more;
  more.write("m.yaml", service_yaml("more", "10.96.1.5"));
  const auto corefile = [&](int ttl, const std::string& options) {
    return with_paths(
        ".:0 {\n  bind 127.0.0.1\n  kubernetes cluster.local {\n    manifests %M\n    ttl " +
        std::to_string(ttl) + "\n" + options + "  }\n}\n");
  };
  serve_corefile(corefile(5, ""));
  manifests_.replace("a.yaml", service_yaml("a", "10.96.1.999"));
  manifests_.write("bad.yaml", kBad);
  ASSERT_TRUE(server_->wait_for_output("a.yaml:")) << server_->output();
  ASSERT_TRUE(server_->wait_for_output("bad.yaml:")) << server_->output();
  int reloads = 0;
  // The same source, one more folder, and objects that have to be read anew.
  for (const std::string& options : {std::string(), "    manifests " + more.path().string() + "\n",
                                     std::string("    endpoint_pod_names\n")}) {
    const int ttl = 20 + ++reloads;
    directory_.replace("Corefile", corefile(ttl, options));
    server_->signal(SIGUSR1);
    ASSERT_TRUE(server_->wait_for_output("Reloading complete", static_cast<std::size_t>(reloads)))
        << server_->output();
    EXPECT_TRUE(until([&] {
      const Message response = ask("a.default.svc.cluster.local.");
      return response.answer.size() == 1 &&
             response.answer[0].ttl == static_cast<std::uint32_t>(ttl);
    })) << options;
    EXPECT_TRUE(answers("a", "10.96.1.2")) << options;
    EXPECT_TRUE(answers("good", "10.96.1.1")) << options;
  }
  manifests_.replace("a.yaml", service_yaml("a", "10.96.1.9"));
  EXPECT_TRUE(until([&] { return answers("a", "10.96.1.9"); })) << server_->output();
}

TEST_F(BadManifests, AFolderThatGoesAwayKeepsWhatItHeld) {
  std::filesystem::create_directory(directory_ / "m");
  directory_.write("m/a.yaml", service_yaml("a", "10.96.1.2"));
  serve({"--manifests", (directory_ / "m").string()});
  EXPECT_TRUE(answers("a", "10.96.1.2"));
  std::filesystem::rename(directory_ / "m", directory_ / "away");
  EXPECT_TRUE(server_->wait_for_output("what it held is kept (1 object)")) << server_->output();
  EXPECT_TRUE(answers("a", "10.96.1.2"));
  directory_.write("away/a.yaml", service_yaml("a", "10.96.1.3"));
  std::filesystem::rename(directory_ / "away", directory_ / "m");
  EXPECT_TRUE(until([&] { return answers("a", "10.96.1.3"); })) << server_->output();
}

TEST_F(BadManifests, StandardInput) {
  const auto input = directory_.write("input", R"({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "piped", "namespace": "default",
          "annotations": {"team": "\ud83d\ude80"}},
         "spec": {"clusterIP": "10.96.1.7", "ports": [{"port": 80}]}}, null]})");
  server_.emplace(
      ProcessOptions{.arguments = {"serve", "-", "--manifests", manifests_.path().string(),
                                   "--listen", "127.0.0.1:0", "--no-forward"},
                     .standard_input = input});
  server_->wait_until_listening();
  EXPECT_TRUE(answers("piped", "10.96.1.7")) << server_->output();
  EXPECT_EQ(lines_with(server_->output(), "-:4:").size(), 1U) << server_->output();
  // The folder beside it is followed, and a reload does not read it again.
  manifests_.write("new.yaml", service_yaml("new", "10.96.1.8"));
  EXPECT_TRUE(until([&] { return answers("new", "10.96.1.8"); })) << server_->output();
  server_->signal(SIGUSR1);
  EXPECT_TRUE(server_->wait_for_output("Reloading complete")) << server_->output();
  EXPECT_TRUE(answers("piped", "10.96.1.7")) << server_->output();

  const RunResult checked = run({.arguments = {"check", "-"}, .standard_input = input});
  EXPECT_EQ(checked.exit_code, 1);
  EXPECT_EQ(lines_with(checked.standard_error, "-:4:").size(), 1U) << checked.standard_error;
}

// As `kubectl get configmap coredns -o yaml | clusterdns check -`.
TEST_F(BadManifests, CheckOfACorefileOnStandardInput) {
  const auto input = directory_.write("input", R"(apiVersion: v1
kind: ConfigMap
metadata: {name: coredns, namespace: kube-system}
data:
  Corefile: |
    .:53 {
        kubernets
    }
)");
  const std::string wrong = "-:7:9: 'kubernets' is not a directive; did you mean 'kubernetes'?";
  const RunResult file = run({.arguments = {"check", "-"}, .standard_input = input});
  EXPECT_EQ(file.exit_code, 1) << file.standard_output;
  EXPECT_EQ(lines_with(file.standard_error, wrong).size(), 1U) << file.standard_error;

  // A pipe cannot be read twice.
  std::ostringstream text;
  text << std::ifstream(input, std::ios::binary).rdbuf();
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ASSERT_EQ(::write(ends[1], text.str().data(), text.str().size()),
            static_cast<ssize_t>(text.str().size()));
  ::close(ends[1]);
  const RunResult pipe = run(
      {.arguments = {"check", "-"}, .standard_input = "/proc/self/fd/" + std::to_string(ends[0])});
  ::close(ends[0]);
  EXPECT_EQ(pipe.exit_code, 1) << pipe.standard_output;
  EXPECT_EQ(lines_with(pipe.standard_error, wrong).size(), 1U) << pipe.standard_error;
}

TEST_F(BadManifests, CheckOfFoldersThatCannotBeWalked) {
  std::filesystem::create_directory(manifests_ / "closed");
  std::filesystem::permissions(manifests_ / "closed", std::filesystem::perms(0));
  std::filesystem::create_directory(manifests_ / "below");
  std::filesystem::create_directory_symlink("..", manifests_ / "below" / "up");
  std::filesystem::create_symlink("around", manifests_ / "around");
  const RunResult checked = check();
  EXPECT_TRUE(checked.exit_code == 0 || checked.exit_code == 1) << checked.exit_code;
  EXPECT_EQ(lines_with(checked.standard_output, "manifests: ").size(), 1U)
      << checked.standard_error;
}

}  // namespace
}  // namespace clusterdns::test
