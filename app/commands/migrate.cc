#include "app/commands/migrate.h"

#include <string>

#include "app/corefile/error.h"
#include "app/corefile/files.h"
#include "app/corefile/limits.h"
#include "app/corefile/parser.h"
#include "app/corefile/problems.h"
#include "app/instance/instance.h"
#include "app/lint/migrate.h"
#include "registry/shown_text.h"

namespace clusterdns::app {
namespace {

std::string all_of(std::istream& in) {
  std::string text(kMaxCorefileSize + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

void tell(std::ostream& err, const std::string& line) { err << registry::printable(line) << "\n"; }

}  // namespace

int run_migrate(const MigrateOptions& options, std::istream& in, std::ostream& out,
                std::ostream& err) {
  const bool standard = options.path == "-";
  // As `-conf stdin` calls it.
  const std::string name = standard ? "stdin" : options.path;
  MigratedCorefile migrated;
  try {
    const std::string text = standard ? all_of(in) : read_config_file(options.path, {name, 0, 0});
    if (looks_like_manifest(text)) {
      throw ConfigError({name, 0, 0}, "this is a Kubernetes manifest; give the Corefile in it");
    }
    migrated = migrate_corefile(text, name);
  } catch (const ConfigError& e) {
    tell(err, e.what());
    return 1;
  }
  out << migrated.text;
  for (const MigrationChange& change : migrated.changes) {
    tell(err, to_string(change.at) + ": " + change.text);
  }
  // It may be for another machine, whose files are not here.
  ParseOptions parse;
  parse.elsewhere = true;
  Problems problems;
  const Corefile corefile = parse_corefile(migrated.text, name, parse, problems);
  if (corefile.whole) check_corefile(corefile, kDnsPort, CheckPlace::Elsewhere, problems);
  for (const Problem& problem : problems.sorted()) {
    // What is imported is not written anew, so that all of it is told.
    if (problem.file != name) tell(err, to_string(problem));
    if (problem.file == name && problem.is_error())
      tell(err, "in the result: " + to_string(problem));
  }
  return problems.has_errors() ? 1 : 0;
}

}  // namespace clusterdns::app
