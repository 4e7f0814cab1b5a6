#include "app/admin/readiness.h"

#include <gtest/gtest.h>

#include "app/log/logging.h"

namespace clusterdns::app {
namespace {

TEST(Readiness, NamesWhoIsNotReadyOnce) {
  Readiness readiness(make_silent_logger());
  bool synced = false;
  readiness.replace({{"kubernetes", [&] { return synced; }},
                     {"forward", [] { return false; }},
                     {"kubernetes", [&] { return synced; }}},
                    false);
  EXPECT_EQ(readiness.ask().status, 503u);
  EXPECT_EQ(readiness.ask().body, "forward,kubernetes,listeners");
  readiness.set_serving();
  EXPECT_EQ(readiness.ask().body, "forward,kubernetes");
  synced = true;
  EXPECT_EQ(readiness.ask().body, "forward");
}

TEST(Readiness, LooksOnUnlessToldOtherwise) {
  Readiness readiness(make_silent_logger());
  readiness.set_serving();
  bool ready = true;
  for (const bool continuously : {false, true}) {
    ready = true;
    readiness.replace({{"kubernetes", [&] { return ready; }}}, continuously);
    EXPECT_EQ(readiness.ask().status, 200u);
    ready = false;
    EXPECT_EQ(readiness.ask().status, continuously ? 503u : 200u);
  }
}

TEST(Readiness, TheEndIsFinal) {
  Readiness readiness(make_silent_logger());
  readiness.set_serving();
  EXPECT_EQ(readiness.ask().body, "OK");
  readiness.set_draining();
  readiness.replace({}, false);
  EXPECT_EQ(readiness.ask().status, 503u);
  EXPECT_EQ(readiness.ask().body, "Shutting down");
}

}  // namespace
}  // namespace clusterdns::app
