#include "dns/query/encoder.h"

#include <deque>

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
using unit::Request;
using unit::values;

constexpr std::uint16_t kOurSize = 1400;  // an odd one, to see where it goes

// Rows as a table holds them; the last octet of each address is its index.
Octets a_rows(unsigned count) {
  Octets rows;
  for (unsigned i = 0; i < count; ++i) {
    rows.insert(rows.end(), {0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 0,
                             static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)});
  }
  return rows;
}
Octets aaaa_rows(unsigned count) {
  Octets rows;
  for (unsigned i = 0; i < count; ++i) {
    rows.insert(rows.end(), {0xC0,
                             12,
                             0,
                             28,
                             0,
                             1,
                             0,
                             0,
                             0,
                             5,
                             0,
                             16,
                             0xFD,
                             0,
                             0,
                             0,
                             0,
                             0,
                             0,
                             0,
                             0,
                             0,
                             0,
                             0,
                             0,
                             1,
                             static_cast<std::uint8_t>(i >> 8),
                             static_cast<std::uint8_t>(i)});
  }
  return rows;
}
std::string a_text(unsigned i) {
  return "10.0." + std::to_string(i >> 8) + "." + std::to_string(i & 0xFF);
}

RRsetRef rows_ref(const Octets& rows, RRType type, std::uint32_t rotation = 0,
                  std::uint8_t owner = 0) {
  RRsetRef ref;
  ref.write = &write_rows;
  ref.data = rows.data();
  ref.count =
      static_cast<std::uint32_t>(rows.size() / (type == RRType::A ? kARowSize : kAaaaRowSize));
  ref.rotation = rotation;
  ref.ttl = 5;
  ref.type = type;
  ref.owner = owner;
  return ref;
}

class EncoderTest : public ::testing::Test {
 protected:
  explicit EncoderTest(const Request& request = {.qname = "Web.default.example.com"}) {
    ask(request);
  }

  void ask(const Request& request) {
    packet_.emplace_back(request);
    ASSERT_EQ(parse_query(packet_.back().view(), query_), Gate::Pass);
    answer_.reset(query_.lower.data(), query_.qname_size);
  }
  std::uint8_t add_name(const std::string& text) {
    names_.push_back(name(text));
    return answer_.add_name(names_.back().data(), static_cast<std::uint8_t>(names_.back().size()));
  }
  void add_cname(std::uint8_t owner, std::uint8_t target, std::uint32_t ttl = 7) {
    RRsetRef ref;
    ref.write = &write_cname;
    ref.first = target;
    ref.ttl = ttl;
    ref.type = RRType::CNAME;
    ref.owner = owner;
    answer_.next_answer() = ref;
  }
  void add_answer(const RRsetRef& ref) { answer_.next_answer() = ref; }
  RRsetRef rdata_ref(const Octets& rdata, RRType type, std::uint8_t owner = 0) const {
    RRsetRef ref;
    ref.write = &write_rdata;
    ref.data = rdata.data();
    ref.count = static_cast<std::uint32_t>(rdata.size());
    ref.ttl = 9;
    ref.type = type;
    ref.owner = owner;
    return ref;
  }
  // Octets beyond `limit` must not be touched.
  Message encode(std::size_t limit = kMaxMessageSize) {
    Octets out(limit + 64, 0xAB);
    // An Answer is used up by encoding: offsets of names stay in it.
    const std::vector<AnswerName> before(answer_.names, answer_.names + answer_.name_count);
    const std::size_t size = encode_answer(query_, answer_, kOurSize, out.data(), limit);
    std::copy(before.begin(), before.end(), answer_.names);
    EXPECT_LE(size, limit);
    // But for what copying the question may touch: a response has room for 512 octets, which is
    // further, and these tests go below.
    for (std::size_t i = std::max(limit, query_.question_end + kPadding); i < out.size(); ++i) {
      EXPECT_EQ(out[i], 0xAB) << "limit " << limit;
    }
    out.resize(size);
    raw_ = out;
    return decode(raw_);
  }

  std::deque<Packet> packet_;
  std::deque<Name> names_;
  Query query_;
  Answer answer_;
  Octets raw_;
};

