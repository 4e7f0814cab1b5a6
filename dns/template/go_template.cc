#include "dns/template/go_template.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

namespace clusterdns::dns {
namespace {

enum class Kind : std::uint8_t {
  List,
  Text,
  Output,   // a pipeline, printed
  Declare,  // $x := pipeline
  Assign,   // $x = pipeline
  Break,
  Continue,
  If,  // pipeline, then, else; `names` are set to its value first, or by each turn
  With,
  Range,
  Pipeline,  // commands
  Command,   // words
  Value,     // a literal
  Dot,
  Root,  // $
  Variable,
  Field,  // of what children[0] is
  Function,
};

}  // namespace

struct GoTemplate::Node {
  Kind kind{};
  std::string text;                  // of Text; a name; of a command, as it was written
  std::size_t at = 0;                // of a command: where it stands, in octets
  std::vector<std::string> names{};  // of If, With and Range: variables
  ExprValue value{};
  std::vector<std::shared_ptr<const Node>> children;
};

namespace {

using Node = GoTemplate::Node;
using NodePtr = std::shared_ptr<const Node>;

struct SyntaxError {
  std::string text;
};

constexpr std::string_view kFunctions[] = {
    "and", "or",  "not",   "eq",    "ne",    "lt",     "le",      "gt",
    "ge",  "len", "index", "slice", "print", "printf", "println", "parseInt"};

// A verb of printf's format.
struct Verb {
  bool plus = false, minus = false, sharp = false, blank = false, zero = false;
  std::size_t width = 0;
  std::optional<std::size_t> precision;
  char letter = 0;  // 0: none
  std::size_t from = 0, end = 0;
};
constexpr std::string_view kVerbs = "vdxXoObcqUeEfFgGst%";

// That begins at `at`, with its percent sign.
Verb read_verb(std::string_view format, std::size_t at) {
  constexpr std::size_t kMost = 1000;
  Verb verb;
  verb.from = at++;
  const auto number = [&] {
    std::size_t n = 0;
    for (; at < format.size() && format[at] >= '0' && format[at] <= '9'; ++at) {
      n = std::min(n * 10 + static_cast<std::size_t>(format[at] - '0'), kMost);
    }
    return n;
  };
  for (; at < format.size(); ++at) {
    const char c = format[at];
    bool* const flag = c == '+'   ? &verb.plus
                       : c == '-' ? &verb.minus
                       : c == '#' ? &verb.sharp
                       : c == ' ' ? &verb.blank
                       : c == '0' ? &verb.zero
                                  : nullptr;
    if (flag == nullptr) break;
    *flag = true;
  }
  verb.width = number();
  if (at < format.size() && format[at] == '.') {
    ++at;
    verb.precision = number();
  }
  if (at < format.size()) verb.letter = format[at++];
  verb.end = at;
  return verb;
}

class Parser {
 public:
  Parser(std::string_view text, std::span<const TemplateField> fields)
      : text_(text), fields_(fields) {}

  // Where the parser is, for messages.
  [[nodiscard]] std::size_t place() const { return word_at_; }

  NodePtr run() {
    std::string end;
    NodePtr list = read_list(end);
    if (!end.empty()) throw SyntaxError{"unexpected {{" + end + "}}"};
    return list;
  }

 private:
  static constexpr int kMaxDepth = 50;

  static std::shared_ptr<Node> make(Kind kind, std::vector<NodePtr> children = {},
                                    std::string text = {}) {
    auto node = std::make_shared<Node>();
    node->kind = kind;
    node->children = std::move(children);
    node->text = std::move(text);
    return node;
  }

  // Up to the end, or to an action that ends the list: its words are `end` then.
  NodePtr read_list(std::string& end) {
    if (++depth_ > kMaxDepth) throw SyntaxError{"nested too deeply"};
    auto list = make(Kind::List);
    for (;;) {
      const std::size_t open = text_.find("{{", at_);
      std::string plain(text_.substr(at_, open == std::string_view::npos ? open : open - at_));
      if (trim_) plain.erase(0, std::min(plain.find_first_not_of(kSpace), plain.size()));
      trim_ = false;
      if (open == std::string_view::npos) {
        at_ = text_.size();
        if (!plain.empty()) list->children.push_back(make(Kind::Text, {}, std::move(plain)));
        end.clear();
        break;
      }
      std::size_t from = open + 2;
      if (from + 1 < text_.size() && text_[from] == '-' &&
          kSpace.find(text_[from + 1]) != std::string_view::npos) {
        ++from;
        plain.erase(plain.find_last_not_of(kSpace) + 1);
      }
      if (!plain.empty()) list->children.push_back(make(Kind::Text, {}, std::move(plain)));
      const std::size_t close = end_of_action(from);
      std::string_view action = text_.substr(from, close - from);
      at_ = close + 2;
      if (action.size() >= 2 && action.ends_with('-') &&
          kSpace.find(action[action.size() - 2]) != std::string_view::npos) {
        action.remove_suffix(1);
        trim_ = true;
      }
      word_at_ = open;
      const std::size_t first = action.find_first_not_of(kSpace);
      if (first == std::string_view::npos) throw SyntaxError{"missing value for command"};
      word_at_ = action_at_ = from + first;
      action = action.substr(first);
      action = action.substr(0, action.find_last_not_of(kSpace) + 1);
      if (action.starts_with("/*")) continue;
      words_ = split(action);
      next_ = 0;
      const std::string word = words_[0].text;
      if (words_[0].kind == Word::Name && (word == "end" || word == "else")) {
        end = std::string(action);
        break;
      }
      list->children.push_back(read_action(word));
    }
    --depth_;
    return list;
  }

