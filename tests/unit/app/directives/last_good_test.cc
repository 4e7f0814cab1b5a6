// What is broken when a configuration is reloaded goes on as it was, whatever the reload is about.
#include "app/directives/last_good.h"

#include <chrono>
#include <thread>

#include "tests/unit/app/instance/server_fixture.h"
#include "tests/unit/registry/kubernetes/source_fixture.h"

namespace clusterdns::app {
namespace {

using registry::kubernetes::testing::make_identity;

constexpr const char* kAnother = "another.test:0 {\nbind 127.0.0.1\nwhoami\n}\n";

class LastGoodTest : public ServerFixture {
 protected:
  void apply(const std::string& lines, const std::string& more = {}) {
    instance_.apply(parse_corefile(".:0 {\nbind 127.0.0.1\n" + lines + "\n}\n" + more, "Corefile"));
  }
  // A reload about something else, with one line in the log.
  void reload(const std::string& lines, const std::string& line) {
    const std::size_t before = logged(line);
    EXPECT_NO_THROW(apply(lines, kAnother)) << line;
    EXPECT_EQ(logged(line), before + 1) << log_.str();
    // And once more: what was good before the one before.
    EXPECT_NO_THROW(apply(lines)) << line;
    EXPECT_EQ(logged(line), before + 2) << log_.str();
  }
  void remove(const std::string& name) { std::filesystem::remove_all(folder_ / name); }
};

TEST_F(LastGoodTest, AtAStartThereIsNothingBefore) {
  EXPECT_THROW(apply("forward . " + (folder_ / "none")), ConfigError);
  EXPECT_THROW(apply("console 127.0.0.1:0 {\ntoken " + (folder_ / "none") + "\n}"), ConfigError);
  EXPECT_THROW(apply("loadbalance weighted " + folder_.write("w", "nonsense 1 2 3\n")),
               ConfigError);
  EXPECT_THROW(apply("fault {\nscenario " + folder_.write("s.yaml", "rules: 5\n") + "\n}"),
               ConfigError);
}

TEST_F(LastGoodTest, Hosts) {
  const std::string lines = "hosts " + folder_.write("hh", "192.0.2.1 a\n2001:db8::1 a\n") + " {\n";
  const std::string end = "}";
  apply(lines + end);
  ASSERT_EQ(ask("a"), "NOERROR 1");
  remove("hh");
  reload(lines + end, "File does not exist");
  EXPECT_EQ(logged("still serving what it held"), 2U) << log_.str();
  EXPECT_EQ(ask("a"), "NOERROR 1");
  EXPECT_EQ(ask("a", 28), "NOERROR 1");
  EXPECT_EQ(ask("1.2.0.192.in-addr.arpa", 12), "NOERROR 1");
  // Options and lines of the configuration are those of now.
  apply(lines + "192.0.2.9 line\nno_reverse\n" + end);
  EXPECT_EQ(ask("a"), "NOERROR 1");
  EXPECT_EQ(ask("line"), "NOERROR 1");
  EXPECT_EQ(ask("1.2.0.192.in-addr.arpa", 12), "REFUSED 0");
  apply(lines + end);
  EXPECT_EQ(ask("a"), "NOERROR 1");
  EXPECT_EQ(ask("line"), "SERVFAIL 0");
  // Neither a folder nor another encoding is better than nothing.
  std::filesystem::create_directory(folder_ / "hh");
  reload(lines + end, "not a file");
  EXPECT_EQ(ask("a"), "NOERROR 1");
  remove("hh");
  folder_.write("hh", "192.0.2.2 b\n");
  EXPECT_TRUE(until([&] { return ask("b") == "NOERROR 1"; }));
  EXPECT_EQ(ask("a"), "SERVFAIL 0");
}

TEST_F(LastGoodTest, Weights) {
  const std::string lines =
      "loadbalance weighted " + folder_.write("w", "a.test\n192.0.2.1 3\n") + "\nwhoami";
  apply(lines);
  folder_.write("w", "a.test\n192.0.2.1 none\n");
  reload(lines, "wrong weight value");
  remove("w");
  reload(lines, "cannot be read; the weights that it had are still used");
}

TEST_F(LastGoodTest, TokenAndCertificateOfTheConsole) {
  const auto identity = make_identity(-1, 30);
  const std::string token = folder_.write("token", "secret\n");
  const std::string lines = "whoami\nconsole 127.0.0.1:0 {\ntoken " + token + "\ntls " +
                            folder_.write("cert", identity.certificate) + " " +
                            folder_.write("key", identity.key) + "\n}";
  apply(lines);
  remove("token");
  reload(lines, "token: '" + token + "' cannot be read");
  EXPECT_EQ(instance_.plan().consoles.begin()->second.token, "secret");
  folder_.write("token", "another\n");
  folder_.write("key", "half of");
  apply(lines, kAnother);
  EXPECT_EQ(instance_.plan().consoles.begin()->second.token, "another");
  EXPECT_EQ(instance_.plan().consoles.begin()->second.tls->key, identity.key);
}

TEST_F(LastGoodTest, CertificatesOfListenersAndUpstreams) {
  const auto identity = make_identity(-1, 30);
  const std::string pair =
      folder_.write("cert", identity.certificate) + " " + folder_.write("key", identity.key);
  const std::string lines =
      "forward . tls://192.0.2.1 {\ntls " + pair + "\ntls_servername a.test\n}";
  const std::string server = "tls://b.test:0 {\nbind 127.0.0.1\nwhoami\ntls " + pair + "\n}\n";
  apply(lines, server);
  folder_.write("cert", "broken");
  remove("key");
  EXPECT_NO_THROW(apply(lines, server + kAnother));
  EXPECT_EQ(logged("still using what was read before"), 2U) << log_.str();
  // A block of another name, with the same files.
  EXPECT_NO_THROW(apply(lines, "tls://c.test:0 {\nbind 127.0.0.1\nwhoami\ntls " + pair + "\n}\n"));
}

TEST_F(LastGoodTest, Scenarios) {
  const std::string file = folder_.write("s.yaml", "seed: 7\n");
  const std::string lines = "whoami\nfault {\nscenario " + file + "\n}";
  apply(lines);
  folder_.write("s.yaml", "seed: [\n");
  reload(lines, "going on with what it said before");
  remove("s.yaml");
  reload(lines, "cannot open");
}

TEST_F(LastGoodTest, ResolvConf) {
  const std::string file = folder_.write("r", "nameserver 192.0.2.1\nsearch b.test\n");
  const std::string lines = "autopath " + file + "\nforward . " + file;
  apply(lines);
  const auto stage = instance_.environment().forwards.at(0).stage;
  folder_.write("r", "");
  apply(lines, kAnother);
  EXPECT_EQ(instance_.environment().forwards.at(0).stage, stage);
  EXPECT_EQ(logged("names no upstream; going on with what it said before"), 1U) << log_.str();
  remove("r");
  reload(lines, "plugin/forward: " + file + ": cannot be read");
  EXPECT_EQ(instance_.environment().forwards.at(0).stage, stage);
  folder_.write("r", "nameserver 192.0.2.2\n");
  apply(lines);
  EXPECT_NE(instance_.environment().forwards.at(0).stage, stage);
}

// Answers questions for addresses with 192.0.2.7, as long as it is there; or never.
class Resolver {
 public:
  explicit Resolver(bool answers) : fd_(::socket(AF_INET, SOCK_DGRAM, 0)) {
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof here;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&here), sizeof here), 0);
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&here), &size), 0);
    port_ = ntohs(here.sin_port);
    if (answers) thread_ = std::thread([this] { run(); });
  }
  ~Resolver() {
    ::shutdown(fd_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    ::close(fd_);
  }
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  void run() {
    std::array<unsigned char, 512> message;
    for (;;) {
      sockaddr_in from{};
      socklen_t size = sizeof from;
      ssize_t n = ::recvfrom(fd_, message.data(), message.size() - 16, 0,
                             reinterpret_cast<sockaddr*>(&from), &size);
      if (n <= 12) return;  // shut down
      std::size_t end = 12;
      while (message[end] != 0) end += std::size_t{1} + message[end];
      const bool v4 = message[end + 2] == 1;
      end += 5;
      message[2] = 0x84;
      message[3] = 0x80;
      message[7] = v4 ? 1 : 0;
      message[9] = message[11] = 0;
      const unsigned char answer[] = {0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 7};
      std::copy(std::begin(answer), std::end(answer), message.begin() + static_cast<long>(end));
      ::sendto(fd_, message.data(), end + (v4 ? sizeof answer : 0), 0,
               reinterpret_cast<sockaddr*>(&from), size);
    }
  }

  const int fd_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

TEST_F(LastGoodTest, AddressesOfAName) {
  std::optional<Resolver> resolver(true);
  const std::string lines = "forward . dns.example.com { \nresolver " + resolver->address() + "\n}";
  apply(lines);
  const auto stage = instance_.environment().forwards.at(0).stage;
  EXPECT_EQ(stage->options().forward.upstreams.at(0).to_string(), "192.0.2.7:53");
  resolver.reset();
  reload(lines, "no address is found for it as a name");
  EXPECT_EQ(instance_.environment().forwards.at(0).stage, stage);
}

TEST_F(LastGoodTest, SilentResolversCostOneLimitTogether) {
  const Resolver silent(false);
  std::string blocks;
  for (int i = 0; i < 20; ++i) {
    const std::string zone = "z" + std::to_string(i) + ".test";
    blocks += zone + ":0 {\nbind 127.0.0.1\nforward . ns." + zone + " {\nresolver " +
              silent.address() + "\n}\n}\n";
  }
  apply("whoami");
  const auto before = std::chrono::steady_clock::now();
  apply("whoami", blocks);
  EXPECT_EQ(logged("it is looked up again, and is not asked until then"), 20U);
  // One after the other takes 40 seconds.
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(30));
}

