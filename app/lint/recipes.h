// Recipes that load and do harm: for `check`.
#pragma once

#include <cstdint>

#include "app/corefile/ast.h"
#include "app/corefile/problems.h"

namespace clusterdns::app {

// Adds a warning, with what to write instead, for each: NXDOMAIN for one type of a name, negative
// answers about the cluster that are kept long, `fallthrough` that leads nowhere, zones that a
// longer one of another server block takes away, or that no query can have in this block, and
// forwarding for everybody. No file is opened and nobody is asked. REQUIRES: as of walk.h.
void find_recipes(const Corefile& corefile, std::uint16_t dns_port, Problems& problems);

}  // namespace clusterdns::app