  // Where the `}}` of an action that begins at `from` stands.
  [[nodiscard]] std::size_t end_of_action(std::size_t from) const {
    char quote = 0;
    for (std::size_t i = from; i + 1 < text_.size(); ++i) {
      const char c = text_[i];
      if (quote != 0) {
        if (c == '\\' && quote != '`') ++i;
        if (c == quote) quote = 0;
      } else if (c == '"' || c == '`' || c == '\'') {
        quote = c;
      } else if (c == '}' && text_[i + 1] == '}') {
        return i;
      }
    }
    throw SyntaxError{"unclosed action"};
  }

  struct Word {
    enum Kind : std::uint8_t { Name, Field, Variable, Literal, Sign } kind{};
    std::string text;
    ExprValue value;
    std::size_t at = 0, end = 0;  // in the action
  };

  // As Go writes numbers: 12, 0x1f, 0b11, 0o17, 1_000, 1.5e-3.
  static ExprValue number_of(std::string_view text) {
    const bool negative = text.starts_with('-');
    std::string digits(text.substr(negative || text.starts_with('+') ? 1 : 0));
    std::erase(digits, '_');
    int base = 10;
    if (digits.size() > 2 && digits[0] == '0') {
      const char letter = static_cast<char>(digits[1] | 0x20);
      base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
    }
    const char* const first = digits.data() + (base == 10 ? 0 : 2);
    const char* const last = digits.data() + digits.size();
    std::int64_t number = 0;
    if (const auto read = std::from_chars(first, last, number, base);
        read.ec == std::errc{} && read.ptr == last) {
      return negative ? -number : number;
    }
    double fraction = 0;
    if (const auto read = std::from_chars(first, last, fraction);
        base == 10 && read.ec == std::errc{} && read.ptr == last) {
      return negative ? -fraction : fraction;
    }
    throw SyntaxError{"bad number " + std::string(text)};
  }

  std::vector<Word> split(std::string_view action) {
    action_ = action;
    std::vector<Word> words;
    const auto is_name = [](char c) {
      return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    };
    for (std::size_t i = 0; i < action.size();) {
      const char c = action[i];
      if (kSpace.find(c) != std::string_view::npos) {
        ++i;
        continue;
      }
      Word word;
      word_at_ = action_at_ + i;
      std::size_t end = i + 1;
      if (c == '"' || c == '`') {
        std::string value;
        for (; end < action.size() && action[end] != c; ++end) {
          char each = action[end];
          if (each == '\\' && c == '"' && end + 1 < action.size()) {
            each = action[++end];
            if (each == 'n') each = '\n';
            if (each == 't') each = '\t';
          }
          value += each;
        }
        if (end >= action.size()) throw SyntaxError{"unterminated quoted string"};
        ++end;
        word.kind = Word::Literal;
        word.value = std::move(value);
      } else if (c == '.' || c == '$') {
        while (end < action.size() && is_name(action[end])) ++end;
        word.kind = c == '.' ? Word::Field : Word::Variable;
        word.text = action.substr(i + 1, end - i - 1);
        // Whether it stands by itself, or belongs to the word before it.
        word.value = ExprValue(i > 0 && kSpace.find(action[i - 1]) == std::string_view::npos &&
                               action[i - 1] != '(' && action[i - 1] != '|');
      } else if ((c >= '0' && c <= '9') || ((c == '-' || c == '+') && end < action.size() &&
                                            action[end] >= '0' && action[end] <= '9')) {
        const bool prefixed = action.substr(i + (c == '-' || c == '+' ? 1 : 0)).starts_with('0');
        const auto exponent_sign = [&](std::size_t at) {
          const bool hex = prefixed && action.substr(i, at - i).find_first_of("xX") != action.npos;
          return !hex && (action[at] == '-' || action[at] == '+') &&
                 (action[at - 1] == 'e' || action[at - 1] == 'E');
        };
        while (end < action.size() &&
               (is_name(action[end]) || action[end] == '.' || exponent_sign(end))) {
          ++end;
        }
        word.value = number_of(action.substr(i, end - i));
        word.kind = Word::Literal;
      } else if (is_name(c)) {
        while (end < action.size() && is_name(action[end])) ++end;
        word.kind = Word::Name;
        word.text = action.substr(i, end - i);
        if (word.text == "true" || word.text == "false") {
          word.kind = Word::Literal;
          word.value = word.text == "true";
        } else if (word.text == "nil") {
          word.kind = Word::Literal;
        }
      } else {
        if (c == ':' && end < action.size() && action[end] == '=') ++end;
        word.kind = Word::Sign;
        word.text = action.substr(i, end - i);
        static constexpr std::string_view kSigns[] = {"|", "(", ")", ":=", "=", ","};
        if (std::find(std::begin(kSigns), std::end(kSigns), word.text) == std::end(kSigns)) {
          throw SyntaxError{"unexpected '" + word.text + "'"};
        }
      }
      word.at = i;
      word.end = end;
      words.push_back(std::move(word));
      i = end;
    }
    return words;
  }

  [[nodiscard]] bool at_end() const { return next_ == words_.size(); }
  [[nodiscard]] bool is_sign(std::string_view text) const {
    return !at_end() && words_[next_].kind == Word::Sign && words_[next_].text == text;
  }
  void no_more() {
    if (at_end()) return;
    word_at_ = action_at_ + words_[next_].at;
    throw SyntaxError{"unexpected '" + words_[next_].text + "'"};
  }

