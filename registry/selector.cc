#include "registry/selector.h"

#include <algorithm>
#include <utility>

#include "registry/validation.h"

namespace clusterdns::registry {
namespace {

using Operator = LabelSelector::Operator;
using Requirement = LabelSelector::Requirement;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Characters that end a word even without white space.
bool is_special(char c) {
  return c == '=' || c == '!' || c == '(' || c == ')' || c == ',' || c == '<' || c == '>';
}

std::string in_quotes(std::string_view text) { return "'" + std::string(text) + "'"; }

// One requirement after the other from left to right; the first error stops it.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  bool run(LabelSelector& selector) {
    skip_space();
    if (at_end()) return true;
    for (;;) {
      if (!requirement(selector)) return false;
      skip_space();
      if (at_end()) return true;
      if (!take(',')) return fail("expected ',' between requirements");
    }
  }

  SelectorError take_error() { return std::move(error_); }

 private:
  bool at_end() const { return position_ == text_.size(); }

  void skip_space() {
    while (!at_end() && is_space(text_[position_])) ++position_;
  }

  bool take(char wanted) {
    if (at_end() || text_[position_] != wanted) return false;
    ++position_;
    return true;
  }

  // Empty when a special character or the end comes next.
  std::string_view word() {
    skip_space();
    const std::size_t start = position_;
    while (!at_end() && !is_space(text_[position_]) && !is_special(text_[position_])) ++position_;
    word_start_ = start;
    return text_.substr(start, position_ - start);
  }

  bool fail(std::string what) { return fail_at(position_, std::move(what)); }

  bool fail_at(std::size_t offset, std::string what) {
    error_ = {std::move(what), offset};
    return false;
  }

  bool key(std::string& out) {
    const std::string_view text = word();
    if (text.empty()) return fail("expected a label key");
    if (!is_label_key(text)) {
      return fail_at(word_start_, in_quotes(text) + " is not " + std::string(kLabelKeyRule));
    }
    out = text;
    return true;
  }

  bool value(std::vector<std::string>& out) {
    const std::string_view text = word();
    if (!is_label_value(text)) {
      return fail_at(word_start_, in_quotes(text) + " is not " + std::string(kLabelValueRule));
    }
    out.emplace_back(text);
    return true;
  }

  bool value_list(std::vector<std::string>& out) {
    skip_space();
    if (!take('(')) return fail("expected '(' and a list of values");
    for (;;) {
      if (!value(out)) return false;
      skip_space();
      if (take(')')) return true;
      if (!take(',')) return fail("expected ',' or ')' in a list of values");
    }
  }

  bool requirement(LabelSelector& selector) {
    std::string name;
    std::vector<std::string> values;
    skip_space();
    if (take('!')) {
      if (!key(name)) return false;
      selector.require(std::move(name), Operator::DoesNotExist);
      return true;
    }
    if (!key(name)) return false;
    skip_space();
    if (at_end() || text_[position_] == ',') {
      selector.require(std::move(name), Operator::Exists);
      return true;
    }
    if (take('=')) {
      take('=');
      if (!value(values)) return false;
      selector.require(std::move(name), Operator::In, std::move(values));
      return true;
    }
    if (take('!')) {
      if (!take('=')) return fail("expected '=' after '!'");
      if (!value(values)) return false;
      selector.require(std::move(name), Operator::NotIn, std::move(values));
      return true;
    }
    const std::string_view operation = word();
    const bool in = operation == "in";
    if (!in && operation != "notin") {
      return fail_at(word_start_,
                     "expected '=', '!=', 'in', 'notin' or ',' after the key " + in_quotes(name));
    }
    if (!value_list(values)) return false;
    selector.require(std::move(name), in ? Operator::In : Operator::NotIn, std::move(values));
    return true;
  }

  std::string_view text_;
  std::size_t position_ = 0;
  std::size_t word_start_ = 0;
  SelectorError error_;
};

bool satisfied(const Requirement& requirement, const Labels& labels) {
  const std::string* value = find_label(labels, requirement.key);
  const auto listed = [&] {
    return std::binary_search(requirement.values.begin(), requirement.values.end(), *value);
  };
  switch (requirement.op) {
    case Operator::In: return value != nullptr && listed();
    case Operator::NotIn: return value == nullptr || !listed();
    case Operator::Exists: return value != nullptr;
    case Operator::DoesNotExist: return value == nullptr;
  }
  return false;
}

}  // namespace

void normalize(Labels& labels) {
  std::stable_sort(labels.begin(), labels.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  Labels unique;
  unique.reserve(labels.size());
  for (auto& label : labels) {
    if (!unique.empty() && unique.back().first == label.first) {
      unique.back() = std::move(label);
    } else {
      unique.push_back(std::move(label));
    }
  }
  labels = std::move(unique);
}

const std::string* find_label(const Labels& labels, std::string_view key) {
  const auto at = std::lower_bound(
      labels.begin(), labels.end(), key,
      [](const auto& label, std::string_view wanted) { return label.first < wanted; });
  return at == labels.end() || at->first != key ? nullptr : &at->second;
}

bool matches(const Labels& selector, const Labels& labels) {
  return std::includes(labels.begin(), labels.end(), selector.begin(), selector.end());
}

boost::system::result<LabelSelector, SelectorError> LabelSelector::parse(std::string_view text) {
  LabelSelector selector;
  Parser parser(text);
  if (!parser.run(selector)) return parser.take_error();
  return selector;
}

void LabelSelector::require(std::string key, Operator op, std::vector<std::string> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  requirements_.push_back({std::move(key), op, std::move(values)});
}

bool LabelSelector::matches(const Labels& labels) const {
  return std::all_of(requirements_.begin(), requirements_.end(),
                     [&](const Requirement& each) { return satisfied(each, labels); });
}

std::string LabelSelector::to_string() const {
  std::string out;
  for (const Requirement& each : requirements_) {
    if (!out.empty()) out += ',';
    if (each.op == Operator::DoesNotExist) out += '!';
    out += each.key;
    if (each.op == Operator::Exists || each.op == Operator::DoesNotExist) continue;
    if (each.values.size() == 1) {
      out += each.op == Operator::In ? "=" : "!=";
      out += each.values.front();
      continue;
    }
    out += each.op == Operator::In ? " in (" : " notin (";
    for (std::size_t i = 0; i < each.values.size(); ++i) {
      if (i > 0) out += ',';
      out += each.values[i];
    }
    out += ')';
  }
  return out;
}

}  // namespace clusterdns::registry
