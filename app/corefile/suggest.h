// "Did you mean …?" for a word that is not known.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "registry/near_word.h"

namespace clusterdns::app {

using registry::edit_distance;
using registry::nearest_word;

// "did you mean 'forward'?" if some word is near, or else "known are: a, b, c".
[[nodiscard]] std::string suggestion(std::string_view word,
                                     std::span<const std::string_view> known);

}  // namespace clusterdns::app
