// RFC 1035, section 4.2.2: TCP usage.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

TEST(Rfc1035_4_2_2, TheSameAnswersAsOverUdp) {
  for (const auto& [name, type] : std::vector<std::pair<std::string, std::string>>{
           {svc("web"), "A"},
           {svc("nothing"), "A"},
           {svc("dual"), "AAAA"},
           {"_http._tcp.web.conf.svc.cluster.local.", "SRV"},
           {"1.10.96.10.in-addr.arpa.", "PTR"},
           {"cluster.local.", "SOA"},
           {"example.com.", "A"}}) {
    SCOPED_TRACE(name);
    const Message udp = ask_udp(name, type);
    const Message tcp = ask_tcp(name, type);
    EXPECT_EQ(udp.flags, tcp.flags);
    EXPECT_EQ(texts(udp.answer), texts(tcp.answer));
    EXPECT_EQ(texts(udp.authority), texts(tcp.authority));
    EXPECT_EQ(texts(udp.additional), texts(tcp.additional));
  }
}

TEST(Rfc1035_4_2_2, SeveralQuestionsOnOneConnection) {
  TcpClient client(target());
  for (int i = 0; i < 20; ++i) {
    expect_answer(client.exchange(Query{.name = svc("web")}),
                  {"web.conf.svc.cluster.local. 5 IN A 10.96.10.1"});
  }
}

TEST(Rfc1035_4_2_2, MalformedMessageGetsFormerrOrAClose) {
  WireWriter two;
  two.header(0x7171, kFlagRD, 2, 0, 0, 0).question(svc("web"), "A").question(svc("web"), "A");
  TcpClient client(target());
  client.send(two.out);
  const std::optional<Octets> answer = client.receive(Deadline::after(kAnswerTimeout));
  if (answer.has_value()) {
    expect_rcode(decode(*answer), "FORMERR");
  }
  EXPECT_EQ(ask_tcp(svc("web")).answer.size(), 1U);
}

// A message that cannot even be a header must not keep the server from the next one, or it closes.
TEST(Rfc1035_4_2_2, EmptyAndShortMessages) {
  for (const std::size_t size : {0U, 1U, 11U}) {
    SCOPED_TRACE(size);
    TcpClient client(target());
    client.send(Octets(size, 0));
    const Octets good = encode(Query{.name = svc("web")});
    try {
      client.send(good);
      const std::optional<Octets> answer = client.receive(Deadline::after(kAnswerTimeout));
      if (answer.has_value()) {
        check_response(good, decode(*answer));
      }
    } catch (const DecodeError&) {
      throw;
    } catch (const TestError& error) {
      // Closed before or while we wrote: allowed. Silence is not.
      EXPECT_EQ(std::string(error.what()).find("in time"), std::string::npos) << error.what();
    }
    EXPECT_EQ(ask_tcp(svc("web")).answer.size(), 1U);
  }
}

TEST(Rfc1035_4_2_2, LargestMessage) {
  // A query padded to 65,535 octets with one unknown EDNS option.
  Query query{.name = svc("web")};
  query.edns = Edns{};
  const std::size_t base = encode(query).size();
  query.edns->options.push_back({65001, Octets(65535 - base - 4, 0x55)});
  const Octets message = encode(query);
  ASSERT_EQ(message.size(), 65535U);
  TcpClient client(target());
  client.send(message);
  const std::optional<Octets> answer = client.receive(Deadline::after(kAnswerTimeout));
  ASSERT_TRUE(answer.has_value());
  expect_answer(decode(*answer), {"web.conf.svc.cluster.local. 5 IN A 10.96.10.1"});
}

}  // namespace
}  // namespace clusterdns::test
