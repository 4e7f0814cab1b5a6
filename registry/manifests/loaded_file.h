// One manifest file as it was last read, with its last good objects.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "registry/files/manifest_files.h"
#include "registry/manifests/document_reader.h"
#include "registry/manifests/object_reader.h"
#include "registry/manifests/objects.h"

namespace clusterdns::registry {

// Findings about one file that are told; more are counted.
inline constexpr std::size_t kMaxFileProblems = 100;

struct LoadedFile {
  std::string path;  // kStandardInput, or a file's
  FileStamp stamp;
  // It was changed so shortly before it was read that a later edit may leave the stamp as it is;
  // such a file is read again at the next look.
  bool racy = false;
  // Nothing in it is or was meant to be an object.
  bool foreign = false;
  std::vector<ManifestObject> objects;
  std::vector<std::string> reported;  // texts of the findings when it was last read
};

// Reads `file` and replaces its objects. What cannot be read keeps its last good state: all objects
// when the file cannot be opened or is not text, those that are missing now when a document cannot
// be read, single ones when only these are wrong. Findings are added to `problems`, each saying
// what was kept. Objects replaced or gone end up in `replaced`. Standard input is read to its end.
void reload_file(LoadedFile& file, const FileStamp& stamp, const ReadOptions& options,
                 std::vector<Problem>& problems, std::vector<ManifestObject>& replaced);

}  // namespace clusterdns::registry