TEST_F(EncoderTest, NothingFound) {
  const Message message = encode();
  EXPECT_EQ(message.id, 0x2A17);
  EXPECT_EQ(message.flags, kFlagQR | kFlagRD);
  EXPECT_EQ(message.qname.to_text(), "Web.default.example.com.") << "letter case is kept";
  EXPECT_EQ(message.qtype, RRType::A);
  EXPECT_FALSE(message.has_opt);
  EXPECT_EQ(message.answer.size() + message.authority.size() + message.additional.size(), 0u);
  EXPECT_EQ(raw_.size(), query_.question_end);
}

TEST_F(EncoderTest, Flags) {
  answer_.authoritative = true;
  EXPECT_EQ(encode().flags, kFlagQR | kFlagRD | kFlagAA);
  answer_.recursion_available = true;
  EXPECT_EQ(encode().flags, kFlagQR | kFlagRD | kFlagAA | kFlagRA);
  answer_.truncated = true;
  EXPECT_EQ(encode().flags, kFlagQR | kFlagRD | kFlagAA | kFlagRA | kFlagTC);
  answer_.rcode = Rcode::NXDomain;
  EXPECT_EQ(encode().flags & 0xF, 3);
  // CD is copied, AD and Z are not.
  ask({.qname = "a", .flags = kFlagCD | kFlagAD | 0x0040 | kFlagRA | kFlagTC | kFlagAA});
  EXPECT_EQ(encode().flags, kFlagQR | kFlagCD);
  ask({.qname = "a", .flags = 0});
  EXPECT_EQ(encode().flags, kFlagQR);
}

TEST_F(EncoderTest, OptOnlyWhenAskedAndLast) {
  const Octets rows = a_rows(2);
  const Octets glue{192, 0, 2, 1};
  ask({.qname = "a.b", .edns = true, .udp_size = 999, .dnssec_ok = true, .options = {0, 3, 0, 0}});
  add_answer(rows_ref(rows, RRType::A));
  RRsetRef extra = rdata_ref(glue, RRType::A);
  answer_.next_additional() = extra;
  Message message = encode();
  EXPECT_TRUE(message.has_opt);
  EXPECT_EQ(message.opt_udp_size, kOurSize);
  EXPECT_EQ(message.opt_ttl, 0x8000u) << "DO is copied (RFC 3225)";
  EXPECT_TRUE(message.opt_options.empty()) << "unknown options are not echoed";
  EXPECT_EQ(message.additional.size(), 1u);
  // The last eleven octets: root, OPT, size, TTL, no options.
  const Octets opt(raw_.end() - static_cast<std::ptrdiff_t>(kOptRecordSize), raw_.end());
  EXPECT_EQ(opt, (Octets{0, 0, 41, kOurSize >> 8, kOurSize & 0xFF, 0, 0, 0x80, 0, 0, 0}));

  ask({.qname = "a.b", .edns = true});
  EXPECT_EQ(encode().opt_ttl, 0u);
  ask({.qname = "a.b"});
  EXPECT_FALSE(encode().has_opt);
}

TEST_F(EncoderTest, ExtendedRcodeAndError) {
  ask({.qname = "a.b", .edns = true});
  answer_.rcode = Rcode::BadVers;
  Message message = encode();
  EXPECT_EQ(message.rcode, 16);
  EXPECT_EQ(message.flags & 0xF, 0);
  EXPECT_EQ(extended_error(message), -1);

  answer_.rcode = Rcode::ServFail;
  answer_.error = {true, ExtendedError::NetworkError, "no upstream answers"};
  message = encode();
  std::string text;
  EXPECT_EQ(extended_error(message, &text), 23);
  EXPECT_EQ(text, "no upstream answers");
  EXPECT_EQ(message.opt_options.size(), 4 + 2 + text.size());

  answer_.error.text = "";
  message = encode();
  EXPECT_EQ(message.opt_options, (Octets{0, 15, 0, 2, 0, 23}));

  // Without EDNS there is nowhere to say it.
  ask({.qname = "a.b"});
  answer_.error = {true, ExtendedError::NetworkError, "no upstream answers"};
  EXPECT_FALSE(encode().has_opt);
}

