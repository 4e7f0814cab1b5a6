// Reload and end, under load: what is lost is nothing.
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <thread>

#include "integration/fixture.h"
#include "support/http_client.h"
#include "support/query_load.h"

namespace clusterdns::test {
namespace {

constexpr const char* kName = "a.default.svc.cluster.local.";
// 2,000 questions a second; slower builds get fewer.
const std::chrono::microseconds kPause{500 * kBuildFactor};

// Where a path is served: port 0 was asked for, and the log tells what it became.
Endpoint served(ServerProcess& server, std::string_view path) {
  const std::string mark = "Serving " + std::string(path) + " on ";
  if (!server.wait_for_output(mark)) {
    throw TestError("not served: " + std::string(path) + "\n" + server.output());
  }
  const std::string output = server.output();
  const std::size_t at = output.rfind(mark);
  const std::size_t begin = at + mark.size();
  return Endpoint::from_text(output.substr(begin, output.find('\n', begin) - begin));
}

class LifeCycle : public Integration {
 protected:
  void SetUp() override { manifests_.write("a.yaml", service_yaml("a", "10.96.1.1")); }

  std::string corefile(int ttl, const std::string& more = "",
                       const std::string& metrics = "127.0.0.1:0",
                       const std::string& interval = "2s") const {
    return with_paths(".:0 {\n  bind 127.0.0.1\n  errors\n  ready 127.0.0.1:0\n  prometheus " +
                      metrics + "\n  reload " + interval + " 0s\n" + more +
                      "  kubernetes cluster.local {\n    manifests %M\n    ttl " +
                      std::to_string(ttl) + "\n  }\n}\n");
  }
  std::uint32_t ttl() {
    const Message response = ask(kName);
    return response.answer.empty() ? 0 : response.answer[0].ttl;
  }
  std::map<std::string, double> metrics() {
    return parse_metrics(http_get(served(*server_, "/metrics"), "/metrics").body);
  }
  double reloads_failed() { return metrics()["coredns_reload_failed_total"]; }
};

// A mounted ConfigMap is changed by renaming a link above the file. inotify tells, long before the
// interval.
TEST_F(LifeCycle, FollowsAConfigMapsLink) {
  namespace fs = std::filesystem;
  const fs::path folder = directory_.path() / "mounted";
  fs::create_directories(folder / "..1");
  fs::create_directories(folder / "..2");
  directory_.write("mounted/..1/Corefile", corefile(5, "", "127.0.0.1:0", "1h"));
  directory_.write("mounted/..2/Corefile", corefile(9, "", "127.0.0.1:0", "1h"));
  fs::create_directory_symlink("..1", folder / "..data");
  fs::create_symlink("..data/Corefile", folder / "Corefile");
  server_.emplace(ProcessOptions{.arguments = {"-conf", (folder / "Corefile").string()}});
  server_->wait_until_listening();
  EXPECT_EQ(ttl(), 5U);
  ASSERT_TRUE(server_->wait_for_output("[INFO] plugin/reload: Running configuration SHA512 = "));
  fs::create_directory_symlink("..2", folder / "..tmp");
  fs::rename(folder / "..tmp", folder / "..data");
  EXPECT_TRUE(until([&] { return ttl() == 9; })) << server_->output();
  EXPECT_TRUE(server_->wait_for_output("[INFO] Reloading complete")) << server_->output();
}

TEST_F(LifeCycle, ABrokenCorefileIsSaidOnceAndCounted) {
  serve_corefile(corefile(5));
  directory_.replace("Corefile", corefile(7) + "nonsense.example:0 {\n  kubernets\n}\n");
  ASSERT_TRUE(server_->wait_for_output("Corefile changed but reload failed")) << server_->output();
  EXPECT_EQ(ttl(), 5U);
  EXPECT_TRUE(until([&] { return reloads_failed() == 1; }));
  directory_.replace("Corefile", corefile(8));
  EXPECT_TRUE(until([&] { return ttl() == 8; })) << server_->output();
  EXPECT_EQ(reloads_failed(), 1);
}

// What nobody can have meant: files that are empty, gone, or on their way.
TEST_F(LifeCycle, ACorefileWithoutServersIsAnError) {
  serve_corefile(corefile(5));
  const std::vector<std::string> nothing = {
      "",
      "# nothing\n\n",
      "(a) {\n  whoami\n}\n",
      "import none-*.conf\n",
      "\xEF\xBB\xBF",
      ".:0 {\n  bind lo {\n    except lo\n  }\n  whoami\n}\n"};
  std::size_t said = 0;
  std::uint32_t good = 6;
  for (const std::string& text : nothing) {
    for (const bool asked : {true, false}) {
      directory_.replace("Corefile", text);
      if (asked) server_->signal(SIGUSR1);
      ASSERT_TRUE(server_->wait_for_output("reload failed", ++said)) << text << server_->output();
      EXPECT_EQ(ttl(), good - 1);
      directory_.replace("Corefile", corefile(static_cast<int>(good)));
      EXPECT_TRUE(until([&] { return ttl() == good; })) << server_->output();
      ++good;
    }
  }
  // Gone, and a folder in its place.
  std::filesystem::remove(directory_.path() / "Corefile");
  ASSERT_TRUE(server_->wait_for_output("reload failed", ++said)) << server_->output();
  std::filesystem::create_directory(directory_.path() / "Corefile");
  ASSERT_TRUE(server_->wait_for_output("reload failed", ++said)) << server_->output();
  EXPECT_EQ(ttl(), good - 1);
  std::filesystem::remove(directory_.path() / "Corefile");
  directory_.write("Corefile", corefile(static_cast<int>(good)));
  EXPECT_TRUE(until([&] { return ttl() == good; })) << server_->output();
  for (const std::string& text : nothing) {
    const auto path = directory_.write("Bad", text);
    const RunResult result = run(ProcessOptions{.arguments = {"-conf", path.string()}});
    EXPECT_EQ(result.exit_code, 1) << text;
    EXPECT_NE(result.standard_error.find("Bad"), std::string::npos) << result.standard_error;
    EXPECT_EQ(run(ProcessOptions{.arguments = {"check", path.string()}}).exit_code, 1) << text;
  }
}

// An editor that writes in place: the file is empty, then its first block, then whole. The first
// block alone would be a Corefile, too.
TEST_F(LifeCycle, AFileThatIsBeingWrittenIsNotServed) {
  const std::string block = "b.test:0 {\n  bind 127.0.0.1\n  whoami\n}\n";
  serve_corefile(block + corefile(5));
  // For less than a file has to stay as it is. Where this process does not get to write the rest in
  // time the first block is a Corefile, which nobody follows, and the round shows nothing.
  constexpr std::chrono::milliseconds kMoment{120}, kStays{250};
  int in_time = 0;
  for (int round = 0; in_time < 3 && round < 100; ++round) {
    const std::size_t failed = server_->output().find("reload failed");
    const auto before = std::chrono::steady_clock::now();
    directory_.write("Corefile", "");
    directory_.write("Corefile", block);
    bool answered = true;
    const Deadline soon = Deadline::exactly(kMoment);
    while (!soon.passed()) answered = ttl() != 0 && answered;
    directory_.write("Corefile", block + corefile(10 + round));
    const bool slow = std::chrono::steady_clock::now() - before >= kStays;
    if (slow) server_->signal(SIGUSR1);
    EXPECT_TRUE(until([&] { return ttl() == static_cast<std::uint32_t>(10 + round); }))
        << server_->output();
    if (slow) continue;
    ++in_time;
    EXPECT_TRUE(answered) << server_->output();
    EXPECT_EQ(server_->output().find("reload failed"), failed) << server_->output();
  }
  EXPECT_EQ(in_time, 3);
}

// As CoreDNS: without `reload` nobody follows it any more, and that is said.
TEST_F(LifeCycle, ACorefileThatDropsReloadIsTheLast) {
  serve_corefile(corefile(5));
  std::string without = corefile(6);
  without.replace(without.find("  reload 2s 0s\n"), 15, "");
  directory_.replace("Corefile", without);
  ASSERT_TRUE(server_->wait_for_output("so it is no longer followed; SIGUSR1 reads it again"))
      << server_->output();
  EXPECT_EQ(ttl(), 6U);
  directory_.replace("Corefile", corefile(7));
  server_->signal(SIGUSR1);
  EXPECT_TRUE(until([&] { return ttl() == 7; })) << server_->output();
  directory_.replace("Corefile", corefile(8));
  EXPECT_TRUE(until([&] { return ttl() == 8; })) << "followed again\n" << server_->output();
}

// /ready asks the listeners of the present configuration.
TEST_F(LifeCycle, ReadyAfterAReloadThatChangesTheListeners) {
  serve_corefile(corefile(5));
  server_->signal(SIGUSR1);
  std::string other = corefile(6);
  other.replace(other.find("127.0.0.1"), 9, "127.0.0.3");
  directory_.replace("Corefile", other);
  server_->signal(SIGUSR1);
  const Endpoint ready = served(*server_, "/ready");
  EXPECT_TRUE(until([&] { return http_get(ready, "/ready").status == 200; })) << server_->output();
}

// A reload that cannot have an address takes nothing away, /metrics included.
TEST_F(LifeCycle, AReloadThatFindsAPortTakenChangesNothing) {
  serve_corefile(corefile(5));
  const Endpoint before = served(*server_, "/metrics");
  const FileDescriptor taken = bound_socket(Endpoint{"127.0.0.1", 0}, SOCK_STREAM);
  const std::string address = local_endpoint(taken.get()).text();
  directory_.replace("Corefile", corefile(6, "", address));
  ASSERT_TRUE(server_->wait_for_output("cannot listen on TCP " + address)) << server_->output();
  EXPECT_EQ(ttl(), 5U);
  EXPECT_EQ(http_get(before, "/metrics").status, 200);
  // The same with a DNS listener: the new HTTP address is given back.
  const Endpoint free = unused_endpoint("127.0.0.1");
  const Endpoint dns = local_endpoint(taken.get());
  directory_.replace("Corefile", corefile(6, "", free.text()) + "x.:" + std::to_string(dns.port) +
                                     " {\n  bind 127.0.0.1\n  whoami\n}\n");
  EXPECT_TRUE(server_->wait_for_output("reload failed", 2)) << server_->output();
  EXPECT_EQ(ttl(), 5U);
  EXPECT_EQ(http_get(before, "/metrics").status, 200);
  EXPECT_THROW((void)http_get(free, "/metrics"), TestError);
  directory_.replace("Corefile", corefile(6, "", free.text()));
  EXPECT_TRUE(until([&] { return ttl() == 6; })) << server_->output();
  EXPECT_EQ(http_get(free, "/metrics").status, 200);
}

TEST_F(LifeCycle, TcpConnectionsSurviveAReload) {
  serve_corefile(corefile(5));
  TcpClient connection(endpoint());
  EXPECT_EQ(connection.exchange(Query{.name = kName}).answer.at(0).ttl, 5U);
  directory_.replace("Corefile", corefile(6));
  // Its worker may take the new configuration a moment after another one did.
  EXPECT_TRUE(until([&] {
    return connection.exchange(Query{.name = kName}).answer.at(0).ttl == 6;
  })) << server_->output();
}

TEST_F(LifeCycle, CountersGoOnAfterAReload) {
  serve_corefile(corefile(5));
  for (int i = 0; i < 3; ++i) (void)ask(kName);
  directory_.replace("Corefile", corefile(6));
  EXPECT_TRUE(until([&] { return ttl() == 6; })) << server_->output();
  EXPECT_TRUE(until([&] {
    return metrics()
               ["coredns_dns_requests_total{family=\"1\",proto=\"udp\",server=\"dns://"
                "127.0.0.1:0\",type=\"A\",view=\"\",zone=\".\"}"] >= 4;
  }));
}

// A hundred reloads, every third of them broken, while queries come over UDP and a TCP connection
// stays open: none is lost, nothing piles up, the listeners live.
TEST_F(LifeCycle, ReloadStorm) {
  serve_corefile(corefile(5));
  const Endpoint scrape = served(*server_, "/metrics");
  TcpClient connection(endpoint());
  QueryLoad load(endpoint(), kName, 4, kPause);
  std::size_t descriptors = 0;
  constexpr int kReloads = 100;
  int good = 0;
  int bad = 0;
  for (int i = 1; i <= kReloads; ++i) {
    const bool broken = i % 3 == 0;
    directory_.replace("Corefile", broken ? ".:0 {\n  broken" + std::to_string(i) + "\n}\n"
                                          : corefile(100 + i, "", "127.0.0.1:0"));
    server_->signal(SIGUSR1);
    // Each is done before the next: a signal and inotify may both see the same change.
    if (broken) {
      ++bad;
      ASSERT_TRUE(server_->wait_for_output("broken" + std::to_string(i))) << server_->output();
    } else {
      ++good;
      ASSERT_TRUE(until([&] { return ttl() == static_cast<std::uint32_t>(100 + i); })) << i;
    }
    if (i == 10) descriptors = server_->open_descriptors();
    EXPECT_EQ(connection.exchange(Query{.name = kName}).rcode, 0);
    EXPECT_EQ(http_get(scrape, "/metrics").status, 200);
  }
  // The file watcher's are in flux, and those of scrapes.
  EXPECT_TRUE(until([&] { return server_->open_descriptors() <= descriptors + 8; }))
      << server_->open_descriptors() << " after " << descriptors;
  EXPECT_EQ(http_get(served(*server_, "/ready"), "/ready").status, 200);
  EXPECT_GE(reloads_failed(), bad);
  EXPECT_EQ(ttl(), 200U);
  const auto result = load.finish();
  EXPECT_GT(result.sent, 100U);
  EXPECT_EQ(result.lost, 0U) << "of " << result.sent;
  EXPECT_EQ(result.failed, 0U);
}

TEST_F(LifeCycle, TermWhileReloading) {
  serve_corefile(corefile(5));
  for (int i = 0; i < 5; ++i) {
    directory_.replace("Corefile", corefile(10 + i));
    server_->signal(SIGUSR1);
  }
  server_->signal(SIGTERM);
  server_->signal(SIGTERM);  // no drain: once more is "now"
  EXPECT_EQ(server_->wait_for_exit(Deadline::after(kAnswerTimeout)), 0) << server_->output();
  server_.reset();
}

// Queries go on being answered, over new TCP connections too, until they stop coming.
TEST_F(LifeCycle, TermDrains) {
  serve_corefile(corefile(5, "  health 127.0.0.1:0 {\n    lameduck 1s\n  }\n"));
  const Endpoint ready = served(*server_, "/ready");
  const Endpoint health = served(*server_, "/health");
  ASSERT_TRUE(until([&] { return http_get(ready, "/ready").status == 200; }));
  QueryLoad load(endpoint(), kName, 4, kPause);
  ASSERT_TRUE(until([&] { return load.answered() > 100; }));
  server_->signal(SIGTERM);
  ASSERT_TRUE(server_->wait_for_output("[INFO] SIGTERM: Shutting down servers then terminating"));
  ASSERT_TRUE(server_->wait_for_output("[INFO] plugin/health: Going into lameduck mode for 1s"));
  const HttpResult gone = http_get(ready, "/ready");
  EXPECT_EQ(gone.status, 503);
  EXPECT_EQ(gone.body, "Shutting down");
  EXPECT_EQ(http_get(health, "/health").body, "OK");
  // Past the lameduck, still asked, still there.
  ASSERT_TRUE(server_->wait_for_output("queries arrived in the last second", 2))
      << server_->output();
  EXPECT_EQ(ask_tcp(endpoint(), Query{.name = kName}).rcode, 0);
  EXPECT_TRUE(server_->running());
  const auto result = load.finish();
  EXPECT_EQ(result.lost, 0U) << "of " << result.sent;
  EXPECT_EQ(result.failed, 0U);
  EXPECT_EQ(server_->wait_for_exit(Deadline::after(kAnswerTimeout)), 0) << server_->output();
  server_.reset();
}

TEST_F(LifeCycle, GraceEndsWhatNeverGetsQuiet) {
  serve_corefile(corefile(5, "  health 127.0.0.1:0 {\n    lameduck 100ms\n    grace 1s\n  }\n"));
  QueryLoad load(endpoint(), kName, 1, kPause);
  ASSERT_TRUE(until([&] { return load.answered() > 10; }));
  server_->signal(SIGTERM);
  EXPECT_EQ(server_->wait_for_exit(Deadline::after(kAnswerTimeout)), 0) << server_->output();
  EXPECT_NE(server_->output().find("queries still arrive after 1s"), std::string::npos)
      << server_->output();
  server_.reset();
}

TEST_F(LifeCycle, ASecondInterruptDoesNotWait) {
  serve_corefile(corefile(5, "  health 127.0.0.1:0 {\n    lameduck 10m\n    grace 10m\n  }\n"));
  server_->signal(SIGINT);
  ASSERT_TRUE(server_->wait_for_output("[INFO] SIGINT: Shutting down"));
  server_->signal(SIGINT);
  EXPECT_EQ(server_->wait_for_exit(Deadline::after(kAnswerTimeout)), 2) << server_->output();
  server_.reset();
}

// What a Service does: sends each query to a backend that was ready when it last looked.
class ReadinessProxy {
 public:
  struct Backend {
    Endpoint dns;
    Endpoint ready;
  };

