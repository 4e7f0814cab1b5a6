#include "app/directives/zone_signer.h"

#include <gmock/gmock.h>

#include "tests/unit/dns/server/client.h"
#include "tests/unit/dns/shape/keys.h"
#include "tests/unit/dns/shape/validator.h"
#include "tests/unit/zones/file/zone_text.h"
#include "zones/file/zone_stage.h"

namespace clusterdns::app {
namespace {

using dns::Message;
using dns::RRType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using unit::Lines;
using unit::name;

constexpr std::uint32_t kNow = 1'800'000'000;

const std::string kZone =
    "$TTL 60\n"
    "@ 3600 SOA ns1 Host 7 7200 3600 1209600 30\n"
    "@ NS ns1\n@ MX 10 mail\n@ CAA 0 issue \"ca.test\"\n"
    "ns1 A 192.0.2.1\nmail A 192.0.2.2\nmail AAAA 2001:db8::2\n"
    "b.c TXT \"a \\\"b\\\"\" \\255\n"
    "alias CNAME mail\n"
    "*.w A 192.0.2.77\n"
    "svc HTTPS 1 . alpn=h2\n"
    "odd TYPE65280 \\# 3 010203\n"
    "old DNAME new\nx.old A 192.0.2.9\n"
    "sub NS ns.sub\nns.sub A 192.0.2.53\n"
    "safe NS ns1\nsafe DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000\n"
    "a\\.b\\000 TXT dots\n"
    // What somebody left there.
    "@ DNSKEY 257 3 13 AAEC\nmail NSEC old A\n";

class ZoneSignerTest : public ::testing::Test {
 protected:
  void sign(const std::vector<unit::KeyText>& keys = {unit::kP256Ksk}) {
    signing_.keys.clear();
    for (const auto& key : keys) {
      signing_.keys.push_back(unit::signing_key(key));
      validator_.trust("example.test.", signing_.keys.back()->rdata());
    }
    signing_.inception = kNow - 3600;
    signing_.expiration = kNow + 86'400;
    signing_.serial = kNow;
    const zones::ZoneReading plain = unit::read_zone(kZone, "example.test.");
    ASSERT_NE(plain.table, nullptr);
    text_.clear();
    EXPECT_EQ(sign_zone(*plain.table, signing_,
                        [this](std::string_view piece) {
                          text_ += piece;
                          return true;
                        }),
              "");
    zones::ZoneReading reading = unit::read_zone(text_, "example.test.");
    for (const auto& problem : reading.problems) EXPECT_FALSE(problem.is_error()) << problem.text;
    ASSERT_NE(reading.table, nullptr);
    records_ = unit::records(reading);
    stage_ = std::make_shared<zones::ZoneStage>(zones::ZoneStage::Options{"file", {}, {}, false},
                                                reclaim_);
    auto list = std::make_unique<zones::ZoneList>();
    list->add(name("example.test."), std::move(reading.table));
    stage_->publish(std::move(list));
    auto route = std::make_shared<dns::Route>();
    route->stages = {stage_};
    client_.worker.reclaim = &reclaim_;
    routes_.add(dns::Name{}, std::move(route));
  }
  ~ZoneSignerTest() override { routes_ = {}; }

  Message ask(const std::string& qname, RRType type = RRType::A) {
    client_.use(dns::Transport::Tcp);
    const auto reply = client_.ask(
        routes_, unit::Request{.qname = qname, .qtype = type, .edns = true, .dnssec_ok = true});
    return reply ? *reply : Message{};
  }
  [[nodiscard]] std::string wrong() const { return validator_.judge(client_.raw, kNow); }
  // Owners and next names of the NSEC records.
  static Lines proofs(const Message& message) {
    Lines found;
    for (const dns::Record& record : message.authority) {
      if (record.type != RRType::NSEC) continue;
      std::size_t end = 0;
      found.push_back(record.owner.to_text() + " " +
                      dns::Name::from_message(record.rdata, 0, &end)->to_text());
    }
    return found;
  }
  Lines of_type(const std::string& type) const {
    Lines found;
    for (const std::string& record : records_) {
      // Behind owner and TTL.
      const std::size_t at = record.find(' ', record.find(' ') + 1) + 1;
      if (record.compare(at, type.size() + 1, type + " ") == 0) found.push_back(record);
    }
    return found;
  }

