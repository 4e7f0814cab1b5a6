#include "app/corefile/parser.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <set>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "app/corefile/files.h"
#include "app/corefile/lexer.h"
#include "app/corefile/limits.h"
#include "app/corefile/suggest.h"
#include "app/corefile/zone_key.h"

namespace clusterdns::app {
namespace {

using Tokens = std::vector<LexedToken>;

std::string in_quotes(std::string_view text) { return "'" + std::string(text) + "'"; }

// The words still to be read of one file or snippet.
class Cursor {
 public:
  explicit Cursor(const Tokens& tokens) : tokens_(tokens) {}

  [[nodiscard]] bool at_end() const { return next_ == tokens_.size(); }
  // Valid unless at_end().
  [[nodiscard]] const LexedToken& peek() const { return tokens_[next_]; }
  const LexedToken& take() { return tokens_[next_++]; }
  [[nodiscard]] std::size_t index() const { return next_; }
  [[nodiscard]] const LexedToken& at(std::size_t index) const { return tokens_[index]; }
  // Whether another word follows on the line of the last one.
  [[nodiscard]] bool line_goes_on() const { return !at_end() && !peek().first_on_line; }
  [[nodiscard]] bool next_is(std::string_view word) const { return !at_end() && peek().is(word); }

 private:
  std::span<const LexedToken> tokens_;
  std::size_t next_ = 0;
};

struct Snippet {
  Position at;
  Tokens tokens;
};

// What is being imported right now, for cycles and for telling how the parser got here.
struct Import {
  std::string identity;  // equal for the same snippet, or the same file by whatever path
  std::string name;      // as people know it
  Position from;         // the `import` word; line 0 for the Corefile itself
};

class Parser {
 public:
  explicit Parser(const ParseOptions& options) : options_(options) {}

  Corefile parse(std::string_view text, const std::string& file_name) {
    result_.files.push_back(file_name);
    imports_.push_back({file_identity(file_name), file_name, {}});
    const Tokens tokens = read_tokens(text, file_name);
    Cursor cursor(tokens);
    parse_blocks(cursor);
    check_duplicates();
    return std::move(result_);
  }

 private:
  // ---- errors -----------------------------------------------------------------------------------

  [[nodiscard]] ConfigError error(const Position& at, const std::string& message) const {
    std::string chain;
    for (auto step = imports_.rbegin(); step != imports_.rend(); ++step) {
      if (step->from.line == 0) continue;
      chain += (chain.empty() ? " (imported at " : ", from ") + to_string(step->from);
    }
    return {at, message + (chain.empty() ? "" : chain + ")")};
  }

  void warn(const Position& at, std::string message) {
    result_.warnings.push_back({at, std::move(message)});
  }

  // ---- words ------------------------------------------------------------------------------------

  Tokens read_tokens(std::string_view text, const std::string& file_name) {
    Tokens tokens = lex(text, file_name);
    for (LexedToken& lexed : tokens) {
      Token& token = lexed.token;
      if (lexed.cut) {
        warn(token.at, "the '#' in the word that starts with " + in_quotes(token.text) +
                           " drops only the rest of the word; put white space before a comment, or "
                           "the word in quotes");
      }
      if (token.text.find("{$") != std::string::npos ||
          token.text.find("{%") != std::string::npos) {
        replace_environment(token);
      }
    }
    return tokens;
  }

  void replace_environment(Token& token) {
    std::string text;
    std::string_view rest = token.text;
    bool replaced = false;
    while (!rest.empty()) {
      const bool windows = rest.starts_with("{%");
      if (windows || rest.starts_with("{$")) {
        const std::string_view close = windows ? "%}" : "}";
        const auto end = rest.find(close, 2);
        if (end != std::string_view::npos && end > 2) {
          const std::string name(rest.substr(2, end - 2));
          if (const auto value = variable(name)) {
            text += *value;
          } else {
            warn(token.at, "the environment variable " + in_quotes(name) +
                               " is not set; nothing stands in its place");
          }
          rest.remove_prefix(end + close.size());
          replaced = true;
          continue;
        }
      }
      text += rest.front();
      rest.remove_prefix(1);
    }
    if (!replaced) return;
    token.text = std::move(text);
    token.quoted = true;
  }

  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const {
    if (options_.environment) return options_.environment(name);
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  }

