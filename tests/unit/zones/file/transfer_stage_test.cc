#include "zones/file/transfer_stage.h"

#include <gmock/gmock.h>

#include "tests/unit/dns/server/client.h"
#include "tests/unit/zones/file/zone_text.h"

namespace clusterdns::zones {
namespace {

using dns::Message;
using dns::Rcode;
using dns::RRType;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using unit::kSoa;
using unit::Lines;
using unit::name;
using unit::Request;

class TransferStageTest : public ::testing::Test {
 protected:
  void serve(const std::string& text, const std::string& to = "127.0.0.0/8") {
    const auto zone =
        std::make_shared<ZoneStage>(ZoneStage::Options{"file", {}, {}, true}, reclaim_);
    auto list = std::make_unique<ZoneList>();
    ZoneReading reading = unit::read_zone("$TTL 60\n" + kSoa + text);
    EXPECT_THAT(unit::messages(reading), IsEmpty());
    list->add(name("example."), std::move(reading.table));
    list->add(name("late."), nullptr);
    zone->publish(std::move(list));
    TransferStage::Options options;
    TransferStage::Rule rule;
    rule.zones.add(name("example."));
    rule.zones.add(name("late."));
    rule.zones.add(name("none."));
    EXPECT_TRUE(rule.to.add(to));
    options.rules = {rule};
    options.sent = [this](const TransferStage::Sent& sent) { sent_.push_back(sent); };
    const auto stage = std::make_shared<TransferStage>(std::move(options));
    stage->add_source(zone);
    auto route = std::make_shared<dns::Route>();
    route->stages = {stage, zone};
    client_.worker.reclaim = &reclaim_;
    client_.use(dns::Transport::Tcp);
    routes_.add(dns::Name{}, std::move(route));
  }

  // All messages of the reply.
  std::vector<Message> ask(const unit::Octets& query) {
    client_.later.clear();
    std::vector<Message> all;
    const unit::Octets first = client_.send(routes_, query);
    if (!first.empty()) all.push_back(unit::decode(first));
    for (const auto& message : client_.later) all.push_back(unit::decode(message));
    return all;
  }
  std::vector<Message> ask(const std::string& zone, RRType type = RRType::AXFR) {
    return ask(Request{.qname = zone, .qtype = type}.wire());
  }
  std::vector<Message> ask_changes(std::uint32_t serial) {
    unit::Octets query = Request{.qname = "example.", .qtype = RRType::IXFR}.wire();
    query[9] = 1;
    unit::Octets soa;
    unit::put_name(soa, "ns1.example.");
    unit::put_name(soa, "host.example.");
    for (const std::uint32_t number : {serial, 1U, 2U, 3U, 4U}) {
      unit::put_u16(soa, number >> 16);
      unit::put_u16(soa, number & 0xFFFF);
    }
    unit::put_record(query, "example.", RRType::SOA, 1, 0, soa);
    return ask(query);
  }
  static Lines all_lines(const std::vector<Message>& messages) {
    Lines out;
    for (const Message& message : messages) {
      EXPECT_NE(message.flags & dns::kFlagAA, 0);
      for (const auto& record : message.answer) out.push_back(unit::line(record));
    }
    return out;
  }

