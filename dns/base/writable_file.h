// Files that are written over, and lead nowhere else.
#pragma once

#include <boost/system/result.hpp>
#include <filesystem>
#include <string>

#include "dns/base/descriptor.h"

namespace clusterdns::dns {

// Opens a regular file that may be written over: `flags` of open(2) beside O_WRONLY, O_CREAT with
// mode 0640 among them where it may be made. Never waits, and takes nothing that leads elsewhere:
// no symbolic link, no FIFO or device, no file with a second name. The error is a sentence without
// the path.
[[nodiscard]] boost::system::result<Descriptor, std::string> open_regular_file(
    const std::filesystem::path& file, int flags);

}  // namespace clusterdns::dns
