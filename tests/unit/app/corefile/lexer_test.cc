#include "app/corefile/lexer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "app/corefile/error.h"
#include "app/corefile/limits.h"

namespace clusterdns::app {
namespace {

// Words as "line:column text", quoted ones in quotes, the first of a line with a '^' before it.
std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> result;
  for (const LexedToken& lexed : lex(text, "f")) {
    const Token& token = lexed.token;
    EXPECT_EQ(token.at.file, "f");
    result.push_back((lexed.first_on_line ? "^" : "") + std::to_string(token.at.line) + ":" +
                     std::to_string(token.at.column) + " " +
                     (token.quoted ? '"' + token.text + '"' : token.text));
  }
  return result;
}

std::string error_of(std::string_view text) {
  try {
    static_cast<void>(lex(text, "f"));
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "no error";
}

using Words = std::vector<std::string>;

TEST(Lexer, SplitsAtWhiteSpaceAndKnowsWhereEachWordStands) {
  EXPECT_EQ(words(".:53 {\n\tlog  .\n}\n"),
            (Words{"^1:1 .:53", "1:6 {", "^2:2 log", "2:7 .", "^3:1 }"}));
  EXPECT_EQ(words(""), Words{});
  EXPECT_EQ(words(" \t\n \n"), Words{});
  EXPECT_EQ(words("a"), (Words{"^1:1 a"}));
}

TEST(Lexer, ACommentEndsWithTheLine) {
  EXPECT_EQ(words("# all of it\nb\nc # d\n e #"), (Words{"^2:1 b", "^3:1 c", "^4:2 e"}));
  EXPECT_EQ(words("\"a#b\""), (Words{"^1:1 \"a#b\""}));
  EXPECT_EQ(words("# \"open"), Words{});
}

// CoreDNS reads on after the blank, whatever its manual says.
TEST(Lexer, AHashInsideAWordDropsTheRestOfTheWordOnly) {
  EXPECT_EQ(words("a#b c\nd"), (Words{"^1:1 a", "1:5 c", "^2:1 d"}));
  EXPECT_EQ(words("a# b"), (Words{"^1:1 a", "1:4 b"}));
  EXPECT_TRUE(lex("a#b c", "f")[0].cut);
  EXPECT_FALSE(lex("a#b c", "f")[1].cut);
}

TEST(Lexer, QuotesKeepBlanksAndLineEnds) {
  EXPECT_EQ(words("a \"b c\" d"), (Words{"^1:1 a", "1:3 \"b c\"", "1:9 d"}));
  EXPECT_EQ(words("a \"b\nc\" d\ne"), (Words{"^1:1 a", "1:3 \"b\nc\"", "2:4 d", "^3:1 e"}));
  EXPECT_EQ(words("\"\""), (Words{"^1:1 \"\""}));
  // A quote opens only at the start of a word, and a word ends with it.
  EXPECT_EQ(words("a\"b c\""), (Words{"^1:1 a\"b", "1:5 c\""}));
  EXPECT_EQ(words("\"a\"b"), (Words{"^1:1 \"a\"", "1:4 b"}));
}

TEST(Lexer, OnlyAQuoteIsEscaped) {
  EXPECT_EQ(words(R"("a\"b")"), (Words{R"(^1:1 "a"b")"}));
  EXPECT_EQ(words(R"("a\.b\\")"), (Words{R"(^1:1 "a\.b\\")"}));
  EXPECT_EQ(words(R"(a\"b\)"), (Words{R"(^1:1 a\"b\)"}));
}

TEST(Lexer, BracesAreWordsOnlyBetweenWhiteSpace) {
  EXPECT_EQ(words("a{ } {b }c"), (Words{"^1:1 a{", "1:4 }", "1:6 {b", "1:9 }c"}));
}

TEST(Lexer, ByteOrderMarkAndCarriageReturnsAreTolerated) {
  EXPECT_EQ(words("\xEF\xBB\xBF"
                  "a b\r\nc\r\n"),
            (Words{"^1:1 a", "1:3 b", "^2:1 c"}));
  EXPECT_EQ(words("a # b\r\nc"), (Words{"^1:1 a", "^2:1 c"}));
}

TEST(Lexer, Utf16IsTold) {
  const std::string text("\xFE\xFF\0.\0:", 6);
  try {
    (void)words(text);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.message(), "the file is not UTF-8 but UTF-16 or UTF-32 text; save it as UTF-8");
  }
}

TEST(Lexer, ColumnsCountCharacters) {
  EXPECT_EQ(words("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80 b"),
            (Words{"^1:1 \xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", "1:5 b"}));
  // Octets that are not UTF-8 pass, one character each.
  EXPECT_EQ(words("\xFF\xC3 b"), (Words{"^1:1 \xFF\xC3", "1:4 b"}));
  EXPECT_EQ(words("\xE2\x82"), (Words{"^1:1 \xE2\x82"}));
}

TEST(Lexer, UnicodeWhiteSpaceSeparatesToo) {
  EXPECT_EQ(words("a\xC2\xA0"
                  "b\xE3\x80\x80"
                  "c\xE2\x80\x89"
                  "d"),
            (Words{"^1:1 a", "1:3 b", "1:5 c", "1:7 d"}));
}

TEST(Lexer, ErrorsNameThePlace) {
  EXPECT_EQ(error_of("a\n  b \"c\n\n"), "f:2:5: this '\"' is never closed; add the second '\"'");
  EXPECT_EQ(error_of("\"a\\"), "f:1:1: this '\"' is never closed; add the second '\"'");
  EXPECT_EQ(error_of("\"a\\\""), "f:1:1: this '\"' is never closed; add the second '\"'");
  EXPECT_EQ(error_of(std::string_view("a\nb\0c", 5)),
            "f:2:2: there is a NUL octet here; a Corefile is UTF-8 text, so check what this file "
            "is");
  EXPECT_EQ(error_of(std::string_view("# \0", 3)),
            "f:1:3: there is a NUL octet here; a Corefile is UTF-8 text, so check what this file "
            "is");
}

TEST(Lexer, Limits) {
  std::string many;
  for (std::size_t i = 0; i < kMaxTokens; ++i) many += "a\n";
  EXPECT_EQ(lex(many, "f").size(), kMaxTokens);
  EXPECT_EQ(error_of(many + "b"),
            "f:262145:1: more than 262144 words in one file; check that it is "
            "a Corefile");
  EXPECT_EQ(lex(std::string(kMaxCorefileSize, ' '), "f").size(), 0U);
  EXPECT_EQ(error_of(std::string(kMaxCorefileSize + 1, ' ')),
            "f: the file has 1048577 octets; the limit is 1048576; split it, or check that it is a "
            "Corefile");
}

}  // namespace
}  // namespace clusterdns::app
