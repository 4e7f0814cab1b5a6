// Corefiles: what parses is printed, and what is printed parses to the same; and any is migrated.
#include <exception>
#include <optional>
#include <string>

#include "app/corefile/parser.h"
#include "app/corefile/print.h"
#include "app/lint/migrate.h"
#include "tests/fuzz/fuzz_target.h"

namespace clusterdns::fuzz {

std::vector<Octets> generated_seeds() { return {}; }

namespace {

bool writable(const app::Token& token) { return app::can_be_written(token.text); }
bool writable(const std::vector<app::Directive>& lines) {
  for (const app::Directive& line : lines) {
    if (!writable(line.name) || !writable(line.block)) return false;
    for (const app::Token& word : line.args) {
      if (!writable(word)) return false;
    }
  }
  return true;
}

std::optional<app::Corefile> parse(std::string_view text) {
  app::ParseOptions options;
  options.environment = [](const std::string& name) -> std::optional<std::string> {
    if (name.empty()) return std::nullopt;
    if (name[0] == 'E') return "";
    return name[0] == 'W' ? "two words" : name[0] == 'B' ? "{" : "value";
  };
  try {
    // No such folder: a relative import finds nothing.
    return app::parse_corefile(text, "/nonexistent/fuzz/Corefile", options);
  } catch (const app::ConfigError& error) {
    FUZZ_REQUIRE(!error.message().empty());
    return std::nullopt;
  }
}

}  // namespace
}  // namespace clusterdns::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clusterdns;  // NOLINT
  const std::string text(data, data + size);
  // Files of this machine are no part of the input.
  if (text.find("import") != std::string::npos && text.find('/') != std::string::npos) return 0;
  try {
    (void)app::migrate_corefile(text, "/nonexistent/fuzz/Corefile");
  } catch (const app::ConfigError& error) {
    FUZZ_REQUIRE(!error.message().empty());
  }
  const auto first = fuzz::parse(text);
  if (!first) return 0;
  for (const auto& block : first->blocks) {
    if (!fuzz::writable(block.directives)) return 0;
  }
  const std::string printed = app::print_corefile(*first);
  const auto second = fuzz::parse(printed);
  if (!second) std::fprintf(stderr, "printed:\n%s\n", printed.c_str());
  FUZZ_REQUIRE(second.has_value());
  FUZZ_REQUIRE(second->blocks.size() == first->blocks.size());
  FUZZ_REQUIRE(app::print_corefile(*second) == printed);
  return 0;
}
