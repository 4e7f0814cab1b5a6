#include "dns/hosts/hosts_stage.h"

#include "dns/resolve/local_names.h"
#include "tests/unit/dns/forward/conversation.h"

namespace clusterdns::dns::testing {
namespace {

class HostsTest : public ConversationTest {
 protected:
  HostsTest() {
    worker_.reclaim = &reclaim_;
    options_.hosts.zones.add(Name());
  }
  ~HostsTest() override {
    detach();
    route_.reset();
    stage_.reset();
  }

  void publish(const std::string& text) {
    if (!stage_) {
      stage_ = std::make_shared<HostsStage>(options_, reclaim_);
      add_stage(stage_);
    }
    auto table = std::make_unique<HostsTable>(options_.hosts);
    HostsReader reader(text, "hosts", *table);
    EXPECT_FALSE(reader.read());
    warnings_ = reader.warnings();
    table->finish();
    stage_->publish(std::move(table), 7.5);
  }

  std::vector<std::string> ask(const std::string& qname, RRType type = RRType::A) {
    last_verdict_ = Verdict::Next;
    const Replies replies = start({.qname = qname, .type = type});
    if (replies->empty()) return {"next"};
    last_ = read_message(replies->front()).value();
    return lines(last_.answer);
  }
  using Lines = std::vector<std::string>;