  NodePtr read_action(const std::string& word) {
    if (words_[0].kind == Word::Name && (word == "if" || word == "with" || word == "range")) {
      ++next_;
      return read_branch(word == "if" ? Kind::If : word == "with" ? Kind::With : Kind::Range);
    }
    if (words_[0].kind == Word::Name && (word == "break" || word == "continue")) {
      if (loops_ == 0) throw SyntaxError{"{{" + word + "}} outside of {{range}}"};
      ++next_;
      no_more();
      return make(word == "break" ? Kind::Break : Kind::Continue);
    }
    for (const std::string_view other : {"define", "template", "block"}) {
      if (words_[0].kind == Word::Name && word == other) {
        throw SyntaxError{"{{" + word + "}} is not supported"};
      }
    }
    if (words_[0].kind == Word::Variable && words_.size() > 2 && words_[1].kind == Word::Sign &&
        (words_[1].text == ":=" || words_[1].text == "=")) {
      const std::string name = words_[0].text;
      const bool declares = words_[1].text == ":=";
      if (name.empty() || (!declares && !is_variable(name))) {
        word_at_ = action_at_;
        throw SyntaxError{"undefined variable \"$" + name + "\""};
      }
      next_ = 2;
      NodePtr value = read_pipeline();
      no_more();
      if (declares) variables_.push_back(name);
      return make(declares ? Kind::Declare : Kind::Assign, {std::move(value)}, name);
    }
    NodePtr value = read_pipeline();
    no_more();
    return make(Kind::Output, {std::move(value)});
  }

  [[nodiscard]] bool is_variable(const std::string& name) const {
    return std::find(variables_.begin(), variables_.end(), name) != variables_.end();
  }
  [[nodiscard]] bool is_word(std::size_t i, Word::Kind kind, std::string_view text = {}) const {
    return i < words_.size() && words_[i].kind == kind && (text.empty() || words_[i].text == text);
  }

  // `$x :=`, and of range `$i, $x :=`.
  std::vector<std::string> read_names(Kind kind) {
    const bool two = kind == Kind::Range && is_word(next_ + 1, Word::Sign, ",");
    const std::size_t sign = next_ + (two ? 3 : 1);
    if (!is_word(next_, Word::Variable) || !is_word(sign, Word::Sign)) return {};
    if (words_[sign].text == "=") throw SyntaxError{"'=' is not supported here; write ':='"};
    if (words_[sign].text != ":=" || (two && !is_word(next_ + 2, Word::Variable))) return {};
    std::vector<std::string> names{words_[next_].text};
    if (two) names.push_back(words_[next_ + 2].text);
    for (const std::string& name : names) {
      if (name.empty()) throw SyntaxError{"undefined variable \"$\""};
    }
    next_ = sign + 1;
    return names;
  }

  NodePtr read_branch(Kind kind) {
    const std::size_t known = variables_.size();
    const std::size_t begins = action_at_;
    std::vector<std::string> names = read_names(kind);
    NodePtr condition = read_pipeline();
    no_more();
    variables_.insert(variables_.end(), names.begin(), names.end());
    const std::size_t inside = variables_.size();
    if (kind != Kind::If) ++inside_;
    if (kind == Kind::Range) ++loops_;
    std::string end;
    NodePtr yes = read_list(end);
    if (kind != Kind::If) --inside_;
    if (kind == Kind::Range) --loops_;
    // What was set inside is gone, and so are the names of the branch behind its end.
    variables_.resize(inside);
    NodePtr no = make(Kind::List);
    const auto branch = [&] {
      variables_.resize(known);
      auto node = make(kind, {std::move(condition), std::move(yes), std::move(no)});
      node->names = std::move(names);
      return node;
    };
    if (end.starts_with("else")) {
      // `else if` is an if in the else, which ends with it.
      words_ = split(end);
      if (words_.size() > 1) {
        const bool with = kind == Kind::With && words_[1].text == "with";
        if (!with && (kind != Kind::If || words_[1].text != "if")) {
          throw SyntaxError{"unexpected {{" + end + "}}"};
        }
        next_ = 2;
        no = read_branch(kind);
        return branch();
      }
      no = read_list(end);
    }
    if (end != "end") {
      word_at_ = begins;
      throw SyntaxError{"a {{end}} is missing"};
    }
    return branch();
  }

  NodePtr read_pipeline() {
    if (++depth_ > kMaxDepth) throw SyntaxError{"nested too deeply"};
    auto pipeline = make(Kind::Pipeline);
    for (;;) {
      auto command = make(Kind::Command);
      const std::size_t from = next_;
      while (!at_end() && !is_sign("|") && !is_sign(")")) {
        command->children.push_back(read_operand());
      }
      if (next_ > from) {
        command->at = action_at_ + words_[from].at;
        command->text = action_.substr(words_[from].at, words_[next_ - 1].end - words_[from].at);
        check_command(*command);
      }
      if (command->children.empty()) throw SyntaxError{"missing value for command"};
      pipeline->children.push_back(std::move(command));
      if (!is_sign("|")) break;
      ++next_;
    }
    --depth_;
    return pipeline;
  }

  // What is sure to fail whatever the query.
  void check_command(const Node& command) {
    word_at_ = command.at;
    const Node& first = *command.children[0];
    if (first.kind == Kind::Function && first.text == "printf" && command.children.size() > 1 &&
        command.children[1]->kind == Kind::Value) {
      const std::string* const format = command.children[1]->value.as_string();
      if (format == nullptr) throw SyntaxError{"printf takes a format first"};
      check_format(*format);
    }
  }

