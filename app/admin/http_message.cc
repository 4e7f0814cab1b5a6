#include "app/admin/http_message.h"

#include <algorithm>

namespace clusterdns::app {
namespace {

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view kBlanks = " \t";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// The part of `list` up to `separator`, which is taken off it.
std::string_view take(std::string_view& list, char separator) noexcept {
  const std::size_t end = std::min(list.find(separator), list.size());
  const std::string_view item = list.substr(0, end);
  list.remove_prefix(std::min(end + 1, list.size()));
  return item;
}

bool equal_letters(std::string_view a, std::string_view b) noexcept {
  const auto small = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return small(x) == small(y); });
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool form) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (text.size() - i < 3) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      result += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      result += form && text[i] == '+' ? ' ' : text[i];
    }
  }
  return result;
}

std::optional<HttpParameters> HttpParameters::parse(std::string_view text) {
  HttpParameters result;
  while (!text.empty()) {
    std::string_view value = take(text, '&');
    if (value.empty()) continue;
    const auto name = percent_decode(take(value, '='), true);
    auto decoded = percent_decode(value, true);
    if (!name || !decoded || result.all_.size() == kHttpParameters) return std::nullopt;
    result.all_.emplace_back(*name, *std::move(decoded));
  }
  return result;
}

const std::string* HttpParameters::find(std::string_view name) const noexcept {
  for (const auto& [known, value] : all_) {
    if (known == name) return &value;
  }
  return nullptr;
}

const std::string& HttpParameters::get(std::string_view name) const noexcept {
  static const std::string kNone;
  const std::string* const value = find(name);
  return value == nullptr ? kNone : *value;
}

const std::string* HttpRequest::header(std::string_view name) const noexcept {
  for (const auto& [known, value] : headers) {
    if (known == name) return &value;
  }
  return nullptr;
}

std::string_view HttpRequest::header_or_empty(std::string_view name) const noexcept {
  const std::string* const value = header(name);
  return value == nullptr ? std::string_view{} : *value;
}

std::size_t HttpRequest::count(std::string_view name) const noexcept {
  return static_cast<std::size_t>(std::count_if(
      headers.begin(), headers.end(), [&](const auto& header) { return header.first == name; }));
}

bool accepts(std::string_view list, std::string_view wanted) noexcept {
  while (!list.empty()) {
    std::string_view item = take(list, ',');
    if (!equal_letters(trimmed(take(item, ';')), wanted)) continue;
    while (!item.empty()) {
      const std::string_view parameter = trimmed(take(item, ';'));
      if (!parameter.starts_with("q=") && !parameter.starts_with("Q=")) continue;
      return parameter.find_first_of("123456789", 2) != std::string_view::npos;
    }
    return true;
  }
  return false;
}

bool matches_etag(std::string_view list, std::string_view etag) noexcept {
  const auto strong = [](std::string_view tag) {
    return tag.starts_with("W/") ? tag.substr(2) : tag;
  };
  if (trimmed(list) == "*") return true;
  while (!list.empty()) {
    if (strong(trimmed(take(list, ','))) == strong(etag)) return true;
  }
  return false;
}

}  // namespace clusterdns::app
