#include "app/embed/clusterdns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace clusterdns {
namespace {

using ::testing::ElementsAre;

TEST(Embed, AskingAServerThatListensNowhereIsAnError) {
  Registry registry;
  Server server(registry, {.corefile = "# nothing\n"});
  EXPECT_EQ(server.port(), 0);
  EXPECT_THROW((void)server.ask("web.default.svc.cluster.local", "A"), std::runtime_error);
}

TEST(Embed, AddressesOfOthersAreTheUpstreams) {
  Registry registry;
  registry.set({.name = "web", .cluster_ips = {"10.96.0.20"}, .ports = {{"http", 80}}});
  Server upstream(registry, {.corefile = ".:0 {\n  bind 127.0.0.1\n  hosts {\n    192.0.2.8 host.example\n  }\n}\n"});
  Server server(registry, {.listen = {"127.0.0.1:0"},
                           .forward = {"127.0.0.1:" + std::to_string(upstream.port())}});
  EXPECT_THAT(server.ask("8.2.0.192.in-addr.arpa", "PTR"), ElementsAre("host.example."));
  EXPECT_THAT(server.ask("20.0.96.10.in-addr.arpa", "PTR"),
              ElementsAre("web.default.svc.cluster.local."));
}

}  // namespace
}  // namespace clusterdns