  static void check_format(std::string_view format) {
    for (std::size_t i = 0; i < format.size(); ++i) {
      if (format[i] != '%') continue;
      const Verb verb = read_verb(format, i);
      i = verb.end - 1;
      if (verb.letter == 0 || kVerbs.find(verb.letter) == std::string_view::npos) {
        throw SyntaxError{"printf of '" +
                          std::string(format.substr(verb.from, verb.end - verb.from)) +
                          "' is not supported; write one of %" + std::string(kVerbs)};
      }
    }
  }

  NodePtr read_operand() {
    const Word word = words_[next_++];
    word_at_ = action_at_ + word.at;
    NodePtr node;
    switch (word.kind) {
      case Word::Literal: {
        auto value = make(Kind::Value);
        value->value = word.value;
        return value;
      }
      case Word::Name:
        if (std::find(std::begin(kFunctions), std::end(kFunctions), word.text) ==
            std::end(kFunctions)) {
          throw SyntaxError{"function \"" + word.text + "\" not defined"};
        }
        return make(Kind::Function, {}, word.text);
      case Word::Sign:
        if (word.text != "(") throw SyntaxError{"unexpected '" + word.text + "'"};
        node = read_pipeline();
        if (!is_sign(")")) throw SyntaxError{"unclosed left paren"};
        ++next_;
        break;
      case Word::Variable:
        if (word.text.empty()) {
          node = make(Kind::Root);
        } else if (!is_variable(word.text)) {
          throw SyntaxError{"undefined variable \"$" + word.text + "\""};
        } else {
          node = make(Kind::Variable, {}, word.text);
        }
        break;
      case Word::Field:
        node = make(inside_ == 0 ? Kind::Root : Kind::Dot);
        if (!word.text.empty()) {
          if (inside_ == 0) check_field(word.text);
          node = make(Kind::Field, {std::move(node)}, word.text);
        }
        break;
    }
    // `.Group.a`, `$.Name`, `(…).x`
    while (!at_end() && words_[next_].kind == Word::Field && *words_[next_].value.as_bool()) {
      const std::string& name = words_[next_].text;
      word_at_ = action_at_ + words_[next_].at;
      if (node->kind == Kind::Root) {
        check_field(name);
      } else if (node->kind == Kind::Field && node->children[0]->kind == Kind::Root) {
        check_member(node->text, name);
      }
      node = make(Kind::Field, {std::move(node)}, name);
      ++next_;
    }
    if (node->kind == Kind::Root) {
      throw SyntaxError{"'" + std::string(word.kind == Word::Field ? "." : "$") +
                        "' is all of the query here; write a field of it, such as .Name"};
    }
    return node;
  }

  [[nodiscard]] const TemplateField* find_field(const std::string& name) const {
    const auto at = std::find_if(fields_.begin(), fields_.end(),
                                 [&](const TemplateField& field) { return field.name == name; });
    return at == fields_.end() ? nullptr : &*at;
  }
  void check_field(const std::string& name) const {
    if (find_field(name) == nullptr) throw SyntaxError{"there is no field ." + name};
  }
  void check_member(const std::string& of, const std::string& name) const {
    const TemplateField& field = *find_field(of);
    if (field.kind == TemplateField::Kind::Map) return;
    std::string_view left = field.members;
    while (field.kind == TemplateField::Kind::Struct && !left.empty()) {
      const std::size_t end = std::min(left.find(' '), left.size());
      if (left.substr(0, end) == name) return;
      left.remove_prefix(std::min(end + 1, left.size()));
    }
    throw SyntaxError{"there is no field ." + of + "." + name};
  }

  static constexpr std::string_view kSpace = " \t\r\n";

  std::string_view text_;
  std::span<const TemplateField> fields_;
  std::size_t at_ = 0;
  std::string_view action_;    // that is read
  std::size_t action_at_ = 0;  // where it begins
  std::size_t word_at_ = 0;    // and its word at hand
  bool trim_ = false;
  int depth_ = 0;
  int inside_ = 0;  // of `with` and `range`, where `.` is something else
  int loops_ = 0;
  std::vector<Word> words_;
  std::size_t next_ = 0;
  std::vector<std::string> variables_;
};

// --- filling ---

struct Failed {
  std::string why;
};

class Filler {
 public:
  explicit Filler(const TemplateData& data) : data_(data) {}

  void run(const Node& node) {
    step();
    switch (node.kind) {
      case Kind::List: {
        const std::size_t known = variables_.size();
        for (const NodePtr& each : node.children) {
          run(*each);
          if (leaving_ != Kind::List) break;
        }
        variables_.resize(known);
        break;
      }
      case Kind::Text: put(node.text); break;
      case Kind::Output: {
        const ExprValue value = pipeline(*node.children[0]);
        put(value.is_nil() ? "<no value>" : shown(value));
        break;
      }
      case Kind::Declare: declare(node.text, pipeline(*node.children[0])); break;
      case Kind::Assign: *variable(node.text) = pipeline(*node.children[0]); break;
      case Kind::Break:
      case Kind::Continue: leaving_ = node.kind; break;
      case Kind::If:
      case Kind::With: {
        const std::size_t known = variables_.size();
        ExprValue value = pipeline(*node.children[0]);
        const bool holds = truth(value);
        if (!node.names.empty()) declare(node.names[0], value);
        const bool dot = holds && node.kind == Kind::With;
        if (dot) dots_.push_back(std::move(value));
        run(*node.children[holds ? 1 : 2]);
        if (dot) dots_.pop_back();
        variables_.resize(known);
        break;
      }
      case Kind::Range: range(node); break;
      default: throw Failed{"it cannot be filled"};
    }
  }