  dns::ReclaimDomain reclaim_{1};
  dns::ListenerRoutes routes_;
  unit::Client client_;
  std::vector<TransferStage::Sent> sent_;
};

const std::string kSoaLine = "example. 3600 SOA ns1.example. host.example. 7 7200 3600 1209600 300";

TEST_F(TransferStageTest, TheWholeZone) {
  serve("@ NS ns1\nns1 A 192.0.2.1\nsub NS ns.sub\nns.sub A 192.0.2.2\n*.w TXT x\n");
  EXPECT_THAT(all_lines(ask("example.")),
              ElementsAre(kSoaLine, "example. 60 NS ns1.example.", "ns1.example. 60 A 192.0.2.1",
                          "sub.example. 60 NS ns.sub.example.", "ns.sub.example. 60 A 192.0.2.2",
                          "*.w.example. 60 TXT \"x\"", kSoaLine));
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_EQ(sent_[0].records, 7u);
  EXPECT_EQ(sent_[0].zone, "example.");
  EXPECT_EQ(sent_[0].client, "127.0.0.1");
}

TEST_F(TransferStageTest, SeveralMessages) {
  std::string many;
  for (int i = 0; i < 2000; ++i) {
    many += "many A 10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250) + "\n";
  }
  std::string strings;  // 200 of 255 octets each: one record takes most of a message
  for (int i = 0; i < 200; ++i) strings += " " + std::string(255, 'x');
  serve("$GENERATE 1-5000 h$ A 10.0.0.1\nbig TXT" + strings + "\n" + many + "many TXT a\n");
  const auto messages = ask("example.");
  EXPECT_GT(messages.size(), 5u);
  const Lines all = all_lines(messages);
  // Each record once, the SOA twice.
  EXPECT_EQ(all.size(), 1u + 5000 + 1 + 2000 + 1 + 1);
  Lines sorted = unit::sorted(all);
  EXPECT_EQ(std::unique(sorted.begin(), sorted.end()) - sorted.begin(),
            static_cast<std::ptrdiff_t>(all.size()) - 1);
  EXPECT_EQ(all.front(), kSoaLine);
  EXPECT_EQ(all.back(), kSoaLine);
}

TEST_F(TransferStageTest, Changes) {
  serve("a A 192.0.2.1\n");
  EXPECT_THAT(all_lines(ask_changes(7)), ElementsAre(kSoaLine));
  EXPECT_TRUE(sent_.at(0).unchanged);
  EXPECT_THAT(all_lines(ask_changes(8)), ElementsAre(kSoaLine));
  EXPECT_THAT(all_lines(ask_changes(6)),
              ElementsAre(kSoaLine, "a.example. 60 A 192.0.2.1", kSoaLine));
  // RFC 1982: after 2^32 - 1 comes 0.
  EXPECT_THAT(all_lines(ask_changes(0xFFFFFFFF)), SizeIs(3));
  client_.use(dns::Transport::Udp);
  EXPECT_THAT(all_lines(ask_changes(6)), ElementsAre(kSoaLine));
  EXPECT_EQ(ask("example.", RRType::IXFR).at(0).rcode, static_cast<unsigned>(Rcode::FormErr));
}

TEST_F(TransferStageTest, WhoMayNot) {
  serve("a A 192.0.2.1\n", "127.0.0.2");
  const auto refused = ask("example.");
  EXPECT_EQ(refused.at(0).rcode, static_cast<unsigned>(Rcode::Refused));
  EXPECT_THAT(refused.at(0).answer, IsEmpty());
  client_.from("127.0.0.2");
  EXPECT_THAT(all_lines(ask("example.")), SizeIs(3));
}

TEST_F(TransferStageTest, WhoDoesNotReadLeavesRoomForOthers) {
  serve("a A 192.0.2.1\n");
  client_.reads = false;
  for (unsigned i = 0; i < kMaxTransfersPerClient; ++i) {
    EXPECT_EQ(ask("example.").at(0).rcode, static_cast<unsigned>(Rcode::NoError));
  }
  EXPECT_EQ(ask("example.").at(0).rcode, static_cast<unsigned>(Rcode::Refused));
  for (unsigned other = 2; client_.waiting.size() < kMaxTransfers; ++other) {
    client_.from("127.0.0." + std::to_string(other));
    for (unsigned i = 0; i < kMaxTransfersPerClient; ++i) {
      EXPECT_EQ(ask("example.").at(0).rcode, static_cast<unsigned>(Rcode::NoError));
    }
  }
  client_.from("127.0.0.99");
  EXPECT_EQ(ask("example.").at(0).rcode, static_cast<unsigned>(Rcode::Refused));
  client_.waiting.erase(client_.waiting.begin());  // 127.0.0.1 goes away
  EXPECT_EQ(ask("example.").at(0).rcode, static_cast<unsigned>(Rcode::NoError));
  client_.waiting.clear();
}

TEST_F(TransferStageTest, WhatCannotBeTransferred) {
  serve("a A 192.0.2.1\n");
  EXPECT_EQ(ask("a.example.").at(0).rcode,
            static_cast<unsigned>(Rcode::Refused));  // no zone's name
  EXPECT_EQ(ask("none.").at(0).rcode, static_cast<unsigned>(Rcode::Refused));
  EXPECT_EQ(ask("other.").at(0).rcode, static_cast<unsigned>(Rcode::Refused));
  EXPECT_EQ(ask("late.").at(0).rcode, static_cast<unsigned>(Rcode::ServFail));
  client_.use(dns::Transport::Udp);
  EXPECT_EQ(ask("example.").at(0).rcode, static_cast<unsigned>(Rcode::Refused));
}

TEST(SerialTest, Rfc1982) {
  EXPECT_TRUE(is_at_or_after(1, 1));
  EXPECT_TRUE(is_at_or_after(2, 1));
  EXPECT_FALSE(is_at_or_after(1, 2));
  EXPECT_TRUE(is_at_or_after(0, 0xFFFFFFFF));
  EXPECT_FALSE(is_at_or_after(0xFFFFFFFF, 0));
}

}  // namespace
}  // namespace clusterdns::zones
