// The command line: what it prints, and its exit codes.
#include <algorithm>

#include "integration/fixture.h"

namespace clusterdns::test {
namespace {

class CommandLine : public Integration {
 protected:
  void SetUp() override { manifests_.write("a.yaml", service_yaml("a", "10.96.1.1")); }

  static RunResult run(std::vector<std::string> arguments) {
    return test::run(ProcessOptions{.arguments = std::move(arguments)});
  }
};

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

int lines_with(const std::string& text, std::string_view part) {
  int count = 0;
  std::size_t start = 0;
  while (start < text.size()) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    count += contains(text.substr(start, end - start), part) ? 1 : 0;
    start = end + 1;
  }
  return count;
}

TEST_F(CommandLine, BadCorefileIsOneClearMessage) {
  const auto path =
      directory_.write("Corefile", with_paths(".:0 {\n  kubernets cluster.local {\n  }\n}\n"));
  const RunResult result = run({"-conf", path.string()});
  EXPECT_EQ(result.exit_code, 1);
  const std::string all = result.standard_output + result.standard_error;
  EXPECT_EQ(lines_with(all, "Corefile:2:3"), 1) << all;
  EXPECT_TRUE(contains(all, "kubernets")) << all;
  EXPECT_TRUE(contains(all, "'kubernetes'") || contains(all, "\"kubernetes\"") ||
              contains(all, "kubernetes?") || contains(all, "kubernetes "))
      << "names the nearest directive: " << all;
}

TEST_F(CommandLine, UnbalancedCorefile) {
  const auto path = directory_.write("Corefile", ".:0 {\n  errors\n");
  const RunResult result = run({"-conf", path.string()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.standard_output + result.standard_error, "Corefile:"))
      << result.standard_error;
}

TEST_F(CommandLine, MissingCorefile) {
  const RunResult result = run({"-conf", (directory_ / "none").string()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.standard_output + result.standard_error, "none"));
}

TEST_F(CommandLine, PluginsAsCoreDnsListsThem) {
  const RunResult result = run({"-plugins"});
  EXPECT_EQ(result.exit_code, 0);
  std::vector<std::string> names;
  std::istringstream lines(result.standard_output);
  for (std::string line; std::getline(lines, line);) names.push_back(line);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end())) << result.standard_output;
  for (const char* name :
       {"cache", "errors", "forward", "kubernetes", "loadbalance", "log", "prometheus"}) {
    EXPECT_TRUE(std::binary_search(names.begin(), names.end(), name)) << name;
  }
  EXPECT_FALSE(std::binary_search(names.begin(), names.end(), "route53")) << "it is not built";
}

TEST_F(CommandLine, WhatCheckPrintsIsACorefile) {
  const auto path = directory_.write(
      "Corefile",
      with_paths(
          ".:0 {\n  bind 127.0.0.1\n  kubernetes cluster.local {\n    manifests %M\n  }\n}\n"));
  const RunResult printed = run({"check", "--print", path.string()});
  EXPECT_EQ(printed.exit_code, 0) << printed.standard_error;
  EXPECT_TRUE(contains(printed.standard_error, ": good (")) << printed.standard_error;
  serve_corefile(printed.standard_output);
  EXPECT_EQ(addresses("a.default.svc.cluster.local."), std::vector<std::string>{"10.96.1.1"});
}

TEST_F(CommandLine, ForwardTakesAFileOfTheWorkingDirectory) {
  directory_.write("upstreams", "nameserver 192.0.2.1\n");
  const auto path =
      directory_.write("Corefile", ".:0 {\n  bind 127.0.0.1\n  forward . upstreams\n}\n");
  const RunResult good = test::run(ProcessOptions{.arguments = {"check", path.string()},
                                                  .working_directory = directory_.path()});
  EXPECT_EQ(good.exit_code, 0) << good.standard_error;
  // There is no such file here: it is a host, which is looked up at a start.
  EXPECT_EQ(run({"check", path.string()}).exit_code, 0);
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  forward . upstreams\n}\n");
  EXPECT_TRUE(contains(server_->output(), "'upstreams' is not a file")) << server_->output();
}

TEST_F(CommandLine, AZoneWithoutRoomForItsNames) {
  const std::string label(61, 'z');
  const auto path = directory_.write(
      "Corefile", with_paths(".:0 {\n  kubernetes " + label + "." + label + "." + label + "." +
                             label + " {\n    manifests %M\n  }\n}\n"));
  const RunResult result = run({"-conf", path.string()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.standard_error, "is too long for the names below it"))
      << result.standard_error;
}

