#include "dns/wire/message_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace clusterdns::dns {
namespace {

using Bytes = std::vector<std::uint8_t>;

// Hexadecimal with blanks anywhere.
Bytes hex(std::string_view text) {
  Bytes out;
  int high = -1;
  for (const char c : text) {
    if (std::isspace(static_cast<unsigned char>(c)) != 0) continue;
    const int digit = std::isdigit(static_cast<unsigned char>(c)) != 0
                          ? c - '0'
                          : std::tolower(static_cast<unsigned char>(c)) - 'a' + 10;
    if (high < 0) {
      high = digit;
    } else {
      out.push_back(static_cast<std::uint8_t>(high * 16 + digit));
      high = -1;
    }
  }
  EXPECT_EQ(high, -1) << "odd number of digits in a test's octets";
  return out;
}

Name name(std::string_view text) { return Name::from_text(text).value(); }

Bytes wire(std::string_view text) {
  const Name n = name(text);
  return {n.data(), n.data() + n.size()};
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Record record(std::string_view owner, RRType type, Bytes rdata, std::uint32_t ttl = 5) {
  Record r;
  r.owner = name(owner);
  r.type = type;
  r.rrclass = RRClass::IN;
  r.ttl = ttl;
  r.rdata = std::move(rdata);
  return r;
}

Message response(std::string_view qname, RRType qtype) {
  Message m;
  m.id = 0x1234;
  m.flags = kFlagQR | kFlagAA | kFlagRD;
  m.has_question = true;
  m.qname = name(qname);
  m.qtype = qtype;
  m.qclass = RRClass::IN;
  return m;
}

Bytes soa(std::string_view mname, std::string_view rname) {
  return wire(mname) + wire(rname) + hex("00000001 00001c20 00000708 00015180 00000005");
}

// One record of every type with names in it, and others.
Message full_message() {
  Message m = response("WWW.Example.com", RRType::A);
  m.answer.push_back(record("WWW.Example.com", RRType::CNAME, wire("web.Example.com")));
  m.answer.push_back(record("web.Example.com", RRType::A, hex("0a000001")));
  m.answer.push_back(record("web.Example.com", RRType::A, hex("0a000002")));
  m.answer.push_back(
      record("web.Example.com", RRType::AAAA, hex("20010db8000000000000000000000001")));
  m.answer.push_back(record("web.Example.com", RRType::MX, hex("000a") + wire("mx.Example.com")));
  m.answer.push_back(record("web.Example.com", RRType::PTR, wire("a.b.Example.com")));
  m.answer.push_back(
      record("web.Example.com", RRType::SRV, hex("0000 0064 1f90") + wire("web.Example.com")));
  m.answer.push_back(record("web.Example.com", RRType::DNAME, wire("other.Example.com")));
  m.answer.push_back(record("web.Example.com", RRType{65280}, hex("c00cff")));
  m.authority.push_back(record("Example.com", RRType::NS, wire("ns.Example.com")));
  m.authority.push_back(
      record("Example.com", RRType::SOA, soa("ns.Example.com", "hostmaster.Example.com")));
  m.additional.push_back(record("ns.Example.com", RRType::A, hex("0a000003")));
  m.has_opt = true;
  m.opt_udp_size = 1232;
  m.opt_ttl = 0x8000;
  m.opt_options = hex("000a 0008 0102030405060708");
  return m;
}

void expect_equal(const std::vector<Record>& a, const std::vector<Record>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].owner.to_text(), b[i].owner.to_text());
    EXPECT_EQ(a[i].type, b[i].type);
    EXPECT_EQ(a[i].rrclass, b[i].rrclass);
    EXPECT_EQ(a[i].ttl, b[i].ttl);
    EXPECT_EQ(a[i].rdata, b[i].rdata) << i;
  }
}

