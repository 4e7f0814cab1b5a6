#include "dns/wire/tsig.h"

#include <algorithm>
#include <cstdio>

#include <openssl/evp.h>

#include "tests/unit/dns/query/request.h"

namespace clusterdns::dns {
namespace {

using unit::name;
using unit::Octets;
using unit::Request;

constexpr std::uint64_t kNow = 1'700'000'000;
constexpr std::uint16_t kId = 0x1234;

const Octets kSecret{0x35, 0xa4, 0xc2, 0x25, 0x4f, 0x83, 0x32, 0xa1, 0x56, 0xc3, 0x06,
                     0x9a, 0x3f, 0x2c, 0x52, 0x8a, 0x3a, 0xc3, 0x10, 0x0f, 0xde, 0x0b,
                     0x79, 0xca, 0xd3, 0x18, 0xb7, 0x00, 0x31, 0x1b, 0x94, 0xf5};

TsigKey key(TsigAlgorithm algorithm = TsigAlgorithm::Sha256,
            std::string_view called = "key.example") {
  // Octets of NoTCJU+DMqFWywaPyxSijrDEA/eC3nK0xi3AMEZuPVk=, the example of the documentation.
  static const Octets kExample{0x36, 0x84, 0xc2, 0x25, 0x4f, 0x83, 0x32, 0xa1, 0x56, 0xcb, 0x06,
                               0x8f, 0xcb, 0x14, 0xa2, 0x8e, 0xb0, 0xc4, 0x03, 0xf7, 0x82, 0xde,
                               0x72, 0xb4, 0xc6, 0x2d, 0xc0, 0x30, 0x46, 0x6e, 0x3d, 0x59};
  return {name(called), algorithm, kExample};
}

Octets question() { return Request{.qname = "Www.example", .id = kId}.wire(); }
Octets reply() {
  return Request{.qname = "Www.example", .id = kId, .flags = kFlagQR | kFlagRD | kFlagRA}.wire();
}

std::string hex(std::span<const std::uint8_t> octets) {
  std::string text;
  for (const std::uint8_t octet : octets) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", octet);
    text += digits;
  }
  return text;
}

TsigRecord record_of(const Octets& message) {
  TsigRecord record;
  EXPECT_EQ(find_tsig(message, record), TsigPresence::Present);
  return record;
}

Octets signed_request(TsigSession& session, const Octets& message, std::uint64_t now = kNow) {
  Octets octets = message;
  octets.resize(message.size() + kMaxTsigRecord);
  octets.resize(session.sign_request(octets.data(), message.size(), now));
  return octets;
}
Octets signed_request(const Octets& message, std::uint64_t now = kNow,
                      const TsigKey& with = key()) {
  TsigSession session(std::make_shared<const TsigKey>(with));
  return signed_request(session, message, now);
}
Octets signed_reply(TsigSession& session, const Octets& message, std::uint64_t now = kNow) {
  Octets octets = message;
  octets.resize(message.size() + kMaxTsigRecord);
  const std::size_t room = session.record_size();
  octets.resize(session.sign_reply(octets.data(), message.size(), now));
  EXPECT_EQ(octets.size(), message.size() + room);
  return octets;
}

TsigKeys keys(const TsigKey& with = key()) {
  TsigKeys all;
  EXPECT_TRUE(all.add(key(TsigAlgorithm::Sha512, "other.example")));
  EXPECT_TRUE(all.add(with));
  return all;
}
TsigVerdict judge(TsigSession& session, const Octets& message, std::uint64_t now = kNow,
                  const TsigKeys& with = keys()) {
  return session.take_request(message, record_of(message), with, now);
}
TsigVerdict judge(const Octets& message, std::uint64_t now = kNow) {
  TsigSession session;
  return judge(session, message, now);
}

// What Python's hmac makes of the octets of RFC 8945 sections 4.3 and 5.3.1: of a question, its
// reply, and a second message of it.
TEST(Tsig, SignaturesAreThoseOfTheDocument) {
  struct Case {
    TsigAlgorithm algorithm;
    const char* question;
    const char* reply;
    const char* second;
  };
  constexpr Case kCases[] = {
      {TsigAlgorithm::Sha1, "d73ac46363638345232a57675c404303ec649fec",
       "565ac19219dfa9d24564ca5b8d129c41ad9fbcf8", "4addefaccc0f74c7ee4783e7eec5a75844dbf29b"},
      {TsigAlgorithm::Sha224, "26b0aa32859998813306b9815d9612f818b1d3705c5c54baee3e6b26",
       "3a8dc4fd27e50d4c86877b105aeea63edff1a6ef22a11125bafad3de",
       "b9c94670c999a118f9b41ef9e3b4c469cab0cfbf969f4da0232bfc1b"},
      {TsigAlgorithm::Sha256, "10a3558ed79356ab3848fb4870e6e54284a8f62db8e4536044ae7f0b8d9318c8",
       "23f3aba057865cdd1e8b17a24454022ba1241936fb254cedbd846159fd853f40",
       "00f3d07e46bf1433e814a55e82b63c0addc371e2491d0a1730dec50189b31f84"},
      {TsigAlgorithm::Sha384,
       "4c5353a9c6a95b5dd096934ad8b956c1dfc9669eac2911ae75b0669b0e42210b96f1fa38312e3c9969158a8d98"
       "6ccb4e",
       "8c9443224e049a72968b741c2f23e002a17ca0823e5f7a94aa92212e31d9c39aa6059f500eb3f2bfe8d9d3c747"
       "456043",
       "9e76927feaf3c64144a3955ae6d1951d71538a5a1d484c1e061364d01d7461419fd88bbc5fe618964549fd6f22"
       "1023d3"},
      {TsigAlgorithm::Sha512,
       "6ed9cc093032d11b6173b2afc57bd9a96e8f09650f998fdee063b1a2c08a2d3c76fa60f07527713acff2d4f437"
       "7bad325ff6636d51f1f40fd3dbf0d9bfda4501",
       "ae6b0a81cf288a96ad08d2060a0700472519aef550845e6c2804298e67c093f1493213130f0130d09d9a49cb52"
       "2e8e61247d1c8ff0acaac982ad486df17f8a8b",
       "1fd74c77c42146837a2bc22816d5cfe16314bc134034329d5e5a1a813b92cbc57331479d0eb418fbb025cdb323"
       "3ae0fe15872f66f3488570ad0457e531e953dd"},
  };
  for (const Case& each : kCases) {
    SCOPED_TRACE(each.question);
    const TsigKey with = key(each.algorithm);
    TsigSession client(std::make_shared<const TsigKey>(with)), server;
    const Octets asked = signed_request(client, question());
    EXPECT_EQ(hex(record_of(asked).mac), each.question);
    EXPECT_EQ(judge(server, asked, kNow, keys(with)), TsigVerdict::Good);
    const Octets answered = signed_reply(server, reply());
    const Octets second = signed_reply(server, reply());
    EXPECT_EQ(hex(record_of(answered).mac), each.reply);
    EXPECT_EQ(hex(record_of(second).mac), each.second);
    std::size_t size = 0;
    EXPECT_EQ(client.take_reply(answered, kNow, &size), "");
    EXPECT_EQ(size, reply().size());
    EXPECT_EQ(client.take_reply(second, kNow, &size), "");
    EXPECT_TRUE(client.complete());
  }
}

TEST(Tsig, TheRecord) {
  const Octets octets = signed_request(question());
  const TsigRecord record = record_of(octets);
  EXPECT_EQ(record.at, question().size());
  EXPECT_EQ(record.key.to_text(), "key.example.");
  EXPECT_EQ(record.algorithm.to_text(), "hmac-sha256.");
  EXPECT_EQ(record.time, kNow);
  EXPECT_EQ(record.fudge, 300);
  EXPECT_EQ(record.original_id, kId);
  EXPECT_EQ(record.error, 0);
  EXPECT_TRUE(record.other.empty());
  EXPECT_EQ(load_u16(&octets[10]), 1);
  TsigRecord none;
  EXPECT_EQ(find_tsig(question(), none), TsigPresence::Absent);
  for (std::size_t size = 0; size < octets.size(); ++size) {
    const Octets cut(octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(find_tsig(cut, none), TsigPresence::Malformed) << size;
  }
  // Twice, before another record, of class IN, with a TTL.
  Octets twice = octets;
  twice.insert(twice.end(), octets.begin() + static_cast<std::ptrdiff_t>(record.at), octets.end());
  twice[11] = 2;
  EXPECT_EQ(find_tsig(twice, none), TsigPresence::Malformed);
  Octets before = octets;
  unit::put_record(before, "x.example", RRType::A, 1, 60, {192, 0, 2, 1});
  before[11] = 2;
  EXPECT_EQ(find_tsig(before, none), TsigPresence::Malformed);
  for (const std::size_t at : {std::size_t{3}, std::size_t{7}}) {
    Octets changed = octets;
    changed[record.at + record.key.size() + at] ^= 1;
    EXPECT_EQ(find_tsig(changed, none), TsigPresence::Malformed) << at;
  }
}

// RFC 8945 sections 5.2.1 and 5.3.2.
TEST(Tsig, AnUnknownKeyIsToldWithoutASignature) {
  for (const TsigKey& unknown : {key(TsigAlgorithm::Sha256, "none.example"),
                                 key(TsigAlgorithm::Sha1), key(TsigAlgorithm::Sha512)}) {
    TsigSession session;
    EXPECT_EQ(judge(session, signed_request(question(), kNow, unknown)), TsigVerdict::BadKey);
    const Octets octets = signed_reply(session, reply());
    const TsigRecord record = record_of(octets);
    EXPECT_EQ(record.key, unknown.name);
    EXPECT_EQ(record.error, 17);
    EXPECT_TRUE(record.mac.empty());
  }
}

// Section 5.2.2: any octet of what is signed.
TEST(Tsig, AChangedMessageIsBadSig) {
  const Octets octets = signed_request(question());
  const TsigRecord record = record_of(octets);
  const auto mac = static_cast<std::size_t>(record.mac.data() - octets.data());
  for (std::size_t at = 2; at < mac + record.mac.size(); ++at) {
    Octets changed = octets;
    changed[at] ^= 1;
    TsigRecord found;
    if (find_tsig(changed, found) != TsigPresence::Present) continue;
    TsigSession session;
    EXPECT_NE(session.take_request(changed, found, keys(), kNow), TsigVerdict::Good) << at;
  }
  Octets changed = octets;
  changed[mac] ^= 1;
  TsigSession session;
  EXPECT_EQ(judge(session, changed), TsigVerdict::BadSig);
  const Octets told = signed_reply(session, reply());
  EXPECT_EQ(record_of(told).error, 16);
  EXPECT_TRUE(record_of(told).mac.empty());
  // The ID is not signed, for forwarders change it: the original one is.
  changed = octets;
  changed[0] ^= 1;
  EXPECT_EQ(judge(changed), TsigVerdict::Good);
}

// Letter case of the key's name, and compression of it, are nobody's business.
TEST(Tsig, TheNameOfTheKeyIsCanonical) {
  Octets octets = signed_request(question());
  const TsigRecord record = record_of(octets);
  octets[record.at + 1] = 'K';
  EXPECT_EQ(judge(octets), TsigVerdict::Good);
}

// Section 5.2.3.
TEST(Tsig, ClocksMayDifferByTheFudge) {
  for (const std::int64_t difference : {0, 300, -300}) {
    EXPECT_EQ(judge(signed_request(question(), kNow + static_cast<std::uint64_t>(difference))),
              TsigVerdict::Good);
  }
  for (const std::int64_t difference : {301, -301, 1'000'000'000}) {
    EXPECT_EQ(judge(signed_request(question(), kNow + static_cast<std::uint64_t>(difference))),
              TsigVerdict::BadTime);
  }
  TsigSession session;
  EXPECT_EQ(judge(session, signed_request(question()), kNow + 1000), TsigVerdict::BadTime);
  Octets answer = reply();
  answer[3] = 0x89;  // NOTAUTH
  const Octets octets = signed_reply(session, answer, kNow + 1000);
  const TsigRecord record = record_of(octets);
  EXPECT_EQ(record.error, 18);
  EXPECT_EQ(record.time, kNow);
  EXPECT_EQ(hex(record.other), "00006553f4e8");  // kNow + 1000
  EXPECT_EQ(hex(record.mac), "1f4bb68c9eec07c733c2cdd539da8993d5cd7e3a4c5cb6ab3769563c6e6c6d21");
}

// Sections 5.2.2.1 and 5.2.4.
TEST(Tsig, ACutSignatureIsNotEnough) {
  const Octets octets = signed_request(question());
  const TsigRecord record = record_of(octets);
  const auto with_mac = [&](const Octets& mac) {
    const auto at = record.mac.data() - octets.data();
    Octets changed(octets.begin(), octets.begin() + at);
    changed.insert(changed.end(), mac.begin(), mac.end());
    changed.insert(changed.end(), octets.begin() + at + 32, octets.end());
    store_u16(&changed[static_cast<std::size_t>(at) - 2], static_cast<std::uint16_t>(mac.size()));
    // RDLENGTH.
    store_u16(&changed[record.at + record.key.size() + 8],
              static_cast<std::uint16_t>(13 + 16 + mac.size()));
    return changed;
  };
  Octets mac(record.mac.begin(), record.mac.end());
  mac.push_back(0);
  EXPECT_EQ(judge(with_mac(mac)), TsigVerdict::FormErr);
  mac.resize(15);
  EXPECT_EQ(judge(with_mac(mac)), TsigVerdict::FormErr);
  EXPECT_EQ(judge(with_mac({})), TsigVerdict::FormErr);
  mac.assign(record.mac.begin(), record.mac.begin() + 16);
  TsigSession session;
  EXPECT_EQ(judge(session, with_mac(mac)), TsigVerdict::BadTrunc);
  const Octets answer = signed_reply(session, reply());
  EXPECT_EQ(record_of(answer).error, 22);
  EXPECT_EQ(record_of(answer).mac.size(), 32U);
  mac[0] ^= 1;
  EXPECT_EQ(judge(with_mac(mac)), TsigVerdict::BadSig);
}

// Section 5.3.1, of who asks.
TEST(Tsig, MessagesBetweenNeedNoSignature) {
  TsigSession client(std::make_shared<const TsigKey>(key())), server;
  EXPECT_EQ(judge(server, signed_request(client, question())), TsigVerdict::Good);
  std::size_t size = 0;
  EXPECT_EQ(client.take_reply(reply(), kNow, &size), "its reply is not signed");
  EXPECT_EQ(client.take_reply(signed_reply(server, reply()), kNow, &size), "");
  for (unsigned i = 0; i < kMaxUnsigned; ++i) {
    EXPECT_EQ(client.take_reply(reply(), kNow, &size), "");
    EXPECT_EQ(size, reply().size());
    EXPECT_FALSE(client.complete());
  }
  EXPECT_EQ(client.take_reply(reply(), kNow, &size), "too many of its messages are not signed");
}

TEST(Tsig, WhatIsWrongWithAReply) {
  const auto said = [](auto change, std::uint64_t now = kNow) {
    TsigSession client(std::make_shared<const TsigKey>(key())), server;
    EXPECT_EQ(judge(server, signed_request(client, question())), TsigVerdict::Good);
    Octets octets = signed_reply(server, reply());
    change(octets);
    std::size_t size = 0;
    return client.take_reply(octets, now, &size);
  };
  EXPECT_EQ(said([](Octets&) {}), "");
  EXPECT_EQ(said([](Octets& octets) { octets[3] ^= 3; }), "the signature of its reply is wrong");
  EXPECT_EQ(said([](Octets& octets) { octets.pop_back(); }), "its signature cannot be read");
  EXPECT_EQ(said([](Octets& octets) { octets[reply().size() + 1] = 'x'; }),
            "its reply is signed with another key");
  EXPECT_EQ(said([](Octets&) {}, kNow + 301), "its clock differs too much from ours");
  // The reply to another question.
  EXPECT_EQ(said([](Octets& octets) {
              TsigSession other;
              EXPECT_EQ(judge(other, signed_request(question(), kNow + 1)), TsigVerdict::Good);
              octets = signed_reply(other, reply());
            }),
            "the signature of its reply is wrong");
  EXPECT_EQ(said([](Octets& octets) {
              TsigSession other;
              const auto unknown = key(TsigAlgorithm::Sha256, "none.example");
              EXPECT_EQ(judge(other, signed_request(question(), kNow, unknown)),
                        TsigVerdict::BadKey);
              octets = signed_reply(other, reply());
            }),
            "it does not take the key \"key.example.\": BADKEY");
}

// OpenSSL may be told to do without what a key needs: then nothing is signed, and nothing is good.
TEST(Tsig, WithoutOpenSslNothingIsGood) {
  Octets request = signed_request(question());
  const TsigRecord record = record_of(request);
  std::fill_n(request.begin() + (record.mac.data() - request.data()), record.mac.size(), 0);
  const TsigKeys known = keys();
  ASSERT_EQ(EVP_set_default_properties(nullptr, "fips=yes"), 1);
  const bool signs = can_sign(key());
  TsigSession session;
  const TsigVerdict verdict = session.take_request(request, record, known, kNow);
  ASSERT_EQ(EVP_set_default_properties(nullptr, ""), 1);
  EXPECT_FALSE(signs);
  EXPECT_EQ(verdict, TsigVerdict::BadSig);
  EXPECT_TRUE(can_sign(key()));
}

TEST(Tsig, AKeyIsThereOnce) {
  TsigKeys all;
  EXPECT_TRUE(all.add(key()));
  EXPECT_TRUE(all.add(key()));
  EXPECT_FALSE(all.add(key(TsigAlgorithm::Sha1)));
  TsigKey other = key();
  other.secret = kSecret;
  EXPECT_FALSE(all.add(other));
  EXPECT_EQ(all.size(), 1U);
  EXPECT_EQ(all.find(name("none.example").view()), nullptr);
}

TEST(Tsig, NamesOfAlgorithms) {
  EXPECT_EQ(tsig_algorithm("hmac-sha256"), TsigAlgorithm::Sha256);
  EXPECT_EQ(tsig_algorithm("HMAC-SHA1."), TsigAlgorithm::Sha1);
  for (const char* none : {"", "hmac-md5", "hmac-md5.sig-alg.reg.int.", "sha256", "hmac-sha2567"}) {
    EXPECT_FALSE(tsig_algorithm(none)) << none;
  }
}

}  // namespace
}  // namespace clusterdns::dns
