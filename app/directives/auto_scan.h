// Which files of a folder are zones, and of what name.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/directives/zone_files.h"

namespace re2 {
class RE2;
}

namespace clusterdns::app {

// Files and folders below a folder that are looked at, and zones found there.
inline constexpr std::size_t kMaxAutoEntries = 100'000;
inline constexpr std::size_t kMaxAutoZones = 10'000;

// Makes the zone's name of a file's: "db.example.org" is example.org.
class AutoNames {
 public:
  // CoreDNS's: `db\.(.*)` and `{1}`.
  AutoNames();
  // nullopt, with the reason.
  [[nodiscard]] static std::optional<AutoNames> make(const std::string& expression,
                                                     std::string_view origin_template,
                                                     std::string* error);

  // nullopt: the file is not a zone file. The expression need not match the whole name.
  [[nodiscard]] std::optional<std::string> origin_of(const std::string& file_name) const;

 private:
  explicit AutoNames(std::nullptr_t) {}

  struct Part {
    std::string text;
    int group = -1;  // whose match follows the text; -1: none
  };
  std::shared_ptr<const re2::RE2> expression_;
  std::vector<Part> parts_;
};

// The zone files in `folder` and below it, in the order of their paths; of two for one zone the
// first. What begins with two dots is kubelet's, and passed over. `warn` gets at most one sentence.
// `*whole` becomes false when something of it cannot be looked at.
[[nodiscard]] std::vector<ZoneFiles::Wanted> scan_zone_folder(
    const std::filesystem::path& folder, const AutoNames& names,
    const std::function<void(const std::string&)>& warn, bool* whole);

}  // namespace clusterdns::app