  std::string take() { return std::move(output_); }

 private:
  using Values = std::vector<ExprValue>;

  void step() {
    if (++steps_ > GoTemplate::kMaxSteps) throw Failed{"it takes too many steps"};
  }

  void declare(const std::string& name, ExprValue value) {
    variables_.emplace_back(&name, std::move(value));
  }
  // The innermost of that name; the parser knows that there is one.
  ExprValue* variable(const std::string& name) {
    for (std::size_t i = variables_.size(); i-- > 0;) {
      if (*variables_[i].first == name) return &variables_[i].second;
    }
    throw Failed{"$" + name + " is not set"};
  }

  void range(const Node& node) {
    const std::size_t known = variables_.size();
    const ExprValue value = pipeline(*node.children[0]);
    bool any = false;
    // False when the loop ends.
    const auto turn = [&](const ExprValue& key, const ExprValue& element) {
      any = true;
      if (node.names.size() == 2) declare(node.names[0], key);
      if (!node.names.empty()) declare(node.names.back(), element);
      dots_.push_back(element);
      run(*node.children[1]);
      dots_.pop_back();
      variables_.resize(known);
      const Kind left = std::exchange(leaving_, Kind::List);
      return left != Kind::Break;
    };
    if (const auto* const array = value.as_array()) {
      std::int64_t i = 0;
      for (const ExprValue& element : *array) {
        if (!turn(ExprValue(i++), element)) break;
      }
    } else if (const auto* const map = value.as_map()) {
      for (const auto& [key, element] : *map) {
        if (!turn(key.value(), element)) break;
      }
    } else if (const auto* const count = value.as_int()) {
      if (node.names.size() == 2) throw Failed{"a number has one variable in range"};
      for (std::int64_t i = 0; i < *count; ++i) {
        step();
        if (!turn({}, ExprValue(i))) break;
      }
    } else if (!value.is_nil()) {
      throw Failed{"range cannot go through " + shown(value)};
    }
    if (!any) {
      for (const std::string& name : node.names) declare(name, value);
      run(*node.children[2]);
    }
    variables_.resize(known);
  }

  void put(std::string_view text) {
    check_size(output_.size() + text.size());
    output_ += text;
  }

  static void check_size(std::size_t size) {
    if (size > GoTemplate::kMaxOutput) throw Failed{"it makes too much text"};
  }

  static bool truth(const ExprValue& value) {
    if (const bool* b = value.as_bool()) return *b;
    if (const auto* s = value.as_string()) return !s->empty();
    if (const auto* a = value.as_array()) return !a->empty();
    if (const auto* m = value.as_map()) return !m->empty();
    return value.is_number() && value.number() != 0;
  }

  ExprValue pipeline(const Node& node) {
    ExprValue value;
    bool piped = false;
    for (const NodePtr& command : node.children) {
      value = run_command(*command, piped ? &value : nullptr);
      piped = true;
    }
    return value;
  }

  ExprValue run_command(const Node& command, const ExprValue* piped) {
    step();
    try {
      return run_words(command, piped);
    } catch (Failed& failed) {
      // The innermost is what failed.
      if (failed_ == nullptr) failed_ = &command;
      throw;
    }
  }

  ExprValue run_words(const Node& command, const ExprValue* piped) {
    const Node& first = *command.children[0];
    Values arguments;
    // The only field that is a function.
    const bool meta =
        first.kind == Kind::Field && first.text == "Meta" && first.children[0]->kind == Kind::Root;
    if (first.kind != Kind::Function && !meta) {
      if (command.children.size() != 1 || piped != nullptr) {
        throw Failed{"it is no function, and takes no arguments"};
      }
      return operand(first);
    }
    // The first that decides is the result; what follows is not looked at (as in Go since 1.18).
    const bool is_and = first.kind == Kind::Function && first.text == "and";
    const bool is_or = first.kind == Kind::Function && first.text == "or";
    for (std::size_t i = 1; i < command.children.size(); ++i) {
      arguments.push_back(operand(*command.children[i]));
      if ((is_and || is_or) && truth(arguments.back()) == is_or) return arguments.back();
    }
    if (piped != nullptr) arguments.push_back(*piped);
    if (meta) {
      const std::string* const label = arguments.empty() ? nullptr : arguments[0].as_string();
      return label == nullptr ? std::string() : data_.metadata(*label);
    }
    return call(first.text, arguments);
  }

  ExprValue operand(const Node& node) {
    switch (node.kind) {
      case Kind::Value: return node.value;
      case Kind::Pipeline: return pipeline(node);
      case Kind::Variable: return *variable(node.text);
      case Kind::Field: {
        const Node& of = *node.children[0];
        if (of.kind == Kind::Root) return data_.field(node.text);
        const ExprValue value = operand(of);
        const auto* const map = value.as_map();
        if (map == nullptr) throw Failed{"there is no field " + node.text};
        const auto at = map->find(node.text);
        return at == map->end() ? ExprValue() : at->second;
      }
      case Kind::Dot: return dots_.back();
      case Kind::Function: return call(node.text, {});
      default: throw Failed{"it has no value"};
    }
  }

