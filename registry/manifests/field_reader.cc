#include "registry/manifests/field_reader.h"

#include <algorithm>

#include "registry/manifests/scalar.h"
#include "registry/near_word.h"
#include "registry/selector.h"
#include "registry/shown_text.h"
#include "registry/validation.h"

namespace clusterdns::registry {
namespace {

// Would YAML hand this unquoted word to the API server as something else than a string?
bool looks_typed(const YamlNode& node) {
  return !node.quoted && resolve_scalar(node.text).type != Scalar::Type::Text;
}

}  // namespace

Field Field::operator[](std::string_view name) const {
  std::string path = path_.empty() ? std::string(name) : path_ + '.' + std::string(name);
  const YamlNode* child = nullptr;
  if (node_ != nullptr && expect(node_->is_map(), "a map")) child = node_->find(name);
  return {child, mark_, std::move(path), *findings_};
}

std::vector<std::pair<std::string, Field>> Field::members() const {
  std::vector<std::pair<std::string, Field>> result;
  if (node_ == nullptr || !expect(node_->is_map(), "a map")) return result;
  for (const auto& [key, node] : node_->entries()) {
    result.emplace_back(
        key->text,
        Field(node, mark_, path_ + '.' + key->text.substr(0, kMaxShownText), *findings_));
  }
  return result;
}

std::vector<Field> Field::elements() const {
  std::vector<Field> result;
  if (node_ == nullptr || !expect(node_->is_sequence(), "a list")) return result;
  result.reserve(node_->children.size());
  for (std::size_t i = 0; i < node_->children.size(); ++i) {
    result.emplace_back(node_->children[i].get(), mark_, path_ + '[' + std::to_string(i) + ']',
                        *findings_);
  }
  return result;
}

const Field& Field::only(const FieldNames& known) const {
  if (node_ == nullptr || !node_->is_map()) return *this;
  const auto is_one_of = [](std::string_view name, std::span<const std::string_view> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  // A name that is there already is not the one that was meant. Gathered once the first unknown one
  // is met, which most objects have none of.
  std::vector<std::string_view> missing;
  std::size_t unknown = 0;
  for (std::size_t i = 0; i + 1 < node_->children.size() && unknown < kMaxUnknownFields; i += 2) {
    const YamlNode* const key = node_->children[i].get();
    if (!key->is_scalar() || key->text == "<<") continue;
    if (is_one_of(key->text, known.read) || is_one_of(key->text, known.others)) continue;
    if (unknown++ == 0) {
      for (const auto& names : {known.read, known.others}) {
        for (const std::string_view name : names) {
          if (node_->find(name) == nullptr) missing.push_back(name);
        }
      }
    }
    const auto near = near_word(key->text, missing);
    if (!near || !is_one_of(*near, known.read)) continue;
    const std::string path = path_.empty() ? "" : path_ + ": ";
    if (findings_->warnings.size() < kMaxFindings) {
      findings_->warnings.push_back({key->mark, path + "there is no field " + shown(key->text) +
                                                    "; did you mean '" + std::string(*near) +
                                                    "'?"});
    }
  }
  return *this;
}

std::optional<std::string> Field::text() const {
  if (!is_set()) return std::nullopt;
  if (!expect(node_->is_scalar(), "a string")) return std::nullopt;
  if (looks_typed(*node_)) {
    const std::string word = node_->text.substr(0, kMaxShownText);
    error(word + " must be a string: write \"" + word + "\"");
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
  const auto value = resolve_scalar(node_->text).whole_number();
  if (!value) {
    error(shown(node_->text) + " is not a whole number");
  } else if (node_->quoted) {
    error("must be a number: write it without quotes");
    return std::nullopt;
  }
  return value;
}

bool Field::boolean_or(bool fallback) const {
  if (node_ == nullptr || node_->is_null()) return fallback;
  if (!expect(node_->is_scalar(), "true or false")) return fallback;
  const Scalar value = resolve_scalar(node_->text);
  if (node_->quoted || value.type != Scalar::Type::Boolean) {
    error(shown(node_->text) + " is not true or false");
    return fallback;
  }
  return value.boolean;
}

std::optional<IpAddress> Field::ip() const {
  const auto value = text();
  if (!value) return std::nullopt;
  const auto address = IpAddress::parse_legacy(*value);
  if (!address) {
    error(shown(*value) + " is not an IPv4 or IPv6 address");
  } else if (!IpAddress::parse(*value) || IpAddress::parse(*value) != address) {
    warn(shown(*value) + " is read as " + address->to_string() + "; write that");
  }
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
  error(shown(*value) + " is not a protocol (TCP, UDP or SCTP)");
  return Protocol::Tcp;
}

Labels Field::labels() const {
  Labels result;
  if (node_ == nullptr || !expect(node_->is_map(), "a map of labels")) return result;
  for (const auto& [key, node] : node_->entries()) {
    const Field value(node, mark_, path_ + '.' + key->text.substr(0, kMaxShownText), *findings_);
    if (!is_label_key(key->text)) {
      value.error(shown(key->text) + " is not " + std::string(kLabelKeyRule));
      continue;
    }
    std::string text = value.text_or("");
    if (!is_label_value(text)) {
      value.error(shown(text) + " is not " + std::string(kLabelValueRule));
      continue;
    }
    result.emplace_back(key->text, std::move(text));
  }
  normalize(result);
  return result;
}

std::optional<std::string> Field::scalar(bool& is_a_number) const {
  if (!is_set()) return std::nullopt;
  if (!expect(node_->is_scalar(), "a number or a string")) return std::nullopt;
  is_a_number = !node_->quoted && resolve_scalar(node_->text).whole_number().has_value();
  return node_->text;
}

std::optional<std::string> Field::text_that(bool (*rule)(std::string_view) noexcept,
                                            std::string_view sentence) const {
  auto value = text();
  if (!value || rule(*value)) return value;
  error(shown(*value) + " is not " + std::string(sentence));
  return std::nullopt;
}

void Field::error(std::string_view what) const { add(findings_->errors, what); }

void Field::warn(std::string_view what) const { add(findings_->warnings, what); }

void Field::add(std::vector<YamlError>& to, std::string_view what) const {
  if (to.size() >= kMaxFindings) return;
  to.push_back({mark_, (path_.empty() ? "" : path_ + ": ") + std::string(what)});
}

bool Field::expect(bool right_kind, std::string_view what) const {
  if (!right_kind) error("must be " + std::string(what));
  return right_kind;
}

}  // namespace clusterdns::registry
