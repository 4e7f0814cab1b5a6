#include "app/instance/reloader.h"

#include <stdexcept>

#include "tests/unit/app/instance/server_fixture.h"

namespace clusterdns::app {
namespace {

class ReloaderTest : public ServerFixture {
 protected:
  static std::string block(const std::string& lines) {
    return ".:0 {\nbind 127.0.0.1\nwhoami\n" + lines + "\n}\n";
  }
  void write(const std::string& lines) {
    folder_.write("Corefile.new", block(lines));
    std::filesystem::rename(folder_ / "Corefile.new", folder_ / "Corefile");
  }
  // Of a file that is there.
  std::unique_ptr<Reloader> follow() {
    auto reloader = std::make_unique<Reloader>(
        io_, logger_,
        [this] {
          ++reads_;
          return load_corefile(folder_ / "Corefile");
        },
        true, instance_);
    reloader->on_served([this] { ++served_; });
    return reloader;
  }
  [[nodiscard]] std::string metric(const std::string& name) const {
    const std::string text = const_cast<Instance&>(instance_).metrics().text();
    const std::size_t at = text.find("\n" + name);
    return at == std::string::npos ? "" : text.substr(at + 1, text.find('\n', at + 1) - at - 1);
  }

  int reads_ = 0, served_ = 0;
};

TEST_F(ReloaderTest, TheFirstThrowsWhatIsWrong) {
  write("nonsense");
  const auto reloader = follow();
  EXPECT_THROW(reloader->start(), ConfigError);
  EXPECT_EQ(served_, 0);
}

TEST_F(ReloaderTest, AnEditIsServedOnceItHasSettled) {
  write("reload 2s");
  const auto reloader = follow();
  reloader->start();
  EXPECT_EQ(served_, 1);
  EXPECT_EQ(logged("Running configuration SHA512 = "), 1U);
  write("reload 2s\nerrors");
  ASSERT_TRUE(until([&] { return served_ == 2; }));
  EXPECT_EQ(logged("Reloading complete"), 1U);
  const std::string digest = configuration_digest(load_corefile(folder_ / "Corefile"));
  EXPECT_NE(metric("coredns_reload_version_info").find(digest), std::string::npos);
  // Comments and white space are no other configuration.
  folder_.write("Corefile", "# a comment\n" + block("reload   2s\nerrors\n"));
  const int reads = reads_;
  ASSERT_TRUE(until([&] { return reads_ > reads; }));
  EXPECT_EQ(served_, 2);
}

TEST_F(ReloaderTest, ABrokenOneIsToldOnceAndCounted) {
  write("reload 2s");
  const auto reloader = follow();
  reloader->start();
  write("reload 2s\nnonsense");
  ASSERT_TRUE(until([&] { return logged("reload failed") == 1; })) << log_.str();
  EXPECT_EQ(metric("coredns_reload_failed_total"), "coredns_reload_failed_total 1");
  const int reads = reads_;
  ASSERT_TRUE(until([&] { return reads_ > reads + 1; })) << "at the next interval";
  EXPECT_EQ(logged("reload failed"), 1U);
  // Whoever asks wants to hear it again.
  reloader->reload();
  EXPECT_EQ(logged("reload failed"), 2U);
  EXPECT_EQ(served_, 1);
  write("reload 2s\nerrors");
  ASSERT_TRUE(until([&] { return served_ == 2; }));
}

TEST_F(ReloaderTest, WithoutReloadOnlyASignalReadsItAgain) {
  write("");
  const auto reloader = follow();
  reloader->start();
  EXPECT_EQ(reads_, 1);
  write("errors");
  (void)until([] { return false; }, std::chrono::milliseconds(600));
  EXPECT_EQ(reads_, 1);
  reloader->reload();
  EXPECT_EQ(served_, 2);
  // And one that loses its `reload` says so.
  write("reload 2s");
  reloader->reload();
  write("errors");
  ASSERT_TRUE(until([&] { return served_ == 4; }));
  EXPECT_EQ(logged("has no 'reload', so it is no longer followed"), 1U);
}

TEST_F(ReloaderTest, StoppedMeansStopped) {
  write("reload 2s");
  const auto reloader = follow();
  reloader->start();
  reloader->stop();
  write("reload 2s\nerrors");
  reloader->reload();
  (void)until([] { return false; }, std::chrono::milliseconds(600));
  EXPECT_EQ(served_, 1);
}

TEST_F(ReloaderTest, WhatReadingThrowsLeavesEverythingAsItWas) {
  bool fails = false;
  Reloader reloader(
      io_, logger_,
      [&] {
        if (fails) throw std::runtime_error("no such thing");
        return parse_corefile(block(""), "stdin");
      },
      false, instance_);
  reloader.start();
  fails = true;
  reloader.reload();
  EXPECT_EQ(logged("reload failed: no such thing; still serving the one before it"), 1U);
  ask();
}

}  // namespace
}  // namespace clusterdns::app
