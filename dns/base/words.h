// Words of a line, as resolv.conf(5) and hosts(5) have them.
#pragma once

#include <algorithm>
#include <string_view>

namespace clusterdns::dns {

// Takes the first word off `line`, with the blanks before it; empty: there is none.
[[nodiscard]] inline std::string_view next_word(std::string_view& line) noexcept {
  constexpr std::string_view kBlanks = " \t\r\f\v";
  const std::size_t start = line.find_first_not_of(kBlanks);
  if (start == std::string_view::npos) {
    line = {};
    return {};
  }
  const std::size_t end = std::min(line.find_first_of(kBlanks, start), line.size());
  const std::string_view word = line.substr(start, end - start);
  line.remove_prefix(end);
  return word;
}

}  // namespace clusterdns::dns
