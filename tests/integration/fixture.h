// What the integration tests share: servers from a Corefile or from `serve`, small manifests,
// waiting for an answer to change.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/dns_client.h"
#include "support/expect.h"
#include "support/server_process.h"
#include "support/temp_dir.h"

namespace clusterdns::test {

// How much slower the program that is asked may be: sanitizers cost a multiple (tests/run).
inline const int kBuildFactor = std::getenv("CLUSTERDNS_TEST_SANITIZED") != nullptr ? 10 : 1;

// A ClusterIP service in `default`.
[[nodiscard]] std::string service_yaml(std::string_view name, std::string_view cluster_ip,
                                       std::string_view ns = "default");
// A headless service with one slice that lists `addresses`.
[[nodiscard]] std::string headless_yaml(std::string_view name,
                                        const std::vector<std::string>& addresses,
                                        std::string_view ns = "default");

class Integration : public ::testing::Test {
 protected:
  // `clusterdns serve --manifests <manifests> --listen 127.0.0.1:0 ARGUMENTS…`; `--no-forward` and
  // `--no-console` unless an argument says `--forward` or `--console`.
  ServerProcess& serve(std::vector<std::string> arguments = {});
  // `clusterdns -conf Corefile`, with these lines written to it; %M is the manifest folder.
  ServerProcess& serve_corefile(std::string_view corefile, ProcessOptions options = {});
  [[nodiscard]] std::string with_paths(std::string_view corefile) const;
  [[nodiscard]] const Endpoint& endpoint() { return server_->endpoint(); }
  [[nodiscard]] Message ask(std::string_view name, std::string_view type = "A");
  // The addresses of `name`; empty when there are none.
  [[nodiscard]] std::vector<std::string> addresses(std::string_view name,
                                                   std::string_view type = "A");
  // Asks again and again until `done`; returns how long that took, nullopt after `budget`.
  [[nodiscard]] std::optional<std::chrono::milliseconds> until(
      const std::function<bool()>& done, std::chrono::milliseconds budget = kAnswerTimeout);
  // Fails the test unless the server ends with exit code 0.
  void stop();
  void TearDown() override;

  TempDir directory_;
  // The folder of manifests.
  TempDir manifests_;
  std::optional<ServerProcess> server_;
};

}  // namespace clusterdns::test
