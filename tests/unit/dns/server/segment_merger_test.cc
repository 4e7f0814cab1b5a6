#include "dns/server/segment_merger.h"

#include <gtest/gtest.h>
#include <netinet/udp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "tests/unit/dns/server/loopback_socket.h"

namespace clusterdns::dns {
namespace {

using testing::kPatienceMs;
using Socket = testing::LoopbackSocket;

// Messages with all they refer to.
class Batch {
 public:
  void add(const Socket& to, std::string text, std::string control = {}) {
    auto& m = parts_.emplace_back(
        std::make_unique<Part>(Part{to.name(), std::move(text), std::move(control), {}}));
    m->buffer = {m->text.data(), m->text.size()};
    mmsghdr message{};
    message.msg_hdr.msg_name = &m->peer;
    message.msg_hdr.msg_namelen = to.name_size();
    message.msg_hdr.msg_iov = &m->buffer;
    message.msg_hdr.msg_iovlen = 1;
    if (!m->control.empty()) {
      message.msg_hdr.msg_control = m->control.data();
      message.msg_hdr.msg_controllen = m->control.size();
    }
    messages_.push_back(message);
  }
  std::span<mmsghdr> messages() { return messages_; }

 private:
  struct Part {
    sockaddr_storage peer;
    std::string text;
    std::string control;
    iovec buffer;
  };
  std::vector<std::unique_ptr<Part>> parts_;
  std::vector<mmsghdr> messages_;
};

std::string text(std::size_t size, char fill) { return std::string(size, fill); }

// Sizes of the datagrams of each message.
std::vector<std::vector<std::size_t>> sizes(std::span<const mmsghdr> messages) {
  std::vector<std::vector<std::size_t>> all;
  for (const mmsghdr& m : messages) {
    auto& of_message = all.emplace_back();
    for (std::size_t i = 0; i < m.msg_hdr.msg_iovlen; ++i) {
      of_message.push_back(m.msg_hdr.msg_iov[i].iov_len);
    }
  }
  return all;
}

using Sizes = std::vector<std::vector<std::size_t>>;

class SegmentMergerTest : public ::testing::Test {
 protected:
  SegmentMergerTest() : merger_(server_.fd()) {}
  void SetUp() override {
    ASSERT_TRUE(server_.bound());
    if (!merger_.enabled()) GTEST_SKIP() << "a kernel without UDP_SEGMENT";
  }
  void send(std::span<mmsghdr> messages, const Socket& from) {
    EXPECT_EQ(::sendmmsg(from.fd(), messages.data(), static_cast<unsigned>(messages.size()), 0),
              static_cast<int>(messages.size()))
        << std::strerror(errno);
  }

