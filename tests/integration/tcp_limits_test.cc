// TCP clients that misbehave, and what that costs everyone else.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "integration/fixture.h"
#include "support/http_client.h"
#include "support/scripted_upstream.h"

namespace clusterdns::test {
namespace {

using std::chrono::milliseconds;

// No server keeps a silent connection longer than this.
constexpr milliseconds kIdleAtMost{60000};
constexpr std::string_view kName = "web.default.svc.cluster.local.";

class TcpLimits : public Integration {
 protected:
  void SetUp() override {
    std::vector<std::string> many;
    for (int i = 1; i <= 250; ++i) {
      many.push_back("10.244.60." + std::to_string(i));
    }
    manifests_.write("a.yaml",
                     service_yaml("web", "10.96.1.1") + "---\n" + headless_yaml("big", many));
  }

  // The share of `count` UDP questions, one after the other, that is answered within five seconds:
  // a machine that does other things, too, lets nobody answer for one now and then.
  double udp_answered(int count) {
    int answered = 0;
    UdpClient client(endpoint());
    for (int i = 0; i < count; ++i) {
      const Octets query =
          encode(Query{.name = std::string(kName), .id = static_cast<std::uint16_t>(i + 1)});
      client.send(query);
      const Deadline deadline = Deadline::after(milliseconds(5000));
      while (const auto answer = client.receive(deadline)) {
        if (answer->size() > 2 && (*answer)[0] == query[0] && (*answer)[1] == query[1]) {
          ++answered;
          break;
        }
      }
    }
    return static_cast<double>(answered) / count;
  }

  static void raise_open_files() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  // Where a path is served: port 0 was asked for, and the log tells what it became.
  Endpoint http(std::string_view path) {
    const std::string mark = "Serving " + std::string(path) + " on ";
    EXPECT_TRUE(server_->wait_for_output(mark)) << server_->output();
    const std::string output = server_->output();
    const std::size_t at = output.rfind(mark) + mark.size();
    return Endpoint::from_text(output.substr(at, output.find('\n', at) - at));
  }
  std::map<std::string, double> metrics() {
    return parse_metrics(http_get(http("/metrics"), "/metrics").body);
  }

