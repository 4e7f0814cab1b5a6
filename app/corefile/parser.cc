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
#include "app/corefile/paths.h"
#include "app/corefile/suggest.h"
#include "app/corefile/zone_key.h"

namespace clusterdns::app {
namespace {

using Tokens = std::vector<LexedToken>;

// Octets of a directive's or an option's name in Position::subject, which every word carries.
constexpr std::size_t kMaxSubject = 40;

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

// A limit is exceeded: there is no going on.
struct LimitExceeded {
  ConfigError error;
};

class Parser {
 public:
  Parser(const ParseOptions& options, Problems& problems)
      : options_(options), problems_(problems) {}

  Corefile parse(std::string_view text, const std::string& file_name) {
    result_.files.push_back(file_name);
    imports_.push_back({file_identity(file_name), file_name, {}});
    try {
      if (looks_like_manifest(text)) {
        throw ConfigError({file_name, 0, 0, {}},
                          "this is a Kubernetes manifest, not a Corefile; manifests are served by "
                          "`clusterdns serve -m FILE`");
      }
      const Tokens tokens = read_tokens(text, file_name);
      Cursor cursor(tokens);
      parse_blocks(cursor);
      if (result_.whole) check_duplicates();
    } catch (const ConfigError& e) {
      lose_track(e);
    } catch (const LimitExceeded& e) {
      lose_track(e.error);
    }
    return std::move(result_);
  }

 private:
  // ---- errors -----------------------------------------------------------------------------------
  //
  // problem() is for what can be left out; what comes behind it is read as ever. A ConfigError is
  // thrown where braces do not fit, so that nobody can tell what belongs to what: it ends the file.

  [[nodiscard]] ConfigError error(const Position& at, const std::string& message) const {
    std::string chain;
    for (auto step = imports_.rbegin(); step != imports_.rend(); ++step) {
      if (step->from.line == 0) continue;
      chain += (chain.empty() ? " (imported at " : ", from ") + to_string(step->from);
    }
    return {at, message + (chain.empty() ? "" : chain + ")")};
  }

  // Once for a place, by however many ways it is imported.
  void problem(const Position& at, const std::string& message) {
    if (known_.insert(to_string(at) + " " + message).second) problems_.add(error(at, message));
  }

  void lose_track(const ConfigError& e) {
    problems_.add(e);
    result_.whole = false;
  }

  void warn(const Position& at, std::string message) {
    if (result_.warnings.size() >= kMaxProblems) return;
    if (!known_.insert(to_string(at) + " " + message).second) return;
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
                               " is not set; it is replaced by nothing");
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
      throw LimitExceeded{error(token.at, "more than " + std::to_string(kMaxTokens) +
                                              " words after all imports; look for snippets or "
                                              "files that import each other many times")};
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
    if (words.empty()) {
      if (cursor.at_end()) return;
      block.at = cursor.peek().token.at;
      problem(block.at, "there is no zone before this " + in_quotes(cursor.peek().token.text) +
                            "; write one ('.' is the root zone)");
    } else {
      block.at = words.front().at;
    }
    for (const Token& word : words) {
      for (ZoneKey& key : keys_of(word)) block.keys.push_back(std::move(key));
    }
    if (block.keys.empty()) {
      // All of them are wrong. Its directives are judged all the same, with a zone that nobody has.
      without_zone_.insert(result_.blocks.size());
      block.keys.push_back({"dns", ".", 0, block.at});
    }
    if (cursor.next_is("{")) {
      const Position open = cursor.take().token.at;
      parse_lines(cursor, block.directives, &open, {}, 0);
    } else {
      parse_lines(cursor, block.directives, nullptr, {}, 0);
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
        problem(token.at, "another zone is expected after the comma of " + in_quotes(token.text) +
                              "; write it, or remove the comma");
        break;
      }
    } while (comma || cursor.line_goes_on());
    return words;
  }

  std::vector<ZoneKey> keys_of(const Token& word) {
    if (!word.quoted && word.text.size() > 1 && word.text.ends_with('{')) {
      throw error(word.at, "put white space before the '{' of " + in_quotes(word.text));
    }
    if (word.text.starts_with('(')) {
      problem(word.at, in_quotes(word.text) +
                           " is not a zone; a snippet has one name in parentheses, without spaces");
      return {};
    }
    if (word.text == "{}") {
      throw error(word.at, "put white space between '{' and '}'");
    }
    try {
      return parse_zone_key(word.text, word.at, result_.warnings);
    } catch (const ConfigError& e) {
      problem(e.at(), e.message());
      return {};
    }
  }

