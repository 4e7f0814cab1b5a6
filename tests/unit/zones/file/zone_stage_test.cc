#include "zones/file/zone_stage.h"

#include <gmock/gmock.h>

#include <algorithm>

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
using unit::kSoa;
using unit::Lines;
using unit::lines;
using unit::name;
using unit::Request;

constexpr const char* kNegative =
    "example. 300 SOA ns1.example. host.example. 7 7200 3600 1209600 300";

// A stage with zones, and one behind it that has an address for everything below "outside.".
class ZoneStageTest : public ::testing::Test {
 protected:
  void serve(const std::string& text, ZoneStage::Options options = {"file", {}, {}, true}) {
    serve({{"example.", "$TTL 60\n" + kSoa + "@ NS ns1\nns1 A 192.0.2.1\n" + text}},
          std::move(options));
  }
  void serve(const std::vector<std::pair<std::string, std::string>>& zones,
             ZoneStage::Options options = {"file", {}, {}, true}) {
    stage_ = std::make_shared<ZoneStage>(std::move(options), reclaim_);
    auto list = std::make_unique<ZoneList>();
    for (const auto& [origin, text] : zones) {
      ZoneReading reading = unit::read_zone(text, origin);
      EXPECT_THAT(unit::messages(reading), IsEmpty());
      list->add(name(origin), std::move(reading.table));
    }
    stage_->publish(std::move(list));
    auto route = std::make_shared<dns::Route>();
    route->stages = {stage_, std::make_shared<unit::ScriptedStage>(
                                 [this](dns::Exchange& exchange) { return outside(exchange); })};
    client_.worker.reclaim = &reclaim_;
    routes_.add(dns::Name{}, std::move(route));
  }
  ~ZoneStageTest() override { routes_ = {}; }

  dns::Verdict outside(dns::Exchange& exchange) {
    asked_outside_.push_back(dns::name_to_text(exchange.query.name()));
    if (!name("outside.").is_at_or_below(exchange.query.name()) &&
        !dns::has_suffix_ignoring_case(exchange.query.name(), name("outside.").view())) {
      return dns::Verdict::Next;
    }
    if (exchange.query.qtype != RRType::A) {
      exchange.answer.rcode = Rcode::NXDomain;
      return dns::Verdict::Answered;
    }
    constexpr std::uint8_t kAddress[] = {203, 0, 113, 9};
    exchange.answer.add_record(dns::Section::Answer, 0, RRType::A, 30, kAddress);
    return dns::Verdict::Answered;
  }

  Message ask(const std::string& qname, RRType type = RRType::A, bool dnssec = false,
              std::uint16_t size = 1232) {
    const auto reply = client_.ask(
        routes_,
        Request{
            .qname = qname, .qtype = type, .edns = true, .udp_size = size, .dnssec_ok = dnssec});
    if (!reply) {
      ADD_FAILURE() << "no answer to " << qname;
      return {};
    }
    return *reply;
  }
  static bool is_authoritative(const Message& message) {
    return (message.flags & dns::kFlagAA) != 0;
  }
  void expect_negative(const Message& message, Rcode rcode) {
    EXPECT_EQ(message.rcode, static_cast<std::uint16_t>(rcode));
    EXPECT_TRUE(is_authoritative(message));
    EXPECT_THAT(lines(message.answer), IsEmpty());
    EXPECT_THAT(lines(message.authority), ElementsAre(kNegative));
  }

  dns::ReclaimDomain reclaim_{1};
  std::shared_ptr<ZoneStage> stage_;
  dns::ListenerRoutes routes_;
  unit::Client client_;
  Lines asked_outside_;
};

