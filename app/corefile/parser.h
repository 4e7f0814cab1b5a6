// Words to server blocks: the Corefile grammar, as CoreDNS reads it.
//
//   file     = { snippet | block | "import" PATTERN }
//   snippet  = "(" NAME ")" "{" lines "}"
//   block    = KEY { [","] KEY } ( "{" lines "}" | lines up to the end of the file )
//   lines    = { NAME { WORD } [ "{" lines "}" ] | "import" PATTERN }
//
// A line ends where the next word stands on another line. `import` is replaced by the lines of the
// snippet, or of the files, that it names; a file is looked for beside the file `import` stands in.
// `{$NAME}` and `{%NAME%}` are replaced in every word by the environment's value, once: a value
// that looks like a reference is not replaced again, and never becomes a brace or an `import`.
//
// More lenient than CoreDNS, with a warning each: `}` on the line of the last argument, and `{` of
// a directive on a line of its own. Stricter: an open quote, a zone that no query can match, and a
// file that is not balanced by itself are errors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "app/corefile/ast.h"
#include "app/corefile/error.h"
#include "app/corefile/problems.h"

namespace clusterdns::app {

struct ParseOptions {
  // The port of a `dns` key that names none, for finding duplicates.
  std::uint16_t dns_port = 53;
  // Where `{$NAME}` comes from; the process's environment when empty. nullopt: the variable is not
  // set, which leaves nothing in its place and a warning.
  std::function<std::optional<std::string>(const std::string& name)> environment;
  // The Corefile is for another machine, whose files are not here: an import that finds nothing is
  // passed over without a word.
  bool elsewhere = false;
};

// `file_name` is what errors show, and its folder is where relative imports start; it need not
// exist. Reads the files that are imported and nothing else. Throws ConfigError on anything that
// would not serve: syntax, a bad zone, a missing import, two blocks for the same scheme, zone and
// port (unless they `bind` different addresses, or a `view` tells them apart); ConfigErrors when
// there is more than one. Directives are not judged.
[[nodiscard]] Corefile parse_corefile(std::string_view text, const std::string& file_name,
                                      const ParseOptions& options = {});

// The same, with every error in `problems` and none thrown. What could be read in spite of them is
// returned; see Corefile::whole. Warnings are in the Corefile, as ever.
[[nodiscard]] Corefile parse_corefile(std::string_view text, const std::string& file_name,
                                      const ParseOptions& options, Problems& problems);

// The same from a file. One that cannot be read is an error at "file".
[[nodiscard]] Corefile load_corefile(const std::filesystem::path& path,
                                     const ParseOptions& options = {});
[[nodiscard]] Corefile load_corefile(const std::filesystem::path& path, const ParseOptions& options,
                                     Problems& problems);

}  // namespace clusterdns::app
