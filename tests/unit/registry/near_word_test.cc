#include "registry/near_word.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace clusterdns::registry {
namespace {

constexpr std::array<std::string_view, 5> kKnown = {"selector", "ports", "protocol", "port",
                                                    "type"};

std::string near(std::string_view word) {
  return std::string(near_word(word, kKnown).value_or("none"));
}

TEST(NearWord, SlipsOfTheFingers) {
  EXPECT_EQ(near("selectors"), "selector");
  EXPECT_EQ(near("Selector"), "selector");
  EXPECT_EQ(near("slector"), "selector");
  EXPECT_EQ(near("tyep"), "type");
  EXPECT_EQ(near("prots"), "ports");
}

TEST(NearWord, BeginningsAndWhatIsLonger) {
  EXPECT_EQ(near("proto"), "protocol");
  EXPECT_EQ(near("Sel"), "selector");
  EXPECT_EQ(near("protocolName"), "protocol");
  EXPECT_EQ(near("se"), "none");
}

TEST(NearWord, EverythingElse) {
  EXPECT_EQ(near(""), "none");
  EXPECT_EQ(near("annotations"), "none");
  EXPECT_EQ(near(std::string(100'000, 'x')), "none");
}

}  // namespace
}  // namespace clusterdns::registry
