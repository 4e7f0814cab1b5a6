// The last known state of a cluster on disk, for a start while the API server is away.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/system/result.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "registry/store.h"

namespace clusterdns::registry::kubernetes {

// A version number, the time, whose state it is, the objects, and a checksum over all of it.
// Numbers are varints or little endian: the format is for the machine that wrote it.
inline constexpr std::uint32_t kSnapshotVersion = 2;

struct SnapshotInfo {
  std::chrono::system_clock::time_point taken;
  std::size_t services = 0, slices = 0, namespaces = 0, pods = 0, imports = 0;
};

// `identity` names the cluster and what was asked of it; a snapshot of another is not taken.
// `imports`: services and slices that other clusters export; nullptr where these are not read.
[[nodiscard]] std::string encode_snapshot(const Store& store, const Store* imports,
                                          std::string_view identity,
                                          std::chrono::system_clock::time_point now);

// Puts what the snapshot holds into `store` and `imports`, which are left alone when the snapshot is
// not good. The error says why. Does not commit.
[[nodiscard]] boost::system::result<SnapshotInfo, std::string> decode_snapshot(
    std::string_view data, std::string_view identity, Store& store, Store* imports);

// nullopt-like empty text and an error when it cannot be read.
[[nodiscard]] boost::system::result<std::string, std::string> read_snapshot_file(
    const std::filesystem::path& file);

// The file is either as before or wholly new: written beside it, flushed to the disk, renamed.
// Returns what went wrong, or nothing. Blocks as long as the disk takes.
[[nodiscard]] std::string write_snapshot_file(const std::filesystem::path& file,
                                              std::string_view data);

}  // namespace clusterdns::registry::kubernetes