  Socket server_;
  SegmentMerger merger_;
};

TEST_F(SegmentMergerTest, StrangersStayAsTheyAre) {
  const Socket a, b;
  Batch batch;
  batch.add(a, "one");
  batch.add(b, "two");
  const auto merged = merger_.merge(batch.messages());
  EXPECT_EQ(merged.data(), batch.messages().data());
  EXPECT_EQ(merged.size(), 2u);
}

TEST_F(SegmentMergerTest, OneAloneStaysAsItIs) {
  const Socket a;
  Batch batch;
  batch.add(a, "one");
  EXPECT_EQ(merger_.merge(batch.messages()).data(), batch.messages().data());
  EXPECT_TRUE(merger_.merge({}).empty());
}

TEST_F(SegmentMergerTest, EqualSizesBecomeOneMessage) {
  const Socket a;
  Batch batch;
  for (char c = 'a'; c < 'f'; ++c) batch.add(a, text(40, c));
  const auto merged = merger_.merge(batch.messages());
  EXPECT_EQ(sizes(merged), (Sizes{{40, 40, 40, 40, 40}}));
  send(merged, server_);
  EXPECT_EQ(a.received(5), (std::vector{text(40, 'a'), text(40, 'b'), text(40, 'c'), text(40, 'd'),
                                        text(40, 'e')}));
}

TEST_F(SegmentMergerTest, APairOfTwoSizesBecomesOneMessageWhateverItsOrder) {
  const Socket a, b;
  Batch batch;
  batch.add(a, text(56, 'A'));
  batch.add(b, text(112, 'S'));
  batch.add(a, text(112, 's'));
  batch.add(b, text(56, 'a'));
  const auto merged = merger_.merge(batch.messages());
  EXPECT_EQ(sizes(merged), (Sizes{{112, 56}, {112, 56}}));
  send(merged, server_);
  EXPECT_EQ(a.received(2), (std::vector{text(112, 's'), text(56, 'A')}));
  EXPECT_EQ(b.received(2), (std::vector{text(112, 'S'), text(56, 'a')}));
}

TEST_F(SegmentMergerTest, AShorterOneEndsAMessage) {
  const Socket a;
  Batch batch;
  for (const std::size_t size : {80u, 90u, 70u, 80u, 90u}) batch.add(a, text(size, 'x'));
  EXPECT_EQ(sizes(merger_.merge(batch.messages())), (Sizes{{90, 90, 80}, {80, 70}}));
}

TEST_F(SegmentMergerTest, WhatMayBeTooLongForALinkStaysAlone) {
  const Socket a;
  Batch batch;
  batch.add(a, text(SegmentMerger::kMaxSegment + 1, 'x'));
  batch.add(a, text(SegmentMerger::kMaxSegment, 'y'));
  batch.add(a, text(SegmentMerger::kMaxSegment, 'z'));
  EXPECT_EQ(sizes(merger_.merge(batch.messages())), (Sizes{{1233}, {1232, 1232}}));
}

TEST_F(SegmentMergerTest, AMessageIsNoLongerThanADatagramMayBe) {
  const Socket a;
  Batch batch;
  for (unsigned i = 0; i < SegmentMerger::kBatch; ++i) batch.add(a, text(1200, 'x'));
  const auto merged = merger_.merge(batch.messages());
  ASSERT_EQ(merged.size(), 2u);
  EXPECT_EQ(merged[0].msg_hdr.msg_iovlen, 50u);
  EXPECT_EQ(merged[1].msg_hdr.msg_iovlen, 14u);
  send(merged, server_);
  EXPECT_EQ(a.received(SegmentMerger::kBatch).size(), SegmentMerger::kBatch);
}

TEST_F(SegmentMergerTest, Ipv6PeersAreToldApart) {
  const Socket server(AF_INET6), a(AF_INET6), b(AF_INET6);
  if (!server.bound()) GTEST_SKIP() << "no IPv6 here";
  Batch batch;
  batch.add(a, "first");
  batch.add(b, "other");
  batch.add(a, "second");
  const auto merged = merger_.merge(batch.messages());
  EXPECT_EQ(sizes(merged), (Sizes{{6, 5}, {5}}));
  send(merged, server);
  EXPECT_EQ(a.received(2), (std::vector<std::string>{"second", "first"}));
  EXPECT_EQ(b.received(1), (std::vector<std::string>{"other"}));
}

std::string packet_info(const char* source) {
  std::string control(CMSG_SPACE(sizeof(in_pktinfo)), '\0');
  cmsghdr header{};
  header.cmsg_level = IPPROTO_IP;
  header.cmsg_type = IP_PKTINFO;
  header.cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
  in_pktinfo info{};
  ::inet_pton(AF_INET, source, &info.ipi_spec_dst);
  std::memcpy(control.data(), &header, sizeof header);
  std::memcpy(control.data() + CMSG_LEN(0), &info, sizeof info);
  return control;
}

TEST_F(SegmentMergerTest, AnswersKeepTheAddressThatWasAsked) {
  const Socket a;
  Batch batch;
  batch.add(a, "from two", packet_info("127.0.0.2"));
  batch.add(a, "from 3", packet_info("127.0.0.3"));
  batch.add(a, "of two", packet_info("127.0.0.2"));
  const auto merged = merger_.merge(batch.messages());
  EXPECT_EQ(sizes(merged), (Sizes{{8, 6}, {6}}));
  // Any address may be the source only of a socket that is bound to none.
  const int any = ::socket(AF_INET, SOCK_DGRAM, 0);
  EXPECT_EQ(::sendmmsg(any, merged.data(), 2, 0), 2) << std::strerror(errno);
  ::close(any);
  for (const char* expected : {"127.0.0.2", "127.0.0.2", "127.0.0.3"}) {
    sockaddr_in from{};
    socklen_t size = sizeof from;
    std::array<char, 64> buffer;
    pollfd waiting{a.fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&waiting, 1, kPatienceMs), 1);
    ASSERT_GT(::recvfrom(a.fd(), buffer.data(), buffer.size(), 0,
                         reinterpret_cast<sockaddr*>(&from), &size),
              0);
    std::array<char, INET_ADDRSTRLEN> shown{};
    EXPECT_STREQ(::inet_ntop(AF_INET, &from.sin_addr, shown.data(), shown.size()), expected);
  }
}

TEST_F(SegmentMergerTest, ARefusedMessageGoesInParts) {
  const Socket a;
  Batch batch;
  batch.add(a, "short");
  batch.add(a, "longer");
  for (unsigned i = 0; i < SegmentMerger::kRefusals; ++i) {
    const auto merged = merger_.merge(batch.messages());
    ASSERT_EQ(merged.size(), 1u) << "refusal " << i;
    merger_.failed(merged[0], server_.fd(), EIO);
    EXPECT_EQ(a.received(2), (std::vector<std::string>{"longer", "short"}));
  }
  EXPECT_FALSE(merger_.enabled());
  EXPECT_EQ(merger_.merge(batch.messages()).data(), batch.messages().data());
}

// What is refused may be about a route that nobody takes any more.
TEST_F(SegmentMergerTest, TriesAgainAfterARest) {
  const Socket a;
  Batch batch;
  batch.add(a, "one");
  batch.add(a, "two");
  for (unsigned i = 0; i < SegmentMerger::kRefusals; ++i) {
    merger_.failed(merger_.merge(batch.messages())[0], server_.fd(), EIO);
  }
  for (unsigned i = 0; i < SegmentMerger::kRest; ++i) {
    ASSERT_EQ(merger_.merge(batch.messages()).size(), 2u) << i;
  }
  EXPECT_EQ(merger_.merge(batch.messages()).size(), 1u);
}

// One device that cannot segment, among others that can, does not slow down these.
TEST_F(SegmentMergerTest, SuccessesSpeakAgainstARest) {
  const Socket a;
  Batch batch;
  batch.add(a, "one");
  batch.add(a, "two");
  for (unsigned i = 0; i < 3 * SegmentMerger::kRefusals; ++i) {
    merger_.failed(merger_.merge(batch.messages())[0], server_.fd(), EIO);
    merger_.send(batch.messages(), server_.fd());
  }
  EXPECT_TRUE(merger_.enabled());
}

// Port 0 and the like: the kernel refuses every message to such a peer, merged or not.
TEST_F(SegmentMergerTest, NoPeerSwitchesItOff) {
  const Socket a;
  Batch batch;
  batch.add(a, "one");
  batch.add(a, "two");
  for (const int error : {EINVAL, EMSGSIZE}) {
    for (unsigned i = 0; i < 2 * SegmentMerger::kRefusals; ++i) {
      merger_.failed(merger_.merge(batch.messages())[0], server_.fd(), error);
      EXPECT_EQ(a.received(2), (std::vector<std::string>{"one", "two"}));
    }
  }
  EXPECT_TRUE(merger_.enabled());
}

TEST_F(SegmentMergerTest, AFullBufferIsNoRefusal) {
  const Socket a;
  Batch batch;
  batch.add(a, "one");
  batch.add(a, "two");
  for (unsigned i = 0; i < 2 * SegmentMerger::kRefusals; ++i) {
    merger_.failed(merger_.merge(batch.messages())[0], server_.fd(), EAGAIN);
  }
  EXPECT_TRUE(merger_.enabled());
  EXPECT_TRUE(a.received(0).empty());
}

TEST_F(SegmentMergerTest, EveryAnswerArrivesOnceAtItsPeer) {
  std::mt19937 random(20);
  const auto below = [&](std::size_t n) { return random() % n; };
  std::vector<std::unique_ptr<Socket>> peers;
  for (unsigned i = 0; i < 12; ++i) peers.push_back(std::make_unique<Socket>());
  for (unsigned round = 0; round < 300; ++round) {
    Batch batch;
    std::vector<std::vector<std::string>> expected(peers.size());
    const std::size_t some = 1 + below(peers.size());
    for (std::size_t n = 1 + below(SegmentMerger::kBatch); n != 0; --n) {
      const std::size_t peer = below(some);
      std::string content = text(12 + below(round % 2 == 0 ? 4 : 1400), 'x');
      for (char& c : content) c = static_cast<char>(random());
      expected[peer].push_back(content);
      batch.add(*peers[peer], std::move(content));
    }
    send(merger_.merge(batch.messages()), server_);
    for (std::size_t i = 0; i < peers.size(); ++i) {
      auto received = peers[i]->received(expected[i].size());
      std::sort(received.begin(), received.end());
      std::sort(expected[i].begin(), expected[i].end());
      ASSERT_EQ(received, expected[i]) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace clusterdns::dns
