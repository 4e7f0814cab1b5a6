// RFC 2181: Clarifications to the DNS Specification.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

const std::vector<std::pair<std::string, std::string>> kQuestions{
    {svc("web"), "A"},
    {svc("web"), "SRV"},
    {svc("peers"), "A"},
    {svc("peers"), "SRV"},
    {svc("dual-peers"), "AAAA"},
    {svc("dual-peers"), "SRV"},
    {svc("ext-headless"), "A"},
    {"twin.twins.conf.svc.cluster.local.", "A"},
    {"1.27.244.10.in-addr.arpa.", "PTR"},
    {"cluster.local.", "NS"},
    {svc("nothing"), "A"}};

std::vector<Record> all_records(const Message& response) {
  std::vector<Record> records = response.answer;
  records.insert(records.end(), response.authority.begin(), response.authority.end());
  records.insert(records.end(), response.additional.begin(), response.additional.end());
  return records;
}

// Section 4.1: the reply comes from the address and port that was asked. The client's socket is
// connected, so a reply from elsewhere would never arrive; integration tests do the same with
// wildcard binds.
TEST(Rfc2181_4_1, ReplySourceAddress) {
  UdpClient client(target());
  EXPECT_EQ(client.exchange(Query{.name = svc("web")}).answer.size(), 1U);
}

// Section 5: a record occurs once in a message.
TEST(Rfc2181_5, NoRecordTwice) {
  for (const auto& [name, type] : kQuestions) {
    SCOPED_TRACE(name + " " + type);
    const Message response = ask(name, type);
    std::set<std::string> seen;
    for (const Record& record : all_records(response)) {
      EXPECT_TRUE(seen.insert(lower(record.text())).second) << response.text();
    }
  }
}

// Section 5.2.
TEST(Rfc2181_5_2, EqualTtlWithinAnRRset) {
  for (const auto& [name, type] : kQuestions) {
    SCOPED_TRACE(name + " " + type);
    const Message response = ask(name, type);
    std::map<std::pair<std::string, std::uint16_t>, std::set<std::uint32_t>> ttls;
    for (const Record& record : all_records(response)) {
      ttls[{lower(record.owner), record.type}].insert(record.ttl);
    }
    for (const auto& [key, values] : ttls) {
      EXPECT_EQ(values.size(), 1U) << key.first << '\n' << response.text();
    }
  }
}

// Section 5: an RRset is contiguous and whole, in the answer and in the additional section.
TEST(Rfc2181_5, AdditionalRRsetsAreWhole) {
  const Message response = ask("_db._tcp.twins.conf.svc.cluster.local.", "SRV");
  EXPECT_EQ(response.additional.size(), 2U) << response.text();
}

// Section 8: 31 bits.
TEST(Rfc2181_8, TtlHasNoHighBit) {
  for (const auto& [name, type] : kQuestions) {
    for (const Record& record : all_records(ask(name, type))) {
      EXPECT_LT(record.ttl, 0x80000000U) << record.text();
    }
  }
}

// Section 9: TC only when the answer itself does not fit; additional records that do not fit are
// left out without it.
TEST(Rfc2181_9, AdditionalRecordsNeverSetTC) {
  const std::string name = "_db._tcp.mid.conf.svc.cluster.local.";
  ASSERT_GT(ask_tcp(name, "SRV").wire.size(), 512U) << "the premise of this test";
  for (int i = 0; i < 16; ++i) {
    const Message response = ask_udp(name, "SRV");
    EXPECT_LE(response.wire.size(), 512U);
    EXPECT_EQ(response.answer.size(), 8U) << response.text();
    EXPECT_FALSE(response.has(kFlagTC)) << response.text();
    EXPECT_LT(response.additional.size(), 8U);
  }
}

// Section 10.1: an alias has no other data.
TEST(Rfc2181_10_1, CnameStandsAlone) {
  for (const char* type : {"A", "SRV", "TXT", "CNAME"}) {
    const Message response = ask(svc("ext-in"), type);
    int at_alias = 0;
    for (const Record& record : response.answer) {
      at_alias += record.owner == svc("ext-in") ? 1 : 0;
    }
    EXPECT_EQ(at_alias, 1) << response.text();
  }
}

// Section 10.3: what NS names has addresses and is not an alias.
TEST(Rfc2181_10_3, NameServerIsNoAlias) { expect_nodata(ask("ns.dns.cluster.local.", "CNAME")); }

}  // namespace
}  // namespace clusterdns::test
