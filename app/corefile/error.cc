#include "app/corefile/error.h"

#include <utility>

namespace clusterdns::app {

std::string to_string(const Position& position) {
  if (position.line == 0) return position.file;
  return position.file + ":" + std::to_string(position.line) + ":" +
         std::to_string(position.column);
}

std::string to_string(const Warning& warning) {
  return to_string(warning.at) + ": " + warning.message;
}

ConfigError::ConfigError(Position at, std::string message)
    : std::runtime_error(to_string(at) + ": " + message),
      at_(std::move(at)),
      message_(std::move(message)) {}

}  // namespace clusterdns::app
