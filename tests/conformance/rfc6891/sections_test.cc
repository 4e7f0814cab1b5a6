// RFC 6891: Extension Mechanisms for DNS (EDNS(0)).
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

// What the server offers and keeps to by default (DNS flag day 2020).
constexpr std::uint16_t kServerSize = 1232;

Message ask_edns(const std::string& name, Edns edns, const std::string& type = "A") {
  return ask_udp(target(), Query{.name = name, .type = type, .edns = std::move(edns)});
}

// 6.1.1: "If an OPT record is present in a received request, responders MUST include one", and none
// otherwise.
TEST(Rfc6891_6_1_1, OptOnlyWhenAsked) {
  for (const std::string& name : {svc("web"), svc("nothing"), std::string("example.com.")}) {
    EXPECT_TRUE(ask_edns(name, {}).edns.has_value()) << name;
    EXPECT_FALSE(ask_udp(name).edns.has_value()) << name;
  }
}

TEST(Rfc6891_6_1_1, OverTcpToo) {
  EXPECT_TRUE(ask_tcp(target(), Query{.name = svc("web"), .edns = Edns{}}).edns.has_value());
  EXPECT_FALSE(ask_tcp(svc("web")).edns.has_value());
}

TEST(Rfc6891_6_1_1, TwoOptRecordsAreAFormatError) {
  WireWriter query;
  query.header(random_id(), kFlagRD, 1, 0, 0, 2).question(svc("web"), "A");
  query.opt(Edns{}).opt(Edns{});
  expect_formerr(query.out);
}

TEST(Rfc6891_6_1_2, OptMustBelongToTheRoot) {
  WireWriter query;
  query.header(random_id(), kFlagRD, 1, 0, 0, 1).question(svc("web"), "A");
  query.name("x.").u16(41).u16(1232).u32(0).u16(0);
  const std::optional<Octets> answer = answer_to(query.out);
  if (answer.has_value()) {
    expect_rcode(decode(*answer), "FORMERR");
  }
}

TEST(Rfc6891_6_1_1, OptNeedNotBeTheOnlyAdditionalRecord) {
  WireWriter query;
  query.header(random_id(), kFlagRD, 1, 0, 0, 2).question(svc("web"), "A");
  query.record("x.example.", "A", 0, Octets{192, 0, 2, 1});
  query.opt(Edns{});
  const std::optional<Octets> answer = answer_to(query.out);
  if (answer.has_value()) {
    const Message response = decode(*answer);
    EXPECT_TRUE(response.rcode == 1 || (response.rcode == 0 && response.edns.has_value()))
        << response.text();
  }
}

TEST(Rfc6891_6_1_2, OptionLongerThanTheRecord) {
  WireWriter query;
  query.header(random_id(), kFlagRD, 1, 0, 0, 1).question(svc("web"), "A");
  query.u8(0).u16(41).u16(1232).u32(0).u16(8);
  query.u16(65001).u16(200).raw("abcd");
  expect_formerr(query.out);
}

TEST(Rfc6891_6_1_2, HalfAnOptionHeader) {
  WireWriter query;
  query.header(random_id(), kFlagRD, 1, 0, 0, 1).question(svc("web"), "A");
  query.u8(0).u16(41).u16(1232).u32(0).u16(3).raw("abc");
  expect_formerr(query.out);
}

TEST(Rfc6891_6_1_2, RdataLongerThanTheMessage) {
  WireWriter query;
  query.header(random_id(), kFlagRD, 1, 0, 0, 1).question(svc("web"), "A");
  query.u8(0).u16(41).u16(1232).u32(0).u16(4000);
  expect_formerr(query.out);
}

// 6.1.2: "Any OPTION-CODE values not understood by a responder … MUST be ignored."
TEST(Rfc6891_6_1_2, UnknownOptionsAreIgnored) {
  const Message response = ask_edns(svc("web"), {.options = {{65001, {1, 2, 3}},
                                                             {65534, {}},
                                                             {10, {1, 2, 3, 4, 5, 6, 7, 8}},
                                                             {8, {0, 1, 24, 0, 192, 0, 2}},
                                                             {12, Octets(64, 0)}}});
  expect_answer(response, {"web.conf.svc.cluster.local. 5 IN A 10.96.10.1"});
  ASSERT_TRUE(response.edns.has_value());
  for (const EdnsOption& option : response.edns->options) {
    EXPECT_NE(option.code, 65001);
    EXPECT_NE(option.code, 65534);
  }
}

