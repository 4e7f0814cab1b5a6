#include "registry/shown_text.h"

#include <algorithm>
#include <cstdint>

namespace clusterdns::registry {
namespace {

// Octets of the UTF-8 character that `text` begins with; 0: it begins with none (RFC 3629, section
// 4: no surrogates, nothing longer than it must be).
std::size_t character_size(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{0};
  };
  const auto follows = [&](std::size_t i, std::uint8_t from = 0x80, std::uint8_t to = 0xBF) {
    return at(i) >= from && at(i) <= to;
  };
  const std::uint8_t first = at(0);
  if (first < 0x80) return text.empty() ? 0 : 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const std::uint8_t from = first == 0xE0 ? 0xA0 : 0x80;
    const std::uint8_t to = first == 0xED ? 0x9F : 0xBF;
    return follows(1, from, to) && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const std::uint8_t from = first == 0xF0 ? 0x90 : 0x80;
    const std::uint8_t to = first == 0xF4 ? 0x8F : 0xBF;
    return follows(1, from, to) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

// Whether a terminal shows the character as itself and in its place: no control character, and none
// that is invisible or turns the direction of what stands around it (Unicode's Bidi_Control, format
// characters and tags).
bool prints(char32_t c) {
  struct Range {
    char32_t from, to;
  };
  static constexpr Range kHidden[] = {{0x00, 0x1F},     {0x7F, 0x9F},      {0xAD, 0xAD},
                                      {0x61C, 0x61C},   {0x180E, 0x180E},  {0x200B, 0x200F},
                                      {0x2028, 0x202E}, {0x2060, 0x206F},  {0xFEFF, 0xFEFF},
                                      {0xFFF9, 0xFFFB}, {0xE0000, 0xE0FFF}};
  for (const Range& range : kHidden) {
    if (c >= range.from && c <= range.to) return false;
  }
  return true;
}

// The same of characters that print.
std::size_t printable_size(std::string_view text) {
  const std::size_t size = character_size(text);
  if (size == 0) return 0;
  const auto first = static_cast<std::uint8_t>(text[0]);
  char32_t c = size == 1 ? first : first & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) c = c << 6 | (static_cast<std::uint8_t>(text[i]) & 0x3FU);
  return prints(c) ? size : 0;
}

// Octets at the front of `text` that print, whatever they stand for.
std::size_t plain_size(std::string_view text) {
  const auto at =
      std::find_if(text.begin(), text.end(), [](char c) { return c < 0x20 || c > 0x7E; });
  return static_cast<std::size_t>(at - text.begin());
}

void append_escaped(std::string& to, char c) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  const auto octet = static_cast<std::uint8_t>(c);
  to += {'\\', 'x', kHex[octet >> 4], kHex[octet & 15]};
}

}  // namespace

std::size_t find_invalid_utf8(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t size = character_size(text.substr(at));
    if (size == 0) return at;
    at += size;
  }
  return std::string_view::npos;
}

std::string shown(std::string_view text, std::size_t most) {
  std::string out = "'";
  while (!text.empty()) {
    const std::size_t size = printable_size(text);
    if (out.size() + (size == 0 ? 4 : size) > most + 1) {
      out += "…";
      break;
    }
    if (size == 0) {
      append_escaped(out, text[0]);
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out + "'";
}

void append_printable(std::string& to, std::string_view text, std::string_view but) {
  while (!text.empty()) {
    std::size_t size = plain_size(text);
    if (size == 0) {
      const bool kept = but.find(text.front()) != std::string_view::npos;
      size = kept ? 1 : printable_size(text);
    }
    to += text.substr(0, size);
    if (size == 0) append_escaped(to, text.front());
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
}

std::string printable(std::string_view text, std::string_view but) {
  std::string result;
  append_printable(result, text, but);
  return result;
}

}  // namespace clusterdns::registry