  // Pipelines questions with large answers until neither side takes more, and never reads.
  static void fill(TcpClient& client) {
    const Octets one =
        framed(encode(Query{.name = "big.default.svc.cluster.local.", .type = "SRV"}));
    Octets many;
    for (int i = 0; i < 200; ++i) {
      many.insert(many.end(), one.begin(), one.end());
    }
    const ssize_t sent =
        ::send(client.descriptor(), many.data(), many.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;  // a part is enough
  }
};

// Nothing, one octet of the length, half a message, a whole one and then nothing.
TEST_F(TcpLimits, IdleConnectionsAreClosed) {
  serve();
  const Octets message = framed(encode(Query{.name = std::string(kName)}));
  std::vector<TcpClient> clients;
  for (const std::size_t octets :
       {std::size_t{0}, std::size_t{1}, message.size() / 2, message.size()}) {
    clients.emplace_back(endpoint());
    clients.back().send_raw(std::span(message).first(octets));
  }
  const Deadline deadline = Deadline::after(kIdleAtMost);
  for (std::size_t i = 0; i < clients.size(); ++i) {
    EXPECT_TRUE(clients[i].closed_by_peer(deadline)) << "client " << i;
  }
}

TEST_F(TcpLimits, SlowWritersAreCut) {
  serve();
  const Octets message = framed(
      encode(Query{.name = std::string(kName), .edns = Edns{.options = {{65001, Octets(60000)}}}}));
  TcpClient client(endpoint());
  const Deadline deadline = Deadline::after(kIdleAtMost);
  bool cut = false;
  // An octet each time the peer has said nothing for half a second: never idle, never done.
  for (const std::uint8_t octet : message) {
    try {
      client.send_raw(std::span(&octet, 1));
    } catch (const TestError&) {
      cut = true;
      break;
    }
    if (wait_for(client.descriptor(), POLLIN, Deadline::exactly(milliseconds(500)))) {
      cut = client.closed_by_peer(deadline);
      break;
    }
    if (deadline.passed()) {
      break;
    }
  }
  EXPECT_TRUE(cut);
}

// The client cannot see it: a FIN waits behind the octets it does not read. The server's own
// descriptors tell.
TEST_F(TcpLimits, SlowReadersAreCut) {
  serve();
  ASSERT_EQ(udp_answered(10), 1.0);
  const std::size_t before = server_->open_descriptors();
  TcpClient client(endpoint(), 4096);
  fill(client);
  ASSERT_TRUE(until([&] { return server_->open_descriptors() > before; }));
  EXPECT_TRUE(until([&] { return udp_answered(1) == 1.0 && server_->open_descriptors() <= before; },
                    kIdleAtMost));
}

TEST_F(TcpLimits, ClientsThatNeverReadCostNoUdp) {
  serve();
  ASSERT_EQ(udp_answered(500), 1.0);
  std::vector<TcpClient> clients;
  for (int i = 0; i < 200; ++i) {
    clients.emplace_back(endpoint(), 4096);
    fill(clients.back());
  }
  // While they push on.
  double share = 1;
  for (int round = 0; round < 10; ++round) {
    for (TcpClient& client : clients) {
      fill(client);
    }
    share = std::min(share, udp_answered(200));
  }
  EXPECT_GE(share, 0.99);
  EXPECT_TRUE(server_->running());
}

TEST_F(TcpLimits, ManyIdleConnectionsCostNoUdpAndAreBounded) {
  raise_open_files();
  serve();
  std::vector<TcpClient> clients;
  for (int i = 0; i < 600; ++i) {
    try {
      clients.emplace_back(endpoint());
    } catch (const TestError&) {
      break;  // refusing is one way of bounding
    }
  }
  EXPECT_GE(udp_answered(500), 0.99);
  clients.clear();
  // And TCP is there again.
  ASSERT_TRUE(until([&] {
    try {
      return ask_tcp(endpoint(), Query{.name = std::string(kName)}).answer.size() == 1;
    } catch (const TestError&) {
      return false;
    }
  }));
}

// Accepting fails with EMFILE while the listening socket stays readable: neither a busy loop nor
// an end.
TEST_F(TcpLimits, OutOfDescriptors) {
  server_.emplace(
      ProcessOptions{.arguments = {"serve", "--manifests", manifests_.path().string(), "--listen",
                                   "127.0.0.1:0", "--no-forward", "--workers", "1"},
                     .open_files = 48});
  server_->wait_until_listening();
  ASSERT_EQ(udp_answered(100), 1.0);
  std::vector<TcpClient> clients;
  for (int i = 0; i < 100; ++i) {
    clients.emplace_back(endpoint());  // the backlog takes what the server cannot accept
  }
  EXPECT_GE(udp_answered(200), 0.99);
  // A second in which nobody asks anything.
  const milliseconds before = server_->processor_time();
  UdpClient quiet(endpoint());
  EXPECT_FALSE(quiet.receive(Deadline::exactly(milliseconds(1000))).has_value());
  const milliseconds used = server_->processor_time() - before;
  EXPECT_LT(used, milliseconds(300)) << "spinning";
  EXPECT_TRUE(server_->running()) << server_->output();
  clients.clear();
  ASSERT_TRUE(until([&] {
    try {
      return ask_tcp(endpoint(), Query{.name = std::string(kName)}).answer.size() == 1;
    } catch (const TestError&) {
      return false;
    }
  })) << server_->output();
  // Edits still arrive: the watcher has its descriptors.
  manifests_.replace("b.yaml", service_yaml("late", "10.96.1.77"));
  EXPECT_TRUE(until([&] { return addresses("late.default.svc.cluster.local.").size() == 1; }))
      << server_->output();
}

// --- framing ---

// Questions in pieces of any size, ends of pieces anywhere, some of them padded to 60 KiB.
TEST_F(TcpLimits, QuestionsInPiecesAreAnsweredWhole) {
  serve({"--workers", "1"});
  std::mt19937 random(7);
  const auto below = [&](std::size_t n) { return random() % n; };
  for (int round = 0; round < 8; ++round) {
    Octets all;
    constexpr std::uint16_t kQuestions = 200;
    for (std::uint16_t id = 1; id <= kQuestions; ++id) {
      Query query{.name = std::string(kName), .id = id};
      if (below(20) == 0) {
        query.edns = Edns{.options = {{65001, Octets(below(60000))}}};
      }
      const Octets one = framed(encode(query));
      all.insert(all.end(), one.begin(), one.end());
    }
    TcpClient client(endpoint());
    std::thread writer([&] {
      for (std::size_t at = 0; at < all.size();) {
        const std::size_t piece = round < 2 ? 1 + below(3) : 1 + below(round < 5 ? 100 : 20000);
        const std::size_t size = std::min(piece, all.size() - at);
        client.send_raw(std::span(all).subspan(at, size));
        at += size;
        if (round < 2 && at > 4000) {
          client.send_raw(std::span(all).subspan(at));
          break;
        }
      }
    });
    std::set<int> seen;
    for (int i = 0; i < kQuestions; ++i) {
      const auto answer = client.receive(Deadline::after(kAnswerTimeout));
      ASSERT_TRUE(answer.has_value()) << i << " of round " << round;
      seen.insert((*answer)[0] << 8 | (*answer)[1]);
    }
    writer.join();
    EXPECT_EQ(seen.size(), kQuestions);
  }
}

// A client that reads late gets all answers: questions wait meanwhile, and none is lost.
TEST_F(TcpLimits, AnswersThatWaitForTheirReaderAllCome) {
  serve({"--workers", "1"});
  TcpClient client(endpoint(), 4096);
  constexpr int kQuestions = 300;
  Octets all;
  for (std::uint16_t id = 1; id <= kQuestions; ++id) {
    const Octets one =
        framed(encode(Query{.name = "big.default.svc.cluster.local.", .type = "SRV", .id = id}));
    all.insert(all.end(), one.begin(), one.end());
  }
  std::thread writer([&] { client.send_raw(all); });
  ASSERT_EQ(udp_answered(50), 1.0);
  std::set<int> seen;
  for (int i = 0; i < kQuestions; ++i) {
    const auto answer = client.receive(Deadline::after(kAnswerTimeout));
    ASSERT_TRUE(answer.has_value()) << i;
    seen.insert((*answer)[0] << 8 | (*answer)[1]);
  }
  writer.join();
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kQuestions));
}

// RFC 9293, 3.6: whoever has closed its half still wants its answers.
TEST_F(TcpLimits, AnswersUnderWayAreSentAfterTheClientsEnd) {
  ScriptedUpstream upstream([](const ScriptedUpstream::Exchange& exchange) {
    return reply_to(
        exchange.query,
        {.answers = 1, .records = a_record(exchange.query.questions[0].name, "192.0.2.7")});
  });
  serve({"--forward", upstream.endpoint().text(), "--workers", "1"});
  for (const int forwarded : {0, 1, 20, 300}) {
    TcpClient client(endpoint());
    Octets all;
    for (int i = 0; i < 70 + forwarded; ++i) {
      const Octets one = framed(
          encode(Query{.name = i < 70 ? std::string(kName) : "n" + std::to_string(i) + ".example.",
                       .id = static_cast<std::uint16_t>(i + 1)}));
      all.insert(all.end(), one.begin(), one.end());
    }
    // Nobody waits for an octet that makes a message whole.
    all.push_back(0);
    client.send_raw(all);
    client.end_of_input();
    int answers = 0;
    while (client.receive(Deadline::after(kAnswerTimeout)).has_value()) ++answers;
    EXPECT_EQ(answers, 70 + forwarded);
  }
}

// No more than kTcpInFlight of a connection are under way; the rest wait in the socket, and are
// asked for when those have their answers.
TEST_F(TcpLimits, QuestionsUnderWayOfAConnectionAreBounded) {
  constexpr std::size_t kInFlight = 128;
  std::atomic<bool> answers = false;
  ScriptedUpstream upstream(
      [&](const ScriptedUpstream::Exchange& exchange) -> std::optional<Octets> {
        const std::string& name = exchange.query.questions[0].name;
        if (!answers && name.starts_with("q")) return std::nullopt;
        return reply_to(exchange.query, {.answers = 1, .records = a_record(name, "192.0.2.7")});
      });
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  workers 1\n  forward . " + upstream.endpoint().text() +
                 " {\n    health_check 60s\n    max_fails 0\n  }\n}\n");
  TcpClient client(endpoint());
  Octets all;
  for (std::size_t i = 0; i < 2 * kInFlight; ++i) {
    const Octets one = framed(encode(
        Query{.name = "q" + std::to_string(i) + ".example.", .id = static_cast<std::uint16_t>(i)}));
    all.insert(all.end(), one.begin(), one.end());
  }
  client.send_raw(all);
  ASSERT_TRUE(upstream.wait_for_queries(kInFlight, Deadline::after(kAnswerTimeout)));
  // Others are asked for meanwhile, and the worker has come round more than once.
  for (int i = 0; i < 5; ++i) {
    const Query other{.name = "other" + std::to_string(i) + ".example."};
    EXPECT_EQ(ask_udp(endpoint(), other).answer.size(), 1U);
  }
  std::set<std::string> asked;
  for (const auto& exchange : upstream.received()) {
    const std::string& name = exchange.query.questions[0].name;
    if (name.starts_with("q")) asked.insert(name);
  }
  EXPECT_EQ(asked.size(), kInFlight);
  answers = true;  // to what is asked again, and to the rest
  std::size_t count = 0;
  while (count < 2 * kInFlight &&
         client.receive(Deadline::after(std::chrono::seconds(20))).has_value()) {
    ++count;
  }
  EXPECT_EQ(count, 2 * kInFlight);
}

