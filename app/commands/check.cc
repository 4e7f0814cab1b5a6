#include "app/commands/check.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <set>
#include <vector>

#include "app/base/json.h"
#include "app/commands/config_maps.h"
#include "app/commands/probe.h"
#include "app/commands/server_client.h"
#include "app/corefile/error.h"
#include "app/corefile/files.h"
#include "app/corefile/limits.h"
#include "app/corefile/parser.h"
#include "app/corefile/print.h"
#include "app/explain/explanation_text.h"
#include "app/instance/instance.h"
#include "app/lint/differences.h"
#include "app/lint/recipes.h"
#include "app/lint/walk.h"
#include "app/log/logging.h"
#include "app/views/object_places.h"
#include "app/views/problems.h"
#include "registry/gateways/checks.h"
#include "registry/manifests/manifest_source.h"
#include "registry/shown_text.h"

namespace clusterdns::app {
namespace {

namespace fs = std::filesystem;

// Of `--fail-on warning`, when there are no errors.
constexpr int kWarnings = 3;
constexpr std::chrono::milliseconds kProbePatience{2000};

std::string counted(std::size_t n, std::string_view one) {
  return std::to_string(n) + " " + std::string(one) + (n == 1 ? "" : "s");
}

bool is_manifest(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return true;
  const std::string extension = path.extension().string();
  return extension == ".yaml" || extension == ".yml" || extension == ".json" ||
         looks_like_manifest(beginning_of(path));
}

// The first `most` octets of it; what reads it next begins at its beginning again.
std::string standard_input(std::size_t most = kMaxCorefileSize + 1) {
  make_standard_input_repeatable();
  constexpr std::size_t kPiece = 64 * 1024;
  std::string text;
  while (text.size() < most) {
    const std::size_t before = text.size();
    text.resize(std::min(most, before + kPiece));
    const ssize_t n = ::pread(STDIN_FILENO, text.data() + before, text.size() - before,
                              static_cast<off_t>(before));
    text.resize(before + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    if (n <= 0) break;
  }
  return text;
}

// Either may come there; what looks like neither is told as a manifest is.
bool standard_input_is_a_corefile() {
  constexpr std::size_t kEnough = 64 * 1024;
  const std::string text = standard_input(kEnough);
  return looks_like_corefile(text) && !looks_like_manifest(text);
}

// A folder may hold Corefiles too: by name, as people call them.
std::vector<fs::path> corefiles_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  // What cannot be read, and links that lead nowhere, are for the manifests to tell.
  fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error);
  for (const fs::recursive_directory_iterator end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (it->is_regular_file(ignored) &&
        (name.starts_with("Corefile") || name.ends_with(".corefile"))) {
      found.push_back(it->path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

// As people write it: without the dot at its end.
std::string shown_name(std::string_view name) {
  if (name.size() > 1 && name.back() == '.') name.remove_suffix(1);
  return std::string(name);
}

boost::json::object walk_value(const Walk& walk) {
  boost::json::array steps;
  for (const WalkStep& step : walk.steps) {
    steps.push_back(
        {{"directive", step.directive}, {"line", step.at.line}, {"text", json_text(step.does)}});
  }
  return {{"zone", json_text(walk.zone)},
          {"also", json_texts(walk.also)},
          {"name", json_text(walk.name)},
          {"steps", std::move(steps)},
          {"answered", walk.answered}};
}

boost::json::array entries_value(const std::vector<MigrationReport::Entry>& entries) {
  boost::json::array values;
  for (const MigrationReport::Entry& entry : entries) {
    values.push_back({{"directive", json_text(entry.directive)},
                      {"file", json_text(entry.at.file)},
                      {"line", entry.at.line},
                      {"column", entry.at.column},
                      {"text", json_text(entry.text)}});
  }
  return values;
}

// What is told when all is done, and as it comes.
class Report {
 public:
  Report(const CheckOptions& options, std::ostream& out, std::ostream& err)
      : options_(options),
        json_(options.format == OutputFormat::Json),
        // Printed is a Corefile and nothing else.
        summaries_(options.print ? err : out),
        out_(out),
        err_(err) {}

  void add(const Problems& problems) {
    const std::vector<Problem> kept = problems.sorted();
    for (const Problem& problem : kept) {
      if (json_) {
        json_problems_.emplace_back(problem_value(problem));
      } else {
        err_ << registry::printable(to_string(problem))
             << (problem.is_error() ? "\n" : " (warning)\n");
      }
    }
    const auto kept_errors = static_cast<std::size_t>(
        std::count_if(kept.begin(), kept.end(), [](const Problem& p) { return p.is_error(); }));
    tell_of_more(problems.errors() - kept_errors, "error");
    tell_of_more(problems.warnings() - (kept.size() - kept_errors), "warning");
    errors_ += problems.errors();
    warnings_ += problems.warnings();
  }

  void add(const std::vector<registry::gateways::Finding>& findings, const ObjectPlaces& places) {
    using registry::gateways::Severity;
    for (const auto& finding : findings) {
      if (finding.severity == Severity::Error) ++errors_;
      if (finding.severity == Severity::Warning) ++warnings_;
      const registry::gateways::Place place = places.find(finding.object);
      if (json_) {
        json_problems_.emplace_back(finding_value(finding, place));
        continue;
      }
      Problem problem;
      problem.file = place.file;
      problem.line = place.line;
      problem.column = place.column;
      problem.text = finding.object.kind + " " + finding.object.key.ns + "/" +
                     finding.object.key.name + ": " + finding.text + ". " + finding.fix + " [" +
                     finding.code + "]";
      err_ << registry::printable(to_string(problem));
      if (finding.severity != Severity::Error) err_ << " (" << to_string(finding.severity) << ")";
      err_ << "\n";
    }
  }

  void summary(const std::string& line) {
    if (!json_) summaries_ << line << "\n";
  }

  // What the server blocks do, each for an example of the names in its zones.
  void add(const std::vector<BlockWalk>& blocks) {
    if (options_.quiet || options_.print) return;
    for (const BlockWalk& block : blocks) {
      if (json_) {
        boost::json::array names;
        for (const Walk& walk : block.walks) names.emplace_back(walk_value(walk));
        json_blocks_.push_back({{"file", json_text(block.at.file)},
                                {"line", block.at.line},
                                {"keys", json_text(block.keys)},
                                {"only", json_text_or_null(block.only)},
                                {"names", std::move(names)}});
        continue;
      }
      tell("");
      tell(block.keys + (block.only.empty() ? "" : ", if " + block.only));
      for (const Walk& walk : block.walks) tell_walk(walk);
      if (block.left_out != 0) tell("  and " + counted(block.left_out, "zone") + " more");
    }
  }

  void add(const MigrationReport& migration) {
    if (json_) {
      json_migration_ = {{"same", json_texts(migration.same)},
                         {"different", entries_value(migration.different)},
                         {"missing", entries_value(migration.missing)}};
      return;
    }
    if (!migration.same.empty()) {
      std::string names;
      for (const std::string& name : migration.same) names += (names.empty() ? "" : ", ") + name;
      tell("As in CoreDNS: " + names);
    }
    tell_entries("Otherwise than in CoreDNS:", migration.different);
    tell_entries("Not here:", migration.missing);
  }

  // 0: nothing is wrong. For the end.
  [[nodiscard]] int finish() {
    if (json_) {
      boost::json::object all{
          {"problems", std::move(json_problems_)}, {"errors", errors_}, {"warnings", warnings_}};
      if (!json_blocks_.empty()) all["blocks"] = std::move(json_blocks_);
      if (!json_migration_.empty()) all["migration"] = std::move(json_migration_);
      out_ << json_line(all) << "\n";
    }
    if (errors_ != 0) return 1;
    return warnings_ != 0 && options_.fail_on_warning ? kWarnings : 0;
  }

 private:
  void tell(const std::string& line) { summaries_ << registry::printable(line) << "\n"; }

  void tell_walk(const Walk& walk) {
    constexpr std::size_t kShown = 6;  // a CIDR may be 128 of them
    std::string zones = shown_name(walk.zone);
    for (std::size_t i = 0; i < std::min(kShown, walk.also.size()); ++i) {
      zones += ", " + shown_name(walk.also[i]);
    }
    if (walk.also.size() > kShown) {
      zones += " and " + std::to_string(walk.also.size() - kShown) + " more";
    }
    tell("  " + shown_name(walk.name) + " (" + zones + ")");
    std::size_t width = 0;
    for (const WalkStep& step : walk.steps) width = std::max(width, step.directive.size());
    for (const WalkStep& step : walk.steps) {
      tell("    " + step.directive + std::string(width - step.directive.size() + 2, ' ') +
           step.does);
    }
    if (!walk.answered) {
      tell(walk.steps.empty() ? "    nothing here answers it: REFUSED"
                              : "    what nothing here answers is REFUSED");
    }
  }

  void tell_entries(const std::string& head, const std::vector<MigrationReport::Entry>& entries) {
    if (!entries.empty()) tell(head);
    for (const MigrationReport::Entry& entry : entries) {
      tell("  " + entry.directive + " (line " + std::to_string(entry.at.line) + "): " + entry.text);
    }
  }

  void tell_of_more(std::size_t n, std::string_view kind) {
    if (n != 0 && !json_) err_ << "and " << n << " more " << kind << (n == 1 ? "\n" : "s\n");
  }

  const CheckOptions& options_;
  const bool json_;
  std::ostream& summaries_;
  std::ostream& out_;
  std::ostream& err_;
  boost::json::array json_problems_, json_blocks_;
  boost::json::object json_migration_;
  std::size_t errors_ = 0, warnings_ = 0;
};

// What is wrong with the directives goes to `problems`, beside what the parser found.
void judge(const Corefile& corefile, CheckPlace place, Problems& problems) {
  for (const Warning& warning : corefile.warnings) problems.warn(warning.at, warning.message);
  if (corefile.whole) check_corefile(corefile, kDnsPort, place, problems);
}

// What loads and does harm, too.
void look_closer(const Corefile& corefile, const CheckOptions& options, Problems& problems) {
  if (problems.has_errors()) return;
  find_recipes(corefile, kDnsPort, problems);
  if (options.probe) probe_upstreams(corefile, kProbePatience, problems);
}

void check_one_corefile(const fs::path& path, const CheckOptions& options, std::ostream& out,
                        Report& report) {
  Problems problems;
  // As `-conf stdin`.
  std::error_code error;
  const Corefile corefile = path == "stdin" && !fs::exists(path, error)
                                ? parse_corefile(standard_input(), "stdin", {}, problems)
                                : load_corefile(path, {}, problems);
  judge(corefile, CheckPlace::Here, problems);
  look_closer(corefile, options, problems);
  report.add(problems);
  if (!problems.has_errors()) {
    if (options.print) out << print_corefile(corefile);
    report.summary(path.string() + ": good (" + counted(corefile.blocks.size(), "server block") +
                   ")");
    report.add(walk_blocks(corefile, kDnsPort));
  }
  if (options.from_coredns) report.add(compare_to_coredns(corefile));
}

void report_embedded(const EmbeddedCorefile& embedded, const Problems& found, Report& report) {
  if (embedded.in_place) return report.add(found);
  Problems placed;
  for (const Problem& problem : found.sorted()) {
    Problem at_value = problem;
    at_value.file = embedded.at.file;
    at_value.line = static_cast<std::uint32_t>(embedded.at.line);
    at_value.column = static_cast<std::uint32_t>(embedded.at.column);
    at_value.text = to_string(problem);
    placed.add(std::move(at_value));
  }
  report.add(placed);
}

void check_embedded(const EmbeddedCorefile& embedded, const CheckOptions& options, Report& report) {
  ParseOptions parse;
  parse.elsewhere = true;
  const std::string name = embedded.in_place ? embedded.at.file : embedded.what;
  Problems found;
  const Corefile corefile = parse_corefile(embedded.text, name, parse, found);
  judge(corefile, CheckPlace::Elsewhere, found);
  // What is a part of a server block says nothing of the rest of it.
  if (!embedded.directives_only) look_closer(corefile, options, found);
  const bool good = !found.has_errors();
  report_embedded(embedded, found, report);
  if (embedded.directives_only) return;
  if (good) report.add(walk_blocks(corefile, kDnsPort));
  if (options.from_coredns) report.add(compare_to_coredns(corefile));
}

void check_manifests(const std::vector<fs::path>& paths, const CheckOptions& options_given,
                     bool only_if_some, Report& report) {
  registry::ManifestOptions options;
  options.paths = paths;
  options.cluster.note_no_pods = false;  // gateways::check() does
  registry::Store store;
  registry::ManifestSource source(std::move(options), store);
  Problems problems;
  for (Problem& finding : source.load()) problems.add(std::move(finding));
  report.add(problems);
  registry::gateways::CheckSettings settings;
  settings.ingress = options_given.ingress;
  const auto findings = registry::gateways::check(store, settings);
  report.add(findings, ObjectPlaces(source));
  const bool good = !problems.has_errors() &&
                    std::none_of(findings.begin(), findings.end(), [](const auto& finding) {
                      return finding.severity == registry::gateways::Severity::Error;
                    });
  std::set<std::string> with_config_maps;
  for (const auto& other : source.other_objects()) {
    if (other.kind == "ConfigMap") with_config_maps.insert(other.file);
  }
  for (const std::string& file : with_config_maps) {
    for_each_embedded_corefile(file, [&](const EmbeddedCorefile& embedded) {
      check_embedded(embedded, options_given, report);
    });
  }
  if (source.file_count() == 0 && only_if_some) return;
  report.summary("manifests: " + std::string(good ? "good" : "not good") + " (" +
                 counted(source.file_count(), "file") + ", " +
                 counted(source.object_count(), "object") + ", " +
                 counted(store.service_count(), "service") + ", " +
                 counted(store.endpoint_count(), "endpoint") + ", " +
                 counted(store.gateways().size(), "object") + " of gateways, " +
                 std::to_string(source.other_objects().size()) + " of other kinds)");
}

// What a running server finds wrong with its objects; whether nothing is.
bool tell_problems(const CheckOptions& options, std::ostream& out, std::ostream& err) {
  boost::json::object rest;
  boost::json::array problems =
      list_of_server(*options.server, ServerQuery("problems"), "problems", &rest);
  const auto* const truncated = rest.if_contains("truncated");
  const bool all = truncated == nullptr || !truncated->is_bool() || !truncated->get_bool();
  if (all) rest.erase("truncated");
  boost::json::object object{{"problems", std::move(problems)}};
  object.insert(rest.begin(), rest.end());
  const bool good = object.at("errors").to_number<std::uint64_t>() == 0;
  if (options.format == OutputFormat::Json) {
    out << json_line(object) << "\n";
    return good;
  }
  for (const auto& each : object.at("problems").as_array()) {
    const auto& problem = each.as_object();
    const std::string severity = text_member(problem, "severity");
    std::string line;
    if (const auto* const about = problem.if_contains("object")) {
      const std::string ns = text_member(about->as_object(), "namespace");
      line = text_member(about->as_object(), "kind") + " " + ns + (ns.empty() ? "" : "/") +
             text_member(about->as_object(), "name") + ": " + text_member(problem, "text") + ". " +
             text_member(problem, "fix") + " [" + text_member(problem, "code") + "]";
    } else {
      line = text_member(problem, "file") + ":" +
             std::to_string(problem.at("line").to_number<std::uint64_t>()) + ":" +
             std::to_string(problem.at("column").to_number<std::uint64_t>()) + ": " +
             text_member(problem, "text");
    }
    err << registry::printable(line + (severity == "error" ? "" : " (" + severity + ")")) << "\n";
  }
  if (!all) err << "there are more than the server tells\n";
  out << "objects: " << (good ? "good" : "not good") << "\n";
  return good;
}

int check_server(const CheckOptions& options, std::ostream& out, std::ostream& err) {
  try {
    bool good = false;
    read_replies(*options.server, [&] { good = tell_problems(options, out, err); });
    return good ? 0 : 1;
  } catch (const std::exception& e) {
    err << "clusterdns: " << registry::printable(e.what(), "\n") << "\n";
    return 1;
  }
}

}  // namespace

int run_check(const CheckOptions& options, std::ostream& out, std::ostream& err) {
  if (options.server) return check_server(options, out, err);
  Report report(options, out, err);
  std::vector<fs::path> manifests;
  std::vector<fs::path> corefiles;
  for (const std::string& text : options.paths) {
    const fs::path path(text);
    std::error_code error;
    if (text == registry::kStandardInput) {
      if (standard_input_is_a_corefile()) {
        corefiles.push_back("stdin");
      } else {
        manifests.push_back(path);
      }
    } else if (text == "stdin" && !fs::exists(path, error)) {
      corefiles.push_back("stdin");
    } else if (!fs::exists(path, error)) {
      Problems problems;
      problems.error({text, 0, 0, {}}, "no such file or folder");
      report.add(problems);
    } else if (is_manifest(path)) {
      manifests.push_back(path);
      if (fs::is_directory(path, error)) {
        for (const fs::path& found : corefiles_in(path)) corefiles.push_back(found);
      }
    } else {
      corefiles.push_back(path);
    }
  }
  for (const fs::path& path : corefiles) check_one_corefile(path, options, out, report);
  // A folder of Corefiles only is not a folder without manifests.
  if (!manifests.empty()) check_manifests(manifests, options, !corefiles.empty(), report);
  return report.finish();
}

}  // namespace clusterdns::app
