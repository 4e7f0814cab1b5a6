// Files that others may write beside us: read without waiting, replaced without following links.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "dns/base/regular_file.h"

namespace clusterdns::registry {

using dns::read_regular_file;
using dns::Writers;

// What replace_file() asks of the disk. Tests put one in its place that is full or stands still.
struct Disk {
  std::function<ssize_t(int descriptor, const void* data, std::size_t size)> write;
  std::function<int(int descriptor)> sync;
  std::function<int(const char* from, const char* to)> rename;

  // write(2), fsync(2) and rename(2).
  [[nodiscard]] static Disk system();
};

// Writes `data` to a new file beside `file`, with a random name that nobody can prepare, flushes it
// and renames it: `file` is as before or wholly new, never half. A link in its place is replaced,
// not followed. `mode`: its permissions. Before the renaming `wanted` is asked, if there is one;
// false leaves all as it was. Returns what went wrong, or nothing. Blocks as long as the disk
// takes. Any thread.
[[nodiscard]] std::string replace_file(const std::filesystem::path& file, std::string_view data,
                                       mode_t mode, const Disk& disk = Disk::system(),
                                       const std::function<bool()>& wanted = {});

// Removes what a replace_file() of `file` left behind when its program was killed. Files that are
// being written, somebody else's, and links stay. Blocks; reads the whole folder.
void remove_leftovers(const std::filesystem::path& file);

}  // namespace clusterdns::registry
