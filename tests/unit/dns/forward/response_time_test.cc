#include "dns/forward/response_time.h"

#include <gtest/gtest.h>

#include <random>

namespace clusterdns::dns {
namespace {

using std::chrono::milliseconds;

TEST(ResponseTime, NothingIsKnownAtFirst) {
  EXPECT_EQ(ResponseTime().most(milliseconds(1200)), milliseconds(1200));
}

TEST(ResponseTime, TheFirstAnswerAsRfc6298Says) {
  ResponseTime time;
  time.add(milliseconds(40));
  EXPECT_EQ(time.most({}), milliseconds(40 + 4 * 20));
}

TEST(ResponseTime, SteadyAnswersLeaveNoDeviation) {
  ResponseTime time;
  for (int i = 0; i < 100; ++i) time.add(milliseconds(40));
  EXPECT_GE(time.most({}), milliseconds(40));
  EXPECT_LE(time.most({}), milliseconds(41));
}

TEST(ResponseTime, ItFollowsWhatBecomesSlowAndQuickAgain) {
  ResponseTime time;
  for (int i = 0; i < 100; ++i) time.add(milliseconds(10));
  time.add(milliseconds(1200));
  EXPECT_GT(time.most({}), milliseconds(1200));
  for (int i = 0; i < 50; ++i) time.add(milliseconds(10));
  EXPECT_LT(time.most({}), milliseconds(100));
}

TEST(ResponsePercentile, ItRestsWhereSoManyAnswersAreQuicker) {
  for (const int percent : {50, 90, 95}) {
    ResponsePercentile percentile;
    EXPECT_EQ(percentile.value(), milliseconds(0));
    std::mt19937 random{1};
    for (int i = 0; i < 20'000; ++i) {
      percentile.add(std::chrono::microseconds(10'000 + random() % 100'000), percent);
    }
    const auto exact = milliseconds(10 + percent);
    EXPECT_GT(percentile.value(), exact * 8 / 10) << percent;
    EXPECT_LT(percentile.value(), exact * 12 / 10) << percent;
  }
}

TEST(ResponsePercentile, ItFollowsAndKeepsAboveNothing) {
  ResponsePercentile percentile;
  for (int i = 0; i < 100; ++i) percentile.add(milliseconds(1), 95);
  for (int i = 0; i < 100; ++i) percentile.add(milliseconds(100), 95);
  EXPECT_GT(percentile.value(), milliseconds(90));
  for (int i = 0; i < 20'000; ++i) percentile.add(milliseconds(0), 95);
  EXPECT_GT(percentile.value(), milliseconds(0));
}

}  // namespace
}  // namespace clusterdns::dns
