#include "registry/kubernetes/exec_plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace clusterdns::registry::kubernetes {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(PluginEnvironmentTest, EntriesAreReplacedAndNotAppended) {
  const char* const base[] = {
      "PATH=/bin", "PROFILE=of-the-server", "KUBERNETES_EXEC_INFO=stale", "PROFILE=again", "EMPTY=",
      nullptr};
  ExecPlugin plugin;
  plugin.env = {{"PROFILE", "of-the-kubeconfig"},
                {"NEW", "1"},
                {"NEW", "2"},
                {"KUBERNETES_EXEC_INFO", "forged"}};
  EXPECT_THAT(plugin_environment(base, plugin, "{}"),
              ElementsAre("PATH=/bin", "PROFILE=of-the-kubeconfig", "KUBERNETES_EXEC_INFO={}",
                          "EMPTY=", "NEW=2"));
}

class ExecPluginTest : public ::testing::Test {
 protected:
  ExecPluginTest() {
    folder_ = std::filesystem::temp_directory_path() /
              ("clusterdns-plugin-" + std::to_string(::getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  ~ExecPluginTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  ExecPlugin script(const std::string& body) {
    const auto file = folder_ / "plugin";
    std::ofstream(file) << "#!/bin/sh\n" << body << "\n";
    ::chmod(file.c_str(), 0700);
    ExecPlugin plugin;
    plugin.command = file.string();
    plugin.api_version = "client.authentication.k8s.io/v1";
    return plugin;
  }
  // What became of it.
  std::string run(const ExecPlugin& plugin, std::chrono::milliseconds limit = kLong) {
    ExecPluginRun runner(io_, limit);
    std::string problem = "nothing";
    runner.start(plugin, {}, [&](const std::string& error, ExecCredential credential) {
      problem = error.empty() ? "token " + credential.token : error;
    });
    EXPECT_TRUE(runner.running());
    io_.restart();
    io_.run();
    EXPECT_FALSE(runner.running());
    return problem;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream in(folder_ / name);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }
  // Waits until the process that wrote its id there has gone.
  [[nodiscard]] bool dies(const std::string& name) const {
    const int pid = std::atoi(read(name).c_str());
    for (int i = 0; pid > 0 && i < 2000; ++i) {
      if (::kill(pid, 0) != 0 && errno == ESRCH) return true;
      // Ended, and not yet waited for by whoever took it over.
      std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
      std::string stat;
      std::getline(status, stat);
      if (stat.find(") Z ") != std::string::npos) return true;
      ::usleep(10'000);
    }
    return false;
  }

  static constexpr std::chrono::milliseconds kLong{30'000};
  static constexpr const char* kGood = R"(echo '{"kind":"ExecCredential","status":{"token":"T"}}')";
  boost::asio::io_context io_{1};
  std::filesystem::path folder_;
};

TEST_F(ExecPluginTest, GivesAToken) { EXPECT_EQ(run(script(kGood)), "token T"); }

TEST_F(ExecPluginTest, HasTheLimitOfOpenFilesFromBeforeItWasRaised) {
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  set_plugin_open_files(files.rlim_cur - 7);
  EXPECT_EQ(
      run(script("{ ulimit -Sn; ulimit -Hn; } > " + (folder_ / "seen").string() + "; " + kGood)),
      "token T");
  set_plugin_open_files(RLIM_INFINITY);
  std::istringstream seen(read("seen"));
  std::string soft, hard;
  seen >> soft >> hard;
  EXPECT_EQ(soft, std::to_string(files.rlim_cur - 7));
  EXPECT_EQ(hard, files.rlim_max == RLIM_INFINITY ? "unlimited" : std::to_string(files.rlim_max));
  // Ours is what it was.
  rlimit after{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, files.rlim_cur);
}

TEST_F(ExecPluginTest, FailuresSayWhatThePluginComplainedOf) {
  EXPECT_THAT(run(script("echo first >&2; printf 'not\\tlogged in\\n' >&2; exit 3")),
              HasSubstr("ended with exit code 3: 'not\\x09logged in'"));
  EXPECT_THAT(run(script("kill -9 $$")), HasSubstr("was ended by signal 9"));
  EXPECT_THAT(run(script("echo no json")), HasSubstr("did not print an ExecCredential"));
  EXPECT_THAT(run(script("true")), HasSubstr("did not print an ExecCredential"));
  ExecPlugin none = script(kGood);
  none.command += ".none";
  none.install_hint = "install it";
  EXPECT_THAT(run(none), HasSubstr("cannot be run: No such file or directory; 'install it'"));
}

TEST_F(ExecPluginTest, OneThatNeverEndsIsKilledWithWhatItStarted) {
  const ExecPlugin plugin =
      script("sleep 600 & echo $! > " + (folder_ / "child").string() + "; wait");
  // A slow machine does not get so far within the first limit.
  for (int limit = 1000; read("child").empty() && limit <= 16'000; limit *= 4) {
    const auto before = std::chrono::steady_clock::now();
    EXPECT_THAT(run(plugin, std::chrono::milliseconds(limit)),
                HasSubstr("did not end within " + std::to_string(limit) + " ms"));
    EXPECT_LT(std::chrono::steady_clock::now() - before, kLong);
  }
  EXPECT_TRUE(dies("child"));
}

TEST_F(ExecPluginTest, OneThatPrintsForEverIsKilled) {
  EXPECT_THAT(run(script("echo $$ > " + (folder_ / "pid").string() + "; exec yes")),
              HasSubstr("printed more than 1024 KiB"));
  EXPECT_TRUE(dies("pid"));
  EXPECT_THAT(run(script("echo $$ > " + (folder_ / "pid").string() + "; exec yes >&2")),
              HasSubstr("printed more than 1024 KiB"));
  EXPECT_TRUE(dies("pid"));
}

// What it leaves behind holds the output open.
TEST_F(ExecPluginTest, OneThatHasEndedIsNotWaitedForAnyLonger) {
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(
      run(script(std::string(kGood) + "; sleep 600 & echo $! > " + (folder_ / "child").string())),
      "token T");
  EXPECT_LT(std::chrono::steady_clock::now() - before, kLong);
  ::kill(std::atoi(read("child").c_str()), SIGKILL);
}

TEST_F(ExecPluginTest, ClosingTheOutputIsNoEnd) {
  EXPECT_THAT(run(script(std::string(kGood) + "; exec >&- 2>&-; exit 4")),
              HasSubstr("exit code 4"));
}

TEST_F(ExecPluginTest, CancellingEndsTheChildAndSaysNothing) {
  bool called = false;
  {
    ExecPluginRun runner(io_, kLong);
    runner.start(
        script("echo $$ > " + (folder_ / "part").string() + "; mv " + (folder_ / "part").string() +
               " " + (folder_ / "pid").string() + "; exec sleep 600"),
        {}, [&](const std::string&, ExecCredential) { called = true; });
    while (read("pid").empty()) ::usleep(1000);
  }
  io_.restart();
  io_.run();
  EXPECT_FALSE(called);
  EXPECT_TRUE(dies("pid"));
}

// As from a shell, whatever this program does with its own: signals 1 to 28, for glibc keeps some
// beyond for itself.
TEST_F(ExecPluginTest, NoSignalIsBlockedOrIgnored) {
  const auto before = ::signal(SIGPIPE, SIG_IGN);
  EXPECT_EQ(run(script("grep -E '^Sig(Blk|Ign):.*[1-9a-f].{0,6}$' /proc/self/status > " +
                       (folder_ / "seen").string() + "; " + kGood)),
            "token T");
  ::signal(SIGPIPE, before);
  EXPECT_EQ(read("seen"), "");
}

// Go reads U+FFFD, in whatever field it stands.
TEST(ExecCredentialTest, ALoneSurrogateCostsNothing) {
  const auto credential = parse_exec_credential(
      R"({"kind":"ExecCredential","note":"\ud83d","status":{"token":"t"}})", "x");
  EXPECT_EQ(credential.token, "t");
}

TEST(ExecCredentialTest, Times) {
  const auto expires = [](const std::string& text) {
    return parse_exec_credential(
               R"({"kind":"ExecCredential","status":{"token":"t","expirationTimestamp":")" + text +
                   "\"}}",
               "x")
        .expires;
  };
  EXPECT_EQ(expires("1970-01-01T01:00:10.5+01:00")->time_since_epoch(),
            std::chrono::milliseconds(10500));
  // For ever.
  EXPECT_GT(*expires("9999-12-31T23:59:59Z"), std::chrono::system_clock::now());
  EXPECT_LT(*expires("0001-01-01T00:00:00Z"), std::chrono::system_clock::now());
  EXPECT_FALSE(expires("").has_value());
  for (const char* bad :
       {"tomorrow", "1970-01-01", "1970-13-01T00:00:00Z", "1970-01-01T00:00:00"}) {
    EXPECT_THROW((void)expires(bad), ConfigProblem) << bad;
  }
}

}  // namespace
}  // namespace clusterdns::registry::kubernetes
