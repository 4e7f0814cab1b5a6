// What the charts of the console show: figures of the past, in memory, at most kHistoryPoints of
// them, whatever the span.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <vector>

#include "app/console/host.h"

namespace clusterdns::app {

// Octets: 56 times as much, 56 KiB.
inline constexpr std::size_t kHistoryPoints = 1024;

// One thread's. Times are of a clock that never goes back; `wall` is in seconds since 1970.
class History {
 public:
  // Of a stretch of time; nothing where nothing was measured in it.
  struct Figures {
    std::optional<float> queries_per_second;
    std::optional<float> p50_ms, p99_ms;
    std::optional<float> cache_hit_ratio;
  };
  // At its end.
  struct Gauges {
    std::optional<float> watch_age_s;  // of the source that was heard of the longest ago
    float objects = 0;
  };
  struct Point {
    double wall = 0;
    Figures figures;
    Gauges gauges;
  };
  // How often note() wants to be called.
  static constexpr std::chrono::seconds kEvery{1};
  // What now() is about.
  static constexpr std::size_t kRecent = 10;

  // The figures of the last ten seconds, or since the start.
  [[nodiscard]] const Figures& now() const noexcept { return now_; }
  // Oldest first.
  [[nodiscard]] const std::deque<Point>& points() const noexcept { return points_; }
  // Between two of them: a second, more when the span is above 15 minutes.
  [[nodiscard]] std::chrono::nanoseconds interval() const noexcept;
  [[nodiscard]] std::chrono::nanoseconds span() const noexcept { return span_; }

  // Points that are older are forgotten, and so are those of another interval.
  void keep(std::chrono::nanoseconds span);
  void note(std::chrono::steady_clock::time_point at, double wall,
            const ConsoleHost::Figures& totals, const Gauges& gauges);

 private:
  struct Totals {
    std::chrono::steady_clock::time_point at;
    ConsoleHost::Figures figures;
  };
  [[nodiscard]] static Figures between(const Totals& before, const Totals& after);

  std::chrono::nanoseconds span_{std::chrono::minutes(15)};
  std::deque<Totals> recent_;
  std::optional<Totals> last_;  // of the last point
  Figures now_;
  std::deque<Point> points_;
};

// Below which so much of what was counted lies, in milliseconds, as if it were spread evenly within
// each bucket; nothing of nothing. `part`: 0 to 1.
[[nodiscard]] std::optional<float> quantile_ms(const dns::RouteCounters::Durations& counts,
                                               double part);

}  // namespace clusterdns::app
