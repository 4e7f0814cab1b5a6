// The command tree as others read it: the manual page, and what shells complete.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace clusterdns::app {

struct OptionPage {
  std::vector<std::string> names;  // "-m", "--manifests"; of a word: "PATH"
  std::string type;                // of its value, "PATH"; empty: it has none
  std::string description;
  bool word = false;      // it has no name and stands by itself
  bool optional = false;  // the value may be left out
};
struct CommandPage {
  std::string name, description, examples;
  std::vector<OptionPage> options;
};

// What values the description of an option names, "table, json or yaml [table]"; empty: it names
// none.
[[nodiscard]] std::vector<std::string> choices_of(const OptionPage& option);

// In troff with the macros of man(7), for clusterdns(1).
[[nodiscard]] std::string man_page(std::span<const CommandPage> commands);
// A script for `shell`, one of kShells.
[[nodiscard]] std::string completion(std::string_view shell, std::span<const CommandPage> commands);

inline constexpr std::string_view kShells[] = {"bash", "zsh", "fish"};

}  // namespace clusterdns::app
