#include "app/directives/auto_scan.h"

#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "dns/query/expression.h"
#include "registry/shown_text.h"

namespace clusterdns::app {
namespace {

// RE2's own; group 0 is the whole match.
constexpr int kMaxGroups = 17;

}  // namespace

AutoNames::AutoNames() {
  std::string error;
  *this = *make("db\\.(.*)", "{1}", &error);
}

std::optional<AutoNames> AutoNames::make(const std::string& expression,
                                         std::string_view origin_template, std::string* error) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(dns::kMaxExpressionMemory);
  auto compiled = std::make_shared<const re2::RE2>(expression, options);
  if (!compiled->ok()) {
    *error = "is not a regular expression: " + compiled->error();
    return std::nullopt;
  }
  const int groups = compiled->NumberOfCapturingGroups();
  if (groups == 0 || groups >= kMaxGroups) {
    *error = "needs a group for the zone's name, and at most 16, for example 'db\\.(.*)'";
    return std::nullopt;
  }
  AutoNames names(nullptr);
  names.expression_ = std::move(compiled);
  Part part;
  for (std::size_t at = 0; at < origin_template.size();) {
    if (origin_template[at] != '{') {
      part.text += origin_template[at++];
      continue;
    }
    const std::size_t end = origin_template.find('}', at);
    int group = -1;
    if (end != std::string_view::npos) {
      const char* const last = origin_template.data() + end;
      const auto read = std::from_chars(origin_template.data() + at + 1, last, group);
      if (read.ec != std::errc() || read.ptr != last) group = -1;
    }
    if (group < 0 || group > groups) {
      *error = "has " + std::to_string(groups) + " groups; the template may use {1} to {" +
               std::to_string(groups) + "}";
      return std::nullopt;
    }
    part.group = group;
    names.parts_.push_back(std::move(part));
    part = {};
    at = end + 1;
  }
  if (!part.text.empty()) names.parts_.push_back(std::move(part));
  return names;
}

std::optional<std::string> AutoNames::origin_of(const std::string& file_name) const {
  re2::StringPiece found[kMaxGroups];
  if (!expression_->Match(file_name, 0, file_name.size(), re2::RE2::UNANCHORED, found,
                          expression_->NumberOfCapturingGroups() + 1)) {
    return std::nullopt;
  }
  std::string origin;
  for (const Part& part : parts_) {
    origin += part.text;
    if (part.group >= 0) origin.append(found[part.group].data(), found[part.group].size());
  }
  return origin;
}

std::vector<ZoneFiles::Wanted> scan_zone_folder(const std::filesystem::path& folder,
                                                const AutoNames& names,
                                                const std::function<void(const std::string&)>& warn,
                                                bool* whole) {
  namespace fs = std::filesystem;
  std::vector<ZoneFiles::Wanted> wanted;
  bool warned = false;
  const auto say = [&](const std::string& text) {
    if (!std::exchange(warned, true)) warn(text);
  };
  std::error_code error;
  fs::recursive_directory_iterator at(folder, error);
  if (error) {
    *whole = false;
    say(error == std::errc::no_such_file_or_directory
            ? "Directory does not exist: " + folder.string()
            : folder.string() + ": cannot be read: " + error.message());
    return wanted;
  }
  std::vector<fs::path> files;
  std::size_t entries = 0;
  // After an error it is at its end.
  for (const fs::recursive_directory_iterator end; at != end; at.increment(error)) {
    if (++entries > kMaxAutoEntries) {
      say(folder.string() + ": more than " + std::to_string(kMaxAutoEntries) +
          " entries; the rest is left out");
      break;
    }
    const std::string name = at->path().filename().string();
    if (name.starts_with("..")) {
      at.disable_recursion_pending();
      continue;
    }
    std::error_code unreadable;
    if (at->is_regular_file(unreadable)) files.push_back(at->path());
    // A link that leads nowhere is no file; anything else may be one.
    if (unreadable && unreadable != std::errc::no_such_file_or_directory &&
        unreadable != std::errc::too_many_symbolic_link_levels) {
      *whole = false;
      say(at->path().string() + ": cannot be read: " + unreadable.message());
    }
  }
  if (error) {
    *whole = false;
    say(folder.string() + ": cannot be read: " + error.message());
  }
  std::sort(files.begin(), files.end());
  std::set<std::string> seen;
  for (const fs::path& file : files) {
    const auto text = names.origin_of(file.filename().string());
    if (!text) continue;
    const auto origin = dns::Name::from_text(*text);
    if (!origin) {
      say(file.string() + ": " + registry::shown(*text) + " is not the name of a zone");
      continue;
    }
    dns::Name lower = *origin;
    lower.make_lower();
    if (!seen.insert(lower.to_text()).second) {
      say(file.string() + ": there is another file for the zone " + lower.to_text() +
          ", which is used");
      continue;
    }
    if (wanted.size() == kMaxAutoZones) {
      say(folder.string() + ": more than " + std::to_string(kMaxAutoZones) +
          " zones; the rest is left out");
      break;
    }
    wanted.push_back({file, lower});
  }
  return wanted;
}

}  // namespace clusterdns::app
