// Where objects of manifests stand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "registry/gateways/checks.h"
#include "registry/manifests/manifest_source.h"

namespace clusterdns::app {

// Of all that a source has read, at that moment. Shares the objects with it: taking it costs a
// pointer each.
class ObjectPlaces {
 public:
  explicit ObjectPlaces(const registry::ManifestSource& source);
  // Without a file when the object is in none. Any thread.
  [[nodiscard]] registry::gateways::Place find(const registry::gateways::ObjectName& object) const;

 private:
  struct One {
    registry::ManifestBody body;
    std::uint32_t file, line, column;
  };
  std::vector<std::string> files_;
  std::vector<One> objects_;
  mutable std::once_flag sorted_;
  mutable std::vector<std::pair<std::size_t, std::uint32_t>> by_hash_;  // of the key; and which
};

}  // namespace clusterdns::app