  ReadinessProxy() : front_(bound_socket(Endpoint{"127.0.0.1", 0}, SOCK_DGRAM)) {
    make_room(front_.get());
    thread_ = std::thread([this] { run(); });
  }
  ~ReadinessProxy() {
    stop_ = true;
    thread_.join();
  }
  [[nodiscard]] Endpoint endpoint() const { return local_endpoint(front_.get()); }

  // Looks at every backend, as kubelet does; those that are ready get the queries from now on.
  // Returns how many they are.
  std::size_t look(const std::vector<Backend>& backends) {
    std::vector<Endpoint> ready;
    for (const Backend& backend : backends) {
      try {
        if (http_get(backend.ready, "/ready").status == 200) ready.push_back(backend.dns);
      } catch (const TestError&) {
        // Gone.
      }
    }
    const std::lock_guard lock(mutex_);
    ready_ = ready;
    return ready.size();
  }

 private:
  // One socket for each client and backend, so that answers find back.
  struct Flow {
    FileDescriptor socket;
    Endpoint client;
    Endpoint backend;
  };

  void run() {
    std::vector<Flow> flows;
    std::array<std::uint8_t, 2048> buffer;
    std::size_t turn = 0;
    while (!stop_) {
      std::vector<pollfd> polls{{front_.get(), POLLIN, 0}};
      for (const Flow& flow : flows) polls.push_back({flow.socket.get(), POLLIN, 0});
      if (::poll(polls.data(), polls.size(), 20) <= 0) continue;
      for (std::size_t i = 1; i < polls.size(); ++i) {
        if (polls[i].revents == 0) continue;
        const Flow& flow = flows[i - 1];
        const ssize_t n = ::recv(flow.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (n <= 0) continue;
        sockaddr_storage to{};
        const socklen_t size = flow.client.fill(to);
        (void)::sendto(front_.get(), buffer.data(), static_cast<std::size_t>(n), 0,
                       reinterpret_cast<const sockaddr*>(&to), size);
      }
      if (polls[0].revents == 0) continue;
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      const ssize_t n = ::recvfrom(front_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                                   reinterpret_cast<sockaddr*>(&from), &size);
      if (n <= 0) continue;
      const Endpoint client = Endpoint::from_sockaddr(from);
      Endpoint backend;
      {
        const std::lock_guard lock(mutex_);
        if (ready_.empty()) continue;  // lost, and so seen
        backend = ready_[turn++ % ready_.size()];
      }
      auto flow = std::find_if(flows.begin(), flows.end(), [&](const Flow& f) {
        return f.client == client && f.backend == backend;
      });
      if (flow == flows.end()) {
        FileDescriptor socket = bound_socket(Endpoint{"127.0.0.1", 0}, SOCK_DGRAM);
        make_room(socket.get());
        sockaddr_storage to{};
        const socklen_t to_size = backend.fill(to);
        (void)::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), to_size);
        flows.push_back({std::move(socket), client, backend});
        flow = flows.end() - 1;
      }
      (void)::send(flow->socket.get(), buffer.data(), static_cast<std::size_t>(n), MSG_NOSIGNAL);
    }
  }

