// The tools of the tests themselves: a decoder that accepts anything would prove nothing.
#include <gtest/gtest.h>

#include "support/dns_message.h"
#include "support/expect.h"

namespace clusterdns::test {
namespace {

// A response to `web. A` with one record whose owner, type and RDATA are these octets.
Octets response(std::string_view owner, unsigned type, std::string_view rdata, int length = -1) {
  WireWriter writer;
  writer.header(1, kFlagQR | kFlagAA, 1, 1, 0, 0).question("web.", "A");
  writer.raw(owner).u16(type).u16(1).u32(5);
  writer.u16(length < 0 ? static_cast<unsigned>(rdata.size()) : static_cast<unsigned>(length));
  writer.raw(rdata);
  return writer.out;
}

using namespace std::string_view_literals;

TEST(TestTools, DecodesWhatIsRight) {
  const Message message = decode(response("\xC0\x0C"sv, 1, "\x0A\x00\x00\x01"sv));
  EXPECT_EQ(texts(message.answer), (std::vector<std::string>{"web. 5 IN A 10.0.0.1"}));
  EXPECT_TRUE(message.answer[0].owner_compressed);
}

TEST(TestTools, RefusesPointersThatDoNotPointBackwards) {
  EXPECT_THROW((void)decode(response("\xC0\x15"sv, 1, "\x0A\x00\x00\x01"sv)), DecodeError);
  EXPECT_THROW((void)decode(response("\xC0\x30"sv, 1, "\x0A\x00\x00\x01"sv)), DecodeError);
  EXPECT_THROW((void)decode(response("\xC0\x04"sv, 1, "\x0A\x00\x00\x01"sv)), DecodeError);
}

TEST(TestTools, RefusesReservedLabels) {
  EXPECT_THROW((void)decode(response("\x40x\x00"sv, 1, "\x0A\x00\x00\x01"sv)), DecodeError);
  EXPECT_THROW((void)decode(response("\x80x\x00"sv, 1, "\x0A\x00\x00\x01"sv)), DecodeError);
}

TEST(TestTools, RefusesWrongLengths) {
  EXPECT_THROW((void)decode(response("\xC0\x0C"sv, 1, "\x0A\x00\x00"sv)), DecodeError);
  EXPECT_THROW((void)decode(response("\xC0\x0C"sv, 1, "\x0A\x00\x00\x01"sv, 5)), DecodeError);
  EXPECT_THROW((void)decode(response("\xC0\x0C"sv, 28, "\x0A\x00\x00\x01"sv)), DecodeError);
  EXPECT_THROW((void)decode(response("\xC0\x0C"sv, 12, "\x01x\x00y"sv)), DecodeError);
  EXPECT_THROW((void)decode(response("\xC0\x0C"sv, 16, "\x05xy"sv)), DecodeError);
}

TEST(TestTools, RefusesWhatIsLeftOver) {
  Octets wire = response("\xC0\x0C"sv, 1, "\x0A\x00\x00\x01"sv);
  wire.push_back(0);
  EXPECT_THROW((void)decode(wire), DecodeError);
}

TEST(TestTools, RefusesEveryPrefix) {
  const Octets wire = response("\xC0\x0C"sv, 33, "\x00\x00\x00\x64\x00\x50\x01x\x00"sv);
  EXPECT_EQ(decode(wire).answer.size(), 1U);
  for (std::size_t size = 0; size < wire.size(); ++size) {
    EXPECT_THROW((void)decode(std::span(wire).first(size)), DecodeError) << size;
  }
}

TEST(TestTools, RefusesOptOutOfPlace) {
  WireWriter twice;
  twice.header(1, kFlagQR, 0, 0, 0, 2).opt(Edns{}).opt(Edns{});
  EXPECT_THROW((void)decode(twice.out), DecodeError);
  WireWriter answer;
  answer.header(1, kFlagQR, 0, 1, 0, 0).opt(Edns{});
  EXPECT_THROW((void)decode(answer.out), DecodeError);
}

TEST(TestTools, KeepsOctetsOfLabelsApart) {
  const Message message = decode(encode(Query{.name = "a\\.b.\\000\\255.C."}));
  EXPECT_EQ(message.questions.at(0).name, "a\\.b.\\000\\255.C.");
}

TEST(TestTools, ExtendedRcodeAndError) {
  WireWriter writer;
  writer.header(1, kFlagQR, 0, 0, 0, 1);
  writer.u8(0).u16(41).u16(1232).u8(1).u8(0).u16(0x8000).u16(6).u16(15).u16(2).u16(23);
  const Message message = decode(writer.out);
  EXPECT_EQ(rcode_to_text(message.rcode), "BADVERS");
  EXPECT_EQ(message.extended_error(), 23);
  EXPECT_TRUE(message.edns->dnssec_ok);
}

TEST(TestTools, Rotation) {
  EXPECT_TRUE(is_rotation({"a", "b", "c"}, {"b", "c", "a"}, 1));
  EXPECT_TRUE(is_rotation({"a", "b", "c"}, {"b", "c", "a"}, 4));
  EXPECT_FALSE(is_rotation({"a", "b", "c"}, {"c", "a", "b"}, 1));
  EXPECT_FALSE(is_rotation({"a", "b", "c"}, {"b", "a", "c"}, 1));
}

}  // namespace
}  // namespace clusterdns::test