void expect_equal(const Message& a, const Message& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.flags, b.flags);
  EXPECT_EQ(a.rcode, b.rcode);
  EXPECT_EQ(a.has_question, b.has_question);
  EXPECT_EQ(a.qname.to_text(), b.qname.to_text());
  EXPECT_EQ(a.qtype, b.qtype);
  EXPECT_EQ(a.qclass, b.qclass);
  expect_equal(a.answer, b.answer);
  expect_equal(a.authority, b.authority);
  expect_equal(a.additional, b.additional);
  EXPECT_EQ(a.has_opt, b.has_opt);
  EXPECT_EQ(a.opt_udp_size, b.opt_udp_size);
  EXPECT_EQ(a.opt_ttl, b.opt_ttl);
  EXPECT_EQ(a.opt_options, b.opt_options);
}

WireError error_of(const Bytes& message) {
  const Result<Message> m = read_message(message);
  return m.has_error() ? static_cast<WireError>(m.error().value()) : WireError{};
}

// Header with the given counts, then the question "a. A IN" when there is one.
Bytes head(int questions, int answers, int authorities, int additionals) {
  Bytes out = hex("1234 8400");
  for (const int n : {questions, answers, authorities, additionals}) {
    out.push_back(0);
    out.push_back(static_cast<std::uint8_t>(n));
  }
  if (questions == 1) out = out + hex("0161 00 0001 0001");
  return out;
}

TEST(MessageReader, RoundTripKeepsEverything) {
  const Message m = full_message();
  const Bytes octets = write_message(m, kMaxMessageSize);
  const Result<Message> back = read_message(octets);
  ASSERT_TRUE(back.has_value()) << back.error().message();
  expect_equal(m, *back);
  EXPECT_EQ(write_message(*back, kMaxMessageSize), octets);
}

TEST(MessageReader, CompressesOwnersAndRfc1035RdataOnly) {
  Message m = response("www.example.com", RRType::A);
  m.answer.push_back(record("www.example.com", RRType::CNAME, wire("web.example.com")));
  m.answer.push_back(
      record("web.example.com", RRType::SRV, hex("0000 0064 1f90") + wire("web.example.com")));
  m.authority.push_back(record("example.com", RRType::SOA, soa("www.example.com", "example.com")));
  const Bytes expected =
      hex("1234 8500 0001 0002 0001 0000") + wire("www.example.com") + hex("0001 0001") +
      // CNAME at 33, RDATA at 45.
      hex("c00c 0005 0001 00000005 0006 03776562 c010") +
      // SRV: the owner is a pointer, the target written out (RFC 2782).
      hex("c02d 0021 0001 00000005 0017 0000 0064 1f90") + wire("web.example.com") +
      hex("c010 0006 0001 00000005 0018 c00c c010 00000001 00001c20 00000708 00015180 00000005");
  EXPECT_EQ(write_message(m, 512), expected);
}

TEST(MessageReader, LetterCaseSurvivesCompression) {
  Message m = response("wWw.eXample.com", RRType::A);
  m.answer.push_back(record("www.example.com", RRType::CNAME, wire("web.EXAMPLE.com")));
  m.answer.push_back(record("web.EXAMPLE.com", RRType::A, hex("0a000001")));
  const Result<Message> back = read_message(write_message(m, 512));
  ASSERT_TRUE(back.has_value());
  expect_equal(m, *back);
}

TEST(MessageReader, ReadsCompressedNamesOfEveryWellKnownType) {
  // An SRV target compressed by a peer that should not have: RFC 3597 section 4 reads it.
  const Result<Message> m =
      read_message(head(1, 1, 0, 0) + hex("c00c 0021 0001 00000005 0008 0001 0002 0003 c00c"));
  ASSERT_TRUE(m.has_value()) << m.error().message();
  EXPECT_EQ(m->answer.at(0).rdata, hex("0001 0002 0003 0161 00"));
  // Unknown types are carried as they are, even when they look like pointers.
  const Result<Message> unknown =
      read_message(head(1, 1, 0, 0) + hex("c00c ff00 0001 00000005 0002 c00c"));
  ASSERT_TRUE(unknown.has_value());
  EXPECT_EQ(unknown->answer.at(0).rdata, hex("c00c"));
}

