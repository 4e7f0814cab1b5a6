#include "app/node/netlink.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

namespace clusterdns::app {
namespace {

struct Body {
  std::uint32_t number = 7;
};

TEST(Netlink, MessagesAreHeaderBodyAndAttributes) {
  NetlinkMessage message(3, 0x100, Body{});
  message.attribute(1, "abc", 3);
  message.nested(2, [&] { message.attribute(4, std::string("x")); });
  const auto octets = message.finish(9);
  nlmsghdr header{};
  std::memcpy(&header, octets.data(), sizeof header);
  EXPECT_EQ(header.nlmsg_len, octets.size());
  EXPECT_EQ(header.nlmsg_len, 16U + 4 + 8 + 4 + 8);
  EXPECT_EQ(header.nlmsg_type, 3);
  EXPECT_EQ(header.nlmsg_flags, 0x101);
  EXPECT_EQ(header.nlmsg_seq, 9U);
  const auto attributes = octets.subspan(20);
  EXPECT_EQ(find_attribute(attributes, 1).size(), 3U);
  const auto nested = find_attribute(attributes, 2);
  const auto text = find_attribute(nested, 4);
  ASSERT_EQ(text.size(), 2U);
  EXPECT_EQ(std::memcmp(text.data(), "x", 2), 0);
  EXPECT_TRUE(find_attribute(attributes, 5).empty());
}

// What the kernel would have to be broken to send.
TEST(Netlink, LengthsThatAreWrongEndTheList) {
  for (const int length : {0, 3, 9, 0xffff}) {
    std::array<std::byte, 8> octets{};
    const rtattr head{static_cast<std::uint16_t>(length), 1};
    std::memcpy(octets.data(), &head, sizeof head);
    EXPECT_TRUE(find_attribute(octets, 1).empty()) << length;
  }
  const std::array<std::byte, 3> few{};
  EXPECT_TRUE(find_attribute(few, 0).empty());
  // The last one may lack its padding.
  std::array<std::byte, 5> unpadded{};
  const rtattr head{5, 1};
  std::memcpy(unpadded.data(), &head, sizeof head);
  EXPECT_EQ(find_attribute(unpadded, 1).size(), 1U);
}

// The kernel answers a request that makes no sense at once.
TEST(Netlink, AnErrorIsTheKernels) {
  NetlinkSocket netlink(NETLINK_ROUTE);
  NetlinkMessage message(RTM_GETLINK, 0, Body{});
  EXPECT_NE(netlink.ask(std::move(message)), 0);
}

}  // namespace
}  // namespace clusterdns::app