TEST_F(CommandLine, NamesThatWouldBeTooLongAreLeftOut) {
  // RFC 1035 2.3.4: 255 octets. A client cannot read a message with a longer one.
  const std::string label(63, 'a');
  const std::string zone = std::string(50, 'z') + "." + std::string(40, 'y') + ".";
  manifests_.write(
      "long.yaml",
      "apiVersion: v1\nkind: Service\nmetadata: {name: " + label + ", namespace: " + label +
          "}\nspec: {clusterIP: None, ports: [{name: http, port: 80}]}\n---\n"
          "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s, namespace: " +
          label + ", labels: {kubernetes.io/service-name: " + label +
          "}}\naddressType: IPv4\nendpoints:\n"
          "- {addresses: [10.244.7.1], hostname: " +
          label +
          "}\n- {addresses: [10.244.7.2], hostname: b}\n"
          "ports: [{name: http, port: 80}]\n");
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  kubernetes " + zone +
                 " in-addr.arpa {\n    manifests %M\n  }\n}\n");
  const std::string name = label + "." + label + ".svc." + zone;
  const Message srv = ask(name, "SRV");
  ASSERT_EQ(srv.answer.size(), 1U);
  EXPECT_EQ(data_of(srv.answer, "SRV").at(0), "0 50 80 b." + name);
  ASSERT_EQ(srv.additional.size(), 1U);
  EXPECT_EQ(data_of(srv.additional, "A").at(0), "10.244.7.2");
  EXPECT_EQ(addresses(name).size(), 2U);
  EXPECT_TRUE(ask("1.7.244.10.in-addr.arpa.", "PTR").answer.empty());
  EXPECT_EQ(ask("2.7.244.10.in-addr.arpa.", "PTR").answer.size(), 1U);
}

TEST_F(CommandLine, MissingManifests) {
  const RunResult result = run({"serve", "--manifests", (directory_ / "none").string(), "--listen",
                                "127.0.0.1:0", "--no-forward"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.standard_output + result.standard_error, "none"));
}

TEST_F(CommandLine, PortInUse) {
  const FileDescriptor taken = bound_socket(Endpoint{"127.0.0.1", 0}, SOCK_DGRAM);
  const std::string address = local_endpoint(taken.get()).text();
  const RunResult result = run(
      {"serve", "--manifests", manifests_.path().string(), "--listen", address, "--no-forward"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.standard_output + result.standard_error, address))
      << result.standard_error;
}

TEST_F(CommandLine, UnknownOption) {
  const RunResult result = run({"serve", "--no-such-option"});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_TRUE(contains(result.standard_output + result.standard_error, "no-such-option"));
}

TEST_F(CommandLine, HelpEverywhere) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--help"},
                                             {"serve", "--help"},
                                             {"check", "--help"},
                                             {"services", "--help"},
                                             {"query", "--help"}}) {
    const RunResult result = run(arguments);
    EXPECT_EQ(result.exit_code, 0) << arguments[0];
    EXPECT_GT(result.standard_output.size(), 50U) << arguments[0];
  }
}

// What `serve` stands for is a Corefile, and it does the same.
TEST_F(CommandLine, PrintShowsTheCorefile) {
  const RunResult result = run({"serve", "--manifests", manifests_.path().string(), "--listen",
                                "127.0.0.1:0", "--no-forward", "--print"});
  ASSERT_EQ(result.exit_code, 0) << result.standard_error;
  EXPECT_TRUE(contains(result.standard_output, "kubernetes")) << result.standard_output;
  EXPECT_TRUE(contains(result.standard_output, manifests_.path().string()));
  EXPECT_FALSE(contains(result.standard_output, "forward")) << result.standard_output;
  serve_corefile(result.standard_output);
  EXPECT_EQ(addresses("a.default.svc.cluster.local."), (std::vector<std::string>{"10.96.1.1"}));
}

TEST_F(CommandLine, PrintOfEveryOption) {
  const RunResult result =
      run({"serve", "--manifests", manifests_.path().string(), "--listen", "127.0.0.1:0",
           "--listen", "[::1]:0", "--zone", "corp.example", "--forward", "192.0.2.53", "--search",
           "default.svc.corp.example", "--log", "--print"});
  ASSERT_EQ(result.exit_code, 0) << result.standard_error;
  for (const char* part : {"corp.example", "forward", "192.0.2.53", "search", "log", "::1"}) {
    EXPECT_TRUE(contains(result.standard_output, part)) << part << '\n' << result.standard_output;
  }
}

TEST_F(CommandLine, ZoneOption) {
  serve({"--zone", "corp.example"});
  EXPECT_EQ(addresses("a.default.svc.corp.example."), (std::vector<std::string>{"10.96.1.1"}));
  EXPECT_NE(ask("a.default.svc.cluster.local.").rcode, 0);
}

TEST_F(CommandLine, CheckOfGoodInput) {
  const auto path = directory_.write(
      "Corefile", with_paths(".:5353 {\n  kubernetes cluster.local {\n    manifests %M\n  }\n}\n"));
  EXPECT_EQ(run({"check", path.string()}).exit_code, 0);
  EXPECT_EQ(run({"check", manifests_.path().string()}).exit_code, 0);
}