TEST(MessageReader, RefusesMalformedMessages) {
  EXPECT_EQ(error_of({}), WireError::Truncated);
  EXPECT_EQ(error_of(hex("1234 8400 0000 0000 0000 00")), WireError::Truncated);
  EXPECT_EQ(error_of(head(0, 0, 0, 0)), WireError{});
  EXPECT_EQ(error_of(head(2, 0, 0, 0)), WireError::BadCount);
  EXPECT_EQ(error_of(head(1, 0, 0, 0) + hex("00")), WireError::TrailingData);
  EXPECT_EQ(error_of(head(1, 1, 0, 0)), WireError::BadCount);
  EXPECT_EQ(error_of(head(1, 1, 0, 0) + hex("c00c 0001")), WireError::Truncated);
  EXPECT_EQ(error_of(head(1, 1, 0, 0) + hex("c00c 0001 0001 00000005 0004 0a00")),
            WireError::Truncated);
  // A pointer to itself, one forwards, one into a loop; label types 01 and 10.
  EXPECT_EQ(error_of(head(1, 1, 0, 0) + hex("c013 0001 0001 00000005 0000")),
            WireError::BadPointer);
  EXPECT_EQ(error_of(head(1, 1, 0, 0) + hex("c0ff 0001 0001 00000005 0000")),
            WireError::BadPointer);
  EXPECT_EQ(error_of(head(1, 1, 0, 0) + hex("0161 c013 0001 0001 00000005 0000")),
            WireError::BadPointer);
  EXPECT_EQ(error_of(head(1, 1, 0, 0) + hex("4161 0001 0001 00000005 0000")),
            WireError::BadLabelType);
  // RDATA names: cut, with octets behind, or running out of RDLENGTH into the next record.
  EXPECT_EQ(error_of(head(1, 1, 0, 0) + hex("c00c 0005 0001 00000005 0001 c0")),
            WireError::Truncated);
  EXPECT_EQ(error_of(head(1, 1, 0, 0) + hex("c00c 0005 0001 00000005 0000")), WireError::Truncated);
  EXPECT_EQ(error_of(head(1, 1, 0, 0) + hex("c00c 0005 0001 00000005 0003 c00c 00")),
            WireError::TrailingData);
  EXPECT_EQ(error_of(head(1, 2, 0, 0) + hex("c00c 0005 0001 00000005 0001 01 "
                                            "6100 0001 0001 00000005 0000")),
            WireError::Truncated);
  EXPECT_EQ(error_of(head(1, 1, 0, 0) + hex("c00c 0006 0001 00000005 0008 c00c c00c 00000001")),
            WireError::Truncated);
  // OPT twice, in the answer section, or not at the root (RFC 6891 6.1.1).
  const Bytes opt = hex("00 0029 04d0 00000000 0000");
  EXPECT_EQ(error_of(head(1, 0, 0, 1) + opt), WireError{});
  EXPECT_EQ(error_of(head(1, 0, 0, 2) + opt + opt), WireError::BadCount);
  EXPECT_EQ(error_of(head(1, 1, 0, 0) + opt), WireError::BadCount);
  EXPECT_EQ(error_of(head(1, 0, 0, 1) + hex("c00c 0029 04d0 00000000 0000")), WireError::BadCount);
}

TEST(MessageReader, TtlWithTheTopBitIsZero) {
  const Result<Message> m =
      read_message(head(1, 1, 0, 0) + hex("c00c 0001 0001 80000005 0004 0a000001"));
  ASSERT_TRUE(m.has_value());
  EXPECT_EQ(m->answer.at(0).ttl, 0U);
}

TEST(MessageReader, ExtendedRcodeTakesBothParts) {
  Message m = response("a", RRType::A);
  m.rcode = static_cast<std::uint16_t>(Rcode::BadVers);
  m.has_opt = true;
  m.opt_udp_size = 1232;
  const Bytes octets = write_message(m, 512);
  EXPECT_EQ(octets[3] & 0x0F, 0);
  const Result<Message> back = read_message(octets);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->rcode, static_cast<std::uint16_t>(Rcode::BadVers));
  EXPECT_EQ(back->opt_ttl, 0x01000000U);
  // Without OPT it must not read as success.
  m.has_opt = false;
  EXPECT_EQ(read_message(write_message(m, 512))->rcode,
            static_cast<std::uint16_t>(Rcode::ServFail));
}

