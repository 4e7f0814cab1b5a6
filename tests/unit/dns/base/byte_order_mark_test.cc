#include "dns/base/byte_order_mark.h"

#include <gtest/gtest.h>

namespace clusterdns::dns {
namespace {

TEST(ByteOrderMark, OneAtTheBeginningIsLeftOut) {
  EXPECT_EQ(without_byte_order_mark("\xEF\xBB\xBFtext"), "text");
  EXPECT_EQ(without_byte_order_mark("\xEF\xBB\xBF"), "");
  EXPECT_EQ(without_byte_order_mark("\xEF\xBB\xBF\xEF\xBB\xBF!"), "\xEF\xBB\xBF!") << "one";
  for (const std::string_view text : {"", "text", "\xEF\xBB", "t\xEF\xBB\xBF"}) {
    EXPECT_EQ(without_byte_order_mark(text), text);
  }
  std::string text = "\xEF\xBB\xBFtext";
  drop_byte_order_mark(text);
  EXPECT_EQ(text, "text");
  drop_byte_order_mark(text);
  EXPECT_EQ(text, "text");
}

TEST(ByteOrderMark, OtherEncodingsAreTold) {
  using namespace std::string_view_literals;
  for (const std::string_view text :
       {"\xFF\xFE"
        "a\0"sv,
        "\xFE\xFF\0a"sv, "\xFF\xFE\0\0a\0\0\0"sv, "\0\0\xFE\xFF\0\0\0a"sv}) {
    EXPECT_NE(foreign_encoding(text), nullptr);
  }
  for (const std::string_view text : {""sv, "a"sv,
                                      "\xEF\xBB\xBF"
                                      "a"sv,
                                      "\0\0a"sv, "\xFF"sv}) {
    EXPECT_EQ(foreign_encoding(text), nullptr);
  }
}

}  // namespace
}  // namespace clusterdns::dns
