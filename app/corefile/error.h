// Errors of everything that reads configuration.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

#include "app/corefile/ast.h"

namespace clusterdns::app {

// what() is "file:line:column: subject: what is wrong; what to do".
class ConfigError : public std::runtime_error {
 public:
  ConfigError(Position at, std::string message);

  [[nodiscard]] const Position& at() const noexcept { return at_; }
  // The text without place and subject.
  [[nodiscard]] const std::string& message() const noexcept { return message_; }

 protected:
  ConfigError(const std::string& what, Position at, std::string message);

 private:
  Position at_;
  std::string message_;
};

// Several of them: what() has a line for each. What is not a list is that of the first.
class ConfigErrors : public ConfigError {
 public:
  ConfigErrors(const std::string& lines, const ConfigError& first);
};

// "subject: message", or the message alone.
[[nodiscard]] std::string with_subject(const Position& at, std::string_view message);

// A word for a message: in quotes, in one line, of a length that can be read.
[[nodiscard]] std::string in_quotes(std::string_view text);

}  // namespace clusterdns::app
