// The directive `gateways`: what its options do to answers, and what is no good.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "app/commands/route_asker.h"
#include "app/corefile/error.h"
#include "app/corefile/parser.h"
#include "tests/unit/registry/gateways/manifests.h"
#include "tests/unit/registry/manifests/manifest_fixture.h"

namespace clusterdns::app {
namespace {

using namespace registry::testing_support;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class GatewaysDirective : public ::testing::Test {
 protected:
  GatewaysDirective() { folder_.write("a.yaml", documents(kIngressGateway, kWildcard, kAnyHost)); }

  [[nodiscard]] std::string manifests() const {
    return "        manifests " + folder_.path().native() + "\n";
  }
  [[nodiscard]] std::string kubernetes() const {
    return "    kubernetes cluster.local {\n" + manifests() + "    }\n";
  }
  void serve(const std::string& directives) {
    server_ = std::make_unique<OfflineServer>(
        parse_corefile(".:53 {\n    bind 127.0.0.1\n" + directives + "}\n", "test"));
  }
  std::string error_of(const std::string& directives) {
    try {
      serve(directives);
    } catch (const ConfigError& e) {
      return e.what();
    }
    return "";
  }
  ExplainedAnswer ask(const std::string& name, dns::RRType type = dns::RRType::A) {
    return server_->ask(*dns::Name::from_text(name), type);
  }
  std::vector<std::string> data(const std::string& name) {
    std::vector<std::string> result;
    for (const auto& record : ask(name).records) result.push_back(record.data);
    return result;
  }

  ScratchFolder folder_;
  std::unique_ptr<OfflineServer> server_;
};

TEST_F(GatewaysDirective, HostsAreClaimedAndTheRestGoesOn) {
  serve("    gateways\n" + kubernetes() + "    whoami\n");
  EXPECT_THAT(data("shop.example.com"), ElementsAre("203.0.113.50"));
  EXPECT_EQ(ask("shop.example.com").stage, "gateways");
  EXPECT_EQ(ask("shop.example.org").stage, "whoami");
  EXPECT_EQ(ask("web.team-a.svc.cluster.local").rcode, "NXDOMAIN");
}

TEST_F(GatewaysDirective, WithoutKubernetesItHasASourceOfItsOwn) {
  serve("    gateways {\n" + manifests() + "    }\n    whoami\n");
  EXPECT_THAT(data("shop.example.com"), ElementsAre("203.0.113.50"));
  EXPECT_EQ(ask("api.team-a.svc.cluster.local").stage, "whoami");
  EXPECT_THAT(error_of("    gateways {\n" + manifests() + "    }\n" + kubernetes()),
              HasSubstr("is an option of 'kubernetes', whose objects 'gateways' uses"));
}

// An Ingress for `host` at `address`.
std::string ingress_for(const std::string& name, const std::string& host,
                        const std::string& address) {
  return "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: " + name +
         "}\nspec: {rules: [{host: \"" + host +
         "\"}]}\nstatus: {loadBalancer: {ingress: [{ip: " + address + "}]}}\n---\n";
}

TEST_F(GatewaysDirective, SeveralClusters) {
  ScratchFolder one, two;
  one.write("a.yaml", ingress_for("both", "shop.test", "192.0.2.1") +
                          ingress_for("one", "deep.one.test", "192.0.2.1") +
                          ingress_for("wild", "*.wild.test", "192.0.2.1"));
  two.write("a.yaml", ingress_for("both", "shop.test", "192.0.2.2") +
                          ingress_for("two", "two.test", "192.0.2.2") +
                          ingress_for("wild", "a.wild.test", "192.0.2.2"));
  const auto clusters = "    kubernetes one.kube.test {\n        manifests " + one.path().native() +
                        "\n    }\n    kubernetes two.kube.test {\n        manifests " +
                        two.path().native() + "\n    }\n    whoami\n";
  serve("    gateways\n" + clusters);
  // The first one that has the host; an exact one of any before a wildcard of any.
  EXPECT_THAT(data("shop.test"), ElementsAre("192.0.2.1"));
  EXPECT_THAT(data("deep.one.test"), ElementsAre("192.0.2.1"));
  EXPECT_THAT(data("two.test"), ElementsAre("192.0.2.2"));
  EXPECT_THAT(data("a.wild.test"), ElementsAre("192.0.2.2"));
  EXPECT_THAT(data("b.wild.test"), ElementsAre("192.0.2.1"));
  EXPECT_EQ(ask("other.test").stage, "whoami");
  // What does not exist in a zone is in no cluster.
  serve("    gateways test\n" + clusters);
  EXPECT_THAT(data("shop.test"), ElementsAre("192.0.2.1"));
  EXPECT_THAT(data("two.test"), ElementsAre("192.0.2.2"));
  EXPECT_THAT(data("b.wild.test"), ElementsAre("192.0.2.1"));
  EXPECT_EQ(ask("other.test").rcode, "NXDOMAIN");
  EXPECT_EQ(ask("one.test").rcode, "NOERROR") << "above a host of the first";
}

// It is the same source, whatever its zones are, and its mistakes are told once.
TEST_F(GatewaysDirective, ASourceOfItsOwnOnlyWithoutKubernetes) {
  const std::string broken =
      error_of("    gateways\n    kubernetes cluster.local {\n        kubeconfig /none\n    }\n");
  EXPECT_THAT(broken, HasSubstr("kubernetes"));
  EXPECT_THAT(broken, Not(HasSubstr("gateways: ")));
  const auto file = folder_.write("config", R"(
current-context: one
contexts: [{name: one, context: {cluster: c}}]
clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]
)");
  try {
    serve("    gateways\n    kubernetes clusterset.local {\n        kubeconfig " + file.native() +
          "\n        multicluster clusterset.local\n    }\n");
    ADD_FAILURE() << "an API server was asked";
  } catch (const std::runtime_error& e) {
    // The configuration is good; there is nobody here who asks API servers.
    EXPECT_THAT(e.what(), StartsWith("the configuration reads the Kubernetes API"));
  }
}

TEST_F(GatewaysDirective, Options) {
  serve("    gateways {\n        ttl 77\n        sources ingress\n    }\n" + kubernetes() +
        "    whoami\n");
  EXPECT_EQ(ask("shop.example.com").stage, "whoami");
  serve("    gateways {\n        ttl 77\n        any dev.test\n        inside 10.0.0.0/8\n    }\n" +
        kubernetes());
  ASSERT_EQ(ask("shop.example.com").records.size(), 1U);
  EXPECT_EQ(ask("shop.example.com").records[0].ttl, 77U);
  EXPECT_THAT(data("what.ever.dev.test"), ElementsAre("203.0.113.50"));
  server_->set_client("10.1.2.3");
  EXPECT_THAT(data("shop.example.com"), ElementsAre("10.100.200.10"));
  folder_.write("a.yaml", documents(kPendingGateway, kWildcard));
  serve("    gateways {\n        ingress 127.0.0.1 ::1\n    }\n" + kubernetes());
  EXPECT_THAT(data("shop.example.com"), ElementsAre("127.0.0.1"));
  serve("    gateways\n" + kubernetes());
  EXPECT_THAT(data("shop.example.com"), IsEmpty());
  EXPECT_THAT(ask("shop.example.com").error, HasSubstr("waits for a load balancer's address"));
}

TEST_F(GatewaysDirective, Zones) {
  serve("    gateways example.com example.net {\n        fallthrough example.net\n    }\n" +
        kubernetes() + "    whoami\n");
  EXPECT_EQ(ask("example.com").rcode, "NOERROR");
  EXPECT_EQ(ask("example.com").stage, "gateways");
  EXPECT_EQ(ask("a.example.net").stage, "whoami");
  EXPECT_THAT(data("anything.example.com"), ElementsAre("203.0.113.50"));
}

TEST_F(GatewaysDirective, WhatIsNoGood) {
  const auto option = [&](const std::string& line) {
    return error_of("    gateways {\n        " + line + "\n    }\n" + kubernetes());
  };
  EXPECT_THAT(option("sources istios"), HasSubstr("istio"));
  EXPECT_THAT(option("ingress somewhere"), HasSubstr("gateways"));
  EXPECT_THAT(option("ttl -1"), HasSubstr("ttl"));
  EXPECT_THAT(option("inside here"), HasSubstr("inside"));
  EXPECT_THAT(option("classes a"), HasSubstr("did you mean 'class'?"));
  EXPECT_THAT(option("any"), HasSubstr("any ZONE…"));
  EXPECT_THAT(option("ttl 5\n        ttl 6"), HasSubstr("ttl"));
}

}  // namespace
}  // namespace clusterdns::app