TEST_F(ZoneStageTest, Data) {
  serve("a A 192.0.2.10\na AAAA 2001:db8::10\na TXT x\nB TXT y\n");
  const Message message = ask("A.example.");
  EXPECT_TRUE(is_authoritative(message));
  EXPECT_EQ(message.rcode, 0);
  EXPECT_THAT(lines(message.answer), ElementsAre("A.example. 60 A 192.0.2.10"));
  EXPECT_THAT(lines(message.authority), IsEmpty());
  EXPECT_THAT(lines(ask("a.example.", RRType::AAAA).answer),
              ElementsAre("a.example. 60 AAAA 2001:db8::10"));
  EXPECT_THAT(lines(ask("a.example.", RRType::TXT).answer), ElementsAre("a.example. 60 TXT \"x\""));
  EXPECT_THAT(lines(ask("b.example.", RRType::TXT).answer), ElementsAre("b.example. 60 TXT \"y\""));
  EXPECT_THAT(lines(ask("example.", RRType::SOA).answer),
              ElementsAre("example. 3600 SOA ns1.example. host.example. 7 7200 3600 1209600 300"));
  const Message servers = ask("example.", RRType::NS);
  EXPECT_THAT(lines(servers.answer), ElementsAre("example. 60 NS ns1.example."));
  EXPECT_THAT(lines(servers.additional), ElementsAre("ns1.example. 60 A 192.0.2.1"));
}

TEST_F(ZoneStageTest, OtherZonesAreSomebodyElses) {
  serve("a A 192.0.2.10\n");
  EXPECT_THAT(lines(ask("x.outside.").answer), ElementsAre("x.outside. 30 A 203.0.113.9"));
  EXPECT_EQ(ask("other.").rcode, static_cast<std::uint16_t>(Rcode::Refused));
}

TEST_F(ZoneStageTest, AddressesTakeTurns) {
  serve("a A 192.0.2.10\na A 192.0.2.11\na A 192.0.2.12\n");
  EXPECT_THAT(unit::values(ask("a.example.").answer),
              ElementsAre("192.0.2.10", "192.0.2.11", "192.0.2.12"));
  EXPECT_THAT(unit::values(ask("a.example.").answer),
              ElementsAre("192.0.2.11", "192.0.2.12", "192.0.2.10"));
}

TEST_F(ZoneStageTest, NoDataAndNoName) {
  serve("a A 192.0.2.10\nb.c.d A 192.0.2.11\n");
  expect_negative(ask("a.example.", RRType::AAAA), Rcode::NoError);
  expect_negative(ask("x.example."), Rcode::NXDomain);
  expect_negative(ask("x.a.example."), Rcode::NXDomain);
  // Empty non-terminals exist (RFC 8020).
  expect_negative(ask("c.d.example."), Rcode::NoError);
  expect_negative(ask("d.example."), Rcode::NoError);
  expect_negative(ask("x.d.example."), Rcode::NXDomain);
  // RFC 8482, as everywhere here.
  expect_negative(ask("a.example.", RRType::ANY), Rcode::NoError);
}

TEST_F(ZoneStageTest, Wildcards) {
  serve("*.w A 192.0.2.10\n*.w MX 10 ns1\na.w TXT x\nb.e.w TXT x\n*.c CNAME a.w\n");
  EXPECT_THAT(lines(ask("x.w.example.").answer), ElementsAre("x.w.example. 60 A 192.0.2.10"));
  EXPECT_THAT(lines(ask("x.y.w.example.").answer), ElementsAre("x.y.w.example. 60 A 192.0.2.10"));
  EXPECT_THAT(lines(ask("x.w.example.", RRType::MX).answer),
              ElementsAre("x.w.example. 60 MX 10 ns1.example."));
  EXPECT_THAT(lines(ask("*.w.example.").answer), ElementsAre("*.w.example. 60 A 192.0.2.10"));
  expect_negative(ask("x.w.example.", RRType::TXT), Rcode::NoError);
  // A name that exists is not the wildcard's, nor is what is below one (RFC 4592 2.2.1).
  expect_negative(ask("a.w.example."), Rcode::NoError);
  expect_negative(ask("x.a.w.example."), Rcode::NXDomain);
  expect_negative(ask("x.e.w.example."), Rcode::NXDomain);
  expect_negative(ask("w.example."), Rcode::NoError);
  EXPECT_THAT(lines(ask("x.c.example.", RRType::TXT).answer),
              ElementsAre("x.c.example. 60 CNAME a.w.example.", "a.w.example. 60 TXT \"x\""));
}

