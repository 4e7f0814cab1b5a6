// The last known state of a cluster on disk, for a start while the API server is away.
#pragma once

#include <boost/system/result.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "registry/store.h"

namespace clusterdns::registry::kubernetes {

// A version number, the time, whose state it is, the objects, and a checksum over all of it.
// Numbers are varints or little endian: the format is for the machine that wrote it.
inline constexpr std::uint32_t kSnapshotVersion = 4;
// Octets of a snapshot file that is read. A cluster of 100,000 endpoints takes a hundredth.
inline constexpr std::size_t kMaxSnapshotSize = std::size_t{256} * 1024 * 1024;

struct SnapshotInfo {
  std::chrono::system_clock::time_point taken;
  std::size_t services = 0, slices = 0, imports = 0;
};

// `identity` names the cluster and what was asked of it; a snapshot of another is not taken.
// `imports`: services and slices that other clusters export; nullptr where these are not read.
[[nodiscard]] std::string encode_snapshot(const Store& store, const Store* imports,
                                          std::string_view identity,
                                          std::chrono::system_clock::time_point now);

// Puts what the snapshot holds into `store` and `imports`, which are left alone when the snapshot
// is not good, or holds more than kMaxKeptOctets. The error says why. Does not commit. `kinds`:
// those beyond namespaces and pods that may be in it.
[[nodiscard]] boost::system::result<SnapshotInfo, std::string> decode_snapshot(
    std::string_view data, std::string_view identity, std::span<const Kind* const> kinds,
    Store& store, Store* imports);

}  // namespace clusterdns::registry::kubernetes
