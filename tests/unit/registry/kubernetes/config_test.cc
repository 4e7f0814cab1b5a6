#include "registry/kubernetes/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "registry/kubernetes/backoff.h"
#include "registry/kubernetes/exec_plugin.h"

namespace clusterdns::registry::kubernetes {
namespace {

using ::testing::HasSubstr;

TEST(ApiServerTest, Addresses) {
  struct Case {
    const char* text;
    const char* host;
    std::uint16_t port;
    bool tls;
    const char* path;
  };
  for (const Case& c :
       {Case{"https://10.96.0.1", "10.96.0.1", 443, true, ""},
        Case{"https://10.96.0.1:6443/", "10.96.0.1", 6443, true, ""},
        Case{"http://api:8080", "api", 8080, false, ""},
        Case{"https://[fd00::1]:6443", "fd00::1", 6443, true, ""},
        Case{"https://rancher/k8s/clusters/a", "rancher", 443, true, "/k8s/clusters/a"},
        Case{"api:8080", "api", 8080, false, ""}}) {
    const ApiServer server = parse_api_server(c.text);
    EXPECT_EQ(server.host, c.host) << c.text;
    EXPECT_EQ(server.port, c.port) << c.text;
    EXPECT_EQ(server.tls, c.tls) << c.text;
    EXPECT_EQ(server.base_path, c.path) << c.text;
  }
  for (const char* bad :
       {"", "https://", "ftp://a", "https://a:0", "https://a:65536", "https://a:x",
        "https://[fd00::1", "https://[fd00::1]6443", "https://user@host", "https://a b",
        "https://a/b c", "https://a/x\r\nEvil: 1", "https://a\n", "https://a/b?c", "https://a/b#c",
        "https://a?b"}) {
    EXPECT_THROW((void)parse_api_server(bad), ConfigProblem) << bad;
  }
}

// client-go's DefaultServerURL.
TEST(ApiServerTest, WithoutASchemeACertificateAuthorityMeansTls) {
  EXPECT_FALSE(parse_api_server("api:6443").tls);
  EXPECT_TRUE(parse_api_server("api:6443", true).tls);
  EXPECT_EQ(parse_api_server("api", true).port, 443);
  EXPECT_FALSE(parse_api_server("http://api", true).tls);
}

TEST(ApiServerTest, ASecretInTheAddressIsNotRepeated) {
  for (const char* url :
       {"https://user:S3CRET@host", "https://S3CRET@host:6443/x", "user:S3CRET@host",
        "https://user:p@S3CRET@host", "https://host/?token=S3CRET", "https://host/path#S3CRET",
        "ftp://user:S3CRET@host"}) {
    try {
      (void)parse_api_server(url);
      ADD_FAILURE() << url;
    } catch (const ConfigProblem& e) {
      EXPECT_EQ(std::string(e.what()).find("S3CRET"), std::string::npos) << e.what();
    }
  }
}

TEST(InClusterTest, NeedsTheServicesAddress) {
  EXPECT_THROW((void)in_cluster_config([](const char*) -> const char* { return nullptr; }),
               ConfigProblem);
  const ApiConfig config = in_cluster_config([](const char* name) -> const char* {
    return std::string_view(name) == "KUBERNETES_SERVICE_HOST" ? "fd00::1" : "443";
  });
  EXPECT_EQ(config.servers.at(0).host, "fd00::1");
  EXPECT_EQ(config.token_file, "/var/run/secrets/kubernetes.io/serviceaccount/token");
  EXPECT_EQ(config.ca_file, "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt");
}

TEST(Base64Test, BothWays) {
  for (const char* text : {"", "a", "ab", "abc", "abcd", "\xff\xfe\x01"}) {
    EXPECT_EQ(decode_base64(encode_base64(text)), text);
  }
  EXPECT_EQ(decode_base64("YW\nJj"), "abc");
  EXPECT_EQ(decode_base64("YWI"), "ab");
  for (const char* bad : {"Y", "YW=J", "Y!Jj", "YWJjZ"}) {
    EXPECT_EQ(decode_base64(bad), std::nullopt) << bad;
  }
}

class KubeconfigTest : public ::testing::Test {
 protected:
  KubeconfigTest() {
    file_ = std::filesystem::temp_directory_path() /
            ("clusterdns-kubeconfig-" + std::to_string(::getpid()) + "-" +
             ::testing::UnitTest::GetInstance()->current_test_info()->name());
  }
  ~KubeconfigTest() override { std::filesystem::remove(file_); }