TEST_F(LastGoodTest, ZonesOfAFolderThatVanished) {
  const std::string zone =
      "@ 60 IN SOA ns hostmaster 1 2 3 4 5\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\n";
  folder_.write("zones/db.a.test", zone);
  folder_.write("zones/db.b.test", zone);
  const std::string lines = "auto {\ndirectory " + (folder_ / "zones") + "\nreload 1s\n}";
  apply(lines);
  ASSERT_EQ(ask("ns.a.test"), "NOERROR 1");
  std::filesystem::rename(folder_ / "zones", folder_ / "moved");
  ASSERT_TRUE(until([&] { return logged("still serving the zones that were there") == 1; }))
      << log_.str();
  EXPECT_EQ(ask("ns.a.test"), "NOERROR 1");
  reload(lines, "Directory does not exist");
  EXPECT_EQ(ask("ns.b.test"), "NOERROR 1");
  // Where there is a folder, what is not in it is gone.
  std::filesystem::remove(folder_ / "moved/db.b.test");
  std::filesystem::rename(folder_ / "moved", folder_ / "zones");
  ASSERT_TRUE(until([&] { return logged("Deleting zone \"b.test.\"") == 1; })) << log_.str();
  EXPECT_EQ(ask("ns.a.test"), "NOERROR 1");
}

