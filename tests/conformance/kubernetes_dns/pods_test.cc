// Names of pods, `a-b-c-d.namespace.pod.<zone>`: not in the specification any more, as CoreDNS
// 1.15 answers them. The common target runs `pods insecure`; the other modes start a server.
#include <gtest/gtest.h>

#include <string>

#include "conformance/target.h"
#include "support/server_process.h"
#include "support/temp_dir.h"

namespace clusterdns::test {
namespace {

TEST(PodsInsecure, AnyAddressInAnExistingNamespace) {
  expect_answer(ask("10-1-2-3.conf.pod.cluster.local."),
                {"10-1-2-3.conf.pod.cluster.local. 5 IN A 10.1.2.3"});
  expect_nodata(ask("10-1-2-3.conf.pod.cluster.local.", "AAAA"));
  expect_nodata(ask("10-1-2-3.conf.pod.cluster.local.", "TXT"));
}

TEST(PodsInsecure, IPv6) {
  expect_answer(ask("2001-db8--1.conf.pod.cluster.local.", "AAAA"),
                {"2001-db8--1.conf.pod.cluster.local. 5 IN AAAA 2001:db8::1"});
  expect_answer(ask("2001-db8-0-0-0-0-0-2.conf.pod.cluster.local.", "AAAA"),
                {"2001-db8-0-0-0-0-0-2.conf.pod.cluster.local. 5 IN AAAA 2001:db8::2"});
  expect_answer(ask("--1.conf.pod.cluster.local.", "AAAA"),
                {"--1.conf.pod.cluster.local. 5 IN AAAA ::1"});
  expect_nodata(ask("2001-db8--1.conf.pod.cluster.local.", "A"));
}

TEST(PodsInsecure, UnknownNamespace) {
  expect_nxdomain(ask("10-1-2-3.nowhere.pod.cluster.local."));
}

TEST(PodsInsecure, NotAnAddress) {
  for (const char* label : {"10-1-2", "10-1-2-256", "10-1-2-3-4", "web", "10-1-2-x", "1--2--3",
                            "10-1-2-03", "-", "10-1-2-"}) {
    SCOPED_TRACE(label);
    expect_nxdomain(ask(std::string(label) + ".conf.pod.cluster.local."));
    expect_nxdomain(ask(std::string(label) + ".conf.pod.cluster.local.", "AAAA"));
  }
}

TEST(PodsInsecure, NothingIsBelowAPod) {
  expect_nxdomain(ask("x.10-1-2-3.conf.pod.cluster.local."));
}

TEST(PodsInsecure, EmptyNonTerminals) {
  expect_nodata(ask("pod.cluster.local."));
  expect_nodata(ask("conf.pod.cluster.local."));
  expect_nodata(ask("empty.pod.cluster.local."));
  expect_nxdomain(ask("nowhere.pod.cluster.local."));
}

// A server of its own in another mode.
class PodsMode : public ::testing::Test {
 protected:
  void start(std::string_view mode) {
    if (target_is_external()) {
      GTEST_SKIP() << "the external server has one mode only";
    }
    const auto corefile = directory_.write(
        "Corefile",
        ".:0 {\n  bind 127.0.0.1\n  kubernetes cluster.local in-addr.arpa {\n"
        "    manifests " CLUSTERDNS_CONFORMANCE_DATA "\n" +
            (mode.empty() ? "" : "    pods " + std::string(mode) + "\n") + "  }\n}\n");
    server_.emplace(ProcessOptions{.arguments = {"-conf", corefile.string()}});
    server_->wait_until_listening();
  }
  void TearDown() override {
    if (server_.has_value()) {
      EXPECT_EQ(server_->stop(), 0) << server_->output();
    }
  }
  Message ask_own(std::string_view name, std::string_view type = "A") {
    return ask(server_->endpoint(), Query{.name = std::string(name), .type = std::string(type)});
  }

  TempDir directory_;
  std::optional<ServerProcess> server_;
};

TEST_F(PodsMode, DisabledIsTheDefault) {
  start("");
  if (IsSkipped()) return;
  expect_nxdomain(ask_own("10-244-50-1.conf.pod.cluster.local."));
  expect_nxdomain(ask_own("2001-db8--1.conf.pod.cluster.local.", "AAAA"));
}

TEST_F(PodsMode, Disabled) {
  start("disabled");
  if (IsSkipped()) return;
  expect_nxdomain(ask_own("10-244-50-1.conf.pod.cluster.local."));
}

TEST_F(PodsMode, VerifiedAnswersPodsOfThatNamespaceOnly) {
  start("verified");
  if (IsSkipped()) return;
  expect_answer(ask_own("10-244-50-1.conf.pod.cluster.local."),
                {"10-244-50-1.conf.pod.cluster.local. 5 IN A 10.244.50.1"});
  expect_answer(ask_own("10-244-50-3.second.pod.cluster.local."),
                {"10-244-50-3.second.pod.cluster.local. 5 IN A 10.244.50.3"});
  expect_nxdomain(ask_own("10-244-50-3.conf.pod.cluster.local."));
  expect_nxdomain(ask_own("10-244-50-99.conf.pod.cluster.local."));
  expect_nxdomain(ask_own("10-244-50-1.nowhere.pod.cluster.local."));
  expect_nodata(ask_own("10-244-50-1.conf.pod.cluster.local.", "AAAA"));
  expect_nodata(ask_own("conf.pod.cluster.local."));
}

TEST_F(PodsMode, VerifiedIPv6) {
  start("verified");
  if (IsSkipped()) return;
  expect_answer(ask_own("fd00-10-244--5002.conf.pod.cluster.local.", "AAAA"),
                {"fd00-10-244--5002.conf.pod.cluster.local. 5 IN AAAA fd00:10:244::5002"});
}

}  // namespace
}  // namespace clusterdns::test
