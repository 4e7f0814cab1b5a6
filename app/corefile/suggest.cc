#include "app/corefile/suggest.h"

namespace clusterdns::app {

std::string suggestion(std::string_view word, std::span<const std::string_view> known) {
  if (const auto nearest = nearest_word(word, known)) {
    return "did you mean '" + std::string(*nearest) + "'?";
  }
  std::string text = "choose from: ";
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (i > 0) text += ", ";
    text += known[i];
  }
  return text;
}

}  // namespace clusterdns::app
