// Names of zones, asked for the longest one that a name is in.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "dns/wire/name.h"

namespace clusterdns::dns {

// A set of names, in the order in which they were added. Few are compared one by one, many are
// found by hashes of the name's ends: a look-up then costs one probe for each number of labels that
// some zone has, however many zones there are. 40 octets a zone and its name.
// Free to read from any thread once it is complete.
class ZoneSet {
 public:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  // Up to here comparing each costs no more than hashing does.
  static constexpr std::size_t kFew = 8;

  ZoneSet() = default;
  ZoneSet(std::initializer_list<Name> zones) {
    for (const Name& zone : zones) add(zone);
  }

  // The index of `zone`, which is there from now on; of a name that was there, the first's.
  // Letter case does not matter. REQUIRES: fewer than 2^32 octets of names.
  std::size_t add(NameView zone);
  std::size_t add(const Name& zone) { return add(zone.view()); }

  // The index of the zone with most labels that `name` is, or is below; kNone when there is none.
  // Letter case does not matter.
  [[nodiscard]] std::size_t find(NameView name) const noexcept;
  // The same of a name in lower case whose labels begin at `offset[0]` to `offset[labels - 1]`;
  // offset[labels] is the root label's. REQUIRES: kPadding readable octets behind the name.
  [[nodiscard]] std::size_t find(NameView name, const std::uint8_t* offset,
                                 unsigned labels) const noexcept;
  [[nodiscard]] bool contains(NameView name) const noexcept { return find(name) != kNone; }

  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }
  [[nodiscard]] bool empty() const noexcept { return places_.empty(); }
  // In lower case. REQUIRES: i < size().
  [[nodiscard]] NameView operator[](std::size_t i) const noexcept {
    const std::uint8_t* const at = names_.data() + places_[i].at;
    return {at, places_[i].size};
  }

 private:
  struct Place {
    std::uint32_t at;
    std::uint8_t size;
    std::uint8_t labels;
  };
  // The index of exactly this name, in lower case.
  [[nodiscard]] std::size_t find_exact(const std::uint8_t* name, std::size_t size) const noexcept;
  void index(std::size_t i);

  std::vector<std::uint8_t> names_;
  std::vector<Place> places_;
  // Open addressing over indexes + 1, at most half full; empty up to kFew zones.
  std::vector<std::uint32_t> slots_;
  std::array<std::uint64_t, 2> label_counts_{};  // a bit for each number of labels that occurs
};

}  // namespace clusterdns::dns