TEST_F(EncoderTest, RotationStartsAtEveryPosition) {
  for (unsigned count = 1; count <= 5; ++count) {
    const Octets v4 = a_rows(count);
    const Octets v6 = aaaa_rows(count);
    for (unsigned start = 0; start < count; ++start) {
      for (const bool behind_cname : {false, true}) {
        ask({.qname = "Web.example.com"});
        std::uint8_t owner = 0;
        if (behind_cname) {
          owner = add_name("target.example.com");
          add_cname(0, owner);
        }
        add_answer(rows_ref(v4, RRType::A, start, owner));
        add_answer(rows_ref(v6, RRType::AAAA, start, owner));
        Lines expected;
        if (behind_cname) expected.push_back("Web.example.com. 7 CNAME target.example.com.");
        const std::string as = behind_cname ? "target.example.com." : "Web.example.com.";
        for (unsigned i = 0; i < count; ++i) {
          expected.push_back(as + " 5 A " + a_text((start + i) % count));
        }
        for (unsigned i = 0; i < count; ++i) {
          const unsigned at = (start + i) % count;
          expected.push_back(as + " 5 AAAA fd00::1:" + std::to_string(at));
        }
        EXPECT_EQ(lines(encode().answer), expected) << count << " from " << start;
      }
    }
  }
}

// Rows whose owner stands nowhere yet: the first record writes the name, the rest point to it.
TEST_F(EncoderTest, RowsUnderANameThatIsNotInTheMessage) {
  const std::size_t fixed = query_.question_end;
  for (unsigned count = 1; count <= 4; ++count) {
    const Octets rows = a_rows(count);
    for (unsigned start = 0; start < count; ++start) {
      ask({.qname = "Web.default.example.com"});
      const std::uint8_t owner = add_name("other.example.com");
      add_answer(rows_ref(rows, RRType::A, start, owner));
      Lines expected;
      for (unsigned i = 0; i < count; ++i) {
        expected.push_back("other.example.com. 5 A " + a_text((start + i) % count));
      }
      EXPECT_EQ(lines(encode().answer), expected) << count << " from " << start;
      EXPECT_EQ(raw_.size(), fixed + 6 + 2 + 14 + (count - 1) * kARowSize);
      for (std::size_t limit = fixed; limit <= raw_.size() + count * kARowSize; ++limit) {
        const Message cut = encode(limit);
        const std::size_t whole = fixed + 22 + (count - 1) * kARowSize;
        const std::size_t fit =
            limit < fixed + 22 ? 0
                               : std::min<std::size_t>(count, 1 + (limit - fixed - 22) / kARowSize);
        EXPECT_EQ(lines(cut.answer),
                  Lines(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(fit)));
        EXPECT_EQ((cut.flags & kFlagTC) != 0, limit < whole) << limit;
      }
    }
  }
}

// As many whole records as fit, in rotated order, and TC when that is not all of them.
TEST_F(EncoderTest, PartialRowsAtEveryLimit) {
  const Octets v4 = a_rows(100);
  const Octets v6 = aaaa_rows(100);
  for (const bool edns : {false, true}) {
    for (const RRType type : {RRType::A, RRType::AAAA}) {
      ask({.qname = "Web.default.example.com", .qtype = type, .edns = edns});
      const std::size_t row = type == RRType::A ? kARowSize : kAaaaRowSize;
      const std::uint32_t rotation = 93;
      add_answer(rows_ref(type == RRType::A ? v4 : v6, type, rotation));
      const std::size_t fixed = query_.question_end + (edns ? kOptRecordSize : 0);
      for (std::size_t limit = 512; limit >= fixed; --limit) {
        const Message message = encode(limit);
        const std::size_t fit = (limit - fixed) / row;
        ASSERT_EQ(message.answer.size(), fit) << limit;
        ASSERT_NE(message.flags & kFlagTC, 0);
        ASSERT_EQ(message.has_opt, edns);
        for (std::size_t i = 0; i < fit; ++i) {
          ASSERT_EQ(message.answer[i].rdata.back(), (rotation + i) % 100);
        }
      }
      const std::size_t whole = fixed + 100 * row;
      EXPECT_EQ(encode(whole).answer.size(), 100u);
      EXPECT_EQ(encode(whole).flags & kFlagTC, 0);
      EXPECT_EQ(encode(whole - 1).answer.size(), 99u);
      EXPECT_NE(encode(whole - 1).flags & kFlagTC, 0);
    }
  }
}

