#include "app/lint/differences.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "app/directives/directive.h"

namespace clusterdns::app {
namespace {

// What docs/differences.md and the pages of the directives say, as far as an operator sees it.
struct Difference {
  std::string_view directive;
  std::string_view option;  // empty: the directive itself
  std::string_view text;
};
constexpr Difference kDifferences[] = {
    {"autopath", "", "knows pods by their names alone; `pods verified` is not needed"},
    {"bufsize", "", "answers over UDP have at most 1232 octets also without it"},
    {"cache", "",
     "stands behind `hosts` and `kubernetes`, which are never stale; its metrics count only what "
     "comes to it"},
    {"cancel", "", "without effect: every query has a deadline"},
    {"debug", "", "without effect"},
    {"dnstap", "", "keeps messages while the collector is away; `QUEUE` is in octets"},
    {"errors", "stacktrace", "without effect: there is nothing to trace"},
    {"forward", "",
     "asks only for clients that the internet cannot reach, unless `clients` names others; passes "
     "on no additional records outside of its zone"},
    {"geoip", "", "does without `metadata`; `rewrite` and `dnstap` do not read its labels"},
    {"health", "lameduck", "goes on until no query came for 2 s, at most until `grace`"},
    {"kubernetes", "",
     "names above existing ones and other types at existing names are NODATA, not NXDOMAIN"},
    {"loadbalance", "", "each answer begins with the next address, instead of a random one"},
    {"loop", "", "stops asking the upstream that leads back; `loop fatal` ends the program"},
    {"metadata", "", "without effect: what reads metadata does not need it"},
    {"proxy", "", "is taken as `forward`"},
    {"prometheus", "", "has no Go runtime to tell of (`go_…`)"},
    {"reload", "", "a changed file is noticed at once"},
    {"rewrite", "", "the question of the client is always restored"},
    {"template", "", "aliases that it answers are followed inside of the server block"},
    {"timeouts", "", "without effect: connections have bounds of their own"},
    {"file", "", "a changed file is read at once; no NS records beside positive answers"},
    {"auto", "", "a changed file is read at once; no NS records beside positive answers"},
};

bool is_of_coredns(std::string_view directive) {
  static constexpr std::string_view kOurs[] = {"workers", "console",   "evidence", "fault",
                                               "search",  "synthetic", "gateways"};
  return std::find(std::begin(kOurs), std::end(kOurs), directive) == std::end(kOurs);
}

}  // namespace

MigrationReport compare_to_coredns(const Corefile& corefile) {
  MigrationReport report;
  std::set<std::string> same, other, told;
  const auto tell = [&](std::vector<MigrationReport::Entry>& list, const Position& at,
                        const std::string& what, std::string_view text) {
    if (told.insert(what).second) list.push_back({at, what, std::string(text)});
  };
  for (const ServerBlock& block : corefile.blocks) {
    for (const Directive& d : block.directives) {
      const std::string& name = d.name.text;
      const DirectiveSpec* const spec = find_directive(name);
      if (spec == nullptr) {
        const std::string_view instead = instead_of_external(name);
        other.insert(name);
        tell(report.missing, d.name.at, name,
             instead.empty() ? std::string_view("is not a directive") : instead);
        continue;
      }
      if (!spec->built) {
        other.insert(name);
        tell(report.missing, d.name.at, name,
             spec->note.empty() ? "not supported yet" : spec->note);
        continue;
      }
      if (!is_of_coredns(name)) {
        other.insert(name);
        tell(report.different, d.name.at, name, "is not in CoreDNS, which refuses it");
        continue;
      }
      if (spec->taken_only) {
        other.insert(name);
        tell(report.different, d.name.at, name,
             std::string("without effect: ") + std::string(spec->note));
        continue;
      }
      bool differs = false;
      for (const Difference& each : kDifferences) {
        if (each.directive != name) continue;
        if (each.option.empty()) {
          tell(report.different, d.name.at, name, each.text);
          differs = true;
          continue;
        }
        for (const Directive& line : d.block) {
          if (line.name.text != each.option) continue;
          tell(report.different, line.name.at, name + ": " + line.name.text, each.text);
          differs = true;
        }
      }
      (differs ? other : same).insert(name);
    }
  }
  for (const std::string& name : same) {
    if (!other.contains(name)) report.same.push_back(name);
  }
  return report;
}

}  // namespace clusterdns::app
