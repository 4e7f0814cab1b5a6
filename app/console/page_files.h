// The files of app/console/page/, which are in the program.
#pragma once

#include <span>
#include <string_view>

namespace clusterdns::app {

struct PageFile {
  std::string_view name;  // "index.html"
  std::string_view text;
};

// In the order of their names; empty while there is no page.
[[nodiscard]] std::span<const PageFile> page_files();
// By the ending of the name: "text/html; charset=utf-8".
[[nodiscard]] std::string_view content_type_of(std::string_view name);

}  // namespace clusterdns::app
