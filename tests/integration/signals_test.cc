// Signals: ending, reloading.
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

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

// As CoreDNS: at once, and cleaned up.
TEST_F(Signals, QuitEndsAtOnce) {
  const auto pidfile = directory_.path() / "pid";
  serve_corefile(
      ".:0 {\n  bind 127.0.0.1\n  ready 127.0.0.1:0\n  health 127.0.0.1:0 {\n    lameduck "
      "10m\n  }\n  whoami\n}\n",
      {.arguments = {"-pidfile", pidfile.string()}});
  ASSERT_TRUE(until([&] { return std::filesystem::exists(pidfile); }));
  server_->signal(SIGQUIT);
  EXPECT_EQ(server_->wait_for_exit(Deadline::after(kAnswerTimeout)), 0) << server_->output();
  EXPECT_FALSE(std::filesystem::exists(pidfile));
}

TEST_F(Signals, WhatIsNotThoughtOfDoesNothing) {
  serve();
  for (const int number : {SIGPIPE, SIGALRM, SIGVTALRM, SIGPROF, SIGXFSZ, SIGIO, SIGPWR, SIGSTKFLT,
                           SIGURG, SIGWINCH, SIGCHLD, SIGUSR2, SIGRTMIN, SIGRTMIN + 7, SIGRTMAX}) {
    server_->signal(number);
    EXPECT_EQ(addresses("a.default.svc.cluster.local."), (std::vector<std::string>{"10.96.1.1"}))
        << number;
  }
  EXPECT_TRUE(server_->wait_for_output("[INFO] SIGUSR2: ")) << server_->output();
  EXPECT_TRUE(server_->wait_for_output(" queries since the start; 0 TCP connections"))
      << server_->output();
  EXPECT_EQ(server_->stop(), 0) << server_->output();
}

TEST_F(Signals, XcpuEndsCleanly) {
  serve();
  server_->signal(SIGXCPU);
  EXPECT_EQ(server_->wait_for_exit(Deadline::after(kAnswerTimeout)), 0) << server_->output();
}

// `nohup`: the end of a terminal is nobody's wish to reload.
TEST_F(Signals, AnIgnoredHupStaysIgnored) {
  serve_corefile(corefile(5), {.arguments = {}, .ignored_signals = {SIGHUP, SIGINT, SIGCHLD}});
  directory_.replace("Corefile", corefile(30));
  server_->signal(SIGHUP);
  server_->signal(SIGUSR2);
  ASSERT_TRUE(server_->wait_for_output("SIGUSR2: ")) << server_->output();
  EXPECT_EQ(ttl(), 5U);
  server_->signal(SIGUSR1);
  EXPECT_TRUE(until([&] { return ttl() == 30; })) << server_->output();
  // A shell's background job has SIGINT ignored; whoever sends it means it.
  server_->signal(SIGINT);
  EXPECT_EQ(server_->wait_for_exit(Deadline::after(kAnswerTimeout)), 0) << server_->output();
}

// At any moment of the start; before the program has got anywhere, the signal itself ends it.
TEST_F(Signals, EndsWhileItStarts) {
  for (int round = 0; round < 60; ++round) {
    const int number = round % 2 == 0 ? SIGINT : SIGTERM;
    ServerProcess process({.arguments = {"serve", "--manifests", manifests_.path().string(),
                                         "--listen", "127.0.0.1:0", "--no-forward"}});
    const Deadline later = Deadline::exactly(std::chrono::milliseconds(round / 2));
    while (!later.passed()) std::this_thread::yield();
    process.signal(number);
    const auto code = process.wait_for_exit(Deadline::after(kAnswerTimeout));
    EXPECT_TRUE(code == 0 || code == 128 + number) << code.value_or(-1) << process.output();
  }
}

// A link that stands in its place is replaced and not followed.
TEST_F(Signals, PidFiles) {
  namespace fs = std::filesystem;
  const fs::path pidfile = directory_.path() / "pid";
  const auto precious = directory_.write("precious", "something\n");
  fs::create_symlink(precious, pidfile);
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  whoami\n}\n",
                 {.arguments = {"-pidfile", pidfile.string()}});
  ASSERT_TRUE(until([&] { return fs::is_regular_file(fs::symlink_status(pidfile)); }));
  std::ifstream in(pidfile);
  pid_t pid = 0;
  in >> pid;
  EXPECT_EQ(pid, server_->pid());
  stop();
  EXPECT_FALSE(fs::exists(fs::symlink_status(pidfile)));
  EXPECT_EQ(fs::file_size(precious), 10U);
}

// Nobody waits for the reader of a pipe that stands there.
TEST_F(Signals, APipeIsNoPidFile) {
  const auto pidfile = directory_.path() / "pid";
  ASSERT_EQ(::mkfifo(pidfile.c_str(), 0600), 0);
  const auto corefile = directory_.write("Corefile", ".:0 {\n  bind 127.0.0.1\n  whoami\n}\n");
  ServerProcess process({.arguments = {"-conf", corefile.string(), "-pidfile", pidfile.string()}});
  EXPECT_EQ(process.wait_for_exit(Deadline::after(kAnswerTimeout)), 1);
  EXPECT_NE(process.output().find("is not a regular file"), std::string::npos) << process.output();
}

// Nobody is interrupted: one thread reads them.
TEST_F(Signals, EveryThreadIsSpared) {
  serve();
  std::size_t threads = 0;
  const auto tasks = "/proc/" + std::to_string(server_->pid()) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    std::ifstream status(task.path() / "status");
    std::optional<std::uint64_t> blocked;
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("SigBlk:")) blocked = std::stoull(line.substr(7), nullptr, 16);
    }
    if (!blocked.has_value()) continue;  // it has ended
    ++threads;
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGALRM}) {
      EXPECT_NE(*blocked >> (number - 1) & 1, 0U) << task.path() << " " << number;
    }
  }
  EXPECT_GE(threads, 4U);  // the main one, the log, the signals, and a worker at least
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
  EXPECT_EQ(server_->wait_for_exit(Deadline::after(kAnswerTimeout)), 0) << server_->output();
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