TEST_F(ZoneStageTest, Delegations) {
  serve(
      "sub NS ns.sub\nsub NS ns1\nsub NS far.outside.\nns.sub A 192.0.2.20\nns.sub AAAA "
      "2001:db8::20\nsub DS 1 13 2 aabb\nx.sub A 192.0.2.21\n");
  for (const char* qname :
       {"sub.example.", "ns.sub.example.", "x.sub.example.", "y.z.sub.example."}) {
    const Message message = ask(qname);
    EXPECT_EQ(message.rcode, 0);
    EXPECT_FALSE(is_authoritative(message)) << qname;
    EXPECT_THAT(lines(message.answer), IsEmpty());
    EXPECT_THAT(lines(message.authority),
                ElementsAre("sub.example. 60 NS ns.sub.example.", "sub.example. 60 NS ns1.example.",
                            "sub.example. 60 NS far.outside."));
    EXPECT_THAT(lines(message.additional),
                ElementsAre("ns.sub.example. 60 A 192.0.2.20",
                            "ns.sub.example. 60 AAAA 2001:db8::20", "ns1.example. 60 A 192.0.2.1"));
  }
  // DS is the parent's (RFC 4035 3.1.4.1).
  const Message ds = ask("sub.example.", RRType::DS);
  EXPECT_TRUE(is_authoritative(ds));
  EXPECT_THAT(lines(ds.answer), ElementsAre("sub.example. 60 DS 1 13 2 AABB"));
  EXPECT_FALSE(is_authoritative(ask("x.sub.example.", RRType::DS)));
  EXPECT_THAT(lines(ask("sub.example.", RRType::NS, true).authority),
              ElementsAre("sub.example. 60 NS ns.sub.example.", "sub.example. 60 NS ns1.example.",
                          "sub.example. 60 NS far.outside.", "sub.example. 60 DS 1 13 2 AABB"));
}

TEST_F(ZoneStageTest, GlueThatDoesNotFitSetsTc) {
  std::string text;
  for (int i = 0; i < 10; ++i) {
    const std::string host = "a-rather-long-name-of-a-server-" + std::to_string(i) + ".sub";
    text += "sub NS " + host + "\n" + host + " A 192.0.2.1\n" + host + " AAAA 2001:db8::1\n";
  }
  serve(text);
  const Message small = client_.ask(routes_, Request{.qname = "x.sub.example."}, 512).value();
  EXPECT_NE(small.flags & dns::kFlagTC, 0);
  EXPECT_EQ(small.authority.size(), 10u);
  EXPECT_LT(small.additional.size(), 20u);
  client_.use(dns::Transport::Tcp);
  const Message large = client_.ask(routes_, Request{.qname = "x.sub.example."}).value();
  EXPECT_EQ(large.flags & dns::kFlagTC, 0);
  EXPECT_EQ(large.additional.size(), 20u);
}

TEST_F(ZoneStageTest, AliasesInTheZone) {
  serve(
      "a CNAME b\nb 30 CNAME C\nc A 192.0.2.10\nd CNAME nothing\ne CNAME ns1\nf CNAME x.sub\n"
      "sub NS ns1\n");
  EXPECT_THAT(lines(ask("a.example.").answer),
              ElementsAre("a.example. 60 CNAME b.example.", "b.example. 30 CNAME c.example.",
                          "c.example. 60 A 192.0.2.10"));
  EXPECT_THAT(lines(ask("a.example.", RRType::CNAME).answer),
              ElementsAre("a.example. 60 CNAME b.example."));
  const Message gone = ask("d.example.");
  EXPECT_EQ(gone.rcode, static_cast<std::uint16_t>(Rcode::NXDomain));  // RFC 6604
  EXPECT_THAT(lines(gone.answer), ElementsAre("d.example. 60 CNAME nothing.example."));
  EXPECT_THAT(lines(gone.authority), ElementsAre(kNegative));
  const Message no_data = ask("e.example.", RRType::TXT);
  EXPECT_EQ(no_data.rcode, 0);
  EXPECT_THAT(lines(no_data.authority), ElementsAre(kNegative));
  const Message delegated = ask("f.example.");
  EXPECT_TRUE(is_authoritative(delegated));  // about the first name (RFC 1035 4.1.1)
  EXPECT_THAT(lines(delegated.authority), ElementsAre("sub.example. 60 NS ns1.example."));
}

