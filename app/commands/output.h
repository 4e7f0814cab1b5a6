// Standard output, to its end.
#pragma once

#include <ostream>

namespace clusterdns::app {

// Whether all that was printed to `out` has been written; else the message about it is on `err`.
// Returns the exit code of a command that ended with `code`: 1 for 0 when something is lost.
int end_output(int code, std::ostream& out, std::ostream& err);

}  // namespace clusterdns::app
