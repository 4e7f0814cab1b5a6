#include "app/corefile/suggest.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

namespace clusterdns::app {
namespace {

constexpr std::array<std::string_view, 6> kWords = {"errors",      "forward", "kubernetes",
                                                    "loadbalance", "log",     "search"};

TEST(Suggest, EditDistance) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("abc", "ABC"), 0U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("froward", "forward"), 1U);  // neighbours swapped
  EXPECT_EQ(edit_distance("ca", "abc"), 3U);           // optimal string alignment
}

TEST(Suggest, NearestWord) {
  EXPECT_EQ(nearest_word("kubernets", kWords), "kubernetes");
  EXPECT_EQ(nearest_word("Forward", kWords), "forward");
  EXPECT_EQ(nearest_word("lgo", kWords), "log");
  EXPECT_EQ(nearest_word("loadbalancer", kWords), "loadbalance");
  EXPECT_EQ(nearest_word("dnssec", kWords), std::nullopt);
  EXPECT_EQ(nearest_word("", kWords), std::nullopt);
  EXPECT_EQ(nearest_word("xyz", {}), std::nullopt);
  // Far too long to be a slip, whatever the third of its letters is.
  EXPECT_EQ(nearest_word(std::string(1000, 'x'), kWords), std::nullopt);
}

TEST(Suggest, Text) {
  EXPECT_EQ(suggestion("serach", kWords), "did you mean 'search'?");
  EXPECT_EQ(suggestion("dnssec", kWords),
            "choose from: errors, forward, kubernetes, loadbalance, log, search");
}

}  // namespace
}  // namespace clusterdns::app
