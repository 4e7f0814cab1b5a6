#include "dns/query/expression.h"

#include <algorithm>
#include <array>
#include <utility>

#include <re2/re2.h>

namespace clusterdns::dns {
namespace {

// Go has two ways to name a group, `(?P<name>` and `(?<name>`; this version of RE2 knows the first.
std::string with_named_groups(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  bool in_class = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      // Up to \E, or the end, nothing has a meaning.
      const std::size_t end = text.substr(i).starts_with("\\Q") && !in_class
                                  ? std::min(text.find("\\E", i + 2), text.size())
                                  : std::min(i + 2, text.size());
      result += text.substr(i, end - i);
      i = end - 1;
      continue;
    }
    if (in_class && text.substr(i).starts_with("[:")) {
      const std::size_t end = std::min(text.find(":]", i + 2), text.size() - 2) + 2;
      result += text.substr(i, end - i);
      i = end - 1;
      continue;
    }
    if (in_class) {
      in_class = text[i] != ']';
    } else if (text[i] == '[') {
      in_class = true;
      // A ']' that comes first is one of the class.
      std::size_t first = i + 1;
      if (first < text.size() && text[first] == '^') ++first;
      if (first < text.size() && text[first] == ']') {
        result += text.substr(i, first - i);
        i = first;
      }
    } else if (text.substr(i).starts_with("(?<")) {
      const char next = i + 3 < text.size() ? text[i + 3] : '\0';
      if (next != '=' && next != '!') {
        result += "(?P<";
        i += 2;
        continue;
      }
    }
    result += text[i];
  }
  return result;
}

}  // namespace

std::optional<Expression> Expression::compile(std::string_view text, std::string* error,
                                              std::int64_t memory) {
  if (text.size() > kMaxExpressionSize) {
    *error = "it has " + std::to_string(text.size()) + " octets; at most " +
             std::to_string(kMaxExpressionSize) + " are possible";
    return std::nullopt;
  }
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(memory);
  auto program = std::make_shared<const re2::RE2>(with_named_groups(text), options);
  if (!program->ok()) {
    *error = program->error_code() == re2::RE2::ErrorPatternTooLarge
                 ? "it takes more than " + std::to_string(memory) + " octets of memory; repeat less"
                 : program->error();
    return std::nullopt;
  }
  return Expression(std::move(program));
}

bool Expression::matches(std::string_view text) const {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *program_);
}

bool Expression::find(std::string_view text, std::span<std::string_view> groups) const noexcept {
  std::array<re2::StringPiece, kMaxGroups + 1> found;
  const std::size_t known = std::min({groups.size(), group_count() + 1, found.size()});
  if (!program_->Match(re2::StringPiece(text.data(), text.size()), 0, text.size(),
                       re2::RE2::UNANCHORED, found.data(), static_cast<int>(known))) {
    return false;
  }
  for (std::size_t i = 0; i < groups.size(); ++i) {
    groups[i] = i < known ? std::string_view(found[i].data(), found[i].size()) : std::string_view{};
  }
  return true;
}

std::string Expression::text() const { return program_->pattern(); }

std::size_t Expression::group_count() const noexcept {
  return static_cast<std::size_t>(program_->NumberOfCapturingGroups());
}

std::vector<std::pair<std::string, std::size_t>> Expression::group_names() const {
  std::vector<std::pair<std::string, std::size_t>> names;
  for (const auto& [name, index] : program_->NamedCapturingGroups()) {
    names.emplace_back(name, static_cast<std::size_t>(index));
  }
  return names;
}

}  // namespace clusterdns::dns