  static const std::string& text(const ExprValue& value) {
    if (value.as_string() == nullptr) throw Failed{shown(value) + " is no text"};
    return *value.as_string();
  }
  static std::int64_t integer(const ExprValue& value) {
    if (value.as_int() == nullptr) throw Failed{shown(value) + " is no whole number"};
    return *value.as_int();
  }
  static int compare(const ExprValue& a, const ExprValue& b) {
    if (a.as_string() != nullptr) return text(a).compare(text(b));
    if (!a.is_number() || !b.is_number()) {
      throw Failed{shown(a) + " and " + shown(b) + " cannot be compared"};
    }
    return a.number() < b.number() ? -1 : a.number() > b.number() ? 1 : 0;
  }

  ExprValue call(const std::string& name, const Values& a) {
    const auto need = [&](std::size_t least, std::size_t most) {
      if (a.size() < least || a.size() > most) throw Failed{"wrong number of arguments"};
    };
    constexpr std::size_t kMany = 100;
    if (name == "and" || name == "or") {
      need(1, kMany);
      for (const ExprValue& each : a) {
        if (truth(each) == (name == "or")) return each;
      }
      return a.back();
    }
    if (name == "not") {
      need(1, 1);
      return !truth(a[0]);
    }
    if (name == "eq") {
      need(2, kMany);
      return std::find(a.begin() + 1, a.end(), a[0]) != a.end();
    }
    if (name == "ne") {
      need(2, 2);
      return !(a[0] == a[1]);
    }
    if (name == "lt" || name == "le" || name == "gt" || name == "ge") {
      need(2, 2);
      const int order = compare(a[0], a[1]);
      return name == "lt"   ? order < 0
             : name == "le" ? order <= 0
             : name == "gt" ? order > 0
                            : order >= 0;
    }
    if (name == "len") {
      need(1, 1);
      if (const auto* s = a[0].as_string()) return static_cast<std::int64_t>(s->size());
      if (const auto* v = a[0].as_array()) return static_cast<std::int64_t>(v->size());
      if (const auto* m = a[0].as_map()) return static_cast<std::int64_t>(m->size());
      throw Failed{shown(a[0]) + " has no length"};
    }
    if (name == "index") {
      need(1, kMany);
      ExprValue value = a[0];
      for (std::size_t i = 1; i < a.size(); ++i) {
        ExprValue next;
        if (const auto* map = value.as_map()) {
          const auto at = map->find(text(a[i]));
          // Of a map of texts, what is not there is empty.
          next = at == map->end() ? ExprValue(std::string()) : at->second;
        } else if (const auto* array = value.as_array()) {
          const std::int64_t at = integer(a[i]);
          check_index(at, array->size());
          next = (*array)[static_cast<std::size_t>(at)];
        } else {
          const std::string& octets = text(value);
          const std::int64_t at = integer(a[i]);
          check_index(at, octets.size());
          next = static_cast<std::int64_t>(
              static_cast<unsigned char>(octets[static_cast<std::size_t>(at)]));
        }
        value = std::move(next);
      }
      return value;
    }
    if (name == "slice") {
      need(1, 3);
      const std::size_t size =
          a[0].as_array() != nullptr ? a[0].as_array()->size() : text(a[0]).size();
      const auto bound = [&](std::size_t i, std::size_t otherwise) {
        if (a.size() <= i) return otherwise;
        const std::int64_t at = integer(a[i]);
        check_index(at, size + 1);
        return static_cast<std::size_t>(at);
      };
      const std::size_t from = bound(1, 0);
      const std::size_t to = bound(2, size);
      if (from > to) throw Failed{"it begins behind its end"};
      if (const auto* array = a[0].as_array()) {
        return ExprValue(ExprValue::Array(array->begin() + static_cast<std::ptrdiff_t>(from),
                                          array->begin() + static_cast<std::ptrdiff_t>(to)));
      }
      return text(a[0]).substr(from, to - from);
    }
    if (name == "parseInt") {
      // strconv.ParseUint(text, base, bits)
      need(3, 3);
      std::string digits = text(a[0]);
      std::int64_t base = integer(a[1]);
      const std::int64_t bits = integer(a[2]);
      if (base == 0) {
        base = 10;
        if (digits.starts_with("0x") || digits.starts_with("0X")) {
          base = 16;
          digits.erase(0, 2);
        }
      }
      if (base < 2 || base > 36 || bits < 0 || bits > 64)
        throw Failed{"there is no such base or size"};
      std::uint64_t value = 0;
      const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value,
                                        static_cast<int>(base));
      const bool number = read.ec == std::errc{} && read.ptr == digits.data() + digits.size();
      if (!number || (bits != 0 && bits < 64 && value >> bits != 0) || value > 0x7FFFFFFFFFFFFFFF) {
        throw Failed{shown(a[0]) + " is no such number"};
      }
      return static_cast<std::int64_t>(value);
    }
    if (name == "printf") {
      need(1, kMany);
      return print_format(a);
    }
    // print puts blanks between operands when neither is a text, println always.
    std::string result;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const bool texts = i > 0 && (a[i].as_string() != nullptr || a[i - 1].as_string() != nullptr);
      if (i > 0 && (name == "println" || !texts)) result += ' ';
      result += shown(a[i]);
    }
    if (name == "println") result += '\n';
    check_size(result.size());
    return result;
  }

  static void check_index(std::int64_t at, std::size_t size) {
    if (at < 0 || static_cast<std::size_t>(at) >= size) {
      throw Failed{"the index " + std::to_string(at) + " is beyond the end"};
    }
  }

