// A Corefile of an older CoreDNS, from 1.0 on, as one for this server: `clusterdns migrate`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/corefile/ast.h"

namespace clusterdns::app {

struct MigrationChange {
  Position at;       // in what was given
  std::string text;  // what was changed and why
};

struct MigratedCorefile {
  std::string text;
  std::vector<MigrationChange> changes;  // in the order of the file; empty: the text is the same
};

// Writes anew what has changed its name or its form since, takes out what has no effect any more
// (as comments, so that nothing is lost), and tells of both in comments above. All else stays octet
// for octet: comments, layout, snippets, imports and `{$NAME}`. What is migrated already is not
// changed again. Files that are imported are read and not changed. Of what this server does not
// support nothing is taken out. Throws ConfigError where braces or quotes do not fit.
[[nodiscard]] MigratedCorefile migrate_corefile(std::string_view text,
                                                const std::string& file_name);

}  // namespace clusterdns::app
