#include "registry/manifests/field_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "registry/selector.h"
#include "registry/validation.h"

namespace clusterdns::registry {
namespace {

std::optional<bool> parse_boolean(std::string_view text) {
  // The YAML 1.1 words, which is what kubectl's reader knows.
  static constexpr std::array<std::string_view, 11> kTrue = {
      "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"};
  static constexpr std::array<std::string_view, 11> kFalse = {
      "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"};
  if (std::find(kTrue.begin(), kTrue.end(), text) != kTrue.end()) return true;
  if (std::find(kFalse.begin(), kFalse.end(), text) != kFalse.end()) return false;
  return std::nullopt;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_number(const std::string& text) {
  if (text.empty()) return false;
  const char first = text.front();  // not "inf" and "nan", which YAML spells differently
  if (first != '+' && first != '-' && first != '.' && (first < '0' || first > '9')) return false;
  char* end = nullptr;
  std::strtod(text.c_str(), &end);
  return end == text.c_str() + text.size();
}

// Would YAML hand this unquoted word to the API server as something else than a string?
bool looks_typed(const YamlNode& node) {
  return !node.quoted && (parse_boolean(node.text).has_value() || is_number(node.text));
}

}  // namespace

Field Field::operator[](std::string_view name) const {
  std::string path = path_.empty() ? std::string(name) : path_ + '.' + std::string(name);
  const YamlNode* child = nullptr;
  if (node_ != nullptr && expect(node_->is_map(), "a map")) child = node_->find(name);
  return {child, mark_, std::move(path), *errors_};
}

std::vector<Field> Field::elements() const {
  std::vector<Field> result;
  if (node_ == nullptr || !expect(node_->is_sequence(), "a list")) return result;
  result.reserve(node_->children.size());
  for (std::size_t i = 0; i < node_->children.size(); ++i) {
    result.emplace_back(node_->children[i].get(), mark_, path_ + '[' + std::to_string(i) + ']',
                        *errors_);
  }
  return result;
}

std::optional<std::string> Field::text() const {
  if (node_ == nullptr || node_->is_null()) return std::nullopt;
  if (!expect(node_->is_scalar(), "a string")) return std::nullopt;
  if (looks_typed(*node_)) {
    error(node_->text + " must be a string: write \"" + node_->text + "\"");
    return std::nullopt;
  }
  return node_->text;
}

std::string Field::text_or(std::string_view fallback) const {
  return text().value_or(std::string(fallback));
}

std::optional<std::int64_t> Field::integer() const {
  if (node_ == nullptr || node_->is_null()) return std::nullopt;
  if (!expect(node_->is_scalar(), "a number")) return std::nullopt;
  const auto value = parse_integer(node_->text);
  if (!value) {
    error("'" + node_->text + "' is not a whole number");
  } else if (node_->quoted) {
    error("must be a number: write it without quotes");
    return std::nullopt;
  }
  return value;
}

bool Field::boolean_or(bool fallback) const {
  if (node_ == nullptr || node_->is_null()) return fallback;
  if (!expect(node_->is_scalar(), "true or false")) return fallback;
  const auto value = node_->quoted ? std::nullopt : parse_boolean(node_->text);
  if (!value) error("'" + node_->text + "' is not true or false");
  return value.value_or(fallback);
}

std::optional<IpAddress> Field::ip() const {
  const auto value = text();
  if (!value) return std::nullopt;
  const auto address = IpAddress::parse(*value);
  if (!address) error("'" + *value + "' is not an IPv4 or IPv6 address");
  return address;
}

std::optional<std::uint16_t> Field::port() const {
  const auto value = integer();
  if (!value) return std::nullopt;
  if (!is_port_number(*value)) {
    error(std::to_string(*value) + " is not " + std::string(kPortNumberRule));
    return std::nullopt;
  }
  return static_cast<std::uint16_t>(*value);
}

Protocol Field::protocol() const {
  const auto value = text();
  if (!value || value->empty() || *value == "TCP") return Protocol::Tcp;
  if (*value == "UDP") return Protocol::Udp;
  if (*value == "SCTP") return Protocol::Sctp;
  error("'" + *value + "' is not a protocol (TCP, UDP or SCTP)");
  return Protocol::Tcp;
}

Labels Field::labels() const {
  Labels result;
  if (node_ == nullptr || !expect(node_->is_map(), "a map of labels")) return result;
  for (std::size_t i = 0; i + 1 < node_->children.size(); i += 2) {
    const YamlNode& key = *node_->children[i];
    if (key.text == "<<" && !key.quoted) {
      const Field merged(node_->children[i + 1].get(), mark_, path_, *errors_);
      Labels more = merged.labels();
      // In front, so that the map's own keys win in normalize().
      result.insert(result.begin(), more.begin(), more.end());
      continue;
    }
    const Field value(node_->children[i + 1].get(), mark_, path_ + '.' + key.text, *errors_);
    if (!is_label_key(key.text)) {
      value.error("'" + key.text + "' is not " + std::string(kLabelKeyRule));
      continue;
    }
    std::string text = value.text_or("");
    if (!is_label_value(text)) {
      value.error("'" + text + "' is not " + std::string(kLabelValueRule));
      continue;
    }
    result.emplace_back(key.text, std::move(text));
  }
  normalize(result);
  return result;
}

std::optional<std::string> Field::scalar(bool& is_a_number) const {
  if (node_ == nullptr || node_->is_null()) return std::nullopt;
  if (!expect(node_->is_scalar(), "a number or a string")) return std::nullopt;
  is_a_number = !node_->quoted && parse_integer(node_->text).has_value();
  return node_->text;
}

std::optional<std::string> Field::text_that(bool (*rule)(std::string_view) noexcept,
                                            std::string_view sentence) const {
  auto value = text();
  if (!value || rule(*value)) return value;
  error("'" + *value + "' is not " + std::string(sentence));
  return std::nullopt;
}

void Field::error(std::string_view what) const {
  errors_->push_back({mark_, (path_.empty() ? "" : path_ + ": ") + std::string(what)});
}

bool Field::expect(bool right_kind, std::string_view what) const {
  if (!right_kind) error("must be " + std::string(what));
  return right_kind;
}

}  // namespace clusterdns::registry
