// cache, hosts, loop and legacy directives, in the program.
#include <atomic>
#include <fstream>
#include <thread>

#include "integration/fixture.h"
#include "support/scripted_upstream.h"

namespace clusterdns::test {
namespace {

using Exchange = ScriptedUpstream::Exchange;

std::optional<Octets> one_address(const Exchange& exchange) {
  return reply_to(
      exchange.query,
      {.answers = 1, .records = a_record(exchange.query.questions[0].name, "192.0.2.1", 300)});
}

// Resident memory of a process in KiB.
std::size_t resident_kib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6));
  }
  return 0;
}

class Stages : public Integration {
 protected:
  void SetUp() override { manifests_.write("a.yaml", service_yaml("web", "10.96.1.1")); }
};

TEST_F(Stages, CacheAnswersWithoutTheUpstream) {
  ScriptedUpstream upstream(one_address);
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  cache 30\n  forward . " + upstream.endpoint().text() +
                 "\n}\n");
  for (int i = 0; i < 3; ++i) {
    const Message response = ask("www.example.com.");
    ASSERT_EQ(response.answer.size(), 1U) << response.text();
    EXPECT_LE(response.answer[0].ttl, 30U);
    EXPECT_GE(response.answer[0].ttl, 25U);
  }
  EXPECT_EQ(upstream.received().size(), 1U);
}

// kubeadm's Corefile up to 1.32 has a cache for everything: changes must show all the same.
TEST_F(Stages, ClusterNamesDoNotPassTheCache) {
  ScriptedUpstream upstream(one_address);
  serve_corefile(
      ".:0 {\n  bind 127.0.0.1\n  cache 30\n  kubernetes cluster.local {\n    manifests %M\n  }\n"
      "  forward . " +
      upstream.endpoint().text() + "\n}\n");
  EXPECT_EQ(addresses("web.default.svc.cluster.local."), std::vector<std::string>{"10.96.1.1"});
  expect_rcode(ask("new.default.svc.cluster.local."), "NXDOMAIN");
  manifests_.write("a.yaml",
                   service_yaml("web", "10.96.1.2") + "---\n" + service_yaml("new", "10.96.1.3"));
  EXPECT_TRUE(until([&] {
    return addresses("web.default.svc.cluster.local.") == std::vector<std::string>{"10.96.1.2"} &&
           addresses("new.default.svc.cluster.local.") == std::vector<std::string>{"10.96.1.3"};
  }));
}

TEST_F(Stages, HostsFileIsFollowed) {
  const auto file = directory_.write("hosts", "192.0.2.7 host.example\n");
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  hosts " + file.string() +
                 " {\n    192.0.2.8 inline.example\n    ttl 60\n    fallthrough\n  }\n"
                 "  hosts /nonexistent/hosts {\n    192.0.2.9 second.example\n  }\n}\n");
  EXPECT_EQ(addresses("host.example."), std::vector<std::string>{"192.0.2.7"});
  EXPECT_EQ(addresses("inline.example."), std::vector<std::string>{"192.0.2.8"});
  EXPECT_EQ(addresses("second.example."), std::vector<std::string>{"192.0.2.9"});
  EXPECT_TRUE(server_->wait_for_output("plugin/hosts: File does not exist: /nonexistent/hosts"));
  directory_.write("hosts", "192.0.2.70 host.example\nnonsense\n");
  EXPECT_TRUE(
      until([&] { return addresses("host.example.") == std::vector<std::string>{"192.0.2.70"}; }));
  EXPECT_TRUE(server_->wait_for_output("hosts:2: 'nonsense' is not an IP address"));
  // Without the file, what it said last stays.
  std::filesystem::remove(file);
  EXPECT_TRUE(server_->wait_for_output("still serving what it held"));
  EXPECT_EQ(addresses("host.example."), std::vector<std::string>{"192.0.2.70"});
  EXPECT_EQ(addresses("inline.example."), std::vector<std::string>{"192.0.2.8"});
}

// Two servers that forward to each other.
class Circle : public Stages {
 protected:
  std::string corefile(const Endpoint& own, const Endpoint& other, const std::string& more = "") {
    return with_paths(".:" + std::to_string(own.port) +
                      " {\n  bind 127.0.0.1\n  errors\n  kubernetes cluster.local {\n"
                      "    manifests %M\n  }\n  " +
                      more + "\n  forward . " + other.text() + "\n}\n");
  }
  void SetUp() override {
    Stages::SetUp();
    a_ = unused_endpoint("127.0.0.1");
    do {
      b_ = unused_endpoint("127.0.0.1");
    } while (b_.port == a_.port);
    const auto b = directory_.write("B", corefile(b_, a_));
    second_.emplace(ProcessOptions{.arguments = {"-conf", b.string()}});
    second_->wait_until_listening();
  }
  void start(const std::string& more = "") {
    const auto a = directory_.write("A", corefile(a_, b_, more));
    server_.emplace(ProcessOptions{.arguments = {"-conf", a.string()}});
  }
  Endpoint a_;
  Endpoint b_;
  std::optional<ServerProcess> second_;
};

