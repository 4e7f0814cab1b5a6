// Names outside our zones, with an upstream that does what the test says.
#include <arpa/inet.h>
#include <atomic>

#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "integration/fixture.h"
#include "support/scripted_upstream.h"

namespace clusterdns::test {
namespace {

using Exchange = ScriptedUpstream::Exchange;

// Long enough for retries over all upstreams, short enough for a person.
constexpr std::chrono::milliseconds kGivesUp{20000};

std::optional<Octets> one_address(const Exchange& exchange) {
  return reply_to(
      exchange.query,
      {.answers = 1, .records = a_record(exchange.query.questions[0].name, "192.0.2.1")});
}

class Forwarding : public Integration {
 protected:
  void SetUp() override {
    manifests_.write("a.yaml", service_yaml("web", "10.96.1.1") +
                                   "---\napiVersion: v1\nkind: Service\nmetadata: {name: outside}\n"
                                   "spec: {type: ExternalName, externalName: www.example.com}\n");
  }
  void start(const std::vector<Endpoint>& upstreams) {
    std::vector<std::string> arguments;
    for (const Endpoint& upstream : upstreams) {
      arguments.insert(arguments.end(), {"--forward", upstream.text()});
    }
    serve(std::move(arguments));
  }
  // One question that may take as long as giving up takes.
  Message ask_patiently(const Query& query) {
    UdpClient client(endpoint());
    const Octets message = encode(query);
    client.send(message);
    const std::optional<Octets> answer = client.receive(Deadline::after(kGivesUp));
    if (!answer.has_value()) {
      throw TestError("no answer at all");
    }
    Message response = decode(*answer);
    check_response(message, response);
    return response;
  }
};

// A loopback address nobody listens on: ICMP says so at once.
Endpoint closed_port() { return unused_endpoint("127.0.0.1"); }

TEST_F(Forwarding, AnswerIsRelayed) {
  ScriptedUpstream upstream(one_address);
  start({upstream.endpoint()});
  const Message response = ask("www.example.com.");
  expect_rcode(response, "NOERROR");
  EXPECT_EQ(texts(response.answer),
            (std::vector<std::string>{"www.example.com. 60 IN A 192.0.2.1"}));
  EXPECT_TRUE(response.has(kFlagRA));
  EXPECT_FALSE(response.has(kFlagAA));
  ASSERT_GE(upstream.received().size(), 1U);
  EXPECT_TRUE(upstream.received()[0].query.has(kFlagRD));
}

TEST_F(Forwarding, RecursionIsOfferedForClusterNamesToo) {
  ScriptedUpstream upstream(one_address);
  start({upstream.endpoint()});
  const Message response = ask("web.default.svc.cluster.local.");
  EXPECT_TRUE(response.has(kFlagRA)) << response.text();
  EXPECT_TRUE(response.has(kFlagAA));
  EXPECT_TRUE(upstream.received().empty());
}

TEST_F(Forwarding, OurOwnNameErrorsAreNotForwarded) {
  ScriptedUpstream upstream(one_address);
  start({upstream.endpoint()});
  expect_rcode(ask("nothing.default.svc.cluster.local."), "NXDOMAIN");
  EXPECT_TRUE(upstream.received().empty());
}

TEST_F(Forwarding, OverTcpFromTheClient) {
  ScriptedUpstream upstream(one_address);
  start({upstream.endpoint()});
  const Message response = ask_tcp(endpoint(), Query{.name = "www.example.com."});
  EXPECT_EQ(data_of(response.answer, "A"), (std::vector<std::string>{"192.0.2.1"}));
}

TEST_F(Forwarding, NegativeAnswersAreRelayedWhole) {
  ScriptedUpstream upstream([](const Exchange& exchange) -> std::optional<Octets> {
    WireWriter soa;
    WireWriter data;
    data.name("ns.example.com.").name("admin.example.com.").u32(1).u32(2).u32(3).u32(4).u32(77);
    soa.record("example.com.", "SOA", 77, data.out);
    return reply_to(exchange.query, {.rcode = 3, .authority = 1, .records = soa.out});
  });
  start({upstream.endpoint()});
  const Message response = ask("nothing.example.com.");
  expect_rcode(response, "NXDOMAIN");
  EXPECT_EQ(texts(response.authority),
            (std::vector<std::string>{
                "example.com. 77 IN SOA ns.example.com. admin.example.com. 1 2 3 4 77"}));
}

TEST_F(Forwarding, RcodesAreRelayed) {
  ScriptedUpstream upstream([](const Exchange& exchange) -> std::optional<Octets> {
    return reply_to(exchange.query, {.rcode = 5});
  });
  start({upstream.endpoint()});
  const Message response = ask_patiently(Query{.name = "www.example.com."});
  EXPECT_TRUE(response.rcode == 5 || response.rcode == 2) << response.text();
}

TEST_F(Forwarding, UnknownTypesAreRelayed) {
  ScriptedUpstream upstream([](const Exchange& exchange) -> std::optional<Octets> {
    WireWriter record;
    record.record(exchange.query.questions[0].name, "TYPE65280", 9, Octets{1, 2, 3});
    return reply_to(exchange.query, {.answers = 1, .records = record.out});
  });
  start({upstream.endpoint()});
  EXPECT_EQ(texts(ask("www.example.com.", "TYPE65280").answer),
            (std::vector<std::string>{"www.example.com. 9 IN TYPE65280 \\# 3 010203"}));
}

// RFC 4343: the client's letters come back, whatever the upstream echoes.
TEST_F(Forwarding, CaseOfTheQuestionIsKept) {
  ScriptedUpstream upstream(one_address);
  start({upstream.endpoint()});
  EXPECT_EQ(ask("WwW.eXaMpLe.CoM.").answer.size(), 1U);  // ask() compares the echoed question
}

TEST_F(Forwarding, DnssecOkIsKept) {
  ScriptedUpstream upstream([](const Exchange& exchange) -> std::optional<Octets> {
    Reply reply{.flags = kFlagRA | kFlagAD,
                .answers = 1,
                .records = a_record(exchange.query.questions[0].name, "192.0.2.1")};
    if (exchange.query.edns.has_value()) {
      reply.edns = Edns{.dnssec_ok = exchange.query.edns->dnssec_ok};
    }
    return reply_to(exchange.query, reply);
  });
  start({upstream.endpoint()});
  const Message with =
      test::ask(endpoint(), Query{.name = "with.example.com.", .edns = Edns{.dnssec_ok = true}});
  ASSERT_TRUE(with.edns.has_value()) << with.text();
  EXPECT_TRUE(with.edns->dnssec_ok);
  const Message without = ask("without.example.com.");
  EXPECT_FALSE(without.edns.has_value()) << without.text();
  for (const Exchange& exchange : upstream.received()) {
    const bool asked_with = exchange.query.questions[0].name == "with.example.com.";
    EXPECT_EQ(exchange.query.edns.has_value() && exchange.query.edns->dnssec_ok, asked_with)
        << exchange.query.text();
  }
}

TEST_F(Forwarding, TruncatedAnswersAreFetchedOverTcp) {
  ScriptedUpstream upstream([](const Exchange& exchange) -> std::optional<Octets> {
    return exchange.tcp ? one_address(exchange)
                        : reply_to(exchange.query, {.flags = kFlagRA | kFlagTC});
  });
  start({upstream.endpoint()});
  const Message response = ask("www.example.com.");
  EXPECT_EQ(data_of(response.answer, "A"), (std::vector<std::string>{"192.0.2.1"}));
  EXPECT_FALSE(response.has(kFlagTC));
}

// An answer the client's datagram cannot hold: TC over UDP, whole over TCP.
TEST_F(Forwarding, LargeAnswers) {
  constexpr unsigned kRecords = 2000;  // 32,000 octets and more
  ScriptedUpstream upstream([](const Exchange& exchange) -> std::optional<Octets> {
    if (!exchange.tcp) {
      return reply_to(exchange.query, {.flags = kFlagRA | kFlagTC});
    }
    WireWriter records;
    for (unsigned i = 0; i < kRecords; ++i) {
      records.u16(0xC00C).u16(1).u16(1).u32(60).u16(4);
      records.u8(10).u8(9).u8(i / 256).u8(i % 256);
    }
    return reply_to(exchange.query, {.answers = kRecords, .records = records.out});
  });
  start({upstream.endpoint()});
  const Message udp = ask_udp(endpoint(), Query{.name = "big.example.com."});
  EXPECT_TRUE(udp.has(kFlagTC)) << udp.wire.size();
  EXPECT_LE(udp.wire.size(), 512U);
  const Message tcp = ask_tcp(endpoint(), Query{.name = "big.example.com."});
  EXPECT_EQ(tcp.answer.size(), kRecords);
  EXPECT_FALSE(tcp.has(kFlagTC));
}

// The upstream fills a large datagram; the client has no EDNS.
TEST_F(Forwarding, AnswersAreCutToTheClientsSize) {
  ScriptedUpstream upstream([](const Exchange& exchange) -> std::optional<Octets> {
    WireWriter records;
    for (unsigned i = 0; i < 60; ++i) {
      records.u16(0xC00C).u16(1).u16(1).u32(60).u16(4).u8(10).u8(9).u8(0).u8(i);
    }
    Reply reply{.answers = 60, .records = records.out};
    if (exchange.query.edns.has_value()) {
      reply.edns = Edns{};
    }
    return reply_to(exchange.query, reply);
  });
  start({upstream.endpoint()});
  const Message small = ask_udp(endpoint(), Query{.name = "sixty.example.com."});
  EXPECT_LE(small.wire.size(), 512U);
  EXPECT_TRUE(small.has(kFlagTC));
  EXPECT_FALSE(small.edns.has_value());
  const Message large = ask_udp(endpoint(), Query{.name = "sixty.example.com.", .edns = Edns{}});
  EXPECT_EQ(large.answer.size(), 60U) << large.text();
  EXPECT_FALSE(large.has(kFlagTC));
}

// RFC 8914: SERVFAIL says why.
TEST_F(Forwarding, ClosedUpstream) {
  start({closed_port()});
  const Message response = ask_patiently(Query{.name = "www.example.com.", .edns = Edns{}});
  expect_rcode(response, "SERVFAIL");
  EXPECT_TRUE(response.extended_error().has_value()) << response.text();
  EXPECT_EQ(addresses("web.default.svc.cluster.local."), (std::vector<std::string>{"10.96.1.1"}));
}

TEST_F(Forwarding, SilentUpstream) {
  ScriptedUpstream upstream([](const Exchange&) -> std::optional<Octets> { return std::nullopt; });
  start({upstream.endpoint()});
  UdpClient waiting(endpoint());
  const Octets query = encode(Query{.name = "www.example.com.", .edns = Edns{}});
  waiting.send(query);
  // The worker goes on meanwhile.
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(addresses("web.default.svc.cluster.local.").size(), 1U);
  }
  const std::optional<Octets> answer = waiting.receive(Deadline::after(kGivesUp));
  ASSERT_TRUE(answer.has_value());
  const Message response = decode(*answer);
  check_response(query, response);
  expect_rcode(response, "SERVFAIL");
  EXPECT_TRUE(response.extended_error().has_value()) << response.text();
}

TEST_F(Forwarding, ErrorsCarryNoOptForClientsWithoutEdns) {
  start({closed_port()});
  const Message response = ask_patiently(Query{.name = "www.example.com."});
  expect_rcode(response, "SERVFAIL");
  EXPECT_FALSE(response.edns.has_value());
}

TEST_F(Forwarding, OneOfTwoUpstreamsIsDead) {
  ScriptedUpstream upstream(one_address);
  for (const bool dead_first : {true, false}) {
    SCOPED_TRACE(dead_first);
    start(dead_first ? std::vector<Endpoint>{closed_port(), upstream.endpoint()}
                     : std::vector<Endpoint>{upstream.endpoint(), closed_port()});
    for (int i = 0; i < 10; ++i) {
      const Message response =
          ask_patiently(Query{.name = "n" + std::to_string(i) + ".example.com."});
      EXPECT_EQ(data_of(response.answer, "A"), (std::vector<std::string>{"192.0.2.1"}));
    }
    stop();
  }
}

TEST_F(Forwarding, OneOfTwoUpstreamsIsSilent) {
  ScriptedUpstream silent([](const Exchange&) -> std::optional<Octets> { return std::nullopt; });
  ScriptedUpstream upstream(one_address);
  start({silent.endpoint(), upstream.endpoint()});
  const Message response = ask_patiently(Query{.name = "www.example.com."});
  EXPECT_EQ(data_of(response.answer, "A"), (std::vector<std::string>{"192.0.2.1"}))
      << response.text();
}

// Answers in any order find their clients.
TEST_F(Forwarding, ManyAtOnceAnsweredInReverse) {
  constexpr std::size_t kQueries = 100;
  std::atomic<ScriptedUpstream*> self = nullptr;  // read by the upstream's thread
  std::vector<std::pair<Exchange, Octets>> late;
  ScriptedUpstream upstream([&](const Exchange& exchange) -> std::optional<Octets> {
    // The last octet of the address says which name was asked.
    const std::string& name = exchange.query.questions[0].name;
    const std::string number = name.substr(1, name.find('.') - 1);
    if (!name.starts_with("n")) {
      return one_address(exchange);  // not one of ours: a probe of the server
    }
    late.emplace_back(
        exchange,
        reply_to(exchange.query, {.answers = 1, .records = a_record(name, "192.0.2." + number)}));
    if (late.size() < kQueries) {
      return std::nullopt;
    }
    for (std::size_t i = late.size(); i-- > 1;) {
      self.load()->send_udp(late[i].first, late[i].second);
    }
    self.load()->send_udp(late.front().first, late.front().second);
    return std::nullopt;
  });
  self = &upstream;
  serve({"--forward", upstream.endpoint().text(), "--workers", "1"});
  UdpClient client(endpoint());
  std::map<std::uint16_t, std::string> open;
  for (std::size_t i = 0; i < kQueries; ++i) {
    const auto id = static_cast<std::uint16_t>(1000 + i);
    client.send(encode(Query{.name = "n" + std::to_string(i) + ".example.com.", .id = id}));
    open[id] = "192.0.2." + std::to_string(i);
  }
  while (!open.empty()) {
    const auto answer = client.receive(Deadline::after(kGivesUp));
    ASSERT_TRUE(answer.has_value()) << open.size() << " unanswered";
    const Message response = decode(*answer);
    const auto found = open.find(response.id);
    ASSERT_NE(found, open.end());
    EXPECT_EQ(data_of(response.answer, "A"), (std::vector<std::string>{found->second}));
    open.erase(found);
  }
}

// RFC 5452: answers with a wrong ID or question are not believed.
TEST_F(Forwarding, ForgedAnswersAreIgnored) {
  std::atomic<ScriptedUpstream*> self = nullptr;  // read by the upstream's thread
  ScriptedUpstream upstream([&](const Exchange& exchange) -> std::optional<Octets> {
    Message forged = exchange.query;
    forged.id = static_cast<std::uint16_t>(forged.id + 1);
    self.load()->send_udp(
        exchange,
        reply_to(forged, {.answers = 1,
                          .records = a_record(exchange.query.questions[0].name, "203.0.113.66")}));
    return one_address(exchange);
  });
  self = &upstream;
  start({upstream.endpoint()});
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(addresses("www.example.com."), (std::vector<std::string>{"192.0.2.1"}));
  }
}

