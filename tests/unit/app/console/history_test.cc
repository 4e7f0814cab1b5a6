// The figures of the past that the console's charts show.
#include "app/console/history.h"

#include <gtest/gtest.h>

namespace clusterdns::app {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using Durations = dns::RouteCounters::Durations;

class HistoryTest : public ::testing::Test {
 protected:
  // A second later.
  void note() {
    ++second_;
    history_.note(std::chrono::steady_clock::time_point(seconds(second_)), 1e9 + second_, totals_,
                  gauges_);
  }

  History history_;
  ConsoleHost::Figures totals_;
  History::Gauges gauges_;
  int second_ = 0;
};

TEST(Quantile, LiesWithinABucket) {
  Durations counts{};
  EXPECT_EQ(quantile_ms(counts, 0.5), std::nullopt);
  counts[3] = 100;  // 3.9 to 7.8 microseconds
  EXPECT_FLOAT_EQ(*quantile_ms(counts, 0.5), 0.005859375F);
  EXPECT_FLOAT_EQ(*quantile_ms(counts, 1), 0.0078125F);
  counts[10] = 1;  // 0.5 to 1 ms
  EXPECT_LT(*quantile_ms(counts, 0.99), 0.0079F);
  EXPECT_GT(*quantile_ms(counts, 0.995), 0.5F);
  counts.back() = 1000;  // beyond what is told apart
  EXPECT_FLOAT_EQ(*quantile_ms(counts, 0.99), 250.0F * 32.768F);
}

TEST_F(HistoryTest, NowIsTheLastTenSeconds) {
  note();
  EXPECT_EQ(history_.now().queries_per_second, std::nullopt);
  totals_.queries = 500;
  totals_.durations[5] = 500;
  totals_.cache_requests = 400;
  totals_.cache_hits = 100;
  note();
  EXPECT_FLOAT_EQ(*history_.now().queries_per_second, 500);
  EXPECT_GT(*history_.now().p99_ms, 0.015F);
  EXPECT_FLOAT_EQ(*history_.now().cache_hit_ratio, 0.25F);
  for (int i = 0; i < 9; ++i) note();
  EXPECT_FLOAT_EQ(*history_.now().queries_per_second, 50);
  // Nothing was asked.
  note();
  EXPECT_FLOAT_EQ(*history_.now().queries_per_second, 0);
  EXPECT_EQ(history_.now().p50_ms, std::nullopt);
  EXPECT_EQ(history_.now().cache_hit_ratio, std::nullopt);
}

TEST_F(HistoryTest, CountsThatAReloadHasTakenAwayAreNone) {
  totals_ = {.queries = 10, .durations = {}, .cache_requests = 100, .cache_hits = 90};
  totals_.durations[1] = 10;
  note();
  totals_ = {.queries = 20, .durations = {}, .cache_requests = 10, .cache_hits = 9};
  note();
  EXPECT_FLOAT_EQ(*history_.now().queries_per_second, 10);
  EXPECT_EQ(history_.now().p50_ms, std::nullopt);
  EXPECT_EQ(history_.now().cache_hit_ratio, std::nullopt);
}

TEST_F(HistoryTest, APointASecondFor15Minutes) {
  for (int i = 0; i < 1000; ++i) {
    totals_.queries += 7;
    gauges_.objects = static_cast<float>(i);
    note();
  }
  ASSERT_EQ(history_.points().size(), 901u);
  EXPECT_FLOAT_EQ(*history_.points().front().figures.queries_per_second, 7);
  EXPECT_FLOAT_EQ(history_.points().back().gauges.objects, 999);
  EXPECT_EQ(history_.points().back().gauges.watch_age_s, std::nullopt);
  EXPECT_EQ(history_.points().back().wall - history_.points().front().wall, 900);
}

TEST_F(HistoryTest, ALongSpanHasNoMore) {
  for (int i = 0; i < 10; ++i) note();
  history_.keep(hours(24));
  EXPECT_TRUE(history_.points().empty());
  EXPECT_EQ(history_.interval(), seconds(96));
  for (int i = 0; i < 100'000; ++i) {
    totals_.queries += i % 96 == 0 ? 96 : 0;
    note();
  }
  EXPECT_LE(history_.points().size(), kHistoryPoints);
  EXPECT_GE(history_.points().size(), 890u);
  EXPECT_FLOAT_EQ(*history_.points().back().figures.queries_per_second, 1);
  EXPECT_LE(kHistoryPoints * sizeof(History::Point), 64u * 1024);
  // A shorter one goes on at once.
  history_.keep(minutes(1));
  for (int i = 0; i < 70; ++i) note();
  EXPECT_EQ(history_.points().size(), 61u);
}

// The clock of the machine may be set back and forth.
TEST_F(HistoryTest, AClockThatIsSet) {
  for (int i = 0; i < 5; ++i) note();
  const auto at = [&] { return std::chrono::steady_clock::time_point(seconds(++second_)); };
  history_.note(at(), 5, totals_, gauges_);
  EXPECT_EQ(history_.points().back().wall, 5);
  history_.note(at(), 2e9, totals_, gauges_);
  ASSERT_EQ(history_.points().size(), 1u);
  EXPECT_EQ(history_.points().back().wall, 2e9);
}

}  // namespace
}  // namespace clusterdns::app
