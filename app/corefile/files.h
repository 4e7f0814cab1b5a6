// Reading configuration files: whole, bounded, with errors that say what to do.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "app/corefile/ast.h"

namespace clusterdns::app {

// The whole of a regular file, or of a pipe. Throws ConfigError at `blame` when it does not exist,
// is a folder, cannot be read, or is larger than kMaxCorefileSize.
[[nodiscard]] std::string read_config_file(const std::filesystem::path& path,
                                           const Position& blame);

// The files that match `pattern` in `folder` (or from the root when `pattern` is absolute), sorted
// by octets. Folders are left out, and so are hidden files unless the pattern names the dot: a
// mounted ConfigMap keeps its `..data` there. Relative to the working directory if `folder` is.
[[nodiscard]] std::vector<std::filesystem::path> matching_files(const std::filesystem::path& folder,
                                                                const std::string& pattern);

// What a file seems to be by its first line that says something: a Kubernetes manifest, in YAML or
// JSON, or a Corefile. For telling people that they took one for the other.
[[nodiscard]] bool looks_like_manifest(std::string_view text);
[[nodiscard]] bool looks_like_corefile(std::string_view text);
// The first octets of a regular file, enough for these two; empty when it cannot be read.
[[nodiscard]] std::string beginning_of(const std::filesystem::path& path);

// Whether `pattern` holds any of * ? [ ].
[[nodiscard]] bool has_wildcard(const std::string& pattern);

}  // namespace clusterdns::app
