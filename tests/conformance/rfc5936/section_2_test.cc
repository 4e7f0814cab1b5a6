// RFC 5936 section 2: AXFR messages.
#include "conformance/zones.h"

namespace clusterdns::test {
namespace {

std::vector<Message> transfer(std::string_view zone) {
  TcpClient client(target());
  client.send(encode(Query{.name = std::string(zone), .type = "AXFR"}));
  std::vector<Message> messages;
  std::size_t soas = 0;
  while (soas < 2) {
    const auto octets = client.receive(Deadline::after(kAnswerTimeout));
    if (!octets) break;
    messages.push_back(decode(*octets));
    if (messages.back().answer.empty()) break;
    soas += data_of(messages.back().answer, "SOA").size();
  }
  return messages;
}

TEST(Rfc5936_2_2, TheWholeZoneBetweenItsSoas) {
  std::vector<std::string> all;
  for (const Message& message : transfer("example.test.")) {
    expect_rcode(message, "NOERROR");
    EXPECT_TRUE(message.has(kFlagAA));
    for (const std::string& text : texts(message.answer)) all.push_back(text);
  }
  ASSERT_EQ(all.size(), 26U);
  EXPECT_NE(all.front().find(" SOA "), std::string::npos);
  EXPECT_EQ(all.front(), all.back());
  EXPECT_NE(std::find(all.begin(), all.end(), "ns.inner.example.test. 3600 IN A 192.0.2.20"),
            all.end());  // glue, 3.2
}

TEST(Rfc5936_2_1, OverUdpItIsRefused) { expect_rcode(ask_udp("example.test.", "AXFR"), "REFUSED"); }

TEST(Rfc5936_2_2_1, WhatIsNoZone) {
  expect_rcode(ask_tcp("host1.example.test.", "AXFR"), "REFUSED");
}

}  // namespace
}  // namespace clusterdns::test