  void define_snippet(Cursor& cursor, const Token& key) {
    const bool named = key.text.ends_with(')') && key.text.size() >= 3;
    if (!named) {
      problem(key.at, in_quotes(key.text) +
                          " is not a snippet's name; write it like (common), without spaces");
    }
    const std::string name = named ? key.text.substr(1, key.text.size() - 2) : "";
    if (!cursor.next_is("{")) {
      throw error(key.at,
                  "the snippet " + in_quotes(name) + " needs its lines between '{' and '}'");
    }
    if (const auto old = snippets_.find(name); old != snippets_.end()) {
      problem(key.at, "the snippet " + in_quotes(name) + " was defined before at " +
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
    if (named) snippets_.emplace(name, std::move(snippet));
  }

  // ---- lines ------------------------------------------------------------------------------------

  [[nodiscard]] ConfigError unclosed(const Position& open) const {
    return error(open, "this '{' is never closed; add the '}' that belongs to it");
  }

  // Reads lines up to the `}` that matches the brace at `open`, or, without one, to the end.
  // `level` counts the blocks around them: 0 for the directives of a server block. `subject` is
  // that of the line whose block they are.
  void parse_lines(Cursor& cursor, std::vector<Directive>& lines, const Position* open,
                   const std::string& subject, std::size_t level) {
    if (level > kMaxBlockDepth) {
      throw error(open != nullptr ? *open : imports_.back().from,
                  "blocks are nested more than " + std::to_string(kMaxBlockDepth) +
                      " deep; look for a missing '}'");
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
        expand_import(cursor, [&](Cursor& imported) {
          parse_lines(imported, lines, nullptr, subject, level);
        });
      } else {
        Directive line = parse_line(cursor, open, subject, level);
        if (!line.name.text.empty()) lines.push_back(std::move(line));
      }
    }
  }

  // Without a name when it has none that can be one.
  Directive parse_line(Cursor& cursor, const Position* open, const std::string& around,
                       std::size_t level) {
    Directive line;
    line.name = cursor.take().token;
    count_word(line.name);
    // Of a directive, or of an option of one; what stands deeper is about the option, too.
    const std::string name = line.name.text.substr(0, kMaxSubject);
    const std::string subject = level == 0 ? name : level == 1 ? around + ": " + name : around;
    line.name.at.subject = subject;
    while (cursor.line_goes_on() && !cursor.next_is("{") && !cursor.next_is("}")) {
      line.args.push_back(cursor.take().token);
      Token& arg = line.args.back();
      arg.at.subject = subject;
      count_word(arg);
      if (!arg.quoted && arg.text.size() > 1 && arg.text.ends_with('{')) glued_ = arg.at;
    }
    const bool good_name = check_name(line.name, open, level, cursor.next_is("{"));
    if (!good_name) line.name.text.clear();
    if (cursor.next_is("{")) {
      if (cursor.peek().first_on_line) {
        warn(cursor.peek().token.at,
             "CoreDNS wants this '{' on the line of " + in_quotes(line.name.text));
      }
      const Position brace = cursor.take().token.at;
      line.has_block = true;
      parse_lines(cursor, line.block, &brace, subject, level + 1);
      if (cursor.line_goes_on() && !cursor.next_is("}")) {
        const Token& next = cursor.peek().token;
        problem(next.at, in_quotes(next.text) + " follows a '}'; start it on a new line");
      }
    }
    return line;
  }

  // False when it was found wrong and the line has to be left out.
  bool check_name(const Token& name, const Position* open, std::size_t level, bool opens) {
    Position at = name.at;
    at.subject.clear();
    if (name.text.empty()) {
      problem(at,
              "an empty word where a name is expected; check the quotes, or the environment "
              "variable it came from");
      return false;
    }
    if (!name.quoted && name.text.ends_with('{')) {
      throw error(at, "put white space before the '{' of " + in_quotes(name.text));
    }
    // Names inside a directive's block may be anything: `hosts` has addresses there.
    if (level > 0) return true;
    if (name.text.find_first_of(".:(") == std::string::npos) return true;
    std::string why = in_quotes(name.text) + " is not a directive; ";
    if (open != nullptr) {
      why += "is the '}' of the server block opened at " + to_string(*open) + " missing above it?";
    } else if (imports_.size() > 1) {
      why += "import files with server blocks outside of server blocks";
    } else {
      why += "with more than one server block each needs '{' and '}' around its directives";
    }
    if (opens) throw error(at, why);  // a server block, by its looks
    problem(at, why);
    return false;
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
      if (cursor.next_is("{")) throw error(at, "import takes no block; remove the '{' after it");
      problem(at, "import needs a file, a pattern or a snippet; write one after it");
      return;
    }
    const Token& argument = cursor.take().token;
    count_word(argument);
    if (cursor.line_goes_on() && !cursor.next_is("}")) {
      const Token& surplus = cursor.peek().token;
      if (cursor.next_is("{")) throw error(surplus.at, "import takes no block; remove this '{'");
      problem(surplus.at, "import takes one file, pattern or snippet; put " +
                              in_quotes(surplus.text) + " on a line of its own");
      while (cursor.line_goes_on() && !cursor.next_is("{") && !cursor.next_is("}")) {
        count_word(cursor.take().token);
      }
      return;
    }
    if (argument.text.empty()) {
      problem(argument.at, "nothing to import; check the quotes or the environment variable");
      return;
    }
    if (++import_count_ > kMaxImports) {
      throw LimitExceeded{
          error(at, "more than " + std::to_string(kMaxImports) + " imports; remove some")};
    }
    if (const auto snippet = snippets_.find(argument.text); snippet != snippets_.end()) {
      const std::string name = "(" + argument.text + ")";
      read_inside({name, name, at}, [&] {
        Cursor imported(snippet->second.tokens);
        parse(imported);
      });
      return;
    }
    for (const std::filesystem::path& file : files_of(argument)) {
      const std::optional<std::string> text = read_imported(file, argument);
      if (!text) continue;
      read_inside({file_identity(file), file.string(), at}, [&] {
        const Tokens tokens = read_tokens(*text, file.string());
        Cursor imported(tokens);
        parse(imported);
      });
    }
  }

