#include "registry/manifests/loaded_file.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string_view>
#include <utility>

namespace clusterdns::registry {
namespace {

// Coarser than the time stamps of any file system this runs on (ext4 and tmpfs: one timer tick).
constexpr std::int64_t kRacyNanoseconds = 100'000'000;

using Identity = std::pair<std::string, ObjectKey>;  // kind, key

Identity identity_of(const ManifestObject& object) {
  return {kind_of(object.body), key_of(object.body)};
}

std::string count_objects(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " object" : " objects");
}

class FileReader {
 public:
  FileReader(LoadedFile& file, const ReadOptions& options, std::vector<Diagnostic>& diagnostics)
      : file_(file), options_(options), diagnostics_(diagnostics) {}

  void run(std::vector<ManifestObject>& replaced) {
    if (file_.stamp.size > kMaxManifestBytes) {
      return unusable({}, "larger than " + std::to_string(kMaxManifestBytes) + " octets");
    }
    std::ifstream input(file_.path, std::ios::binary);
    if (!input) return unusable({}, std::string("cannot be read: ") + std::strerror(errno));
    const auto error = read_yaml(input, [this](const YamlNode& node) { take(node); });
    if (error) return unusable(error->mark, error->what + tab_hint(error->mark));
    if (input.bad()) return unusable({}, std::string("cannot be read: ") + std::strerror(errno));
    finish(replaced);
  }

 private:
  void take(const YamlNode& node) {
    for (ReadObject& read : read_objects(node, file_.path, options_)) {
      for (YamlError& warning : read.warnings) {
        found_.push_back({Diagnostic::Severity::Warning,
                          at_place(file_.path, warning.mark, warning.what)});
      }
      if (read.object) objects_.push_back(std::move(*read.object));
      if (!read.errors.empty()) failed_.push_back(std::move(read));
    }
  }

  // The most frequent reason for an error that yaml-cpp words obscurely.
  std::string tab_hint(const YamlMark& mark) const {
    std::ifstream input(file_.path, std::ios::binary);
    std::string line;
    for (std::uint32_t number = 0; number < mark.line && std::getline(input, line); ++number) {
    }
    const std::string_view indent =
        std::string_view(line).substr(0, line.find_first_not_of(" \t"));
    return indent.find('\t') == std::string_view::npos
               ? ""
               : " (this line is indented with a tab; YAML wants spaces)";
  }

  // Nothing of the new text counts, not even what stands before the error.
  void unusable(const YamlMark& mark, const std::string& what) {
    const std::string kept =
        file_.objects.empty()
            ? "nothing of this file is served"
            : "kept the last good version (" + count_objects(file_.objects.size()) + ")";
    diagnostics_.push_back(
        {Diagnostic::Severity::Error, at_place(file_.path, mark, what + "; " + kept)});
  }

  void finish(std::vector<ManifestObject>& replaced) {
    std::map<Identity, bool> good;  // failed objects that have a last good version: true
    for (const ReadObject& read : failed_) good[{read.kind, read.key}] = false;
    const bool unknown_failed = std::any_of(failed_.begin(), failed_.end(), [](const auto& read) {
      return read.key.name.empty();
    });
    std::map<Identity, bool> present;
    for (const ManifestObject& object : objects_) present[identity_of(object)] = true;
    std::size_t kept = 0;
    for (ManifestObject& old : file_.objects) {
      const Identity identity = identity_of(old);
      const auto failed = good.find(identity);
      // When a failed object's name is unknown, any object that is missing may be the one.
      if (!present.contains(identity) && (failed != good.end() || unknown_failed)) {
        if (failed != good.end()) failed->second = true;
        objects_.push_back(std::move(old));
        ++kept;
      } else {
        replaced.push_back(std::move(old));
      }
    }
    report_failed(good, kept);
    std::move(found_.begin(), found_.end(), std::back_inserter(diagnostics_));
    file_.objects = std::move(objects_);
    file_.objects.shrink_to_fit();
  }

  void report_failed(const std::map<Identity, bool>& kept_identities, std::size_t kept) {
    for (const ReadObject& read : failed_) {
      std::string outcome;
      if (read.key.name.empty()) {
        outcome = kept == 0 ? "this object is left out"
                            : "kept " + count_objects(kept) + " of the last good version";
      } else {
        const std::string object = describe(read.kind, read.key);
        outcome = kept_identities.at({read.kind, read.key})
                      ? "kept the last good version of " + object
                      : object + " is left out";
      }
      for (const YamlError& error : read.errors) {
        diagnostics_.push_back({Diagnostic::Severity::Error,
                                at_place(file_.path, error.mark, error.what + "; " + outcome)});
      }
    }
  }

  LoadedFile& file_;
  const ReadOptions& options_;
  std::vector<Diagnostic>& diagnostics_;
  std::vector<ManifestObject> objects_;
  std::vector<ReadObject> failed_;
  std::vector<Diagnostic> found_;  // held back: they only count when the file is used
};

}  // namespace

void reload_file(LoadedFile& file, const FileStamp& stamp, const ReadOptions& options,
                 std::vector<Diagnostic>& diagnostics, std::vector<ManifestObject>& replaced) {
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  file.stamp = stamp;
  file.racy = now - std::max(stamp.modified_ns, stamp.changed_ns) < kRacyNanoseconds;
  FileReader(file, options, diagnostics).run(replaced);
}

std::string at_place(const std::string& file, const YamlMark& mark, const std::string& what) {
  if (mark.line == 0) return file + ": " + what;
  return file + ':' + std::to_string(mark.line) + ':' + std::to_string(mark.column) + ": " + what;
}

}  // namespace clusterdns::registry