TEST(MessageReader, EveryTruncationIsRefused) {
  const Bytes octets = write_message(full_message(), kMaxMessageSize);
  for (std::size_t size = 0; size < octets.size(); ++size) {
    // A copy of its own: an access past the end is then seen by AddressSanitizer.
    const Bytes cut(octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_TRUE(read_message(cut).has_error()) << size;
  }
}

TEST(MessageReader, MutatedMessagesAreReadOrRefusedButAlwaysWrittenBack) {
  const Bytes original = write_message(full_message(), kMaxMessageSize);
  std::mt19937 random(1);  // a fixed seed: a failure can be had again
  std::size_t read = 0;
  for (int round = 0; round < 5000; ++round) {
    Bytes octets = original;
    const auto mutations = 1 + random() % 4;
    for (unsigned i = 0; i < mutations; ++i) {
      // Headers and pointers are where it hurts; the rest by chance.
      octets[random() % octets.size()] =
          random() % 3 == 0 ? 0xC0 : static_cast<std::uint8_t>(random());
    }
    if (random() % 8 == 0) octets.resize(random() % octets.size());
    const Result<Message> m = read_message(octets);
    if (m.has_error()) continue;
    ++read;
    for (const auto* section : {&m->answer, &m->authority, &m->additional}) {
      for (const Record& r : *section) EXPECT_FALSE(rdata_to_text(r.type, r.rdata).empty());
    }
    const Bytes written = write_message(*m, kMaxMessageSize);
    const Result<Message> back = read_message(written);
    ASSERT_TRUE(back.has_value()) << round << ": " << back.error().message();
    expect_equal(m->answer, back->answer);
    expect_equal(m->authority, back->authority);
    expect_equal(m->additional, back->additional);
    EXPECT_LE(write_message(*m, 512).size(), 512U);
  }
  EXPECT_GT(read, 500U);  // otherwise this test looks at nothing
}

TEST(MessageReader, RandomRdataIsShownOrGivenInGenericForm) {
  std::mt19937 random(2);
  for (int round = 0; round < 5000; ++round) {
    Bytes rdata(random() % 40);
    for (auto& octet : rdata) {
      octet = random() % 2 == 0 ? static_cast<std::uint8_t>(random() % 8)
                                : static_cast<std::uint8_t>(random());
    }
    const RRType type{static_cast<std::uint16_t>(random() % 70)};
    const std::string text = rdata_to_text(type, rdata);
    EXPECT_FALSE(text.empty());
    EXPECT_TRUE(std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7F; })) << text;
  }
}

TEST(MessageReader, LimitLeavesOfTheAnswerWhatFitsAndSetsTC) {
  Message m = response("a.example", RRType::A);
  m.answer.push_back(record("a.example", RRType::CNAME, wire("b.example")));
  for (std::uint8_t i = 0; i < 100; ++i) {
    m.answer.push_back(record("b.example", RRType::A, {10, 0, 0, i}));
  }
  m.authority.push_back(record("example", RRType::NS, wire("ns.example")));
  m.has_opt = true;
  m.opt_udp_size = 1232;
  const Result<Message> back = read_message(write_message(m, 512));
  ASSERT_TRUE(back.has_value());
  EXPECT_NE(back->flags & kFlagTC, 0);
  // Header 12, question 15, OPT 11; CNAME 12 + 4 for b and a pointer, then 16 for each address.
  EXPECT_EQ(back->answer.size(), 1U + (512 - 12 - 15 - 11 - 16) / 16);
  EXPECT_TRUE(back->authority.empty());
  EXPECT_TRUE(back->has_opt);

  const Result<Message> whole = read_message(write_message(m, kMaxMessageSize));
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->flags & kFlagTC, 0);
  EXPECT_EQ(whole->answer.size(), 101U);
}

