// RFC 7766: DNS Transport over TCP - Implementation Requirements. Idle timeouts and connection
// limits take time and load: tests/integration has them.
#include <gtest/gtest.h>

#include <map>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

// 6.2.1.1: pipelining; section 7: answers may come in any order and are told apart by ID.
TEST(Rfc7766_6_2_1_1, Pipelining) {
  TcpClient client(target());
  std::map<std::uint16_t, Octets> open;
  constexpr std::uint16_t kQueries = 200;
  Octets stream;
  for (std::uint16_t id = 1; id <= kQueries; ++id) {
    const Octets query = encode(Query{.name = svc(id % 2 == 0 ? "web" : "peers"), .id = id});
    const Octets one = framed(query);
    stream.insert(stream.end(), one.begin(), one.end());
    open[id] = query;
  }
  client.send_raw(stream);
  while (!open.empty()) {
    const std::optional<Octets> answer = client.receive(Deadline::after(kAnswerTimeout));
    ASSERT_TRUE(answer.has_value()) << open.size() << " queries were not answered";
    const Message response = decode(*answer);
    const auto found = open.find(response.id);
    ASSERT_NE(found, open.end()) << response.text();
    check_response(found->second, response);
    EXPECT_EQ(response.answer.size(), response.id % 2 == 0 ? 1U : 3U);
    open.erase(found);
  }
}

// 8: the two octets of the length and the message may come in any pieces.
TEST(Rfc7766_8, OctetByOctet) {
  TcpClient client(target());
  const Octets query = encode(Query{.name = svc("web")});
  for (const std::uint8_t octet : framed(query)) {
    client.send_raw(std::span(&octet, 1));
  }
  const std::optional<Octets> answer = client.receive(Deadline::after(kAnswerTimeout));
  ASSERT_TRUE(answer.has_value());
  check_response(query, decode(*answer));
}

TEST(Rfc7766_8, SplitAtEveryPlace) {
  const Octets query = encode(Query{.name = svc("web"), .id = 0x3131});
  const Octets message = framed(query);
  TcpClient client(target());
  for (std::size_t split = 1; split < message.size(); ++split) {
    client.send_raw(std::span(message).first(split));
    client.send_raw(std::span(message).subspan(split));
    const std::optional<Octets> answer = client.receive(Deadline::after(kAnswerTimeout));
    ASSERT_TRUE(answer.has_value()) << split;
    check_response(query, decode(*answer));
  }
}

// One segment that ends within the second message.
TEST(Rfc7766_8, OneAndAHalfMessages) {
  const Octets query = encode(Query{.name = svc("web"), .id = 0x3232});
  const Octets one = framed(query);
  Octets both = one;
  both.insert(both.end(), one.begin(), one.end());
  const std::size_t half = one.size() + one.size() / 2;
  TcpClient client(target());
  client.send_raw(std::span(both).first(half));
  ASSERT_TRUE(client.receive(Deadline::after(kAnswerTimeout)).has_value());
  client.send_raw(std::span(both).subspan(half));
  ASSERT_TRUE(client.receive(Deadline::after(kAnswerTimeout)).has_value());
}

// 6.2.1: connections are kept open for more queries.
TEST(Rfc7766_6_2_1, ConnectionIsReused) {
  TcpClient client(target());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client.exchange(Query{.name = svc("web")}).answer.size(), 1U);
  }
}

// 6.2.4: a client that goes away in the middle costs nobody else anything.
TEST(Rfc7766_6_2_4, ClientsThatGoAway) {
  for (int i = 0; i < 50; ++i) {
    TcpClient client(target());
    const Octets message = framed(encode(Query{.name = svc("big")}));
    client.send_raw(std::span(message).first(i % 2 == 0 ? message.size() : message.size() / 2));
  }
  EXPECT_EQ(ask_tcp(svc("web")).answer.size(), 1U);
  EXPECT_EQ(ask_udp(svc("web")).answer.size(), 1U);
}

// 5: TCP is a transport like UDP, without being asked over UDP first.
TEST(Rfc7766_5, TcpWithoutUdpFirst) { EXPECT_EQ(ask_tcp(svc("web")).answer.size(), 1U); }

// Several answers of 7 KiB each are written whole although they are asked in one go.
TEST(Rfc7766_6_2_1_1, PipelinedLargeAnswers) {
  TcpClient client(target());
  constexpr std::uint16_t kQueries = 60;
  Octets stream;
  for (std::uint16_t id = 1; id <= kQueries; ++id) {
    const Octets one = framed(encode(Query{.name = svc("big"), .type = "SRV", .id = id}));
    stream.insert(stream.end(), one.begin(), one.end());
  }
  client.send_raw(stream);
  for (int i = 0; i < kQueries; ++i) {
    const std::optional<Octets> answer = client.receive(Deadline::after(kAnswerTimeout));
    ASSERT_TRUE(answer.has_value()) << i;
    EXPECT_EQ(decode(*answer).answer.size(), 120U);
  }
}

}  // namespace
}  // namespace clusterdns::test
