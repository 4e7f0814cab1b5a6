#include "registry/manifests/scalar.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>

namespace clusterdns::registry {
namespace {

TEST(Scalar, WholeNumbers) {
  for (const auto& [text, value] : {
           std::pair<const char*, std::int64_t>{"80", 80},
           {"+80", 80},
           {"-80", -80},
           {"0", 0},
           {"-0", 0},
           {"0120", 80},
           {"0o120", 80},
           {"0O120", 80},
           {"0x50", 80},
           {"0X5_0", 80},
           {"-0x50", -80},
           {"0b1010000", 80},
           {"1_000", 1000},
           {"80.0", 80},
           {"80.", 80},
           {"8e1", 80},
           {"8E+1", 80},
           {"800e-1", 80},
           {"08", 8},  // no octal number, but one with a fraction of none
           {"9223372036854775807", 9223372036854775807},
           {"-9223372036854775808", -9223372036854775807 - 1},
       }) {
    const auto number = resolve_scalar(text).whole_number();
    ASSERT_TRUE(number) << text;
    EXPECT_EQ(*number, value) << text;
  }
}

TEST(Scalar, NumbersThatAreNotWhole) {
  for (const char* text :
       {"80.5", ".5", "1e-1", "9223372036854775808", "1e400", "-1e400", ".inf", "-.Inf", ".nan",
        "0xFFFFFFFFFFFFFFFFFF", "123456789012345678901234567890"}) {
    EXPECT_EQ(resolve_scalar(text).type, Scalar::Type::Float) << text;
    EXPECT_FALSE(resolve_scalar(text).whole_number()) << text;
  }
}

TEST(Scalar, Words) {
  for (const char* text : {"y", "Yes", "true", "TRUE", "on"}) {
    EXPECT_EQ(resolve_scalar(text).type, Scalar::Type::Boolean) << text;
    EXPECT_TRUE(resolve_scalar(text).boolean) << text;
  }
  for (const char* text : {"n", "NO", "false", "Off"}) {
    EXPECT_EQ(resolve_scalar(text).type, Scalar::Type::Boolean) << text;
    EXPECT_FALSE(resolve_scalar(text).boolean) << text;
  }
  for (const char* text : {"", "~", "null", "NULL"}) {
    EXPECT_EQ(resolve_scalar(text).type, Scalar::Type::Null) << text;
  }
}

TEST(Scalar, Text) {
  for (const char* text :
       {"web", "tRue", "1.2.3", "10.96.0.1", "2001-12-14", "1:30", "0x",  "0b2", "0o",
        "-",   "+",    ".",     "_",         "1e",         "e1",   "--1", "+-1", "1 2",
        "1k",  "_1",   "0xg",   "._5",       "1.2_3x",     "yess", "nul", "inf", "nan"}) {
    EXPECT_EQ(resolve_scalar(text).type, Scalar::Type::Text) << text;
  }
}

}  // namespace
}  // namespace clusterdns::registry