TEST_F(ZoneStageTest, AliasesThatNeverEnd) {
  std::string text = "a CNAME b\nb CNAME a\nself CNAME self\n";
  for (int i = 0; i < 20; ++i) {
    text += "n" + std::to_string(i) + " CNAME n" + std::to_string(i + 1) + "\n";
  }
  serve(text);
  EXPECT_THAT(lines(ask("a.example.").answer),
              ElementsAre("a.example. 60 CNAME b.example.", "b.example. 60 CNAME a.example."));
  EXPECT_THAT(lines(ask("self.example.").answer),
              ElementsAre("self.example. 60 CNAME self.example."));
  EXPECT_EQ(ask("n0.example.").answer.size(), dns::Answer::kMaxChain);
}

TEST_F(ZoneStageTest, AliasesOutOfTheZone) {
  serve("a CNAME b\nb CNAME x.outside.\nc CNAME nobody.\n");
  const Message message = ask("a.example.");
  EXPECT_TRUE(is_authoritative(message));
  EXPECT_THAT(lines(message.answer),
              ElementsAre("a.example. 60 CNAME b.example.", "b.example. 60 CNAME x.outside.",
                          "x.outside. 30 A 203.0.113.9"));
  const Message gone = ask("b.example.", RRType::AAAA);
  EXPECT_EQ(gone.rcode, static_cast<std::uint16_t>(Rcode::NXDomain));
  EXPECT_THAT(lines(gone.answer), ElementsAre("b.example. 60 CNAME x.outside."));
  const Message unknown = ask("c.example.");
  EXPECT_EQ(unknown.rcode, 0);
  EXPECT_THAT(lines(unknown.answer), ElementsAre("c.example. 60 CNAME nobody."));
  EXPECT_THAT(asked_outside_, ElementsAre("x.outside.", "x.outside.", "nobody."));
}

TEST_F(ZoneStageTest, AliasesBetweenZones) {
  serve({{"example.", "$TTL 60\n" + kSoa + "a CNAME b.test.\n"},
         {"test.", "$TTL 60\n" + kSoa + "b CNAME c.example.\n"}});
  const Message message = ask("a.example.");
  EXPECT_EQ(message.rcode, static_cast<std::uint16_t>(Rcode::NXDomain));
  EXPECT_THAT(lines(message.answer),
              ElementsAre("a.example. 60 CNAME b.test.", "b.test. 60 CNAME c.example."));
}

TEST_F(ZoneStageTest, Dnames) {
  serve(
      "old DNAME new\nold TXT x\na.new A 192.0.2.10\nway DNAME outside.\nloop DNAME a.loop\n"
      "below.old A 192.0.2.11\n");
  EXPECT_THAT(
      lines(ask("A.old.example.").answer),
      ElementsAre("old.example. 60 DNAME new.example.", "A.old.example. 60 CNAME a.new.example.",
                  "a.new.example. 60 A 192.0.2.10"));
  EXPECT_THAT(lines(ask("below.old.example.", RRType::CNAME).answer),
              ElementsAre("old.example. 60 DNAME new.example.",
                          "below.old.example. 60 CNAME below.new.example."));
  EXPECT_THAT(lines(ask("old.example.", RRType::DNAME).answer),
              ElementsAre("old.example. 60 DNAME new.example."));
  EXPECT_THAT(lines(ask("old.example.", RRType::TXT).answer),
              ElementsAre("old.example. 60 TXT \"x\""));
  EXPECT_THAT(lines(ask("x.way.example.").answer),
              ElementsAre("way.example. 60 DNAME outside.", "x.way.example. 60 CNAME x.outside.",
                          "x.outside. 30 A 203.0.113.9"));
  // It grows until the chain is too long; nothing breaks, and no record is there twice.
  const auto loop = ask("x.loop.example.");
  EXPECT_EQ(loop.rcode, 0);
  const auto records = lines(loop.answer);
  EXPECT_EQ(std::count(records.begin(), records.end(), "loop.example. 60 DNAME a.loop.example."),
            1);
}

