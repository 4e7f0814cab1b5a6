#include "app/corefile/print.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include "app/corefile/error.h"
#include "app/corefile/lexer.h"

namespace clusterdns::app {
namespace {

constexpr std::size_t kIndent = 4;

bool is_one_plain_word(std::string_view text) {
  if (text.empty() || text.ends_with('{') || text == "}" || text == "import") return false;
  // The lexer decides, so that the two never disagree about white space.
  try {
    const auto words = lex(text, {});
    return words.size() == 1 && !words[0].token.quoted && words[0].token.text == text;
  } catch (const ConfigError&) {
    return false;
  }
}

void print_lines(const std::vector<Directive>& lines, std::size_t level, std::string& out) {
  for (const Directive& line : lines) {
    out.append(level * kIndent, ' ');
    out += quote_word(line.name.text);
    for (const Token& arg : line.args) out += " " + quote_word(arg.text);
    if (line.has_block) {
      out += " {\n";
      print_lines(line.block, level + 1, out);
      out.append(level * kIndent, ' ');
      out += "}";
    }
    out += "\n";
  }
}

}  // namespace

std::string quote_word(std::string_view text) {
  if (is_one_plain_word(text)) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

bool can_be_written(std::string_view text) {
  for (const std::string_view open : {"{$", "{%"}) {
    if (text.find(open) != std::string_view::npos) return false;
  }
  try {
    const auto words = lex(quote_word(text), {});
    return words.size() == 1 && words[0].token.text == text;
  } catch (const ConfigError&) {
    return false;
  }
}

std::string print_corefile(const Corefile& corefile) {
  std::string out;
  for (const ServerBlock& block : corefile.blocks) {
    if (!out.empty()) out += "\n";
    for (const ZoneKey& key : block.keys) {
      std::string text = key.scheme == "dns" ? "" : key.scheme + "://";
      text += key.zone;
      if (key.port) text += ":" + std::to_string(*key.port);
      out += quote_word(text) + " ";
    }
    out += "{\n";
    print_lines(block.directives, 1, out);
    out += "}\n";
  }
  return out;
}

}  // namespace clusterdns::app