// One that is longer than what is read of a datagram is no query that ends there.
TEST_F(TcpLimits, DatagramsAreBounded) {
  serve();
  const auto rcode = [&](std::size_t octets) {
    Octets query = encode(Query{.name = std::string(kName), .edns = Edns{}});
    const std::size_t padding = octets - query.size() - 4;
    query = encode(
        Query{.name = std::string(kName), .edns = Edns{.options = {{65001, Octets(padding)}}}});
    EXPECT_EQ(query.size(), octets);
    UdpClient client(endpoint());
    client.send(query);
    const auto answer = client.receive(Deadline::after(kAnswerTimeout));
    return answer ? (*answer)[3] & 15 : -1;
  };
  EXPECT_EQ(rcode(4096), 0);
  EXPECT_EQ(rcode(4097), 1);
  EXPECT_EQ(rcode(60'000), 1);
}

// --- memory ---

TEST_F(TcpLimits, MemoryFollowsWhatHasCome) {
  if (kBuildFactor != 1) GTEST_SKIP() << "a sanitizer's memory is its own";
  raise_open_files();
  serve({"--workers", "1"});
  ASSERT_EQ(udp_answered(10), 1.0);
  std::vector<TcpClient> clients;
  for (int i = 0; i < 800; ++i) clients.emplace_back(endpoint());
  ASSERT_TRUE(until([&] { return server_->open_descriptors() > 800; }));
  const std::size_t before = server_->resident();
  const Octets long_message{0xFF, 0xFF};
  for (TcpClient& client : clients) client.send_raw(long_message);
  ASSERT_EQ(ask_tcp(endpoint(), Query{.name = std::string(kName)}).answer.size(), 1U);
  const std::size_t after = server_->resident();
  EXPECT_LT((after - std::min(before, after)) / clients.size(), 1024U);
}

// Clients of one address ask for much and read nothing. What is held stays within the bound;
// whoever else has a connection keeps it.
TEST_F(TcpLimits, UnreadAnswersAreBoundedAndCostTheirClient) {
  raise_open_files();
  serve_corefile(
      ".:0 {\n  bind 127.0.0.1\n  workers 2\n  prometheus 127.0.0.1:0\n  kubernetes "
      "cluster.local {\n    manifests %M\n  }\n}\n");
  TcpClient innocent(endpoint(), 0, "127.0.0.2");
  ASSERT_EQ(innocent.exchange(Query{.name = std::string(kName)}).answer.size(), 1U);
  std::vector<TcpClient> clients;
  std::size_t most = 0;
  for (int i = 0; i < 900; ++i) {
    try {
      clients.emplace_back(endpoint(), 4096);
      fill(clients.back());
    } catch (const TestError&) {
      clients.pop_back();
    }
    if (i % 50 == 0) {
      most = std::max(most, static_cast<std::size_t>(metrics()["clusterdns_tcp_held_bytes"]));
      // Or it would end for its silence, where this takes seconds.
      ASSERT_EQ(innocent.exchange(Query{.name = std::string(kName)}).answer.size(), 1U) << i;
    }
  }
  // The workers have to come to it.
  EXPECT_TRUE(until([&] {
    auto now = metrics();
    most = std::max(most, static_cast<std::size_t>(now["clusterdns_tcp_held_bytes"]));
    return most > 1U << 20 && now["clusterdns_tcp_connections_ended_total{reason=\"octets\"}"] > 0;
  })) << most;
  EXPECT_LE(most, (32U << 20) + (1U << 20)) << "and a connection for each worker";
  EXPECT_EQ(innocent.exchange(Query{.name = std::string(kName)}).answer.size(), 1U);
  EXPECT_EQ(udp_answered(50), 1.0);
  clients.clear();
  EXPECT_TRUE(until([&] { return metrics()["clusterdns_tcp_held_bytes"] < 1 << 20; }, kIdleAtMost));
}

// --- room ---

// One client has all places but a few; it is the one that gives when others come.
TEST_F(TcpLimits, RoomIsMadeByWhoHasMost) {
  raise_open_files();
  serve({"--workers", "1"});
  TcpClient early(endpoint(), 0, "127.0.0.2");
  std::vector<TcpClient> greedy;
  // At the head of the list stands one that waits for its reader.
  greedy.emplace_back(endpoint(), 4096);
  fill(greedy.back());
  for (int i = 0; i < 1100; ++i) {
    greedy.emplace_back(endpoint());
    // Or it would end for its silence, where this takes seconds.
    if (i % 100 != 0) continue;
    EXPECT_EQ(early.exchange(Query{.name = std::string(kName)}).answer.size(), 1U) << i;
  }
  for (int i = 3; i < 20; ++i) {
    TcpClient late(endpoint(), 0, "127.0.0." + std::to_string(i));
    ASSERT_EQ(late.exchange(Query{.name = std::string(kName)}).answer.size(), 1U) << i;
  }
  EXPECT_EQ(early.exchange(Query{.name = std::string(kName)}).answer.size(), 1U);
  // And another one that takes many takes them from the first.
  std::vector<TcpClient> other;
  for (int i = 0; i < 500; ++i) other.emplace_back(endpoint(), 0, "127.0.0.2");
  EXPECT_EQ(early.exchange(Query{.name = std::string(kName)}).answer.size(), 1U);
}

// Where descriptors are few, TCP clients do not get those that the server needs itself.
TEST_F(TcpLimits, DescriptorsAreKeptBack) {
  ScriptedUpstream upstream(
      [](const ScriptedUpstream::Exchange& exchange) -> std::optional<Octets> {
        if (!exchange.tcp) return reply_to(exchange.query, {.flags = kFlagRA | kFlagTC});
        return reply_to(
            exchange.query,
            {.answers = 1, .records = a_record(exchange.query.questions[0].name, "192.0.2.7")});
      });
  serve_corefile(
      ".:0 {\n  bind 127.0.0.1\n  workers 2\n  prometheus 127.0.0.1:0\n  health 127.0.0.1:0\n"
      "  kubernetes cluster.local {\n    manifests %M\n  }\n  forward . " +
          upstream.endpoint().text() + "\n}\n",
      {.arguments = {}, .open_files = 256});
  ASSERT_TRUE(server_->wait_for_output("the limit of open files (256) leaves "))
      << server_->output();
  std::vector<TcpClient> clients;
  for (int i = 0; i < 400; ++i) clients.emplace_back(endpoint());
  ASSERT_TRUE(until(
      [&] { return metrics()["clusterdns_tcp_connections_ended_total{reason=\"room\"}"] > 100; }));
  EXPECT_EQ(http_get(http("/health"), "/health").status, 200);
  manifests_.replace("b.yaml", service_yaml("late", "10.96.1.77"));
  EXPECT_TRUE(until([&] { return addresses("late.default.svc.cluster.local.").size() == 1; }));
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(addresses("n" + std::to_string(i) + ".example."),
              std::vector<std::string>{"192.0.2.7"});
  }
  EXPECT_EQ(ask_tcp(endpoint(), Query{.name = std::string(kName)}).answer.size(), 1U);
}

// The soft limit of descriptors is for programs that cannot take more; ours can.
TEST_F(TcpLimits, TheSoftLimitOfDescriptorsIsRaised) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 100;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  serve();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit of_server{};
  ASSERT_EQ(::prlimit(server_->pid(), RLIMIT_NOFILE, nullptr, &of_server), 0);
  EXPECT_EQ(of_server.rlim_cur, before.rlim_max);
}

