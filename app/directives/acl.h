// What others need of `acl`.
#pragma once

#include "app/directives/directive.h"

namespace clusterdns::app {

// Has the block's `acl`, where there is one, judge the name that the client asked for. For
// directives that stand before it and ask for another name; once, whoever of them comes first.
void put_acl_gate(BlockSetup& setup);

}  // namespace clusterdns::app
