#include "app/embed/clusterdns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace clusterdns {
namespace {

using ::testing::ElementsAre;

TEST(Embed, AServerThatListensNowhereIsAnError) {
  Registry registry;
  EXPECT_THROW(Server(registry, {.corefile = "# nothing\n"}), std::runtime_error);
}

TEST(Embed, AddressesOfOthersAreTheUpstreams) {
  Registry registry;
  registry.set({.name = "web", .cluster_ips = {"10.96.0.20"}, .ports = {{"http", 80}}});
  Server upstream(
      registry,
      {.corefile = ".:0 {\n  bind 127.0.0.1\n  hosts {\n    192.0.2.8 host.example\n  }\n}\n"});
  Server server(registry, {.listen = {"127.0.0.1:0"},
                           .forward = {"127.0.0.1:" + std::to_string(upstream.port())}});
  EXPECT_THAT(server.ask("8.2.0.192.in-addr.arpa", "PTR"), ElementsAre("host.example."));
  EXPECT_THAT(server.ask("20.0.96.10.in-addr.arpa", "PTR"),
              ElementsAre("web.default.svc.cluster.local."));
}

// Waits for lines that another thread brings.
class Lines {
 public:
  void add(std::string_view line) {
    const std::lock_guard lock(mutex_);
    lines_.emplace_back(line);
    changed_.notify_all();
  }
  // The first one with `part` in it; empty when none comes.
  std::string wait_for(std::string_view part) {
    std::unique_lock lock(mutex_);
    std::string found;
    changed_.wait_for(lock, std::chrono::seconds(60), [&] {
      for (const std::string& line : lines_) {
        if (line.find(part) != std::string::npos) found = line;
      }
      return !found.empty();
    });
    return found;
  }
  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return lines_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

TEST(Embed, TheLogOfACorefileReachesTheProgram) {
  Registry registry;
  Lines lines;
  Server server(registry,
                {.corefile = ".:0 {\n  bind 127.0.0.1\n  log\n  whoami\n  proxy . 192.0.2.1\n}\n",
                 .log = [&](std::string_view line) { lines.add(line); }});
  EXPECT_EQ(lines.wait_for("proxy"),
            "[WARNING] plugin/proxy: is treated as 'forward'; write "
            "'forward' instead (options:5:3)");
  (void)server.ask("who.example", "A");
  EXPECT_THAT(lines.wait_for("who.example."), ::testing::HasSubstr("\"A IN who.example. udp "));
  server.stop();
  const std::size_t count = lines.count();
  EXPECT_EQ(lines.count(), count);
}

// With nobody to take it, it is printed, as by the program.
TEST(Embed, TheLogOfACorefileIsPrinted) {
  ::testing::internal::CaptureStdout();
  {
    Registry registry;
    Server server(registry, {.corefile = ".:0 {\n  bind 127.0.0.1\n  log\n  whoami\n}\n"});
    (void)server.ask("who.example", "A");
    server.stop();
  }
  EXPECT_THAT(::testing::internal::GetCapturedStdout(),
              ::testing::HasSubstr("A IN who.example. udp"));
}

TEST(Embed, EachQueryIsShown) {
  Registry registry;
  registry.set({.name = "web", .cluster_ips = {"10.96.0.20"}, .ports = {{"http", 80}}});
  Lines lines;
  Server server(registry, {.on_query = [&](const Query& query) {
                  EXPECT_GT(query.duration.count(), 0);
                  EXPECT_LT(query.duration, std::chrono::seconds(10));
                  EXPECT_TRUE(query.client.starts_with("127.0.0.1:")) << query.client;
                  lines.add(std::string(query.name) + " " + std::string(query.type) + " " +
                            std::string(query.rcode) + (query.tcp ? " tcp" : " udp"));
                  if (query.rcode == "NXDOMAIN") throw std::runtime_error("dropped");
                }});
  (void)server.ask("web.default.svc.cluster.local", "A");
  EXPECT_EQ(lines.wait_for("web"), "web.default.svc.cluster.local. A NOERROR udp");
  std::string rcode;
  (void)server.ask("gone.default.svc.cluster.local", "TYPE65280", &rcode);
  EXPECT_EQ(rcode, "NXDOMAIN");
  EXPECT_EQ(lines.wait_for("gone"), "gone.default.svc.cluster.local. TYPE65280 NXDOMAIN udp");
}

TEST(Embed, Counters) {
  Registry registry;
  Server upstream(
      registry,
      {.corefile = ".:0 {\n  bind 127.0.0.1\n  hosts {\n    192.0.2.8 host.example\n  }\n}\n"});
  const std::string up = "127.0.0.1:" + std::to_string(upstream.port());
  Server server(registry, {.corefile = ".:0 {\n  bind 127.0.0.1\n  errors\n  cache\n  forward . " +
                                       up + "\n}\n",
                           .log = [](std::string_view) {}});
  EXPECT_EQ(server.counters().queries, 0U);
  for (int i = 0; i < 3; ++i) (void)server.ask("host.example", "A");
  EXPECT_EQ(server.counters().queries, 3U);
  EXPECT_EQ(server.counters().cache_hits, 2U);
  EXPECT_EQ(server.counters().failures, 0U);
  upstream.stop();
  (void)server.ask("other.example", "A");
  EXPECT_EQ(server.counters().failures, 1U);
  server.stop();
  // They stay.
  EXPECT_EQ(server.counters().queries, 4U);
  EXPECT_EQ(server.counters().cache_hits, 2U);
}

}  // namespace
}  // namespace clusterdns