TEST(MessageReader, AnRRsetThatIsNotInOnePieceIsStillLeftOutWhole) {
  // A1 B1 A2 with room for the first two only: A is cut, so A1 must go too, and B1 stands after it.
  Message m = response("q", RRType::A);
  m.authority.push_back(record("a", RRType::TXT, Bytes(100, 0)));
  m.authority.push_back(record("b", RRType::TXT, Bytes(100, 0)));
  m.authority.push_back(record("A", RRType::TXT, Bytes(400, 0)));
  const Result<Message> back = read_message(write_message(m, 512));
  ASSERT_TRUE(back.has_value());
  EXPECT_TRUE(back->authority.empty());
  EXPECT_EQ(back->flags & kFlagTC, 0);
}

TEST(MessageReader, AdditionalDataNeverSetsTC) {
  Message m = response("a.example", RRType::A);
  m.answer.push_back(record("a.example", RRType::A, hex("0a000001")));
  m.additional.push_back(record("x.example", RRType::TXT, Bytes(600, 0)));
  const Result<Message> back = read_message(write_message(m, 512));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->flags & kFlagTC, 0);
  EXPECT_EQ(back->answer.size(), 1U);
  EXPECT_TRUE(back->additional.empty());
}

TEST(MessageReader, NamesBeyondAPointersReachAreStillRight) {
  Message m = response("q.example", RRType::A);
  for (int i = 0; i < 400; ++i) {
    m.answer.push_back(record("n" + std::to_string(i) + ".far.example", RRType::TXT, Bytes(60, 0)));
    m.answer.push_back(
        record("n" + std::to_string(i) + ".far.example", RRType::CNAME, wire("x.other.example")));
  }
  const Bytes octets = write_message(m, kMaxMessageSize);
  ASSERT_GT(octets.size(), kMaxPointerTarget);
  const Result<Message> back = read_message(octets);
  ASSERT_TRUE(back.has_value()) << back.error().message();
  expect_equal(m, *back);
}

TEST(MessageReader, RdataThatDoesNotParseIsWrittenAsItIs) {
  Message m = response("a", RRType::A);
  m.answer.push_back(record("a", RRType::MX, hex("000a")));
  const Bytes octets = write_message(m, 512);
  EXPECT_EQ(Bytes(octets.end() - 4, octets.end()), hex("0002 000a"));
}

struct TextCase {
  RRType type;
  Bytes rdata;
  std::string text;
};