TEST_F(Circle, OneQueryDoesNotMultiply) {
  start();
  server_->wait_until_listening();
  const std::size_t descriptors = server_->open_descriptors();
  UdpClient client(a_);
  client.send(encode(Query{.name = "www.example.com.", .edns = Edns{}}));
  const auto answer = client.receive(Deadline::after(std::chrono::seconds(20)));
  ASSERT_TRUE(answer.has_value());
  expect_rcode(decode(*answer), "SERVFAIL");
  EXPECT_TRUE(until([&] {
    return (server_->output() + second_->output()).find("plugin/loop: Loop (127.0.0.1:") !=
           std::string::npos;
  })) << server_->output()
      << second_->output();
  // One socket a worker and upstream.
  EXPECT_LE(server_->open_descriptors(), descriptors + 16);
  EXPECT_EQ(addresses("web.default.svc.cluster.local."), std::vector<std::string>{"10.96.1.1"});
  EXPECT_EQ(second_->stop(), 0);
}

TEST_F(Circle, LoopFatalEndsTheProgram) {
  start("loop fatal");
  const auto code = server_->wait_for_exit(Deadline::after(std::chrono::seconds(20)));
  ASSERT_TRUE(code.has_value()) << server_->output();
  EXPECT_EQ(*code, 1);
  EXPECT_NE(server_->output().find("[FATAL] plugin/loop: Loop (127.0.0.1:"), std::string::npos)
      << server_->output();
  server_.reset();
  EXPECT_EQ(second_->stop(), 0);
}

TEST_F(Stages, LegacyDirectivesAreTaken) {
  ScriptedUpstream upstream(one_address);
  serve_corefile(
      ".:0 {\n  bind 127.0.0.1\n  kubernetes cluster.local {\n    manifests %M\n"
      "    upstream\n    resyncperiod 5m\n  }\n  proxy . " +
      upstream.endpoint().text() +
      " {\n    policy first\n    fail_timeout 5s\n    max_fails 3\n    except internal.example\n"
      "  }\n}\n");
  EXPECT_EQ(addresses("www.example.com."), std::vector<std::string>{"192.0.2.1"});
  expect_rcode(ask("www.internal.example."), "REFUSED");
  const std::string output = server_->output();
  for (const char* const text :
       {"upstream: no longer has any effect", "resyncperiod: no longer has any effect",
        "fail_timeout: no longer has any effect", "is treated as 'forward'"}) {
    EXPECT_NE(output.find(text), std::string::npos) << text << "\n" << output;
  }
}

// CoreDNS at 4,000 queries a second: 16,088 descriptors and 549 MiB.
TEST_F(Stages, ADeadUpstreamCostsLittle) {
  ScriptedUpstream upstream([](const Exchange&) -> std::optional<Octets> { return std::nullopt; });
  serve_corefile(
      ".:0 {\n  bind 127.0.0.1\n  kubernetes cluster.local {\n    manifests %M\n  }\n"
      "  forward . " +
      upstream.endpoint().text() + " {\n    max_concurrent 1000\n  }\n}\n");
  EXPECT_EQ(addresses("web.default.svc.cluster.local."), std::vector<std::string>{"10.96.1.1"});
  const std::size_t descriptors = server_->open_descriptors();
  const std::size_t memory = resident_kib(server_->pid());
  UdpClient client(endpoint());
  unsigned refused = 0;
  // On until there are too many for it: a slow program has not read them all when they are sent.
  const Deadline deadline = Deadline::after(kAnswerTimeout);
  for (int i = 0; i < 8000 || (refused == 0 && !deadline.passed()); ++i) {
    client.send(encode(Query{.name = "n" + std::to_string(i) + ".example."}));
    if (i % 8 != 0) continue;
    const std::chrono::milliseconds wait{i < 8000 ? 0 : 10};
    while (const auto answer = client.receive(Deadline::exactly(wait))) {
      if (decode(*answer).rcode == 5) ++refused;
    }
  }
  // Cluster names are answered as ever, once there is room for a question in its socket.
  EXPECT_TRUE(until([&] {
    try {
      const Query query{.name = "web.default.svc.cluster.local."};
      const Deadline soon = Deadline::after(std::chrono::milliseconds(2000));
      return data_of(UdpClient(endpoint()).exchange(query, soon).answer, "A") ==
             std::vector<std::string>{"10.96.1.1"};
    } catch (const TestError&) {
      return false;
    }
  }));
  EXPECT_GT(refused, 0U);
  // 64 ports to an upstream under load for each worker, and as many that are being replaced.
  EXPECT_LE(server_->open_descriptors(),
            descriptors + 8 + 128 * std::thread::hardware_concurrency());
  if (kBuildFactor == 1) {
    EXPECT_LE(resident_kib(server_->pid()), memory + 16 * 1024);
  }
}

}  // namespace
}  // namespace clusterdns::test
