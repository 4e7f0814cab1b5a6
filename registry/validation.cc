#include "registry/validation.h"

#include <algorithm>

namespace clusterdns::registry {
namespace {

// Not <cctype>: these must not follow the process's locale.
constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_lower_alnum(char c) { return is_lower(c) || is_digit(c); }
constexpr bool is_alnum(char c) { return is_lower_alnum(c) || is_upper(c); }

bool is_label_of_any_length(std::string_view text) noexcept {
  return !text.empty() && is_lower_alnum(text.front()) && is_lower_alnum(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_lower_alnum(c) || c == '-'; });
}

template <class Rule>
bool each_label(std::string_view text, Rule&& rule) {
  for (;;) {
    const auto dot = text.find('.');
    if (!rule(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

// What a label key's second part and a label value share.
bool is_qualified_part(std::string_view text) {
  return !text.empty() && text.size() <= kMaxLabelLength && is_alnum(text.front()) &&
         is_alnum(text.back()) && std::all_of(text.begin(), text.end(), [](char c) {
           return is_alnum(c) || c == '-' || c == '_' || c == '.';
         });
}

}  // namespace

bool is_dns_label(std::string_view text) noexcept {
  return text.size() <= kMaxLabelLength && is_label_of_any_length(text);
}

bool is_dns_subdomain(std::string_view text) noexcept {
  return text.size() <= kMaxSubdomainLength && each_label(text, is_label_of_any_length);
}

bool is_dns_name(std::string_view text) noexcept {
  return text.size() <= kMaxSubdomainLength && each_label(text, is_dns_label);
}

bool fits_dns(std::string_view text) noexcept {
  return text.size() <= kMaxSubdomainLength && each_label(text, [](std::string_view label) {
           return !label.empty() && label.size() <= kMaxLabelLength;
         });
}

bool is_port_name(std::string_view text) noexcept {
  return text.size() <= kMaxPortNameLength && is_dns_label(text) &&
         std::any_of(text.begin(), text.end(), is_lower) &&
         text.find("--") == std::string_view::npos;
}

bool is_label_key(std::string_view text) noexcept {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return is_qualified_part(text);
  return is_dns_subdomain(text.substr(0, slash)) && is_qualified_part(text.substr(slash + 1));
}

bool is_label_value(std::string_view text) noexcept {
  return text.empty() || is_qualified_part(text);
}

}  // namespace clusterdns::registry