// Expected texts are as dig 9.18 prints them.
TEST(RdataToText, PresentationFormat) {
  const TextCase cases[] = {
      {RRType::A, hex("0a600001"), "10.96.0.1"},
      {RRType::A, hex("0a6000"), "\\# 3 0A6000"},
      {RRType::A, {}, "\\# 0"},
      {RRType::AAAA, hex("20010db8000000000000000000000001"), "2001:db8::1"},
      {RRType::NS, wire("ns.dns.cluster.local"), "ns.dns.cluster.local."},
      {RRType::CNAME, {0}, "."},
      {RRType::CNAME, hex("0161"), "\\# 2 0161"},
      {RRType::CNAME, hex("0161c000"), "\\# 4 0161C000"},
      {RRType::PTR, wire("a\\.b.c"), "a\\.b.c."},
      {RRType::SOA, soa("ns.a", "host.a"), "ns.a. host.a. 1 7200 1800 86400 5"},
      {RRType::MX, hex("000a") + wire("mx.a"), "10 mx.a."},
      {RRType::TSIG, hex("0178 00 000065530001 012c 0003 070809 2a11 0000 0000"),
       "x. 1699938305 300 3 BwgJ 10769 0 0"},
      {RRType::TSIG, hex("0178 00 000065530001 012c 0004 070809 2a11 0000"),
       "\\# 20 017800000065530001012C00040708092A110000"},
      {RRType::TXT, hex("05312e312e30"), "\"1.1.0\""},
      {RRType::TXT, hex("00 03 612262 02 5cff"), "\"\" \"a\\\"b\" \"\\\\\\255\""},
      {RRType::TXT, hex("0561"), "\\# 2 0561"},
      {RRType::SRV, hex("0000 0019 0050") + wire("a.b"), "0 25 80 a.b."},
      {RRType::CAA, hex("00 05 6973737565") + hex("6c652e6f7267"), "0 issue \"le.org\""},
      {RRType::HINFO, hex("07 52464338343832 00"), "\"RFC8482\" \"\""},
      {RRType::NAPTR, hex("0064 000a 01 55 07 4532552b736970 00") + wire("a"),
       "100 10 \"U\" \"E2U+sip\" \"\" a."},
      {RRType::DS, hex("ec45 05 01 2bb183af"), "60485 5 1 2BB183AF"},
      {RRType::DNSKEY, hex("0101 03 0d 000102ff"), "257 3 13 AAEC/w=="},
      {RRType::RRSIG,
       hex("0001 0d 02 00000e10 5f5e1000 5f0f1000 1234") + wire("example.com") + hex("616263"),
       "A 13 2 3600 20200913122640 20200715141736 4660 example.com. YWJj"},
      {RRType::NSEC, wire("b.a") + hex("00 06 400000000003 01 01 40"), "b.a. A RRSIG NSEC CAA"},
      {RRType::NSEC, wire("b.a") + hex("00 00"),
       "\\# 7 0162016100"
       "0000"},
      {RRType::HTTPS, hex("0001 00 0001 0003 026832 0003 0002 20fb 0004 0004 0a000001"),
       "1 . alpn=\"h2\" port=8443 ipv4hint=10.0.0.1"},
      {RRType::HTTPS, hex("0000") + wire("a.b"), "0 a.b."},
      {RRType::SVCB, hex("0001 00 0000 0002 0001 0001 0003 026832 029a 0003 010203"),
       "1 . mandatory=alpn alpn=\"h2\" key666=\"\\001\\002\\003\""},
      // Keys out of order (RFC 9460 2.2).
      {RRType::SVCB, hex("0001 00 0003 0002 20fb 0001 0003 026832"),
       "\\# 16 000100000300022"  // the port first
       "0FB00010003026832"},
      {RRType::DNAME, wire("x.y"), "x.y."},
      {RRType{65280}, hex("00ff"), "\\# 2 00FF"},
  };
  for (const TextCase& c : cases) {
    EXPECT_EQ(rdata_to_text(c.type, c.rdata), c.text) << rrtype_to_text(c.type);
  }
}

TEST(TypeText, BothWays) {
  EXPECT_EQ(rrtype_to_text(RRType::AAAA), "AAAA");
  EXPECT_EQ(rrtype_to_text(RRType{65280}), "TYPE65280");
  EXPECT_EQ(rrtype_to_text(RRType{0}), "TYPE0");
  for (std::uint32_t n = 0; n <= 0xFFFF; ++n) {
    const RRType type{static_cast<std::uint16_t>(n)};
    RRType back{};
    ASSERT_TRUE(rrtype_from_text(rrtype_to_text(type), &back)) << n;
    ASSERT_EQ(back, type);
  }
  RRType type{};
  EXPECT_TRUE(rrtype_from_text("srv", &type));
  EXPECT_EQ(type, RRType::SRV);
  EXPECT_TRUE(rrtype_from_text("type1", &type));
  EXPECT_EQ(type, RRType::A);
  for (const char* bad : {"", "TYPE", "TYPE65536", "TYPE-1", "TYPE1x", "TYPE000001", "AA", "A "}) {
    EXPECT_FALSE(rrtype_from_text(bad, &type)) << bad;
  }
}

TEST(TypeText, RcodesAndClasses) {
  EXPECT_EQ(rcode_to_text(0), "NOERROR");
  EXPECT_EQ(rcode_to_text(3), "NXDOMAIN");
  EXPECT_EQ(rcode_to_text(16), "BADVERS");
  EXPECT_EQ(rcode_to_text(4000), "RCODE4000");
  EXPECT_EQ(rrclass_to_text(RRClass::IN), "IN");
  EXPECT_EQ(rrclass_to_text(RRClass::CH), "CH");
  EXPECT_EQ(rrclass_to_text(RRClass{4660}), "CLASS4660");
}

}  // namespace
}  // namespace clusterdns::dns
