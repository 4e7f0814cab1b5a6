// Byte order marks at the beginning of text files. Editors of Windows write them; they are no part
// of the text (RFC 3629 section 6).
#pragma once

#include <string>
#include <string_view>

namespace clusterdns::dns {

inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// `text` without the UTF-8 byte order mark that it may begin with.
[[nodiscard]] inline std::string_view without_byte_order_mark(std::string_view text) noexcept {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return text;
}

// The same where the text stands.
inline void drop_byte_order_mark(std::string& text) {
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
}

// What is wrong with a text that begins with the mark of another encoding, as the end of a sentence
// about the file; nullptr when nothing is. Every text that is read is UTF-8.
[[nodiscard]] inline const char* foreign_encoding(std::string_view text) noexcept {
  const bool utf16 = text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF");
  const bool utf32 = text.starts_with(std::string_view("\0\0\xFE\xFF", 4));
  return utf16 || utf32 ? "is not UTF-8 but UTF-16 or UTF-32 text; save it as UTF-8" : nullptr;
}

}  // namespace clusterdns::dns
