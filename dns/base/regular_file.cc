#include "dns/base/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "dns/base/descriptor.h"

namespace clusterdns::dns {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

}  // namespace

boost::system::result<std::string, std::string> read_regular_file(const std::filesystem::path& file,
                                                                  std::size_t limit,
                                                                  Writers writers) {
  using Text = boost::system::result<std::string, std::string>;
  const auto fail = [](std::string what) {
    return Text(boost::system::in_place_error, std::move(what));
  };
  const Descriptor in(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!in) return fail("cannot be read: " + reason(errno));
  struct stat s {};
  if (::fstat(in.get(), &s) != 0) return fail("cannot be read: " + reason(errno));
  if (S_ISDIR(s.st_mode)) return fail("is a folder");
  if (!S_ISREG(s.st_mode)) return fail("is not a regular file");
  if (writers == Writers::Trusted && s.st_uid != ::geteuid() && s.st_uid != 0) {
    return fail("belongs to another user");
  }
  if (writers == Writers::Trusted && (s.st_mode & S_IWOTH) != 0) {
    return fail("is writable by every user");
  }
  // What is not a file on a disk, as in /proc, has no size; and a file may grow while it is read.
  const std::string too_large = "is larger than " + std::to_string(limit) + " octets";
  if (s.st_size > 0 && static_cast<std::uintmax_t>(s.st_size) > limit) return fail(too_large);
  std::string data;
  std::size_t filled = 0;
  data.resize(static_cast<std::size_t>(s.st_size) + 1);
  for (;;) {
    const ssize_t n = ::read(in.get(), data.data() + filled, data.size() - filled);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail("cannot be read: " + reason(errno));
    if (n == 0) break;
    filled += static_cast<std::size_t>(n);
    if (filled > limit) return fail(too_large);
    if (filled == data.size()) data.resize(std::min(limit + 1, filled * 2));
  }
  data.resize(filled);
  return Text(boost::system::in_place_value, std::move(data));
}

}  // namespace clusterdns::dns
