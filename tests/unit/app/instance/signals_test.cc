// Each in a process of its own: signals are the whole process's.
#include "app/instance/signals.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "app/log/logging.h"

namespace clusterdns::app {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

struct Ended {
  int code = -1;  // 128 and the number of the signal that ended it
  std::string said;
};

// Runs `work` in a child and returns how that ended. What `work` returns is the exit code. The
// child is this program, begun anew for this test alone: threads that other tests have left here
// would not be in it, and their locks would.
Ended in_a_process(const std::function<int()>& work) {
  static constexpr const char* kChild = "CLUSTERDNS_SIGNALS_TEST_CHILD";
  if (std::getenv(kChild) != nullptr) ::_exit(work());
  std::vector<std::string> environment{std::string(kChild) + "=1"};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    // Which part of the tests is ours, and where their results go.
    if (!std::string_view(*entry).starts_with("GTEST_")) environment.emplace_back(*entry);
  }
  const auto* const test = ::testing::UnitTest::GetInstance()->current_test_info();
  std::vector<std::string> words{
      "unit_tests", std::string("--gtest_filter=") + test->test_suite_name() + "." + test->name()};
  const auto pointers = [](std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (std::string& text : texts) all.push_back(text.data());
    all.push_back(nullptr);
    return all;
  };
  const std::vector<char*> argv = pointers(words), envp = pointers(environment);
  int errors[2];
  EXPECT_EQ(::pipe2(errors, O_CLOEXEC), 0);
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(nowhere, STDOUT_FILENO);
    ::dup2(errors[1], STDERR_FILENO);
    ::execve("/proc/self/exe", argv.data(), envp.data());
    ::_exit(127);
  }
  ::close(nowhere);
  ::close(errors[1]);
  Ended ended;
  std::array<char, 1024> text;
  for (ssize_t size; (size = ::read(errors[0], text.data(), text.size())) > 0;) {
    ended.said.append(text.data(), static_cast<std::size_t>(size));
  }
  ::close(errors[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ended;
}

// A control thread, and what it was told of.
struct Control {
  boost::asio::io_context io;
  std::vector<int> seen;
  Signals signals{io, make_silent_logger(), [this](int number) {
                    seen.push_back(number);
                    if (Signals::ends(number)) io.stop();
                  }};
  // Until one that ends has come, or for a time that is far too long.
  void run() {
    const auto work = boost::asio::make_work_guard(io);
    io.restart();
    io.run_for(std::chrono::seconds(60));
  }
};

TEST(SignalsTest, AreHandledOneAfterTheOther) {
  const Ended ended = in_a_process([] {
    Control control;
    control.signals.started();
    ::kill(::getpid(), SIGUSR1);
    while (control.seen.empty()) {
      control.io.restart();
      control.io.run_one_for(milliseconds(20));
    }
    ::kill(::getpid(), SIGUSR2);
    ::kill(::getpid(), SIGHUP);
    while (control.seen.size() < 3) {
      control.io.restart();
      control.io.run_one_for(milliseconds(20));
    }
    ::kill(::getpid(), SIGQUIT);
    control.run();
    return control.seen.size() == 4 && control.seen.front() == SIGUSR1 &&
                   control.seen.back() == SIGQUIT
               ? 0
               : 1;
  });
  EXPECT_EQ(ended.code, 0) << ended.said;
}

TEST(SignalsTest, WhatMeansNothingDoesNothing) {
  const Ended ended = in_a_process([] {
    Control control;
    control.signals.started();
    for (const int number :
         {SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGXFSZ, SIGRTMIN, SIGRTMAX}) {
      ::kill(::getpid(), number);
    }
    ::kill(::getpid(), SIGTERM);
    control.run();
    return control.seen == std::vector<int>{SIGTERM} ? 0 : 1;
  });
  EXPECT_EQ(ended.code, 0) << ended.said;
}

TEST(SignalsTest, OneThatIsIgnoredFromTheBeginningStaysSo) {
  const Ended ended = in_a_process([] {
    ::signal(SIGHUP, SIG_IGN);  // nohup
    Control control;
    control.signals.started();
    ::kill(::getpid(), SIGHUP);
    ::kill(::getpid(), SIGTERM);
    control.run();
    return control.seen == std::vector<int>{SIGTERM} ? 0 : 1;
  });
  EXPECT_EQ(ended.code, 0) << ended.said;
}

TEST(SignalsTest, AStartIsEndedAtOnce) {
  const Ended ended = in_a_process([] {
    Control control;
    ::kill(::getpid(), SIGTERM);
    ::sleep(60);  // still starting; the process ends meanwhile
    return 1;
  });
  EXPECT_EQ(ended.code, 0) << ended.said;
  EXPECT_EQ(ended.said, "");
}

TEST(SignalsTest, WhoIsImpatientIsObeyedThoughTheControlThreadStandsStill) {
  const Ended ended = in_a_process([] {
    Control control;
    control.signals.started();
    ::kill(::getpid(), SIGTERM);
    // Here, for a process takes its time to begin.
    const auto begin = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - begin < Signals::kTakeUp / 2) {
      ::usleep(100'000);
      ::kill(::getpid(), SIGTERM);
    }
    return 9;
  });
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.said, HasSubstr("told to end, but still busy"));
}

TEST(SignalsTest, AnEndThatTakesTooLongIsCutShort) {
  const Ended ended = in_a_process([] {
    Control control;
    control.signals.started();
    control.signals.must_end_within(milliseconds(50), 7);
    ::sleep(60);
    return 9;
  });
  EXPECT_EQ(ended.code, 7);
  EXPECT_EQ(ended.said, "");
}

TEST(SignalsTest, OnceDetachedNothingIsHandled) {
  const Ended ended = in_a_process([] {
    Control control;
    control.signals.started();
    control.signals.detach();
    ::kill(::getpid(), SIGUSR1);
    control.io.restart();
    control.io.run_for(milliseconds(200));
    return control.seen.empty() ? 0 : 1;
  });
  EXPECT_EQ(ended.code, 0) << ended.said;
}

}  // namespace
}  // namespace clusterdns::app
