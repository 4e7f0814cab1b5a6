// Corefiles inside of ConfigMaps, which is how clusters keep them.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "app/corefile/ast.h"

namespace clusterdns::app {

// One value of a ConfigMap's `data` that is a Corefile, or a part of one.
struct EmbeddedCorefile {
  // The Corefile, placed so that lines and columns are those of the manifest: there are empty lines
  // before it, and its lines are indented as they stand there. Where the manifest's way of writing
  // text rules that out (in JSON, for example), the text alone.
  std::string text;
  bool in_place = false;
  Position at;       // of the value
  std::string what;  // "data.Corefile of kube-system/coredns"
  // Lines of a server block, with an empty block made around them: a key `*.override`, which the
  // Corefiles of some providers import.
  bool directives_only = false;
};

// Standard input is read twice, for manifests and for the Corefiles in them: from a pipe it is
// taken into memory, which stands in its place then. Before it is read; throws ConfigError.
void make_standard_input_repeatable();

// Calls `visit` for the key `Corefile` of every ConfigMap in the manifest `path`, also inside of a
// List, and for the keys `*.override` and `*.server` where the ConfigMap's name has "dns" in it.
// What is no manifest has none. registry::kStandardInput: see make_standard_input_repeatable().
void for_each_embedded_corefile(const std::filesystem::path& path,
                                const std::function<void(const EmbeddedCorefile&)>& visit);

}  // namespace clusterdns::app
