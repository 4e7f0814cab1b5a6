#include "registry/manifests/manifest_source.h"

#include <malloc.h>

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <utility>

namespace clusterdns::registry {
namespace {

// Reading less than this leaves too little garbage behind to walk the heap for it.
constexpr std::int64_t kTrimAfterBytes = 1024 * 1024;

void add_namespaces(const std::vector<ManifestObject>& objects,
                    std::unordered_set<std::string>& namespaces) {
  for (const ManifestObject& object : objects) {
    const std::string& ns = namespace_of(object.body);
    if (!ns.empty()) namespaces.insert(ns);
  }
}

}  // namespace

ManifestSource::ManifestSource(ManifestOptions options, Store& store)
    : options_(std::move(options)), store_(store), builder_(options_.cluster, store) {}

ManifestSource::~ManifestSource() { stop(); }

std::vector<Diagnostic> ManifestSource::load() {
  std::vector<Diagnostic> diagnostics;
  FileListing listing = list_manifest_files(options_.paths);
  std::vector<std::string> problems;
  for (Diagnostic& problem : listing.problems) {
    problems.push_back(problem.text);
    const bool known = std::find(known_problems_.begin(), known_problems_.end(), problem.text) !=
                       known_problems_.end();
    if (!known) diagnostics.push_back(std::move(problem));
  }
  known_problems_ = std::move(problems);

  std::unordered_set<std::string> touched = read_changed_files(std::move(listing), diagnostics);
  if (!has_news_ && touched.empty()) return diagnostics;
  builder_.apply(files_, std::move(touched), diagnostics);
  other_objects_.clear();
  for (const LoadedFile& file : files_) {
    for (const ManifestObject& object : file.objects) {
      if (const auto* other = body_as<OtherObject>(object.body)) {
        other_objects_.push_back(*other);
      }
    }
  }
  store_.commit();
  if (bytes_read_ >= kTrimAfterBytes) malloc_trim(0);
  return diagnostics;
}

std::unordered_set<std::string> ManifestSource::read_changed_files(
    FileListing listing, std::vector<Diagnostic>& diagnostics) {
  std::unordered_set<std::string> touched;
  std::unordered_map<std::string, LoadedFile> previous;
  for (LoadedFile& file : files_) previous.emplace(file.path, std::move(file));
  files_.clear();
  files_.reserve(listing.files.size());
  has_news_ = false;
  bytes_read_ = 0;
  const ReadOptions read_options{options_.cluster.keep_target_names};
  for (ManifestFile& listed : listing.files) {
    LoadedFile file;
    bool is_new = true;
    if (auto known = previous.extract(listed.path)) {
      file = std::move(known.mapped());
      is_new = false;
    }
    file.path = std::move(listed.path);
    const bool is_changed = is_new || file.stamp != listed.stamp;
    if (is_changed || file.racy) {
      std::vector<ManifestObject> replaced;
      std::vector<Diagnostic> findings;
      reload_file(file, listed.stamp, read_options, findings, replaced);
      add_namespaces(replaced, touched);
      add_namespaces(file.objects, touched);
      bytes_read_ += listed.stamp.size;
      std::vector<std::string> texts;
      for (const Diagnostic& finding : findings) texts.push_back(finding.text);
      // A second look at a file that did not change says nothing new.
      if (is_changed || texts != file.reported) {
        has_news_ = true;
        std::move(findings.begin(), findings.end(), std::back_inserter(diagnostics));
      }
      file.reported = std::move(texts);
    }
    files_.push_back(std::move(file));
  }
  for (const auto& [path, file] : previous) {
    add_namespaces(file.objects, touched);
    has_news_ = true;
  }
  return touched;
}

void ManifestSource::watch(boost::asio::io_context& io,
                           std::function<void(const std::vector<Diagnostic>&)> on_reload) {
  stop();
  watcher_ = std::make_unique<FileWatcher>(
      io, options_.paths, [this, on_reload] { reload(on_reload); },
      [on_reload](const std::string& text) {
        on_reload({{Diagnostic::Severity::Warning, text}});
      });
  watcher_->start();
  // What changed between the last load and the watches.
  reload(on_reload);
}

void ManifestSource::reload(
    const std::function<void(const std::vector<Diagnostic>&)>& on_reload) {
  const auto callback = on_reload;  // it may stop() us, and the watcher owns the original
  const std::vector<Diagnostic> diagnostics = load();
  if (has_news_ || !diagnostics.empty()) callback(diagnostics);
}

void ManifestSource::stop() { watcher_.reset(); }

std::size_t ManifestSource::object_count() const {
  std::size_t count = 0;
  for (const LoadedFile& file : files_) count += file.objects.size();
  return count;
}

bool has_errors(const std::vector<Diagnostic>& diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& diagnostic) {
    return diagnostic.severity == Diagnostic::Severity::Error;
  });
}

}  // namespace clusterdns::registry