TEST_F(ZoneStageTest, NamesThatDnameMakesTooLong) {
  const std::string label(60, 'x');
  serve("d DNAME " + label + "." + label + "." + label + "\n");
  const Message message = ask(label + "." + label + ".d.example.");
  EXPECT_EQ(message.rcode, static_cast<std::uint16_t>(Rcode::YXDomain));
  EXPECT_EQ(message.answer.size(), 1u);
}

TEST_F(ZoneStageTest, AdditionalAddresses) {
  serve(
      "@ MX 10 m\n@ MX 20 m2\nm A 192.0.2.30\nm AAAA 2001:db8::30\nm2 A 192.0.2.31\n"
      "_s._tcp SRV 0 0 1 m\n_s._tcp SRV 0 0 2 M\ns SVCB 1 m2\n@ MX 30 far.outside.\n");
  EXPECT_THAT(lines(ask("example.", RRType::MX).additional),
              UnorderedElementsAre("m.example. 60 A 192.0.2.30", "m.example. 60 AAAA 2001:db8::30",
                                   "m2.example. 60 A 192.0.2.31"));
  EXPECT_THAT(lines(ask("_s._tcp.example.", RRType::SRV).additional),
              ElementsAre("m.example. 60 A 192.0.2.30", "m.example. 60 AAAA 2001:db8::30"));
  EXPECT_THAT(lines(ask("s.example.", RRType::SVCB).additional),
              ElementsAre("m2.example. 60 A 192.0.2.31"));
}

TEST_F(ZoneStageTest, SignaturesAndProofs) {
  const auto signature = [](const std::string& owner, const std::string& type) {
    return owner + " RRSIG " + type + " 13 2 60 20300101000000 20200101000000 1 example. AAAA\n";
  };
  serve(
      "@ NSEC a NS SOA\na A 192.0.2.1\na NSEC *.w A\n*.w A 192.0.2.2\n*.w NSEC z A\nz TXT x\n"
      "z NSEC @ TXT\n" +
      signature("@", "SOA") + signature("a", "A") + signature("a", "NSEC") + signature("*.w", "A") +
      signature("z", "NSEC"));
  const auto types = [](const std::vector<dns::Record>& section) {
    Lines out;
    for (const auto& record : section) {
      out.push_back(record.owner.to_text() + " " + dns::rrtype_to_text(record.type));
    }
    return out;
  };
  EXPECT_THAT(types(ask("a.example.", RRType::A, true).answer),
              ElementsAre("a.example. A", "a.example. RRSIG"));
  EXPECT_THAT(types(ask("a.example.").answer), ElementsAre("a.example. A"));
  EXPECT_THAT(types(ask("a.example.", RRType::TXT, true).authority),
              ElementsAre("example. SOA", "example. RRSIG", "a.example. NSEC", "a.example. RRSIG"));
  // Neither the name nor a wildcard for it.
  EXPECT_THAT(types(ask("b.example.", RRType::A, true).authority),
              ElementsAre("example. SOA", "example. RRSIG", "a.example. NSEC", "a.example. RRSIG",
                          "example. NSEC"));
  const Message wild = ask("q.w.example.", RRType::A, true);
  EXPECT_THAT(types(wild.answer), ElementsAre("q.w.example. A", "q.w.example. RRSIG"));
  EXPECT_THAT(types(wild.authority), ElementsAre("*.w.example. NSEC"));
  EXPECT_THAT(types(ask("b.example.").authority), ElementsAre("example. SOA"));
}

