// What an unquoted word of YAML means to kubectl, Helm and the API server.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace clusterdns::registry {

// The rules are go-yaml's, version 2 (resolve.go), which is YAML 1.1 for most words: `yes` is true,
// 0120 and 0o120 are octal, 0x50 and 0b1010000 are numbers, as is 1_000. Numbers of JSON mean the
// same.
struct Scalar {
  enum class Type : std::uint8_t { Null, Boolean, Integer, Float, Text };

  Type type = Type::Text;
  bool boolean = false;
  std::int64_t integer = 0;
  double number = 0;  // Float; also an integer beyond 64 bits

  // A number without a fraction that fits, however it is written: 80, 80.0, 8e1.
  [[nodiscard]] std::optional<std::int64_t> whole_number() const noexcept;
};

[[nodiscard]] Scalar resolve_scalar(std::string_view text);

}  // namespace clusterdns::registry
