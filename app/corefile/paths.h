// Paths as people write them.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace clusterdns::app {

// `~` and `~/…` begin in $HOME, as in a shell, which does not see the words of a Corefile.
// Everything else, and both when HOME is not set, is taken as it is; a folder of that name is
// `./~`.
[[nodiscard]] inline std::filesystem::path expand_path(const std::string& path) {
  if (path != "~" && !path.starts_with("~/")) return path;
  const char* const home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') return path;
  return home + path.substr(1);
}

}  // namespace clusterdns::app
