#include "registry/kubernetes/turns.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "registry/kubernetes/backoff.h"

namespace clusterdns::registry::kubernetes {
namespace {

using Clock = Turns::Clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Attempts of `kinds` kinds at an API server that is away for `away`, each of which fails after
// `takes`, and the longest pause between two.
struct Played {
  int attempts = 0;
  milliseconds longest{0};
};
Played play(int kinds, Trouble trouble, seconds away, milliseconds takes) {
  Turns turns(1);
  std::vector<std::unique_ptr<Backoff>> backoffs;
  for (int i = 0; i < kinds; ++i) {
    backoffs.push_back(std::make_unique<Backoff>(static_cast<std::uint32_t>(i + 1)));
  }
  const Clock::time_point begin = Clock::time_point(seconds(1000));
  std::vector<Clock::time_point> next(static_cast<std::size_t>(kinds), begin);
  Played played;
  Clock::time_point last = begin;
  for (;;) {
    const auto it = std::min_element(next.begin(), next.end());
    if (*it >= begin + away) return played;
    ++played.attempts;
    played.longest = std::max(played.longest, std::chrono::ceil<milliseconds>(*it - last));
    last = *it;
    const Clock::time_point failed = *it + takes;
    Backoff& backoff = *backoffs[static_cast<std::size_t>(it - next.begin())];
    *it = failed + turns.take(failed, backoff.next(trouble, failed));
  }
}

TEST(TurnsTest, AttemptsAreFewAndNeverFarApart) {
  for (const int kinds : {1, 2, 3, 5}) {
    for (const Trouble trouble : {Trouble::Refused, Trouble::Other}) {
      for (const milliseconds takes : {milliseconds(0), milliseconds(20)}) {
        const Played played = play(kinds, trouble, seconds(20), takes);
        EXPECT_LE(played.attempts, 60) << kinds;
        EXPECT_GE(played.attempts, 40) << kinds;
        EXPECT_LE(played.longest, milliseconds(450)) << kinds;
      }
    }
    // Nobody answers at all: each attempt takes two seconds.
    EXPECT_LE(play(kinds, Trouble::Other, seconds(20), seconds(2)).attempts, 60);
    // For hours: a port where nobody listens is looked at as often, a server with errors less.
    EXPECT_LE(play(kinds, Trouble::Refused, seconds(7200), milliseconds(0)).longest,
              milliseconds(450));
    EXPECT_LE(play(kinds, Trouble::Other, seconds(7200), milliseconds(0)).attempts,
              200 + kinds * 7200 / 3);
  }
}

TEST(TurnsTest, WhoWaitsLongerHoldsNobodyUp) {
  Turns turns(1);
  const Clock::time_point now = Clock::time_point(seconds(1000));
  EXPECT_EQ(turns.take(now, seconds(5)), seconds(5));
  EXPECT_LE(turns.take(now, milliseconds(25)), milliseconds(60));
}

TEST(TurnsTest, AfterASuccessTheNextFailureIsTheFirst) {
  Turns turns(1);
  const Clock::time_point now = Clock::time_point(seconds(1000));
  milliseconds longest{0};
  for (int i = 0; i < 20; ++i) longest = std::max(longest, turns.take(now, milliseconds(0)));
  EXPECT_GT(longest, seconds(5));
  turns.succeeded();
  EXPECT_LE(turns.take(now, milliseconds(0)), milliseconds(30));
}

}  // namespace
}  // namespace clusterdns::registry::kubernetes
