// Whether conversations that are wrong fail, and where.
#pragma once

namespace clusterdns::conversation {

// Tells what does not on standard error.
[[nodiscard]] bool self_check();

}  // namespace clusterdns::conversation
