#include "app/directives/zone_keys.h"

#include <gmock/gmock.h>

#include "app/corefile/error.h"
#include "tests/unit/dns/shape/keys.h"

namespace clusterdns::app {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

template <class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}
std::string public_message(const std::string& text) {
  return message_of([&] { (void)read_public_key(text, "K.key"); });
}
std::string private_message(const std::string& text) {
  unsigned algorithm = 0;
  return message_of([&] { (void)read_private_key(text, "K.private", &algorithm); });
}

TEST(ZoneKeysTest, PublicKeysAsToolsWriteThem) {
  const PublicKeyText plain = read_public_key(
      "; This is a key-signing key\nExample.test. IN DNSKEY 257 3 13 AAEC AwQ=\n", "K.key");
  EXPECT_EQ(plain.owner.to_text(), "example.test.");
  EXPECT_EQ(plain.flags, 257);
  EXPECT_EQ(plain.algorithm, 13U);
  EXPECT_EQ(plain.key, std::string("\0\1\2\3\4", 5));
  EXPECT_EQ(plain.ttl, 0U);
  const PublicKeyText other =
      read_public_key("example.test. 300 in dnskey ( 256 3 15 ; flags\n AAEC\n AwQ= )", "K.key");
  EXPECT_EQ(other.ttl, 300U);
  EXPECT_EQ(other.key, plain.key);
}

TEST(ZoneKeysTest, WhatIsWrongWithPublicKeys) {
  EXPECT_THAT(public_message("; nothing\n"), HasSubstr("there is no DNSKEY record"));
  EXPECT_THAT(public_message("\na. IN A 192.0.2.1"),
              StartsWith("K.key:2:7: 'A' stands where DNSKEY"));
  EXPECT_THAT(public_message("a. IN DNSKEY 257 3 13"), HasSubstr("ends the record"));
  EXPECT_THAT(public_message("a. IN DNSKEY 70000 3 13 AA=="),
              StartsWith("K.key:1:14: '70000' is not a number from 0 to 65535"));
  EXPECT_THAT(public_message("a. IN DNSKEY 257 2 13 AA=="), StartsWith("K.key:1:18: '2' is not 3"));
  EXPECT_THAT(public_message("a. IN DNSKEY 257 3 13 %%"),
              StartsWith("K.key:1:23: the key is not base64"));
}

TEST(ZoneKeysTest, WhatIsWrongWithPrivateKeys) {
  EXPECT_THAT(private_message("-----BEGIN PRIVATE KEY-----\n"),
              StartsWith("K.private:1:1: the line has no name before a colon"));
  EXPECT_THAT(private_message("Private-key-format: v2.0\n"),
              StartsWith("K.private:1:21: the format is not v1"));
  EXPECT_THAT(private_message("Private-key-format: v1.3\nAlgorithm: x\n"),
              StartsWith("K.private:2:12: 'x' is not a number"));
  EXPECT_THAT(private_message("Private-key-format: v1.3\n"), HasSubstr("no line `Algorithm:`"));
  EXPECT_THAT(private_message("Private-key-format: v1.3\nAlgorithm: 13\nEngine: pkcs11\n"),
              StartsWith("K.private:3:1: the key is in a hardware module"));
  const std::string message =
      private_message("Private-key-format: v1.3\nAlgorithm: 13\nPrivateKey: se%%cret\n");
  EXPECT_THAT(message, StartsWith("K.private:3:13: the value of PrivateKey is not base64"));
  EXPECT_THAT(message, ::testing::Not(HasSubstr("cret")));
}

TEST(ZoneKeysTest, HalvesHaveToBelongTogether) {
  const auto make = [](const unit::KeyText& one, const unit::KeyText& two) {
    const PublicKeyText half = read_public_key(one.public_half, "K.key");
    unsigned algorithm = 0;
    const dns::PrivateKey other = read_private_key(two.private_half, "K.private", &algorithm);
    const auto key = dns::SigningKey::make(
        half.flags, half.algorithm,
        {reinterpret_cast<const std::uint8_t*>(half.key.data()), half.key.size()}, other);
    return key ? "tag " + std::to_string((*key)->tag()) : key.error();
  };
  EXPECT_EQ(make(unit::kP256Ksk, unit::kP256Ksk), "tag 58245");
  EXPECT_EQ(make(unit::kEd25519, unit::kEd25519), "tag 51526");
  EXPECT_EQ(make(unit::kRsa2048, unit::kRsa2048), "tag 969");
  const std::string stranger = "the private key does not belong to the public one";
  EXPECT_EQ(make(unit::kP256Ksk, unit::kP256Zsk), stranger);
  EXPECT_EQ(make(unit::kRsa1024, unit::kRsa2048), stranger);
  EXPECT_THAT(make(unit::kP384, unit::kRsa2048), HasSubstr("wrong length"));
}

}  // namespace
}  // namespace clusterdns::app
