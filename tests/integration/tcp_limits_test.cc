// TCP clients that misbehave, and what that costs everyone else.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

#include <algorithm>

#include "integration/fixture.h"

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

  // The share of `count` UDP questions, one after the other, that is answered within a second.
  double udp_answered(int count) {
    int answered = 0;
    UdpClient client(endpoint());
    for (int i = 0; i < count; ++i) {
      const Octets query =
          encode(Query{.name = std::string(kName), .id = static_cast<std::uint16_t>(i + 1)});
      client.send(query);
      const Deadline deadline = Deadline::after(milliseconds(1000));
      while (const auto answer = client.receive(deadline)) {
        if (answer->size() > 2 && (*answer)[0] == query[0] && (*answer)[1] == query[1]) {
          ++answered;
          break;
        }
      }
    }
    return static_cast<double>(answered) / count;
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
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
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
