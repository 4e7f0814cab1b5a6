// Files that others may write beside us, read without waiting for anybody.
#pragma once

#include <boost/system/result.hpp>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace clusterdns::dns {

// Who may have written what is read.
enum class Writers : std::uint8_t {
  Any,
  // Only this program's user and root: the file is theirs, and no other user may write to it. For
  // what is believed without being asked for again.
  Trusted,
};

// The octets of a regular file of at most `limit`. Never waits for the other end, as a FIFO would
// make it; a link is followed, since what it leads to is judged. The error is a sentence without
// the path: "is a folder".
[[nodiscard]] boost::system::result<std::string, std::string> read_regular_file(
    const std::filesystem::path& file, std::size_t limit, Writers writers = Writers::Any);

}  // namespace clusterdns::dns
