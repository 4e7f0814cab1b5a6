#include "dns/wire/reply_check.h"

#include <gtest/gtest.h>

#include <functional>

#include "dns/wire/message_reader.h"
#include "dns/wire/query_writer.h"

namespace clusterdns::dns {
namespace {

using Octets = std::vector<std::uint8_t>;

Name name(const char* text) { return Name::from_text(text).value(); }

Octets request(const Name& of, RRType type = RRType::A) {
  Octets octets(kMaxWrittenQuery);
  octets.resize(write_query({of.view(), type, kFlagRD, true, true}, octets.data()));
  return octets;
}

// Records as octets: owner, type, RDATA.
Octets record(const Octets& owner, RRType type, const Octets& rdata, std::uint16_t rrclass = 1,
              std::uint32_t ttl = 60) {
  Octets out = owner;
  out.resize(owner.size() + 10);
  std::uint8_t* const fields = out.data() + owner.size();
  store_u16(fields, static_cast<std::uint16_t>(type));
  store_u16(fields + 2, rrclass);
  store_u32(fields + 4, ttl);
  store_u16(fields + 8, static_cast<std::uint16_t>(rdata.size()));
  out.insert(out.end(), rdata.begin(), rdata.end());
  return out;
}
const Octets kQuestion{0xC0, 12};
const Octets kRoot{0};
// Algorithm "x.", a MAC of three octets (RFC 8945 4.2).
const Octets kTsigRdata{1, 'x', 0, 0, 0, 104, 0, 0, 0, 1, 44, 0, 3, 7, 8, 9, 42, 17, 0, 0, 0, 0};

struct Reply {
  std::uint16_t flags = kFlagQR | kFlagRD | kFlagRA;
  bool question = true;
  std::vector<Octets> answer{};
  std::vector<Octets> authority{};
  std::vector<Octets> additional{};
  Name of = name("www.example");
  RRType type = RRType::A;
  std::uint16_t rrclass = 1;
  Octets behind{};

