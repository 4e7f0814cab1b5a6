// RFC 1035, section 4.1.3: Resource record format, of the records that a query brings itself.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

// A question with one record and an OPT behind it.
WireWriter question_with(std::string_view type, const Octets& rdata,
                         std::string_view owner = "x.example.") {
  WireWriter query;
  query.header(random_id(), kFlagRD, 1, 0, 0, 2).question(svc("web"), "A");
  query.record(owner, type, 0, rdata).opt(Edns{});
  return query;
}

Message over_tcp(const Octets& query) {
  TcpClient client(target());
  client.send(query);
  return decode(client.receive(Deadline::after(kAnswerTimeout)).value());
}

// Format error, with an OPT record since the query had one.
void expect_formerr_with_opt(const WireWriter& query) {
  for (const bool tcp : {false, true}) {
    SCOPED_TRACE(tcp ? "tcp" : "udp");
    const Message response = tcp ? over_tcp(query.out) : UdpClient(target()).exchange(query.out);
    expect_rcode(response, "FORMERR");
    EXPECT_TRUE(response.edns.has_value()) << response.text();
    EXPECT_TRUE(response.answer.empty());
  }
}

TEST(Rfc1035_4_1_3, WellFormedRecordsDoNotMatter) {
  for (const auto& [type, rdata] : std::vector<std::pair<std::string, Octets>>{
           {"A", {192, 0, 2, 1}}, {"CNAME", {1, 'a', 0xC0, 12}}, {"TYPE65280", {1, 2, 3}}}) {
    SCOPED_TRACE(type);
    const Message response = UdpClient(target()).exchange(question_with(type, rdata).out);
    expect_answer(response, {"web.conf.svc.cluster.local. 5 IN A 10.96.10.1"});
    EXPECT_TRUE(response.edns.has_value());
  }
}

TEST(Rfc1035_4_1_3, AddressesHaveTheirLength) {
  expect_formerr_with_opt(question_with("A", {192, 0, 2}));
  expect_formerr_with_opt(question_with("A", {192, 0, 2, 1, 0}));
  expect_formerr_with_opt(question_with("AAAA", Octets(15)));
}

TEST(Rfc1035_4_1_3, NamesInRdataCanBeRead) {
  expect_formerr_with_opt(question_with("CNAME", {}));
  expect_formerr_with_opt(question_with("NS", {9, 'a'}));
  expect_formerr_with_opt(question_with("PTR", {0xFF, 0xFF}));
  expect_formerr_with_opt(question_with("MX", {0, 10, 1, 'a', 0, 0}));
  expect_formerr_with_opt(question_with("SOA", {0, 0, 1, 2, 3}));
  // A pointer to itself: header, question, owner and fixed fields stand before it.
  const auto here = static_cast<std::uint8_t>(12 + name_octets(svc("web")).size() + 4 +
                                              name_octets("x.example.").size() + 10);
  expect_formerr_with_opt(question_with("CNAME", {0xC0, here}));
}

TEST(Rfc1035_4_1_3, RdataEndsWithinTheMessage) {
  WireWriter query;
  query.header(random_id(), kFlagRD, 1, 0, 0, 2).question(svc("web"), "A").opt(Edns{});
  query.name("x.example.").u16(1).u16(1).u32(0).u16(400).raw("abcd");
  expect_formerr_with_opt(query);
}

// Authority records belong to IXFR alone (RFC 1995, 3), answers to no query.
TEST(Rfc1035_4_1_3, QueriesWithAnswersOrAuthorities) {
  for (const bool answer : {true, false}) {
    WireWriter query;
    query.header(random_id(), kFlagRD, 1, answer ? 1 : 0, answer ? 0 : 1, 1);
    query.question(svc("web"), "A").record("x.example.", "A", 0, Octets{192, 0, 2}).opt(Edns{});
    expect_formerr_with_opt(query);
  }
}

}  // namespace
}  // namespace clusterdns::test
