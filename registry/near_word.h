// "Did you mean …?" for a word that is not known.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace clusterdns::registry {

// The number of letters to insert, delete, replace or swap with their neighbour to turn `a` into
// `b`; upper and lower case are the same.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// The known word nearest to `word`, the first of equals; nullopt when none is near enough to be a
// slip of the fingers (a third of the letters, at least one).
[[nodiscard]] std::optional<std::string_view> nearest_word(std::string_view word,
                                                           std::span<const std::string_view> known);

// The same; when none is that near, one that is cut short, or the beginning of `word` (`prot`,
// `protocols` for `protocol`).
[[nodiscard]] std::optional<std::string_view> near_word(std::string_view word,
                                                        std::span<const std::string_view> known);

}  // namespace clusterdns::registry