TEST_F(EncoderTest, ChainAndRowsAtEveryLimit) {
  const Octets rows = a_rows(40);
  ask({.qname = "Web.default.example.com", .edns = true});
  const std::uint8_t first = add_name("b.other.example.com");
  const std::uint8_t second = add_name("c.b.other.example.com");
  add_cname(0, first);
  add_cname(first, second);
  add_answer(rows_ref(rows, RRType::A, 3, second));
  const Message whole = encode();
  ASSERT_EQ(whole.answer.size(), 42u);
  const Lines expected = lines(whole.answer);
  EXPECT_EQ(expected[0], "Web.default.example.com. 7 CNAME b.other.example.com.");
  EXPECT_EQ(expected[1], "b.other.example.com. 7 CNAME c.b.other.example.com.");
  EXPECT_EQ(expected[2], "c.b.other.example.com. 5 A 10.0.0.3");
  const std::size_t whole_size = raw_.size();
  std::size_t last = 43;
  for (std::size_t limit = whole_size; limit >= query_.question_end + kOptRecordSize; --limit) {
    const Message message = encode(limit);
    const std::size_t n = message.answer.size();
    ASSERT_LE(n, last);
    last = n;
    ASSERT_EQ(lines(message.answer),
              Lines(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(n)));
    ASSERT_EQ((message.flags & kFlagTC) != 0, limit < whole_size) << limit;
    ASSERT_TRUE(message.has_opt);
  }
  EXPECT_EQ(last, 0u);
}

// What follows an RRset that did not fit does not slip in before it.
TEST_F(EncoderTest, NothingAfterAnIncompleteRrset) {
  const Octets rows = a_rows(40);
  const Octets small{192, 0, 2, 1};
  ask({.qname = "a"});
  add_answer(rows_ref(rows, RRType::A));
  add_answer(rdata_ref(small, RRType::A));
  answer_.next_authority() = rdata_ref(small, RRType::A);
  answer_.next_additional() = rdata_ref(small, RRType::A);
  const Message message = encode(512);
  EXPECT_EQ(message.answer.size(), (512u - 19) / kARowSize);
  EXPECT_TRUE(message.authority.empty());
  EXPECT_TRUE(message.additional.empty());
  EXPECT_NE(message.flags & kFlagTC, 0);
}

TEST_F(EncoderTest, AdditionalDataNeverSetsTc) {
  const Octets rows = a_rows(4);
  const Octets big(300, 1);
  const Octets small{192, 0, 2, 1};
  ask({.qname = "a"});
  add_answer(rows_ref(rows, RRType::A));
  const RRsetRef first = rdata_ref(big, RRType{65000});
  answer_.next_additional() = first;
  answer_.next_additional() = rows_ref(rows, RRType::A);
  answer_.next_additional() = rdata_ref(small, RRType::A);
  encode();
  const std::size_t whole = raw_.size();
  const std::size_t fixed = query_.question_end + 4 * kARowSize;
  for (std::size_t limit = whole; limit >= fixed; --limit) {
    const Message message = encode(limit);
    ASSERT_EQ(message.flags & kFlagTC, 0) << limit;
    ASSERT_EQ(message.answer.size(), 4u);
    // Whole RRsets only: the four rows come together or not at all.
    std::size_t from_rows = 0;
    for (const Record& record : message.additional) {
      if (record.type == RRType::A && record.rdata[0] == 10) ++from_rows;
    }
    ASSERT_TRUE(from_rows == 0 || from_rows == 4) << limit;
  }
  EXPECT_EQ(encode(whole).additional.size(), 6u);
  // A later, smaller RRset fits where a large one did not.
  EXPECT_EQ(encode(fixed + 4 * kARowSize + 16).additional.size(), 5u);
  EXPECT_EQ(encode(fixed + 16).additional.size(), 1u);
}

