#include "app/commands/list_directives.h"

#include <vector>

#include "app/commands/listing.h"
#include "app/corefile/error.h"
#include "app/corefile/suggest.h"
#include "app/directives/directive.h"

namespace clusterdns::app {
namespace {

using Lines = std::vector<std::vector<std::string>>;

void print_all(bool markdown, std::ostream& out) {
  if (markdown) {
    out << "| Directive | What it does |\n|---|---|\n";
    for (const DirectiveSpec& spec : directives()) {
      if (spec.built) out << "| `" << spec.name << "` | " << spec.summary << " |\n";
    }
    return;
  }
  Lines lines{{"DIRECTIVE", "WHAT IT DOES"}};
  for (const DirectiveSpec& spec : directives()) {
    if (spec.built) lines.push_back({std::string(spec.name), std::string(spec.summary)});
  }
  print_columns(lines, out);
}

void print_one(const DirectiveSpec& spec, bool markdown, std::ostream& out) {
  const auto options = spec.options == nullptr ? std::span<const Option>() : spec.options();
  if (markdown) {
    out << "| Option | Meaning | Default |\n|---|---|---|\n";
    for (const Option& option : options) {
      if (option.kind != Option::Kind::Later) out << markdown_row(option) << "\n";
    }
    return;
  }
  out << (spec.usage.empty() ? spec.name : spec.usage) << "\n  " << spec.summary << "\n";
  Lines lines{{"OPTION", "DEFAULT", "WHAT IT DOES"}};
  for (const Option& option : options) {
    lines.push_back({option.usage(),
                     option.default_value.empty() ? "-" : std::string(option.default_value),
                     std::string(option.summary)});
  }
  if (lines.size() == 1) return;
  out << "\n";
  print_columns(lines, out);
}

}  // namespace

std::string markdown_row(const Option& option) {
  std::string usage = option.usage();
  for (std::size_t at = 0; (at = usage.find('|', at)) != std::string::npos; at += 2) {
    usage.insert(at, "\\");
  }
  return "| `" + usage + "` | " + std::string(option.summary) + " |" +
         (option.default_value.empty() ? "" : " " + std::string(option.default_value)) + " |";
}

int run_directives(const DirectivesOptions& options, std::ostream& out, std::ostream& err) {
  if (options.name.empty()) {
    print_all(options.markdown, out);
    return 0;
  }
  if (const DirectiveSpec* const spec = find_directive(options.name)) {
    print_one(*spec, options.markdown, out);
    return 0;
  }
  std::vector<std::string_view> names;
  for (const DirectiveSpec& spec : directives()) names.push_back(spec.name);
  err << "clusterdns directives: " << in_quotes(options.name) << " is not a directive; "
      << suggestion(options.name, names) << "\n";
  return 2;
}

}  // namespace clusterdns::app
