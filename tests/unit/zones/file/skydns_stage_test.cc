#include "zones/file/skydns_stage.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>

#include "dns/query/stage.h"
#include "tests/unit/dns/server/client.h"
#include "tests/unit/zones/file/zone_text.h"

namespace clusterdns::zones {
namespace {

using dns::Message;
using dns::Rcode;
using dns::RRType;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using unit::Lines;
using unit::lines;
using unit::name;
using unit::Request;

constexpr const char* kNegative =
    "skydns.test. 30 SOA ns.dns.skydns.test. hostmaster.skydns.test. 7 7200 1800 86400 30";

// The key of a name: "/skydns/test/skydns/a".
std::string key_of(const std::string& domain) {
  std::string key;
  std::string label;
  for (const char c : domain) {
    if (c != '.') {
      label += c;
    } else {
      key = "/" + label + key;
      label.clear();
    }
  }
  return "/skydns" + key;
}

// A stage with keys, and one behind it that has an address for names below "outside.".
class SkyDnsTest : public ::testing::Test {
 protected:
  SkyDnsTest() {
    options_.rotate = false;
    for (const char* zone : {"skydns.test.", "other.test.", "0.0.10.in-addr.arpa."}) {
      options_.zones.add(name(zone));
    }
  }
  ~SkyDnsTest() override { routes_ = {}; }

  void put(const std::string& domain, const std::string& value,
           std::shared_ptr<const LeaseEnd> lease = nullptr) {
    std::string problem;
    const std::string key = key_of(domain);
    auto record = read_skydns_record(key, value, "/skydns", std::move(lease), &problem);
    ASSERT_NE(record, nullptr) << key << ": " << problem;
    records_[key] = record;
  }
  void serve() {
    store_ = std::make_shared<SkyDnsStore>(reclaim_);
    auto route = std::make_shared<dns::Route>();
    route->stages = {std::make_shared<SkyDnsStage>(options_, store_),
                     std::make_shared<unit::ScriptedStage>(
                         [](dns::Exchange& exchange) { return outside(exchange); })};
    client_.worker.reclaim = &reclaim_;
    routes_.add(dns::Name{}, std::move(route));
  }
  void publish() {
    std::vector<SkyDnsTable::Record> records;
    for (const auto& [key, record] : records_) records.push_back(record);
    store_->publish(std::make_unique<SkyDnsTable>("/skydns", std::move(records), 7U));
  }
  static dns::Verdict outside(dns::Exchange& exchange) {
    const dns::NameView asked = exchange.query.name();
    if (dns::has_suffix_ignoring_case(asked, name("outside.").view()) &&
        exchange.query.qtype == RRType::A) {
      constexpr std::uint8_t kAddress[] = {203, 0, 113, 9};
      exchange.answer.add_record(dns::Section::Answer, 0, RRType::A, 30, kAddress);
      return dns::Verdict::Answered;
    }
    if (!dns::has_suffix_ignoring_case(asked, name("next.skydns.test.").view())) {
      return dns::Verdict::Next;
    }
    exchange.answer.rcode = Rcode::NotImp;  // it came here
    exchange.answer.relayed = true;
    return dns::Verdict::Answered;
  }

  Message ask(const std::string& qname, RRType type = RRType::A) {
    if (store_ == nullptr) {
      serve();
      publish();
    }
    const auto reply = client_.ask(
        routes_, Request{.qname = qname, .qtype = type, .edns = true, .udp_size = 4096});
    if (!reply) {
      ADD_FAILURE() << "no answer to " << qname;
      return {};
    }
    return *reply;
  }
  Lines answer(const std::string& qname, RRType type = RRType::A) {
    return lines(ask(qname, type).answer);
  }
  void expect_negative(const Message& message, Rcode rcode) {
    EXPECT_EQ(message.rcode, static_cast<std::uint16_t>(rcode));
    EXPECT_NE(message.flags & dns::kFlagAA, 0);
    EXPECT_THAT(lines(message.answer), IsEmpty());
    EXPECT_THAT(lines(message.authority), ElementsAre(kNegative));
  }

