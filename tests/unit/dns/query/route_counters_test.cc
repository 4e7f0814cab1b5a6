#include "dns/query/route_counters.h"

#include <gtest/gtest.h>

namespace clusterdns::dns {
namespace {

RouteCounters::Sample sample() {
  return {.tcp = false,
          .v6 = false,
          .qtype = RRType::A,
          .dnssec_ok = false,
          .request_size = 40,
          .response_size = 80,
          .rcode = 0,
          .stage = 1};
}

TEST(RouteCounters, SortsRequestsByTransportFamilyAndType) {
  RouteCounters counters(2, {"kubernetes"});
  auto s = sample();
  RouteCounters::count(counters.cell(0), s);
  s.tcp = s.v6 = true;
  s.qtype = RRType::AAAA;
  RouteCounters::count(counters.cell(1), s);
  for (const unsigned other : {41U, 257U, 65535U}) {
    s.qtype = RRType{static_cast<std::uint16_t>(other)};
    RouteCounters::count(counters.cell(1), s);
  }
  EXPECT_EQ(counters.cell(0).requests[0][0].get(), 1u);
  EXPECT_EQ(counters.cell(1).requests[3][1].get(), 1u);
  EXPECT_EQ(counters.cell(1).requests[3][RouteCounters::kOtherType].get(), 3u);
  EXPECT_EQ(counters.cell(1).requests[0][0].get(), 0u) << "the other worker's";
}

TEST(RouteCounters, SizesFallIntoCoreDnsBuckets) {
  RouteCounters::SizeHistogram histogram;
  std::size_t bucket = 0;
  for (const std::size_t size : {0, 1, 100, 101, 511, 512, 1023, 8291, 8292, 64000, 64001}) {
    histogram.observe(size);
    while (bucket < RouteCounters::kSizeBounds.size() &&
           size > RouteCounters::kSizeBounds[bucket]) {
      ++bucket;
    }
    EXPECT_GT(histogram.buckets[bucket].get(), 0u) << size;
  }
  EXPECT_EQ(histogram.buckets[1].get(), 2u) << "1 and 100";
  EXPECT_EQ(histogram.buckets[14].get(), 1u) << "more than 64000";
  EXPECT_EQ(histogram.sum.get(),
            0u + 1 + 100 + 101 + 511 + 512 + 1023 + 8291 + 8292 + 64000 + 64001);
}

TEST(RouteCounters, ABatchGivesItsDurationToAllWhoTookPart) {
  RouteCounters one(1, {"whoami"});
  RouteCounters other(1, {"whoami"});
  RouteCounters::Cell* open = nullptr;
  RouteCounters::defer_duration(one.cell(0), open);
  RouteCounters::defer_duration(other.cell(0), open);
  RouteCounters::defer_duration(one.cell(0), open);
  RouteCounters::end_batch(open, 250'001);
  EXPECT_EQ(open, nullptr);
  constexpr std::size_t kSecond = RouteCounters::kFineDurations + 1;
  EXPECT_EQ(one.cell(0).duration.buckets[kSecond].get(), 2u);
  EXPECT_EQ(one.cell(0).duration.sum_ns.get(), 500'002u);
  EXPECT_EQ(other.cell(0).duration.buckets[kSecond].get(), 1u);
  RouteCounters::defer_duration(one.cell(0), open);
  RouteCounters::end_batch(open, 10'000'000'000);
  EXPECT_EQ(one.cell(0).duration.buckets.back().get(), 1u);
  EXPECT_EQ(other.cell(0).duration.sum_ns.get(), 250'001u) << "not of that batch";
}

TEST(RouteCounters, DurationsFallInBuckets) {
  RouteCounters counters(1, {});
  const auto place_of = [&](std::int64_t ns) {
    auto& cell = counters.cell(0);
    std::array<std::uint64_t, std::tuple_size_v<RouteCounters::Durations>> before;
    for (std::size_t i = 0; i < before.size(); ++i) before[i] = cell.duration.buckets[i].get();
    RouteCounters::observe_duration(cell, ns);
    std::size_t place = 0;
    while (cell.duration.buckets[place].get() == before[place]) ++place;
    return place;
  };
  EXPECT_EQ(place_of(-1), 0u);
  EXPECT_EQ(place_of(0), 0u);
  EXPECT_EQ(place_of(976), 0u);
  EXPECT_EQ(place_of(977), 1u);
  for (std::size_t i = 0; i < RouteCounters::kDurationBounds; ++i) {
    const std::int64_t bound = RouteCounters::duration_bound_ns(i);
    const std::size_t place = RouteCounters::kFineDurations + i;
    EXPECT_EQ(place_of(bound), place) << bound;
    EXPECT_EQ(place_of(bound + 1), place + 1) << bound;
    EXPECT_EQ(RouteCounters::fine_bound_ns(place), static_cast<double>(bound));
  }
  RouteCounters::Durations all;
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = counters.cell(0).duration.buckets[i].get();
  const auto coarse = RouteCounters::coarse(all);
  EXPECT_EQ(coarse[0], 5u);
  EXPECT_EQ(coarse[1], 2u);
  EXPECT_EQ(coarse.back(), 1u);
}

TEST(RouteCounters, ResponsesAreKeptByStageAndRcode) {
  RouteCounters counters(1, {"kubernetes", "forward"});
  auto s = sample();
  s.stage = 2;
  s.rcode = 3;
  s.dnssec_ok = true;
  RouteCounters::count(counters.cell(0), s);
  s.rcode = 4000;
  RouteCounters::count(counters.cell(0), s);
  const auto& cell = counters.cell(0);
  EXPECT_EQ(cell.responses[2 * RouteCounters::kRcodes + 3].get(), 1u);
  EXPECT_EQ(cell.responses[3 * RouteCounters::kRcodes - 1].get(), 1u);
  EXPECT_EQ(cell.dnssec_ok.get(), 2u);
}

TEST(RouteCounters, FailuresAreThoseThatCoreDnsPluginsLeaveUnwritten) {
  for (unsigned rcode = 0; rcode < 24; ++rcode) {
    EXPECT_EQ(RouteCounters::is_failure(rcode),
              rcode == 1 || rcode == 2 || rcode == 4 || rcode == 5)
        << rcode;
  }
}

}  // namespace
}  // namespace clusterdns::dns
