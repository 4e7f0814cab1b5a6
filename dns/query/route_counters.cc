#include "dns/query/route_counters.h"

#include <algorithm>

namespace clusterdns::dns {

constexpr std::array<std::uint8_t, 256> RouteCounters::kTypeIndex = [] {
  std::array<std::uint8_t, 256> index{};
  for (auto& i : index) i = kOtherType;
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    index[static_cast<std::size_t>(kTypes[i])] = static_cast<std::uint8_t>(i);
  }
  return index;
}();

constexpr std::array<std::uint8_t, 512> RouteCounters::kSizeIndex = [] {
  std::array<std::uint8_t, 512> index{};
  for (std::size_t size = 0; size < index.size(); ++size) {
    while (size > kSizeBounds[index[size]]) ++index[size];
  }
  return index;
}();

RouteCounters::RouteCounters(unsigned workers, std::vector<std::string> stages)
    : stages_(std::move(stages)), cells_(workers) {
  for (Cell& cell : cells_) {
    cell.responses = std::make_unique<Counter[]>((stages_.size() + 1) * kRcodes);
  }
}

std::size_t RouteCounters::huge_size_index(std::size_t size) noexcept {
  std::size_t i = 0;
  while (i < kSizeBounds.size() && size > kSizeBounds[i]) ++i;
  return i;
}

std::array<std::uint64_t, RouteCounters::kDurationBounds + 1> RouteCounters::coarse(
    const Durations& fine) noexcept {
  std::array<std::uint64_t, kDurationBounds + 1> sums{};
  for (std::size_t i = 0; i < fine.size(); ++i) {
    sums[i < kFineDurations ? 0 : i - kFineDurations] += fine[i];
  }
  return sums;
}

void RouteCounters::end_batch(Cell*& open, std::int64_t duration_ns) noexcept {
  while (open != nullptr) {
    Cell& cell = *open;
    open = cell.next_open;
    observe_duration(cell, duration_ns, cell.open);
    cell.open = 0;
  }
}

void RouteCounters::observe_duration(Cell& cell, std::int64_t duration_ns,
                                     std::uint32_t n) noexcept {
  // Of 250,000 / 256 = 15,625 / 16 nanoseconds, rounded up.
  const auto units =
      (static_cast<std::uint64_t>(std::max<std::int64_t>(duration_ns, 1)) * 16 - 1) / 15'625;
  const auto i = static_cast<std::size_t>(std::bit_width(units));
  cell.duration.buckets[std::min(i, cell.duration.buckets.size() - 1)].add(n);
  cell.duration.sum_ns.add(static_cast<std::uint64_t>(duration_ns) * n);
}

}  // namespace clusterdns::dns
