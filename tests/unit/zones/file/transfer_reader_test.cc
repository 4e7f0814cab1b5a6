#include "zones/file/transfer_reader.h"

#include <gmock/gmock.h>

#include "dns/wire/message_reader.h"
#include "tests/unit/dns/query/request.h"

namespace clusterdns::zones {
namespace {

using dns::Message;
using dns::Record;
using dns::RRType;
using ::testing::HasSubstr;
using State = TransferReader::State;
using unit::name;
using unit::Octets;

constexpr std::uint16_t kId = 0x1234;

Record record(const std::string& owner, RRType type, Octets rdata) {
  return {name(owner), type, dns::RRClass::IN, 60, std::move(rdata)};
}
Record soa(std::uint8_t serial = 1) {
  Octets rdata;
  unit::put_name(rdata, "ns.example.");
  unit::put_name(rdata, "host.example.");
  rdata.resize(rdata.size() + 20);
  rdata[rdata.size() - 17] = serial;
  return record("example.", RRType::SOA, std::move(rdata));
}
Record ns() {
  Octets rdata;
  unit::put_name(rdata, "ns.example.");
  return record("example.", RRType::NS, std::move(rdata));
}
Record a(const std::string& owner) { return record(owner, RRType::A, {192, 0, 2, 1}); }

Message message(std::vector<Record> records) {
  Message m;
  m.id = kId;
  m.flags = dns::kFlagQR | dns::kFlagAA;
  m.has_question = true;
  m.qname = name("Example.");
  m.qtype = RRType::AXFR;
  m.qclass = dns::RRClass::IN;
  m.answer = std::move(records);
  return m;
}
Octets wire(const Message& m) { return dns::write_message(m, dns::kMaxMessageSize); }

std::string error_of(const Message& m) {
  TransferReader reader(name("example."), kId);
  return reader.take(wire(m)) == State::Failed ? reader.error() : "";
}

TEST(TransferReaderTest, OneMessage) {
  TransferReader reader(name("example."), kId);
  ASSERT_EQ(reader.take(wire(message({soa(7), ns(), a("www.Example."), a("other."), soa(7)}))),
            State::Done);
  EXPECT_EQ(reader.outside(), 1U);
  std::string error;
  std::vector<std::string> warnings;
  const auto table = reader.finish(&error, &warnings);
  ASSERT_NE(table, nullptr) << error;
  EXPECT_EQ(table->serial(), 7U);
  EXPECT_EQ(table->records(), 3U);
}

TEST(TransferReaderTest, SeveralMessages) {
  TransferReader reader(name("example."), kId);
  EXPECT_EQ(reader.take(wire(message({soa()}))), State::More);
  Message next = message({ns(), a("a.example.")});
  next.has_question = false;
  EXPECT_EQ(reader.take(wire(next)), State::More);
  EXPECT_EQ(reader.take(wire(message({soa()}))), State::Done);
}

TEST(TransferReaderTest, WhatIsNoTransfer) {
  EXPECT_EQ(error_of(message({})), "a message has no records");
  EXPECT_EQ(error_of(message({a("example."), soa()})),
            "it begins with example. A instead of the SOA");
  EXPECT_EQ(error_of(message({soa(1), ns(), soa(2)})),
            "the zone changed meanwhile: its SOAs differ");
  EXPECT_EQ(error_of(message({soa(), soa(), ns()})), "there is more behind the last SOA");
  EXPECT_THAT(error_of(message({soa(), record("a.example.", RRType::A, {1, 2, 3})})),
              HasSubstr("A"));
  Message m = message({soa()});
  m.id = 1;
  EXPECT_EQ(error_of(m), "a message is no reply to the query");
  m = message({soa()});
  m.flags = dns::kFlagQR | 4 << 11;
  EXPECT_EQ(error_of(m), "a message is no reply to the query");
  m = message({soa()});
  m.qname = name("other.");
  EXPECT_EQ(error_of(m), "a message is about another question");
  m = message({soa()});
  m.has_question = false;
  EXPECT_EQ(error_of(m), "a message is about another question");
  m = message({});
  m.rcode = 5;
  m.flags |= 5;
  EXPECT_EQ(error_of(m), "rcode was REFUSED");
  TransferReader reader(name("example."), kId);
  EXPECT_EQ(reader.take(Octets(11)), State::Failed);
}

// A primary could send them without end.
TEST(TransferReaderTest, RecordsOfOtherZonesAreBounded) {
  TransferReader reader(name("example."), kId);
  ASSERT_EQ(reader.take(wire(message({soa()}))), State::More);
  constexpr std::size_t kMany = 1000;
  const Octets more = wire(message(std::vector<Record>(kMany, a("www.other."))));
  for (std::size_t i = 0; i < kMaxOutside / kMany; ++i) ASSERT_EQ(reader.take(more), State::More);
  EXPECT_EQ(reader.take(more), State::Failed);
  EXPECT_EQ(reader.error(), "most of its records are of other zones");
}

TEST(TransferReaderTest, SizeIsBounded) {
  TransferReader reader(name("example."), kId, /*most_records=*/10);
  std::vector<Record> records{soa()};
  for (int i = 0; i < 20; ++i) records.push_back(a("h" + std::to_string(i) + ".example."));
  EXPECT_EQ(reader.take(wire(message(std::move(records)))), State::Failed);
  EXPECT_EQ(reader.error(), "the zone is larger than it may be");
}

}  // namespace
}  // namespace clusterdns::zones
