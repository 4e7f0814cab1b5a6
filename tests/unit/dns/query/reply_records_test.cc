#include "dns/query/reply_records.h"

#include <set>

#include "dns/wire/plain_size.h"
#include "dns/wire/reply_check.h"
#include "tests/unit/dns/forward/conversation.h"

namespace clusterdns::dns::testing {
namespace {

using Lines = std::vector<std::string>;

Record rrsig(const std::string& owner, RRType covered, std::uint32_t ttl = 60) {
  Octets rdata(18);
  store_u16(rdata.data(), static_cast<std::uint16_t>(covered));
  const Name signer = name("example");
  rdata.insert(rdata.end(), signer.data(), signer.data() + signer.size());
  rdata.push_back(7);
  return {name(owner), RRType::RRSIG, RRClass::IN, ttl, rdata};
}

Record mx(const std::string& owner, std::uint8_t preference, const std::string& host) {
  Record record = name_record(owner, RRType::MX, host);
  record.rdata.insert(record.rdata.begin(), {0, preference});
  return record;
}

class ReplyRecordsTest : public ::testing::Test {
 protected:
  // An upstream's reply to `type_` of `qname_`, or to another name.
  Message reply(Rcode rcode = Rcode::NoError) const {
    Message message;
    message.flags = kFlagQR | kFlagRD | kFlagRA;
    message.rcode = static_cast<std::uint16_t>(rcode);
    message.has_question = true;
    message.qname = name(qname_);
    message.qtype = type_;
    message.qclass = RRClass::IN;
    return message;
  }
  AnswerKind read(const Message& message) { return read(write_message(message, kMaxMessageSize)); }
  // Reads, and writes it out behind the client's question.
  AnswerKind read(Octets octets) {
    octets_ = std::move(octets);
    records_.emplace(asked_.empty() ? NameView(name_.view())
                                    : NameView(asked_.data(), asked_.size()));
    for (const ChainLink& link : chain_) records_->add_link(link);
    const AnswerKind kind = records_->read(octets_, {type_, dnssec_ok_, zone_.view()}, elsewhere_);
    if (kind != AnswerKind::Unusable) write(0);
    return kind;
  }
  void write(std::uint32_t turn, std::size_t limit = kMaxMessageSize) {
    Message request;
    request.flags = kFlagRD;
    request.has_question = true;
    request.qname = asked_.empty() ? name(qname_) : name(asked_text_);
    request.qtype = type_;
    request.qclass = RRClass::IN;
    Octets packet = write_message(request, kMaxMessageSize);
    const std::size_t size = packet.size();
    packet.resize(size + kPadding);
    Query query;
    ASSERT_EQ(parse_query({packet.data(), size}, query), Gate::Pass);
    Answer answer;
    answer.reset(query.lower.data(), query.qname_size);
    const WireSections sections = records_->sections();
    add_wire_sections(sections, kTtlAsItStands, turn, answer);
    raw_.assign(kMaxMessageSize, 0);
    raw_.resize(encode_answer(query, answer, kDefaultUdpSize, raw_.data(), limit));
    const auto message = read_message(raw_);
    ASSERT_TRUE(message.has_value());
    out_ = *message;
    if (limit == kMaxMessageSize) {
      EXPECT_EQ(answer.plain_size, plain_size(raw_));
    }
  }
  void ask(const std::string& qname, RRType type = RRType::A) {
    qname_ = qname;
    name_ = name(qname);
    type_ = type;
  }
  static Lines lines(const std::vector<Record>& section) {
    Lines out;
    for (const Record& r : section) {
      out.push_back(r.owner.to_text() + " " + rrtype_to_text(r.type) +
                    (r.type == RRType::RRSIG ? "" : " " + rdata_to_text(r.type, r.rdata)));
    }
    return out;
  }