  // Calls `read` for what is imported by `step`. Its braces are its own: when they do not fit, what
  // stands around it is still clear.
  template <typename Read>
  void read_inside(Import step, const Read& read) {
    for (std::size_t i = 0; i < imports_.size(); ++i) {
      if (imports_[i].identity != step.identity) continue;
      std::string path;
      for (std::size_t j = i; j < imports_.size(); ++j) path += imports_[j].name + " -> ";
      problem(step.from,
              step.name + " imports itself (" + path + step.name + "); remove one of the imports");
      return;
    }
    if (imports_.size() > kMaxImportDepth) {
      throw LimitExceeded{error(step.from, "imports are nested more than " +
                                               std::to_string(kMaxImportDepth) +
                                               " deep; import the last one directly")};
    }
    imports_.push_back(std::move(step));
    try {
      read();
    } catch (const ConfigError& e) {
      if (known_.insert(e.what()).second) lose_track(e);
      result_.whole = false;
    }
    imports_.pop_back();
  }

  std::vector<std::filesystem::path> files_of(const Token& pattern) {
    // "stdin" and the like have no folder, which leaves the working directory.
    std::filesystem::path folder = std::filesystem::path(pattern.at.file).parent_path();
    std::string text = pattern.text;
    if (text.starts_with("~/")) {
      // What $HOME has is not a pattern.
      if (const auto home = expand_path("~"); home != "~") {
        folder = home;
        text.erase(0, 2);
      }
    }
    const std::filesystem::path whole = (folder / text).lexically_normal();
    if (!has_wildcard(text)) {
      std::error_code ignored;
      if (!std::filesystem::exists(whole, ignored)) {
        if (options_.elsewhere && pattern.text.find('/') != std::string::npos) return {};
        problem(pattern.at, "no file " + in_quotes(whole.string()) + " and no snippet (" +
                                pattern.text + ") above this line; " + snippet_hint(pattern.text));
        return {};
      }
      return {whole};
    }
    const auto count = [&](char c) {
      return std::count(pattern.text.begin(), pattern.text.end(), c);
    };
    if (count('*') > 1 || count('?') > 1 || count('[') > 0 || count(']') > 0) {
      problem(pattern.at, "the pattern " + in_quotes(pattern.text) +
                              " has more than one '*' or '?', or a '['; CoreDNS takes one, use "
                              "several imports");
      return {};
    }
    result_.import_patterns.push_back(whole.string());
    auto files = matching_files(folder, text);
    if (files.empty() && !options_.elsewhere) {
      warn(pattern.at, "no file matches " + in_quotes(pattern.text) + "; nothing is imported");
    }
    if (files.size() > kMaxImports) {
      throw LimitExceeded{
          error(pattern.at, in_quotes(pattern.text) + " matches " + std::to_string(files.size()) +
                                " files, the limit is " + std::to_string(kMaxImports))};
    }
    return files;
  }