// A cluster behind an API server, and whether its names are answered.
class ClusterReloadTest : public LastGoodTest {
 protected:
  ClusterReloadTest() {
    namespace k8s = registry::kubernetes;
    cluster_.put(k8s::kNamespaces, "default", "{}");
    cluster_.put(k8s::kServices, "default/web", k8s::service("10.96.0.20"));
    cluster_.put(k8s::kSlices, "default/web-1", k8s::slice("web", {"10.244.0.5"}));
  }
  [[nodiscard]] std::string kubernetes(const std::string& options, const std::string& more = {}) {
    return "kubernetes cluster.local {\n" + (options.starts_with("endpoint ") ? "" : endpoint()) +
           options + "\n}\n" + more;
  }
  [[nodiscard]] std::string endpoint() const {
    return "endpoint http://127.0.0.1:" + std::to_string(api_.port()) + "\n";
  }
  [[nodiscard]] std::string web() { return ask("web.default.svc.cluster.local"); }
  [[nodiscard]] bool in_sync(std::size_t times) {
    return until([&] { return logged("in sync with the Kubernetes API") == times; });
  }

  registry::kubernetes::testing::ScriptedApi api_{io_};
  registry::kubernetes::testing::FakeCluster cluster_{io_, api_};
};

TEST_F(ClusterReloadTest, AnotherOptionDoesNotLoseTheCluster) {
  apply(kubernetes(""));
  ASSERT_TRUE(in_sync(1));
  ASSERT_EQ(web(), "NOERROR 1");
  api_.shut();
  for (const std::string options :
       {"pods verified", "endpoint_pod_names", "watch_lease 20s", "labels app=web", "noendpoints",
        "multicluster clusterset.local", "zonal"}) {
    const bool imports = options.starts_with("multicluster");
    std::string lines = kubernetes(options);
    if (imports) lines.replace(0, 24, "kubernetes cluster.local clusterset.local");
    apply(lines);
    EXPECT_EQ(web(), "NOERROR 1") << options;
    // What nobody has told yet is not said not to exist.
    if (imports) {
      EXPECT_EQ(ask("web.default.svc.clusterset.local"), "SERVFAIL 0");
    }
  }
  apply(kubernetes("", "gateways"));
  EXPECT_EQ(web(), "NOERROR 1");
  apply(kubernetes("snapshot " + (folder_ / "sn")));
  EXPECT_EQ(web(), "NOERROR 1");
  apply(kubernetes("endpoint http://127.0.0.1:1 http://127.0.0.1:" + std::to_string(api_.port())));
  EXPECT_EQ(web(), "NOERROR 1");
  // Once the API server is there again it is what counts.
  cluster_.put(registry::kubernetes::kServices, "default/db",
               registry::kubernetes::service("10.96.0.21"));
  cluster_.remove(registry::kubernetes::kServices, "default/web");
  api_.listen();
  ASSERT_TRUE(in_sync(2));
  EXPECT_EQ(web(), "NXDOMAIN 0");
  EXPECT_EQ(ask("db.default.svc.cluster.local"), "NOERROR 1");
}

