#include "dns/resolve/pair_clients.h"

#include <gtest/gtest.h>

#include <string>

namespace clusterdns::dns {
namespace {

class PairClientsTest : public ::testing::Test {
 protected:
  bool asks(const std::string& address, int number, RRType type) {
    const Name name = Name::from_text("n" + std::to_string(number) + ".example").value();
    return clients_.asks(make_endpoint(boost::asio::ip::make_address(address), 1234), name.view(),
                         type);
  }
  void ask_both(const std::string& address, int first, int count) {
    for (int i = first; i < first + count; ++i) {
      (void)asks(address, i, RRType::A);
      (void)asks(address, i, RRType::AAAA);
    }
  }
  PairClients clients_;
};

TEST_F(PairClientsTest, EightOfTheLastTen) {
  ask_both("192.0.2.1", 0, 7);
  EXPECT_FALSE(asks("192.0.2.1", 7, RRType::A));
  EXPECT_FALSE(asks("192.0.2.1", 7, RRType::AAAA)) << "nothing is left to come";
  EXPECT_TRUE(asks("192.0.2.1", 8, RRType::A));
  EXPECT_FALSE(asks("192.0.2.1", 8, RRType::AAAA));
  // Either first.
  EXPECT_TRUE(asks("192.0.2.1", 9, RRType::AAAA));
  EXPECT_FALSE(asks("192.0.2.1", 9, RRType::A));
}

TEST_F(PairClientsTest, WhoStopsIsForgotten) {
  ask_both("192.0.2.1", 0, 10);
  EXPECT_TRUE(asks("192.0.2.1", 10, RRType::A));
  EXPECT_TRUE(asks("192.0.2.1", 11, RRType::A));
  EXPECT_TRUE(asks("192.0.2.1", 12, RRType::A));
  // Three of the last ten came alone.
  EXPECT_FALSE(asks("192.0.2.1", 13, RRType::A));
}

TEST_F(PairClientsTest, ClientsAreApart) {
  ask_both("192.0.2.1", 0, 10);
  EXPECT_FALSE(asks("192.0.2.2", 20, RRType::A));
  EXPECT_FALSE(asks("2001:db8::1", 20, RRType::A));
  EXPECT_TRUE(asks("::ffff:192.0.2.1", 20, RRType::A)) << "the same client";
}

// The same type again is no pair.
TEST_F(PairClientsTest, TwiceIsNotBoth) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(asks("192.0.2.1", i, RRType::A));
    EXPECT_FALSE(asks("192.0.2.1", i, RRType::A));
  }
}

}  // namespace
}  // namespace clusterdns::dns