  ReclaimDomain reclaim_{1};
  HostsStage::Options options_;
  std::shared_ptr<HostsStage> stage_;
  std::vector<std::string> warnings_;
  Message last_;
};

TEST_F(HostsTest, AddressesAndReverseNames) {
  publish(
      "# comment\n"
      "192.0.2.1\thost.example Alias  # another name\n"
      "2001:db8::1 host.example\r\n"
      "\n");
  EXPECT_TRUE(warnings_.empty());
  EXPECT_EQ(ask("host.example"), Lines{"host.example. A 192.0.2.1"});
  EXPECT_EQ(last_.flags & kFlagAA, kFlagAA);
  EXPECT_EQ(last_.answer.at(0).ttl, 3600u);
  EXPECT_EQ(ask("host.example", RRType::AAAA), Lines{"host.example. AAAA 2001:db8::1"});
  EXPECT_EQ(ask("ALIAS"), Lines{"ALIAS. A 192.0.2.1"});
  EXPECT_EQ(
      ask("1.2.0.192.in-addr.arpa", RRType::PTR),
      (Lines{"1.2.0.192.in-addr.arpa. PTR host.example.", "1.2.0.192.in-addr.arpa. PTR alias."}));
  EXPECT_EQ(
      ask("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", RRType::PTR)
          .size(),
      1u);
  // As CoreDNS counts: three addresses of names, three names of addresses.
  EXPECT_EQ(stage_->entries(), 6u);
  EXPECT_EQ(stage_->modified(), 7.5);
}

TEST_F(HostsTest, OtherTypesOfAKnownNameHaveNoData) {
  publish("192.0.2.1 host.example\n");
  EXPECT_EQ(ask("host.example", RRType::AAAA), Lines{});
  EXPECT_EQ(last_.rcode, 0);
  EXPECT_EQ(ask("host.example", RRType::MX), Lines{});
  EXPECT_EQ(last_.rcode, 0);
}

TEST_F(HostsTest, UnknownNames) {
  publish("192.0.2.1 host.example\n");
  EXPECT_EQ(ask("other.example"), Lines{});
  EXPECT_EQ(last_.rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_EQ(ask("9.2.0.192.in-addr.arpa", RRType::PTR), Lines{"next"});
}

TEST_F(HostsTest, FallThrough) {
  options_.fall_through = {name("example")};
  options_.fall_through_unsupported = true;
  publish("192.0.2.1 host.example host.net\n");
  EXPECT_EQ(ask("other.example"), Lines{"next"});
  EXPECT_EQ(ask("host.example", RRType::TXT), Lines{"next"});
  EXPECT_EQ(ask("host.example", RRType::AAAA), Lines{});
  EXPECT_EQ(ask("host.net", RRType::TXT), Lines{});
  EXPECT_EQ(ask("other.net"), Lines{});
  EXPECT_EQ(last_.rcode, static_cast<std::uint16_t>(Rcode::ServFail));
}

TEST_F(HostsTest, Zones) {
  options_.hosts.zones = {name("example")};
  publish("192.0.2.1 host.example host.net\n");
  EXPECT_EQ(ask("host.example").size(), 1u);
  EXPECT_EQ(ask("host.net"), Lines{"next"});
  // Reverse names are not asked for by zone, and name what is within it.
  EXPECT_EQ(ask("1.2.0.192.in-addr.arpa", RRType::PTR),
            Lines{"1.2.0.192.in-addr.arpa. PTR host.example."});
}

TEST_F(HostsTest, NoReverse) {
  options_.hosts.reverse = false;
  publish("192.0.2.1 host.example\n");
  EXPECT_EQ(ask("1.2.0.192.in-addr.arpa", RRType::PTR), Lines{"next"});
  EXPECT_EQ(stage_->entries(), 1u);
}

TEST_F(HostsTest, Wildcards) {
  publish(
      "192.0.2.10 *.example.com\n"
      "192.0.2.11 a.example.com\n");
  EXPECT_EQ(ask("a.example.com"), Lines{"a.example.com. A 192.0.2.11"});
  EXPECT_EQ(ask("apps.example.com"), Lines{"apps.example.com. A 192.0.2.10"});
  EXPECT_EQ(ask("example.com"), Lines{});
  EXPECT_EQ(ask("deep.apps.example.com"), Lines{});
  EXPECT_EQ(ask("10.2.0.192.in-addr.arpa", RRType::PTR), Lines{"next"});
}

TEST_F(HostsTest, AddressesTakeTurnsAndStandOnce) {
  publish(
      "192.0.2.1 host.example\n"
      "192.0.2.2 host.example\n"
      "192.0.2.1 host.example\n");
  std::set<std::string> first;
  for (int i = 0; i < 2; ++i) {
    const Lines answer = ask("host.example");
    ASSERT_EQ(answer.size(), 2u);
    first.insert(answer[0]);
  }
  EXPECT_EQ(first.size(), 2u);
}

TEST_F(HostsTest, WhatMakesNoSenseIsPassedOverAndTold) {
  publish(
      "192.0.2.300 a.example\n"
      "192.0.2.1 good.example bad..example\n"
      "localhost\n");
  EXPECT_EQ(warnings_, (Lines{"hosts:1: '192.0.2.300' is not an IP address; the line is ignored",
                              "hosts:2: 'bad..example' is not a valid name; it is ignored",
                              "hosts:3: 'localhost' is not an IP address; the line is ignored"}));
  EXPECT_EQ(ask("good.example").size(), 1u);
}

TEST_F(HostsTest, ByteOrderMark) {
  publish(
      "\xEF\xBB\xBF"
      "192.0.2.1 a.example\r\n192.0.2.2 b.example\r\n");
  EXPECT_TRUE(warnings_.empty());
  EXPECT_EQ(ask("a.example"), Lines{"a.example. A 192.0.2.1"});
  EXPECT_EQ(ask("b.example"), Lines{"b.example. A 192.0.2.2"});
}

TEST_F(HostsTest, ScopedAndMappedAddresses) {
  publish("fe80::1%lo0 scoped\n::ffff:192.0.2.7 mapped\n");
  EXPECT_EQ(ask("scoped", RRType::AAAA), Lines{"scoped. AAAA fe80::1"});
  EXPECT_EQ(ask("mapped"), Lines{"mapped. A 192.0.2.7"});
}

TEST_F(HostsTest, AnotherTableTakesOver) {
  publish("192.0.2.1 host.example\n");
  publish("192.0.2.2 host.example\n");
  EXPECT_EQ(ask("host.example"), Lines{"host.example. A 192.0.2.2"});
  reclaim_.collect();
  EXPECT_EQ(reclaim_.pending(), 0u);
}

TEST_F(HostsTest, ManyNamesOfAnAddressAreCutAtARecord) {
  std::string text = "192.0.2.1";
  for (int i = 0; i < 60; ++i) text += " name" + std::to_string(i) + ".example";
  publish(text + "\n");
  const Lines answer = ask("1.2.0.192.in-addr.arpa", RRType::PTR);
  EXPECT_EQ(last_.flags & kFlagTC, kFlagTC);
  EXPECT_GT(answer.size(), 10u);
  EXPECT_LT(answer.size(), 60u);
}

TEST_F(HostsTest, AliasesOfOthersLeadHere) {
  options_.fall_through = {name(".")};
  publish("192.0.2.1 host.example\n");
  LocalData* holder = nullptr;
  Answer answer;
  const Name target = name("host.example");
  answer.reset(target.data(), static_cast<std::uint8_t>(target.size()));
  EXPECT_EQ(look_up_local(*route_, target.view(), RRType::A, 0, answer, worker_, &holder).found,
            LocalData::Found::Data);
  EXPECT_EQ(answer.answer_count, 1u);
  EXPECT_EQ(look_up_local(*route_, target.view(), RRType::AAAA, 0, answer, worker_, &holder).found,
            LocalData::Found::NoData);
  EXPECT_FALSE(is_local_name(*route_, name("other.example").view(), worker_));
}

}  // namespace
}  // namespace clusterdns::dns::testing