TEST_F(EncoderTest, ANegativeAnswerWithoutItsSoaIsIncomplete) {
  const Octets soa(40, 0);
  ask({.qname = "Web.default.example.com"});
  answer_.rcode = Rcode::NXDomain;
  const std::uint8_t zone = answer_.add_question_suffix(13);
  RRsetRef ref = rdata_ref(soa, RRType{65000}, zone);
  answer_.next_authority() = ref;
  const Message whole = encode();
  EXPECT_EQ(whole.authority.at(0).owner.to_text(), "example.com.");
  EXPECT_EQ(whole.flags & kFlagTC, 0);
  EXPECT_EQ(raw_.size(), query_.question_end + 2 + 10 + soa.size()) << "the owner is a pointer";
  const Message cut = encode(raw_.size() - 1);
  EXPECT_TRUE(cut.authority.empty());
  EXPECT_NE(cut.flags & kFlagTC, 0);
  EXPECT_EQ(cut.rcode, 3);
}

TEST_F(EncoderTest, NamesAreCompressedAgainstEachOther) {
  ask({.qname = "www.example.com"});
  const std::uint8_t b = add_name("b.EXAMPLE.com");
  const std::uint8_t cb = add_name("c.b.example.COM");
  const std::uint8_t x = add_name("x.com");
  const std::uint8_t other = add_name("other.org");
  const std::uint8_t up = add_name("example.com");
  add_cname(0, b);
  add_cname(b, cb);
  add_cname(cb, x);
  add_cname(x, other);
  add_cname(other, up);
  const Message message = encode();
  // Suffixes are shared whatever their letter case (RFC 1035 2.3.3), so the first spelling shows.
  EXPECT_EQ(lines(message.answer),
            (Lines{"www.example.com. 7 CNAME b.example.com.",
                   "b.example.com. 7 CNAME c.b.example.com.", "c.b.example.com. 7 CNAME x.com.",
                   "x.com. 7 CNAME other.org.", "other.org. 7 CNAME example.com."}));
  // RDATA: 1b*, 1c*, 1x*, 5other3org0, *; each record has 12 octets before it.
  EXPECT_EQ(raw_.size(), query_.question_end + 5 * 12 + 4 + 4 + 4 + 11 + 2u);
}

// The tail of a name that was itself compressed stands elsewhere; a pointer must not go into it.
TEST_F(EncoderTest, SuffixesBehindPointers) {
  ask({.qname = "a.b.c.d.e"});
  const std::uint8_t first = add_name("z.c.d.e");       // z + pointer
  const std::uint8_t second = add_name("y.z.c.d.e");    // y + pointer to z
  const std::uint8_t third = add_name("q.c.d.e");       // shares only what is behind z's pointer
  const std::uint8_t fourth = add_name("w.y.z.c.d.e");  // w + pointer to y
  add_cname(0, first);
  add_cname(first, second);
  add_cname(second, third);
  add_cname(third, fourth);
  EXPECT_EQ(lines(encode().answer),
            (Lines{"a.b.c.d.e. 7 CNAME z.c.d.e.", "z.c.d.e. 7 CNAME y.z.c.d.e.",
                   "y.z.c.d.e. 7 CNAME q.c.d.e.", "q.c.d.e. 7 CNAME w.y.z.c.d.e."}));
  EXPECT_EQ(raw_.size(), query_.question_end + 4 * 12 + 4 * 4u);
}

TEST_F(EncoderTest, TheRootAndLookalikes) {
  ask({.qname = "ab.example.com"});
  const std::uint8_t root = add_name(".");
  const std::uint8_t like = add_name("b.example.com");  // "b" within "ab" is no label
  const std::uint8_t longer = add_name("example.com.org");
  add_cname(0, root);
  add_cname(0, like);
  add_cname(0, longer);
  EXPECT_EQ(values(encode().answer), (Lines{".", "b.example.com.", "example.com.org."}));
}

TEST_F(EncoderTest, ANameThatDidNotFitIsNoCompressionTarget) {
  ask({.qname = "a"});
  Octets out(600);
  Encoder encoder(out.data(), 60, answer_);
  encoder.skip(query_.question_end);
  const std::uint8_t n = add_name("long.name.test");
  ASSERT_TRUE(encoder.write_name(n));
  EXPECT_NE(encoder.owner_pointer(n), 0);
  encoder.rewind(query_.question_end);
  EXPECT_EQ(encoder.size(), query_.question_end);
  EXPECT_EQ(encoder.owner_pointer(n), 0);
  EXPECT_NE(encoder.owner_pointer(0), 0) << "the question stays";
}

