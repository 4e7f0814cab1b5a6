// dnstap in the program.
#include <csignal>

#include "integration/fixture.h"
#include "support/dnstap_collector.h"
#include "support/http_client.h"
#include "support/scripted_upstream.h"

namespace clusterdns::test {
namespace {

using namespace std::string_literals;

class DnsTap : public Integration {
 protected:
  void listen() { collector_.listen_at(socket()); }
  [[nodiscard]] std::string socket() const { return directory_ / "tap.sock"; }
  TapCollector collector_;
};

// The name of a message's question.
std::string name_of(const std::string& message) {
  return decode(Octets(message.begin(), message.end())).questions.at(0).name;
}

TEST_F(DnsTap, ClientsAndUpstreamsInTheirOrder) {
  ScriptedUpstream upstream([](const ScriptedUpstream::Exchange& exchange) {
    return reply_to(
        exchange.query,
        {.answers = 1, .records = a_record(exchange.query.questions[0].name, "192.0.2.1")});
  });
  listen();
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  dnstap " + socket() +
                 " full {\n    identity me\n    extra \"{name} {/forward/upstream}\"\n  }\n"
                 "  forward . " +
                 upstream.endpoint().text() + "\n}\n");
  collector_.welcome();
  expect_rcode(ask("www.example.com."), "NOERROR");
  const auto up = "www.example.com. " + upstream.endpoint().text();
  std::vector<TapSeen> seen;
  for (const auto& [type, extra] : std::vector<std::pair<unsigned, std::string>>{
           {5, "www.example.com. -"}, {7, up}, {8, up}, {6, up}}) {
    const auto next = collector_.next();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->type, type);
    EXPECT_EQ(next->extra, extra);
    EXPECT_EQ(next->identity, "me");
    EXPECT_EQ(next->version.substr(0, 11), "clusterdns-");
    EXPECT_EQ(next->family, 1u);
    EXPECT_EQ(next->protocol, 1u);
    const bool response = type % 2 == 0;
    EXPECT_EQ(name_of(response ? next->response : next->query), "www.example.com.");
    EXPECT_EQ((response ? next->query : next->response), "");
    seen.push_back(*next);
  }
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen[0].query_port, seen[3].query_port);
  EXPECT_EQ(seen[0].query_sec, seen[3].query_sec);
  EXPECT_EQ(seen[0].query_nsec, seen[3].query_nsec);
  for (const std::size_t forwarded : {1, 2}) {
    EXPECT_EQ(seen[forwarded].response_port, upstream.endpoint().port);
    EXPECT_EQ(seen[forwarded].response_address, "\x7F\0\0\1"s);
    EXPECT_NE(seen[forwarded].query_port, 0u);
  }
}

TEST_F(DnsTap, AReloadGoesOnWithIt) {
  listen();
  const std::string tap = "  dnstap " + socket() + " full\n";
  ServerProcess& served = serve_corefile("a.test:0 {\n  bind 127.0.0.1\n" + tap + "  whoami\n}\n");
  collector_.welcome();
  expect_rcode(ask("a.test."), "NOERROR");
  EXPECT_EQ(collector_.next()->type, 5u);
  EXPECT_EQ(collector_.next()->type, 6u);
  directory_.replace("Corefile",
                     "a.test:0 {\n  bind 127.0.0.1\n" + tap + "  minimal\n  whoami\n}\n");
  served.signal(SIGUSR1);
  ASSERT_TRUE(served.wait_for_output("Reloading complete"));
  expect_rcode(ask("a.test."), "NOERROR");
  EXPECT_EQ(collector_.next()->type, 5u);  // of the same connection
  EXPECT_EQ(collector_.next()->type, 6u);
  directory_.replace("Corefile", "a.test:0 {\n  bind 127.0.0.1\n  whoami\n}\n");
  served.signal(SIGUSR1);
  EXPECT_FALSE(collector_.next());  // STOP
}

TEST_F(DnsTap, OneThatNeverReadsHoldsNobodyUp) {
  listen();
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  workers 1\n  dnstap " + socket() +
                 " full\n  whoami\n}\n");
  collector_.welcome();
  // Queries with padding (RFC 7830), more of them than there is room for.
  constexpr std::size_t kPadding = 3000;
  Octets query = encode({.name = "a.test.", .type = "A", .edns = Edns{}});
  query.at(query.size() - 2) = (kPadding + 4) >> 8;
  query.at(query.size() - 1) = (kPadding + 4) & 0xFF;
  for (const int octet :
       {0, 12, static_cast<int>(kPadding >> 8), static_cast<int>(kPadding & 0xFF)}) {
    query.push_back(static_cast<std::uint8_t>(octet));
  }
  query.resize(query.size() + kPadding);
  UdpClient client(endpoint());
  for (std::size_t octets = 0; octets < (std::size_t{8} << 20); octets += query.size()) {
    client.send(query);
    ASSERT_TRUE(client.receive(Deadline::after(kAnswerTimeout))) << octets;
  }
  EXPECT_TRUE(server_->wait_for_output("plugin/dnstap: Dropped dnstap messages: ", 1,
                                       std::chrono::seconds(30)));
}

}  // namespace
}  // namespace clusterdns::test
