#include "registry/json_text.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace clusterdns::registry {
namespace {

constexpr std::size_t kEscape = 6;  // \uXXXX

// The code unit of the escape at `at`; 0 when there is none.
std::uint16_t unit_at(std::string_view json, std::size_t at) noexcept {
  if (at > json.size() || json.size() - at < kEscape || json[at] != '\\' || json[at + 1] != 'u')
    return 0;
  std::uint16_t unit = 0;
  const char* const digits = json.data() + at + 2;
  const auto [end, error] = std::from_chars(digits, digits + 4, unit, 16);
  return error == std::errc{} && end == digits + 4 ? unit : std::uint16_t{0};
}

constexpr bool is_high(std::uint16_t unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
constexpr bool is_low(std::uint16_t unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

// Calls `lone(at)` for every lone surrogate until it says false, and `pair(at)` for every pair. A
// backslash outside of a string is not JSON, so strings need not be followed.
template <class Lone, class Pair>
void each_surrogate(std::string_view json, Lone&& lone, Pair&& pair) {
  for (std::size_t at = json.find('\\'); at != std::string_view::npos; at = json.find('\\', at)) {
    const std::uint16_t unit = unit_at(json, at);
    if (unit == 0) {
      at += 2;  // the octet behind it may be a backslash of its own
    } else if (is_high(unit) && is_low(unit_at(json, at + kEscape))) {
      pair(at);
      at += 2 * kEscape;
    } else {
      if ((is_high(unit) || is_low(unit)) && !lone(at)) return;
      at += kEscape;
    }
  }
}

constexpr auto kPassPair = [](std::size_t) {};

}  // namespace

bool has_lone_surrogates(std::string_view json) noexcept {
  bool any = false;
  const auto found = [&any](std::size_t) {
    any = true;
    return false;
  };
  each_surrogate(json, found, kPassPair);
  return any;
}

void replace_lone_surrogates(std::string& json) noexcept {
  const auto mend = [&json](std::size_t at) {
    json.replace(at, kEscape, "\\uFFFD");
    return true;
  };
  each_surrogate(json, mend, kPassPair);
}

void write_surrogates_as_yaml(std::string& json) {
  replace_lone_surrogates(json);
  std::string result;
  std::size_t copied = 0;
  const auto none = [](std::size_t) { return true; };
  each_surrogate(json, none, [&](std::size_t at) {
    const std::uint32_t high = unit_at(json, at) - 0xD800U;
    const std::uint32_t low = unit_at(json, at + kEscape) - 0xDC00U;
    std::array<char, 11> escape{};  // \UXXXXXXXX
    std::snprintf(escape.data(), escape.size(), "\\U%08x", 0x10000U + (high << 10) + low);
    result.append(json, copied, at - copied).append(escape.data());
    copied = at + 2 * kEscape;
  });
  if (copied > 0) json = result.append(json, copied);
}

}  // namespace clusterdns::registry
