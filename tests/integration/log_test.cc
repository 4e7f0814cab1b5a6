// Nobody waits for whoever reads the log.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>

#include "integration/fixture.h"
#include "support/http_client.h"

namespace clusterdns::test {
namespace {

constexpr const char* kName = "a.default.svc.cluster.local.";
// More lines than a pipe and the queue together hold.
const int kQuestions = 12000 / kBuildFactor;

class Log : public Integration {
 protected:
  void SetUp() override {
    manifests_.write("a.yaml", service_yaml("a", "10.96.1.1"));
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader_ = FileDescriptor(ends[0]);
    writer_ = FileDescriptor(ends[1]);
    ::fcntl(writer_.get(), F_SETPIPE_SZ, 4096);
  }
  std::string corefile(int ttl) const {
    return with_paths(".:" + std::to_string(at_.port) +
                      " {\n  bind 127.0.0.1\n  log\n  prometheus " + http_.text() +
                      "\n  kubernetes cluster.local {\n    manifests %M\n    ttl " +
                      std::to_string(ttl) + "\n  }\n}\n");
  }
  bool answers(std::uint32_t ttl, const std::string& address) {
    try {
      // Soon again when there is none: a start that is under way may swallow a question, when it
      // looks whether the port is free.
      const Message response = UdpClient(at_).exchange(
          Query{.name = kName}, Deadline::after(std::chrono::milliseconds(500 * kBuildFactor)));
      return response.answer.size() == 1 && response.answer[0].ttl == ttl &&
             data_of(response.answer, "A") == std::vector<std::string>{address};
    } catch (const TestError&) {
      return false;
    }
  }
  // The program, with output that nobody reads and that is full.
  void start() {
    const auto path = directory_.write("Corefile", corefile(5));
    server_.emplace(ProcessOptions{.arguments = {"-conf", path.string()}, .output = writer_.get()});
    ASSERT_TRUE(until([&] { return answers(5, "10.96.1.1"); }));
    UdpClient client(at_);
    for (int i = 0; i < kQuestions; ++i) {
      const Message answer = client.exchange(Query{.name = kName});
      ASSERT_EQ(answer.answer.size(), 1U) << i;
    }
  }
  double lost() {
    return parse_metrics(http_get(http_, "/metrics").body)["clusterdns_log_lines_lost_total"];
  }

  FileDescriptor reader_, writer_;
  const Endpoint at_ = unused_endpoint("127.0.0.1");
  const Endpoint http_ = unused_endpoint("127.0.0.1");
};

TEST_F(Log, NobodyReadsIt) {
  start();
  for (int ttl = 6; ttl < 9; ++ttl) {
    directory_.replace("Corefile", corefile(ttl));
    server_->signal(SIGUSR1);
    EXPECT_TRUE(until([&] { return answers(static_cast<std::uint32_t>(ttl), "10.96.1.1"); },
                      std::chrono::seconds(60)))
        << ttl;
  }
  manifests_.replace("a.yaml", service_yaml("a", "10.96.1.2"));
  EXPECT_TRUE(until([&] { return answers(8, "10.96.1.2"); }, std::chrono::seconds(60)));
  if (kBuildFactor == 1) {
    EXPECT_GT(lost(), 1000);
  }
  EXPECT_EQ(server_->stop(), 0);
}

// Lines are lost, oldest first, and that is said; those that come later are there.
TEST_F(Log, IsReadAgain) {
  start();
  std::string read;
  server_->signal(SIGUSR2);
  const Deadline deadline = Deadline::after(kAnswerTimeout);
  std::array<char, 65536> buffer;
  while (read.find("SIGUSR2: ") == std::string::npos) {
    ASSERT_TRUE(wait_for(reader_.get(), POLLIN, deadline)) << read.size();
    const ssize_t size = ::read(reader_.get(), buffer.data(), buffer.size());
    ASSERT_GT(size, 0);
    read.append(buffer.data(), static_cast<std::size_t>(size));
  }
  if (kBuildFactor == 1) {
    EXPECT_NE(read.find("[WARNING] "), std::string::npos);
    EXPECT_NE(read.find(" lines of the log were lost: it is written faster than it is "
                        "read\n"),
              std::string::npos);
  }
  // Whole lines only: of the log, or of what is printed at a start, which is there while nothing
  // was lost.
  std::istringstream lines(read.substr(0, read.rfind('\n')));
  for (std::string line; std::getline(lines, line);) {
    EXPECT_TRUE(line.starts_with("[") || line.starts_with(".:") ||
                line.starts_with("clusterdns-") || line.starts_with("linux/"))
        << line;
  }
}

// Whoever read has gone: lines go nowhere, and all else goes on.
TEST_F(Log, TheReaderIsGone) {
  start();
  reader_.reset();
  writer_.reset();
  EXPECT_TRUE(answers(5, "10.96.1.1"));
  directory_.replace("Corefile", corefile(6));
  server_->signal(SIGUSR1);
  EXPECT_TRUE(until([&] { return answers(6, "10.96.1.1"); }));
  EXPECT_EQ(server_->stop(), 0);
}

// The last words of a start that fails do not wait for long, either.
TEST_F(Log, AnErrorThatNobodyReads) {
  const Octets filler(1 << 20);
  ::fcntl(writer_.get(), F_SETFL, O_NONBLOCK);
  while (::write(writer_.get(), filler.data(), filler.size()) > 0) {
  }
  ::fcntl(writer_.get(), F_SETFL, 0);
  const auto path = directory_.write("Corefile", ".:0 {\n  nothing\n}\n");
  server_.emplace(ProcessOptions{.arguments = {"-conf", path.string()}, .output = writer_.get()});
  EXPECT_EQ(server_->wait_for_exit(Deadline::after(kAnswerTimeout)), 1);
  server_.reset();
}

}  // namespace
}  // namespace clusterdns::test