  ZoneSigning signing_;
  std::string text_;
  Lines records_;
  dns::ReclaimDomain reclaim_{1};
  std::shared_ptr<zones::ZoneStage> stage_;
  dns::ListenerRoutes routes_;
  unit::Client client_;
  unit::Validator validator_;
};

TEST_F(ZoneSignerTest, TheSoaComesFirstWithItsSignature) {
  sign();
  EXPECT_TRUE(text_.starts_with("example.test.\t3600\tIN\tSOA\t")) << text_.substr(0, 200);
  EXPECT_THAT(text_,
              HasSubstr(" 1800000000 7200 3600 1209600 30\nexample.test.\t3600\tIN\tRRSIG\tSOA "
                        "13 2 3600 "));
  const SignedSoa soa = find_signed_soa(text_);
  ASSERT_EQ(soa.signatures.size(), 1U);
  EXPECT_EQ(soa.signatures[0].inception, kNow - 3600);
  EXPECT_EQ(soa.signatures[0].expiration, kNow + 86'400);
  EXPECT_EQ(soa.signatures[0].tag, 58245);
}

// RFC 4035 section 2.3: the chain of NSEC records, by canonical order, without glue and names that
// only have others below.
TEST_F(ZoneSignerTest, TheChainOfNames) {
  sign();
  Lines chain;
  for (const std::string& record : unit::sorted(of_type("NSEC"))) {
    chain.push_back(record.substr(0, record.find(' ')) + " " +
                    record.substr(record.find("NSEC ") + 5));
  }
  EXPECT_THAT(
      chain,
      ::testing::UnorderedElementsAre(
          "example.test. a\\.b\\000.example.test. NS SOA MX RRSIG NSEC DNSKEY CDS CDNSKEY CAA",
          "a\\.b\\000.example.test. alias.example.test. TXT RRSIG NSEC",
          "alias.example.test. b.c.example.test. CNAME RRSIG NSEC",
          "b.c.example.test. mail.example.test. TXT RRSIG NSEC",
          "mail.example.test. ns1.example.test. A AAAA RRSIG NSEC",
          "ns1.example.test. odd.example.test. A RRSIG NSEC",
          "odd.example.test. old.example.test. RRSIG NSEC TYPE65280",
          "old.example.test. safe.example.test. DNAME RRSIG NSEC",
          "safe.example.test. sub.example.test. NS DS RRSIG NSEC",
          "sub.example.test. svc.example.test. NS RRSIG NSEC",
          "svc.example.test. *.w.example.test. RRSIG NSEC HTTPS",
          "*.w.example.test. example.test. A RRSIG NSEC"));
}

TEST_F(ZoneSignerTest, KeysAreThoseThatSign) {
  sign({unit::kP256Ksk, unit::kEd25519});
  EXPECT_EQ(of_type("DNSKEY").size(), 2U);
  EXPECT_EQ(of_type("CDNSKEY").size(), 2U);
  // As `dnssec-dsfromkey -2` prints it.
  const Lines ds = of_type("CDS");
  EXPECT_EQ(ds.size(), 2U);
  EXPECT_THAT(ds, ::testing::Contains(HasSubstr(" CDS 58245 13 2 ")));
  (void)ask("example.test.", RRType::DNSKEY);
  EXPECT_EQ(wrong(), "");
  EXPECT_EQ(ask("mail.example.test.").answer.size(), 3U);
  EXPECT_EQ(wrong(), "");
}

// What `file` says of it to who sets DO (RFC 4035 section 3.1).
TEST_F(ZoneSignerTest, AnswersOfASignedZone) {
  sign();
  for (const auto& [qname, type] : std::initializer_list<std::pair<const char*, RRType>>{
           {"mail.example.test.", RRType::A},
           {"mail.example.test.", RRType::AAAA},
           {"example.test.", RRType::SOA},
           {"example.test.", RRType::NS},
           {"example.test.", RRType::CAA},
           {"b.c.example.test.", RRType::TXT},
           {"alias.example.test.", RRType::A},
           {"svc.example.test.", RRType::HTTPS},
           {"odd.example.test.", RRType{65280}},
           {"safe.example.test.", RRType::DS},
           {"mail.example.test.", RRType::NSEC},
           {"a\\.b\\000.example.test.", RRType::TXT},
       }) {
    const Message message = ask(qname, type);
    EXPECT_GE(message.answer.size(), 2U) << qname;
    EXPECT_EQ(wrong(), "") << qname;
  }
  // 3.1.3.1: no such type.
  EXPECT_THAT(proofs(ask("mail.example.test.", RRType::TXT)),
              ElementsAre("mail.example.test. ns1.example.test."));
  EXPECT_EQ(wrong(), "");
  // A name that only has others below it: the one before covers it.
  EXPECT_THAT(proofs(ask("c.example.test.")), ElementsAre("alias.example.test. b.c.example.test."));
  EXPECT_EQ(wrong(), "");
  // 3.1.3.2: no such name, and no wildcard.
  const Message none = ask("nothing.example.test.");
  EXPECT_EQ(none.rcode, static_cast<std::uint16_t>(dns::Rcode::NXDomain));
  EXPECT_THAT(proofs(none), ElementsAre("mail.example.test. ns1.example.test.",
                                        "example.test. a\\.b\\000.example.test."));
  EXPECT_EQ(wrong(), "");
  // 3.1.3.3: no closer name than the wildcard.
  const Message wild = ask("q.w.example.test.");
  EXPECT_EQ(wild.answer.size(), 2U);
  EXPECT_THAT(proofs(wild), ElementsAre("*.w.example.test. example.test."));
  EXPECT_EQ(wrong(), "");
  // 3.1.3.4: a wildcard without the type.
  EXPECT_THAT(proofs(ask("q.w.example.test.", RRType::TXT)),
              ElementsAre("*.w.example.test. example.test."));
  EXPECT_EQ(wrong(), "");
  // 3.1.4: delegations.
  EXPECT_THAT(proofs(ask("www.sub.example.test.")),
              ElementsAre("sub.example.test. svc.example.test."));
  EXPECT_EQ(wrong(), "sub.example.test. NS: unsigned\n");
  EXPECT_THAT(proofs(ask("www.safe.example.test.")), IsEmpty());
  EXPECT_EQ(wrong(), "safe.example.test. NS: unsigned\n");
  // The CNAME that a DNAME makes has no signature (RFC 6672 5.3.1).
  (void)ask("y.old.example.test.");
  EXPECT_EQ(wrong(), "y.old.example.test. CNAME: unsigned\n");
}

TEST_F(ZoneSignerTest, GlueIsNotSigned) {
  sign();
  for (const std::string& record : of_type("RRSIG")) {
    EXPECT_THAT(record, Not(::testing::StartsWith("ns.sub.")));
    EXPECT_THAT(record, Not(HasSubstr("RRSIG NS 13 3 ")));
  }
  EXPECT_THAT(records_, ::testing::Contains("ns.sub.example.test. 60 A 192.0.2.53"));
}

TEST_F(ZoneSignerTest, WhatCannotBeWrittenIsAnError) {
  sign();
  const zones::ZoneReading plain = unit::read_zone(kZone, "example.test.");
  EXPECT_EQ(sign_zone(*plain.table, signing_, [](std::string_view) { return false; }),
            "it cannot be written");
  const std::atomic<bool> abandoned{true};
  EXPECT_EQ(sign_zone(
                *plain.table, signing_, [](std::string_view) { return true; }, &abandoned),
            "it is not wanted any more");
}

TEST(WhyZonesAreSigned, ByTheDatesAndTheKeys) {
  const std::vector<std::shared_ptr<const dns::SigningKey>> keys{unit::signing_key(unit::kP256Ksk)};
  const auto why = [&](std::uint32_t inception, std::uint32_t expiration, unsigned tag = 58245) {
    SignedSoa soa;
    soa.signatures.push_back({inception, expiration, static_cast<std::uint16_t>(tag)});
    return why_sign(soa, keys, kNow);
  };
  constexpr std::uint32_t kDay = 86'400;
  EXPECT_EQ(why(kNow - 6 * kDay, kNow + 30 * kDay), "");
  EXPECT_EQ(why(kNow - 6 * kDay - 1, kNow + 30 * kDay),
            "its signatures began 6 days and 0 hours ago");
  EXPECT_EQ(why(kNow - kDay, kNow + 14 * kDay), "");
  EXPECT_EQ(why(kNow - kDay, kNow + 14 * kDay - 1),
            "its signatures expire in 13 days and 23 hours");
  EXPECT_EQ(why(kNow - kDay, kNow), "its signatures have expired");
  EXPECT_EQ(why(kNow + 1, kNow + 30 * kDay), "its signatures begin in the future");
  EXPECT_EQ(why(kNow - kDay, kNow + 30 * kDay, 1), "it was signed with other keys");
  EXPECT_EQ(why_sign({}, keys, kNow), "there is no signature of an SOA in its first 100 lines");
}

TEST(SignedSoa, IsFoundAsOtherToolsWriteIt) {
  const SignedSoa soa = find_signed_soa(
      "; File written on now\nexample.test. 60 IN SOA a. b. 1 2 3 4 5\n"
      "example.test. 60 IN RRSIG NS 13 2 60 20270101000000 20261201000000 7 example.test. AAAA\n"
      "\t60 RRSIG SOA 13 2 60 1800000000 20261201000000 7 example.test. AAAA\n");
  ASSERT_EQ(soa.signatures.size(), 1U);
  EXPECT_EQ(soa.signatures[0].expiration, 1'800'000'000U);
  EXPECT_EQ(soa.signatures[0].inception, 1'796'083'200U);
  EXPECT_EQ(soa.signatures[0].tag, 7U);
}

}  // namespace
}  // namespace clusterdns::app
