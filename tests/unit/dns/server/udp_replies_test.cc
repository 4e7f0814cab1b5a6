#include "dns/server/udp_replies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <cstring>
#include <memory>
#include <string>

#include "tests/unit/dns/server/loopback_socket.h"

namespace clusterdns::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Socket = testing::LoopbackSocket;

class UdpRepliesTest : public ::testing::Test {
 protected:
  void add(const Socket& to, const std::string& text) {
    sockaddr_storage peer = to.name();
    msghdr header{};
    header.msg_name = &peer;
    header.msg_namelen = to.name_size();
    replies_->add(header, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    std::memset(&peer, 0xFF, sizeof peer);  // it has been copied
  }

  boost::asio::io_context io_;
  Socket server_, one_, other_;
  std::shared_ptr<UdpReplies> replies_ = std::make_shared<UdpReplies>(io_, server_.fd());
};

TEST_F(UdpRepliesTest, LeaveWhenTheHandlerHasReturned) {
  boost::asio::post(io_, [this] {
    add(one_, "a");
    add(other_, "bb");
    add(one_, "ccc");
    EXPECT_THAT(one_.received(0), IsEmpty());
  });
  io_.run();
  EXPECT_THAT(one_.received(2), UnorderedElementsAre("a", "ccc"));
  EXPECT_THAT(other_.received(1), ElementsAre("bb"));
}

TEST_F(UdpRepliesTest, AndAgain) {
  for (const char* text : {"first", "second"}) {
    add(one_, text);
    io_.restart();
    io_.run();
    EXPECT_THAT(one_.received(1), ElementsAre(text));
  }
}

TEST_F(UdpRepliesTest, MoreThanABatch) {
  for (int i = 0; i < 150; ++i) add(one_, std::to_string(i));
  EXPECT_EQ(one_.received(128).size(), 128U);  // two batches were full
  io_.run();
  EXPECT_EQ(one_.received(22).size(), 22U);
}

TEST_F(UdpRepliesTest, MoreOctetsThanThereIsRoom) {
  const std::string text(16'000, 'x');
  for (int i = 0; i < 5; ++i) add(one_, text);
  io_.run();
  std::size_t octets = 0;
  for (const std::string& one : one_.received(5)) octets += one.size();
  // A datagram of the test's own is shorter than that: what counts is that all five have come.
  EXPECT_EQ(octets, 5U * 4096);
}

TEST_F(UdpRepliesTest, ALongOneGoesAtOnce) {
  add(one_, std::string(20'000, 'x'));
  EXPECT_EQ(one_.received(1).size(), 1U);
}

TEST_F(UdpRepliesTest, ControlDataGoesAlong) {
  // The source address, as on a wildcard bind: 127.0.0.2 is loopback's too.
  in_pktinfo from{};
  from.ipi_spec_dst.s_addr = htonl(INADDR_LOOPBACK + 1);
  alignas(cmsghdr) std::uint8_t control[CMSG_SPACE(sizeof from)]{};
  sockaddr_storage peer = one_.name();
  msghdr header{};
  header.msg_name = &peer;
  header.msg_namelen = one_.name_size();
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  cmsghdr* const c = CMSG_FIRSTHDR(&header);
  c->cmsg_level = IPPROTO_IP;
  c->cmsg_type = IP_PKTINFO;
  c->cmsg_len = CMSG_LEN(sizeof from);
  std::memcpy(CMSG_DATA(c), &from, sizeof from);
  const std::uint8_t text[] = {'a'};
  const int any = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  const auto replies = std::make_shared<UdpReplies>(io_, any);
  replies->add(header, text);
  std::memset(control, 0, sizeof control);
  io_.run();
  sockaddr_in seen{};
  socklen_t size = sizeof seen;
  pollfd waiting{one_.fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&waiting, 1, testing::kPatienceMs), 1);
  char buffer[8];
  EXPECT_EQ(
      ::recvfrom(one_.fd(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&seen), &size),
      1);
  EXPECT_EQ(ntohl(seen.sin_addr.s_addr), INADDR_LOOPBACK + 1);
  ::close(any);
}

TEST_F(UdpRepliesTest, ClosingSendsWhatWaitsAndNothingLater) {
  add(one_, "a");
  replies_->close();
  EXPECT_THAT(one_.received(1), ElementsAre("a"));
  add(one_, "late");
  io_.run();
  EXPECT_THAT(one_.received(0), IsEmpty());
}

TEST_F(UdpRepliesTest, APeerThatIsGoneHoldsUpNobody) {
  auto gone = std::make_unique<Socket>();
  add(*gone, "x");
  add(one_, "a");
  gone.reset();
  io_.run();
  add(one_, "b");
  io_.restart();
  io_.run();
  EXPECT_THAT(one_.received(2), UnorderedElementsAre("a", "b"));
}

}  // namespace
}  // namespace clusterdns::dns