  // As Go's %v.
  static std::string shown(const ExprValue& value) {
    if (value.is_number() && value.as_int() == nullptr) return general(value.number(), {}, 'e');
    if (const auto* const array = value.as_array()) {
      std::string text = "[";
      for (const ExprValue& each : *array) text += (text.size() > 1 ? " " : "") + shown(each);
      return text + "]";
    }
    return value.to_text();
  }

  template <class... Format>
  static std::string number_text(double d, Format... format) {
    std::array<char, 1500> buffer;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), d, format...);
    return end.ec == std::errc{} ? std::string(buffer.data(), end.ptr) : std::string();
  }

  // Go's %g, with an exponent below -4 and from the precision on, which counts as 6 when the
  // shortest text that says it all is meant.
  static std::string general(double d, std::optional<std::size_t> precision, char e) {
    if (!std::isfinite(d)) return std::isnan(d) ? "NaN" : d > 0 ? "+Inf" : "-Inf";
    std::string text;
    if (precision) {
      text = number_text(d, std::chars_format::general, static_cast<int>(*precision));
    } else {
      text = number_text(d, std::chars_format::scientific);
      const std::size_t mark = text.find('e');
      int exponent = 0;
      const char* from = text.data() + mark + 1;
      if (*from == '+') ++from;
      (void)std::from_chars(from, text.data() + text.size(), exponent);
      if (exponent >= -4 && exponent < kShortestPrecision) {
        text = number_text(d, std::chars_format::fixed);
      }
    }
    if (const std::size_t mark = text.find('e'); mark != std::string::npos) text[mark] = e;
    return text;
  }
  static constexpr int kShortestPrecision = 6;

  static void put_character(std::string& to, std::int64_t code) {
    // What is no character is shown as one that says so, as in Go.
    const bool good = code >= 0 && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
    const auto c = static_cast<std::uint32_t>(good ? code : 0xFFFD);
    const auto put = [&](std::uint32_t octet) { to += static_cast<char>(octet); };
    if (c < 0x80) return put(c);
    if (c < 0x800) {
      put(0xC0 | c >> 6);
    } else {
      if (c < 0x10000) {
        put(0xE0 | c >> 12);
      } else {
        put(0xF0 | c >> 18);
        put(0x80 | (c >> 12 & 0x3F));
      }
      put(0x80 | (c >> 6 & 0x3F));
    }
    put(0x80 | (c & 0x3F));
  }

  static std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      const auto octet = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        result += '\\';
        result += c;
      } else if (c == '\n') {
        result += "\\n";
      } else if (c == '\t') {
        result += "\\t";
      } else if (octet < 0x20 || octet == 0x7F) {
        result += "\\x";
        result += kDigits[octet >> 4];
        result += kDigits[octet & 15];
      } else {
        result += c;
      }
    }
    return result + '"';
  }

  static std::string upper(std::string text) {
    for (char& c : text) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    }
    return text;
  }

  static std::string signed_text(const Verb& verb, std::string digits, bool negative) {
    if (negative) return "-" + digits;
    return verb.plus ? "+" + digits : verb.blank ? " " + digits : digits;
  }

  static std::string integer_text(const Verb& verb, std::int64_t value) {
    const int base = verb.letter == 'd' || verb.letter == 'v'   ? 10
                     : verb.letter == 'b'                       ? 2
                     : verb.letter == 'x' || verb.letter == 'X' ? 16
                                                                : 8;
    const bool negative = value < 0;
    const auto bits = static_cast<std::uint64_t>(value);
    std::array<char, 80> buffer;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                                   negative ? 0 - bits : bits, base);
    std::string digits(buffer.data(), end.ptr);
    if (verb.precision && *verb.precision > digits.size()) {
      digits.insert(0, *verb.precision - digits.size(), '0');
    }
    if (verb.letter == 'O') digits.insert(0, "0o");
    if (verb.sharp && base != 10) {
      digits.insert(0, base == 16 ? "0x" : base == 2 ? "0b" : "0");
    }
    if (verb.letter == 'X') digits = upper(std::move(digits));
    return signed_text(verb, std::move(digits), negative);
  }

  static std::string float_text(const Verb& verb, double d) {
    const auto precision = static_cast<int>(verb.precision.value_or(6));
    const double size = std::fabs(d);
    std::string text;
    if (!std::isfinite(d)) {
      text = general(size, {}, 'e');
      if (!std::isnan(d)) text.erase(0, 1);
    } else if (verb.letter == 'e' || verb.letter == 'E') {
      text = number_text(size, std::chars_format::scientific, precision);
    } else if (verb.letter == 'f' || verb.letter == 'F') {
      text = number_text(size, std::chars_format::fixed, precision);
    } else {
      text = general(size, verb.precision, 'e');
    }
    if (verb.letter == 'E' || verb.letter == 'G') text = upper(std::move(text));
    return signed_text(verb, std::move(text), std::signbit(d));
  }

  // nullopt: the verb is not for such a value.
  static std::optional<std::string> verb_text(const Verb& verb, const ExprValue& value) {
    const std::int64_t* const whole = value.as_int();
    const std::string* const text = value.as_string();
    switch (verb.letter) {
      case 'v':
      case 's':
        if (text != nullptr) return verb.precision ? text->substr(0, *verb.precision) : *text;
        if (verb.letter == 's' && value.as_array() == nullptr && value.as_map() == nullptr) {
          return std::nullopt;
        }
        if (whole != nullptr) return integer_text(verb, *whole);
        return value.is_number() ? float_text(verb, value.number()) : shown(value);
      case 't': return value.as_bool() != nullptr ? std::optional(value.to_text()) : std::nullopt;
      case 'q':
        if (text != nullptr) return quoted(*text);
        if (whole != nullptr) {
          std::string character = "'";
          put_character(character, *whole);
          return character + "'";
        }
        return std::nullopt;
      case 'c':
        if (whole == nullptr) return std::nullopt;
        {
          std::string character;
          put_character(character, *whole);
          return character;
        }
      case 'U': {
        if (whole == nullptr) return std::nullopt;
        Verb hex = verb;
        hex.letter = 'X';
        hex.plus = hex.blank = hex.sharp = false;
        hex.precision = std::max<std::size_t>(verb.precision.value_or(4), 4);
        return "U+" + integer_text(hex, *whole);
      }
      case 'x':
      case 'X':
        if (text != nullptr) {
          constexpr std::string_view kDigits = "0123456789abcdef";
          std::string digits;
          for (const char c : *text) {
            digits += kDigits[static_cast<unsigned char>(c) >> 4];
            digits += kDigits[static_cast<unsigned char>(c) & 15];
          }
          return verb.letter == 'X' ? upper(std::move(digits)) : digits;
        }
        [[fallthrough]];
      case 'd':
      case 'o':
      case 'O':
      case 'b': return whole != nullptr ? std::optional(integer_text(verb, *whole)) : std::nullopt;
      default:
        if (value.is_number() && whole == nullptr) return float_text(verb, value.number());
        return std::nullopt;
    }
  }

  static std::string type_of(const ExprValue& value) {
    if (value.as_bool() != nullptr) return "bool=";
    if (value.as_string() != nullptr) return "string=";
    if (value.as_int() != nullptr) return "int=";
    if (value.is_number()) return "float64=";
    return value.as_array() != nullptr ? "[]string=" : "";
  }

  static ExprValue print_format(const Values& a) {
    const std::string& format = text(a[0]);
    std::string result;
    std::size_t next = 1;
    for (std::size_t i = 0; i < format.size(); ++i) {
      if (format[i] != '%') {
        result += format[i];
        continue;
      }
      const Verb verb = read_verb(format, i);
      i = verb.end - 1;
      if (verb.letter == '%') {
        result += '%';
        continue;
      }
      const std::string wrong = std::string("%!") + (verb.letter == 0 ? ' ' : verb.letter);
      if (verb.letter == 0 || kVerbs.find(verb.letter) == std::string_view::npos) {
        throw Failed{"printf of '" + format.substr(verb.from, verb.end - verb.from) +
                     "' is not supported"};
      }
      if (next == a.size()) {
        result += wrong + "(MISSING)";
        continue;
      }
      const ExprValue& value = a[next++];
      std::string text =
          verb_text(verb, value).value_or(wrong + "(" + type_of(value) + shown(value) + ")");
      if (verb.width > text.size()) {
        const std::size_t missing = verb.width - text.size();
        if (verb.minus) {
          text.append(missing, ' ');
        } else if (verb.zero && value.is_number() &&
                   !(verb.precision && value.as_int() != nullptr)) {
          const bool sign = !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ');
          text.insert(sign ? 1 : 0, missing, '0');
        } else {
          text.insert(0, missing, ' ');
        }
      }
      result += text;
      check_size(result.size());
    }
    if (next < a.size()) {
      result += "%!(EXTRA ";
      for (std::size_t i = next; i < a.size(); ++i) {
        result += (i == next ? "" : ", ") + type_of(a[i]) + shown(a[i]);
      }
      result += ')';
      check_size(result.size());
    }
    return result;
  }

 public:
  // The command that failed.
  [[nodiscard]] const Node* failed() const noexcept { return failed_; }

 private:
  const TemplateData& data_;
  std::string output_;
  std::size_t steps_ = 0;
  // Innermost last; names are the template's.
  std::vector<std::pair<const std::string*, ExprValue>> variables_;
  std::vector<ExprValue> dots_;
  Kind leaving_ = Kind::List;  // Break, Continue: up to the range around
  const Node* failed_ = nullptr;
};