// RFC 5452 sections 5 and 9: equal questions under way are one, whoever asks them.
TEST_F(Forwarding, EqualQuestionsAreOneRequest) {
  constexpr std::size_t kClients = 8;
  constexpr std::size_t kEach = 50;
  std::atomic<ScriptedUpstream*> self = nullptr;  // read by the upstream's thread
  std::mutex mutex;
  std::vector<Exchange> held;
  ScriptedUpstream upstream([&](const Exchange& exchange) -> std::optional<Octets> {
    if (!exchange.query.questions[0].name.starts_with("bank")) return one_address(exchange);
    const std::lock_guard lock(mutex);
    held.push_back(exchange);
    return std::nullopt;
  });
  self = &upstream;
  serve({"--forward", upstream.endpoint().text(), "--workers", "2"});
  const auto began = std::chrono::steady_clock::now();
  std::vector<std::unique_ptr<UdpClient>> clients;
  for (std::size_t c = 0; c < kClients; ++c) {
    clients.push_back(std::make_unique<UdpClient>(endpoint()));
    for (std::size_t i = 0; i < kEach; ++i) {
      clients[c]->send(encode(Query{.name = "bank.example.com.",
                                    .id = static_cast<std::uint16_t>(1000 * (c + 1) + i)}));
    }
  }
  // A name that comes later shows that all of those have been read.
  for (auto& client : clients) {
    client->send(encode(Query{.name = "after.example.com.", .id = 50'000}));
    const auto answer = client->receive(Deadline::after(kGivesUp));
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(decode(*answer).id, 50'000);
  }
  {
    const std::lock_guard lock(mutex);
    // After silence each is asked twice more.
    const bool slow = std::chrono::steady_clock::now() - began > std::chrono::seconds(1);
    EXPECT_LE(held.size(), slow ? 6U : 2U) << "one a worker";
    for (const Exchange& exchange : held) {
      upstream.send_udp(exchange, *one_address(exchange));
    }
  }
  for (std::size_t c = 0; c < kClients; ++c) {
    std::set<std::uint16_t> ids;
    while (ids.size() < kEach) {
      const auto answer = clients[c]->receive(Deadline::after(kGivesUp));
      ASSERT_TRUE(answer.has_value()) << ids.size();
      const Message response = decode(*answer);
      EXPECT_EQ(data_of(response.answer, "A"), (std::vector<std::string>{"192.0.2.1"}));
      EXPECT_EQ(response.id / 1000, c + 1);
      ids.insert(response.id);
    }
  }
}

// A loop is noticed in the middle of a UDP batch, while questions over TCP wait for their turn
// behind others: what it ends is told afterwards, and nobody's answer is lost.
TEST_F(Forwarding, ALoopIsNoticedInsideABatch) {
  constexpr std::size_t kConnections = 4;
  constexpr std::size_t kPipelined = 400;
  constexpr std::uint16_t kBehind = 60;
  std::mutex mutex;
  Octets probe;
  ScriptedUpstream upstream([&](const Exchange& exchange) -> std::optional<Octets> {
    const std::lock_guard lock(mutex);
    if (type_to_text(exchange.query.questions[0].type) == "HINFO") {
      probe = encode(Query{.name = exchange.query.questions[0].name, .type = "HINFO", .id = 7});
    }
    return std::nullopt;
  });
  serve({"--forward", upstream.endpoint().text(), "--workers", "1"});
  std::vector<std::unique_ptr<TcpClient>> connections;
  for (std::size_t c = 0; c < kConnections; ++c) {
    connections.push_back(std::make_unique<TcpClient>(endpoint()));
    Octets all;
    for (std::size_t i = 0; i < kPipelined; ++i) {
      const Octets one = framed(encode(
          Query{.name = "n" + std::to_string(c) + "-" + std::to_string(i) + ".example.com."}));
      all.insert(all.end(), one.begin(), one.end());
    }
    connections[c]->send_raw(all);
  }
  ASSERT_TRUE(until([&] {
                const std::lock_guard lock(mutex);
                return !probe.empty();
              }).has_value());
  // Held up while they are sent, so that it reads them as whole batches.
  UdpClient client(endpoint());
  ASSERT_EQ(::kill(server_->pid(), SIGSTOP), 0);
  client.send(probe);
  for (std::uint16_t i = 0; i < kBehind; ++i) {
    client.send(encode(Query{.name = "u" + std::to_string(i) + ".example.com.",
                             .id = static_cast<std::uint16_t>(1000 + i)}));
  }
  ASSERT_EQ(::kill(server_->pid(), SIGCONT), 0);
  std::set<std::uint16_t> answered;
  while (answered.size() <= kBehind) {
    const auto answer = client.receive(Deadline::after(kGivesUp));
    ASSERT_TRUE(answer.has_value()) << answered.size();
    answered.insert(decode(*answer).id);
  }
  for (const auto& connection : connections) {
    for (std::size_t i = 0; i < kPipelined; ++i) {
      const auto answer = connection->receive(Deadline::after(kGivesUp));
      ASSERT_TRUE(answer.has_value()) << i;
      EXPECT_EQ(decode(*answer).rcode, 2);
    }
  }
  EXPECT_EQ(addresses("web.default.svc.cluster.local."), (std::vector<std::string>{"10.96.1.1"}));
}

// One client cannot have all places of `max_concurrent` while others ask.
TEST_F(Forwarding, PlacesAreShared) {
  ScriptedUpstream upstream([](const Exchange& exchange) -> std::optional<Octets> {
    if (exchange.query.questions[0].name.find(".slow.") != std::string::npos) return std::nullopt;
    return one_address(exchange);
  });
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  workers 2\n  forward . " + upstream.endpoint().text() +
                 " {\n    max_concurrent 100\n  }\n}\n");
  UdpClient greedy(endpoint(), "127.0.0.2");
  for (int i = 0; i < 400; ++i) {
    greedy.send(encode(Query{.name = "n" + std::to_string(i) + ".slow.example."}));
    if (i < 120) continue;
    UdpClient other(endpoint(), "127.0.0.3");
    const Message response = other.exchange(Query{.name = "g" + std::to_string(i) + ".example."});
    ASSERT_EQ(data_of(response.answer, "A"), (std::vector<std::string>{"192.0.2.1"})) << i;
  }
}

// A network is all the reverse zones that it stands for, wherever its prefix ends.
TEST_F(Forwarding, NetworksAreTheirReverseZones) {
  ScriptedUpstream upstream([](const Exchange& exchange) -> std::optional<Octets> {
    WireWriter record;
    record.record(exchange.query.questions[0].name, "PTR", 60, name_octets("inside.example."));
    return reply_to(exchange.query, {.answers = 1, .records = record.out});
  });
  const std::string to = upstream.endpoint().text();
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  forward 172.16.0.0/12 " + to +
                 " {\n    except 172.18.0.0/15\n  }\n  forward 10.128.0.0/10 " + to +
                 "\n  forward fd00:10::/30 " + to + "\n}\n");
  for (const char* const name :
       {"9.9.16.172.in-addr.arpa.", "9.9.17.172.in-addr.arpa.", "9.9.31.172.in-addr.arpa.",
        "1.1.128.10.in-addr.arpa.", "1.1.191.10.in-addr.arpa.", "0.1.0.0.0.0.d.f.ip6.arpa.",
        "3.1.0.0.0.0.d.f.ip6.arpa."}) {
    expect_rcode(ask(name, "PTR"), "NOERROR");
  }
  for (const char* const name :
       {"9.9.15.172.in-addr.arpa.", "9.9.32.172.in-addr.arpa.", "9.9.18.172.in-addr.arpa.",
        "9.9.19.172.in-addr.arpa.", "1.1.127.10.in-addr.arpa.", "1.1.192.10.in-addr.arpa.",
        "4.1.0.0.0.0.d.f.ip6.arpa."}) {
    expect_rcode(ask(name, "PTR"), "REFUSED");
  }
}

TEST_F(Forwarding, PortsChangeFromQuestionToQuestion) {
  ScriptedUpstream upstream(one_address);
  serve({"--forward", upstream.endpoint().text(), "--workers", "1"});
  UdpClient client(endpoint());
  constexpr int kQuestions = 2000;
  for (int i = 0; i < kQuestions; ++i) {
    (void)client.exchange(Query{.name = "n" + std::to_string(i) + ".example.com."});
  }
  std::map<std::uint16_t, int> by_port;
  for (const Exchange& exchange : upstream.received()) {
    sockaddr_in peer;
    std::memcpy(&peer, &exchange.peer, sizeof peer);
    ++by_port[ntohs(peer.sin_port)];
  }
  EXPECT_GE(by_port.size(), 64U);
  for (const auto& [port, count] : by_port) {
    EXPECT_LE(count, kQuestions / 20) << port;
  }
}

TEST_F(Forwarding, UpstreamIdsAreRandom) {
  ScriptedUpstream upstream(one_address);
  start({upstream.endpoint()});
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(test::ask(endpoint(), Query{.name = "www.example.com.",
                                          .id = static_cast<std::uint16_t>(100 + i)})
                  .answer.size(),
              1U);
  }
  std::set<std::uint16_t> ids;
  int successive = 0;
  std::uint16_t last = 0;
  for (const Exchange& exchange : upstream.received()) {
    successive += exchange.query.id == last + 1 ? 1 : 0;
    last = exchange.query.id;
    ids.insert(last);
  }
  EXPECT_GE(ids.size(), 15U);
  EXPECT_LE(successive, 3);
}

TEST_F(Forwarding, MalformedAnswersDoNotReachTheClient) {
  ScriptedUpstream upstream([](const Exchange& exchange) -> std::optional<Octets> {
    Octets broken = *one_address(exchange);
    broken.resize(broken.size() - 2);  // RDATA ends early
    return broken;
  });
  start({upstream.endpoint()});
  const Message response = ask_patiently(Query{.name = "www.example.com."});  // decode() is strict
  EXPECT_TRUE(response.answer.empty()) << response.text();
  EXPECT_TRUE(response.rcode == 2 || response.has(kFlagTC)) << response.text();
}

TEST_F(Forwarding, ExternalNameIsFollowedOutside) {
  ScriptedUpstream upstream(one_address);
  start({upstream.endpoint()});
  const Message response = ask("outside.default.svc.cluster.local.");
  expect_rcode(response, "NOERROR");
  EXPECT_EQ(
      texts(response.answer),
      (std::vector<std::string>{"outside.default.svc.cluster.local. 5 IN CNAME www.example.com.",
                                "www.example.com. 60 IN A 192.0.2.1"}))
      << response.text();
}

TEST_F(Forwarding, ExternalNameWhoseTargetIsAnAlias) {
  ScriptedUpstream upstream([](const Exchange& exchange) -> std::optional<Octets> {
    WireWriter records;
    records.record("www.example.com.", "CNAME", 30, name_octets("cdn.example.net."));
    records.raw(a_record("cdn.example.net.", "192.0.2.9", 20));
    return reply_to(exchange.query, {.answers = 2, .records = records.out});
  });
  start({upstream.endpoint()});
  EXPECT_EQ(
      texts(ask("outside.default.svc.cluster.local.").answer),
      (std::vector<std::string>{"outside.default.svc.cluster.local. 5 IN CNAME www.example.com.",
                                "www.example.com. 30 IN CNAME cdn.example.net.",
                                "cdn.example.net. 20 IN A 192.0.2.9"}));
}

TEST_F(Forwarding, ExternalNameWhoseTargetIsUnreachable) {
  start({closed_port()});
  const Message response = ask_patiently(Query{.name = "outside.default.svc.cluster.local."});
  EXPECT_TRUE(response.rcode == 2 ||
              data_of(response.answer, "CNAME") == std::vector<std::string>{"www.example.com."})
      << response.text();
}

// What the question did not ask for is nobody's to say (RFC 5452 section 6).
TEST_F(Forwarding, RecordsThatDoNotBelongToTheAnswerAreNotRelayed) {
  ScriptedUpstream upstream([](const Exchange& exchange) -> std::optional<Octets> {
    WireWriter records;
    records.raw(a_record("www.example.com.", "192.0.2.1"));
    records.record("example.com.", "NS", 50, name_octets("ns.example.com."));
    return reply_to(exchange.query, {.answers = 1, .authority = 1, .records = records.out});
  });
  start({upstream.endpoint()});
  const Message response = ask("www.example.com.");
  EXPECT_EQ(data_of(response.answer, "A"), std::vector<std::string>{"192.0.2.1"});
  EXPECT_TRUE(response.authority.empty()) << response.text();
}

// An upstream that is ourselves is left out with a clear message, and the rest is served.
TEST_F(Forwarding, OurselvesAsUpstream) {
  // A port that was free a moment ago: the address must be written down before the start.
  const Endpoint own = unused_endpoint("127.0.0.1");
  const auto corefile = [&](const std::string& more) {
    return with_paths(".:" + std::to_string(own.port) +
                      " {\n  bind 127.0.0.1\n  kubernetes cluster.local {\n"
                      "    manifests %M\n  }\n  " +
                      more + "\n  forward . " + own.text() + "\n}\n");
  };
  const auto path = directory_.write("Corefile", corefile("loop"));
  server_.emplace(ProcessOptions{.arguments = {"-conf", path.string()}});
  server_->wait_until_listening();
  expect_rcode(ask("www.example.com."), "SERVFAIL");
  EXPECT_EQ(addresses("web.default.svc.cluster.local."), std::vector<std::string>{"10.96.1.1"});
  EXPECT_TRUE(server_->wait_for_output("[ERROR] plugin/loop: Loop (" + own.text() + " -> :" +
                                       std::to_string(own.port) + ") detected for zone \".\""))
      << server_->output();
  stop();
  // As CoreDNS, when told to; and for those who check.
  directory_.write("Corefile", corefile("loop fatal"));
  const RunResult result = run(ProcessOptions{.arguments = {"-conf", path.string()}});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.standard_error.find("is this server itself"), std::string::npos)
      << result.standard_error;
  directory_.write("Corefile", corefile(""));
  EXPECT_EQ(run(ProcessOptions{.arguments = {"check", path.string()}}).exit_code, 1);
}

