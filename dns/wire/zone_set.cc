#include "dns/wire/zone_set.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "dns/base/hash.h"

namespace clusterdns::dns {
namespace {

constexpr std::size_t kSmallestIndex = 4 * ZoneSet::kFew;
// Zones come from the configuration, which need not be guarded against.
constexpr std::uint64_t kSeed = 0;

std::size_t hash_of(const std::uint8_t* name, std::size_t size) noexcept {
  return static_cast<std::size_t>(hash_padded(name, size, kSeed));
}

// A name in lower case, with where its labels begin; offset[labels] is the root label's.
struct Labels {
  explicit Labels(NameView name) noexcept {
    for (std::size_t i = 0; i < name.size(); ++i) {
      const std::uint8_t c = name[i];
      octets[i] = c >= 'A' && c <= 'Z' ? static_cast<std::uint8_t>(c + 32) : c;
    }
    std::memset(octets.data() + name.size(), 0, kPadding);
    std::size_t at = 0;
    for (; octets[at] != 0; at += std::size_t{1} + octets[at]) {
      offset[count++] = static_cast<std::uint8_t>(at);
    }
    offset[count] = static_cast<std::uint8_t>(at);
  }
  std::array<std::uint8_t, kMaxNameSize + kPadding> octets;
  std::array<std::uint8_t, kMaxLabels + 1> offset;
  unsigned count = 0;
};

}  // namespace

std::size_t ZoneSet::add(NameView zone) {
  const Labels name(zone);
  if (const std::size_t i = find_exact(name.octets.data(), zone.size()); i != kNone) return i;
  const std::size_t i = places_.size();
  places_.push_back({static_cast<std::uint32_t>(names_.size()),
                     static_cast<std::uint8_t>(zone.size()),
                     static_cast<std::uint8_t>(name.count)});
  names_.insert(names_.end(), name.octets.data(), name.octets.data() + zone.size());
  label_counts_[name.count / 64] |= std::uint64_t{1} << name.count % 64;
  if (places_.size() > kFew) {
    if (2 * places_.size() > slots_.size()) {
      slots_.assign(std::max(kSmallestIndex, 2 * slots_.size()), 0);
      for (std::size_t k = 0; k < i; ++k) index(k);
    }
    index(i);
  }
  return i;
}

void ZoneSet::index(std::size_t i) {
  std::array<std::uint8_t, kMaxNameSize + kPadding> padded{};
  const NameView name = (*this)[i];
  std::memcpy(padded.data(), name.data(), name.size());
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash_of(padded.data(), name.size()) & mask;
  while (slots_[at] != 0) at = (at + 1) & mask;
  slots_[at] = static_cast<std::uint32_t>(i + 1);
}

std::size_t ZoneSet::find_exact(const std::uint8_t* name, std::size_t size) const noexcept {
  const auto same = [&](std::size_t i) {
    return places_[i].size == size && std::memcmp(names_.data() + places_[i].at, name, size) == 0;
  };
  if (slots_.empty()) {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (same(i)) return i;
    }
    return kNone;
  }
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash_of(name, size) & mask; slots_[at] != 0; at = (at + 1) & mask) {
    if (same(slots_[at] - 1)) return slots_[at] - 1;
  }
  return kNone;
}

std::size_t ZoneSet::find(NameView name) const noexcept {
  if (slots_.empty()) {
    std::size_t best = kNone;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (best != kNone && places_[i].labels <= places_[best].labels) continue;
      if (places_[i].size == 1 || has_suffix_ignoring_case(name, (*this)[i])) best = i;
    }
    return best;
  }
  const Labels labels(name);
  return find({labels.octets.data(), name.size()}, labels.offset.data(), labels.count);
}

std::size_t ZoneSet::find(NameView name, const std::uint8_t* offset,
                          unsigned labels) const noexcept {
  if (slots_.empty()) return find(name);
  // Most labels first.
  for (std::size_t half = label_counts_.size(); half-- > 0;) {
    for (std::uint64_t counts = label_counts_[half]; counts != 0;) {
      const auto bit = static_cast<unsigned>(63 - std::countl_zero(counts));
      counts &= ~(std::uint64_t{1} << bit);
      const auto count = static_cast<unsigned>(half * 64 + bit);
      if (count > labels) continue;
      const std::size_t at = offset[labels - count];
      const std::size_t i = find_exact(name.data() + at, name.size() - at);
      if (i != kNone) return i;
    }
  }
  return kNone;
}

}  // namespace clusterdns::dns
