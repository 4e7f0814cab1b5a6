// Text to words: the lexical half of the Corefile grammar.
//
// Words are separated by white space (Unicode's, as CoreDNS has it). A word that starts with `"`
// goes on to the next `"`, over line ends too; inside, `\"` is a quote and any other backslash
// stands for itself. `#` where a word could start makes a comment up to the end of the line; inside
// a word it drops the rest of that word only, as CoreDNS does (`10.0.0.1#53` is 10.0.0.1). Carriage
// returns outside quotes are dropped, and so is a leading UTF-8 byte order mark. Braces are words
// of their own only when white space surrounds them: `health{` is one word.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "app/corefile/ast.h"

namespace clusterdns::app {

struct LexedToken {
  Token token;
  bool first_on_line = false;
  bool cut = false;  // a '#' inside the word dropped its end
  // Where it stands in the text, in octets, with its quotes; `end` is behind it.
  std::size_t begin = 0, end = 0;

  [[nodiscard]] bool is(std::string_view word) const { return !token.quoted && token.text == word; }
};

// Throws ConfigError when `text` is longer than kMaxCorefileSize, holds a NUL or more than
// kMaxTokens words, or when a quote is not closed. Environment references are left as they are.
[[nodiscard]] std::vector<LexedToken> lex(std::string_view text, const std::string& file_name);

// Octets of the white space that `text` begins with: one character at most; 0: another one.
[[nodiscard]] std::size_t white_space_at(std::string_view text) noexcept;

}  // namespace clusterdns::app