  void count_word(const Token& token) {
    if (++words_ > kMaxTokens) {
      throw error(token.at, "more than " + std::to_string(kMaxTokens) +
                                " words after all imports; look for snippets or files that import "
                                "each other many times");
    }
  }

  // ---- server blocks ----------------------------------------------------------------------------

  void parse_blocks(Cursor& cursor) {
    while (!cursor.at_end()) {
      const Token& first = cursor.peek().token;
      if (cursor.next_is("import")) {
        expand_import(cursor, [this](Cursor& imported) { parse_blocks(imported); });
      } else if (cursor.next_is("}")) {
        throw error(first.at,
                    "this '}' has no matching '{'; remove it, or look for a '{' without "
                    "white space around it above" +
                        glued_hint());
      } else if (cursor.next_is("{")) {
        throw error(first.at, "no zone stands before this '{'; write one, '.' is the root zone");
      } else {
        parse_block(cursor);
      }
    }
  }

  void parse_block(Cursor& cursor) {
    const std::vector<Token> words = key_words(cursor);
    if (words.size() == 1 && words[0].text.starts_with('(')) {
      define_snippet(cursor, words[0]);
      return;
    }
    ServerBlock block;
    block.at = words.empty() ? Position{} : words.front().at;
    for (const Token& word : words) {
      for (ZoneKey& key : keys_of(word)) block.keys.push_back(std::move(key));
    }
    if (block.keys.empty()) {
      if (!cursor.at_end()) {
        throw error(cursor.peek().token.at,
                    "the server block here has no zone; write one, '.' is the root zone");
      }
      return;
    }
    if (cursor.next_is("{")) {
      const Position open = cursor.take().token.at;
      parse_lines(cursor, block.directives, &open, 0);
    } else {
      parse_lines(cursor, block.directives, nullptr, 0);
    }
    result_.blocks.push_back(std::move(block));
  }

  // The words before `{` or the end of the line, without the commas.
  std::vector<Token> key_words(Cursor& cursor) {
    std::vector<Token> words;
    bool comma = false;
    do {
      if (cursor.next_is("{")) break;
      if (cursor.next_is("}")) {
        throw error(cursor.peek().token.at,
                    "a '}' between zones; put '{' and the directives before it");
      }
      Token token = cursor.take().token;
      count_word(token);
      comma = token.text.ends_with(',');
      // CoreDNS takes a comma inside a word for a part of the name; nobody means that.
      std::size_t start = 0;
      while (start <= token.text.size()) {
        const std::size_t end = std::min(token.text.find(',', start), token.text.size());
        if (end > start) {
          Token part = token;
          part.text = token.text.substr(start, end - start);
          part.at.column += static_cast<int>(token.quoted ? 0 : start);
          words.push_back(std::move(part));
        }
        start = end + 1;
      }
      if (comma && (cursor.at_end() || cursor.next_is("{"))) {
        throw error(token.at, "another zone is expected after the comma of " +
                                  in_quotes(token.text) + "; write it, or remove the comma");
      }
    } while (comma || cursor.line_goes_on());
    return words;
  }

  std::vector<ZoneKey> keys_of(const Token& word) {
    if (!word.quoted && word.text.size() > 1 && word.text.ends_with('{')) {
      throw error(word.at, "put white space before the '{' of " + in_quotes(word.text));
    }
    if (word.text.starts_with('(')) {
      throw error(word.at, in_quotes(word.text) +
                               " is not a zone; a snippet has one name in parentheses, without "
                               "blanks");
    }
    if (word.text == "{}") {
      throw error(word.at, "put white space between '{' and '}'");
    }
    try {
      return parse_zone_key(word.text, word.at, result_.warnings);
    } catch (const ConfigError& e) {
      throw error(e.at(), e.message());
    }
  }