  [[nodiscard]] Octets octets() const {
    Octets out(kHeaderSize);
    store_u16(out.data(), 0x1234);
    store_u16(out.data() + 2, flags);
    store_u16(out.data() + 4, question ? 1 : 0);
    if (question) {
      out.insert(out.end(), of.data(), of.data() + of.size());
      out.resize(out.size() + 4);
      store_u16(out.data() + out.size() - 4, static_cast<std::uint16_t>(type));
      store_u16(out.data() + out.size() - 2, rrclass);
    }
    std::size_t section = 6;
    for (const auto* records : {&answer, &authority, &additional}) {
      store_u16(out.data() + section, static_cast<std::uint16_t>(records->size()));
      section += 2;
      for (const Octets& r : *records) out.insert(out.end(), r.begin(), r.end());
    }
    out.insert(out.end(), behind.begin(), behind.end());
    return out;
  }
};

ReplyCheck check(const Octets& octets) {
  return check_reply(octets, name("WWW.example").view(), RRType::A);
}
ReplyKind kind(const Reply& reply) { return check(reply.octets()).kind; }

const Octets kA = record(kQuestion, RRType::A, {192, 0, 2, 1});
Octets opt(const Octets& options = {}, std::uint32_t ttl = 0) {
  return record(kRoot, RRType::OPT, options, 1232, ttl);
}

TEST(CheckReply, AnAnswer) {
  const ReplyCheck got = check(Reply{.answer = {kA}, .additional = {opt()}}.octets());
  EXPECT_EQ(got.kind, ReplyKind::Answer);
  EXPECT_EQ(got.rcode, 0);
  EXPECT_TRUE(got.has_opt);
  EXPECT_FALSE(got.truncated);
  EXPECT_FALSE(got.rewrite);
  EXPECT_EQ(got.records_behind, 1);
}

TEST(CheckReply, WhatIsWaitedPast) {
  EXPECT_EQ(check({}).kind, ReplyKind::NotOurs);
  EXPECT_EQ(check(Octets(11, 0x80)).kind, ReplyKind::NotOurs);
  // The query itself, sent back.
  EXPECT_EQ(check(request(name("www.example"))).kind, ReplyKind::NotOurs);
  EXPECT_EQ(kind({.flags = kFlagRD, .answer = {kA}}), ReplyKind::NotOurs);
  EXPECT_EQ(kind({.flags = kFlagQR | 0x2800, .answer = {kA}}), ReplyKind::NotOurs);  // UPDATE
  EXPECT_EQ(kind({.answer = {kA}, .of = name("other.example")}), ReplyKind::NotOurs);
  EXPECT_EQ(kind({.answer = {kA}, .of = name("www.example.com")}), ReplyKind::NotOurs);
  EXPECT_EQ(kind({.answer = {kA}, .type = RRType::AAAA}), ReplyKind::NotOurs);
  EXPECT_EQ(kind({.answer = {kA}, .rrclass = 3}), ReplyKind::NotOurs);
  // Without a question it could be the answer to any.
  EXPECT_EQ(kind({.question = false}), ReplyKind::NotOurs);
  EXPECT_EQ(kind({.question = false, .answer = {record(kRoot, RRType::A, {1, 2, 3, 4})}}),
            ReplyKind::NotOurs);
  EXPECT_EQ(kind({.flags = kFlagQR | 3, .question = false}), ReplyKind::NotOurs);
  EXPECT_EQ(kind({.flags = kFlagQR | 2,
                  .question = false,
                  .answer = {record(kRoot, RRType::A, {1, 2, 3, 4})}}),
            ReplyKind::NotOurs);
}

TEST(CheckReply, ErrorsOfTheHeaderAlone) {
  for (const int rcode : {1, 2, 4, 5, 9}) {
    Reply reply{.flags = static_cast<std::uint16_t>(kFlagQR | rcode), .question = false};
    EXPECT_EQ(kind(reply), ReplyKind::Error) << rcode;
    reply.additional = {opt()};
    EXPECT_EQ(kind(reply), ReplyKind::Error) << rcode;
    EXPECT_TRUE(check(reply.octets()).has_opt);
    reply.behind = {0};
    EXPECT_EQ(kind(reply), ReplyKind::NotOurs) << rcode;
  }
}

TEST(CheckReply, WhatCannotBeUsed) {
  const auto bad = [](const Reply& reply) { EXPECT_EQ(kind(reply), ReplyKind::Malformed); };
  bad({.answer = {kA}, .behind = {0}});
  // Owners.
  bad({.answer = {record({0xC0, 29}, RRType::A, {192, 0, 2, 1})}});  // itself
  bad({.answer = {record({0xC0, 40}, RRType::A, {192, 0, 2, 1})}});  // forwards
  bad({.answer = {record({0xFF, 0xFF}, RRType::A, {192, 0, 2, 1})}});
  bad({.answer = {record({0x40, 0}, RRType::A, {192, 0, 2, 1})}});
  // Lengths.
  bad({.answer = {record(kQuestion, RRType::A, Octets(16, 1))}});
  bad({.answer = {record(kQuestion, RRType::A, {})}});
  bad({.answer = {record(kQuestion, RRType::AAAA, Octets(4, 1))}});
  bad({.answer = {record(kQuestion, RRType::SOA, Octets(21, 0))}});
  bad({.answer = {record(kQuestion, RRType::MX, {0, 1})}});
  bad({.answer = {record(kQuestion, RRType::SRV, {0, 1, 0, 1, 0, 1})}});
  bad({.answer = {record(kQuestion, RRType::TXT, {5, 'a'})}});
  bad({.answer = {record(kQuestion, RRType::TXT, {})}});
  bad({.answer = {record(kQuestion, RRType::HTTPS, {0, 1, 0, 0, 4, 0, 9, 1})}});
  // Names in RDATA: to themselves, out of the RDATA, with something behind.
  bad({.answer = {record(kQuestion, RRType::CNAME, {0xC0, 41})}});
  bad({.answer = {record(kQuestion, RRType::CNAME, {3, 'a', 'b'})}});
  bad({.answer = {record(kQuestion, RRType::CNAME, {0, 0})}});
  bad({.answer = {record(kQuestion, RRType::MX, {0, 1, 0xC0})}});
  // Classes and types that no data has.
  bad({.answer = {record(kQuestion, RRType::A, {192, 0, 2, 1}, 3)}});
  bad({.answer = {record(kQuestion, RRType::A, {192, 0, 2, 1}, 255)}});
  bad({.answer = {record(kQuestion, RRType::ANY, {})}});
  bad({.answer = {record(kQuestion, RRType::AXFR, {})}});
  bad({.answer = {record(kQuestion, RRType{0}, {})}});
  // OPT: twice, elsewhere, of a name, with options that do not fill it.
  bad({.additional = {opt(), opt()}});
  bad({.answer = {opt()}});
  bad({.authority = {opt()}});
  bad({.additional = {record(kQuestion, RRType::OPT, {}, 1232)}});
  bad({.additional = {opt({0, 15, 0, 3, 0})}});
  bad({.additional = {opt({0, 15, 0})}});
  // TSIG anywhere but at the end, or cut.
  bad({.additional = {record(kRoot, RRType::TSIG, kTsigRdata, 255), kA}});
  bad({.answer = {record(kRoot, RRType::TSIG, kTsigRdata, 255)}});
  bad({.additional = {record(kRoot, RRType::TSIG, {0, 0, 0}, 255)}});
  // Counts.
  for (const std::size_t at : {6, 8, 10}) {
    for (const std::uint16_t count : {std::uint16_t{0}, std::uint16_t{2}, std::uint16_t{65535}}) {
      Octets octets = Reply{.answer = {kA}, .authority = {kA}, .additional = {kA}}.octets();
      store_u16(octets.data() + at, count);
      EXPECT_EQ(check(octets).kind, ReplyKind::Malformed) << at << ' ' << count;
    }
  }
  // A second question behind ours.
  Octets octets = Reply{}.octets();
  octets.insert(octets.end(), octets.begin() + kHeaderSize, octets.end());
  store_u16(octets.data() + 4, 2);
  EXPECT_EQ(check(octets).kind, ReplyKind::Malformed);
}

TEST(CheckReply, EveryCutIsSeen) {
  const Octets whole = Reply{.answer = {kA}, .additional = {opt({0, 15, 0, 2, 0, 3})}}.octets();
  ASSERT_EQ(check(whole).kind, ReplyKind::Answer);
  EXPECT_EQ(check(whole).extended_error, std::optional<std::uint16_t>(3));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const ReplyKind got =
        check({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}).kind;
    EXPECT_TRUE(got == ReplyKind::NotOurs || got == ReplyKind::Malformed) << size;
  }
}

TEST(CheckReply, ExtendedRcodes) {
  const ReplyCheck got = check(Reply{.flags = kFlagQR, .additional = {opt({}, 1u << 24)}}.octets());
  EXPECT_EQ(got.kind, ReplyKind::Answer);
  EXPECT_EQ(got.rcode, static_cast<std::uint16_t>(Rcode::BadVers));
}

TEST(CheckReply, TruncatedAnywhere) {
  const Octets whole =
      Reply{.flags = kFlagQR | kFlagTC, .answer = {kA, kA}, .additional = {opt()}}.octets();
  EXPECT_EQ(check(whole).kind, ReplyKind::Answer);
  EXPECT_TRUE(check(whole).truncated);
  const std::size_t question = kHeaderSize + 13 + 4;
  for (std::size_t size = question; size < whole.size(); ++size) {
    const Octets cut{whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)};
    const ReplyCheck got = check(cut);
    EXPECT_EQ(got.kind, ReplyKind::Error) << size;
    EXPECT_TRUE(got.truncated) << size;
  }
}