  FileDescriptor front_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::vector<Endpoint> ready_;  // guarded by mutex_
  std::thread thread_;
};

// A rolling update of two replicas: one more comes, becomes ready, an old one is told to end, until
// both are new. The proxy looks a while after each change only, as kubelet and kube-proxy do.
TEST_F(LifeCycle, RollingRestartLosesNoQuery) {
  const auto path = directory_.write(
      "Corefile", corefile(5, "  health 127.0.0.1:0 {\n    lameduck 500ms\n  }\n"));
  const auto start = [&] {
    auto replica =
        std::make_unique<ServerProcess>(ProcessOptions{.arguments = {"-conf", path.string()}});
    replica->wait_until_listening();
    EXPECT_TRUE(replica->wait_for_output("Serving /ready"));
    return replica;
  };
  std::vector<std::unique_ptr<ServerProcess>> replicas;
  replicas.push_back(start());
  replicas.push_back(start());
  ReadinessProxy proxy;
  const auto look = [&] {
    std::vector<ReadinessProxy::Backend> backends;
    for (const auto& replica : replicas) {
      backends.push_back({replica->endpoint(), served(*replica, "/ready")});
    }
    return proxy.look(backends);
  };
  ASSERT_TRUE(until([&] { return look() == 2; }));
  QueryLoad load(proxy.endpoint(), kName, 4, kPause);
  for (int round = 0; round < 2; ++round) {
    replicas.push_back(start());
    ASSERT_TRUE(until([&] { return look() == 3; }));
    auto old = std::move(replicas.front());
    replicas.erase(replicas.begin());
    old->signal(SIGTERM);
    // The proxy does not know yet: a part of the queries goes on to the one that ends.
    const std::uint64_t seen = load.answered();
    ASSERT_TRUE(until([&] { return load.answered() > seen + 200 / kBuildFactor; }));
    EXPECT_EQ(look(), 2U);
    EXPECT_EQ(old->wait_for_exit(Deadline::after(std::chrono::seconds(20))), 0) << old->output();
  }
  const auto result = load.finish();
  EXPECT_GT(result.sent, 400U / kBuildFactor);
  EXPECT_EQ(result.lost, 0U) << "of " << result.sent;
  EXPECT_EQ(result.failed, 0U);
  for (const auto& replica : replicas) replica->signal(SIGTERM);
  for (const auto& replica : replicas) {
    EXPECT_EQ(replica->wait_for_exit(Deadline::after(std::chrono::seconds(20))), 0);
  }
}

}  // namespace
}  // namespace clusterdns::test
