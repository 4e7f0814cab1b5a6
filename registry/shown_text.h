// Text out of objects and files as messages show it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace clusterdns::registry {

inline constexpr std::size_t kMaxShownText = 100;  // octets

// `text` in single quotes. What does not print, or is not UTF-8, is shown as \xNN; what is longer
// than `most` octets is cut and ends in "…", so that nobody else makes a line of the log as long as
// they like.
[[nodiscard]] std::string shown(std::string_view text, std::size_t most = kMaxShownText);

// `text` for a terminal: what does not print, is invisible or turns the direction of what stands
// around it, or is not UTF-8, is shown as \xNN. What of `but` is in it stays.
[[nodiscard]] std::string printable(std::string_view text, std::string_view but = {});
void append_printable(std::string& to, std::string_view text, std::string_view but = {});

// The offset of the first octet that begins no UTF-8 character (RFC 3629, section 4); npos: `text`
// is UTF-8.
[[nodiscard]] std::size_t find_invalid_utf8(std::string_view text) noexcept;

}  // namespace clusterdns::registry