// Octets of a reply, normalised.
Octets normal(Octets octets, RRType type = RRType::A) {
  const Name of = name("wWw.example");
  const ReplyCheck got = check_reply(octets, of.view(), type);
  Octets room;
  const auto out = normalise_reply(octets, got, of.view(), type, kFlagRD | kFlagCD | kFlagAD, room);
  return {out.begin(), out.end()};
}

TEST(NormaliseReply, TakesOffWhatIsBetweenNeighbours) {
  const Octets tsig = record(kRoot, RRType::TSIG, kTsigRdata, 255);
  const Octets bare = normal(Reply{.answer = {kA}, .additional = {kA}}.octets());
  EXPECT_EQ(normal(Reply{.answer = {kA}, .additional = {kA, opt()}}.octets()), bare);
  EXPECT_EQ(normal(Reply{.answer = {kA}, .additional = {kA, opt(), tsig}}.octets()), bare);
  EXPECT_EQ(normal(Reply{.answer = {kA}, .additional = {kA, tsig}}.octets()), bare);
  // From the middle: what was compressed stays readable.
  EXPECT_EQ(
      normal(Reply{.answer = {kA}, .additional = {opt({0, 3, 0, 1, 'x'}), kA, tsig}}.octets()),
      bare);
  const Message message = read_message(bare).value();
  EXPECT_EQ(message.id, 0);
  EXPECT_EQ(message.qname.to_text(), "wWw.example.");
  EXPECT_EQ(message.answer.at(0).owner.to_text(), "wWw.example.");
  EXPECT_EQ(message.flags, kFlagQR | kFlagRD | kFlagRA | kFlagCD);
  EXPECT_FALSE(message.has_opt);
  EXPECT_EQ(message.additional.size(), 1u);
}

