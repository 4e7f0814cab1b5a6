// What a CoreDNS would do otherwise with the same Corefile: `check --from coredns`.
#pragma once

#include <string>
#include <vector>

#include "app/corefile/ast.h"

namespace clusterdns::app {

struct MigrationReport {
  struct Entry {
    Position at;
    std::string directive;  // with its option: "cache", "health: lameduck"
    std::string text;
  };
  std::vector<std::string> same;  // directives that do the same, each once, by name
  std::vector<Entry> different;   // what this server does instead
  std::vector<Entry> missing;     // refused, and what to do
};

// Every directive of the Corefile, in one of the three lists by its worst. Also of a Corefile that
// is refused, as far as it could be read.
[[nodiscard]] MigrationReport compare_to_coredns(const Corefile& corefile);

}  // namespace clusterdns::app
