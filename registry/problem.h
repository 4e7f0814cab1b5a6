// A finding about something a person wrote.
#pragma once

#include <cstdint>
#include <string>

namespace clusterdns::registry {

struct Problem {
  enum class Severity : std::uint8_t { Error, Warning };

  Severity severity = Severity::Error;
  std::string file;  // empty: of no file, or of all of them together
  // Both count from 1, as editors do; 0: unknown.
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::string text;  // what is wrong, and what to do or what became of it

  [[nodiscard]] bool is_error() const noexcept { return severity == Severity::Error; }
  friend bool operator==(const Problem&, const Problem&) = default;
};

// `file:line:column: text`, without the parts that are unknown.
[[nodiscard]] std::string to_string(const Problem& problem);

}  // namespace clusterdns::registry
