#include "dns/shape/dnssec_stage.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "tests/unit/dns/server/client.h"
#include "tests/unit/dns/shape/keys.h"
#include "tests/unit/dns/shape/validator.h"
#include "tests/unit/zones/file/zone_text.h"
#include "zones/file/zone_stage.h"

namespace clusterdns::dns {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using unit::lines;
using unit::Lines;
using unit::name;
using unit::Octets;
using unit::Request;
using Count = DnssecStage::Count;

std::uint32_t the_time = 1'800'000'000;
std::int64_t the_moment = 0;
std::int64_t each_step = 0;  // nanoseconds that go by between two looks at the clock

constexpr const char* kZone =
    "$TTL 60\n"
    "@ 3600 SOA ns1 Host 7 7200 3600 1209600 30\n"
    "@ NS ns1\n"
    "ns1 A 192.0.2.1\n"
    "web A 192.0.2.10\nweb A 192.0.2.11\nweb A 192.0.2.9\nweb TXT x\n"
    "alias CNAME web\n"
    "broken CNAME missing\n"
    "away CNAME www.outside.\n"
    "mail MX 10 WEB\n"
    "*.w A 192.0.2.77\n"
    "sub NS ns.sub\n"
    "ns.sub A 192.0.2.53\n"
    "safe NS ns.safe\n"
    "safe DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000\n"
    "ns.safe A 192.0.2.54\n";

class DnssecStageTest : public ::testing::Test {
 protected:
  DnssecStageTest() {
    the_time = 1'800'000'000;
    the_moment = 0;
    each_step = 0;
    client_.worker.reclaim = &reclaim_;
  }
  ~DnssecStageTest() override { routes_ = {}; }

  void sign_with(const std::vector<unit::KeyText>& texts) {
    for (const auto& text : texts) {
      options_.keys.push_back(unit::signing_key(text));
      validator_.trust("example.test.", options_.keys.back()->rdata());
    }
  }
  void build(std::vector<std::shared_ptr<Stage>> behind) {
    if (options_.keys.empty()) sign_with({unit::kP256Ksk});
    options_.zones.add(name("example.test."));
    options_.now = []() noexcept { return the_time; };
    options_.monotonic = []() noexcept { return the_moment += each_step; };
    stage_ = std::make_shared<DnssecStage>(options_);
    auto route = std::make_shared<Route>();
    route->stages = {stage_};
    route->stages.insert(route->stages.end(), behind.begin(), behind.end());
    routes_.add(Name{}, std::move(route));
  }
  // Answers from a zone file, and from one of another zone.
  void serve() {
    auto files = std::make_shared<zones::ZoneStage>(zones::ZoneStage::Options{"file", {}, {}, true},
                                                    reclaim_);
    auto list = std::make_unique<zones::ZoneList>();
    zones::ZoneReading reading = unit::read_zone(std::string(kZone), "example.test.");
    list->add(name("example.test."), std::move(reading.table));
    zones::ZoneReading other =
        unit::read_zone("$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nwww A 203.0.113.1\n", "outside.");
    list->add(name("outside."), std::move(other.table));
    files->publish(std::move(list));
    build({files});
  }
  void serve(unit::ScriptedStage::Script script) {
    build({std::make_shared<unit::ScriptedStage>(std::move(script))});
  }

  Message ask(const std::string& qname, RRType type = RRType::A, bool dnssec = true,
              std::size_t limit = kMaxMessageSize) {
    const auto reply = client_.ask(
        routes_, Request{.qname = qname, .qtype = type, .edns = true, .dnssec_ok = dnssec}, limit);
    if (!reply) {
      ADD_FAILURE() << "no answer to " << qname;
      return {};
    }
    return *reply;
  }
  // What is wrong with the signatures of the last answer.
  [[nodiscard]] std::string wrong() const { return validator_.judge(client_.raw, the_time); }