TEST(NormaliseReply, ErrorsGetTheQuestion) {
  const Octets octets = normal(
      Reply{.flags = kFlagQR | kFlagAA | 1, .question = false, .additional = {opt()}}.octets());
  const Message message = read_message(octets).value();
  EXPECT_EQ(message.qname.to_text(), "wWw.example.");
  EXPECT_EQ(message.rcode, 1);
  EXPECT_FALSE(message.has_opt);
}

TEST(NormaliseReply, RcodesThatNeedOptAreFailures) {
  EXPECT_EQ(read_message(normal(Reply{.additional = {opt({}, 1u << 24)}}.octets()))->rcode,
            static_cast<std::uint16_t>(Rcode::ServFail));
}

TEST(NormaliseReply, NamesThatMayNotBeCompressedAreWrittenOut) {
  const Octets srv = record(kQuestion, RRType::SRV, {0, 1, 0, 2, 0, 3, 1, 'x', 0xC0, 12});
  const Octets octets = normal(Reply{.answer = {srv}, .type = RRType::SRV}.octets(), RRType::SRV);
  const Message message = read_message(octets).value();
  ASSERT_EQ(message.answer.size(), 1u);
  EXPECT_EQ(rdata_to_text(RRType::SRV, message.answer[0].rdata), "1 2 3 x.www.example.");
  const Name target = name("x.www.example");
  EXPECT_TRUE(std::equal(octets.end() - static_cast<std::ptrdiff_t>(target.size()), octets.end(),
                         target.data()));
}

TEST(NormaliseReply, ReservedBitAndAuthenticDataOfTheUpstream) {
  const Octets octets = normal(Reply{.flags = kFlagQR | kFlagAD | 0x0040}.octets());
  EXPECT_EQ(load_u16(octets.data() + 2), kFlagQR | kFlagAD | kFlagRD | kFlagCD);
}

// Whatever passes can be read by everybody behind, and passes again.
TEST(NormaliseReply, MutatedReplies) {
  const Name target = name("cdn.example");
  const Octets cname =
      record(kQuestion, RRType::CNAME, Octets(target.data(), target.data() + target.size()));
  Octets soa{0xC0, 12, 0xC0, 16};
  soa.resize(24, 1);
  const Octets whole =
      Reply{.answer = {cname, kA, record({0xC0, 16}, RRType::MX, {0, 1, 0xC0, 12})},
            .authority = {record({0xC0, 16}, RRType::SOA, soa)},
            .additional = {record({0xC0, 16}, RRType::SRV, {0, 1, 0, 1, 0, 1, 0xC0, 16}),
                           opt({0, 15, 0, 2, 0, 3})}}
          .octets();
  ASSERT_EQ(check(whole).kind, ReplyKind::Answer);
  std::uint32_t state = 4711;  // a small generator: the same mutations on every run
  const auto random = [&] { return state = state * 1664525u + 1013904223u, state >> 8; };
  unsigned passed = 0;
  for (int i = 0; i < 200'000; ++i) {
    Octets mutated = whole;
    for (unsigned n = random() % 3 + 1; n > 0; --n) {
      mutated[random() % mutated.size()] = static_cast<std::uint8_t>(random());
    }
    const ReplyCheck got = check(mutated);
    if (got.kind != ReplyKind::Answer && got.kind != ReplyKind::Error) continue;
    ++passed;
    Octets room;
    const Name of = name("www.example");
    const auto out = normalise_reply(mutated, got, of.view(), RRType::A, kFlagRD, room);
    ASSERT_FALSE(out.empty());
    ASSERT_TRUE(read_message(out)) << i;
    const ReplyCheck again = check_reply(out, of.view(), RRType::A);
    ASSERT_EQ(again.kind, ReplyKind::Answer) << i;
    ASSERT_FALSE(again.has_opt);
    ASSERT_FALSE(again.rewrite);
    ASSERT_EQ(again.size, out.size());
  }
  EXPECT_GT(passed, 10'000u);
  EXPECT_LT(passed, 190'000u);
}

}  // namespace
}  // namespace clusterdns::dns