// CoreDNS's recipe for several upstreams with settings of their own: no query comes back to the
// block that sent it.
TEST_F(Forwarding, AnotherBlockOfTheSameServerIsAnUpstream) {
  ScriptedUpstream upstream(one_address, "127.0.0.1");
  const Endpoint inner = unused_endpoint("127.0.0.1");
  const auto path = directory_.write(
      "Corefile", ".:0 {\n  bind 127.0.0.1\n  forward . " + inner.text() +
                      "\n}\n.:" + std::to_string(inner.port) +
                      " {\n  bind 127.0.0.1\n  forward . " + upstream.endpoint().text() + "\n}\n");
  EXPECT_EQ(run(ProcessOptions{.arguments = {"check", path.string()}}).exit_code, 0);
  server_.emplace(ProcessOptions{.arguments = {"-conf", path.string()}});
  server_->wait_until_listening();
  EXPECT_EQ(addresses("www.example.com."), std::vector<std::string>{"192.0.2.1"});
  EXPECT_EQ(server_->output().find("plugin/loop"), std::string::npos) << server_->output();
}

// No name is found at the start, and the server answers all else. When the name is known, it is
// asked.
TEST_F(Forwarding, AnUpstreamByNameThatIsKnownLater) {
  ScriptedUpstream upstream(one_address, "127.0.0.1");
  std::atomic<bool> known{false};
  ScriptedUpstream names(
      [&](const Exchange& exchange) -> std::optional<Octets> {
        const auto& question = exchange.query.questions[0];
        if (!known) return reply_to(exchange.query, {.rcode = 3});
        if (question.type != 1) return reply_to(exchange.query, {});
        return reply_to(exchange.query,
                        {.answers = 1, .records = a_record(question.name, "127.0.0.1")});
      },
      "127.0.0.1");
  serve_corefile(
      ".:0 {\n  bind 127.0.0.1\n  kubernetes cluster.local {\n    manifests %M\n  }\n"
      "  forward . up.test:" +
      std::to_string(upstream.endpoint().port) + " {\n    resolver " + names.endpoint().text() +
      "\n  }\n}\n");
  EXPECT_EQ(ask("web.default.svc.cluster.local").answer.size(), 1U);
  expect_rcode(ask("www.example.com"), "SERVFAIL");
  known = true;
  // Within 8 seconds, and longer on a busy machine.
  EXPECT_TRUE(
      until([&] { return ask("www.example.com").answer.size() == 1; }, std::chrono::seconds(60)));
}