  static std::vector<Record> of_type(const std::vector<Record>& section, RRType type) {
    std::vector<Record> found;
    std::ranges::copy_if(section, std::back_inserter(found),
                         [&](const Record& record) { return record.type == type; });
    return found;
  }
  static std::string nsec_of(const Message& message) {
    const auto found = of_type(message.authority, RRType::NSEC);
    return found.empty() ? "none" : unit::line(found.front());
  }

  ReclaimDomain reclaim_{1};
  DnssecStage::Options options_;
  std::shared_ptr<DnssecStage> stage_;
  ListenerRoutes routes_;
  unit::Client client_;
  unit::Validator validator_;
};

TEST_F(DnssecStageTest, EveryAlgorithmSigns) {
  for (const auto& key :
       {unit::kP256Ksk, unit::kP384, unit::kEd25519, unit::kRsa1024, unit::kRsa2048}) {
    options_ = {};
    routes_ = {};
    sign_with({key});
    serve();
    const Message message = ask("web.example.test.");
    EXPECT_EQ(wrong(), "") << key.public_half;
    EXPECT_THAT(of_type(message.answer, RRType::A), SizeIs(3));
    EXPECT_THAT(of_type(message.answer, RRType::RRSIG), SizeIs(1));
    // The same from what is kept.
    (void)ask("web.example.test.");
    EXPECT_EQ(wrong(), "") << key.public_half;
    EXPECT_EQ(stage_->total(Count::Hit), 1U);
  }
}

TEST_F(DnssecStageTest, SignaturesSayWhatTheyShould) {
  serve();
  const Message message = ask("WEB.example.test.");
  const auto signature = of_type(message.answer, RRType::RRSIG);
  ASSERT_THAT(signature, SizeIs(1));
  // Three hours ago, for eight days from now on, of a TTL of an hour, with the TTL of its records.
  const std::string text = unit::line(signature[0]);
  EXPECT_THAT(text, HasSubstr("60 RRSIG A 13 3 3600 20270123080000 20270115050000 58245 "
                              "example.test. "));
}

TEST_F(DnssecStageTest, WhoDoesNotAskForThemGetsNone) {
  serve();
  for (const char* const qname :
       {"web.example.test.", "nothing.example.test.", "broken.example.test."}) {
    const Message message = ask(qname, RRType::A, false);
    for (const auto& section : {message.answer, message.authority}) {
      for (const Record& record : section) {
        EXPECT_NE(record.type, RRType::RRSIG);
        EXPECT_NE(record.type, RRType::NSEC);
      }
    }
  }
  EXPECT_EQ(ask("nothing.example.test.", RRType::A, false).rcode,
            static_cast<std::uint16_t>(Rcode::NXDomain));
  EXPECT_EQ(stage_->total(Count::Miss), 0U);
}

TEST_F(DnssecStageTest, WhatDoesNotExistIsNodataOfItsVeryName) {
  serve();
  const Message message = ask("a.nothing.example.test.");
  EXPECT_EQ(message.rcode, 0);
  EXPECT_THAT(message.answer, IsEmpty());
  EXPECT_EQ(nsec_of(message),
            "a.nothing.example.test. 30 NSEC \\000.a.nothing.example.test. PTR HINFO MX TXT AAAA "
            "LOC SRV NAPTR CERT SSHFP RRSIG NSEC TLSA SMIMEA HIP OPENPGPKEY SVCB HTTPS SPF URI "
            "CAA");
  EXPECT_EQ(wrong(), "");
}

TEST_F(DnssecStageTest, OfATypeThatIsMissingTheOthersAreNot) {
  serve();
  const Message message = ask("web.example.test.", RRType::AAAA);
  EXPECT_THAT(nsec_of(message),
              AllOf(HasSubstr(" NSEC \\000.web.example.test. A PTR HINFO MX TXT LOC ")));
  EXPECT_EQ(wrong(), "");
  EXPECT_THAT(nsec_of(ask("example.test.", RRType::MX)),
              HasSubstr(" NSEC \\000.example.test. A NS SOA PTR HINFO TXT AAAA LOC SRV NAPTR CERT "
                        "SSHFP RRSIG NSEC DNSKEY TLSA"));
  EXPECT_EQ(wrong(), "");
}

TEST_F(DnssecStageTest, AQuestionForNsecIsAnswered) {
  serve();
  const Message message = ask("web.example.test.", RRType::NSEC);
  EXPECT_THAT(of_type(message.answer, RRType::NSEC), SizeIs(1));
  EXPECT_THAT(message.authority, IsEmpty());
  EXPECT_EQ(wrong(), "");
}

TEST_F(DnssecStageTest, KeysAreToldAtTheApexAlone) {
  serve();
  const Message message = ask("Example.Test.", RRType::DNSKEY);
  EXPECT_NE(message.flags & kFlagAA, 0);
  EXPECT_THAT(of_type(message.answer, RRType::DNSKEY), SizeIs(1));
  EXPECT_EQ(wrong(), "");
  EXPECT_THAT(lines(ask("example.test.", RRType::DNSKEY, false).answer),
              ElementsAre(HasSubstr("3600 DNSKEY 257 3 13 ")));
  EXPECT_THAT(ask("web.example.test.", RRType::DNSKEY).answer, IsEmpty());
  EXPECT_EQ(wrong(), "");
}

TEST_F(DnssecStageTest, KeysForKeysAndKeysForTheRest) {
  sign_with({unit::kP256Ksk, unit::kP256Zsk});
  serve();
  const auto tags = [&](const Message& message) {
    Lines found;
    for (const Record& record : of_type(message.answer, RRType::RRSIG)) {
      found.push_back(std::to_string(load_u16(record.rdata.data() + 16)));
    }
    return found;
  };
  EXPECT_THAT(tags(ask("example.test.", RRType::DNSKEY)), ElementsAre("58245"));
  EXPECT_EQ(wrong(), "");
  EXPECT_THAT(tags(ask("web.example.test.")), ElementsAre("44228"));
  EXPECT_EQ(wrong(), "");
}

TEST_F(DnssecStageTest, SeveralKeysOfOneKindAllSign) {
  sign_with({unit::kP256Ksk, unit::kEd25519});
  serve();
  EXPECT_THAT(of_type(ask("web.example.test.").answer, RRType::RRSIG), SizeIs(2));
  EXPECT_EQ(wrong(), "");
  EXPECT_THAT(of_type(ask("example.test.", RRType::DNSKEY).answer, RRType::RRSIG), SizeIs(2));
  EXPECT_EQ(wrong(), "");
}

TEST_F(DnssecStageTest, Aliases) {
  serve();
  EXPECT_THAT(of_type(ask("alias.example.test.").answer, RRType::RRSIG), SizeIs(2));
  EXPECT_EQ(wrong(), "");
  // Where it leads there is nothing: that is what is proved.
  const Message broken = ask("broken.example.test.");
  EXPECT_EQ(broken.rcode, 0);
  EXPECT_THAT(of_type(broken.answer, RRType::RRSIG), SizeIs(1));
  EXPECT_THAT(nsec_of(broken), HasSubstr("missing.example.test. 30 NSEC \\000.missing."));
  EXPECT_EQ(wrong(), "");
  // Others sign their own.
  EXPECT_THAT(of_type(ask("away.example.test.").answer, RRType::RRSIG), SizeIs(1));
  EXPECT_EQ(wrong(), "www.outside. A: unsigned\n");
}

TEST_F(DnssecStageTest, WildcardsAreSignedAsTheNameThatWasAsked) {
  serve();
  EXPECT_THAT(of_type(ask("any.w.example.test.").answer, RRType::RRSIG), SizeIs(1));
  EXPECT_EQ(wrong(), "");
  EXPECT_THAT(of_type(ask("*.w.example.test.").answer, RRType::RRSIG), SizeIs(1));
  EXPECT_EQ(wrong(), "");
}

TEST_F(DnssecStageTest, NamesInRecordsAreSignedInLowerCase) {
  serve();
  EXPECT_THAT(of_type(ask("mail.example.test.", RRType::MX).answer, RRType::RRSIG), SizeIs(1));
  EXPECT_EQ(wrong(), "");
  (void)ask("nothing.example.test.");  // the SOA has one
  EXPECT_EQ(wrong(), "");
}

TEST_F(DnssecStageTest, Delegations) {
  serve();
  // Without DS: that there is none, at the delegation's own name, and nothing else is signed.
  const Message insecure = ask("deep.www.sub.example.test.");
  EXPECT_EQ(nsec_of(insecure), "sub.example.test. 60 NSEC sub\\000.example.test. NS RRSIG NSEC");
  EXPECT_EQ(wrong(), "sub.example.test. NS: unsigned\n");
  const Message secure = ask("www.safe.example.test.");
  EXPECT_EQ(nsec_of(secure), "none");
  EXPECT_THAT(of_type(secure.authority, RRType::RRSIG), SizeIs(1));
  EXPECT_EQ(wrong(), "safe.example.test. NS: unsigned\n");
  EXPECT_THAT(of_type(secure.additional, RRType::RRSIG), IsEmpty());
}

// What says that a name is a delegation without DS takes all below it out of what is signed.
TEST_F(DnssecStageTest, OnlyADelegationIsSaidToBeOne) {
  serve();
  EXPECT_EQ(nsec_of(ask("sub.example.test.", RRType::DS)),
            "sub.example.test. 30 NSEC sub\\000.example.test. NS RRSIG NSEC");
  EXPECT_EQ(wrong(), "");
  for (const char* const qname : {"web.example.test.", "nothing.example.test."}) {
    const Message message = ask(qname, RRType::DS);
    EXPECT_THAT(nsec_of(message), AllOf(HasSubstr(" A PTR "))) << qname;
    EXPECT_THAT(nsec_of(message), ::testing::Not(HasSubstr(" NS "))) << qname;
    EXPECT_EQ(wrong(), "");
  }
  EXPECT_THAT(of_type(ask("safe.example.test.", RRType::DS).answer, RRType::RRSIG), SizeIs(1));
  EXPECT_EQ(wrong(), "");
}

TEST_F(DnssecStageTest, AnswersThatComeLaterAreSigned) {
  std::vector<std::unique_ptr<Exchange>> waiting;
  serve([&](Exchange& exchange) {
    waiting.push_back(exchange.defer());
    return Verdict::Deferred;
  });
  const auto send = [&](RRType type) {
    return client_.send(
        routes_,
        Request{.qname = "later.example.test.", .qtype = type, .edns = true, .dnssec_ok = true}
            .wire());
  };
  EXPECT_TRUE(send(RRType::A).empty());
  waiting[0]->answer.add_record(Section::Answer, 0, RRType::A, 9, Octets{192, 0, 2, 1});
  finish(std::move(waiting[0]));
  client_.raw = client_.later.at(0);
  client_.later.clear();
  EXPECT_EQ(wrong(), "");
  EXPECT_EQ(unit::decode(client_.raw).answer.size(), 2U);
  // A question for NS is asked on the way, which waits, too.
  EXPECT_TRUE(send(RRType::DS).empty());
  waiting[1]->answer.add_record(
      Section::Authority, waiting[1]->answer.add_question_suffix(14), RRType::SOA, 9,
      Octets{0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5});
  finish(std::move(waiting[1]));
  ASSERT_EQ(waiting.size(), 3U);
  EXPECT_EQ(waiting[2]->query.qtype, RRType::NS);
  finish(std::move(waiting[2]));
  client_.raw = client_.later.at(0);
  EXPECT_EQ(wrong(), "");
  EXPECT_THAT(nsec_of(unit::decode(client_.raw)), HasSubstr("later.example.test. 5 NSEC"));
}

TEST_F(DnssecStageTest, SignaturesAreKeptWhateverTheOrderAndTheTtl) {
  int turn = 0;
  serve([&](Exchange& exchange) {
    for (int i = 0; i < 3; ++i) {
      const auto last = static_cast<std::uint8_t>((i + turn) % 3);
      exchange.answer.add_record(Section::Answer, 0, RRType::A, static_cast<unsigned>(9 + turn),
                                 Octets{192, 0, 2, last});
    }
    ++turn;
    return Verdict::Answered;
  });
  for (int i = 0; i < 3; ++i) {
    (void)ask("x.example.test.");
    EXPECT_EQ(wrong(), "");
  }
  EXPECT_EQ(stage_->total(Count::Miss), 1U);
  EXPECT_EQ(stage_->total(Count::Hit), 2U);
  EXPECT_EQ(stage_->cache().entries(), 1U);
  // Two days before their end they are made anew; also when the clock is set back.
  the_time += 6 * 86'400;
  (void)ask("x.example.test.");
  EXPECT_EQ(stage_->total(Count::Miss), 1U);
  the_time += 1;
  (void)ask("x.example.test.");
  EXPECT_EQ(stage_->total(Count::Miss), 2U);
  EXPECT_EQ(wrong(), "");
  the_time -= 30 * 86'400;
  (void)ask("x.example.test.");
  EXPECT_EQ(stage_->total(Count::Miss), 3U);
  EXPECT_EQ(wrong(), "");
  EXPECT_EQ(stage_->cache().entries(), 1U);
}

TEST_F(DnssecStageTest, OneAnswerTakesSoManySignaturesAtMost) {
  serve([](Exchange& exchange) {
    for (unsigned i = 0; i <= DnssecStage::kMaxMade; ++i) {
      exchange.answer.add_record(Section::Answer, 0, RRType(65'300 + i), 9, Octets{1});
    }
    return Verdict::Answered;
  });
  client_.use(Transport::Tcp);
  EXPECT_EQ(ask("x.example.test.", RRType::ANY).rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_EQ(stage_->total(Count::Miss), DnssecStage::kMaxMade + 1);
  // Those that were made are there when somebody comes back.
  EXPECT_EQ(ask("x.example.test.", RRType::ANY).rcode, 0);
  EXPECT_EQ(wrong(), "");
}

TEST_F(DnssecStageTest, AdditionalRecordsAreSignedUpToABound) {
  serve([](Exchange& exchange) {
    exchange.answer.add_record(Section::Answer, 0, RRType::TXT, 9, Octets{1, 'x'});
    for (int i = 0; i < 40; ++i) {
      const auto host = exchange.answer.find_or_add_name(
          name("host" + std::to_string(i) + ".example.test.").view());
      exchange.answer.add_record(Section::Additional, *host, RRType::A, 9, Octets{192, 0, 2, 1});
    }
    return Verdict::Answered;
  });
  client_.use(Transport::Tcp);
  const Message message = ask("x.example.test.", RRType::TXT);
  EXPECT_THAT(of_type(message.additional, RRType::A), SizeIs(40));
  EXPECT_THAT(of_type(message.additional, RRType::RRSIG), SizeIs(DnssecStage::kMaxAdditional));
  EXPECT_EQ(stage_->total(Count::Miss), DnssecStage::kMaxAdditional + 1);
}

TEST_F(DnssecStageTest, WhoFloodsHasToComeOverTcp) {
  serve();
  each_step = 20'000'000;  // what each signature takes here
  int number = 0;
  const auto ask_new = [&] { return ask("n" + std::to_string(++number) + ".example.test."); };
  int signed_answers = 0;
  Message message;
  for (; signed_answers < 100; ++signed_answers) {
    message = ask_new();
    if ((message.flags & kFlagTC) != 0) break;
  }
  EXPECT_GT(signed_answers, 5);
  EXPECT_LT(signed_answers, 30);
  EXPECT_THAT(message.authority, IsEmpty());
  EXPECT_EQ(message.rcode, 0);
  EXPECT_EQ(stage_->total(Count::Truncated), 1U);
  // What is kept costs nothing.
  EXPECT_EQ(ask("n1.example.test.").flags & kFlagTC, 0);
  client_.use(Transport::Tcp);
  EXPECT_EQ(ask_new().flags & kFlagTC, 0);
  EXPECT_EQ(wrong(), "");
  // Later there is time again.
  client_.use(Transport::Udp);
  the_moment += 10'000'000'000;
  EXPECT_EQ(ask_new().flags & kFlagTC, 0);
}

// What an upstream says of names that do not exist is not signed: it would deny others' names.
TEST_F(DnssecStageTest, OnlyItsOwnProofsAreSigned) {
  serve([](Exchange& exchange) {
    static const Octets soa = [] {
      Octets rdata = {2, 'n', 's', 0, 1, 'h', 0};
      rdata.resize(rdata.size() + 20, 1);
      return rdata;
    }();
    // The next name is the apex: there is nothing else.
    static const Octets nsec = [] {
      const Name next = name("example.test.");
      Octets rdata(next.view().begin(), next.view().end());
      rdata.insert(rdata.end(), {0, 1, 0x40});
      return rdata;
    }();
    const Name apex = name("example.test.");
    Answer& answer = exchange.answer;
    const auto owner = answer.find_or_add_name(apex.view());
    answer.rcode = Rcode::NXDomain;
    answer.add_record(Section::Authority, *owner, RRType::SOA, 60, soa);
    answer.add_record(Section::Authority, *owner, RRType::NSEC, 60, nsec);
    return Verdict::Answered;
  });
  const Message message = ask("x.example.test.");
  bool own = false;
  for (const Record& record : of_type(message.authority, RRType::RRSIG)) {
    if (RRType{load_u16(record.rdata.data())} != RRType::NSEC) continue;
    EXPECT_EQ(record.owner, name("x.example.test."));
    own = true;
  }
  EXPECT_TRUE(own);
}

TEST_F(DnssecStageTest, FailuresAreNotSigned) {
  serve([](Exchange& exchange) {
    exchange.answer.rcode = Rcode::ServFail;
    return Verdict::Answered;
  });
  EXPECT_EQ(ask("x.example.test.").rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_EQ(stage_->total(Count::Miss), 0U);
  EXPECT_EQ(ask("x.other.").rcode, static_cast<std::uint16_t>(Rcode::ServFail));
}

// Names that leave no room for another label, or another octet.
TEST_F(DnssecStageTest, ProofsOfTheLongestNames) {
  serve();
  const std::string label(63, 'a');
  for (const std::string& first :
       {std::string(48, 'b'), std::string(47, 'b'), std::string(46, 'b'), std::string(48, '@')}) {
    const std::string qname = first + "." + label + "." + label + "." + label + ".example.test.";
    const bool fits = name(qname).size() <= 255;
    ASSERT_TRUE(fits);
    const Message message = ask(qname);
    EXPECT_EQ(wrong(), "") << name(qname).size();
    const auto nsec = of_type(message.authority, RRType::NSEC);
    ASSERT_THAT(nsec, SizeIs(1));
    std::size_t end = 0;
    const Name next = *Name::from_message(nsec[0].rdata, 0, &end);
    EXPECT_LT(zones::compare_canonically(name(qname).view(), next.view()), 0);
    EXPECT_TRUE(next.is_at_or_below(name("example.test.").view()));
  }
}

}  // namespace
}  // namespace clusterdns::dns
