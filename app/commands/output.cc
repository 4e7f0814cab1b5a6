#include "app/commands/output.h"

#include <cerrno>
#include <system_error>

namespace clusterdns::app {

int end_output(int code, std::ostream& out, std::ostream& err) {
  // Of what has failed before this the reason may be gone.
  errno = 0;
  const bool flushed = out.rdbuf()->pubsync() == 0;
  const int error = errno;
  if (flushed && out.good()) return code;
  err << "clusterdns: cannot write to standard output";
  if (error != 0) err << ": " << std::generic_category().message(error);
  err << "\n";
  return code == 0 ? 1 : code;
}

}  // namespace clusterdns::app