  void define_snippet(Cursor& cursor, const Token& key) {
    if (!key.text.ends_with(')') || key.text.size() < 3) {
      throw error(key.at, in_quotes(key.text) +
                              " is not a snippet's name; write it like (common), without blanks");
    }
    const std::string name = key.text.substr(1, key.text.size() - 2);
    if (!cursor.next_is("{")) {
      throw error(key.at,
                  "the snippet " + in_quotes(name) + " wants its lines between '{' and '}'");
    }
    if (const auto old = snippets_.find(name); old != snippets_.end()) {
      throw error(key.at, "the snippet " + in_quotes(name) + " was defined before at " +
                              to_string(old->second.at) + "; rename one of them");
    }
    const Position open = cursor.take().token.at;
    Snippet snippet{key.at, {}};
    for (std::size_t depth = 1;;) {
      if (cursor.at_end()) throw unclosed(open);
      if (cursor.next_is("{")) ++depth;
      if (cursor.next_is("}") && --depth == 0) break;
      count_word(cursor.peek().token);
      snippet.tokens.push_back(cursor.take());
    }
    cursor.take();
    if (!snippet.tokens.empty()) snippet.tokens.front().first_on_line = true;
    snippets_.emplace(name, std::move(snippet));
  }

  // ---- lines ------------------------------------------------------------------------------------

  [[nodiscard]] ConfigError unclosed(const Position& open) const {
    return error(open, "this '{' is never closed; add the '}' that belongs to it");
  }

  // Reads lines up to the `}` that matches the brace at `open`, or, without one, to the end.
  // `level` counts the blocks around them: 0 for the directives of a server block.
  void parse_lines(Cursor& cursor, std::vector<Directive>& lines, const Position* open,
                   std::size_t level) {
    if (level > kMaxBlockDepth) {
      throw error(open != nullptr ? *open : imports_.back().from,
                  "more than " + std::to_string(kMaxBlockDepth) +
                      " blocks inside each other; look for a missing '}'");
    }
    for (;;) {
      if (cursor.at_end()) {
        if (open != nullptr) throw unclosed(*open);
        break;
      }
      const LexedToken& first = cursor.peek();
      if (first.is("}")) {
        if (open == nullptr) {
          throw error(first.token.at, "this '}' has no matching '{'; remove it" + glued_hint());
        }
        if (!first.first_on_line && cursor.index() > 0 && !cursor.at(cursor.index() - 1).is("{")) {
          warn(first.token.at, "CoreDNS wants this '}' on a line of its own");
        }
        cursor.take();
        break;
      }
      if (first.is("{")) {
        throw error(first.token.at, "a line cannot start with '{'; write a name before it");
      }
      if (first.is("import")) {
        expand_import(cursor,
                      [&](Cursor& imported) { parse_lines(imported, lines, nullptr, level); });
      } else {
        lines.push_back(parse_line(cursor, open, level));
      }
    }
  }

  Directive parse_line(Cursor& cursor, const Position* open, std::size_t level) {
    Directive line;
    line.name = cursor.take().token;
    count_word(line.name);
    check_name(line.name, open, level);
    while (cursor.line_goes_on() && !cursor.next_is("{") && !cursor.next_is("}")) {
      line.args.push_back(cursor.take().token);
      const Token& arg = line.args.back();
      count_word(arg);
      if (!arg.quoted && arg.text.size() > 1 && arg.text.ends_with('{')) glued_ = arg.at;
    }
    if (cursor.next_is("{")) {
      if (cursor.peek().first_on_line) {
        warn(cursor.peek().token.at,
             "CoreDNS wants this '{' on the line of " + in_quotes(line.name.text));
      }
      const Position brace = cursor.take().token.at;
      line.has_block = true;
      parse_lines(cursor, line.block, &brace, level + 1);
      if (cursor.line_goes_on() && !cursor.next_is("}")) {
        const Token& next = cursor.peek().token;
        throw error(next.at, in_quotes(next.text) + " follows a '}'; start it on a new line");
      }
    }
    return line;
  }

  void check_name(const Token& name, const Position* open, std::size_t level) const {
    if (name.text.empty()) {
      throw error(name.at,
                  "an empty word where a name is expected; check the quotes, or the "
                  "environment variable it came from");
    }
    if (!name.quoted && name.text.ends_with('{')) {
      throw error(name.at, "put white space before the '{' of " + in_quotes(name.text));
    }
    // Names inside a directive's block may be anything: `hosts` has addresses there.
    if (level > 0) return;
    if (name.text.find_first_of(".:(") == std::string::npos) return;
    if (open != nullptr) {
      throw error(name.at, in_quotes(name.text) +
                               " is not a directive; is the '}' of the server block opened at " +
                               to_string(*open) + " missing above it?");
    }
    if (imports_.size() > 1) {
      throw error(name.at, in_quotes(name.text) +
                               " is not a directive; import files with server blocks outside the "
                               "server blocks");
    }
    throw error(name.at, in_quotes(name.text) +
                             " is not a directive; with more than one server block each needs "
                             "'{' and '}' around its directives");
  }

