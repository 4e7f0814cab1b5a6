#include "registry/problem.h"

namespace clusterdns::registry {

std::string to_string(const Problem& problem) {
  std::string out = problem.file;
  if (problem.line != 0) {
    out += ':' + std::to_string(problem.line) + ':' + std::to_string(problem.column);
  }
  if (!out.empty()) out += ": ";
  return out + problem.text;
}

}  // namespace clusterdns::registry