  ApiConfig load(const std::string& text, const std::string& context = "") {
    std::ofstream(file_) << text;
    return load_kubeconfig({file_}, context);
  }
  std::string problem(const std::string& text, const std::string& context = "") {
    try {
      (void)load(text, context);
    } catch (const ConfigProblem& e) {
      return e.what();
    }
    return "";
  }
  static std::string with(const std::string& cluster, const std::string& user) {
    return "apiVersion: v1\nkind: Config\ncurrent-context: one\ncontexts:\n- name: one\n  context: "
           "{cluster: c, user: u}\nclusters:\n- name: c\n  cluster: {" +
           cluster + "}\nusers:\n- name: u\n  user: {" + user + "}\n";
  }
  std::filesystem::path file_;
};

TEST_F(KubeconfigTest, InlineAndFiles) {
  const ApiConfig config =
      load(with("server: 'https://10.0.0.1:6443', certificate-authority: pki/ca.crt",
                "client-certificate-data: Y2VydA==, client-key-data: a2V5"));
  EXPECT_EQ(config.servers.at(0).host_port(), "10.0.0.1:6443");
  EXPECT_EQ(config.ca_file, file_.parent_path() / "pki/ca.crt");
  EXPECT_EQ(config.client_certificate_data, "cert");
  EXPECT_EQ(config.client_key_data, "key");
  EXPECT_EQ(load(with("server: 'https://a'", "tokenFile: /run/token")).token_file, "/run/token");
  EXPECT_EQ(load(with("server: 'https://a'", "token: abc")).token, "abc");
  EXPECT_EQ(load(with("server: 'https://a', tls-server-name: b", "")).tls_server_name, "b");
  const ApiConfig plugin =
      load(with("server: 'https://a'",
                "exec: {apiVersion: client.authentication.k8s.io/v1, command: get-token, "
                "args: [--cluster, x], env: [{name: A, value: b}]}"));
  ASSERT_TRUE(plugin.exec.has_value());
  EXPECT_EQ(plugin.exec->args.size(), 2U);
  EXPECT_EQ(plugin.exec->env.at(0).second, "b");
}

TEST_F(KubeconfigTest, ByteOrderMark) {
  EXPECT_EQ(load("\xEF\xBB\xBF" + with("server: 'https://a'", "token: abc")).token, "abc");
  EXPECT_EQ(
      load("\xEF\xBB\xBF{\"current-context\": \"one\", \"contexts\": [{\"name\": \"one\", "
           "\"context\": {\"cluster\": \"c\"}}], \"clusters\": [{\"name\": \"c\", \"cluster\": "
           "{\"server\": \"https://10.0.0.1:6443\"}}]}")
          .servers.at(0)
          .host_port(),
      "10.0.0.1:6443");
}

TEST_F(KubeconfigTest, WhatIsWrongAndWhere) {
  struct Case {
    std::string text, context, what;
  };
  const std::string good = with("server: 'https://a'", "token: x");
  const std::vector<Case> cases = {
      {"[", "", ":1:"},
      {"- a", "", "not a kubeconfig"},
      {"{}", "", "`current-context` is not set"},
      {good, "two", "there is no context 'two' in `contexts`; these exist: one"},
      {with("", ""), "", "has no `server`"},
      {with("server: 'ftp://a'", ""), "", "not the scheme of an API server"},
      {with("server: 'https://a', proxy-url: 'http://p'", ""), "", "`proxy-url` is not supported"},
      {with("server: 'https://a', certificate-authority-data: '!'", ""), "", "is not base64"},
      {with("server: 'https://a', insecure-skip-tls-verify: maybe", ""), "", "true or false"},
      {with("server: 'https://a', insecure-skip-tls-verify: 'true'", ""), "",
       "true or false, without quotes"},
      {with("server: 'https://a', insecure-skip-tls-verify: true, certificate-authority: x", ""),
       "", "would ignore; remove `insecure-skip-tls-verify`"},
      {with("server: 'https://a'", "client-key: x"), "", "without a `client-certificate`"},
      {with("server: 'https://a'", "auth-provider: {name: gcp}"), "",
       "`auth-provider` is not supported"},
      {with("server: 'https://a'", "as-user-extra: {a: [b]}"), "",
       "`as-user-extra` is not supported"},
      {with("server: 'https://a'", "as: root"), "", "`as` is not supported"},
      {with("server: 'https://a'", "exec: {command: x}"), "", "`apiVersion` of `exec`"},
  };
  for (const Case& c : cases) EXPECT_THAT(problem(c.text, c.context), HasSubstr(c.what)) << c.text;
  std::filesystem::remove(file_);
  EXPECT_THROW((void)load_kubeconfig({file_}, ""), ConfigProblem);
}

// As Go's programs write what they have not set.
TEST_F(KubeconfigTest, FieldsThatSayNothing) {
  for (const char* user : {"auth-provider: null", "exec: null", "as: ''", "as: null", "as-uid: ''",
                           "as-groups: []", "as-user-extra: {}"}) {
    EXPECT_EQ(load(with("server: 'https://a'", std::string("token: x, ") + user)).token, "x")
        << user;
  }
}

TEST_F(KubeconfigTest, BooleansAsKubectlReadsThem) {
  for (const char* yes : {"true", "True", "yes", "on"}) {
    const std::string cluster = "server: 'https://a', insecure-skip-tls-verify: ";
    EXPECT_TRUE(load(with(cluster + yes, "")).insecure_skip_tls_verify) << yes;
    const std::string exec =
        "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, provideClusterInfo: ";
    EXPECT_TRUE(load(with("server: 'https://a'", exec + yes + "}")).exec->provide_cluster_info);
  }
  EXPECT_FALSE(
      load(with("server: 'https://a', insecure-skip-tls-verify: No", "")).insecure_skip_tls_verify);
}

TEST_F(KubeconfigTest, JsonWithPairsOfSurrogates) {
  const ApiConfig config = load(
      R"({"current-context": "c\ud83d\ude80", "contexts": [{"name": "c\ud83d\ude80",
      "context": {"cluster": "c"}}], "clusters": [{"name": "c", "cluster":
      {"server": "https://a"}}], "users": [{"name": "\ud83d", "user": {}}]})");
  EXPECT_EQ(config.servers.at(0).host_port(), "a:443");
  EXPECT_EQ(load(R"({"current-context": "a", "contexts": [{"name": "a",
      "context": {"cluster": "c"}}], "clusters": [{"name": "c", "cluster":
      {"server": "https://a"}}]})",
                 "a")
                .context,
            "a");
}

