// Plays a conversation against the server, step by step.
#pragma once

#include "tests/conversations/script.h"

namespace clusterdns::conversation {

// Throws Failure at the first step that does not come true.
void play(const Script& script);

}  // namespace clusterdns::conversation
