// What tests of a running instance share: it, its log, and a clock that is the machine's.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>

#include <boost/asio/io_context.hpp>

#include "app/corefile/parser.h"
#include "app/instance/instance.h"
#include "dns/wire/message_reader.h"
#include "tests/unit/app/folder.h"

namespace clusterdns::app {

class ServerFixture : public ::testing::Test {
 protected:
  // Runs the control thread until `done`; false when that takes longer than a test should.
  template <class Done>
  bool until(Done done, std::chrono::milliseconds budget = std::chrono::seconds(60)) {
    const char* const factor = std::getenv("CLUSTERDNS_TEST_PATIENCE");
    const auto end = std::chrono::steady_clock::now() +
                     budget * (factor == nullptr ? 1 : std::max(1, std::atoi(factor)));
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      io_.restart();
      io_.run_one_for(std::chrono::milliseconds(20));
    }
    return true;
  }
  [[nodiscard]] std::size_t logged(const std::string& text) const {
    const std::string log = log_.str();
    std::size_t count = 0;
    for (std::size_t at = log.find(text); at != std::string::npos; at = log.find(text, at + 1))
      ++count;
    return count;
  }
  // Sends one question for `name`, without its final dot, and waits for the answer: the query has
  // been counted then. "NOERROR 2" with two answers, "SERVFAIL 0", or "nothing".
  std::string ask(const std::string& name = "a", std::uint16_t type = 1) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(instance_.listening().front().port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval limit{60, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    std::string query("\0\1\1\0\0\1\0\0\0\0\0\0", 12);
    std::istringstream labels(name);
    for (std::string label; std::getline(labels, label, '.');) {
      query += static_cast<char>(label.size()) + label;
    }
    query += '\0';
    for (const int octet : {type >> 8, type & 0xFF, 0, 1}) query += static_cast<char>(octet);
    std::array<unsigned char, 512> answer;
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    EXPECT_EQ(::send(fd, query.data(), query.size(), 0), static_cast<ssize_t>(query.size()));
    const ssize_t size = ::recv(fd, answer.data(), answer.size(), 0);
    EXPECT_GT(size, 12);
    ::close(fd);
    if (size <= 12) return "nothing";
    return dns::rcode_to_text(answer[3] & 0xF) + " " + std::to_string(answer[6] * 256 + answer[7]);
  }

  Folder folder_;
  boost::asio::io_context io_;
  std::ostringstream log_;
  std::shared_ptr<spdlog::logger> logger_ = std::make_shared<spdlog::logger>(
      "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_));
  Instance instance_{io_, logger_, {}};
};

}  // namespace clusterdns::app