// "1:4"
std::string place_in(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, std::min(at, text.size()));
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const std::size_t begin = before.rfind('\n');
  const std::size_t column = before.size() - (begin == std::string_view::npos ? 0 : begin + 1);
  return std::to_string(lines + 1) + ":" + std::to_string(column + 1);
}

}  // namespace

std::optional<GoTemplate> GoTemplate::parse(std::string_view text,
                                            std::span<const TemplateField> fields,
                                            std::string* error) {
  if (text.size() > kMaxText) {
    *error = "it has more than " + std::to_string(kMaxText) + " octets";
    return std::nullopt;
  }
  GoTemplate result;
  result.text_ = text;
  Parser parser(result.text_, fields);
  try {
    result.root_ = parser.run();
  } catch (const SyntaxError& e) {
    *error = e.text + " (" + place_in(result.text_, parser.place()) + ")";
    return std::nullopt;
  }
  return result;
}

std::optional<std::string> GoTemplate::fill(const TemplateData& data, std::string* error) const {
  Filler filler(data);
  try {
    filler.run(*root_);
    return filler.take();
  } catch (const Failed& failed) {
    if (error != nullptr) {
      const Node* const at = filler.failed();
      *error = at == nullptr
                   ? failed.why
                   : "<" + at->text + "> (" + place_in(text_, at->at) + "): " + failed.why;
    }
    return std::nullopt;
  }
}

}  // namespace clusterdns::dns
