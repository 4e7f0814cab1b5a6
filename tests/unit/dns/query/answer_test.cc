#include "dns/query/answer.h"

#include "dns/query/encoder.h"
#include "dns/query/plain_records.h"
#include "tests/unit/dns/query/request.h"

namespace clusterdns::dns {
namespace {

using unit::decode;
using unit::extended_error;
using unit::Lines;
using unit::lines;
using unit::name;
using unit::Octets;
using unit::Packet;
using unit::put_name;
using unit::put_u16;
using unit::Request;
using unit::values;

class AnswerTest : public ::testing::Test {
 protected:
  AnswerTest() { ask({.qname = "Www.example.com", .edns = true}); }

  void ask(const Request& request) {
    packet_ = std::make_unique<Packet>(request.wire());
    ASSERT_EQ(parse_query(packet_->view(), query_), Gate::Pass);
    answer_.reset(query_.lower.data(), query_.qname_size);
  }
  Message encode(std::size_t limit = kMaxMessageSize) {
    raw_.assign(limit + 64, 0);
    raw_.resize(encode_answer(query_, answer_, kDefaultUdpSize, raw_.data(), limit));
    return decode(raw_);
  }
  static Octets address(unsigned i) {
    return {10, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
            static_cast<std::uint8_t>(i)};
  }
  std::uint8_t name_of(const std::string& text) {
    return answer_.find_or_add_name(name(text).view()).value();
  }

