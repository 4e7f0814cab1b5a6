#include "app/console/history.h"

#include <algorithm>
#include <numeric>

namespace clusterdns::app {

std::optional<float> quantile_ms(const dns::RouteCounters::Durations& counts, double part) {
  constexpr double kNsPerMs = 1e6;
  const auto all = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  if (all == 0) return std::nullopt;
  const double wanted = part * static_cast<double>(all);
  double below = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto here = static_cast<double>(counts[i]);
    if (here == 0 || below + here < wanted) {
      below += here;
      continue;
    }
    const double from = i == 0 ? 0 : dns::RouteCounters::fine_bound_ns(i - 1);
    // The last one has no end.
    const double to = i + 1 == counts.size() ? from : dns::RouteCounters::fine_bound_ns(i);
    return static_cast<float>((from + (to - from) * (wanted - below) / here) / kNsPerMs);
  }
  return std::nullopt;
}

std::chrono::nanoseconds History::interval() const noexcept {
  constexpr int kPoints = 900;
  return std::max<std::chrono::nanoseconds>(kEvery, span_ / kPoints);
}

void History::keep(std::chrono::nanoseconds span) {
  const auto before = interval();
  span_ = span;
  if (interval() == before) return;
  points_.clear();
  last_.reset();
}

History::Figures History::between(const Totals& before, const Totals& after) {
  // A block that is gone has taken its counts along.
  const auto more = [](std::uint64_t now, std::uint64_t then) {
    return now > then ? now - then : 0;
  };
  Figures figures;
  const double seconds = std::chrono::duration<double>(after.at - before.at).count();
  if (seconds <= 0) return figures;
  const auto& [queries, durations, requests, hits] = after.figures;
  figures.queries_per_second =
      static_cast<float>(static_cast<double>(more(queries, before.figures.queries)) / seconds);
  dns::RouteCounters::Durations took;
  for (std::size_t i = 0; i < took.size(); ++i) {
    took[i] = more(durations[i], before.figures.durations[i]);
  }
  figures.p50_ms = quantile_ms(took, 0.5);
  figures.p99_ms = quantile_ms(took, 0.99);
  if (const auto asked = more(requests, before.figures.cache_requests); asked != 0) {
    const auto found = std::min(asked, more(hits, before.figures.cache_hits));
    figures.cache_hit_ratio =
        static_cast<float>(static_cast<double>(found) / static_cast<double>(asked));
  }
  return figures;
}

void History::note(std::chrono::steady_clock::time_point at, double wall,
                   const ConsoleHost::Figures& totals, const Gauges& gauges) {
  recent_.push_back({at, totals});
  if (recent_.size() > kRecent + 1) recent_.pop_front();
  now_ = between(recent_.front(), recent_.back());
  if (!last_) {
    last_ = recent_.back();
    return;
  }
  // A timer is never early, and mostly a little late.
  if (at - last_->at < interval() - kEvery / 2) return;
  points_.push_back({wall, between(*last_, recent_.back()), gauges});
  last_ = recent_.back();
  while (points_.size() > kHistoryPoints ||
         wall - points_.front().wall > std::chrono::duration<double>(span_).count()) {
    points_.pop_front();
  }
}

}  // namespace clusterdns::app
