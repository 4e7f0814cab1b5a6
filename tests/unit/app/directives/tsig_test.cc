#include "app/directives/tsig.h"

#include <gtest/gtest.h>

#include "app/corefile/error.h"

namespace clusterdns::app {
namespace {

constexpr const char* kSecret = "NoTCJU+DMqFWywaPyxSijrDEA/eC3nK0xi3AMEZuPVk=";

std::string error_of(const std::string& text) {
  try {
    (void)read_tsig_keys(text, "keys");
    return "";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

TEST(TsigKeyFile, AsNamedConfHasThem) {
  const auto keys =
      read_tsig_keys(std::string("# a comment\nkey \"A.example.\" {\n  algorithm "
                                 "hmac-sha512; // another\n  secret \"") +
                         kSecret + "\";\n};\n/* one\nmore */ key b {secret " + kSecret + ";}\n",
                     "keys");
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_EQ(keys[0].name.to_text(), "a.example.");
  EXPECT_EQ(keys[0].algorithm, dns::TsigAlgorithm::Sha512);
  EXPECT_EQ(keys[0].secret.size(), 32U);
  EXPECT_EQ(keys[1].name.to_text(), "b.");
  EXPECT_EQ(keys[1].algorithm, dns::TsigAlgorithm::Sha256);
  EXPECT_TRUE(read_tsig_keys("", "keys").empty());
}

TEST(TsigKeyFile, Errors) {
  EXPECT_EQ(error_of("zone x {};"),
            "keys:1:1: only keys may stand here; write `key \"NAME\" { secret \"BASE64\"; };`");
  EXPECT_EQ(error_of("\nkey {"), "keys:2:5: the key has no name; write `key \"NAME\" { … };`");
  EXPECT_EQ(error_of("key a\nsecret"), "keys:2:1: '{' is missing behind the name of the key");
  EXPECT_EQ(error_of("key a {\n secret x\n}"), "keys:3:1: ';' is missing behind the secret");
  EXPECT_EQ(error_of("key a {\n"), "keys:2:1: '}' is missing at the end of the key");
  EXPECT_EQ(error_of("key a { port 53; };"),
            "keys:1:9: only `algorithm` and `secret` may stand in a key");
  EXPECT_EQ(error_of("key a {};").substr(0, 32), "keys:1:5: a key has no secret; t");
  EXPECT_EQ(error_of("key a { secret \"a\n"), "keys:1:16: a quote is not closed");
  EXPECT_EQ(error_of("/* x"), "keys:1:1: a comment is not closed");
  // A secret is not told to whoever reads the log, in whichever place it is.
  EXPECT_EQ(error_of("key hunter2! { secret a; };").find("hunter2"), std::string::npos);
  EXPECT_EQ(error_of("key a { secret AAAA; algorithm hunter2; };").find("hunter2"),
            std::string::npos);
  EXPECT_EQ(error_of("key a { secret hunter2!; };").find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace clusterdns::app
