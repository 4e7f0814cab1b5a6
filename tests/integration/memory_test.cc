// Memory: too little of it, and those who want too much of it (docs/limits.md).
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>

#include "integration/fixture.h"
#include "support/scripted_upstream.h"

namespace clusterdns::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::string_view kName = "web.default.svc.cluster.local.";

// --- too little ---

class ShortOfMemory : public Integration {
 protected:
  void SetUp() override {
    if (kBuildFactor != 1) GTEST_SKIP() << "a sanitizer wants terabytes of address space";
    manifests_.write("a.yaml", service_yaml("web", "10.96.1.1"));
  }
  static std::string corefile() {
    return ".:0 {\n  bind 127.0.0.1\n  workers 2\n  errors\n  log\n  health 127.0.0.1:0\n"
           "  ready 127.0.0.1:0\n  prometheus 127.0.0.1:0\n  kubernetes cluster.local in-addr.arpa "
           "{\n"
           "    manifests %M\n  }\n  hosts {\n    192.0.2.1 host.example\n    fallthrough\n  }\n  "
           "cache 30\n"
           "  forward . 127.0.0.1:9\n}\n";
  }
  // What a process that ended said: one line, which names the program.
  static void expect_last_words(int code, const std::string& said) {
    EXPECT_EQ(code, 1) << said;
    EXPECT_TRUE(said.starts_with("clusterdns: ")) << said;
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
    EXPECT_EQ(said.find("std::"), std::string::npos) << said;
  }
};

// From far too little to enough: it serves, or says in one line why it does not.
TEST_F(ShortOfMemory, AtAStart) {
  directory_.write("Corefile", with_paths(corefile()));
  int served = 0, refused = 0;
  for (std::size_t limit = 4 * kMiB; served < 3; limit += limit < 64 * kMiB ? kMiB / 2 : 8 * kMiB) {
    ASSERT_LT(limit, 8192 * kMiB);
    // What is too little for the dynamic linker never gets as far as ourselves.
    if (run({.arguments = {"version"}, .address_space = limit}).exit_code != 0) continue;
    SCOPED_TRACE(std::to_string(limit / 1024) + " KiB");
    ServerProcess server({.arguments = {"-conf", (directory_.path() / "Corefile").string()},
                          .address_space = limit});
    if (server.wait_for_output("Listening on ", 1, seconds(20))) {
      ++served;
      const Message answer = ask_udp(server.endpoint(), Query{.name = std::string(kName)});
      EXPECT_EQ(answer.answer.size(), 1U);
      EXPECT_EQ(server.stop(), 0) << server.output();
      continue;
    }
    ++refused;
    const auto code = server.wait_for_exit(Deadline::after(seconds(20)));
    ASSERT_TRUE(code.has_value()) << "it stands still; " << server.output();
    expect_last_words(*code, server.standard_error());
  }
  EXPECT_GT(refused, 3);
}

