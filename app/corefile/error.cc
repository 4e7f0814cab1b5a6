#include "app/corefile/error.h"

#include <utility>

namespace clusterdns::app {
namespace {

// Octets of a word that a message shows. A name has up to 255; the rest is for paths.
constexpr std::size_t kMaxQuoted = 400;

std::string line_of(const Position& at, const std::string& message) {
  const std::string place = to_string(at);
  return (place.empty() ? "" : place + ": ") + with_subject(at, message);
}

}  // namespace

std::string to_string(const Position& position) {
  if (position.line == 0) return position.file;
  return position.file + ":" + std::to_string(position.line) + ":" +
         std::to_string(position.column);
}

std::string to_string(const Warning& warning) { return line_of(warning.at, warning.message); }

std::string with_subject(const Position& at, std::string_view message) {
  return (at.subject.empty() ? "" : at.subject + ": ") + std::string(message);
}

std::string in_quotes(std::string_view text) {
  const bool cut = text.size() > kMaxQuoted;
  std::string quoted = "'";
  for (const char c : text.substr(0, kMaxQuoted)) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    quoted += control ? ' ' : c;
  }
  return quoted + (cut ? "…'" : "'");
}

ConfigError::ConfigError(Position at, std::string message)
    : ConfigError(line_of(at, message), at, message) {}

ConfigError::ConfigError(const std::string& what, Position at, std::string message)
    : std::runtime_error(what), at_(std::move(at)), message_(std::move(message)) {}

ConfigErrors::ConfigErrors(const std::string& lines, const ConfigError& first)
    : ConfigError(lines, first.at(), first.message()) {}

}  // namespace clusterdns::app