// 6.1.3: version.
TEST(Rfc6891_6_1_3, UnknownVersionsAreBadvers) {
  for (const int version : {1, 2, 100, 255}) {
    SCOPED_TRACE(version);
    const Message response = ask_edns(svc("web"), {.version = static_cast<std::uint8_t>(version)});
    expect_rcode(response, "BADVERS");
    ASSERT_TRUE(response.edns.has_value());
    EXPECT_EQ(response.edns->version, 0);
    EXPECT_TRUE(response.answer.empty());
  }
}

// 6.1.4: DO is copied (RFC 3225, 3), the other bits are zero.
TEST(Rfc6891_6_1_4, Flags) {
  EXPECT_TRUE(ask_edns(svc("web"), {.dnssec_ok = true}).edns->dnssec_ok);
  EXPECT_FALSE(ask_edns(svc("web"), {.dnssec_ok = false}).edns->dnssec_ok);
  EXPECT_TRUE(ask_edns(svc("nothing"), {.dnssec_ok = true}).edns->dnssec_ok);
  const Message response = ask_edns(svc("web"), {.dnssec_ok = true, .z = 0x7FFF});
  EXPECT_EQ(response.edns->z, 0);
  expect_answer(response, {"web.conf.svc.cluster.local. 5 IN A 10.96.10.1"});
}

// 6.2.3: "Values lower than 512 MUST be treated as equal to 512."
TEST(Rfc6891_6_2_3, SmallSizesAre512) {
  for (const int size : {0, 1, 100, 511}) {
    SCOPED_TRACE(size);
    const Message response =
        ask_edns(svc("big"), {.payload_size = static_cast<std::uint16_t>(size)});
    EXPECT_LE(response.wire.size(), 512U);
    EXPECT_TRUE(response.has(kFlagTC));
    EXPECT_EQ(response.answer.size(), (512 - response.question_end - kOptSize) / 16);
  }
}

TEST(Rfc6891_6_2_3, TheClientsSizeIsKept) {
  for (const int size : {512, 600, 800, 1200, 1232}) {
    SCOPED_TRACE(size);
    const Message response =
        ask_edns(svc("big"), {.payload_size = static_cast<std::uint16_t>(size)});
    EXPECT_LE(response.wire.size(), static_cast<std::size_t>(size));
    EXPECT_TRUE(response.has(kFlagTC));
    EXPECT_EQ(response.answer.size(),
              (static_cast<std::size_t>(size) - response.question_end - kOptSize) / 16);
  }
}

// 6.2.4 and 6.2.5: our own limit, offered in every response.
TEST(Rfc6891_6_2_5, TheServersSizeIsAClamp) {
  for (const int size : {1233, 1500, 4096, 65535}) {
    SCOPED_TRACE(size);
    const Message response =
        ask_edns(svc("big"), {.payload_size = static_cast<std::uint16_t>(size)});
    EXPECT_LE(response.wire.size(), kServerSize);
    EXPECT_TRUE(response.has(kFlagTC));
    EXPECT_EQ(response.answer.size(), (kServerSize - response.question_end - kOptSize) / 16);
    ASSERT_TRUE(response.edns.has_value());
    EXPECT_EQ(response.edns->payload_size, kServerSize);
  }
}

TEST(Rfc6891_6_2_5, TheSizeDoesNotBoundTcp) {
  const Message response =
      ask_tcp(target(), Query{.name = svc("big"), .edns = Edns{.payload_size = 512}});
  EXPECT_FALSE(response.has(kFlagTC));
  EXPECT_EQ(response.answer.size(), 120U);
}

// 7: the OPT record stays in truncated and in negative responses.
TEST(Rfc6891_7, OptStaysInTruncatedResponses) {
  EXPECT_TRUE(ask_edns(svc("big"), {.payload_size = 512}, "SRV").edns.has_value());
}

TEST(Rfc6891_6_1_1, OptDoesNotCostAnswers) {
  expect_nodata(ask_edns(svc("web"), {}, "AAAA"));
  expect_nxdomain(ask_edns(svc("nothing"), {}));
}

}  // namespace
}  // namespace clusterdns::test
