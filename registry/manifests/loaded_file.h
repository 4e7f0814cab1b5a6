// One manifest file as it was last read, with its last good objects.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "registry/manifests/manifest_files.h"
#include "registry/manifests/object_reader.h"
#include "registry/manifests/objects.h"

namespace clusterdns::registry {

// A manifest of 100,000 endpoints, as kubectl prints it, is some 50 MiB; what is far larger is not
// a manifest.
inline constexpr std::int64_t kMaxManifestBytes = 256LL * 1024 * 1024;

struct LoadedFile {
  std::string path;
  FileStamp stamp;
  // It was changed so shortly before it was read that a later edit may leave the stamp as it is;
  // such a file is read again at the next look.
  bool racy = false;
  std::vector<ManifestObject> objects;
  std::vector<std::string> reported;  // texts of the findings when it was last read
};

// Reads `file` and replaces its objects. What cannot be read keeps its last good state: all objects
// when the text is not YAML or cannot be opened, single ones when only these are wrong. Findings
// are added to `diagnostics`, each saying what was kept. Objects replaced or gone end up in
// `replaced`.
void reload_file(LoadedFile& file, const FileStamp& stamp, const ReadOptions& options,
                 std::vector<Diagnostic>& diagnostics, std::vector<ManifestObject>& replaced);

// `file:line:column: what`; without line and column when these are unknown.
[[nodiscard]] std::string at_place(const std::string& file, const YamlMark& mark,
                                   const std::string& what);

}  // namespace clusterdns::registry
