#include "app/corefile/print.h"

#include <gtest/gtest.h>

#include <string>

#include "app/corefile/parser.h"

namespace clusterdns::app {
namespace {

TEST(Print, WordsAreQuotedOnlyWhenTheyMustBe) {
  EXPECT_EQ(quote_word("a"), "a");
  EXPECT_EQ(quote_word("/etc/resolv.conf"), "/etc/resolv.conf");
  EXPECT_EQ(quote_word("}}"), "}}");
  EXPECT_EQ(quote_word("{{"), "\"{{\"");
  EXPECT_EQ(quote_word("a\\"), "a\\");
  EXPECT_EQ(quote_word("a\"b"), "a\"b");
  EXPECT_EQ(quote_word(""), "\"\"");
  EXPECT_EQ(quote_word("{"), "\"{\"");
  EXPECT_EQ(quote_word("}"), "\"}\"");
  EXPECT_EQ(quote_word("import"), "\"import\"");
  EXPECT_EQ(quote_word("a b"), "\"a b\"");
  EXPECT_EQ(quote_word("a\xC2\xA0"
                       "b"),
            "\"a\xC2\xA0"
            "b\"");
  EXPECT_EQ(quote_word("a#b"), "\"a#b\"");
  EXPECT_EQ(quote_word("\"a"), "\"\\\"a\"");
  EXPECT_EQ(quote_word("a\nb"), "\"a\nb\"");
}

TEST(Print, SomeTextsHaveNoWrittenForm) {
  EXPECT_TRUE(can_be_written("a b"));
  EXPECT_TRUE(can_be_written("say \"hi\""));
  EXPECT_TRUE(can_be_written("C:\\x"));
  EXPECT_TRUE(can_be_written(""));
  EXPECT_FALSE(can_be_written("a b\\"));
  EXPECT_FALSE(can_be_written("a \\\"b"));
  EXPECT_FALSE(can_be_written("{$HOME}"));
  EXPECT_FALSE(can_be_written("{%HOME%}"));
  EXPECT_FALSE(can_be_written(std::string_view("a\0b", 3)));
}

TEST(Print, ParsingWhatWasPrintedGivesTheSame) {
  const std::string text = R"(# comment
(s) {
  errors
}
EXAMPLE.org:53, tls://example.org 10.0.0.0/23 {
  import s
  template IN A "a b" "#" "{" "}" x\y "\"q\"" "back\\" "multi
line" {
    answer "{{ .Name }} 60 IN A 192.0.2.1"
    "quoted name" ""
    empty {
    }
  }
}
)";
  const std::string once = print_corefile(parse_corefile(text, "f"));
  EXPECT_EQ(once, R"(example.org.:53 tls://example.org. 0.0.10.in-addr.arpa. 1.0.10.in-addr.arpa. {
    errors
    template IN A "a b" "#" "{" "}" x\y "\"q\"" back\\ "multi
line" {
        answer "{{ .Name }} 60 IN A 192.0.2.1"
        "quoted name" ""
        empty {
        }
    }
}
)");
  EXPECT_EQ(print_corefile(parse_corefile(once, "g")), once);
}

}  // namespace
}  // namespace clusterdns::app
