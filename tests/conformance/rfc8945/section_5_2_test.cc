// RFC 8945, sections 5.2 and 5.3: how signed requests are judged, and replies signed.
#include <gtest/gtest.h>

#include "conformance/rfc8945/signer.h"

namespace clusterdns::test {
namespace {

// A question, and its reply with the signature that it should have.
struct Asked {
  Message reply;
  FoundSignature signature;
  Octets request_mac;
};
Asked ask_signed(const Signature& by, const Query& query = {.name = "host1.signed.test."}) {
  Asked asked;
  const Octets request = sign(encode(query), by, &asked.request_mac);
  asked.reply = UdpClient(target()).exchange(request);
  asked.signature = signature_of(asked.reply);
  return asked;
}
// A whole request MAC is what the reply's covers, too.
void expect_good(const Asked& asked) {
  EXPECT_EQ(asked.signature.mac,
            mac_of(asked.signature.before, asked.signature.said, asked.request_mac));
  EXPECT_EQ(asked.signature.said.original_id, asked.reply.id);
}
void expect_unsigned_error(const Asked& asked, unsigned error) {
  expect_rcode(asked.reply, "NOTAUTH");
  EXPECT_TRUE(asked.reply.answer.empty());
  EXPECT_EQ(asked.signature.said.error, error);
  EXPECT_TRUE(asked.signature.mac.empty());
}

class Rfc8945 : public ::testing::Test {
 protected:
  void SetUp() override {
    if (target_is_external()) GTEST_SKIP() << "another server need not have the key";
  }
};
using Rfc8945_5_2 = Rfc8945;
using Rfc8945_5_2_1 = Rfc8945;
using Rfc8945_5_2_2 = Rfc8945;
using Rfc8945_5_2_2_1 = Rfc8945;
using Rfc8945_5_2_3 = Rfc8945;
using Rfc8945_5_2_4 = Rfc8945;
using Rfc8945_5_3 = Rfc8945;
using Rfc8945_5_3_1 = Rfc8945;

TEST_F(Rfc8945_5_3, AGoodRequestHasASignedReply) {
  for (const char* name : {"host1.signed.test.", "none.signed.test.", "signed.test."}) {
    SCOPED_TRACE(name);
    const Asked asked = ask_signed({}, {.name = name, .edns = Edns{}});
    expect_good(asked);
    EXPECT_EQ(asked.signature.said.error, 0U);
    EXPECT_EQ(asked.signature.said.fudge, 300U);
    // "TSIG is the last record", OPT too stands before it.
    EXPECT_TRUE(asked.reply.edns);
    EXPECT_EQ(asked.reply.additional.back().offset + asked.reply.additional.back().size,
              asked.reply.wire.size());
    EXPECT_EQ(asked.reply.additional.back().ttl, 0U);
    EXPECT_EQ(asked.reply.additional.back().klass, 255U);
  }
  EXPECT_EQ(ask_signed({}).reply.answer.size(), 1U);
}

TEST_F(Rfc8945_5_2, NamesOfKeysIgnoreLetterCase) {
  expect_good(ask_signed({.key = "SiGnEr.test."}));
}

TEST_F(Rfc8945_5_2, WhatHasToBeSignedIsRefused) {
  expect_rcode(ask_udp("signed.test.", "TXT"), "REFUSED");
  expect_rcode(ask_udp("host1.signed.test."), "NOERROR");
  expect_rcode(ask_signed({}, {.name = "signed.test.", .type = "TXT"}).reply, "NOERROR");
}

TEST_F(Rfc8945_5_2_1, AnUnknownKeyIsBadkey) {
  expect_unsigned_error(ask_signed({.key = "nobody.test."}), 17);
  // The same key with another algorithm is another key.
  expect_unsigned_error(ask_signed({.algorithm = "hmac-sha512."}), 17);
  expect_unsigned_error(ask_signed({.algorithm = "hmac-md5.sig-alg.reg.int."}), 17);
}

TEST_F(Rfc8945_5_2_2, AWrongSignatureIsBadsig) {
  expect_unsigned_error(ask_signed({.secret = Octets(32, 0x42)}), 16);
}

TEST_F(Rfc8945_5_2_2_1, ASignatureOfAWrongLengthIsAFormatError) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{9}, std::size_t{15}, std::size_t{33}}) {
    SCOPED_TRACE(size);
    Octets mac;
    expect_formerr(sign(encode({.name = "host1.signed.test."}), {.mac_size = size}, &mac));
  }
}

// Ours wants whole ones: the error is signed, for the key is right.
TEST_F(Rfc8945_5_2_4, ACutSignatureIsBadtrunc) {
  Asked asked = ask_signed({.mac_size = 16});
  expect_rcode(asked.reply, "NOTAUTH");
  EXPECT_EQ(asked.signature.said.error, 22U);
  asked.request_mac.resize(16);
  expect_good(asked);
}

TEST_F(Rfc8945_5_2_3, ClocksThatDifferAreBadtime) {
  const auto now = static_cast<std::uint64_t>(std::time(nullptr));
  for (const std::uint64_t time : {now - 1000, now + 1000, std::uint64_t{0}}) {
    const Asked asked = ask_signed({.time = time});
    expect_rcode(asked.reply, "NOTAUTH");
    EXPECT_EQ(asked.signature.said.error, 18U);
    // The client's time, and ours as other data.
    EXPECT_EQ(asked.signature.said.time, time);
    ASSERT_EQ(asked.signature.said.other.size(), 6U);
    std::uint64_t ours = 0;
    for (const std::uint8_t octet : asked.signature.said.other) ours = ours << 8 | octet;
    EXPECT_LE(ours - now, 60U);
    expect_good(asked);
  }
  EXPECT_EQ(ask_signed({.time = now - 100}).signature.said.error, 0U);
  EXPECT_EQ(ask_signed({.time = now - 100, .fudge = 10}).signature.said.error, 18U);
}

// "The response contains only the question and a TSIG record, has the TC bit set, and has an RCODE
// of 0 (NOERROR)."
TEST_F(Rfc8945_5_3, WithoutRoomForTheSignatureThereIsTheQuestion) {
  // 446 octets without a signature.
  const Asked asked = ask_signed({}, {.name = "long.signed.test.", .type = "TXT"});
  expect_rcode(asked.reply, "NOERROR");
  EXPECT_TRUE(asked.reply.has(kFlagTC));
  EXPECT_EQ(asked.reply.questions.size(), 1U);
  EXPECT_TRUE(asked.reply.answer.empty());
  EXPECT_TRUE(asked.reply.authority.empty());
  EXPECT_EQ(asked.reply.additional.size(), 1U);
  EXPECT_LE(asked.reply.wire.size(), 512U);
  expect_good(asked);
}

// All messages of a transfer, each over the one before.
TEST_F(Rfc8945_5_3_1, ATransferIsSigned) {
  TcpClient client(target());
  Octets prior;
  client.send(sign(encode({.name = "signed.test.", .type = "AXFR"}), {}, &prior));
  std::size_t soas = 0, messages = 0;
  while (soas < 2) {
    const auto octets = client.receive(Deadline::after(kAnswerTimeout));
    ASSERT_TRUE(octets);
    const Message message = decode(*octets);
    const FoundSignature signature = signature_of(message);
    EXPECT_EQ(signature.mac, mac_of(signature.before, signature.said, prior, messages != 0));
    prior = signature.mac;
    soas += data_of(message.answer, "SOA").size();
    ++messages;
  }
  EXPECT_GT(messages, 3U);
}

}  // namespace
}  // namespace clusterdns::test
