#include "registry/near_word.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace clusterdns::registry {
namespace {

// Longer words are not slips of anything known; the bound keeps the table small for any input.
constexpr std::size_t kMaxWord = 64;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> before_last(width), last(width), row(width);
  for (std::size_t j = 0; j < width; ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j < width; ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0U : 1U)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1])) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[width - 1];
}

std::optional<std::string_view> nearest_word(std::string_view word,
                                             std::span<const std::string_view> known) {
  if (word.empty() || word.size() > kMaxWord) return std::nullopt;
  std::size_t best = std::max<std::size_t>(1, word.size() / 3) + 1;
  std::optional<std::string_view> nearest;
  for (const std::string_view candidate : known) {
    if (candidate.size() > kMaxWord) continue;
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best && distance < candidate.size()) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::optional<std::string_view> near_word(std::string_view word,
                                          std::span<const std::string_view> known) {
  if (const auto nearest = nearest_word(word, known)) return nearest;
  constexpr std::size_t kLeast = 3;
  const auto begins = [](std::string_view longer, std::string_view shorter) {
    return shorter.size() >= kLeast && longer.size() > shorter.size() &&
           std::equal(shorter.begin(), shorter.end(), longer.begin(),
                      [](char a, char b) { return lower(a) == lower(b); });
  };
  for (const std::string_view candidate : known) {
    if (begins(candidate, word) || begins(word, candidate)) return candidate;
  }
  return std::nullopt;
}

}  // namespace clusterdns::registry
