#include "dns/wire/name_text.h"

#include <cstdint>

namespace clusterdns::dns {
namespace {

// What stands for something else in a name's text (github.com/miekg/dns, isDomainNameLabelSpecial).
constexpr bool is_special(std::uint8_t c) noexcept {
  switch (c) {
    case '.':
    case ' ':
    case '\'':
    case '@':
    case ';':
    case '(':
    case ')':
    case '"':
    case '\\': return true;
    default: return false;
  }
}

}  // namespace

void NameText::assign(NameView name) noexcept {
  char* to = text_.data();
  std::size_t at = 0;
  while (at < name.size() && name[at] != 0) {
    const std::size_t end = at + 1 + name[at];
    for (++at; at < end && at < name.size(); ++at) {
      const std::uint8_t c = name[at];
      if (c > '.' && c < 0x7F && c != '@' && c != ';' && c != '\\') [[likely]] {
        *to++ = static_cast<char>(c);
      } else if (is_special(c)) {
        *to++ = '\\';
        *to++ = static_cast<char>(c);
      } else if (c < ' ' || c > '~') {
        *to++ = '\\';
        *to++ = static_cast<char>('0' + c / 100);
        *to++ = static_cast<char>('0' + c / 10 % 10);
        *to++ = static_cast<char>('0' + c % 10);
      } else {
        *to++ = static_cast<char>(c);
      }
    }
    *to++ = '.';
  }
  if (to == text_.data()) *to++ = '.';
  size_ = static_cast<std::size_t>(to - text_.data());
}

void NameText::make_lower() noexcept {
  for (std::size_t i = 0; i < size_; ++i) {
    char& c = text_[i];
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
}

}  // namespace clusterdns::dns