TEST_F(ZoneStageTest, FallsThrough) {
  ZoneStage::Options options{"file", {}, {}, true};
  options.fall_through.add(name("fall.example."));
  serve("a.fall A 192.0.2.1\nb.c.fall A 192.0.2.1\nalias.fall CNAME nothing.fall\n",
        std::move(options));
  EXPECT_EQ(ask("x.fall.example.").rcode, static_cast<std::uint16_t>(Rcode::Refused));
  EXPECT_EQ(ask("c.fall.example.").rcode, static_cast<std::uint16_t>(Rcode::Refused));
  EXPECT_THAT(asked_outside_, ElementsAre("x.fall.example.", "c.fall.example."));
  expect_negative(ask("a.fall.example.", RRType::AAAA), Rcode::NoError);
  expect_negative(ask("x.example."), Rcode::NXDomain);
  EXPECT_EQ(ask("alias.fall.example.").rcode, static_cast<std::uint16_t>(Rcode::NXDomain));
}

TEST_F(ZoneStageTest, ZonesThatAreNotLoaded) {
  serve("a A 192.0.2.1\n");
  auto list = std::make_unique<ZoneList>();
  list->add(name("example."), nullptr);
  stage_->publish(std::move(list));
  const Message message = ask("a.example.");
  EXPECT_EQ(message.rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_EQ(unit::extended_error(message), 14);  // Not Ready
}

TEST_F(ZoneStageTest, TheLongestZoneAnswersAndTheParentHasItsDs) {
  serve({{"example.", "$TTL 60\n" + kSoa + "sub NS ns1\nsub DS 1 13 2 aabb\n"},
         {"sub.example.", "$TTL 60\n@ SOA a b 9 1 1 1 5\na A 192.0.2.7\n"}});
  EXPECT_THAT(lines(ask("a.sub.example.").answer), ElementsAre("a.sub.example. 60 A 192.0.2.7"));
  EXPECT_THAT(lines(ask("sub.example.", RRType::DS).answer),
              ElementsAre("sub.example. 60 DS 1 13 2 AABB"));
}

TEST_F(ZoneStageTest, TransfersAreRefusedWithoutTransfer) {
  serve("a A 192.0.2.1\n");
  EXPECT_EQ(ask("example.", RRType::AXFR).rcode, static_cast<std::uint16_t>(Rcode::Refused));
}

TEST_F(ZoneStageTest, MemoryForOthers) {
  serve("a A 192.0.2.1\nb CNAME a\nd DNAME a\nsub NS ns1\n");
  dns::Answer answer;
  const auto found = [&](const char* text, RRType type = RRType::A) {
    const dns::Name wire = name(text);
    answer.reset(wire.data(), static_cast<std::uint8_t>(wire.size()));
    return stage_->look_up(wire.view(), type, 0, answer, client_.worker).found;
  };
  using Found = dns::LocalData::Found;
  EXPECT_EQ(found("a.example."), Found::Data);
  EXPECT_EQ(found("b.example."), Found::Alias);
  EXPECT_EQ(found("x.d.example."), Found::Alias);
  EXPECT_EQ(found("a.example.", RRType::TXT), Found::NoData);
  EXPECT_EQ(found("x.example."), Found::NXDomain);
  EXPECT_EQ(found("x.sub.example."), Found::NotMine);
  EXPECT_EQ(found("other."), Found::NotMine);
}

TEST(CanonicalOrderTest, AsInRfc4034) {
  const char* const kOrder[] = {"example.",         "a.example.",      "yljkjljk.a.example.",
                                "z.a.example.",     "zabc.a.example.", "z.example.",
                                "\\001.z.example.", "*.z.example.",    "\\200.z.example."};
  for (std::size_t i = 0; i < std::size(kOrder); ++i) {
    for (std::size_t k = 0; k < std::size(kOrder); ++k) {
      const int order = compare_canonically(name(kOrder[i]).view(), name(kOrder[k]).view());
      EXPECT_EQ(order < 0, i < k) << kOrder[i] << " " << kOrder[k];
      EXPECT_EQ(order == 0, i == k);
    }
  }
}

}  // namespace
}  // namespace clusterdns::zones
