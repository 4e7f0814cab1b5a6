#include "registry/manifests/manifest_source.h"

#include <malloc.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace clusterdns::registry {
namespace {

// Reading less than this leaves too little garbage behind to walk the heap for it.
constexpr std::int64_t kTrimAfterBytes = 1024 * 1024;

// Files that are told to hold no objects; a folder of another kind has thousands.
constexpr std::size_t kMaxForeignTold = 10;

// Paths that could not be looked at, without slashes at their ends, and the objects kept of each.
using Unknown = std::unordered_map<std::string, std::size_t>;

std::string without_slashes(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return std::string(path);
}

// The one of them that `path` is or is below; nullptr when there is none.
std::size_t* find_unknown(Unknown& unknown, std::string path) {
  while (!path.empty()) {
    if (const auto found = unknown.find(path); found != unknown.end()) return &found->second;
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) break;
    path.resize(slash == 0 && path.size() > 1 ? 1 : slash);
  }
  return nullptr;
}

// Moves those of `previous` that are at or below an `unknown` path into `files`, where they stood
// in the `order` of old.
void keep_unknown(const std::vector<std::string>& order, Unknown& unknown,
                  std::unordered_map<std::string, LoadedFile>& previous,
                  std::vector<LoadedFile>& files) {
  if (unknown.empty() || previous.empty()) return;
  std::unordered_map<std::string_view, std::size_t> places;  // of files listed now
  for (std::size_t i = 0; i < files.size(); ++i) places.emplace(files[i].path, i);
  std::vector<std::size_t> before;  // for each one kept, how many of the others come before it
  std::vector<LoadedFile> kept;
  std::size_t place = 0;
  for (const std::string& path : order) {
    if (const auto listed = places.find(path); listed != places.end()) {
      place = std::max(place, listed->second + 1);
      continue;
    }
    std::size_t* const objects = find_unknown(unknown, path);
    if (objects == nullptr) continue;
    before.push_back(place);
    kept.push_back(std::move(previous.extract(path).mapped()));
    *objects += kept.back().objects.size();
  }
  std::vector<LoadedFile> merged;
  merged.reserve(files.size() + kept.size());
  std::size_t next = 0;
  for (std::size_t i = 0; i <= files.size(); ++i) {
    for (; next < kept.size() && before[next] == i; ++next) merged.push_back(std::move(kept[next]));
    if (i < files.size()) merged.push_back(std::move(files[i]));
  }
  files = std::move(merged);
}

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

void ManifestSource::inherit(const ManifestSource& before) {
  std::unordered_set<std::string_view> known;
  for (const LoadedFile& file : files_) known.insert(file.path);
  const bool same =
      before.options_.cluster.keep_target_names == options_.cluster.keep_target_names &&
      before.options_.kinds == options_.kinds;
  std::vector<LoadedFile> more;
  for (const LoadedFile& file : before.files_) {
    if (known.contains(file.path)) continue;
    more.push_back(file);
    // Otherwise its objects lack something, or have it.
    if (!same && file.path != kStandardInput) more.back().stamp = {};
  }
  std::move(more.begin(), more.end(), std::back_inserter(files_));
  folders_.insert(before.folders_.begin(), before.folders_.end());
  known_problems_.insert(before.known_problems_.begin(), before.known_problems_.end());
}

std::vector<Problem> ManifestSource::load() {
  std::vector<Problem> problems;
  FileListing listing = list_manifest_files(options_.paths);
  note_replaced(listing);
  Unknown unknown;
  for (const Problem& problem : listing.unknown) unknown[without_slashes(problem.file)] = 0;
  std::unordered_set<std::string> touched =
      read_changed_files(std::move(listing.files), unknown, problems);
  missing_paths_ = std::move(listing.missing);
  std::erase_if(missing_paths_,
                [&](const std::string& path) { return unknown[without_slashes(path)] != 0; });
  std::vector<Problem> found;
  for (Problem& problem : listing.unknown) {
    if (const std::size_t kept = unknown[without_slashes(problem.file)]; kept != 0) {
      problem.text += "; what it held is kept (" + std::to_string(kept) +
                      (kept == 1 ? " object)" : " objects)");
    }
    found.push_back(std::move(problem));
  }
  std::move(listing.problems.begin(), listing.problems.end(), std::back_inserter(found));
  tell_listing(std::move(found), problems);

  if (std::exchange(is_first_, false)) {
    for (const LoadedFile& file : files_) add_namespaces(file.objects, touched);
  } else if (!has_news_ && touched.empty()) {
    return problems;
  }
  builder_.apply(files_, std::move(touched), problems);
  other_objects_.clear();
  std::vector<gateways::ObjectPointer> of_gateways;
  for (const LoadedFile& file : files_) {
    for (const ManifestObject& object : file.objects) {
      if (const auto* gateway = std::get_if<gateways::ObjectPointer>(&object.body)) {
        of_gateways.push_back(*gateway);
      } else if (const auto* other = body_as<OtherObject>(object.body)) {
        other_objects_.push_back(*other);
      }
    }
  }
  if (const std::size_t left_out = store_.gateways().replace(of_gateways)) {
    problems.push_back({Problem::Severity::Error, "", 0, 0,
                        std::to_string(left_out) + " objects of gateways are left out: more than " +
                            std::to_string(gateways::kMaxObjectOctets / (1024 * 1024)) +
                            " MiB of them; read fewer manifests"});
  }
  store_.commit();
  if (bytes_read_ >= kTrimAfterBytes) malloc_trim(0);
  return problems;
}

