// The expression language of `view` and `template`: that of expr-lang.org, as far as it is about
// values that a query has. Parsed once, evaluated for each query.
//
// Every evaluation is bounded in steps and in what its values hold, whatever the expression says;
// names in queries cannot make it longer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace clusterdns::dns {

class ExprValue;

// What stands in a map. A number is another key than the text of it.
class ExprKey {
 public:
  ExprKey(std::string v) : value_(std::move(v)) {}    // NOLINT: as literals
  ExprKey(const char* v) : value_(std::string(v)) {}  // NOLINT
  // nullopt: an array, a map and what is no number cannot be keys.
  [[nodiscard]] static std::optional<ExprKey> of(const ExprValue& value);

  [[nodiscard]] ExprValue value() const;
  [[nodiscard]] std::string text() const;
  friend bool operator==(const ExprKey&, const ExprKey&) = default;
  friend bool operator<(const ExprKey& a, const ExprKey& b) { return a.value_ < b.value_; }

 private:
  using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string>;
  explicit ExprKey(Value value) : value_(std::move(value)) {}
  Value value_;
};

// What an expression is about. Copies share what is large.
class ExprValue {
 public:
  using Array = std::vector<ExprValue>;
  using Map = std::map<ExprKey, ExprValue>;

  ExprValue() = default;                    // nil
  ExprValue(bool v) : value_(v) {}          // NOLINT: as literals
  ExprValue(std::int64_t v) : value_(v) {}  // NOLINT
  ExprValue(double v) : value_(v) {}        // NOLINT
  ExprValue(std::string v)                  // NOLINT
      : weight_(1 + v.size() / 16), value_(std::move(v)) {}
  ExprValue(const char*) = delete;
  explicit ExprValue(Array v);
  explicit ExprValue(Map v);

  // How much a walk through all of it passes, in values and 16 octets of text; what is shared
  // counts as often as it is met. Saturates.
  [[nodiscard]] std::size_t weight() const noexcept { return weight_; }
  // Of arrays and maps in each other; 0: neither.
  [[nodiscard]] std::size_t depth() const noexcept { return depth_; }

  [[nodiscard]] bool is_nil() const noexcept { return value_.index() == 0; }
  // nullptr: it is something else.
  [[nodiscard]] const bool* as_bool() const noexcept { return std::get_if<bool>(&value_); }
  [[nodiscard]] const std::int64_t* as_int() const noexcept {
    return std::get_if<std::int64_t>(&value_);
  }
  [[nodiscard]] const std::string* as_string() const noexcept {
    return std::get_if<std::string>(&value_);
  }
  [[nodiscard]] const Array* as_array() const noexcept {
    const auto* p = std::get_if<std::shared_ptr<const Array>>(&value_);
    return p == nullptr ? nullptr : p->get();
  }
  [[nodiscard]] const Map* as_map() const noexcept {
    const auto* p = std::get_if<std::shared_ptr<const Map>>(&value_);
    return p == nullptr ? nullptr : p->get();
  }
  [[nodiscard]] bool is_number() const noexcept {
    return value_.index() == 2 || value_.index() == 3;
  }
  // REQUIRES: is_number().
  [[nodiscard]] double number() const noexcept {
    const auto* i = as_int();
    return i != nullptr ? static_cast<double>(*i) : std::get<double>(value_);
  }
  // As Go's %v has it: "true", "1.5", "[a b]".
  [[nodiscard]] std::string to_text() const;

  friend class ExprKey;
  friend bool operator==(const ExprValue& a, const ExprValue& b);

 private:
  void add_weight(const ExprValue& element) noexcept;

  std::size_t weight_ = 1;
  std::size_t depth_ = 0;
  std::variant<std::monostate, bool, std::int64_t, double, std::string,
               std::shared_ptr<const Array>, std::shared_ptr<const Map>>
      value_;
};

// Where functions and variables come from while an expression is evaluated.
class ExprScope {
 public:
  virtual ~ExprScope() = default;
  // A function that ExprNames knows. nullopt: the arguments make no sense, and the expression
  // fails.
  [[nodiscard]] virtual std::optional<ExprValue> call(
      std::size_t function, std::span<const ExprValue> arguments) const = 0;
  [[nodiscard]] virtual ExprValue variable(std::size_t index) const = 0;
};

// The names that an expression may use besides the language's own.
struct ExprNames {
  struct Function {
    std::string_view name;
    std::size_t least = 0;
    std::size_t most = 0;
  };
  std::span<const Function> functions;     // by index
  std::span<const std::string> variables;  // by index
};

class Expr {
 public:
  // Octets of an expression's text.
  static constexpr std::size_t kMaxText = 10'000;
  // Nodes, calls and elements that one evaluation may pass.
  static constexpr std::size_t kMaxSteps = 100'000;
  // Octets of a text, and elements of an array, that one may make.
  static constexpr std::size_t kMaxMade = 65'536;
  // What a value may weigh, and how deep it may be: whatever walks through it ends soon.
  static constexpr std::size_t kMaxWeight = 1'000'000;
  static constexpr std::size_t kMaxDepth = 100;
  // Octets of all texts that one evaluation passes on.
  static constexpr std::size_t kMaxTextPassed = 16 * 1024 * 1024;

  // nullopt with what is wrong in `*error`: "unknown name clientip (1:5)".
  [[nodiscard]] static std::optional<Expr> parse(std::string_view text, const ExprNames& names,
                                                 std::string* error);
  // nullopt: types do not fit, or it takes too much.
  [[nodiscard]] std::optional<ExprValue> evaluate(const ExprScope& scope) const;

  // Whether `text` can be the name of a variable: an identifier that means nothing else.
  [[nodiscard]] static bool may_be_variable(std::string_view text, const ExprNames& names);

  struct Node;

 private:
  explicit Expr(std::shared_ptr<const Node> root) : root_(std::move(root)) {}
  std::shared_ptr<const Node> root_;
};

}  // namespace clusterdns::dns
