#include "dns/expr/expr.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "dns/query/expression.h"

namespace clusterdns::dns {

// --- values ---

ExprValue::ExprValue(Array v) {
  for (const ExprValue& each : v) add_weight(each);
  ++depth_;
  value_ = std::make_shared<const Array>(std::move(v));
}

ExprValue::ExprValue(Map v) {
  for (const auto& [key, each] : v) add_weight(each);
  weight_ += v.size();
  ++depth_;
  value_ = std::make_shared<const Map>(std::move(v));
}

void ExprValue::add_weight(const ExprValue& element) noexcept {
  constexpr std::size_t kMost = std::size_t{1} << 40;
  weight_ = std::min(kMost, weight_ + element.weight_);
  depth_ = std::max(depth_, element.depth_);
}

std::string ExprValue::to_text() const {
  if (is_nil()) return "<nil>";
  if (const bool* b = as_bool()) return *b ? "true" : "false";
  if (const auto* i = as_int()) return std::to_string(*i);
  if (const auto* s = as_string()) return *s;
  if (const Array* array = as_array()) {
    std::string text = "[";
    for (const ExprValue& each : *array) text += (text.size() > 1 ? " " : "") + each.to_text();
    return text + "]";
  }
  if (const Map* map = as_map()) {
    std::string text = "map[";
    for (const auto& [key, each] : *map) {
      text += (text.size() > 4 ? " " : "") + key.text() + ":" + each.to_text();
    }
    return text + "]";
  }
  // As Go's %v: the shortest text that is read back as the same.
  char buffer[64];
  const double d = number();
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, d);
  return {buffer, end.ptr};
}

std::optional<ExprKey> ExprKey::of(const ExprValue& value) {
  switch (value.value_.index()) {
    case 0: return ExprKey(Value());
    case 1: return ExprKey(Value(std::get<1>(value.value_)));
    case 2: return ExprKey(Value(std::get<2>(value.value_)));
    case 3:
      if (std::isnan(std::get<3>(value.value_))) return std::nullopt;
      return ExprKey(Value(std::get<3>(value.value_)));
    case 4: return ExprKey(Value(std::get<4>(value.value_)));
    default: return std::nullopt;
  }
}

ExprValue ExprKey::value() const {
  switch (value_.index()) {
    case 1: return std::get<1>(value_);
    case 2: return std::get<2>(value_);
    case 3: return std::get<3>(value_);
    case 4: return std::get<4>(value_);
    default: return {};
  }
}

std::string ExprKey::text() const { return value().to_text(); }

bool operator==(const ExprValue& a, const ExprValue& b) {
  if (a.is_number() && b.is_number()) {
    if (a.as_int() != nullptr && b.as_int() != nullptr) return *a.as_int() == *b.as_int();
    return a.number() == b.number();
  }
  if (a.value_.index() != b.value_.index()) return false;
  if (const auto* x = a.as_array()) return *x == *b.as_array();
  if (const auto* x = a.as_map()) return *x == *b.as_map();
  return a.value_ == b.value_;
}

// --- what is parsed ---

namespace {

enum class Kind : std::uint8_t {
  Value,  // a literal
  Array,
  Map,       // keys are children 0, 2, …; values 1, 3, …
  Variable,  // of the scope
  Local,     // `let`: how many in from the outermost
  Element,   // `#`
  Index,     // `#index`
  Sum,       // `#acc`
  Unary,
  Binary,
  And,
  Or,
  Coalesce,     // ??
  Conditional,  // ?:
  Let,          // value, rest
  Call,         // of the scope
  Builtin,
  Predicate,  // a builtin with a predicate
  Member,     // a[b], a.b
  Slice,      // a[b:c]
};

enum class Op : std::uint8_t {
  Not,
  Minus,
  Plus,
  Add,
  Subtract,
  Multiply,
  Divide,
  Modulo,
  Power,
  Equal,
  NotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  In,
  NotIn,
  Contains,
  StartsWith,
  EndsWith,
  Matches,
  Range,
};

enum class Fn : std::uint8_t {
  All,
  None,
  Any,
  One,
  Filter,
  Map,
  Count,
  Find,
  FindIndex,
  FindLast,
  FindLastIndex,
  Sum,
  GroupBy,
  SortBy,
  Reduce,
  Len,
  Abs,
  Ceil,
  Floor,
  Round,
  Int,
  Float,
  String,
  Trim,
  TrimPrefix,
  TrimSuffix,
  Upper,
  Lower,
  Split,
  SplitAfter,
  Replace,
  Repeat,
  Join,
  IndexOf,
  LastIndexOf,
  HasPrefix,
  HasSuffix,
  Max,
  Min,
  Mean,
  Median,
  First,
  Last,
  Get,
  Take,
  Keys,
  Values,
  ToPairs,
  FromPairs,
  Type,
  Reverse,
  Sort,
  Uniq,
  Concat,
  Flatten,
  BitAnd,
  BitOr,
  BitXor,
  BitNand,
  BitNot,
  BitShl,
  BitShr,
  BitUshr,
};

struct BuiltinName {
  std::string_view name;
  Fn fn;
  std::size_t least;
  std::size_t most;
  bool predicate = false;
};

constexpr std::size_t kMany = 64;
constexpr BuiltinName kBuiltins[] = {
    {"all", Fn::All, 2, 2, true},
    {"none", Fn::None, 2, 2, true},
    {"any", Fn::Any, 2, 2, true},
    {"one", Fn::One, 2, 2, true},
    {"filter", Fn::Filter, 2, 2, true},
    {"map", Fn::Map, 2, 2, true},
    {"count", Fn::Count, 1, 2, true},
    {"find", Fn::Find, 2, 2, true},
    {"findIndex", Fn::FindIndex, 2, 2, true},
    {"findLast", Fn::FindLast, 2, 2, true},
    {"findLastIndex", Fn::FindLastIndex, 2, 2, true},
    {"sum", Fn::Sum, 1, 2, true},
    {"groupBy", Fn::GroupBy, 2, 2, true},
    {"sortBy", Fn::SortBy, 2, 3, true},
    {"reduce", Fn::Reduce, 2, 3, true},
    {"len", Fn::Len, 1, 1},
    {"abs", Fn::Abs, 1, 1},
    {"ceil", Fn::Ceil, 1, 1},
    {"floor", Fn::Floor, 1, 1},
    {"round", Fn::Round, 1, 1},
    {"int", Fn::Int, 1, 1},
    {"float", Fn::Float, 1, 1},
    {"string", Fn::String, 1, 1},
    {"trim", Fn::Trim, 1, 2},
    {"trimPrefix", Fn::TrimPrefix, 1, 2},
    {"trimSuffix", Fn::TrimSuffix, 1, 2},
    {"upper", Fn::Upper, 1, 1},
    {"lower", Fn::Lower, 1, 1},
    {"split", Fn::Split, 2, 3},
    {"splitAfter", Fn::SplitAfter, 2, 3},
    {"replace", Fn::Replace, 3, 4},
    {"repeat", Fn::Repeat, 2, 2},
    {"join", Fn::Join, 1, 2},
    {"indexOf", Fn::IndexOf, 2, 2},
    {"lastIndexOf", Fn::LastIndexOf, 2, 2},
    {"hasPrefix", Fn::HasPrefix, 2, 2},
    {"hasSuffix", Fn::HasSuffix, 2, 2},
    {"max", Fn::Max, 1, kMany},
    {"min", Fn::Min, 1, kMany},
    {"mean", Fn::Mean, 1, kMany},
    {"median", Fn::Median, 1, kMany},
    {"first", Fn::First, 1, 1},
    {"last", Fn::Last, 1, 1},
    {"get", Fn::Get, 2, 2},
    {"take", Fn::Take, 2, 2},
    {"keys", Fn::Keys, 1, 1},
    {"values", Fn::Values, 1, 1},
    {"toPairs", Fn::ToPairs, 1, 1},
    {"fromPairs", Fn::FromPairs, 1, 1},
    {"type", Fn::Type, 1, 1},
    {"reverse", Fn::Reverse, 1, 1},
    {"sort", Fn::Sort, 1, 2},
    {"uniq", Fn::Uniq, 1, 1},
    {"concat", Fn::Concat, 1, kMany},
    {"flatten", Fn::Flatten, 1, 1},
    {"bitand", Fn::BitAnd, 2, 2},
    {"bitor", Fn::BitOr, 2, 2},
    {"bitxor", Fn::BitXor, 2, 2},
    {"bitnand", Fn::BitNand, 2, 2},
    {"bitnot", Fn::BitNot, 1, 1},
    {"bitshl", Fn::BitShl, 2, 2},
    {"bitshr", Fn::BitShr, 2, 2},
    {"bitushr", Fn::BitUshr, 2, 2},
};

// Functions of the language that say nothing about a query: dates, JSON and the like.
constexpr std::string_view kNotHere[] = {"now",    "date",     "duration", "timezone",
                                         "toJSON", "fromJSON", "toBase64", "fromBase64"};
constexpr std::string_view kWords[] = {"true", "false", "nil",  "null",       "not",
                                       "and",  "or",    "in",   "matches",    "contains",
                                       "let",  "if",    "else", "startsWith", "endsWith"};

}  // namespace

