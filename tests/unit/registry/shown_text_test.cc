#include "registry/shown_text.h"

#include <gtest/gtest.h>

#include <string>

namespace clusterdns::registry {
namespace {

TEST(ShownText, PlainTextIsQuoted) {
  EXPECT_EQ(shown(""), "''");
  EXPECT_EQ(shown("a-b 1"), "'a-b 1'");
  EXPECT_EQ(shown("käse 🚀"), "'käse 🚀'");
}

TEST(ShownText, WhatDoesNotPrintIsEscaped) {
  EXPECT_EQ(shown("a\nb\x1b[31m"), "'a\\x0Ab\\x1B[31m'");
  EXPECT_EQ(shown(std::string("\0\x7f", 2)), "'\\x00\\x7F'");
  EXPECT_EQ(shown("\xc2\x85"), "'\\xC2\\x85'");  // NEL
}

TEST(ShownText, WhatIsNoUtf8IsEscaped) {
  EXPECT_EQ(shown("\xff"), "'\\xFF'");
  EXPECT_EQ(shown("\xc0\xaf"), "'\\xC0\\xAF'");           // longer than it must be
  EXPECT_EQ(shown("\xed\xa0\x80"), "'\\xED\\xA0\\x80'");  // a surrogate
  EXPECT_EQ(shown("\xe2\x82"), "'\\xE2\\x82'");           // cut
  EXPECT_EQ(shown("\xf4\x90\x80\x80"), "'\\xF4\\x90\\x80\\x80'");
}

TEST(ShownText, NothingTurnsTheDirectionOfALineOrHides) {
  EXPECT_EQ(shown("a\u202Eb"), "'a\\xE2\\x80\\xAEb'");
  EXPECT_EQ(printable("a\u202Eb\u2066c\u200Bd\u061Ce"),
            "a\\xE2\\x80\\xAEb\\xE2\\x81\\xA6c\\xE2\\x80\\x8Bd\\xD8\\x9Ce");
  EXPECT_EQ(printable("\U000E0041\uFEFF"), "\\xF3\\xA0\\x81\\x81\\xEF\\xBB\\xBF");
  EXPECT_EQ(printable("\x1b[31mred\n\xc2\x85\xff"), "\\x1B[31mred\\x0A\\xC2\\x85\\xFF");
  EXPECT_EQ(printable("two\nlines\r", "\n"), "two\nlines\\x0D");
  EXPECT_EQ(printable("käse 🚀 ├─ 'a'"), "käse 🚀 ├─ 'a'");
}

TEST(ShownText, WhereTextIsNoUtf8) {
  EXPECT_EQ(find_invalid_utf8(""), std::string_view::npos);
  EXPECT_EQ(find_invalid_utf8("a\n\x7f käse 🚀 \xc2\x85"), std::string_view::npos);
  EXPECT_EQ(find_invalid_utf8("\xff"), 0u);
  EXPECT_EQ(find_invalid_utf8("ä\xc3"), 2u);
  EXPECT_EQ(find_invalid_utf8("ab\xed\xa0\x80"), 2u);
}

TEST(ShownText, LongTextIsCut) {
  const std::string longest(kMaxShownText, 'x');
  EXPECT_EQ(shown(longest), "'" + longest + "'");
  EXPECT_EQ(shown(longest + "y"), "'" + longest + "…'");
  EXPECT_LE(shown(std::string(1'000'000, '\xff')).size(), kMaxShownText + 5);
  // No character is cut in two.
  std::string wide(kMaxShownText - 1, 'x');
  EXPECT_EQ(shown(wide + "ä"), "'" + wide + "…'");
}

}  // namespace
}  // namespace clusterdns::registry