TEST_F(ClusterReloadTest, AnotherClusterIsAnotherOne) {
  apply(kubernetes(""));
  ASSERT_TRUE(in_sync(1));
  apply(kubernetes("endpoint http://127.0.0.1:1"));
  EXPECT_EQ(web(), "SERVFAIL 0");
}

TEST_F(ClusterReloadTest, NamespacesWithoutLabelsAreNotChosenFrom) {
  apply(kubernetes(""));
  ASSERT_TRUE(in_sync(1));
  api_.shut();
  apply(kubernetes("namespace_labels team=a"));
  EXPECT_EQ(web(), "SERVFAIL 0");
}

TEST_F(ClusterReloadTest, ABrokenKubeconfig) {
  const std::string good =
      "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
      "contexts: [{name: a, context: {cluster: c}}]\n"
      "clusters: [{name: c, cluster: {server: \"http://127.0.0.1:" +
      std::to_string(api_.port()) + "\"}}]\n";
  const std::string lines =
      "kubernetes cluster.local {\nkubeconfig " + folder_.write("config", good) + "\n}";
  apply(lines);
  ASSERT_TRUE(in_sync(1));
  for (const char* const broken : {"", "half: [", "kind: Config\n"}) {
    folder_.write("config", broken);
    EXPECT_NO_THROW(apply(lines, kAnother)) << broken;
    EXPECT_EQ(web(), "NOERROR 1");
  }
  remove("config");
  EXPECT_NO_THROW(apply(lines));
  EXPECT_EQ(logged("going on with what it said before"), 4U) << log_.str();
  EXPECT_EQ(web(), "NOERROR 1");
}

}  // namespace
}  // namespace clusterdns::app