  [[nodiscard]] std::string glued_hint() const {
    if (!glued_) return "";
    return "; the '{' at " + to_string(*glued_) + " has no white space before it";
  }

  // ---- import -----------------------------------------------------------------------------------

  // Reads `import PATTERN` and calls `parse` on the words of each snippet or file it names.
  template <typename Parse>
  void expand_import(Cursor& cursor, const Parse& parse) {
    const Position at = cursor.take().token.at;
    if (!cursor.line_goes_on() || cursor.next_is("{") || cursor.next_is("}")) {
      throw error(at, "import wants a file, a pattern or a snippet; write one after it");
    }
    const Token& argument = cursor.take().token;
    count_word(argument);
    if (cursor.line_goes_on() && !cursor.next_is("}")) {
      const Token& surplus = cursor.peek().token;
      throw error(surplus.at, "import takes one file, pattern or snippet; put " +
                                  in_quotes(surplus.text) + " on a line of its own");
    }
    if (argument.text.empty()) {
      throw error(argument.at, "import of nothing; check the quotes, or the environment variable");
    }
    if (++import_count_ > kMaxImports) {
      throw error(at, "more than " + std::to_string(kMaxImports) + " imports; remove some");
    }
    if (const auto snippet = snippets_.find(argument.text); snippet != snippets_.end()) {
      enter({"(" + argument.text + ")", "(" + argument.text + ")", at});
      Cursor imported(snippet->second.tokens);
      parse(imported);
      imports_.pop_back();
      return;
    }
    for (const std::filesystem::path& file : files_of(argument)) {
      const std::string text = read_imported(file, argument);
      enter({file_identity(file), file.string(), at});
      const Tokens tokens = read_tokens(text, file.string());
      Cursor imported(tokens);
      parse(imported);
      imports_.pop_back();
    }
  }

  void enter(Import step) {
    for (std::size_t i = 0; i < imports_.size(); ++i) {
      if (imports_[i].identity != step.identity) continue;
      std::string path;
      for (std::size_t j = i; j < imports_.size(); ++j) path += imports_[j].name + " -> ";
      throw error(step.from, step.name + " imports itself (" + path + step.name +
                                 "); remove one of the imports");
    }
    if (imports_.size() > kMaxImportDepth) {
      throw error(step.from, "more than " + std::to_string(kMaxImportDepth) +
                                 " imports inside each other; import the last one directly");
    }
    imports_.push_back(std::move(step));
  }

  std::vector<std::filesystem::path> files_of(const Token& pattern) {
    // "stdin" and the like have no folder, which leaves the working directory.
    const std::filesystem::path folder = std::filesystem::path(pattern.at.file).parent_path();
    const std::filesystem::path whole = (folder / pattern.text).lexically_normal();
    if (!has_wildcard(pattern.text)) {
      std::error_code ignored;
      if (!std::filesystem::exists(whole, ignored)) {
        throw error(pattern.at, "no file " + in_quotes(whole.string()) + " and no snippet (" +
                                    pattern.text + ") above this line; " +
                                    snippet_hint(pattern.text));
      }
      return {whole};
    }
    const auto count = [&](char c) {
      return std::count(pattern.text.begin(), pattern.text.end(), c);
    };
    if (count('*') > 1 || count('?') > 1 || count('[') > 0 || count(']') > 0) {
      throw error(pattern.at, "the pattern " + in_quotes(pattern.text) +
                                  " has more than one '*' or '?', or a '['; CoreDNS takes one, use "
                                  "several imports");
    }
    result_.import_patterns.push_back(whole.string());
    auto files = matching_files(folder, pattern.text);
    if (files.empty()) {
      warn(pattern.at, "no file matches " + in_quotes(pattern.text) + "; nothing is imported");
    }
    if (files.size() > kMaxImports) {
      throw error(pattern.at, in_quotes(pattern.text) + " matches " + std::to_string(files.size()) +
                                  " files, the limit is " + std::to_string(kMaxImports));
    }
    return files;
  }

