#include "app/admin/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace clusterdns::app {
namespace {

using ::testing::HasSubstr;

Metrics::Collector counting(const std::shared_ptr<int>& count, bool known) {
  const auto collect = [count](Exposition& out) {
    out.counter("things_total", "Things.", {}, static_cast<double>(*count));
  };
  return {collect, known ? std::shared_ptr<const void>(count) : nullptr};
}

TEST(MetricsTest, WhatOneThatIsGoneHadCountedIsKept) {
  Metrics metrics;
  metrics.replace({}, {counting(std::make_shared<int>(3), true)});
  metrics.replace({}, {counting(std::make_shared<int>(4), true)});
  EXPECT_THAT(metrics.text(), HasSubstr("things_total 7\n"));
  metrics.replace({}, {counting(std::make_shared<int>(1), false)});
  metrics.replace({}, {});
  EXPECT_THAT(metrics.text(), HasSubstr("things_total 8\n"));
}

TEST(MetricsTest, OneThatGoesOnIsNotCountedTwice) {
  Metrics metrics;
  const auto count = std::make_shared<int>(3);
  metrics.replace({}, {counting(count, true)});
  metrics.replace({}, {counting(std::make_shared<int>(10), true), counting(count, true)});
  EXPECT_THAT(metrics.text(), HasSubstr("things_total 13\n"));
  *count = 5;
  EXPECT_THAT(metrics.text(), HasSubstr("things_total 15\n"));
}

}  // namespace
}  // namespace clusterdns::app