TEST_F(EncoderTest, RecordHeadNeedsRoomForRdlength) {
  ask({.qname = "a"});
  for (std::size_t room = 0; room < 14; ++room) {
    Octets out(100, 0xAB);
    Encoder encoder(out.data(), query_.question_end + room, answer_);
    encoder.skip(query_.question_end);
    const bool fits = encoder.record_head(0, RRType::TXT, 1);
    EXPECT_EQ(fits, room >= 12) << room;
    EXPECT_EQ(encoder.size(), query_.question_end + (fits ? 10 : 0));
    EXPECT_EQ(out[query_.question_end + room], 0xAB);
  }
}

// Over TCP a message can be larger than a pointer reaches.
TEST_F(EncoderTest, NamesBeyondThePointersReach) {
  const Octets rows = a_rows(1500);
  ask({.qname = "web.example.com"});
  add_answer(rows_ref(rows, RRType::A));
  const Octets two = a_rows(2);
  const Octets small{192, 0, 2, 1};
  const std::uint8_t far = add_name("far.test");
  answer_.next_authority() = rdata_ref(small, RRType::A, far);
  answer_.next_authority() = rdata_ref(small, RRType::A, far);
  answer_.next_additional() = rows_ref(two, RRType::A, 0, far);
  const Message message = encode();
  EXPECT_EQ(message.answer.size(), 1500u);
  EXPECT_EQ(lines(message.authority),
            (Lines{"far.test. 9 A 192.0.2.1", "far.test. 9 A 192.0.2.1"}));
  EXPECT_EQ(message.flags & kFlagTC, 0);
  for (const Record& record : message.additional) {
    EXPECT_EQ(record.owner.to_text(), "far.test.");
  }
}

TEST_F(EncoderTest, RowsFromTheMiddle) {
  const Octets rows = a_rows(6);
  RRsetRef ref = rows_ref(rows, RRType::A, 1);
  ref.first = 2;
  ref.count = 3;
  add_answer(ref);
  EXPECT_EQ(values(encode().answer), (Lines{a_text(3), a_text(4), a_text(2)}));
}

TEST(EncodeError, EchoesWhatWasRead) {
  const Packet packet(Request{.qname = "Web.x",
                              .qtype = RRType::MX,
                              .flags = kFlagRD | kFlagCD,
                              .edns = true,
                              .dnssec_ok = true,
                              .version = 3});
  Query query;
  ASSERT_EQ(parse_query(packet.view(), query), Gate::BadVers);
  Octets out(512);
  out.resize(encode_error(query, Rcode::BadVers, kOurSize, out.data(), out.size()));
  const Message message = decode(out);
  EXPECT_EQ(message.id, 0x2A17);
  EXPECT_EQ(message.flags, kFlagQR | kFlagRD | kFlagCD);
  EXPECT_EQ(message.rcode, 16);
  EXPECT_EQ(message.qname.to_text(), "Web.x.");
  EXPECT_EQ(message.qtype, RRType::MX);
  EXPECT_EQ(message.opt_ttl >> 16 & 0xFF, 0u) << "the version we speak";
  EXPECT_EQ(message.opt_udp_size, kOurSize);
}

TEST(EncodeError, WithoutAQuestion) {
  const Packet packet(Request{.qname = "a", .flags = 4 << 11 | kFlagRD});
  Query query;
  ASSERT_EQ(parse_query(packet.view(), query), Gate::NotImp);
  Octets out(512);
  out.resize(encode_error(query, Rcode::NotImp, kOurSize, out.data(), out.size()));
  EXPECT_EQ(out.size(), kHeaderSize);
  const Message message = decode(out);
  EXPECT_EQ(message.flags, kFlagQR | kFlagRD | (4 << 11) | 4) << "opcode and RD are copied";
  EXPECT_FALSE(message.has_question);
  EXPECT_FALSE(message.has_opt);
}

}  // namespace
}  // namespace clusterdns::dns
