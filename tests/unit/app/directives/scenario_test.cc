#include "app/directives/scenario.h"

#include <gtest/gtest.h>

namespace clusterdns::app {
namespace {

// JSON writes what is beyond 16 bits as two escapes, which YAML does not know.
TEST(Scenario, JsonWithAPairOfSurrogates) {
  Problems problems;
  const Scenario scenario = read_scenario(
      "s.json", R"({"seed": 1, "rules": [{"rule": "r\ud83d\ude80", "do": "servfail"}]})", problems);
  EXPECT_FALSE(problems.has_errors());
  ASSERT_EQ(scenario.rules->size(), 1U);
  EXPECT_EQ(scenario.rules->front()->name, "r\xF0\x9F\x9A\x80");
}

}  // namespace
}  // namespace clusterdns::app