  [[nodiscard]] std::string snippet_hint(const std::string& wanted) const {
    std::vector<std::string_view> names;
    for (const auto& [name, snippet] : snippets_) names.push_back(name);
    if (const auto nearest = nearest_word(wanted, names)) {
      return "did you mean the snippet '" + std::string(*nearest) + "'?";
    }
    return "check the path; it is relative to the folder of the importing file";
  }

  // nullopt when it cannot be read, which has been told.
  std::optional<std::string> read_imported(const std::filesystem::path& file,
                                           const Token& pattern) {
    std::error_code ignored;
    const auto type = std::filesystem::status(file, ignored).type();
    // What is missing, or a folder, is reported by the attempt to read it.
    if (type != std::filesystem::file_type::regular &&
        type != std::filesystem::file_type::directory &&
        type != std::filesystem::file_type::not_found) {
      problem(pattern.at, in_quotes(file.string()) +
                              " is not a regular file; import files that can be read again");
      return std::nullopt;
    }
    std::string text;
    try {
      text = read_config_file(file, pattern.at);
    } catch (const ConfigError& e) {
      problem(e.at(), e.message());
      return std::nullopt;
    }
    octets_ += text.size();
    if (octets_ > kMaxImportedSize) {
      throw LimitExceeded{error(pattern.at, "the imports have more than " +
                                                std::to_string(kMaxImportedSize) +
                                                " octets in all; look for a file that is imported "
                                                "many times")};
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

  void check_duplicates() {
    struct Claim {
      const ZoneKey* key;
      std::size_t block;
    };
    std::map<std::string, std::vector<Claim>> claims;
    std::vector<std::set<std::string>> bound;
    for (std::size_t b = 0; b < result_.blocks.size(); ++b) {
      const ServerBlock& block = result_.blocks[b];
      bound.push_back(bound_addresses(block));
      if (has_view(block) || without_zone_.contains(b)) continue;
      for (const ZoneKey& key : block.keys) {
        const std::string name = key.scheme + "://" + key.zone + ":" +
                                 std::to_string(effective_port(key, options_.dns_port));
        for (const Claim& other : claims[name]) {
          if (other.block != b && !overlap(bound[other.block], bound[b])) continue;
          problem(key.at, name + " is already served by another block, at " +
                              to_string(other.key->at) +
                              "; merge the two, or give one of them another port or `bind`");
          break;
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
  Problems& problems_;
  Corefile result_;
  std::set<std::string> known_;         // what has been told already
  std::set<std::size_t> without_zone_;  // blocks whose key is made up
  std::map<std::string, Snippet> snippets_;
  std::vector<Import> imports_;
  std::size_t import_count_ = 0;
  std::size_t words_ = 0;
  std::size_t octets_ = 0;
  std::optional<Position> glued_;
};

}  // namespace

Corefile parse_corefile(std::string_view text, const std::string& file_name,
                        const ParseOptions& options, Problems& problems) {
  return Parser(options, problems).parse(text, file_name);
}

Corefile parse_corefile(std::string_view text, const std::string& file_name,
                        const ParseOptions& options) {
  Problems problems;
  Corefile corefile = parse_corefile(text, file_name, options, problems);
  problems.throw_errors();
  return corefile;
}

Corefile load_corefile(const std::filesystem::path& path, const ParseOptions& options,
                       Problems& problems) {
  const std::string name = path.string();
  std::string text;
  const bool read = problems.attempt([&] { text = read_config_file(path, {name, 0, 0, {}}); });
  if (read) return parse_corefile(text, name, options, problems);
  Corefile nothing;
  nothing.files = {name};
  nothing.whole = false;
  return nothing;
}

Corefile load_corefile(const std::filesystem::path& path, const ParseOptions& options) {
  Problems problems;
  Corefile corefile = load_corefile(path, options, problems);
  problems.throw_errors();
  return corefile;
}

}  // namespace clusterdns::app