// 4,000 addresses: 64 KB are reached over TCP, and the limit of a message is kept.
TEST_F(TcpLimits, AnswersUpTo64KiB) {
  for (int part = 0; part < 5; ++part) {
    std::string text =
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n"
        "  name: huge-" +
        std::to_string(part) +
        "\n  labels: {kubernetes.io/service-name: huge}\naddressType: IPv4\n"
        "ports: [{name: http, port: 80}]\nendpoints:\n";
    for (int i = 0; i < 1000; ++i) {
      text += "- addresses: [10." + std::to_string(100 + part) + "." + std::to_string(i / 250) +
              "." + std::to_string(i % 250 + 1) + "]\n";
    }
    manifests_.write("huge-" + std::to_string(part) + ".yaml", text);
  }
  manifests_.write("huge.yaml",
                   "apiVersion: v1\nkind: Service\nmetadata: {name: huge}\n"
                   "spec: {clusterIP: None, ports: [{name: http, port: 80}]}\n");
  serve();
  const Message response = ask_tcp(endpoint(), Query{.name = "huge.default.svc.cluster.local."});
  EXPECT_LE(response.wire.size(), 65535U);
  EXPECT_TRUE(response.has(kFlagTC)) << "5,000 addresses do not fit in 64 KiB";
  EXPECT_GT(response.answer.size(), 4000U);
  const Message udp = ask_udp(endpoint(), Query{.name = "huge.default.svc.cluster.local."});
  EXPECT_TRUE(udp.has(kFlagTC));
  EXPECT_GT(udp.answer.size(), 20U);
}

}  // namespace
}  // namespace clusterdns::test