  std::string qname_ = "www.example";
  Name name_ = name("www.example");
  std::string asked_text_;
  Octets asked_;
  RRType type_ = RRType::A;
  bool dnssec_ok_ = false;
  Name zone_;
  std::vector<ChainLink> chain_;
  ReplyRecords::Elsewhere elsewhere_;
  Octets octets_, raw_;
  std::optional<ReplyRecords> records_;
  Message out_;
};

TEST_F(ReplyRecordsTest, DataOfTheNameAndTypeAskedFor) {
  Message message = reply();
  message.answer = {a_record("www.example", "192.0.2.1", 70),
                    a_record("WWW.Example", "192.0.2.2", 40)};
  EXPECT_EQ(read(message), AnswerKind::Data);
  EXPECT_EQ(lines(out_.answer), (Lines{"www.example. A 192.0.2.1", "www.example. A 192.0.2.2"}));
  EXPECT_EQ(records_->ttl(), 40u);
  EXPECT_FALSE(records_->truncated());
}

// Whatever the upstream answers besides, and wherever it puts it.
TEST_F(ReplyRecordsTest, WhatBelongsToOtherNamesIsLeftOut) {
  Message message = reply();
  message.answer = {a_record("victim.example", "192.0.2.66"),
                    name_record("victim.example", RRType::CNAME, "evil.example"),
                    a_record("www.example", "192.0.2.1"), a_record("evil.example", "192.0.2.66"),
                    name_record("www.example", RRType::NS, "ns.example")};
  message.authority = {name_record("example", RRType::NS, "ns.example"), soa_record("example"),
                       a_record("victim.example", "192.0.2.66")};
  message.additional = {a_record("ns.example", "192.0.2.66"),
                        a_record("victim.example", "192.0.2.66")};
  EXPECT_EQ(read(message), AnswerKind::Data);
  EXPECT_EQ(lines(out_.answer), Lines{"www.example. A 192.0.2.1"});
  EXPECT_TRUE(out_.authority.empty());
  EXPECT_TRUE(out_.additional.empty());
  // Of another class, too.
  message = reply();
  message.answer = {a_record("www.example", "192.0.2.1")};
  message.answer[0].rrclass = RRClass::CH;
  EXPECT_EQ(read(message), AnswerKind::NoData);
  EXPECT_TRUE(out_.answer.empty());
}

TEST_F(ReplyRecordsTest, AnswersToOtherQuestionsAreUnusable) {
  Message message = reply();
  message.answer = {a_record("victim.example", "192.0.2.66")};
  EXPECT_EQ(read(message), AnswerKind::Unusable);
  message.answer = {name_record("www.example", RRType::NS, "ns.example")};
  EXPECT_EQ(read(message), AnswerKind::Unusable);
  message = reply(Rcode::NXDomain);
  message.answer = {a_record("victim.example", "192.0.2.66")};
  EXPECT_EQ(read(message), AnswerKind::NXDomain);
  EXPECT_TRUE(out_.answer.empty());
}

TEST_F(ReplyRecordsTest, AliasesAreFollowedInAnyOrder) {
  Message message = reply();
  const Record first = name_record("www.example", RRType::CNAME, "cdn.example.net", 90);
  const Record second = name_record("CDN.example.net", RRType::CNAME, "edge.example.org", 80);
  const Record data = a_record("edge.EXAMPLE.org", "192.0.2.1", 70);
  const Lines expected{"www.example. CNAME cdn.example.net.",
                       "cdn.example.net. CNAME edge.example.org.", "edge.example.org. A 192.0.2.1"};
  for (const auto& order : {std::vector<Record>{first, second, data},
                            {data, second, first},
                            {second, data, first},
                            {second, first, data}}) {
    message.answer = order;
    EXPECT_EQ(read(message), AnswerKind::Data);
    EXPECT_EQ(lines(out_.answer), expected);
    EXPECT_EQ(records_->ttl(), 70u);
    EXPECT_EQ(records_->links().size(), 2u);
  }
  // Half-way.
  message.answer = {first, data};
  EXPECT_EQ(read(message), AnswerKind::LeadsOn);
  EXPECT_EQ(lines(out_.answer), Lines{expected[0]});
  EXPECT_EQ(records_->last_name().to_text(), "cdn.example.net.");
}

TEST_F(ReplyRecordsTest, AliasesThatLoopEnd) {
  Message message = reply();
  message.answer = {name_record("www.example", RRType::CNAME, "b.example"),
                    name_record("b.example", RRType::CNAME, "www.example")};
  EXPECT_EQ(read(message), AnswerKind::LeadsOn);
  EXPECT_EQ(out_.answer.size(), 2u);
  message.answer.clear();
  for (int i = 0; i < 100; ++i) {
    message.answer.push_back(
        name_record(i == 0 ? "www.example" : "n" + std::to_string(i) + ".example", RRType::CNAME,
                    "n" + std::to_string(i + 1) + ".example"));
  }
  EXPECT_EQ(read(message), AnswerKind::LeadsOn);
  EXPECT_EQ(out_.answer.size(), ReplyRecords::kMaxLinks);
}

TEST_F(ReplyRecordsTest, AnAliasThatWasAskedForIsData) {
  ask("www.example", RRType::CNAME);
  Message message = reply();
  message.answer = {name_record("www.example", RRType::CNAME, "cdn.example.net"),
                    a_record("cdn.example.net", "192.0.2.1")};
  EXPECT_EQ(read(message), AnswerKind::Data);
  EXPECT_EQ(lines(out_.answer), Lines{"www.example. CNAME cdn.example.net."});
}

TEST_F(ReplyRecordsTest, AnyIsWhatTheNameHas) {
  ask("www.example", RRType::ANY);
  Message message = reply();
  message.answer = {a_record("www.example", "192.0.2.1"), a_record("x.example", "192.0.2.9"),
                    name_record("www.example", RRType::NS, "ns.example")};
  EXPECT_EQ(read(message), AnswerKind::Data);
  EXPECT_EQ(lines(out_.answer), (Lines{"www.example. A 192.0.2.1", "www.example. NS ns.example."}));
}

TEST_F(ReplyRecordsTest, ZonesThatAreAliases) {
  Message message = reply();
  message.answer = {name_record("example", RRType::DNAME, "example.net"),
                    name_record("www.example", RRType::CNAME, "www.example.net"),
                    a_record("www.example.net", "192.0.2.1"),
                    name_record("net", RRType::DNAME, "example.org")};
  EXPECT_EQ(read(message), AnswerKind::Data);
  EXPECT_EQ(lines(out_.answer),
            (Lines{"example. DNAME example.net.", "www.example. CNAME www.example.net.",
                   "www.example.net. A 192.0.2.1"}));
}

TEST_F(ReplyRecordsTest, WhereAnAliasLeadsElsewhere) {
  Message message = reply(Rcode::NXDomain);
  message.answer = {name_record("www.example", RRType::CNAME, "cdn.example", 300),
                    name_record("cdn.example", RRType::CNAME, "Web.Cluster.local", 200),
                    a_record("web.cluster.local", "192.0.2.66")};
  message.authority = {soa_record("local")};
  std::set<std::string> shown;
  elsewhere_ = [&](NameView target) {
    shown.insert(name_to_text(target));
    return has_suffix_ignoring_case(target, name("cluster.local").view());
  };
  EXPECT_EQ(read(message), AnswerKind::LeadsOn);
  EXPECT_EQ(lines(out_.answer),
            (Lines{"www.example. CNAME cdn.example.", "cdn.example. CNAME Web.Cluster.local."}));
  EXPECT_TRUE(out_.authority.empty());
  EXPECT_EQ(records_->last_name().to_text(), "Web.Cluster.local.");
  EXPECT_EQ(records_->ttl(), 200u);
  EXPECT_EQ(shown, (std::set<std::string>{"cdn.example.", "web.cluster.local."}));
}

// RFC 2308 section 2.
TEST_F(ReplyRecordsTest, NegativeAnswers) {
  const auto negative = [&](std::vector<Record> answer, std::vector<Record> authority,
                            Rcode rcode) {
    Message message = reply(rcode);
    message.answer = std::move(answer);
    message.authority = std::move(authority);
    return read(message);
  };
  const Record ns = name_record("example", RRType::NS, "ns.example");
  Record soa = soa_record("Example");
  soa.ttl = 600;
  store_u32(soa.rdata.data() + soa.rdata.size() - 4, 40);
  EXPECT_EQ(negative({}, {ns, soa}, Rcode::NXDomain), AnswerKind::NXDomain);
  EXPECT_EQ(lines(out_.authority).size(), 1u);
  EXPECT_EQ(out_.authority[0].type, RRType::SOA);
  EXPECT_EQ(out_.authority[0].ttl, 600u);
  EXPECT_TRUE(records_->has_soa());
  EXPECT_EQ(records_->ttl(), 40u);
  EXPECT_EQ(negative({}, {soa}, Rcode::NoError), AnswerKind::NoData);
  EXPECT_TRUE(records_->has_soa());
  EXPECT_EQ(negative({}, {soa_record(".")}, Rcode::NXDomain), AnswerKind::NXDomain);
  EXPECT_TRUE(records_->has_soa());
  // Not of a zone that holds the name.
  EXPECT_EQ(negative({}, {soa_record("example.net"), soa_record("x.www.example")}, Rcode::NXDomain),
            AnswerKind::NXDomain);
  EXPECT_FALSE(records_->has_soa());
  EXPECT_TRUE(out_.authority.empty());
  EXPECT_EQ(records_->ttl(), ReplyRecords::kNoTtl);
  // Of the last name of the aliases.
  const Record alias = name_record("www.example", RRType::CNAME, "www.example.net");
  EXPECT_EQ(negative({alias}, {soa_record("example")}, Rcode::NXDomain), AnswerKind::NXDomain);
  EXPECT_FALSE(records_->has_soa());
  EXPECT_EQ(negative({alias}, {soa_record("example.net")}, Rcode::NoError), AnswerKind::NoData);
  EXPECT_TRUE(records_->has_soa());
  EXPECT_EQ(out_.answer.size(), 1u);
  // Referrals are of use to who asks servers in turn.
  EXPECT_EQ(negative({}, {ns}, Rcode::NoError), AnswerKind::Referral);
  EXPECT_EQ(lines(out_.authority), Lines{"example. NS ns.example."});
  EXPECT_EQ(negative({}, {name_record("example.net", RRType::NS, "ns.example")}, Rcode::NoError),
            AnswerKind::NoData);
  EXPECT_EQ(negative({alias}, {ns}, Rcode::NoError), AnswerKind::LeadsOn);
  EXPECT_TRUE(out_.authority.empty());
}

TEST_F(ReplyRecordsTest, FailuresHaveNoRecords) {
  for (const Rcode rcode : {Rcode::ServFail, Rcode::Refused, Rcode::FormErr, Rcode::NotImp,
                            Rcode::YXDomain, Rcode::NotAuth}) {
    Message message = reply(rcode);
    message.answer = {a_record("www.example", "192.0.2.1")};
    message.authority = {soa_record("example")};
    EXPECT_EQ(read(message), AnswerKind::Failure);
    EXPECT_TRUE(out_.answer.empty());
    EXPECT_TRUE(out_.authority.empty());
  }
}

// RFC 4035 section 3.2.1.
TEST_F(ReplyRecordsTest, DnssecRecordsAreForWhoAsksForThem) {
  Message message = reply();
  message.answer = {name_record("www.example", RRType::CNAME, "a.example"),
                    rrsig("www.example", RRType::CNAME),
                    a_record("a.example", "192.0.2.1"),
                    a_record("a.example", "192.0.2.2"),
                    rrsig("a.example", RRType::A),
                    rrsig("a.example", RRType::AAAA),
                    rrsig("b.example", RRType::A)};
  Octets nsec = {1, 'b', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0, 0, 1, 0x40};
  message.authority = {{name("a.example"), RRType::NSEC, RRClass::IN, 60, nsec},
                       rrsig("a.example", RRType::NSEC),
                       name_record("example", RRType::NS, "ns.example")};
  EXPECT_EQ(read(message), AnswerKind::Data);
  EXPECT_EQ(lines(out_.answer), (Lines{"www.example. CNAME a.example.", "a.example. A 192.0.2.1",
                                       "a.example. A 192.0.2.2"}));
  EXPECT_TRUE(out_.authority.empty());
  dnssec_ok_ = true;
  EXPECT_EQ(read(message), AnswerKind::Data);
  const Lines signed_answer{"www.example. CNAME a.example.", "www.example. RRSIG",
                            "a.example. A 192.0.2.1", "a.example. A 192.0.2.2", "a.example. RRSIG"};
  EXPECT_EQ(lines(out_.answer), signed_answer);
  EXPECT_EQ(out_.authority.size(), 2u);
  // Signatures stay behind their RRset when it is turned.
  write(1);
  EXPECT_EQ(lines(out_.answer), (Lines{signed_answer[0], signed_answer[1], signed_answer[3],
                                       signed_answer[2], signed_answer[4]}));
  // Who asks for signatures alone gets them.
  dnssec_ok_ = false;
  ask("www.example", RRType::RRSIG);
  EXPECT_EQ(read(message), AnswerKind::Data);
  EXPECT_EQ(lines(out_.answer), Lines{"www.example. RRSIG"});
}

TEST_F(ReplyRecordsTest, AdditionalRecordsAreForUpstreamsOfAZone) {
  ask("_x._tcp.corp.test", RRType::SRV);
  Message message = reply();
  Record srv = name_record("_x._tcp.corp.test", RRType::SRV, "host.corp.test");
  srv.rdata.insert(srv.rdata.begin(), {0, 1, 0, 1, 0, 80});
  message.answer = {srv};
  message.additional = {a_record("host.corp.test", "10.0.0.1"),
                        a_record("bank.example", "10.0.0.66"), rrsig("host.corp.test", RRType::A)};
  EXPECT_EQ(read(message), AnswerKind::Data);
  EXPECT_TRUE(out_.additional.empty());
  zone_ = name("corp.test");
  EXPECT_EQ(read(message), AnswerKind::Data);
  EXPECT_EQ(lines(out_.additional), Lines{"host.corp.test. A 10.0.0.1"});
}

TEST_F(ReplyRecordsTest, Ttls) {
  Message message = reply();
  for (const auto& [said, expected] : {std::pair{0u, 0u},
                                       {1u, 1u},
                                       {604'800u, 604'800u},
                                       {604'801u, 604'800u},
                                       {0x7FFFFFFFu, 604'800u},
                                       {0x80000000u, 0u},
                                       {0xFFFFFFFFu, 0u}}) {
    message.answer = {a_record("www.example", "192.0.2.1", said)};
    EXPECT_EQ(read(message), AnswerKind::Data);
    EXPECT_EQ(out_.answer.at(0).ttl, expected) << said;
    EXPECT_EQ(records_->ttl(), expected) << said;
  }
}

TEST_F(ReplyRecordsTest, OwnersFollowTheLetterCaseOfTheQuestion) {
  asked_text_ = "WwW.eXample";
  const Name asked = name(asked_text_);
  asked_.assign(asked.data(), asked.data() + asked.size());
  Message message = reply();
  message.answer = {name_record("www.example", RRType::CNAME, "Host.example"),
                    a_record("host.EXAMPLE", "192.0.2.1")};
  EXPECT_EQ(read(message), AnswerKind::Data);
  EXPECT_EQ(out_.answer[0].owner.to_text(), "WwW.eXample.");
  EXPECT_EQ(out_.answer[1].owner.to_text(), "Host.eXample.");
}

TEST_F(ReplyRecordsTest, BehindAliasesOfOurOwn) {
  asked_text_ = "ext.default.svc.cluster.local";
  const Name asked = name(asked_text_);
  asked_.assign(asked.data(), asked.data() + asked.size());
  chain_ = {{name("in.default.svc.cluster.local"), 5}, {name("www.example"), 6}};
  Message message = reply();
  message.answer = {name_record("www.example", RRType::CNAME, "host.example", 70),
                    a_record("host.example", "192.0.2.1", 80),
                    a_record("host.example", "192.0.2.2", 80)};
  EXPECT_EQ(read(message), AnswerKind::Data);
  EXPECT_EQ(
      lines(out_.answer),
      (Lines{"ext.default.svc.cluster.local. CNAME in.default.svc.cluster.local.",
             "in.default.svc.cluster.local. CNAME www.example.", "www.example. CNAME host.example.",
             "host.example. A 192.0.2.1", "host.example. A 192.0.2.2"}));
  EXPECT_EQ(records_->links().size(), 1u);
  EXPECT_EQ(out_.answer[0].ttl, 5u);
  EXPECT_EQ(out_.answer[1].ttl, 6u);
  write(1);
  EXPECT_EQ(lines(out_.answer)[3], "host.example. A 192.0.2.2");
}

TEST_F(ReplyRecordsTest, TheRootHasRecordsToo) {
  ask(".", RRType::NS);
  Message message = reply();
  for (char c = 'a'; c < 'n'; ++c) {
    message.answer.push_back(name_record(".", RRType::NS, std::string(1, c) + ".root-servers.net"));
  }
  EXPECT_EQ(read(message), AnswerKind::Data);
  EXPECT_EQ(out_.answer.size(), 13u);
  // As small as the root's own answer.
  EXPECT_LE(raw_.size(), 239u);
  ask(".", RRType::AAAA);
  message = reply();
  message.answer = {{Name(), RRType::AAAA, RRClass::IN, 1, Octets(16, 1)},
                    {Name(), RRType::AAAA, RRClass::IN, 1, Octets(16, 2)}};
  EXPECT_EQ(read(message), AnswerKind::Data);
  write(1);
  EXPECT_EQ(out_.answer.at(0).rdata[0], 2);
}

// Every rotation holds the same records, each readable, also when their names are compressed with
// what stands in another of them.
TEST_F(ReplyRecordsTest, RrsetsTurn) {
  const auto all_turns = [&](std::size_t count) {
    const Lines first = lines(out_.answer);
    ASSERT_EQ(first.size(), count + 1);
    for (std::uint32_t turn = 0; turn < 2 * count; ++turn) {
      for (const std::size_t limit :
           {kMaxMessageSize, raw_.size(), raw_.size() - 1, std::size_t{90}}) {
        write(turn, limit);
        const Lines turned = lines(out_.answer);
        ASSERT_LE(turned.size(), first.size());
        for (std::size_t i = 0; i < turned.size(); ++i) {
          EXPECT_EQ(turned[i], i == 0 ? first[0] : first[1 + (turn + i - 1) % count]);
        }
      }
      write(0);
    }
  };
  const Record alias = name_record("www.example", RRType::CNAME, "mail.example");
  Message message = reply();
  message.answer = {alias, a_record("mail.example", "192.0.2.1"),
                    a_record("mail.example", "192.0.2.2"), a_record("mail.example", "192.0.2.3")};
  EXPECT_EQ(read(message), AnswerKind::Data);
  all_turns(3);
  ask("www.example", RRType::MX);
  message = reply();
  message.answer = {alias, mx("mail.example", 10, "mx1.hosting.example.net"),
                    mx("mail.example", 20, "mx2.hosting.example.net"),
                    mx("mail.example", 30, "a.mx1.hosting.example.net"),
                    mx("mail.example", 40, ".")};
  EXPECT_EQ(read(message), AnswerKind::Data);
  all_turns(4);
  // Nothing else does.
  ask("www.example", RRType::NS);
  message = reply();
  message.answer = {name_record("www.example", RRType::NS, "a.example"),
                    name_record("www.example", RRType::NS, "b.a.example")};
  EXPECT_EQ(read(message), AnswerKind::Data);
  const Lines before = lines(out_.answer);
  write(1);
  EXPECT_EQ(lines(out_.answer), before);
}

TEST_F(ReplyRecordsTest, WhatIsTooLargeIsCutAndSaysSo) {
  ask("www.example", RRType::NS);
  Message message = reply();
  // Compressed by their upstream, and beyond what is remembered of names here.
  for (int i = 0; i < 3000; ++i) {
    message.answer.push_back(name_record("www.example", RRType::NS,
                                         "n" + std::to_string(i) + "." + std::string(40, 'x') +
                                             std::to_string(i % 100) + ".example"));
  }
  EXPECT_EQ(read(message), AnswerKind::Data);
  EXPECT_TRUE(records_->truncated());
  EXPECT_GT(out_.answer.size(), 500u);
  message = reply();
  message.flags |= kFlagTC;
  EXPECT_EQ(read(message), AnswerKind::NoData);
  EXPECT_TRUE(records_->truncated());
}

// Garbage must not crash, and what comes of it after the usual check can be read and turned.
TEST_F(ReplyRecordsTest, MutatedReplies) {
  dnssec_ok_ = true;
  zone_ = name("example");
  Message message = reply();
  message.answer = {name_record("www.example", RRType::CNAME, "a.example"),
                    rrsig("www.example", RRType::CNAME),
                    mx("a.example", 10, "mx.a.example"),
                    a_record("a.example", "192.0.2.1"),
                    a_record("a.example", "192.0.2.2"),
                    name_record("example", RRType::DNAME, "example.net")};
  message.authority = {soa_record("example"), name_record("example", RRType::NS, "ns.example")};
  message.additional = {a_record("mx.a.example", "192.0.2.3")};
  std::uint32_t state = 12345;  // a small generator: the same mutations on every run
  const auto random = [&] { return state = state * 1664525u + 1013904223u, state >> 8; };
  std::map<AnswerKind, unsigned> kinds;
  for (const RRType type : {RRType::A, RRType::MX, RRType::ANY, RRType::SOA}) {
    type_ = type;
    message.qtype = type;
    const Octets octets = write_message(message, kMaxMessageSize);
    for (int i = 0; i < 20'000; ++i) {
      Octets mutated = octets;
      for (unsigned n = random() % 4 + 1; n > 0; --n) {
        mutated[random() % mutated.size()] = static_cast<std::uint8_t>(random());
      }
      ReplyRecords unchecked(name_.view());
      (void)unchecked.read(mutated, {type_, dnssec_ok_, zone_.view()}, {});
      const ReplyCheck check = check_reply(mutated, name_.view(), type_);
      if (check.kind != ReplyKind::Answer) continue;
      Octets room;
      const auto normal = normalise_reply(mutated, check, name_.view(), type_, kFlagRD, room);
      if (normal.empty()) continue;
      ++kinds[read(Octets(normal.begin(), normal.end()))];
      write(random() % 4);
      if (HasFatalFailure()) FAIL() << i;
    }
  }
  EXPECT_GT(kinds[AnswerKind::Data], 1000u);
  EXPECT_GT(kinds[AnswerKind::NoData], 1000u);
}

}  // namespace
}  // namespace clusterdns::dns::testing
