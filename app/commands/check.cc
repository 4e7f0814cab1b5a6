#include "app/commands/check.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "app/corefile/error.h"
#include "app/corefile/parser.h"
#include "app/corefile/print.h"
#include "app/instance.h"
#include "app/logging.h"
#include "registry/manifests/manifest_source.h"

namespace clusterdns::app {
namespace {

namespace fs = std::filesystem;

bool is_manifest(const fs::path& path) {
  const std::string extension = path.extension().string();
  return fs::is_directory(path) || extension == ".yaml" || extension == ".yml" ||
         extension == ".json";
}

// A folder may hold Corefiles too: by name, as people call them.
std::vector<fs::path> corefiles_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && (name.starts_with("Corefile") || name.ends_with(".corefile"))) {
      found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool check_one_corefile(const fs::path& path, const CheckOptions& options, std::ostream& out,
                        std::ostream& err) {
  try {
    const Corefile corefile = load_corefile(path);
    for (const Warning& warning : corefile.warnings) err << to_string(warning) << " (warning)\n";
    check_corefile(corefile, make_silent_logger(), kDnsPort);
    if (options.print) out << print_corefile(corefile);
    // Printed is a Corefile and nothing else.
    (options.print ? err : out) << path.string() << ": good (" << corefile.blocks.size() << " server block"
        << (corefile.blocks.size() == 1 ? "" : "s") << ")\n";
    return true;
  } catch (const std::exception& e) {
    err << e.what() << "\n";
    return false;
  }
}

}  // namespace

int run_check(const CheckOptions& options, std::ostream& out, std::ostream& err) {
  bool good = true;
  registry::ManifestOptions manifests;
  std::vector<fs::path> corefiles;
  for (const std::string& text : options.paths) {
    const fs::path path(text);
    std::error_code error;
    if (text != "stdin" && !fs::exists(path, error)) {
      err << text << ": there is no such file or folder\n";
      good = false;
    } else if (is_manifest(path)) {
      manifests.paths.push_back(path);
      if (fs::is_directory(path)) {
        for (const fs::path& found : corefiles_in(path)) corefiles.push_back(found);
      }
    } else {
      corefiles.push_back(path);
    }
  }
  for (const fs::path& path : corefiles) good = check_one_corefile(path, options, out, err) && good;
  if (!manifests.paths.empty()) {
    registry::Store store;
    registry::ManifestSource source(manifests, store);
    bool errors = false;
    for (const auto& finding : source.load()) {
      const bool error = finding.severity == registry::Diagnostic::Severity::Error;
      errors = errors || error;
      err << finding.text << (error ? "\n" : " (warning)\n");
    }
    good = good && !errors;
    // A folder of Corefiles only is no folder without manifests.
    if (source.file_count() != 0 || corefiles.empty()) {
      out << "manifests: " << (errors ? "not good" : "good") << " (" << source.file_count()
          << " files, " << source.object_count() << " objects, " << store.service_count()
          << " services, " << store.endpoint_count() << " endpoints, "
          << source.other_objects().size() << " of kinds that are kept for later)\n";
    }
  }
  return good ? 0 : 1;
}

}  // namespace clusterdns::app