TEST_F(CommandLine, CheckOfBadInput) {
  const auto path = directory_.write("Corefile", ".:5353 {\n  nosuchthing\n}\n");
  const RunResult corefile = run({"check", path.string()});
  EXPECT_NE(corefile.exit_code, 0);
  EXPECT_TRUE(contains(corefile.standard_output + corefile.standard_error, "Corefile:2:3"));

  manifests_.write("bad.yaml",
                   "apiVersion: v1\nkind: Service\nmetadata: {name: Not_Valid}\n"
                   "spec: {ports: [{port: 80}]}\n");
  const RunResult manifest = run({"check", manifests_.path().string()});
  EXPECT_NE(manifest.exit_code, 0);
  EXPECT_TRUE(contains(manifest.standard_output + manifest.standard_error, "bad.yaml:3:"))
      << manifest.standard_output << manifest.standard_error;
}

TEST_F(CommandLine, ServicesTable) {
  const RunResult result = run({"services", "--manifests", manifests_.path().string()});
  ASSERT_EQ(result.exit_code, 0) << result.standard_error;
  EXPECT_TRUE(contains(result.standard_output, "10.96.1.1")) << result.standard_output;
}

TEST_F(CommandLine, ServicesJsonAndYaml) {
  for (const char* format : {"json", "yaml"}) {
    const RunResult result =
        run({"services", "--manifests", manifests_.path().string(), "-o", format});
    ASSERT_EQ(result.exit_code, 0) << result.standard_error;
    EXPECT_TRUE(contains(result.standard_output, "10.96.1.1")) << result.standard_output;
  }
  const RunResult other =
      run({"services", "--manifests", manifests_.path().string(), "-n", "kube-system"});
  EXPECT_FALSE(contains(other.standard_output, "10.96.1.1")) << other.standard_output;
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_TRUE(
      contains(other.standard_error, "there is no namespace 'kube-system'; these exist: default"))
      << other.standard_error;
  const RunResult slip =
      run({"services", "--manifests", manifests_.path().string(), "-n", "defualt"});
  EXPECT_TRUE(contains(slip.standard_error, "did you mean 'default'?")) << slip.standard_error;
}

TEST_F(CommandLine, QueryAsksAndTellsByExitCode) {
  serve();
  const RunResult found =
      run({"query", "a.default.svc.cluster.local", "--server", endpoint().text()});
  EXPECT_EQ(found.exit_code, 0) << found.standard_output << found.standard_error;
  EXPECT_TRUE(contains(found.standard_output, "10.96.1.1")) << found.standard_output;
  const RunResult missing =
      run({"query", "b.default.svc.cluster.local.", "--server", endpoint().text()});
  EXPECT_EQ(missing.exit_code, 1) << missing.standard_output << missing.standard_error;
}

TEST_F(CommandLine, QueryWalksTheSearchList) {
  serve();
  const RunResult result =
      run({"query", "a", "--server", endpoint().text(), "--search", "nowhere.svc.cluster.local",
           "--search", "default.svc.cluster.local", "--ndots", "5"});
  EXPECT_EQ(result.exit_code, 0) << result.standard_output << result.standard_error;
  EXPECT_TRUE(contains(result.standard_output, "a.nowhere.svc.cluster.local"))
      << result.standard_output;
  EXPECT_TRUE(contains(result.standard_output, "a.default.svc.cluster.local"));
  EXPECT_TRUE(contains(result.standard_output, "10.96.1.1"));
}

TEST_F(CommandLine, DnsPortOption) {
  // Zone without a port: -dns.port decides, 0 lets the kernel choose.
  const auto path = directory_.write(
      "Corefile",
      with_paths(
          ". {\n  bind 127.0.0.1\n  kubernetes cluster.local {\n    manifests %M\n  }\n}\n"));
  server_.emplace(ProcessOptions{.arguments = {"-conf", path.string(), "-dns.port", "0"}});
  server_->wait_until_listening();
  EXPECT_EQ(addresses("a.default.svc.cluster.local."), (std::vector<std::string>{"10.96.1.1"}));
}

TEST_F(CommandLine, CorefileFromTheEnvironment) {
  ProcessOptions options;
  options.environment = {{"TEST_ZONE", "from.env"}};
  serve_corefile(
      "(common) {\n  errors\n}\n.:0 {\n  import common\n  bind 127.0.0.1\n"
      "  kubernetes {$TEST_ZONE} {\n    manifests %M\n  }\n}\n",
      std::move(options));
  EXPECT_EQ(addresses("a.default.svc.from.env."), (std::vector<std::string>{"10.96.1.1"}));
}

TEST_F(CommandLine, LogWritesCoreDnsLines) {
  serve({"--log"});
  (void)ask("a.default.svc.cluster.local.");
  // [INFO] 127.0.0.1:40212 - 29008 "A IN example.org. udp 41 false 512" NOERROR qr,aa,rd 106
  // 0.000307s
  EXPECT_TRUE(server_->wait_for_output("\"A IN a.default.svc.cluster.local. udp "))
      << server_->output();
  EXPECT_TRUE(server_->wait_for_output(" NOERROR qr,aa,rd ")) << server_->output();
}

}  // namespace
}  // namespace clusterdns::test
