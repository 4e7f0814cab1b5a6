#include "registry/kubernetes/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
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
  for (const Case& c : {Case{"https://10.96.0.1", "10.96.0.1", 443, true, ""},
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
  for (const char* bad : {"", "https://", "ftp://a", "https://a:0", "https://a:65536", "https://a:x",
                          "https://[fd00::1", "https://[fd00::1]6443", "https://user@host"}) {
    EXPECT_THROW((void)parse_api_server(bad), ConfigProblem) << bad;
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
    return load_kubeconfig(file_, context);
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
           "{cluster: c, user: u}\nclusters:\n- name: c\n  cluster: {" + cluster +
           "}\nusers:\n- name: u\n  user: {" + user + "}\n";
  }
  std::filesystem::path file_;
};

TEST_F(KubeconfigTest, InlineAndFiles) {
  const ApiConfig config = load(with("server: 'https://10.0.0.1:6443', certificate-authority: pki/ca.crt",
                                     "client-certificate-data: Y2VydA==, client-key-data: a2V5"));
  EXPECT_EQ(config.servers.at(0).host_port(), "10.0.0.1:6443");
  EXPECT_EQ(config.ca_file, file_.parent_path() / "pki/ca.crt");
  EXPECT_EQ(config.client_certificate_data, "cert");
  EXPECT_EQ(config.client_key_data, "key");
  EXPECT_EQ(load(with("server: 'https://a'", "tokenFile: /run/token")).token_file, "/run/token");
  EXPECT_EQ(load(with("server: 'https://a'", "token: abc")).token, "abc");
  EXPECT_EQ(load(with("server: 'https://a', tls-server-name: b", "")).tls_server_name, "b");
  const ApiConfig plugin = load(with(
      "server: 'https://a'", "exec: {apiVersion: client.authentication.k8s.io/v1, command: get-token, "
      "args: [--cluster, x], env: [{name: A, value: b}]}"));
  ASSERT_TRUE(plugin.exec.has_value());
  EXPECT_EQ(plugin.exec->args.size(), 2U);
  EXPECT_EQ(plugin.exec->env.at(0).second, "b");
}

TEST_F(KubeconfigTest, WhatIsWrongAndWhere) {
  struct Case {
    std::string text, context, what;
  };
  const std::string good = with("server: 'https://a'", "token: x");
  const std::vector<Case> cases = {
      {"[", "", ":1:"},
      {"- a", "", "no kubeconfig"},
      {"{}", "", "`current-context` is not set"},
      {good, "two", "there is no context 'two' in `contexts`; there are: one"},
      {with("", ""), "", "has no `server`"},
      {with("server: 'ftp://a'", ""), "", "is no address of an API server"},
      {with("server: 'https://a', proxy-url: 'http://p'", ""), "", "`proxy-url` is not supported"},
      {with("server: 'https://a', certificate-authority-data: '!'", ""), "", "is not base64"},
      {with("server: 'https://a', insecure-skip-tls-verify: maybe", ""), "", "true or false"},
      {with("server: 'https://a', insecure-skip-tls-verify: true, certificate-authority: x", ""), "",
       "exclude each other"},
      {with("server: 'https://a'", "client-key: x"), "", "without a `client-certificate`"},
      {with("server: 'https://a'", "auth-provider: {name: gcp}"), "", "`auth-provider` is not supported"},
      {with("server: 'https://a'", "exec: {command: x}"), "", "`apiVersion` of `exec`"},
  };
  for (const Case& c : cases) EXPECT_THAT(problem(c.text, c.context), HasSubstr(c.what)) << c.text;
  std::filesystem::remove(file_);
  EXPECT_THROW((void)load_kubeconfig(file_, ""), ConfigProblem);
}

TEST(ExecCredentialTest, TokenAndTime) {
  const ExecCredential credential = parse_exec_credential(
      R"({"kind":"ExecCredential","status":{"token":"t","expirationTimestamp":"1970-01-01T01:00:10.5+01:00"}})",
      "x");
  EXPECT_EQ(credential.token, "t");
  ASSERT_TRUE(credential.expires.has_value());
  EXPECT_EQ(credential.expires->time_since_epoch(), std::chrono::milliseconds(10500));
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