TEST_F(KubeconfigTest, WithoutTlsTheUserIsNotRead) {
  for (const char* user : {"token: S3CRET", "tokenFile: /none", "username: a, password: S3CRET",
                           "client-certificate: a, client-key: b",
                           "exec: {apiVersion: client.authentication.k8s.io/v1, command: x}",
                           "auth-provider: {name: gcp}"}) {
    const ApiConfig config = load(with("server: 'http://10.0.0.1:8080'", user));
    ApiConfig nobody;
    nobody.servers = {parse_api_server("http://10.0.0.1:8080")};
    nobody.kubeconfigs = {file_};
    nobody.warnings = config.warnings;
    EXPECT_EQ(config, nobody) << user;
    ASSERT_EQ(config.warnings.size(), 1U) << user;
    EXPECT_THAT(config.warnings[0], HasSubstr(file_.string() + ":"));
    EXPECT_THAT(config.warnings[0], HasSubstr("the user 'u' is not used"));
    EXPECT_EQ(config.warnings[0].find("S3CRET"), std::string::npos);
  }
  EXPECT_TRUE(load(with("server: 'http://10.0.0.1:8080'", "")).warnings.empty());
  EXPECT_EQ(load(with("server: '10.0.0.1:6443'", "token: x")).token, "");
  const ApiConfig secure =
      load(with("server: '10.0.0.1:6443', certificate-authority: ca", "token: x"));
  EXPECT_TRUE(secure.servers.at(0).tls);
  EXPECT_EQ(secure.token, "x");
}

TEST_F(KubeconfigTest, WarnsOfAServerThatIsNotVerified) {
  const ApiConfig config =
      load(with("server: 'https://a', insecure-skip-tls-verify: true", "token: x"));
  EXPECT_EQ(config.token, "x");
  ASSERT_EQ(config.warnings.size(), 1U);
  EXPECT_THAT(config.warnings[0], HasSubstr("whoever answers at a:443 is trusted as the API "
                                            "server"));
}

TEST_F(KubeconfigTest, VariablesOfAPlugin) {
  const auto exec = [&](const std::string& rest) {
    return with("server: 'https://a'",
                "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, " + rest + "}");
  };
  EXPECT_THAT(problem(exec("env: [{name: '', value: b}]")), HasSubstr("is not a valid variable "
                                                                      "name"));
  EXPECT_THAT(problem(exec("env: [{name: 'A=B', value: b}]")), HasSubstr("is not a valid variable "
                                                                         "name"));
  EXPECT_THAT(problem(exec("env: [{name: A, value: \"a\\0b\"}]")), HasSubstr("zero octet"));
  EXPECT_THAT(problem(exec("args: [\"a\\0b\"]")), HasSubstr("zero octet"));
}