// Files in the form of resolv.conf are followed; what is of no use changes nothing.
TEST_F(Forwarding, ResolvConfIsFollowed) {
  const auto file = directory_.write("r.conf", "nameserver 127.0.0.11\n");
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  forward . " + file.string() + "\n}\n");
  const auto changes = [&] {
    std::size_t count = 0;
    const std::string mark = "has changed; its upstreams are asked from now on";
    const std::string output = server_->output();
    for (auto at = output.find(mark); at != std::string::npos; at = output.find(mark, at + 1)) {
      ++count;
    }
    return count;
  };
  directory_.write("r.conf", "nameserver 127.0.0.12\n");
  EXPECT_TRUE(until([&] { return changes() == 1; }, kGivesUp)) << server_->output();
  // A link that is swapped, as ConfigMaps and NetworkManager have it.
  const auto other = directory_.write("other.conf", "nameserver 127.0.0.13\n");
  std::filesystem::create_symlink(other, directory_ / "new");
  std::filesystem::rename(directory_ / "new", file);
  EXPECT_TRUE(until([&] { return changes() == 2; }, kGivesUp)) << server_->output();
  directory_.write("other.conf", "");
  directory_.write("other.conf", "nameserver nonsense\n");
  std::filesystem::remove(other);
  directory_.write("other.conf", "nameserver 127.0.0.13\n");
  directory_.write("other.conf", "nameserver 127.0.0.14\n");
  EXPECT_TRUE(until([&] { return changes() == 3; }, kGivesUp)) << server_->output();
  EXPECT_EQ(server_->output().find("cannot be used"), std::string::npos);
}

TEST_F(Forwarding, ResolvConfAsUpstreamList) {
  ScriptedUpstream upstream(one_address, "127.0.0.1");
  // resolv.conf knows no port; what must work is that a file is read and its errors are clear.
  const auto none = directory_ / "no-resolv.conf";
  const auto path = directory_.write(
      "Corefile", with_paths(".:0 {\n  bind 127.0.0.1\n  kubernetes cluster.local {\n"
                             "    manifests %M\n  }\n  forward . " +
                             none.string() + "\n}\n"));
  const RunResult result = run(ProcessOptions{.arguments = {"-conf", path.string()}});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE((result.standard_output + result.standard_error).find("Corefile:6:"), std::string::npos)
      << result.standard_error;
}

}  // namespace
}  // namespace clusterdns::test