  dns::ReclaimDomain reclaim_{1};
  SkyDnsStage::Options options_;
  std::map<std::string, SkyDnsTable::Record> records_;
  std::shared_ptr<SkyDnsStore> store_;
  dns::ListenerRoutes routes_;
  unit::Client client_;
};

TEST_F(SkyDnsTest, Addresses) {
  put("a.server1.prod.skydns.test.", R"({"host":"10.0.0.1","port":8080})");
  put("b.server1.prod.skydns.test.", R"({"host":"10.0.0.2","ttl":60})");
  put("b.server6.prod.skydns.test.", R"({"host":"::1"})");
  put("c.server1.prod.skydns.test.", R"({"host":"10.0.0.2"})");
  EXPECT_THAT(answer("A.server1.prod.skydns.test."),
              ElementsAre("A.server1.prod.skydns.test. 300 A 10.0.0.1"));
  // All that is below a name is its own; what is there twice is said once.
  EXPECT_THAT(answer("server1.prod.skydns.test."),
              ElementsAre("server1.prod.skydns.test. 300 A 10.0.0.1",
                          "server1.prod.skydns.test. 60 A 10.0.0.2"));
  EXPECT_THAT(answer("prod.skydns.test.", RRType::AAAA),
              ElementsAre("prod.skydns.test. 300 AAAA ::1"));
  expect_negative(ask("server1.prod.skydns.test.", RRType::AAAA), Rcode::NoError);
  expect_negative(ask("server1.prod.skydns.test.", RRType{13}), Rcode::NoError);
  expect_negative(ask("server1.prod.skydns.test.", RRType::NS), Rcode::NoError);
  expect_negative(ask("none.skydns.test."), Rcode::NXDomain);
  expect_negative(ask("server.prod.skydns.test."), Rcode::NXDomain);
  expect_negative(ask("none.skydns.test.", RRType{13}), Rcode::NXDomain);
  EXPECT_THAT(answer("skydns.test.", RRType::SOA), ElementsAre(kNegative));
  EXPECT_EQ(ask("elsewhere.").rcode, static_cast<std::uint16_t>(Rcode::Refused));
}

TEST_F(SkyDnsTest, AddressesTakeTurns) {
  options_.rotate = true;
  put("a.x.skydns.test.", R"({"host":"10.0.0.1"})");
  put("b.x.skydns.test.", R"({"host":"10.0.0.2"})");
  const Lines first = answer("x.skydns.test.");
  Lines second = answer("x.skydns.test.");
  EXPECT_NE(first, second);
  std::reverse(second.begin(), second.end());
  EXPECT_EQ(first, second);
}

TEST_F(SkyDnsTest, TheZoneItself) {
  put("x.skydns.test.", R"({"host":"10.0.0.2"})");
  EXPECT_THAT(answer("skydns.test."), ElementsAre("skydns.test. 300 A 10.0.0.2"));
  put("a1.apex.dns.skydns.test.", R"({"host":"10.0.0.4"})");
  put("a3.apex.dns.skydns.test.", R"({"host":"2003::8:1"})");
  publish();
  EXPECT_THAT(answer("skydns.test."), ElementsAre("skydns.test. 300 A 10.0.0.4"));
  EXPECT_THAT(answer("skydns.test.", RRType::AAAA), ElementsAre("skydns.test. 300 AAAA 2003::8:1"));
}

TEST_F(SkyDnsTest, Nameservers) {
  put("a.ns.dns.skydns.test.", R"({"host":"10.0.0.2"})");
  put("ns1.c.ns.dns.skydns.test.", R"({"host":"10.0.0.4","targetstrip":1})");
  put("ns2.c.ns.dns.skydns.test.", R"({"host":"10.0.0.5","targetstrip":1})");
  const Message message = ask("skydns.test.", RRType::NS);
  EXPECT_THAT(lines(message.answer), ElementsAre("skydns.test. 300 NS a.ns.dns.skydns.test.",
                                                 "skydns.test. 300 NS c.ns.dns.skydns.test."));
  EXPECT_THAT(lines(message.additional), ElementsAre("a.ns.dns.skydns.test. 300 A 10.0.0.2",
                                                     "c.ns.dns.skydns.test. 300 A 10.0.0.4",
                                                     "c.ns.dns.skydns.test. 300 A 10.0.0.5"));
  put("b.ns.dns.skydns.test.", R"({"host":"name.test"})");
  publish();
  EXPECT_EQ(ask("skydns.test.", RRType::NS).rcode, static_cast<std::uint16_t>(Rcode::ServFail));
}

TEST_F(SkyDnsTest, Services) {
  put("a.sub.skydns.test.", R"({"host":"sub.server1"})");
  put("b.sub.skydns.test.", R"({"host":"sub.server2","port":80})");
  put("c.sub.skydns.test.", R"({"host":"10.0.0.1","port":8080})");
  put("priority.skydns.test.", R"({"host":"priority.server1","priority":333,"port":8080})");
  put("a.strip.skydns.test.", R"({"host":"10.0.0.1","port":8080,"targetstrip":1})");
  put("http.multi.skydns.test.", R"({"host":"10.0.0.9","port":80})");
  put("none.multi.skydns.test.", R"({"host":"10.0.0.9","port":-1})");
  const Message message = ask("sub.skydns.test.", RRType::SRV);
  EXPECT_THAT(lines(message.answer),
              ElementsAre("sub.skydns.test. 300 SRV 10 33 0 sub.server1.",
                          "sub.skydns.test. 300 SRV 10 33 80 sub.server2.",
                          "sub.skydns.test. 300 SRV 10 33 8080 c.sub.skydns.test."));
  EXPECT_THAT(lines(message.additional), ElementsAre("c.sub.skydns.test. 300 A 10.0.0.1"));
  EXPECT_THAT(answer("priority.skydns.test.", RRType::SRV),
              ElementsAre("priority.skydns.test. 300 SRV 333 100 8080 priority.server1."));
  EXPECT_THAT(answer("strip.skydns.test.", RRType::SRV),
              ElementsAre("strip.skydns.test. 300 SRV 10 100 8080 strip.skydns.test."));
  EXPECT_THAT(answer("multi.skydns.test.", RRType::SRV),
              ElementsAre("multi.skydns.test. 300 SRV 10 50 80 http.multi.skydns.test."));
}

TEST_F(SkyDnsTest, WildcardsInQuestions) {
  put("a.server1.prod.region1.skydns.test.", R"({"host":"10.0.0.1"})");
  put("b.server1.prod.region2.skydns.test.", R"({"host":"10.0.0.2"})");
  put("a.server1.dev.region1.skydns.test.", R"({"host":"10.0.0.3"})");
  for (const char* wild : {"*", "any"}) {
    const std::string asked = std::string("prod.") + wild + ".skydns.test.";
    EXPECT_THAT(answer(asked), ElementsAre(asked + " 300 A 10.0.0.1", asked + " 300 A 10.0.0.2"));
  }
  EXPECT_THAT(unit::values(ask("*.region1.skydns.test.").answer),
              ElementsAre("10.0.0.3", "10.0.0.1"));
  expect_negative(ask("none.*.skydns.test."), Rcode::NoError);
}

TEST_F(SkyDnsTest, Groups) {
  put("a.dom.skydns.test.", R"({"host":"127.0.0.1","group":"g1"})");
  put("b.sub.dom.skydns.test.", R"({"host":"127.0.0.2","group":"g1"})");
  put("a.dom1.skydns.test.", R"({"host":"127.0.0.1","group":"g1"})");
  put("b.sub.dom1.skydns.test.", R"({"host":"127.0.0.2","group":"g2"})");
  put("a.dom2.skydns.test.", R"({"host":"127.0.0.1","group":"g1"})");
  put("b.sub.dom2.skydns.test.", R"({"host":"127.0.0.2"})");
  put("a.dom3.skydns.test.", R"({"host":"127.0.0.1","group":"g1"})");
  put("b.dom3.skydns.test.", R"({"host":"127.0.0.2","group":"g2"})");
  EXPECT_EQ(answer("dom.skydns.test.").size(), 2U);
  EXPECT_THAT(answer("dom1.skydns.test."), ElementsAre("dom1.skydns.test. 300 A 127.0.0.1"));
  EXPECT_EQ(answer("dom2.skydns.test.").size(), 2U);
  EXPECT_EQ(answer("dom3.skydns.test.").size(), 2U) << "they disagree";
}

TEST_F(SkyDnsTest, Texts) {
  put("a.txt.skydns.test.", R"({"text":"abc abc"})");
  put("b.txt.skydns.test.", R"({"text":"more","host":"a.name"})");
  put("long.skydns.test.", R"({"text":")" + std::string(510, '0') + "\"}");
  EXPECT_THAT(
      answer("txt.skydns.test.", RRType::TXT),
      ElementsAre("txt.skydns.test. 300 TXT \"abc abc\"", "txt.skydns.test. 300 TXT \"more\""));
  const std::string piece = "\"" + std::string(255, '0') + "\"";
  EXPECT_THAT(answer("long.skydns.test.", RRType::TXT),
              ElementsAre("long.skydns.test. 300 TXT " + piece + " " + piece));
  expect_negative(ask("long.skydns.test."), Rcode::NoError);
}

TEST_F(SkyDnsTest, Mail) {
  put("a.mail.skydns.test.", R"({"host":"a.ip.skydns.test","priority":50,"mail":true})");
  put("b.mail.skydns.test.", R"({"host":"mx.elsewhere","mail":true})");
  put("c.mail.skydns.test.", R"({"host":"10.0.0.7"})");
  put("a.ip.skydns.test.", R"({"host":"172.16.1.1"})");
  const Message message = ask("mail.skydns.test.", RRType::MX);
  EXPECT_THAT(lines(message.answer), ElementsAre("mail.skydns.test. 300 MX 50 a.ip.skydns.test.",
                                                 "mail.skydns.test. 300 MX 10 mx.elsewhere."));
  EXPECT_THAT(lines(message.additional), ElementsAre("a.ip.skydns.test. 300 A 172.16.1.1"));
}

TEST_F(SkyDnsTest, Reverse) {
  put("1.0.0.10.in-addr.arpa.", R"({"host":"reverse.example.com"})");
  put("2.0.0.10.in-addr.arpa.", R"({"host":"10.0.0.2"})");
  EXPECT_THAT(answer("1.0.0.10.in-addr.arpa.", RRType::PTR),
              ElementsAre("1.0.0.10.in-addr.arpa. 300 PTR reverse.example.com."));
  EXPECT_EQ(ask("2.0.0.10.in-addr.arpa.", RRType::PTR).rcode, 0);
  EXPECT_EQ(ask("3.0.0.10.in-addr.arpa.", RRType::PTR).rcode,
            static_cast<std::uint16_t>(Rcode::NXDomain));
}

TEST_F(SkyDnsTest, Aliases) {
  put("in.skydns.test.", R"({"host":"target.skydns.test"})");
  put("target.skydns.test.", R"({"host":"10.0.0.5","ttl":20})");
  put("out.skydns.test.", R"({"host":"www.outside"})");
  put("chain.skydns.test.", R"({"host":"out.skydns.test"})");
  put("lost.skydns.test.", R"({"host":"none.skydns.test"})");
  put("a.loop.skydns.test.", R"({"host":"b.loop.skydns.test"})");
  put("b.loop.skydns.test.", R"({"host":"a.loop.skydns.test"})");
  EXPECT_THAT(answer("in.skydns.test."),
              ElementsAre("in.skydns.test. 300 CNAME target.skydns.test.",
                          "target.skydns.test. 20 A 10.0.0.5"));
  EXPECT_THAT(answer("in.skydns.test.", RRType::CNAME),
              ElementsAre("in.skydns.test. 300 CNAME target.skydns.test."));
  EXPECT_THAT(answer("out.skydns.test."), ElementsAre("out.skydns.test. 300 CNAME www.outside.",
                                                      "www.outside. 30 A 203.0.113.9"));
  EXPECT_THAT(
      answer("chain.skydns.test."),
      ElementsAre("chain.skydns.test. 300 CNAME out.skydns.test.",
                  "out.skydns.test. 300 CNAME www.outside.", "www.outside. 30 A 203.0.113.9"));
  expect_negative(ask("lost.skydns.test."), Rcode::NoError);
  expect_negative(ask("a.loop.skydns.test."), Rcode::NoError);
  expect_negative(ask("loop.skydns.test."), Rcode::NoError);
}

TEST_F(SkyDnsTest, LeasesMakeTtls) {
  const auto lease = [](std::int64_t seconds) {
    return std::make_shared<LeaseEnd>(dns::monotonic_ns() + seconds * 1'000'000'000 + 999'000'000);
  };
  options_.most_lease_ttl = 1000;
  put("a.skydns.test.", R"({"host":"10.0.0.1"})", lease(100));
  put("b.skydns.test.", R"({"host":"10.0.0.1"})", lease(2));
  put("c.skydns.test.", R"({"host":"10.0.0.1"})", lease(5000));
  put("d.skydns.test.", R"({"host":"10.0.0.1","ttl":40})", lease(100));
  put("e.skydns.test.", R"({"host":"10.0.0.1"})", std::make_shared<LeaseEnd>(0));
  EXPECT_THAT(answer("b.skydns.test."), ElementsAre("b.skydns.test. 30 A 10.0.0.1"));
  EXPECT_THAT(answer("c.skydns.test."), ElementsAre("c.skydns.test. 1000 A 10.0.0.1"));
  EXPECT_THAT(answer("d.skydns.test."), ElementsAre("d.skydns.test. 40 A 10.0.0.1"));
  EXPECT_THAT(answer("e.skydns.test."), ElementsAre("e.skydns.test. 30 A 10.0.0.1"));
  const std::uint32_t ttl = ask("a.skydns.test.").answer.at(0).ttl;
  EXPECT_GT(ttl, 60U);
  EXPECT_LE(ttl, 100U);
}

TEST_F(SkyDnsTest, BeforeAnythingIsRead) {
  serve();
  EXPECT_EQ(ask("a.skydns.test.").rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  put("a.skydns.test.", R"({"host":"10.0.0.1"})");
  publish();
  EXPECT_EQ(ask("a.skydns.test.").rcode, 0);
}

TEST_F(SkyDnsTest, WhatFallsThrough) {
  options_.fall_through.add(name("next.skydns.test."));
  put("a.next.skydns.test.", R"({"host":"10.0.0.1"})");
  expect_negative(ask("none.skydns.test."), Rcode::NXDomain);
  EXPECT_EQ(ask("none.next.skydns.test.").rcode, static_cast<std::uint16_t>(Rcode::NotImp));
  expect_negative(ask("a.next.skydns.test.", RRType::AAAA), Rcode::NoError);
}

TEST_F(SkyDnsTest, TooManyKeys) {
  for (std::size_t i = 0; i <= kMaxSkyDnsScan; ++i) {
    put("n" + std::to_string(i) + ".many.skydns.test.", R"({"host":"10.0.0.1"})");
  }
  EXPECT_EQ(ask("many.skydns.test.").rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_THAT(answer("n1.many.skydns.test."), ElementsAre("n1.many.skydns.test. 300 A 10.0.0.1"));
}

// The bound is the question's: what many targets lead to is looked at no more often.
TEST_F(SkyDnsTest, TooManyKeysOfAllTargetsTogether) {
  for (int i = 0; i < 1000; ++i)
    put("k" + std::to_string(i) + ".big.skydns.test.", R"({"host":"10.0.0.1"})");
  for (const char* const star : {"a", "b", "c", "d", "e"}) {
    put(std::string(star) + ".srv.skydns.test.",
        R"({"host":"*.)" + std::string(star) + R"(.big.skydns.test","port":80})");
  }
  for (const char* const star : {"a", "b", "c", "d", "e"}) {
    for (int i = 0; i < 1000; ++i) {
      put("k" + std::to_string(i) + "." + std::string(star) + ".big.skydns.test.",
          R"({"host":"10.0.0.1"})");
    }
  }
  EXPECT_EQ(ask("srv.skydns.test.", RRType::SRV).rcode,
            static_cast<std::uint16_t>(Rcode::ServFail));
}

TEST(SkyDnsRecord, WhatIsNone) {
  for (const auto& [value, why] :
       std::map<std::string, std::string>{{"", "the value is not a JSON object"},
                                          {"[]", "the value is not a JSON object"},
                                          {R"({"host":1})", "`host` is not text"},
                                          {R"({"port":"80"})", "`port` is not a whole number"},
                                          {R"({"ttl":-1})", "`ttl` is out of range"},
                                          {R"({"mail":1})", "`mail` is neither true nor false"},
                                          {R"({"host":"a..b"})", "`a..b` is not a domain name"}}) {
    std::string problem;
    EXPECT_EQ(read_skydns_record("/skydns/a", value, "/skydns", nullptr, &problem), nullptr)
        << value;
    EXPECT_EQ(problem, why);
  }
  std::string problem;
  const auto record =
      read_skydns_record("/skydns/a", R"({"Host":"::ffff:10.0.0.1","TTL":5,"port":null,"more":{}})",
                         "/skydns", nullptr, &problem);
  ASSERT_NE(record, nullptr) << problem;
  EXPECT_EQ(record->kind, SkyDnsRecord::Kind::A);
  EXPECT_EQ(record->ttl, 5U);
}

}  // namespace
}  // namespace clusterdns::zones