  std::unique_ptr<Packet> packet_;
  Query query_;
  Answer answer_;
  Octets raw_;
};

TEST_F(AnswerTest, AsManyRecordsAsAMessageHolds) {
  for (unsigned i = 0; i < 4000; ++i) {
    ASSERT_TRUE(answer_.add_record(Section::Answer, 0, RRType::A, 60, address(i)));
  }
  for (unsigned i = 0; i < 5; ++i) {
    ASSERT_TRUE(answer_.add_record(Section::Authority, 0, RRType::A, 60, address(i)));
    ASSERT_TRUE(answer_.add_record(Section::Additional, 0, RRType::A, 60, address(100 + i)));
  }
  Message message = encode();
  ASSERT_EQ(message.answer.size(), 4000u);
  EXPECT_EQ(values(message.answer)[3999], "10.0.15.159");
  EXPECT_EQ(message.authority.size(), 5u);
  ASSERT_EQ(message.additional.size(), 5u);
  EXPECT_EQ(values(message.additional)[4], "10.0.0.104");
  EXPECT_FALSE(answer_.overfull);
  // The next answer is small again.
  answer_.reset(query_.lower.data(), query_.qname_size);
  ASSERT_TRUE(answer_.add_record(Section::Answer, 0, RRType::A, 60, address(7)));
  message = encode();
  EXPECT_EQ(values(message.answer), Lines{"10.0.0.7"});
}

TEST_F(AnswerTest, NoMoreRRsetsThanThereIsRoomFor) {
  RRsetRef ref;
  ref.write = &write_rdata;
  ref.type = RRType::TXT;
  for (std::size_t i = 0; i < Answer::kMaxRRsets; ++i) ASSERT_TRUE(answer_.add_additional(ref));
  EXPECT_FALSE(answer_.add_additional(ref));
  EXPECT_EQ(answer_.additional_count, Answer::kMaxRRsets);
  EXPECT_FALSE(answer_.overfull) << "additional data may be left out";
  for (std::size_t i = 0; i < Answer::kMaxRRsets; ++i) ASSERT_TRUE(answer_.add_answer(ref));
  EXPECT_FALSE(answer_.overfull);
  EXPECT_FALSE(answer_.add_answer(ref));
  EXPECT_TRUE(answer_.overfull);
  answer_.authoritative = true;
  const Message message = encode();
  EXPECT_EQ(message.rcode, static_cast<unsigned>(Rcode::ServFail));
  EXPECT_EQ(message.flags & (kFlagAA | kFlagTC), 0);
  EXPECT_TRUE(message.answer.empty());
  EXPECT_TRUE(message.additional.empty());
  EXPECT_EQ(extended_error(message), static_cast<int>(ExtendedError::Other));
}

TEST_F(AnswerTest, NoMoreAuthorityThanThereIsRoomFor) {
  RRsetRef ref;
  ref.write = &write_rdata;
  for (std::size_t i = 0; i < Answer::kMaxRRsets; ++i) ASSERT_TRUE(answer_.add_authority(ref));
  EXPECT_FALSE(answer_.add_authority(ref));
  EXPECT_EQ(encode().rcode, static_cast<unsigned>(Rcode::ServFail));
}

TEST_F(AnswerTest, NoMoreNamesThanThereAreIndexes) {
  std::vector<Name> names;
  names.reserve(300);
  for (unsigned i = 1; i < Answer::kMaxNames; ++i) {
    names.push_back(name("n" + std::to_string(i) + ".test"));
    const std::uint8_t index =
        answer_.add_name(names.back().data(), static_cast<std::uint8_t>(names.back().size()));
    ASSERT_EQ(index, i);
    ASSERT_TRUE(answer_.add_record(Section::Answer, index, RRType::A, 60, address(i)));
  }
  EXPECT_FALSE(answer_.overfull);
  const Message message = encode();
  ASSERT_EQ(message.answer.size(), Answer::kMaxNames - 1);
  EXPECT_EQ(lines(message.answer).back(), "n254.test. 60 A 10.0.0.254");
  EXPECT_EQ(answer_.find_or_add_name(name("N7.TEST").view()), 7);
  EXPECT_EQ(answer_.find_or_add_name(name("one.more.test").view()), std::nullopt);
  EXPECT_FALSE(answer_.overfull);
  const Name more = name("one.more.test");
  EXPECT_EQ(answer_.add_name(more.data(), static_cast<std::uint8_t>(more.size())), 0);
  EXPECT_TRUE(answer_.overfull);
  EXPECT_EQ(encode().rcode, static_cast<unsigned>(Rcode::ServFail));
}

TEST_F(AnswerTest, MovesWithAllThatBelongsToIt) {
  const std::uint8_t other = name_of("other.example.com");
  ASSERT_TRUE(answer_.add_record(Section::Answer, other, RRType::A, 60, address(1)));
  answer_.rcode = Rcode::NXDomain;
  Answer small(std::move(answer_));
  EXPECT_EQ(answer_.answer_count, 0);
  EXPECT_EQ(small.rcode, Rcode::NXDomain);
  answer_ = std::move(small);
  EXPECT_EQ(lines(encode().answer), Lines{"other.example.com. 60 A 10.0.0.1"});

  answer_.reset(query_.lower.data(), query_.qname_size);
  for (unsigned i = 0; i < 100; ++i) {
    ASSERT_TRUE(answer_.add_record(Section::Answer, name_of("n" + std::to_string(i)), RRType::A, 60,
                                   address(i)));
  }
  Answer large;
  large.reset(query_.lower.data(), query_.qname_size);
  large = std::move(answer_);
  answer_.reset(query_.lower.data(), query_.qname_size);
  ASSERT_TRUE(answer_.add_record(Section::Answer, 0, RRType::A, 60, address(9)));
  EXPECT_EQ(values(encode().answer), Lines{"10.0.0.9"});
  answer_ = std::move(large);
  const Message message = encode();
  ASSERT_EQ(message.answer.size(), 100u);
  EXPECT_EQ(lines(message.answer)[99], "n99. 60 A 10.0.0.99");
}

// What ends with the answer that an error came from is copied, and an empty text as well.
TEST_F(AnswerTest, AnErrorOfAnotherAnswerIsCopied) {
  std::array<char, 8> text{"loops"};
  std::array<char, 8> cause{"why"};
  answer_.keep_error({true, ExtendedError::Other, text.data(), cause.data()});
  text = {"x"};
  cause = {"x"};
  EXPECT_STREQ(answer_.error.text, "loops");
  EXPECT_STREQ(answer_.error.cause, "why");
  text = {""};
  cause = {""};
  answer_.keep_error({true, ExtendedError::Blocked, text.data(), cause.data()});
  text = {"x"};
  cause = {"x"};
  EXPECT_TRUE(answer_.error.set);
  EXPECT_EQ(answer_.error.code, ExtendedError::Blocked);
  EXPECT_STREQ(answer_.error.text, "");
  EXPECT_STREQ(answer_.error.cause, "");
  answer_.keep_error({});
  EXPECT_FALSE(answer_.error.set);
}

// --- RDATA with names (RFC 3597 section 4) ---

TEST_F(AnswerTest, NamesInRdataAreCompressedWhereTheyMayBe) {
  Octets target;
  put_name(target, "web.example.com");
  Octets mx{0, 10};
  put_name(mx, "mail.example.com");
  Octets soa;
  put_name(soa, "ns.example.com");
  put_name(soa, "host.example.com");
  for (int i = 0; i < 10; ++i) put_u16(soa, 1);
  Octets srv{0, 1, 0, 2, 0, 80};
  put_name(srv, "web.example.com");
  ASSERT_TRUE(answer_.add_record(Section::Answer, 0, RRType::CNAME, 60, target));
  const std::uint8_t web = name_of("web.example.com");
  ASSERT_TRUE(answer_.add_record(Section::Answer, web, RRType::MX, 60, mx));
  ASSERT_TRUE(answer_.add_record(Section::Answer, web, RRType::SRV, 60, srv));
  ASSERT_TRUE(answer_.add_record(Section::Authority, name_of("example.com"), RRType::SOA, 60, soa));
  const Message message = encode();
  EXPECT_EQ(lines(message.answer), (Lines{"Www.example.com. 60 CNAME web.example.com.",
                                          "web.example.com. 60 MX 10 mail.example.com.",
                                          "web.example.com. 60 SRV 1 2 80 web.example.com."}));
  EXPECT_EQ(
      lines(message.authority),
      Lines{"example.com. 60 SOA ns.example.com. host.example.com. 65537 65537 65537 65537 65537"});
  const std::size_t question = query_.question_end;
  // Pointers: four owners; `web`, `mail`, `ns` and `host` stand before example.com's. The SRV
  // target is in full.
  const std::size_t cname = 2 + 10 + 4 + 2;
  const std::size_t mx_size = 2 + 10 + 2 + 5 + 2;
  const std::size_t srv_size = 2 + 10 + srv.size();
  const std::size_t soa_size = 2 + 10 + (3 + 2) + (5 + 2) + 20;
  EXPECT_EQ(raw_.size(), question + cname + mx_size + srv_size + soa_size + kOptRecordSize);
  // What CoreDNS calls the size of a response.
  const std::size_t heads = 17 + 17 + 17 + 13 + 4 * 10;
  EXPECT_EQ(answer_.plain_size,
            question + heads + target.size() + mx.size() + srv.size() + soa.size());
}

TEST_F(AnswerTest, RdataThatIsNotWhatItsTypeHasIsCopied) {
  for (const Octets& rdata : {Octets{}, Octets{0}, Octets{0, 10}, Octets{0, 10, 3, 'a'},
                              Octets{0, 10, 0xC0, 12}, Octets(300, 63)}) {
    answer_.reset(query_.lower.data(), query_.qname_size);
    ASSERT_TRUE(answer_.add_record(Section::Answer, 0, RRType::MX, 60, rdata));
    raw_.assign(1000, 0xAB);
    raw_.resize(encode_answer(query_, answer_, kDefaultUdpSize, raw_.data(), 900));
    const std::size_t at = query_.question_end + 12;
    EXPECT_EQ(load_u16(&raw_[at - 2]), rdata.size());
    EXPECT_TRUE(
        std::equal(rdata.begin(), rdata.end(), raw_.begin() + static_cast<std::ptrdiff_t>(at)));
  }
}

TEST_F(AnswerTest, RdataWithNamesWithinTheLimit) {
  Octets mx{0, 10};
  put_name(mx, "mail.elsewhere.test");
  ASSERT_TRUE(answer_.add_record(Section::Answer, 0, RRType::MX, 60, mx));
  ASSERT_TRUE(answer_.add_record(Section::Answer, 0, RRType::MX, 60, mx));
  const std::size_t whole = encode().answer.size();
  EXPECT_EQ(whole, 2u);
  const std::size_t full = raw_.size();
  for (std::size_t less = 1; less <= 2 + 10 + mx.size(); ++less) {
    for (std::uint16_t i = 1; i < answer_.name_count; ++i) answer_.names[i].offset = 0;
    const Message message = encode(full - less);
    EXPECT_LE(raw_.size(), full - less);
    EXPECT_EQ(message.answer.size(), 1u) << less;
    EXPECT_NE(message.flags & kFlagTC, 0);
  }
}

// --- class and options ---

TEST_F(AnswerTest, RecordsHaveTheClassOfTheQuestion) {
  ask({.qname = "version.bind", .qtype = RRType::TXT, .qclass = RRClass{3}});
  ASSERT_TRUE(answer_.add_record(Section::Answer, 0, RRType::TXT, 0, Octets{1, 'v'}));
  EXPECT_EQ(encode().answer.at(0).rrclass, RRClass{3});
}

TEST_F(AnswerTest, Options) {
  const Octets nsid{'n', 's', '1'};
  ASSERT_TRUE(answer_.add_option(3, nsid));
  ASSERT_TRUE(answer_.add_option(10, {}));
  EXPECT_EQ(encode().opt_options, (Octets{0, 3, 0, 3, 'n', 's', '1', 0, 10, 0, 0}));
  answer_.error = {true, ExtendedError::Prohibited, "no"};
  EXPECT_EQ(encode().opt_options,
            (Octets{0, 15, 0, 4, 0, 18, 'n', 'o', 0, 3, 0, 3, 'n', 's', '1', 0, 10, 0, 0}));
  answer_.reset(query_.lower.data(), query_.qname_size);
  EXPECT_TRUE(encode().opt_options.empty());
  EXPECT_TRUE(answer_.options().empty());
  // Not without EDNS.
  ask({.qname = "www.example.com"});
  ASSERT_TRUE(answer_.add_option(3, nsid));
  EXPECT_FALSE(encode().has_opt);
}

TEST_F(AnswerTest, OptionsThatDoNotFitAreLeftOut) {
  const Octets large(400, 1);
  ASSERT_TRUE(answer_.add_option(12, large));
  EXPECT_EQ(encode(512).opt_options.size(), 404u);
  EXPECT_EQ(raw_.size(), query_.question_end + kOptRecordSize + 404u);
  ASSERT_TRUE(answer_.add_option(12, large));
  EXPECT_TRUE(encode(512).opt_options.empty());
  EXPECT_EQ(raw_.size(), query_.question_end + kOptRecordSize);
  EXPECT_EQ(encode().opt_options.size(), 808u);
  for (unsigned i = 2; i < 16; ++i) ASSERT_TRUE(answer_.add_option(12, large));
  EXPECT_FALSE(answer_.add_option(12, large));
  const Octets too_large(0x10000, 1);
  answer_.reset(query_.lower.data(), query_.qname_size);
  EXPECT_FALSE(answer_.add_option(12, too_large));
}

// --- a message, record by record ---

TEST_F(AnswerTest, PlainRecords) {
  Octets soa;
  put_name(soa, "ns.example.com");
  put_name(soa, "host.example.com");
  soa.resize(soa.size() + 20, 7);
  Octets target;
  put_name(target, "web.example.com");
  ASSERT_TRUE(answer_.add_record(Section::Answer, 0, RRType::CNAME, 60, target));
  ASSERT_TRUE(
      answer_.add_record(Section::Answer, name_of("web.example.com"), RRType::A, 61, address(1)));
  ASSERT_TRUE(answer_.add_record(Section::Authority, name_of("example.com"), RRType::SOA, 62, soa));
  ASSERT_TRUE(answer_.add_record(Section::Additional, 0, RRType::A, 63, address(2)));
  const Message before = encode();
  const Octets message = raw_;

  answer_.reset(query_.lower.data(), query_.qname_size);
  add_plain_records(message, query_.question_end, answer_);
  ASSERT_EQ(answer_.answer_count, 2);
  ASSERT_EQ(answer_.authority_count, 1);
  ASSERT_EQ(answer_.additional_count, 1) << "without OPT";
  EXPECT_EQ(answer_.answer[0].owner, 0);
  EXPECT_EQ(answer_.answer[0].ttl, 60u);
  const auto rdata = [](const RRsetRef& record) {
    const auto* const data = static_cast<const std::uint8_t*>(record.data);
    return Octets(data, data + record.count);
  };
  EXPECT_EQ(rdata(answer_.answer[0]), target);
  EXPECT_EQ(rdata(answer_.authority[0]), soa);
  const Message after = encode();
  EXPECT_EQ(raw_, message) << "and as it was when it is written again";
}

TEST_F(AnswerTest, PlainRecordsBeyondWhatThereIsRoomFor) {
  Octets message;
  for (const unsigned value : {0U, 0x8000U, 1U, 300U, 0U, 1U}) put_u16(message, value);
  put_name(message, "www.example.com");
  put_u16(message, 1);
  put_u16(message, 1);
  for (unsigned i = 0; i <= 300; ++i) {
    unit::put_record(message, "n" + std::to_string(i), RRType::A, 1, 60, address(i));
  }
  add_plain_records(message, query_.question_end, answer_);
  EXPECT_TRUE(answer_.overfull);
  EXPECT_EQ(encode().rcode, static_cast<unsigned>(Rcode::ServFail));
  // The same as additional data.
  store_u16(&message[6], 0);
  store_u16(&message[10], 301);
  answer_.reset(query_.lower.data(), query_.qname_size);
  add_plain_records(message, query_.question_end, answer_);
  EXPECT_FALSE(answer_.overfull);
  EXPECT_EQ(encode().additional.size(), 254u);
}

}  // namespace
}  // namespace clusterdns::dns