// client-go's Convert_Slice_v1_NamedCluster_To_Map.
TEST_F(KubeconfigTest, ANameIsThereOnce) {
  const std::string twice =
      "current-context: one\ncontexts: [{name: one, context: {cluster: c}}]\nclusters:\n"
      "- {name: c, cluster: {server: 'https://a'}}\n- {name: c, cluster: {server: 'https://b'}}\n";
  EXPECT_THAT(problem(twice), HasSubstr(":5:3: `clusters` has 'c' twice"));
}

// kubectl's rules for $KUBECONFIG.
TEST_F(KubeconfigTest, SeveralFilesArePutTogether) {
  const std::filesystem::path folder = file_.string() + ".d";
  std::filesystem::create_directories(folder / "other");
  const auto one = folder / "one", two = folder / "other" / "two";
  std::ofstream(one) << "contexts: [{name: a, context: {cluster: c, user: u}}]\n"
                        "clusters: [{name: c, cluster: {server: 'https://one'}}]\n";
  std::ofstream(two)
      << "current-context: a\n"
         "contexts: [{name: a, context: {cluster: none}}, {name: b, context: {cluster: d}}]\n"
         "clusters: [{name: c, cluster: {server: 'https://two', tls-server-name: x}},"
         " {name: d, cluster: {server: 'https://d', certificate-authority: ca}}]\n"
         "users: [{name: u, user: {tokenFile: t}}]\n";
  const auto none = folder / "none";
  ApiConfig config = load_kubeconfig({one, none, two}, "");
  EXPECT_EQ(config.servers.at(0).host, "one");
  EXPECT_EQ(config.tls_server_name, "");
  EXPECT_EQ(config.token_file, folder / "other" / "t");
  config = load_kubeconfig({one, two}, "b");
  EXPECT_EQ(config.servers.at(0).host, "d");
  EXPECT_EQ(config.ca_file, folder / "other" / "ca");
  EXPECT_THROW((void)load_kubeconfig({none, folder / "neither"}, ""), ConfigProblem);
  EXPECT_THROW((void)load_kubeconfig({}, ""), ConfigProblem);
  std::ofstream(one, std::ios::trunc) << "";  // empty files are kubeconfigs without anything
  EXPECT_THAT((load_kubeconfig({one, two}, "b").servers.at(0).host), "d");

  using Paths = std::vector<std::filesystem::path>;
  EXPECT_EQ(split_kubeconfig_list("a:/b::a:"), (Paths{"a", "/b"}));
  EXPECT_EQ(split_kubeconfig_list(""), Paths{});
  const auto colon = folder / "with:colon";
  std::ofstream(colon) << "";
  EXPECT_EQ(split_kubeconfig_list(colon.string()), Paths{colon});
  std::filesystem::remove_all(folder);
}

TEST_F(KubeconfigTest, WhatIsNoFileIsNotWaitedFor) {
  ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
  EXPECT_THROW((void)load_kubeconfig({file_}, ""), ConfigProblem);
}

TEST(ExecCredentialTest, WhatIsNone) {
  for (const char* bad : {"", "[]", "{}", R"({"kind":"ExecCredential"})",
                          R"({"kind":"ExecCredential","status":{}})"}) {
    EXPECT_THROW((void)parse_exec_credential(bad, "x"), ConfigProblem) << bad;
  }
}

TEST(BackoffTest, GrowsWithinBoundsByTrouble) {
  using std::chrono::milliseconds;
  Backoff backoff(1);
  Backoff::Clock::time_point now{};
  EXPECT_LE(backoff.next(Trouble::Refused, now), Backoff::kFirst);
  milliseconds longest{};
  for (int i = 0; i < 50; ++i) longest = std::max(longest, backoff.next(Trouble::Refused, now));
  EXPECT_LE(longest, Backoff::kRefusedCap);
  EXPECT_GT(longest, Backoff::kRefusedCap / 2);
  // A server that answers with errors is on its way.
  EXPECT_LE(backoff.next(Trouble::Other, now), Backoff::kFirst);
  for (int i = 0; i < 50; ++i) {
    EXPECT_LE(backoff.next(Trouble::Other, now), Backoff::kSoonCap);
  }
  now += Backoff::kSoonBegins + milliseconds(1);
  EXPECT_GT(backoff.next(Trouble::Other, now), Backoff::kSoonCap);
  backoff.reset();
  EXPECT_LE(backoff.next(Trouble::Other, now), Backoff::kFirst);
}

}  // namespace
}  // namespace clusterdns::registry::kubernetes