struct Expr::Node {
  Kind kind{};
  Op op{};
  Fn fn{};
  std::size_t index = 0;  // of a function, variable or local
  ExprValue value;
  std::vector<std::shared_ptr<const Node>> children;
  std::optional<Expression> pattern;  // of `matches`, where it is a literal
};

namespace {

using Node = Expr::Node;
using NodePtr = std::shared_ptr<const Node>;

struct SyntaxError {
  std::string text;
};

// --- words ---

enum class Lex : std::uint8_t { End, Number, String, Word, Sign };

struct Lexeme {
  Lex lex = Lex::End;
  std::string text;
  ExprValue value;
  std::size_t at = 0;
};

void put_utf8(std::string& to, std::uint32_t c) {
  if (c < 0x80) {
    to += static_cast<char>(c);
  } else if (c < 0x800) {
    to += static_cast<char>(0xC0 | c >> 6);
    to += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    to += static_cast<char>(0xE0 | c >> 12);
    to += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    to += static_cast<char>(0x80 | (c & 0x3F));
  }
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Lexeme> run() {
    std::vector<Lexeme> all;
    do {
      all.push_back(next());
    } while (all.back().lex != Lex::End);
    return all;
  }

 private:
  static bool letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
  }
  static bool digit(char c) { return c >= '0' && c <= '9'; }
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  [[noreturn]] void fail(const std::string& why) const {
    throw SyntaxError{why + " (1:" + std::to_string(at_ + 1) + ")"};
  }

  Lexeme next() {
    for (;;) {
      while (at_ < text_.size() && std::strchr(" \t\r\n", text_[at_]) != nullptr) ++at_;
      if (peek() == '/' && peek(1) == '*') {
        const std::size_t end = text_.find("*/", at_ + 2);
        if (end == std::string_view::npos) fail("comment is not closed");
        at_ = end + 2;
      } else if (peek() == '/' && peek(1) == '/') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else {
        break;
      }
    }
    Lexeme lexeme;
    lexeme.at = at_;
    if (at_ >= text_.size()) return lexeme;
    const char c = peek();
    if (digit(c) || (c == '.' && digit(peek(1)))) return number();
    if (c == '\'' || c == '"' || c == '`') return string(c);
    if (letter(c) || (c == '#' && letter(peek(1)))) {
      std::size_t end = at_ + 1;
      while (end < text_.size() && (letter(text_[end]) || digit(text_[end]))) ++end;
      lexeme.lex = Lex::Word;
      lexeme.text = text_.substr(at_, end - at_);
      at_ = end;
      return lexeme;
    }
    static constexpr std::string_view kSigns[] = {
        "**", "..", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "+",
        "-",  "*",  "/",  "%",  "^",  "<",  ">",  "!",  "?",  ":",  "(",
        ")",  "[",  "]",  "{",  "}",  ",",  ".",  "#",  "|",  ";",  "="};
    for (const std::string_view sign : kSigns) {
      if (!text_.substr(at_).starts_with(sign)) continue;
      lexeme.lex = Lex::Sign;
      lexeme.text = sign;
      at_ += sign.size();
      return lexeme;
    }
    fail("unrecognized character '" + std::string(1, c) + "'");
  }

  Lexeme number() {
    Lexeme lexeme;
    lexeme.lex = Lex::Number;
    lexeme.at = at_;
    int base = 10;
    if (peek() == '0' && (peek(1) == 'x' || peek(1) == 'b' || peek(1) == 'o')) {
      base = peek(1) == 'x' ? 16 : peek(1) == 'b' ? 2 : 8;
      at_ += 2;
    }
    std::string digits;
    bool fraction = false;
    for (;; ++at_) {
      const char c = peek();
      if (c == '_') continue;
      if (digit(c) || (base == 16 && std::isxdigit(static_cast<unsigned char>(c)) != 0)) {
        digits += c;
      } else if (base == 10 && c == '.' && peek(1) != '.' && !fraction) {
        fraction = true;
        digits += c;
      } else if (base == 10 && (c == 'e' || c == 'E')) {
        fraction = true;
        digits += c;
        if (peek(1) == '-' || peek(1) == '+') {
          if (peek(1) == '-') digits += '-';
          ++at_;
        }
      } else {
        break;
      }
    }
    const char* const end = digits.data() + digits.size();
    if (fraction) {
      double d = 0;
      const auto read = std::from_chars(digits.data(), end, d);
      if (read.ec != std::errc{} || read.ptr != end) fail("bad number");
      lexeme.value = d;
    } else {
      std::int64_t i = 0;
      const auto read = std::from_chars(digits.data(), end, i, base);
      if (read.ec != std::errc{} || read.ptr != end) fail("bad number");
      lexeme.value = i;
    }
    return lexeme;
  }

