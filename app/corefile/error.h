// The one error of everything that reads configuration.
#pragma once

#include <stdexcept>
#include <string>

#include "app/corefile/ast.h"

namespace clusterdns::app {

// what() is "file:line:column: what is wrong; what to do".
class ConfigError : public std::runtime_error {
 public:
  ConfigError(Position at, std::string message);

  [[nodiscard]] const Position& at() const noexcept { return at_; }
  // The text without the position.
  [[nodiscard]] const std::string& message() const noexcept { return message_; }

 private:
  Position at_;
  std::string message_;
};

}  // namespace clusterdns::app
