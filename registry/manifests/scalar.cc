#include "registry/manifests/scalar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

namespace clusterdns::registry {
namespace {

template <std::size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool is_null(std::string_view text) {
  static constexpr std::array<std::string_view, 5> kNull = {"", "~", "null", "Null", "NULL"};
  return is_one_of(text, kNull);
}

std::optional<bool> parse_boolean(std::string_view text) {
  static constexpr std::array<std::string_view, 11> kTrue = {
      "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"};
  static constexpr std::array<std::string_view, 11> kFalse = {
      "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"};
  if (is_one_of(text, kTrue)) return true;
  if (is_one_of(text, kFalse)) return false;
  return std::nullopt;
}

bool is_not_finite(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kWords = {".nan",  ".NaN",  ".NAN",  ".inf",
                                                              ".Inf",  ".INF",  "+.inf", "+.Inf",
                                                              "+.INF", "-.inf", "-.Inf", "-.INF"};
  return is_one_of(text, kWords);
}

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Go's strconv.ParseInt with base 0. `overflow`: all digits, and too many of them.
std::optional<std::int64_t> parse_integer(std::string_view text, bool& overflow) {
  bool negative = false;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char kind = text[1];
    base = kind == 'x' || kind == 'X' ? 16 : kind == 'b' || kind == 'B' ? 2 : 8;
    text.remove_prefix(is_digit(kind) ? 1 : 2);
    if (base == 8 && !is_digit(kind) && kind != 'o' && kind != 'O') return std::nullopt;
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || end != text.data() + text.size()) return std::nullopt;
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (error != std::errc{} || value > kMost + (negative ? 1 : 0)) {
    overflow = true;
    return std::nullopt;
  }
  // Negated while unsigned: the least number has no positive counterpart.
  return static_cast<std::int64_t>(negative ? 0 - value : value);
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
std::optional<double> parse_float(std::string_view text) {
  std::string_view rest = text;
  const auto digits = [&rest] {
    const std::size_t count = static_cast<std::size_t>(
        std::find_if_not(rest.begin(), rest.end(), is_digit) - rest.begin());
    rest.remove_prefix(count);
    return count;
  };
  if (!rest.empty() && (rest[0] == '+' || rest[0] == '-')) rest.remove_prefix(1);
  const std::size_t whole = digits();
  if (!rest.empty() && rest[0] == '.') {
    rest.remove_prefix(1);
    if (digits() == 0 && whole == 0) return std::nullopt;
  } else if (whole == 0) {
    return std::nullopt;
  }
  if (!rest.empty() && (rest[0] == 'e' || rest[0] == 'E')) {
    rest.remove_prefix(1);
    if (!rest.empty() && (rest[0] == '+' || rest[0] == '-')) rest.remove_prefix(1);
    if (digits() == 0) return std::nullopt;
  }
  if (!rest.empty()) return std::nullopt;
  if (text[0] == '+') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  // Out of range: no number that anything here could be.
  if (error != std::errc{}) value = std::numeric_limits<double>::infinity();
  return value;
}

}  // namespace

std::optional<std::int64_t> Scalar::whole_number() const noexcept {
  if (type == Type::Integer) return integer;
  // 2^63 is the first that does not fit.
  constexpr double kTooMuch = 9223372036854775808.0;
  if (type != Type::Float || !(std::fabs(number) < kTooMuch) || std::trunc(number) != number) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(number);
}

Scalar resolve_scalar(std::string_view text) {
  Scalar scalar;
  if (is_null(text)) {
    scalar.type = Scalar::Type::Null;
    return scalar;
  }
  const char first = text[0];
  if (const auto boolean = parse_boolean(text)) {
    scalar.type = Scalar::Type::Boolean;
    scalar.boolean = *boolean;
    return scalar;
  }
  if (is_not_finite(text)) {
    scalar.type = Scalar::Type::Float;
    scalar.number = std::numeric_limits<double>::quiet_NaN();
    return scalar;
  }
  if (!is_digit(first) && first != '+' && first != '-' && first != '.') return scalar;
  std::string without_underscores;
  if (first != '.' && text.find('_') != std::string_view::npos) {
    without_underscores = text;
    std::erase(without_underscores, '_');
    text = without_underscores;
    if (text.empty()) return scalar;
  }
  bool overflow = false;
  if (const auto integer = first == '.' ? std::nullopt : parse_integer(text, overflow)) {
    scalar.type = Scalar::Type::Integer;
    scalar.integer = *integer;
    return scalar;
  }
  if (const auto number = parse_float(text)) {
    scalar.type = Scalar::Type::Float;
    scalar.number = *number;
  } else if (overflow) {
    scalar.type = Scalar::Type::Float;
    scalar.number = std::numeric_limits<double>::infinity();
  }
  return scalar;
}

}  // namespace clusterdns::registry
