#include "app/log/log_queue.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <new>
#include <optional>
#include <string>

namespace clusterdns::app {
namespace {

using Clock = std::chrono::steady_clock;

class LogQueueTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader_ = ends[0];
    writer_ = ends[1];
    ::fcntl(writer_, F_SETPIPE_SZ, 4096);
    start(4096);
  }
  void TearDown() override {
    queue_.reset();
    if (reader_ >= 0) ::close(reader_);
    ::close(writer_);
  }
  void start(std::size_t octets) {
    queue_.emplace(
        writer_,
        [](const LogQueue::Line& line, std::string& to) {
          if (line.text == "no memory") throw std::bad_alloc();
          if (line.text == "what") throw 42;
          to += std::to_string(line.kind) + std::to_string(line.level) + " ";
          to.append(line.text).append("\n");
        },
        [](std::uint64_t count, std::string& to) { to += "lost " + std::to_string(count) + "\n"; },
        octets);
  }
  void push(const std::string& text) {
    queue_->push({.kind = 3, .level = 2, .time = {}, .text = text});
  }
  // What comes until `end` has come.
  std::string read_until(const std::string& end) {
    std::string read;
    std::array<char, 4096> buffer;
    while (!read.ends_with(end)) {
      pollfd poll{reader_, POLLIN, 0};
      if (::poll(&poll, 1, 20'000) <= 0) return read + "<nothing>";
      const ssize_t size = ::read(reader_, buffer.data(), buffer.size());
      if (size <= 0) return read + "<end>";
      read.append(buffer.data(), static_cast<std::size_t>(size));
    }
    return read;
  }

  int reader_ = -1;
  int writer_ = -1;
  std::optional<LogQueue> queue_;
};

// What cannot be formatted is lost and counted; the thread goes on.
TEST_F(LogQueueTest, LinesThatCannotBeFormatted) {
  for (const char* bad : {"no memory", "what"}) {
    const std::uint64_t before = queue_->lost();
    push(bad);
    queue_->flush();
    EXPECT_EQ(queue_->lost(), before + 1);
  }
  push("good");
  EXPECT_EQ(read_until("good\n"), "lost 2\n32 good\n");
}

TEST_F(LogQueueTest, WritesInOrder) {
  std::string expected;
  std::string read;
  for (int i = 0; i < 1000; ++i) {
    const std::string text = std::to_string(i) + std::string(static_cast<std::size_t>(i % 97), 'x');
    push(text);
    expected += "32 " + text + "\n";
    if (i % 20 == 19) read += read_until(text + "\n");
  }
  EXPECT_EQ(read, expected);
  EXPECT_EQ(queue_->lost(), 0U);
}

TEST_F(LogQueueTest, TheOldestGiveWayAndThatIsSaid) {
  for (int i = 0; i < 2000; ++i) push(std::to_string(i) + std::string(50, '.'));
  const std::uint64_t lost = queue_->lost();
  EXPECT_GT(lost, 1500U);
  EXPECT_LT(lost, 2000U);
  push("last");
  const std::string read = read_until(" last\n");
  EXPECT_NE(read.find("lost "), std::string::npos);
  // Those that are there are in order, and with those that are told as lost they are all.
  std::istringstream lines(read);
  std::uint64_t told = 0;
  std::uint64_t there = 0;
  int before = -1;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("lost ")) {
      told += std::stoull(line.substr(5));
    } else {
      ++there;
      if (line != "32 last") {
        const int number = std::stoi(line.substr(3));
        EXPECT_GT(number, before);
        before = number;
      }
    }
  }
  EXPECT_EQ(before, 1999);
  EXPECT_EQ(told + there, 2001U);
}

TEST_F(LogQueueTest, LongLinesAreCut) {
  queue_.reset();
  start(64 * 1024);
  push(std::string(100'000, 'a'));
  push("next");
  const std::string read = read_until("next\n");
  EXPECT_EQ(read.find('\n'), 3 + kLogLine);
}

TEST_F(LogQueueTest, NobodyWaitsLongForAReaderThatDoesNotRead) {
  for (int i = 0; i < 200; ++i) push(std::string(90, 'y'));
  auto before = Clock::now();
  queue_->flush();
  EXPECT_LT(Clock::now() - before, 4 * kLogLastWords);
  before = Clock::now();
  queue_.reset();
  EXPECT_LT(Clock::now() - before, 4 * kLogLastWords);
}

TEST_F(LogQueueTest, TheEndWaitsForWhatIsQueued) {
  // A pipe of one page is full for poll(2) with the first write that is not read yet.
  ASSERT_GE(::fcntl(writer_, F_SETPIPE_SZ, 65536), 65536);
  for (int i = 0; i < 20; ++i) push("z");
  queue_.reset();
  ::close(std::exchange(writer_, ::dup(STDERR_FILENO)));
  std::string expected;
  for (int i = 0; i < 20; ++i) expected += "32 z\n";
  EXPECT_EQ(read_until("<no such end>"), expected + "<end>");
}

TEST_F(LogQueueTest, AReaderThatHasGoneCostsLines) {
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  ::close(std::exchange(reader_, -1));
  push("to nobody");
  queue_->flush();
  EXPECT_EQ(queue_->lost(), 1U);
  std::signal(SIGPIPE, before);
}

TEST_F(LogQueueTest, LastWordsDoNotWaitForLong) {
  const std::string long_text(100'000, 'w');
  const auto before = Clock::now();
  write_last_words(writer_, long_text);
  EXPECT_LT(Clock::now() - before, 4 * kLogLastWords);
}

}  // namespace
}  // namespace clusterdns::app