void ManifestSource::note_replaced(FileListing& listing) {
  if (!listing.named_folders.empty()) {
    std::unordered_set<std::string_view> known;
    for (const LoadedFile& file : files_) known.insert(file.path);
    for (const std::string& folder : listing.named_folders) {
      if (!known.contains(folder)) continue;
      listing.unknown.push_back(
          {Problem::Severity::Error, folder, 0, 0, "a folder stands here now, not a manifest"});
    }
  }
  for (const ManifestFolder& folder : listing.folders) {
    const std::pair identity{folder.device, folder.inode};
    const auto known = folders_.find(folder.path);
    if (!folder.empty) {
      folders_[folder.path] = identity;
    } else if (known != folders_.end() && known->second != identity) {
      std::erase_if(listing.problems,
                    [&](const Problem& problem) { return problem.file == folder.path; });
      listing.unknown.push_back({Problem::Severity::Error, folder.path, 0, 0,
                                 "this is another folder now, and it is empty"});
    }
  }
}

void ManifestSource::tell_listing(std::vector<Problem> found, std::vector<Problem>& problems) {
  std::set<std::string> listed;
  for (Problem& problem : found) {
    std::string text = to_string(problem);
    if (!known_problems_.contains(text)) problems.push_back(std::move(problem));
    listed.insert(std::move(text));
  }
  known_problems_ = std::move(listed);
}

std::unordered_set<std::string> ManifestSource::read_changed_files(
    std::vector<ManifestFile> listed_files, std::unordered_map<std::string, std::size_t>& unknown,
    std::vector<Problem>& problems) {
  std::unordered_set<std::string> touched;
  std::vector<std::string> order;  // of the files known before
  std::unordered_map<std::string, LoadedFile> previous;
  order.reserve(files_.size());
  for (LoadedFile& file : files_) {
    order.push_back(file.path);
    previous.emplace(file.path, std::move(file));
  }
  files_.clear();
  files_.reserve(listed_files.size());
  has_news_ = false;
  bytes_read_ = 0;
  std::size_t foreign_files = 0;
  ReadOptions read_options;
  read_options.keep_target_names = options_.cluster.keep_target_names;
  read_options.kinds = options_.kinds;
  for (ManifestFile& listed : listed_files) {
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
      std::vector<Problem> findings;
      reload_file(file, listed.stamp, read_options, findings, replaced);
      add_namespaces(replaced, touched);
      add_namespaces(file.objects, touched);
      bytes_read_ += listed.stamp.size;
      std::vector<std::string> texts;
      for (const Problem& finding : findings) texts.push_back(to_string(finding));
      // A second look at a file that did not change says nothing new.
      if (is_changed || texts != file.reported) {
        has_news_ = true;
        const bool told = !file.foreign || findings.empty() || ++foreign_files <= kMaxForeignTold;
        if (told) std::move(findings.begin(), findings.end(), std::back_inserter(problems));
      }
      file.reported = std::move(texts);
    }
    files_.push_back(std::move(file));
  }
  if (foreign_files > kMaxForeignTold) {
    problems.push_back({Problem::Severity::Warning, "", 0, 0,
                        "and " + std::to_string(foreign_files - kMaxForeignTold) +
                            " more files without a Kubernetes object"});
  }
  keep_unknown(order, unknown, previous, files_);
  for (const auto& [path, file] : previous) {
    add_namespaces(file.objects, touched);
    has_news_ = true;
  }
  return touched;
}

void ManifestSource::watch(boost::asio::io_context& io,
                           std::function<void(const std::vector<Problem>&)> on_reload) {
  stop();
  std::vector<std::filesystem::path> paths = options_.paths;
  std::erase(paths, std::filesystem::path(kStandardInput));
  watcher_ = std::make_unique<FileWatcher>(
      io, std::move(paths), [this, on_reload] { reload(on_reload); },
      [on_reload](const std::string& text) {
        on_reload({{Problem::Severity::Warning, "", 0, 0, text}});
      });
  watcher_->start();
  // What changed between the last load and the watches.
  reload(on_reload);
}

void ManifestSource::reload(const std::function<void(const std::vector<Problem>&)>& on_reload) {
  const auto callback = on_reload;  // it may stop() us, and the watcher owns the original
  const std::vector<Problem> problems = load();
  if (has_news_ || !problems.empty()) callback(problems);
}

void ManifestSource::stop() { watcher_.reset(); }

std::optional<std::string> ManifestSource::place_of(std::string_view kind,
                                                    const ObjectKey& key) const {
  for (const LoadedFile& file : files_) {
    for (const ManifestObject& object : file.objects) {
      if (key_of(object.body) != key || kind_of(object.body) != kind) continue;
      return file.path + ':' + std::to_string(object.mark.line);
    }
  }
  return std::nullopt;
}

std::size_t ManifestSource::object_count() const {
  std::size_t count = 0;
  for (const LoadedFile& file : files_) count += file.objects.size();
  return count;
}

bool has_errors(const std::vector<Problem>& problems) {
  return std::any_of(problems.begin(), problems.end(),
                     [](const Problem& problem) { return problem.is_error(); });
}

}  // namespace clusterdns::registry
