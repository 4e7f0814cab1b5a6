// A conversation as it stands in its file. The format is in README.md.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace clusterdns::conversation {

// what() is "FILE:LINE: …", for people.
class Failure : public std::runtime_error {
 public:
  Failure(const std::string& file, int line, const std::string& what);
};

struct Step {
  int line = 0;      // counts from 1
  std::string text;  // as written, `repeat` resolved
  std::vector<std::string> words;
  // Those of the lines below it; a record behind the colon comes first.
  std::vector<std::vector<std::string>> records;
};

struct Script {
  std::string file;
  // Lines of the sections, with empty ones before them, so that places in them are those of the
  // file.
  std::string corefile;
  std::string hosts;
  std::string manifests;
  std::vector<Step> steps;
  int last_line = 0;
};

// Throws Failure.
[[nodiscard]] Script read_script(const std::string& file, std::string_view text);

}  // namespace clusterdns::conversation