  [[nodiscard]] std::string snippet_hint(const std::string& wanted) const {
    std::vector<std::string_view> names;
    for (const auto& [name, snippet] : snippets_) names.push_back(name);
    if (const auto nearest = nearest_word(wanted, names)) {
      return "did you mean the snippet '" + std::string(*nearest) + "'?";
    }
    return "check the path, it starts at the folder of the file that imports";
  }

  std::string read_imported(const std::filesystem::path& file, const Token& pattern) {
    std::error_code ignored;
    const auto type = std::filesystem::status(file, ignored).type();
    // What is missing, or a folder, is reported by the attempt to read it.
    if (type != std::filesystem::file_type::regular &&
        type != std::filesystem::file_type::directory &&
        type != std::filesystem::file_type::not_found) {
      throw error(pattern.at, in_quotes(file.string()) +
                                  " is not a regular file; import files that can be read again");
    }
    std::string text;
    try {
      text = read_config_file(file, pattern.at);
    } catch (const ConfigError& e) {
      throw error(e.at(), e.message());
    }
    octets_ += text.size();
    if (octets_ > kMaxImportedSize) {
      throw error(pattern.at, "the imports have more than " + std::to_string(kMaxImportedSize) +
                                  " octets in all; look for a file that is imported many times");
    }
    if (std::find(result_.files.begin(), result_.files.end(), file.string()) ==
        result_.files.end()) {
      result_.files.push_back(file.string());
    }
    return text;
  }

  static std::string file_identity(const std::filesystem::path& file) {
    std::error_code failed;
    const auto canonical = std::filesystem::weakly_canonical(file, failed);
    return failed ? file.string() : canonical.string();
  }

  // ---- duplicates -------------------------------------------------------------------------------

  // The addresses of a block's `bind` lines, none of which means all addresses.
  static std::set<std::string> bound_addresses(const ServerBlock& block) {
    std::set<std::string> addresses;
    for (const Directive& directive : block.directives) {
      if (directive.name.text != "bind") continue;
      for (const Token& arg : directive.args) addresses.insert(arg.text);
    }
    return addresses;
  }

  static bool has_view(const ServerBlock& block) {
    return std::any_of(block.directives.begin(), block.directives.end(),
                       [](const Directive& directive) { return directive.name.text == "view"; });
  }

  void check_duplicates() const {
    struct Claim {
      const ZoneKey* key;
      std::size_t block;
    };
    std::map<std::string, std::vector<Claim>> claims;
    std::vector<std::set<std::string>> bound;
    for (std::size_t b = 0; b < result_.blocks.size(); ++b) {
      const ServerBlock& block = result_.blocks[b];
      bound.push_back(bound_addresses(block));
      if (has_view(block)) continue;
      for (const ZoneKey& key : block.keys) {
        const std::string name = key.scheme + "://" + key.zone + ":" +
                                 std::to_string(effective_port(key, options_.dns_port));
        for (const Claim& other : claims[name]) {
          if (other.block != b && !overlap(bound[other.block], bound[b])) continue;
          throw ConfigError(key.at, name + " is served by another block already, at " +
                                        to_string(other.key->at) +
                                        "; join the two, or give one another port or `bind`");
        }
        claims[name].push_back({&key, b});
      }
    }
  }

  static bool overlap(const std::set<std::string>& a, const std::set<std::string>& b) {
    if (a.empty() || b.empty()) return true;
    return std::any_of(a.begin(), a.end(),
                       [&](const std::string& address) { return b.contains(address); });
  }

  const ParseOptions& options_;
  Corefile result_;
  std::map<std::string, Snippet> snippets_;
  std::vector<Import> imports_;
  std::size_t import_count_ = 0;
  std::size_t words_ = 0;
  std::size_t octets_ = 0;
  std::optional<Position> glued_;
};

}  // namespace

Corefile parse_corefile(std::string_view text, const std::string& file_name,
                        const ParseOptions& options) {
  return Parser(options).parse(text, file_name);
}

Corefile load_corefile(const std::filesystem::path& path, const ParseOptions& options) {
  const std::string name = path.string();
  return parse_corefile(read_config_file(path, {name, 0, 0}), name, options);
}

}  // namespace clusterdns::app
