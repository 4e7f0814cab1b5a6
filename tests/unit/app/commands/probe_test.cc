#include "app/commands/probe.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "app/corefile/parser.h"

namespace clusterdns::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A socket on 127.0.0.1, at a port of its own.
class Socket {
 public:
  explicit Socket(int type) : fd_(::socket(AF_INET, type, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    auto* const address = reinterpret_cast<sockaddr*>(&at);
    EXPECT_EQ(::bind(fd_, address, size), 0);
    EXPECT_EQ(::getsockname(fd_, address, &size), 0);
    port_ = ntohs(at.sin_port);
    if (type == SOCK_STREAM) {
      EXPECT_EQ(::listen(fd_, 1), 0);
    }
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  [[nodiscard]] std::string text() const { return "127.0.0.1:" + std::to_string(port_); }
  // Answers one query, after something that is none.
  void answer_one() const {
    std::array<std::uint8_t, 512> message{};
    sockaddr_in from{};
    socklen_t size = sizeof from;
    auto* const address = reinterpret_cast<sockaddr*>(&from);
    const ssize_t n = ::recvfrom(fd_, message.data(), message.size(), 0, address, &size);
    ASSERT_GT(n, 12);
    EXPECT_EQ(::sendto(fd_, "?", 1, 0, address, size), 1);
    message[2] |= 0x80;
    EXPECT_EQ(::sendto(fd_, message.data(), static_cast<std::size_t>(n), 0, address, size), n);
  }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

std::vector<std::string> probed(const std::string& text, std::size_t asked,
                                std::chrono::milliseconds patience) {
  Problems problems;
  const Corefile corefile = parse_corefile(text, "Corefile", {}, problems);
  EXPECT_EQ(probe_upstreams(corefile, patience, problems), asked);
  std::vector<std::string> found;
  for (const Problem& problem : problems.sorted()) found.push_back(to_string(problem));
  return found;
}

TEST(Probe, WhatAnswersIsNotTold) {
  const Socket udp(SOCK_DGRAM), tcp(SOCK_STREAM);
  std::thread server([&] { udp.answer_one(); });
  // The same one twice is asked once.
  EXPECT_THAT(probed(". {\n  forward . " + udp.text() + " tls://" + tcp.text() +
                         "\n}\n"
                         "b.example {\n  forward . " +
                         udp.text() + "\n}\n",
                     2, std::chrono::seconds(60)),
              IsEmpty());
  server.join();
}

TEST(Probe, SilenceAndRefusal) {
  const Socket silent(SOCK_DGRAM);
  std::string gone_udp, gone_tcp;
  {
    gone_udp = Socket(SOCK_DGRAM).text();
    gone_tcp = Socket(SOCK_STREAM).text();
  }
  EXPECT_THAT(
      probed(". {\n  forward . " + silent.text() + "\n}\n", 1, std::chrono::milliseconds(20)),
      ElementsAre("Corefile:2:13: forward: " + silent.text() +
                  " does not answer within 20 ms (UDP)"));
  EXPECT_THAT(probed(". {\n  forward . " + gone_udp + "\n}\na.example {\n  forward . " + gone_tcp +
                         " {\n    force_tcp\n  }\n}\n",
                     2, std::chrono::seconds(60)),
              ElementsAre(HasSubstr(gone_udp + " cannot be reached: Connection refused (UDP)"),
                          HasSubstr(gone_tcp + " cannot be reached: Connection refused (TCP)")));
}

TEST(Probe, NotMoreThanTheMost) {
  const Socket tcp(SOCK_STREAM);
  std::string text;
  for (std::size_t i = 0; i <= kMaxProbes; ++i) {
    text += "z" + std::to_string(i) + ".example {\n  forward . 127.1." + std::to_string(i / 250) +
            "." + std::to_string(i % 250 + 1) + ":9\n}\n";
  }
  Problems problems;
  const Corefile corefile = parse_corefile(text, "Corefile", {}, problems);
  EXPECT_EQ(probe_upstreams(corefile, std::chrono::milliseconds(1), problems), kMaxProbes);
}

}  // namespace
}  // namespace clusterdns::app
