#include "app/instance/drain.h"

#include "tests/unit/app/instance/server_fixture.h"

namespace clusterdns::app {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

class DrainTest : public ServerFixture {
 protected:
  void serve(const std::string& lines) {
    instance_.apply(
        parse_corefile(".:0 {\nbind 127.0.0.1\nwhoami\n" + lines + "\n}\n", "Corefile"));
  }
  void begin() {
    began_ = Clock::now();
    drain_.begin();
  }
  [[nodiscard]] milliseconds passed() const {
    return std::chrono::duration_cast<milliseconds>(Clock::now() - began_);
  }

  int done_ = 0;
  Clock::time_point began_;
  Drain drain_{io_, logger_, instance_, [this] { ++done_; }};
};

TEST_F(DrainTest, AtOnceWhenNobodyWatches) {
  serve("");
  EXPECT_FALSE(drain_.has_begun());
  begin();
  EXPECT_TRUE(drain_.has_begun());
  EXPECT_EQ(done_, 1);
}

// Even if all is quiet: endpoints are taken out of rotation meanwhile.
TEST_F(DrainTest, NotBeforeTheLameduckIsOver) {
  serve("health :0 {\nlameduck 2500ms\n}");
  begin();
  EXPECT_EQ(done_, 0);
  EXPECT_EQ(logged("Going into lameduck mode for 2.5s"), 1U);
  ASSERT_TRUE(until([&] { return done_ != 0; }));
  EXPECT_GE(passed(), milliseconds(2500));
  EXPECT_EQ(done_, 1);
}

TEST_F(DrainTest, UntilNoQueryHasComeForAWhile) {
  serve("ready :0");
  ask();
  begin();
  // As long as there are some.
  const auto end = Clock::now() + 2 * kDrainQuiet;
  Clock::time_point last;
  while (Clock::now() < end) {
    ask();
    last = Clock::now();
    io_.restart();
    io_.run_one_for(milliseconds(20));
    ASSERT_EQ(done_, 0);
  }
  ASSERT_TRUE(until([&] { return done_ != 0; }));
  EXPECT_GE(Clock::now() - last, kDrainQuiet - milliseconds(50));
  EXPECT_EQ(done_, 1);
}

TEST_F(DrainTest, NoLongerThanTheGrace) {
  serve("ready :0\nhealth :0 {\ngrace 1500ms\n}");
  begin();
  ASSERT_TRUE(until([&] {
    ask();
    return done_ != 0;
  }));
  EXPECT_GE(passed(), milliseconds(1500));
  EXPECT_EQ(logged("queries still arrive after 1.5s; terminating"), 1U);
  EXPECT_GE(logged("queries arrived in the last second"), 1U);
}

}  // namespace
}  // namespace clusterdns::app
