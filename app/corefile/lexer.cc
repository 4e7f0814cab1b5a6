#include "app/corefile/lexer.h"

#include <cstddef>
#include <cstdint>
#include <utility>

#include "app/corefile/error.h"
#include "app/corefile/limits.h"
#include "dns/base/byte_order_mark.h"

namespace clusterdns::app {
namespace {

// One character of UTF-8. Octets that are not UTF-8 count as one character each and pass through:
// the words they end up in are judged by whoever uses them.
struct Character {
  char32_t code = 0;
  std::size_t length = 1;
};

Character decode(std::string_view text) {
  const auto octet = [&](std::size_t i) {
    return i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{0};
  };
  const std::uint8_t first = octet(0);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 1;
  char32_t code = length == 4 ? first & 0x07U : length == 3 ? first & 0x0FU : first & 0x1FU;
  if (length == 1) return {0xFFFD, 1};
  for (std::size_t i = 1; i < length; ++i) {
    if ((octet(i) & 0xC0U) != 0x80U) return {0xFFFD, 1};
    code = (code << 6) | (octet(i) & 0x3FU);
  }
  return {code, length};
}

// White_Space of Unicode. Text copied from web pages brings no-break spaces along.
bool is_space(char32_t code) {
  switch (code) {
    case U'\t':
    case U'\n':
    case U'\v':
    case U'\f':
    case U'\r':
    case U' ':
    case 0x85:
    case 0xA0:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x202F:
    case 0x205F:
    case 0x3000: return true;
    default: return code >= 0x2000 && code <= 0x200A;
  }
}

class Lexer {
 public:
  Lexer(std::string_view text, const std::string& file_name)
      : size_(text.size()), text_(text), file_(file_name) {
    if (text.size() > kMaxCorefileSize) {
      throw ConfigError({file_, 0, 0}, "the file has " + std::to_string(text.size()) +
                                           " octets; the limit is " +
                                           std::to_string(kMaxCorefileSize) +
                                           "; split it, or check that it is a Corefile");
    }
    if (const char* const foreign = dns::foreign_encoding(text)) {
      throw ConfigError({file_, 0, 0}, std::string("the file ") + foreign);
    }
    text_ = dns::without_byte_order_mark(text);
  }

  std::vector<LexedToken> run() {
    while (!text_.empty()) {
      const Character c = peek();
      if (c.code == U'#') {
        while (!text_.empty() && peek().code != U'\n') skip(peek());
      } else if (is_space(c.code)) {
        if (c.code == U'\n') fresh_line_ = true;
        skip(c);
      } else if (c.code == U'"') {
        quoted_word(c);
      } else {
        plain_word();
      }
    }
    return std::move(tokens_);
  }

 private:
  [[nodiscard]] Position here() const { return {file_, line_, column_}; }

  Character peek() const {
    const Character c = decode(text_);
    if (c.code == 0) {
      throw ConfigError(here(),
                        "there is a NUL octet here; a Corefile is UTF-8 text, so check "
                        "what "
                        "this file is");
    }
    return c;
  }

  void skip(const Character& c) {
    text_.remove_prefix(c.length);
    if (c.code == U'\n') {
      ++line_;
      column_ = 1;
    } else {
      ++column_;
    }
  }

  // Octets that have been read.
  [[nodiscard]] std::size_t offset() const { return size_ - text_.size(); }

  // A word from `begin` to here.
  void add(std::string text, Position at, std::size_t begin, bool quoted, bool cut = false) {
    if (tokens_.size() == kMaxTokens) {
      throw ConfigError(std::move(at), "more than " + std::to_string(kMaxTokens) +
                                           " words in one file; check that it is a Corefile");
    }
    tokens_.push_back(
        {{std::move(text), std::move(at), quoted}, fresh_line_, cut, begin, offset()});
    fresh_line_ = false;
  }

  void quoted_word(const Character& quote) {
    Position at = here();
    const std::size_t begin = offset();
    std::string text;
    skip(quote);
    while (!text_.empty()) {
      const Character c = peek();
      if (c.code == U'"') {
        skip(c);
        add(std::move(text), std::move(at), begin, true);
        return;
      }
      if (c.code == U'\\' && text_.size() > 1) {
        skip(c);
        const Character escaped = peek();
        if (escaped.code != U'"') text += '\\';
        text += text_.substr(0, escaped.length);
        skip(escaped);
        continue;
      }
      text += text_.substr(0, c.length);
      skip(c);
    }
    throw ConfigError(std::move(at), "this '\"' is never closed; add the second '\"'");
  }

  void plain_word() {
    Position at = here();
    const std::size_t begin = offset();
    std::string text;
    bool cut = false;
    while (!text_.empty()) {
      const Character c = peek();
      if (c.code != U'\r') {
        if (is_space(c.code)) break;
        cut = cut || c.code == U'#';
        if (!cut) text += text_.substr(0, c.length);
      }
      skip(c);
    }
    add(std::move(text), std::move(at), begin, false, cut);
  }

  const std::size_t size_;
  std::string_view text_;
  const std::string& file_;
  int line_ = 1;
  int column_ = 1;
  bool fresh_line_ = true;
  std::vector<LexedToken> tokens_;
};

}  // namespace

std::size_t white_space_at(std::string_view text) noexcept {
  if (text.empty()) return 0;
  const Character c = decode(text);
  return is_space(c.code) ? c.length : 0;
}

std::vector<LexedToken> lex(std::string_view text, const std::string& file_name) {
  return Lexer(text, file_name).run();
}

}  // namespace clusterdns::app
