// RFC 1035, section 4.1.1: Header section format.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

Octets with_flags(std::uint16_t flags, std::string_view name = "web.conf.svc.cluster.local.") {
  return encode(Query{.name = std::string(name), .flags = flags});
}

TEST(Rfc1035_4_1_1, IdIsCopied) {
  for (const unsigned id : {0x0001U, 0x8000U, 0xFFFFU, 0x1234U}) {
    EXPECT_EQ(ask_udp(target(), Query{.name = svc("web"), .id = static_cast<std::uint16_t>(id)}).id,
              id);
  }
}

TEST(Rfc1035_4_1_1, IdZero) {
  WireWriter query;
  query.header(0, kFlagRD, 1, 0, 0, 0).question(svc("web"), "A");
  EXPECT_EQ(UdpClient(target()).exchange(query.out).id, 0);
}

TEST(Rfc1035_4_1_1, RecursionDesiredIsCopied) {
  EXPECT_TRUE(UdpClient(target()).exchange(with_flags(kFlagRD)).has(kFlagRD));
  EXPECT_FALSE(UdpClient(target()).exchange(with_flags(0)).has(kFlagRD));
}

TEST(Rfc1035_4_1_1, ReservedBitIsZeroInResponses) {
  EXPECT_FALSE(UdpClient(target()).exchange(with_flags(kFlagRD)).has(kFlagZ));
  EXPECT_FALSE(UdpClient(target()).exchange(with_flags(kFlagRD | kFlagZ)).has(kFlagZ));
}

TEST(Rfc1035_4_1_1, BitsOfResponsesInAQueryDoNotComeBack) {
  const Message response =
      UdpClient(target()).exchange(with_flags(kFlagRD | kFlagRA | kFlagAA | kFlagAD));
  EXPECT_FALSE(response.has(kFlagRA));
  EXPECT_FALSE(response.has(kFlagAD));
  EXPECT_TRUE(response.has(kFlagAA));
}

TEST(Rfc1035_4_1_1, RcodeOfAQueryDoesNotComeBack) {
  const Message response = UdpClient(target()).exchange(with_flags(kFlagRD | 0x3));
  expect_rcode(response, "NOERROR");
}

TEST(Rfc1035_4_1_1, OtherOpcodesAreNotImplemented) {
  for (unsigned opcode = 1; opcode < 16; ++opcode) {
    SCOPED_TRACE(opcode);
    const Octets query = with_flags(static_cast<std::uint16_t>(opcode << 11 | kFlagRD));
    const std::optional<Octets> answer = answer_to(query);
    ASSERT_TRUE(answer.has_value());
    const Message response = decode(*answer);
    EXPECT_EQ(response.id, query[0] << 8 | query[1]);
    EXPECT_TRUE(response.has(kFlagQR));
    EXPECT_EQ(response.opcode(), static_cast<int>(opcode));
    expect_rcode(response, "NOTIMP");
    EXPECT_TRUE(response.answer.empty());
    EXPECT_LE(answer->size(), query.size());
  }
}

// RFC 2136: an UPDATE's sections are counted otherwise; it must not be taken for malformed.
TEST(Rfc1035_4_1_1, UpdateIsNotImplemented) {
  WireWriter update;
  update.header(0x4242, 5 << 11, 1, 0, 1, 0).question("cluster.local.", "SOA");
  update.record("new.cluster.local.", "A", 60, Octets{10, 0, 0, 1});
  const std::optional<Octets> answer = answer_to(update.out);
  ASSERT_TRUE(answer.has_value());
  expect_rcode(decode(*answer), "NOTIMP");
}

TEST(Rfc1035_4_1_1, AnswersAreNotAnswered) {
  expect_dropped(with_flags(kFlagQR));
  expect_dropped(with_flags(kFlagQR | kFlagRD));
  expect_dropped(with_flags(static_cast<std::uint16_t>(kFlagQR | 4U << 11)));
  WireWriter header_only;
  header_only.header(7, kFlagQR, 0, 0, 0, 0);
  expect_dropped(header_only.out);
}

TEST(Rfc1035_4_1_1, ShorterThanAHeaderIsDropped) {
  const Octets query = with_flags(kFlagRD);
  for (std::size_t size = 0; size < kHeaderSize; ++size) {
    SCOPED_TRACE(size);
    expect_dropped(std::span(query).first(size));
  }
}

TEST(Rfc1035_4_1_1, QuestionCountMustBeOne) {
  WireWriter none;
  none.header(0x5151, kFlagRD, 0, 0, 0, 0);
  expect_formerr(none.out);

  WireWriter two;
  two.header(0x5152, kFlagRD, 2, 0, 0, 0).question(svc("web"), "A").question(svc("web"), "AAAA");
  expect_formerr(two.out);

  WireWriter many;
  many.header(0x5153, kFlagRD, 0xFFFF, 0, 0, 0).question(svc("web"), "A");
  expect_formerr(many.out);
}

TEST(Rfc1035_4_1_1, RecordsInTheAnswerOrAuthoritySectionOfAQuery) {
  WireWriter answer;
  answer.header(0x5154, kFlagRD, 1, 1, 0, 0).question(svc("web"), "A");
  answer.record(svc("web"), "A", 60, Octets{192, 0, 2, 1});
  expect_dropped_or_formerr(answer.out);

  WireWriter authority;
  authority.header(0x5155, kFlagRD, 1, 0, 1, 0).question(svc("web"), "A");
  authority.record(svc("web"), "NS", 60, name_octets("ns.example.com."));
  expect_dropped_or_formerr(authority.out);
}

TEST(Rfc1035_4_1_1, CountsBeyondTheMessage) {
  for (const unsigned count : {1U, 2U, 0xFFFFU}) {
    WireWriter query;
    query.header(0x5156, kFlagRD, 1, 0, 0, count).question(svc("web"), "A");
    expect_dropped_or_formerr(query.out);
  }
  WireWriter answers;
  answers.header(0x5157, kFlagRD, 1, 0xFFFF, 0, 0).question(svc("web"), "A");
  expect_dropped_or_formerr(answers.out);
}

}  // namespace
}  // namespace clusterdns::test