// A running server has no more than it has, and a little: it goes on with the configuration before,
// takes the new one, or ends with one line.
TEST_F(ShortOfMemory, AtAReload) {
  int lived = 0;
  for (std::size_t more : {0U, 16U, 64U, 128U, 256U, 512U, 1024U, 2048U, 4096U, 65536U, 262144U}) {
    SCOPED_TRACE(std::to_string(more) + " KiB more");
    serve_corefile(corefile());
    ASSERT_EQ(addresses(kName).size(), 1U);
    const rlimit limit{server_->address_space() + more * 1024, RLIM_INFINITY};
    ASSERT_EQ(::prlimit(server_->pid(), RLIMIT_AS, &limit, nullptr), 0);
    // Ten thousand zones, so that it needs memory.
    std::string zones = "  cache 60";
    for (int i = 0; i < 10'000; ++i) zones += " zone" + std::to_string(i) + ".example";
    directory_.replace("Corefile", with_paths(".:0 {\n  bind 127.0.0.1\n" + zones +
                                              "\n  kubernetes "
                                              "cluster.local {\n    manifests %M\n  }\n}\n"));
    server_->signal(SIGUSR1);
    const auto told = [&] {
      const std::string output = server_->output();
      return output.find("Reloading complete") != std::string::npos ||
             output.find("reload failed") != std::string::npos || !server_->running();
    };
    ASSERT_TRUE(until(told, seconds(20))) << "it stands still; " << server_->output();
    if (server_->running()) {
      ++lived;
      EXPECT_EQ(addresses(kName).size(), 1U);
      EXPECT_EQ(ask_tcp(endpoint(), Query{.name = std::string(kName)}).answer.size(), 1U);
      // With memory it goes on as ever.
      const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
      ASSERT_EQ(::prlimit(server_->pid(), RLIMIT_AS, &none, nullptr), 0);
      server_->signal(SIGUSR1);
      ASSERT_TRUE(
          until([&] { return server_->output().find("Reloading complete") != std::string::npos; },
                seconds(20)))
          << server_->output();
      EXPECT_EQ(addresses(kName).size(), 1U);
      stop();
    } else {
      const auto code = server_->wait_for_exit(Deadline::after(seconds(20)));
      expect_last_words(code.value_or(-1), server_->standard_error());
    }
    server_.reset();
  }
  EXPECT_GT(lived, 0);
}

// --- too much ---

// All of the attacks of docs/limits.md at once. What the page adds up is not exceeded.
class MemoryUnderAttack : public Integration, public ::testing::WithParamInterface<unsigned> {
 protected:
  void SetUp() override {
    if (kBuildFactor != 1) GTEST_SKIP() << "a sanitizer's memory is its own";
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    std::vector<std::string> many;
    for (int i = 1; i <= 250; ++i) many.push_back("10.244.60." + std::to_string(i));
    manifests_.write("a.yaml",
                     service_yaml("web", "10.96.1.1") + "---\n" + headless_yaml("big", many));
  }
  // A row of the table of sums, MiB, for so many workers.
  static std::size_t documented(std::string_view row, unsigned workers) {
    std::ifstream page(CLUSTERDNS_SOURCE_DIR "/docs/limits.md");
    bool in_table = false;
    for (std::string line; std::getline(page, line);) {
      in_table = in_table || line.starts_with("| MiB |");
      if (!in_table || !line.starts_with("| " + std::string(row))) continue;
      const std::size_t second = line.find(" | ") + 3;
      const std::size_t third = line.find(" | ", second) + 3;
      return std::stoul(line.substr(workers == 2 ? second : third)) * kMiB;
    }
    ADD_FAILURE() << "no row " << row;
    return 0;
  }
  static std::string client(int i) {
    return "127." + std::to_string(1 + i / 60000) + "." + std::to_string(i / 240 % 250) + "." +
           std::to_string(1 + i % 240);
  }
  // Sends what the socket takes.
  static void push(TcpClient& client, const Octets& octets) {
    (void)!::send(client.descriptor(), octets.data(), octets.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  void check(const char* what, std::size_t limit) {
    const std::size_t most = server_->most_resident();
    std::printf("%-40s %5.1f MiB at most, %5.1f are stated\n", what,
                static_cast<double>(most) / kMiB, static_cast<double>(limit) / kMiB);
    EXPECT_LE(most, limit) << what;
  }
};

INSTANTIATE_TEST_SUITE_P(Workers, MemoryUnderAttack, ::testing::Values(2U, 16U));

TEST_P(MemoryUnderAttack, AllBoundsAtOnce) {
  const unsigned workers = GetParam();
  // Silent for names that begin with "s"; others get as much as is cached, or 60 KB over TCP.
  ScriptedUpstream upstream(
      [](const ScriptedUpstream::Exchange& exchange) -> std::optional<Octets> {
        const std::string& name = exchange.query.questions[0].name;
        if (name.starts_with("s")) return std::nullopt;
        if (!exchange.tcp) return reply_to(exchange.query, {.flags = kFlagRA | kFlagTC});
        const unsigned count = name.starts_with("c") ? 480 : 3700;
        Octets records;
        for (unsigned i = 0; i < count; ++i) {
          const Octets one = a_record(name, "192.0.2." + std::to_string(i % 250));
          records.insert(records.end(), one.begin(), one.end());
        }
        return reply_to(exchange.query, {.answers = count, .records = std::move(records)});
      });
  serve_corefile(
      ".:0 {\n  workers " + std::to_string(workers) +
      "\n  log\n  errors\n  kubernetes cluster.local {\n    manifests %M\n  }\n  cache 3600\n"
      "  forward . " +
      upstream.endpoint().text() + "\n}\n");
  const Endpoint at{"127.0.0.1", endpoint().port};
  ASSERT_EQ(ask_udp(at, Query{.name = std::string(kName)}).answer.size(), 1U);

  // What the table has of this process's own memory; the rest is the kernel's. Without optimisation
  // and with shared libraries the program itself takes some MiB more.
  const auto row = [&](std::string_view name) { return documented(name, workers); };
  // What goes into the cache is a question first.
  std::size_t limit = server_->most_resident() + row("buffers of workers") + row("log") +
                      row("questions that wait");

  // A cache of large answers.
  limit += row("the cache");
  {
    TcpClient filler(at, 0, "127.0.0.1");
    for (int i = 0; i < 3000; ++i) {
      (void)filler.exchange(Query{.name = "c" + std::to_string(i) + ".example."});
    }
  }
  check("the cache", limit);
  // Questions that no upstream answers, of as many clients as may come.
  for (int i = 0; i < 60; ++i) {
    UdpClient many(at, client(i));
    for (int j = 0; j < 500; ++j) {
      many.send(
          encode(Query{.name = "s" + std::to_string(i * 1000 + j) + "." + std::string(60, 'x') +
                               "." + std::string(60, 'y') + ".example.",
                       .id = static_cast<std::uint16_t>(j)}));
    }
    // The server has to come to reading them: so far the kernel has them.
    ASSERT_EQ(ask_udp(at, Query{.name = std::string(kName)}).answer.size(), 1U);
  }
  check("questions that wait for upstreams", limit);

  // Large messages that never end; questions with large answers that nobody reads; forwarded
  // answers of 60 KB that nobody reads. A worker's part is an equal one, whatever it has to do.
  limit += row("TCP: begun messages") + row("TCP connections") / 4;
  std::vector<std::unique_ptr<TcpClient>> clients;
  const auto connect = [&](int i) -> TcpClient* {
    try {
      clients.push_back(std::make_unique<TcpClient>(at, 4096, client(i)));
      return clients.back().get();
    } catch (const TestError&) {
      return nullptr;  // room was made at its cost
    }
  };
  Octets begun(60'000, 'x');
  begun[0] = begun[1] = 0xFF;
  Octets pipelined, forwarded;
  for (int i = 0; i < 200; ++i) {
    const Octets one =
        framed(encode(Query{.name = "big.default.svc.cluster.local.", .type = "SRV"}));
    pipelined.insert(pipelined.end(), one.begin(), one.end());
  }
  for (int i = 0; i < 40; ++i) {
    const Octets one = framed(encode(Query{.name = "f" + std::to_string(i) + ".example."}));
    forwarded.insert(forwarded.end(), one.begin(), one.end());
  }
  for (int i = 0; i < 700; ++i) {
    for (const Octets* what : {&begun, &pipelined, &forwarded}) {
      if (TcpClient* const one = connect(i)) push(*one, *what);
    }
  }
  ASSERT_EQ(ask_udp(at, Query{.name = std::string(kName)}).answer.size(), 1U);
  check("TCP", limit);

  // Its own names are answered all the while.
  EXPECT_EQ(ask_udp(at, Query{.name = std::string(kName)}).answer.size(), 1U);
}

}  // namespace
}  // namespace clusterdns::test