  Lexeme string(char quote) {
    Lexeme lexeme;
    lexeme.lex = Lex::String;
    lexeme.at = at_++;
    std::string text;
    for (;; ++at_) {
      if (at_ >= text_.size()) fail("literal not terminated");
      char c = text_[at_];
      if (c == quote) break;
      if (c != '\\' || quote == '`') {
        text += c;
        continue;
      }
      c = peek(1);
      ++at_;
      switch (c) {
        case 'n': text += '\n'; break;
        case 't': text += '\t'; break;
        case 'r': text += '\r'; break;
        case 'a': text += '\a'; break;
        case 'b': text += '\b'; break;
        case 'f': text += '\f'; break;
        case 'v': text += '\v'; break;
        case '\\':
        case '\'':
        case '"':
        case '`': text += c; break;
        case 'x': text += static_cast<char>(code(2)); break;
        case 'u': put_utf8(text, code(4)); break;
        default: fail("invalid char escape");
      }
    }
    ++at_;
    lexeme.value = std::move(text);
    return lexeme;
  }

  std::uint32_t code(std::size_t digits) {
    std::uint32_t value = 0;
    const std::string_view text = text_.substr(std::min(at_ + 1, text_.size()), digits);
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (text.size() != digits || read.ptr != text.data() + digits) fail("invalid char escape");
    at_ += digits;
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// --- parser ---

class Parser {
 public:
  Parser(std::string_view text, const ExprNames& names) : names_(names), all_(Lexer(text).run()) {}

  NodePtr run() {
    NodePtr root = sequence();
    if (peek().lex != Lex::End) fail("unexpected " + shown(peek()));
    return root;
  }

 private:
  // Nested parentheses, brackets, operators.
  static constexpr int kMaxDepth = 100;

  struct Deeper {
    explicit Deeper(Parser& p) : parser(p) {
      if (++p.depth_ > kMaxDepth) p.fail("nested too deeply");
    }
    ~Deeper() { --parser.depth_; }
    Parser& parser;
  };

  [[nodiscard]] const Lexeme& peek() const { return all_[next_]; }
  const Lexeme& take() { return all_[next_ + 1 < all_.size() ? next_++ : next_]; }
  [[nodiscard]] bool is(std::string_view text) const {
    return (peek().lex == Lex::Word || peek().lex == Lex::Sign) && peek().text == text;
  }
  bool accept(std::string_view text) {
    if (!is(text)) return false;
    ++next_;
    return true;
  }
  void expect(std::string_view text) {
    if (!accept(text)) fail("expected '" + std::string(text) + "', and not " + shown(peek()));
  }
  [[noreturn]] void fail(const std::string& why) const {
    throw SyntaxError{why + " (1:" + std::to_string(peek().at + 1) + ")"};
  }
  static std::string shown(const Lexeme& lexeme) {
    switch (lexeme.lex) {
      case Lex::End: return "the end";
      case Lex::Number: return lexeme.value.to_text();
      case Lex::String: return "'" + lexeme.value.to_text() + "'";
      default: return "'" + lexeme.text + "'";
    }
  }
  static std::shared_ptr<Node> make(Kind kind, std::vector<NodePtr> children = {}) {
    auto node = std::make_shared<Node>();
    node->kind = kind;
    node->children = std::move(children);
    return node;
  }

  // `let a = 1; …`
  NodePtr sequence() {
    const Deeper deeper(*this);
    if (accept("let")) {
      const Lexeme& name = take();
      if (name.lex != Lex::Word || !Expr::may_be_variable(name.text, names_)) {
        fail("a variable cannot be called " + shown(name));
      }
      expect("=");
      NodePtr value = conditional();
      expect(";");
      locals_.push_back(name.text);
      NodePtr rest = sequence();
      locals_.pop_back();
      return make(Kind::Let, {std::move(value), std::move(rest)});
    }
    if (accept("if")) {
      NodePtr condition = conditional();
      expect("{");
      NodePtr yes = sequence();
      expect("}");
      expect("else");
      NodePtr no;
      if (is("if")) {
        no = sequence();
      } else {
        expect("{");
        no = sequence();
        expect("}");
      }
      return make(Kind::Conditional, {std::move(condition), std::move(yes), std::move(no)});
    }
    return conditional();
  }

  NodePtr conditional() {
    const Deeper deeper(*this);
    NodePtr node = binary(0);
    if (!accept("?")) return node;
    NodePtr yes;
    // `a ?: b`
    if (accept(":")) {
      yes = node;
    } else {
      yes = conditional();
      expect(":");
    }
    return make(Kind::Conditional, {std::move(node), std::move(yes), conditional()});
  }

  struct Operator {
    std::string_view text;
    int level;
    Kind kind;
    Op op;
  };
  // Levels as expr-lang has them (parser/operator/operator.go).
  static constexpr int kUnaryNotLevel = 50;
  static constexpr int kUnarySignLevel = 90;
  static constexpr int kPowerLevel = 100;
  [[nodiscard]] const Operator* operator_here() const {
    static constexpr Operator kOperators[] = {
        {"|", 0, Kind::Value, Op::Not},  // a pipe
        {"or", 10, Kind::Or, Op::Not},
        {"||", 10, Kind::Or, Op::Not},
        {"and", 15, Kind::And, Op::Not},
        {"&&", 15, Kind::And, Op::Not},
        {"==", 20, Kind::Binary, Op::Equal},
        {"!=", 20, Kind::Binary, Op::NotEqual},
        {"<", 20, Kind::Binary, Op::Less},
        {">", 20, Kind::Binary, Op::Greater},
        {"<=", 20, Kind::Binary, Op::LessEqual},
        {">=", 20, Kind::Binary, Op::GreaterEqual},
        {"in", 20, Kind::Binary, Op::In},
        {"matches", 20, Kind::Binary, Op::Matches},
        {"contains", 20, Kind::Binary, Op::Contains},
        {"startsWith", 20, Kind::Binary, Op::StartsWith},
        {"endsWith", 20, Kind::Binary, Op::EndsWith},
        {"..", 25, Kind::Binary, Op::Range},
        {"+", 30, Kind::Binary, Op::Add},
        {"-", 30, Kind::Binary, Op::Subtract},
        {"*", 60, Kind::Binary, Op::Multiply},
        {"/", 60, Kind::Binary, Op::Divide},
        {"%", 60, Kind::Binary, Op::Modulo},
        {"**", kPowerLevel, Kind::Binary, Op::Power},
        {"^", kPowerLevel, Kind::Binary, Op::Power},
        {"??", 500, Kind::Coalesce, Op::Not},
    };
    for (const Operator& each : kOperators) {
      if (is(each.text)) return &each;
    }
    return nullptr;
  }

  NodePtr binary(int least) {
    const Deeper deeper(*this);
    NodePtr left = unary();
    for (;;) {
      // `a not in b`
      bool negated = false;
      const std::size_t start = next_;
      if (is("not")) {
        ++next_;
        negated = true;
      }
      const Operator* const op = operator_here();
      if (op == nullptr || op->level < least || (negated && op->level != 20) ||
          (negated && peek().lex != Lex::Word)) {
        next_ = start;
        return left;
      }
      ++next_;
      if (op->text == "|") {
        left = pipe(std::move(left));
        continue;
      }
      NodePtr right = binary(op->level == kPowerLevel ? op->level : op->level + 1);
      auto node = make(op->kind, {std::move(left), std::move(right)});
      node->op = op->op;
      if (op->op == Op::Matches && op->kind == Kind::Binary) compile_pattern(*node);
      left = std::move(node);
      if (negated) {
        auto inverse = make(Kind::Unary, {std::move(left)});
        inverse->op = Op::Not;
        left = std::move(inverse);
      }
    }
  }

  void compile_pattern(Node& node) {
    const Node& right = *node.children[1];
    if (right.kind != Kind::Value) return;
    const std::string* const text = right.value.as_string();
    if (text == nullptr) fail("matches takes a string");
    std::string error;
    node.pattern = Expression::compile(*text, &error);
    if (!node.pattern) fail("'" + *text + "' is not a regular expression: " + error);
  }

  // `value | function(more)`: the value is the first argument.
  NodePtr pipe(NodePtr value) {
    const Lexeme& name = take();
    if (name.lex != Lex::Word || !is("(")) fail("a function is expected behind '|'");
    return postfix(call(name.text, {std::move(value)}));
  }

  NodePtr unary() {
    const Deeper deeper(*this);
    const auto apply = [&](Op op, int level) {
      auto node = make(Kind::Unary, {level == 0 ? unary() : binary(level)});
      node->op = op;
      return postfix(node);
    };
    if (accept("not")) return apply(Op::Not, kUnaryNotLevel);
    if (accept("!")) return apply(Op::Not, kUnaryNotLevel);
    if (accept("-")) return apply(Op::Minus, kUnarySignLevel);
    if (accept("+")) return apply(Op::Plus, kUnarySignLevel);
    return postfix(primary());
  }

  NodePtr postfix(NodePtr node) {
    for (;;) {
      if (accept(".") || accept("?.")) {
        const Lexeme& name = take();
        if (name.lex != Lex::Word) fail("a name is expected behind '.'");
        node = make(Kind::Member, {std::move(node), literal(name.text)});
      } else if (accept("[")) {
        NodePtr from = is(":") ? nullptr : conditional();
        if (accept(":")) {
          NodePtr to = is("]") ? make(Kind::Value) : conditional();
          node = make(Kind::Slice,
                      {std::move(node), from == nullptr ? make(Kind::Value) : std::move(from),
                       std::move(to)});
        } else {
          node = make(Kind::Member, {std::move(node), std::move(from)});
        }
        expect("]");
      } else {
        return node;
      }
    }
  }

  static NodePtr literal(ExprValue value) {
    auto node = make(Kind::Value);
    node->value = std::move(value);
    return node;
  }

  NodePtr primary() {
    const Lexeme& lexeme = take();
    switch (lexeme.lex) {
      case Lex::Number:
      case Lex::String: return literal(lexeme.value);
      case Lex::Word: return word(lexeme);
      case Lex::Sign: break;
      case Lex::End: fail("unexpected end");
    }
    if (lexeme.text == "(") {
      NodePtr inner = sequence();
      expect(")");
      return inner;
    }
    if (lexeme.text == "[") {
      auto node = make(Kind::Array);
      while (!accept("]")) {
        if (!node->children.empty()) {
          expect(",");
          if (accept("]")) break;
        }
        node->children.push_back(conditional());
      }
      return node;
    }
    if (lexeme.text == "{") {
      auto node = make(Kind::Map);
      while (!accept("}")) {
        if (!node->children.empty()) {
          expect(",");
          if (accept("}")) break;
        }
        const Lexeme key = take();
        if (key.lex == Lex::Sign && key.text == "(") {
          node->children.push_back(conditional());
          expect(")");
        } else if (key.lex == Lex::Word) {
          node->children.push_back(literal(key.text));
        } else if (key.lex == Lex::String || key.lex == Lex::Number) {
          node->children.push_back(literal(key.value.to_text()));
        } else {
          fail("a key is expected, and not " + shown(key));
        }
        expect(":");
        node->children.push_back(conditional());
      }
      return node;
    }
    if (lexeme.text == "#" || lexeme.text == ".") {
      if (predicates_.empty())
        fail("'" + lexeme.text + "' has a meaning inside of a predicate only");
      if (lexeme.text == ".") --next_;  // `.name` is `#.name`
      return make(Kind::Element);
    }
    --next_;
    fail("unexpected " + shown(lexeme));
  }

  NodePtr word(const Lexeme& lexeme) {
    const std::string& name = lexeme.text;
    if (name == "true" || name == "false") return literal(name == "true");
    if (name == "nil" || name == "null") return make(Kind::Value);
    if (name == "#index" || name == "#acc") {
      const bool sum = name == "#acc";
      if (predicates_.empty() || (sum && predicates_.back() != Fn::Reduce)) {
        fail("'" + name + "' has no meaning here");
      }
      return make(sum ? Kind::Sum : Kind::Index);
    }
    if (is("(")) return call(name, {});
    for (std::size_t i = locals_.size(); i-- > 0;) {
      if (locals_[i] != name) continue;
      auto node = make(Kind::Local);
      node->index = i;
      return node;
    }
    for (std::size_t i = names_.variables.size(); i-- > 0;) {
      if (names_.variables[i] != name) continue;
      auto node = make(Kind::Variable);
      node->index = i;
      return node;
    }
    --next_;
    fail("unknown name " + name);
  }

  NodePtr call(const std::string& name, std::vector<NodePtr> arguments) {
    const std::size_t at = peek().at;
    for (std::size_t i = 0; i < names_.functions.size(); ++i) {
      const ExprNames::Function& function = names_.functions[i];
      if (function.name != name) continue;
      read_arguments(arguments);
      // `type()` is the query's, `type(x)` the language's.
      const auto* const builtin =
          std::find_if(std::begin(kBuiltins), std::end(kBuiltins), [&](const BuiltinName& each) {
            return each.name == name && !each.predicate && arguments.size() > function.most &&
                   arguments.size() >= each.least && arguments.size() <= each.most;
          });
      if (builtin != std::end(kBuiltins)) {
        auto node = make(Kind::Builtin, std::move(arguments));
        node->fn = builtin->fn;
        return node;
      }
      check_count(name, arguments.size(), function.least, function.most, at);
      auto node = make(Kind::Call, std::move(arguments));
      node->index = i;
      return node;
    }
    for (const BuiltinName& builtin : kBuiltins) {
      if (builtin.name != name) continue;
      if (builtin.predicate) {
        read_predicate(builtin.fn, arguments);
      } else {
        read_arguments(arguments);
      }
      check_count(name, arguments.size(), builtin.least, builtin.most, at);
      auto node = make(builtin.predicate ? Kind::Predicate : Kind::Builtin, std::move(arguments));
      node->fn = builtin.fn;
      return node;
    }
    const bool known =
        std::find(std::begin(kNotHere), std::end(kNotHere), name) != std::end(kNotHere);
    --next_;
    fail(known ? "the function " + name + " is not supported" : "unknown function " + name);
  }

  void check_count(const std::string& name, std::size_t count, std::size_t least, std::size_t most,
                   std::size_t at) const {
    if (count >= least && count <= most) return;
    throw SyntaxError{name + " takes " +
                      (least == most ? std::to_string(least)
                                     : std::to_string(least) + " to " + std::to_string(most)) +
                      " arguments, and not " + std::to_string(count) +
                      " (1:" + std::to_string(at + 1) + ")"};
  }

  void read_arguments(std::vector<NodePtr>& arguments) {
    expect("(");
    bool first = true;
    while (!accept(")")) {
      if (!first) {
        expect(",");
        if (accept(")")) break;
      }
      first = false;
      arguments.push_back(conditional());
    }
  }

  // An array, then an expression about each element, in braces or not.
  void read_predicate(Fn fn, std::vector<NodePtr>& arguments) {
    expect("(");
    if (arguments.empty()) {
      arguments.push_back(conditional());
      if (accept(")")) return;
      expect(",");
    } else if (accept(")")) {
      return;
    }
    predicates_.push_back(fn);
    if (accept("{")) {
      arguments.push_back(sequence());
      expect("}");
    } else {
      arguments.push_back(conditional());
    }
    predicates_.pop_back();
    while (accept(",")) {
      if (is(")")) break;
      arguments.push_back(conditional());
    }
    expect(")");
  }

  const ExprNames& names_;
  std::vector<Lexeme> all_;
  std::size_t next_ = 0;
  int depth_ = 0;
  std::vector<Fn> predicates_;  // that this is inside of
  std::vector<std::string> locals_;
};

// --- evaluation ---

struct Failed {};

class Evaluation {
 public:
  explicit Evaluation(const ExprScope& scope) : scope_(scope) {}

  ExprValue run(const Node& node) {
    step();
    ExprValue value = compute(node);
    if (const auto* const s = value.as_string()) passed_ += s->size();
    if (passed_ > Expr::kMaxTextPassed || value.weight() > Expr::kMaxWeight ||
        value.depth() > Expr::kMaxDepth) {
      throw Failed{};
    }
    return value;
  }

 private:
  using Array = ExprValue::Array;

  ExprValue compute(const Node& node) {
    switch (node.kind) {
      case Kind::Value: return node.value;
      case Kind::Array: {
        ExprValue::Array array;
        for (const NodePtr& each : node.children) array.push_back(run(*each));
        return ExprValue(std::move(array));
      }
      case Kind::Map: {
        ExprValue::Map map;
        for (std::size_t i = 0; i < node.children.size(); i += 2) {
          ExprKey key = key_of(run(*node.children[i]));
          map.insert_or_assign(std::move(key), run(*node.children[i + 1]));
        }
        return ExprValue(std::move(map));
      }
      case Kind::Variable: return scope_.variable(node.index);
      case Kind::Local: return locals_[node.index];
      case Kind::Element: return elements_.back().first;
      case Kind::Index: return elements_.back().second;
      case Kind::Sum: return sums_.back();
      case Kind::Unary: return unary(node.op, run(*node.children[0]));
      case Kind::Binary: return binary(node);
      case Kind::And: return truth(run(*node.children[0])) && truth(run(*node.children[1]));
      case Kind::Or: return truth(run(*node.children[0])) || truth(run(*node.children[1]));
      case Kind::Coalesce: {
        ExprValue left = run(*node.children[0]);
        return left.is_nil() ? run(*node.children[1]) : left;
      }
      case Kind::Conditional: return run(*node.children[truth(run(*node.children[0])) ? 1 : 2]);
      case Kind::Let: {
        locals_.push_back(run(*node.children[0]));
        ExprValue result = run(*node.children[1]);
        locals_.pop_back();
        return result;
      }
      case Kind::Call: {
        const auto arguments = all(node.children);
        auto result = scope_.call(node.index, arguments);
        if (!result) throw Failed{};
        return *std::move(result);
      }
      case Kind::Builtin: return builtin(node.fn, all(node.children));
      case Kind::Predicate: return predicate(node);
      case Kind::Member: return member(run(*node.children[0]), run(*node.children[1]));
      case Kind::Slice:
        return slice(run(*node.children[0]), run(*node.children[1]), run(*node.children[2]));
    }
    throw Failed{};
  }

  void step(std::size_t count = 1) {
    steps_ += count;
    if (steps_ > Expr::kMaxSteps) throw Failed{};
  }
  // What is made costs as much as it holds.
  ExprValue made(std::string value) {
    if (value.size() > Expr::kMaxMade) throw Failed{};
    step(value.size() / 16);
    return value;
  }
  ExprValue made(Array value) {
    if (value.size() > Expr::kMaxMade) throw Failed{};
    step(value.size());
    return ExprValue(std::move(value));
  }

  static bool truth(const ExprValue& value) {
    const bool* const b = value.as_bool();
    if (b == nullptr) throw Failed{};
    return *b;
  }
  static const std::string& text(const ExprValue& value) {
    const std::string* const s = value.as_string();
    if (s == nullptr) throw Failed{};
    return *s;
  }
  static std::int64_t integer(const ExprValue& value) {
    const auto* const i = value.as_int();
    if (i == nullptr) throw Failed{};
    return *i;
  }
  static double number(const ExprValue& value) {
    if (!value.is_number()) throw Failed{};
    return value.number();
  }
  static const Array& array(const ExprValue& value) {
    const Array* const a = value.as_array();
    if (a == nullptr) throw Failed{};
    return *a;
  }
  static ExprKey key_of(const ExprValue& value) {
    auto key = ExprKey::of(value);
    if (!key) throw Failed{};
    return *std::move(key);
  }
  Array all(const std::vector<NodePtr>& nodes) {
    Array values;
    values.reserve(nodes.size());
    for (const NodePtr& each : nodes) values.push_back(run(*each));
    return values;
  }
  static bool both_ints(const ExprValue& a, const ExprValue& b) {
    return a.as_int() != nullptr && b.as_int() != nullptr;
  }
  // Integers wrap around, as Go's.
  static std::int64_t wrapped(std::uint64_t value) { return static_cast<std::int64_t>(value); }

  static ExprValue unary(Op op, const ExprValue& value) {
    if (op == Op::Not) return !truth(value);
    if (!value.is_number()) throw Failed{};
    if (op == Op::Plus) return value;
    if (value.as_int() != nullptr) {
      return wrapped(0 - static_cast<std::uint64_t>(*value.as_int()));
    }
    return -value.number();
  }

  ExprValue binary(const Node& node) {
    const ExprValue a = run(*node.children[0]);
    if (node.pattern) return node.pattern->matches(text(a));
    const ExprValue b = run(*node.children[1]);
    switch (node.op) {
      case Op::Equal: return a == b;
      case Op::NotEqual: return !(a == b);
      case Op::Less: return less(a, b);
      case Op::Greater: return less(b, a);
      case Op::LessEqual: return !less(b, a);
      case Op::GreaterEqual: return !less(a, b);
      case Op::In: return is_in(a, b);
      case Op::Contains: return text(a).find(text(b)) != std::string::npos;
      case Op::StartsWith: return text(a).starts_with(text(b));
      case Op::EndsWith: return text(a).ends_with(text(b));
      case Op::Matches: {
        // One that is made for each query is compiled for each query.
        step(text(b).size() * 16);
        std::string error;
        const auto pattern = Expression::compile(text(b), &error, kPatternMemory);
        if (!pattern) throw Failed{};
        return pattern->matches(text(a));
      }
      case Op::Range: {
        const std::int64_t from = integer(a);
        const std::int64_t to = integer(b);
        Array values;
        if (to < from) return ExprValue(std::move(values));
        const std::uint64_t count =
            static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
        if (count >= Expr::kMaxMade) throw Failed{};
        for (std::int64_t i = from;; ++i) {
          values.emplace_back(i);
          if (i == to) break;
        }
        return made(std::move(values));
      }
      default: return arithmetic(node.op, a, b);
    }
  }

  ExprValue arithmetic(Op op, const ExprValue& a, const ExprValue& b) {
    if (op == Op::Add && a.as_string() != nullptr) return made(text(a) + text(b));
    if (op == Op::Divide) return number(a) / number(b);
    if (op == Op::Power) return std::pow(number(a), number(b));
    if (op == Op::Modulo) {
      const std::int64_t divisor = integer(b);
      if (divisor == 0) throw Failed{};
      return divisor == -1 ? std::int64_t{0} : integer(a) % divisor;
    }
    if (both_ints(a, b)) {
      const auto x = static_cast<std::uint64_t>(*a.as_int());
      const auto y = static_cast<std::uint64_t>(*b.as_int());
      return wrapped(op == Op::Add ? x + y : op == Op::Subtract ? x - y : x * y);
    }
    const double x = number(a);
    const double y = number(b);
    return op == Op::Add ? x + y : op == Op::Subtract ? x - y : x * y;
  }

  static bool less(const ExprValue& a, const ExprValue& b) {
    if (a.as_string() != nullptr) return text(a) < text(b);
    if (both_ints(a, b)) return *a.as_int() < *b.as_int();
    return number(a) < number(b);
  }

  bool is_in(const ExprValue& a, const ExprValue& b) {
    if (const auto* map = b.as_map()) return map->contains(key_of(a));
    const Array& values = array(b);
    step(values.size());
    return std::find(values.begin(), values.end(), a) != values.end();
  }

  static ExprValue member(const ExprValue& of, const ExprValue& key) {
    if (const auto* map = of.as_map()) {
      const auto at = map->find(key_of(key));
      return at == map->end() ? ExprValue() : at->second;
    }
    if (const auto* s = of.as_string()) {
      const std::size_t at = place(integer(key), s->size());
      return std::string(1, (*s)[at]);
    }
    const Array& values = array(of);
    return values[place(integer(key), values.size())];
  }
  // From the end when negative.
  static std::size_t place(std::int64_t index, std::size_t size) {
    const auto count = static_cast<std::int64_t>(size);
    if (index < 0) index += count;
    if (index < 0 || index >= count) throw Failed{};
    return static_cast<std::size_t>(index);
  }

  ExprValue slice(const ExprValue& of, const ExprValue& from, const ExprValue& to) {
    const std::size_t size = of.as_string() != nullptr ? of.as_string()->size() : array(of).size();
    const auto bound = [&](const ExprValue& value, std::size_t otherwise) {
      if (value.is_nil()) return otherwise;
      std::int64_t index = integer(value);
      if (index < 0) index += static_cast<std::int64_t>(size);
      return static_cast<std::size_t>(
          std::clamp<std::int64_t>(index, 0, static_cast<std::int64_t>(size)));
    };
    const std::size_t begin = bound(from, 0);
    const std::size_t end = std::max(begin, bound(to, size));
    if (const auto* s = of.as_string()) return made(s->substr(begin, end - begin));
    const Array& values = array(of);
    return made(Array(values.begin() + static_cast<std::ptrdiff_t>(begin),
                      values.begin() + static_cast<std::ptrdiff_t>(end)));
  }

  ExprValue about(const ExprValue& element, std::size_t index, const Node& predicate) {
    elements_.emplace_back(element, static_cast<std::int64_t>(index));
    ExprValue result = run(predicate);
    elements_.pop_back();
    return result;
  }

  ExprValue predicate(const Node& node) {
    const ExprValue held = run(*node.children[0]);
    const Array& values = array(held);
    const bool has = node.children.size() > 1;
    const auto of = [&](std::size_t i) {
      return has ? about(values[i], i, *node.children[1]) : values[i];
    };
    std::int64_t hits = 0;
    const std::size_t size = values.size();
    switch (node.fn) {
      case Fn::All:
        for (std::size_t i = 0; i < size; ++i) {
          if (!truth(of(i))) return false;
        }
        return true;
      case Fn::None:
      case Fn::Any:
        for (std::size_t i = 0; i < size; ++i) {
          if (truth(of(i))) return node.fn == Fn::Any;
        }
        return node.fn == Fn::None;
      case Fn::One:
      case Fn::Count:
        for (std::size_t i = 0; i < size; ++i) hits += truth(of(i)) ? 1 : 0;
        return node.fn == Fn::One ? ExprValue(hits == 1) : ExprValue(hits);
      case Fn::Filter:
      case Fn::Map: {
        Array result;
        for (std::size_t i = 0; i < size; ++i) {
          ExprValue value = of(i);
          if (node.fn == Fn::Map) {
            result.push_back(std::move(value));
          } else if (truth(value)) {
            result.push_back(values[i]);
          }
        }
        return made(std::move(result));
      }
      case Fn::Find:
      case Fn::FindIndex:
        for (std::size_t i = 0; i < size; ++i) {
          if (truth(of(i))) {
            return node.fn == Fn::Find ? values[i] : ExprValue(static_cast<std::int64_t>(i));
          }
        }
        return {};
      case Fn::FindLast:
      case Fn::FindLastIndex:
        for (std::size_t i = size; i-- > 0;) {
          if (truth(of(i))) {
            return node.fn == Fn::FindLast ? values[i] : ExprValue(static_cast<std::int64_t>(i));
          }
        }
        return {};
      case Fn::Sum: {
        ExprValue sum(std::int64_t{0});
        for (std::size_t i = 0; i < size; ++i) sum = arithmetic(Op::Add, sum, of(i));
        return sum;
      }
      case Fn::GroupBy: {
        std::map<ExprKey, Array> groups;
        for (std::size_t i = 0; i < size; ++i) groups[key_of(of(i))].push_back(values[i]);
        ExprValue::Map map;
        for (auto& [key, group] : groups) map.emplace(key, made(std::move(group)));
        return ExprValue(std::move(map));
      }
      case Fn::Reduce: {
        std::size_t i = 0;
        if (node.children.size() > 2) {
          sums_.push_back(run(*node.children[2]));
        } else if (size != 0) {
          sums_.push_back(values[i++]);
        } else {
          throw Failed{};
        }
        for (; i < size; ++i) {
          ExprValue next = of(i);
          sums_.back() = std::move(next);
        }
        ExprValue sum = std::move(sums_.back());
        sums_.pop_back();
        return sum;
      }
      case Fn::SortBy: {
        std::vector<std::pair<ExprValue, ExprValue>> keyed;
        for (std::size_t i = 0; i < size; ++i) keyed.emplace_back(of(i), values[i]);
        const bool down = node.children.size() > 2 && text(run(*node.children[2])) == "desc";
        sort_values(keyed, down, [](const auto& pair) -> const ExprValue& { return pair.first; });
        Array result;
        for (auto& [key, value] : keyed) result.push_back(std::move(value));
        return made(std::move(result));
      }
      default: throw Failed{};
    }
  }

  template <class Values, class Key>
  void sort_values(Values& values, bool down, const Key& key) {
    step(values.size() * 8);
    for (const auto& each : values) (void)less(key(each), key(values.front()));  // of one kind
    std::stable_sort(values.begin(), values.end(), [&](const auto& a, const auto& b) {
      return down ? less(key(b), key(a)) : less(key(a), key(b));
    });
  }

  // As Go counts them: what is no UTF-8 is one each.
  static std::int64_t characters(std::string_view text) {
    std::int64_t count = 0;
    for (std::size_t at = 0; at < text.size(); ++count) at += character_size(text.substr(at));
    return count;
  }
  static std::size_t character_size(std::string_view text) {
    const auto octet = [&](std::size_t i) {
      return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
    };
    const unsigned first = octet(0);
    const std::size_t size = first < 0xC2   ? 1
                             : first < 0xE0 ? 2
                             : first < 0xF0 ? 3
                             : first < 0xF5 ? 4
                                            : 1;
    if (size == 1) return 1;
    // Neither too long a form, a surrogate, nor beyond U+10FFFF (RFC 3629).
    const unsigned least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    const unsigned most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (octet(1) < least || octet(1) > most) return 1;
    for (std::size_t i = 2; i < size; ++i) {
      if ((octet(i) & 0xC0) != 0x80) return 1;
    }
    return size;
  }

  static std::string lower_or_upper(std::string value, bool upper) {
    for (char& c : value) {
      if (upper && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
      if (!upper && c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    return value;
  }

  ExprValue split(const Array& a, bool keep) {
    const std::string& whole = text(a[0]);
    const std::string& by = text(a[1]);
    const std::int64_t most = a.size() > 2 ? integer(a[2]) : -1;
    Array parts;
    std::size_t at = 0;
    if (most == 0) return ExprValue(std::move(parts));
    while (most < 0 || static_cast<std::int64_t>(parts.size()) + 1 < most) {
      const std::size_t found =
          by.empty() ? (at + 1 < whole.size() ? at + 1 : std::string::npos) : whole.find(by, at);
      if (found == std::string::npos) break;
      parts.emplace_back(whole.substr(at, found - at + (keep ? by.size() : 0)));
      at = found + by.size();
    }
    parts.emplace_back(whole.substr(at));
    return made(std::move(parts));
  }

  ExprValue replace(const Array& a) {
    const std::string& whole = text(a[0]);
    const std::string& from = text(a[1]);
    const std::string& to = text(a[2]);
    std::int64_t left = a.size() > 3 ? integer(a[3]) : -1;
    std::string result;
    std::size_t at = 0;
    while (left != 0) {
      const std::size_t found = from.empty() ? std::string::npos : whole.find(from, at);
      if (found == std::string::npos) break;
      result += whole.substr(at, found - at) + to;
      if (result.size() > Expr::kMaxMade) throw Failed{};
      at = found + from.size();
      --left;
    }
    return made(result + whole.substr(at));
  }

  // The numbers among `values`, and in arrays among them.
  static void numbers_of(std::span<const ExprValue> values, std::vector<double>& to) {
    for (const ExprValue& each : values) {
      if (const Array* inner = each.as_array()) {
        numbers_of(*inner, to);
      } else {
        to.push_back(number(each));
      }
    }
  }

  ExprValue largest(const Array& a, bool max) {
    const ExprValue* best = nullptr;
    const auto look = [&](const auto& self, std::span<const ExprValue> values) -> void {
      for (const ExprValue& each : values) {
        if (const Array* inner = each.as_array()) {
          self(self, *inner);
        } else if (best == nullptr || (max ? less(*best, each) : less(each, *best))) {
          best = &each;
        }
      }
    };
    look(look, a);
    return best == nullptr ? ExprValue() : *best;
  }

  static void flatten(const Array& from, Array& to) {
    for (const ExprValue& each : from) {
      if (const Array* inner = each.as_array()) {
        flatten(*inner, to);
      } else {
        to.push_back(each);
      }
      if (to.size() > Expr::kMaxMade) throw Failed{};
    }
  }

  ExprValue builtin(Fn fn, const Array& a) {
    switch (fn) {
      case Fn::Len:
        if (const auto* s = a[0].as_string()) return characters(*s);
        if (const auto* m = a[0].as_map()) return static_cast<std::int64_t>(m->size());
        return static_cast<std::int64_t>(array(a[0]).size());
      case Fn::Abs:
        return a[0].as_int() != nullptr && *a[0].as_int() >= 0 ? a[0]
               : a[0].as_int() != nullptr                      ? unary(Op::Minus, a[0])
                                                               : ExprValue(std::fabs(number(a[0])));
      case Fn::Ceil: return std::ceil(number(a[0]));
      case Fn::Floor: return std::floor(number(a[0]));
      case Fn::Round: return std::round(number(a[0]));
      case Fn::Int: {
        if (a[0].as_int() != nullptr) return a[0];
        if (const auto* s = a[0].as_string()) {
          std::int64_t i = 0;
          const auto read = std::from_chars(s->data(), s->data() + s->size(), i);
          if (read.ec != std::errc{} || read.ptr != s->data() + s->size()) throw Failed{};
          return i;
        }
        const double d = number(a[0]);
        if (!(d > -9.2e18 && d < 9.2e18)) throw Failed{};
        return static_cast<std::int64_t>(d);
      }
      case Fn::Float: {
        if (const auto* s = a[0].as_string()) {
          double d = 0;
          const auto read = std::from_chars(s->data(), s->data() + s->size(), d);
          if (read.ec != std::errc{} || read.ptr != s->data() + s->size()) throw Failed{};
          return d;
        }
        return number(a[0]);
      }
      case Fn::String: return made(a[0].to_text());
      case Fn::Trim: {
        const std::string& s = text(a[0]);
        const std::string cut = a.size() > 1 ? text(a[1]) : " \t\r\n\v\f";
        const std::size_t from = s.find_first_not_of(cut);
        return from == std::string::npos ? std::string()
                                         : s.substr(from, s.find_last_not_of(cut) - from + 1);
      }
      case Fn::TrimPrefix:
      case Fn::TrimSuffix: {
        const std::string& s = text(a[0]);
        const std::string cut = a.size() > 1 ? text(a[1]) : " ";
        if (fn == Fn::TrimPrefix) return s.starts_with(cut) ? s.substr(cut.size()) : s;
        return s.ends_with(cut) ? s.substr(0, s.size() - cut.size()) : s;
      }
      case Fn::Upper:
      case Fn::Lower: return made(lower_or_upper(text(a[0]), fn == Fn::Upper));
      case Fn::Split:
      case Fn::SplitAfter: return split(a, fn == Fn::SplitAfter);
      case Fn::Replace: return replace(a);
      case Fn::Repeat: {
        const std::int64_t count = integer(a[1]);
        const std::string& s = text(a[0]);
        if (count < 0 ||
            (!s.empty() && static_cast<std::uint64_t>(count) > Expr::kMaxMade / s.size())) {
          throw Failed{};
        }
        std::string result;
        for (std::int64_t i = 0; i < count && !s.empty(); ++i) result += s;
        return made(std::move(result));
      }
      case Fn::Join: {
        const std::string between = a.size() > 1 ? text(a[1]) : "";
        std::string result;
        bool first = true;
        for (const ExprValue& each : array(a[0])) {
          result += (first ? "" : between) + text(each);
          first = false;
          if (result.size() > Expr::kMaxMade) throw Failed{};
        }
        return made(std::move(result));
      }
      case Fn::IndexOf:
      case Fn::LastIndexOf: {
        const std::size_t at =
            fn == Fn::IndexOf ? text(a[0]).find(text(a[1])) : text(a[0]).rfind(text(a[1]));
        return at == std::string::npos ? std::int64_t{-1} : static_cast<std::int64_t>(at);
      }
      case Fn::HasPrefix: return text(a[0]).starts_with(text(a[1]));
      case Fn::HasSuffix: return text(a[0]).ends_with(text(a[1]));
      case Fn::Max:
      case Fn::Min: return largest(a, fn == Fn::Max);
      case Fn::Mean:
      case Fn::Median: {
        std::vector<double> values;
        numbers_of(a, values);
        step(values.size() * 4);
        if (values.empty()) return 0.0;
        if (fn == Fn::Mean) {
          double sum = 0;
          for (const double v : values) sum += v;
          return sum / static_cast<double>(values.size());
        }
        std::sort(values.begin(), values.end());
        const std::size_t half = values.size() / 2;
        return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
      }
      case Fn::First: return array(a[0]).empty() ? ExprValue() : array(a[0]).front();
      case Fn::Last: return array(a[0]).empty() ? ExprValue() : array(a[0]).back();
      case Fn::Get: {
        if (a[0].as_map() != nullptr) return member(a[0], a[1]);
        const Array& values = array(a[0]);
        const std::int64_t i = integer(a[1]);
        return i >= 0 && static_cast<std::size_t>(i) < values.size()
                   ? values[static_cast<std::size_t>(i)]
                   : ExprValue();
      }
      case Fn::Take: return slice(a[0], ExprValue(std::int64_t{0}), a[1]);
      case Fn::Keys:
      case Fn::Values: {
        const auto* const map = a[0].as_map();
        if (map == nullptr) throw Failed{};
        Array result;
        for (const auto& [key, value] : *map) {
          result.push_back(fn == Fn::Keys ? key.value() : value);
        }
        return made(std::move(result));
      }
      case Fn::ToPairs: {
        const auto* const map = a[0].as_map();
        if (map == nullptr) throw Failed{};
        Array pairs;
        for (const auto& [key, value] : *map) pairs.emplace_back(Array{key.value(), value});
        return made(std::move(pairs));
      }
      case Fn::FromPairs: {
        ExprValue::Map map;
        step(array(a[0]).size());
        for (const ExprValue& each : array(a[0])) {
          const Array& pair = array(each);
          if (pair.size() != 2) throw Failed{};
          map.insert_or_assign(key_of(pair[0]), pair[1]);
        }
        return ExprValue(std::move(map));
      }
      case Fn::Type:
        return std::string(a[0].is_nil()                 ? "nil"
                           : a[0].as_bool() != nullptr   ? "bool"
                           : a[0].as_int() != nullptr    ? "int"
                           : a[0].is_number()            ? "float"
                           : a[0].as_string() != nullptr ? "string"
                           : a[0].as_array() != nullptr  ? "array"
                                                         : "map");
      case Fn::Reverse: {
        const Array& values = array(a[0]);
        return made(Array(values.rbegin(), values.rend()));
      }
      case Fn::Sort: {
        Array values = array(a[0]);
        const bool down = a.size() > 1 && text(a[1]) == "desc";
        sort_values(values, down, [](const ExprValue& value) -> const ExprValue& { return value; });
        return made(std::move(values));
      }
      case Fn::Uniq: {
        Array result;
        for (const ExprValue& each : array(a[0])) {
          step(result.size());
          if (std::find(result.begin(), result.end(), each) == result.end()) result.push_back(each);
        }
        return made(std::move(result));
      }
      case Fn::Concat: {
        Array result;
        for (const ExprValue& each : a) {
          const Array& values = array(each);
          result.insert(result.end(), values.begin(), values.end());
          if (result.size() > Expr::kMaxMade) throw Failed{};
        }
        return made(std::move(result));
      }
      case Fn::Flatten: {
        Array result;
        flatten(array(a[0]), result);
        return made(std::move(result));
      }
      case Fn::BitAnd: return integer(a[0]) & integer(a[1]);
      case Fn::BitOr: return integer(a[0]) | integer(a[1]);
      case Fn::BitXor: return integer(a[0]) ^ integer(a[1]);
      case Fn::BitNand: return integer(a[0]) & ~integer(a[1]);
      case Fn::BitNot: return ~integer(a[0]);
      case Fn::BitShl:
      case Fn::BitShr:
      case Fn::BitUshr: {
        const std::int64_t by = integer(a[1]);
        if (by < 0) throw Failed{};
        const std::int64_t value = integer(a[0]);
        const auto bits = static_cast<std::uint64_t>(value);
        if (fn == Fn::BitShr) return value >> std::min<std::int64_t>(by, 63);
        if (by > 63) return std::int64_t{0};
        return wrapped(fn == Fn::BitShl ? bits << by : bits >> by);
      }
      default: throw Failed{};
    }
  }

  static constexpr std::int64_t kPatternMemory = std::int64_t{64} << 10;

  const ExprScope& scope_;
  std::size_t steps_ = 0;
  std::size_t passed_ = 0;  // octets of texts
  std::vector<ExprValue> locals_;
  std::vector<std::pair<ExprValue, ExprValue>> elements_;
  std::vector<ExprValue> sums_;  // `#acc` of each reduce
};

}  // namespace

std::optional<Expr> Expr::parse(std::string_view text, const ExprNames& names, std::string* error) {
  if (text.size() > kMaxText) {
    *error = "it has more than " + std::to_string(kMaxText) + " octets";
    return std::nullopt;
  }
  try {
    return Expr(Parser(text, names).run());
  } catch (const SyntaxError& e) {
    *error = e.text;
    return std::nullopt;
  }
}

std::optional<ExprValue> Expr::evaluate(const ExprScope& scope) const {
  try {
    return Evaluation(scope).run(*root_);
  } catch (const Failed&) {
    return std::nullopt;
  }
}

bool Expr::may_be_variable(std::string_view text, const ExprNames& names) {
  const auto good = [](char c, bool first) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (!first && c >= '0' && c <= '9');
  };
  if (text.empty()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!good(text[i], i == 0)) return false;
  }
  const auto is = [text](std::string_view each) { return each == text; };
  return std::none_of(std::begin(kWords), std::end(kWords), is) &&
         std::none_of(std::begin(kNotHere), std::end(kNotHere), is) &&
         std::none_of(std::begin(kBuiltins), std::end(kBuiltins),
                      [text](const BuiltinName& each) { return each.name == text; }) &&
         std::none_of(names.functions.begin(), names.functions.end(),
                      [text](const auto& each) { return each.name == text; });
}

}  // namespace clusterdns::dns
