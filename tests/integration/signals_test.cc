// Signals: ending, reloading.
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "integration/fixture.h"
#include "support/scripted_upstream.h"

namespace clusterdns::test {
namespace {

class Signals : public Integration {
 protected:
  void SetUp() override { manifests_.write("a.yaml", service_yaml("a", "10.96.1.1")); }

  std::string corefile(int ttl) const {
    return with_paths(
        ".:" + std::to_string(port_) +
        " {\n  bind 127.0.0.1\n  kubernetes cluster.local {\n    manifests %M\n    ttl " +
        std::to_string(ttl) + "\n  }\n}\n");
  }
  // Kernel's choice a moment ago: a Corefile that is read twice must name it.
  std::uint16_t port_ = unused_endpoint("127.0.0.1").port;

  std::uint32_t ttl() {
    const Message response = ask("a.default.svc.cluster.local.");
    return response.answer.empty() ? 0 : response.answer[0].ttl;
  }
  void reloads_on(int number) {
    serve_corefile(corefile(5));
    EXPECT_EQ(ttl(), 5U);
    directory_.replace("Corefile", corefile(30));
    server_->signal(number);
    EXPECT_TRUE(until([&] { return ttl() == 30; })) << server_->output();
  }
};

TEST_F(Signals, TermEndsCleanly) {
  serve();
  EXPECT_EQ(server_->stop(), 0) << server_->output();
}

TEST_F(Signals, IntEndsCleanly) {
  serve();
  server_->signal(SIGINT);
  EXPECT_EQ(server_->wait_for_exit(Deadline::after(kAnswerTimeout)), 0) << server_->output();
}

// A signal that another thread took could wait there for as long as that thread has nothing to do.
TEST_F(Signals, OnlyTheMainThreadTakesThem) {
  serve();
  std::size_t others = 0;
  const auto tasks = "/proc/" + std::to_string(server_->pid()) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    std::ifstream status(task.path() / "status");
    std::uint64_t blocked = 0;
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("SigBlk:")) blocked = std::stoull(line.substr(7), nullptr, 16);
    }
    const bool is_main = task.path().filename() == std::to_string(server_->pid());
    others += is_main ? 0 : 1;
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
      EXPECT_EQ((blocked >> (number - 1) & 1) != 0, !is_main) << task.path() << " " << number;
    }
  }
  EXPECT_GE(others, 2U);  // the log and a worker at least
}

TEST_F(Signals, HupReloads) { reloads_on(SIGHUP); }

TEST_F(Signals, Usr1Reloads) { reloads_on(SIGUSR1); }

TEST_F(Signals, BadCorefileAtReloadKeepsTheRunningOne) {
  serve_corefile(corefile(5));
  directory_.replace("Corefile", ".:0 {\n  kubernets cluster.local\n}\n");
  server_->signal(SIGHUP);
  ASSERT_TRUE(server_->wait_for_output("Corefile:2:")) << server_->output();
  EXPECT_EQ(ttl(), 5U);
  directory_.replace("Corefile", corefile(7));
  server_->signal(SIGHUP);
  EXPECT_TRUE(until([&] { return ttl() == 7; })) << server_->output();
}

// Port 0 stands for the port that was chosen at start: clients know no other.
TEST_F(Signals, ReloadKeepsTheChosenPort) {
  port_ = 0;
  serve_corefile(corefile(5));
  EXPECT_EQ(ttl(), 5U);
  directory_.replace("Corefile", corefile(30));
  server_->signal(SIGHUP);
  EXPECT_TRUE(until([&] { return ttl() == 30; })) << server_->output();
}

// Connections and datagrams in flight, and a forwarded query that nobody will answer.
TEST_F(Signals, TermWithQueriesInFlight) {
  ScriptedUpstream silent([](const ScriptedUpstream::Exchange&) { return std::nullopt; });
  serve({"--forward", silent.endpoint().text()});
  UdpClient forwarded(endpoint());
  forwarded.send(encode(Query{.name = "www.example.com."}));
  ASSERT_TRUE(silent.wait_for_queries(1, Deadline::after(kAnswerTimeout))) << server_->output();
  std::vector<TcpClient> connections;
  for (int i = 0; i < 20; ++i) {
    connections.emplace_back(endpoint());
    connections.back().send_raw(Octets{0});
  }
  UdpClient flood(endpoint());
  const Octets query = encode(Query{.name = "a.default.svc.cluster.local."});
  for (int i = 0; i < 2000; ++i) {
    flood.send(query);
    if (i == 1000) {
      server_->signal(SIGTERM);
      break;
    }
  }
  EXPECT_EQ(server_->wait_for_exit(Deadline::after(std::chrono::seconds(10))), 0)
      << server_->output();
}

// Queries that arrive while the configuration is replaced are answered.
TEST_F(Signals, ReloadLosesNoQuery) {
  serve_corefile(corefile(5));
  for (int round = 0; round < 20; ++round) {
    directory_.replace("Corefile", corefile(round % 2 == 0 ? 30 : 5));
    server_->signal(SIGHUP);
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(addresses("a.default.svc.cluster.local."), (std::vector<std::string>{"10.96.1.1"}));
    }
  }
  EXPECT_TRUE(server_->running());
}

}  // namespace
}  // namespace clusterdns::test
