#include "dns/base/writable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace clusterdns::dns {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

}  // namespace

boost::system::result<Descriptor, std::string> open_regular_file(const std::filesystem::path& file,
                                                                 int flags) {
  using Opened = boost::system::result<Descriptor, std::string>;
  const auto fail = [](std::string what) {
    return Opened(boost::system::in_place_error, std::move(what));
  };
  constexpr mode_t kMode = 0640;
  // Emptied, if it shall be, once it is known what it is.
  Descriptor out(::open(
      file.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | (flags & ~O_TRUNC),
      kMode));
  if (!out && errno == ELOOP) return fail("is a symbolic link; name the file itself");
  if (!out && errno == EISDIR) return fail("is a folder");
  // Of a FIFO that nobody reads, and of a socket.
  if (!out && errno == ENXIO) return fail("is not a regular file");
  if (!out) return fail("cannot be written: " + reason(errno));
  struct stat s {};
  if (::fstat(out.get(), &s) != 0) return fail("cannot be written: " + reason(errno));
  if (!S_ISREG(s.st_mode)) return fail("is not a regular file");
  if (s.st_nlink != 1) return fail("has another name (a hard link); name a file that has none");
  if ((flags & O_TRUNC) != 0 && ::ftruncate(out.get(), 0) != 0) {
    return fail("cannot be written: " + reason(errno));
  }
  return Opened(boost::system::in_place_value, std::move(out));
}

}  // namespace clusterdns::dns
