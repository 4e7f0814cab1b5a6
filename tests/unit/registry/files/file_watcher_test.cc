// Real inotify in a temporary folder; waiting is running the io_context until the wanted state is
// there, with a deadline that only a failure reaches.
#include "registry/files/file_watcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "registry/manifests/manifest_source.h"
#include "tests/unit/registry/manifests/manifest_fixture.h"

namespace clusterdns::registry {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::cluster_ips_of;
using testing_support::ScratchFolder;
using testing_support::texts;

std::string service(const std::string& name, const std::string& ip) {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name +
         "}\nspec: {clusterIP: " + ip + ", ports: [{port: 80}]}\n";
}

class WatchTest : public testing::Test {
 protected:
  void start(std::vector<fs::path> paths) {
    source_.emplace(ManifestOptions{std::move(paths), {}}, store_);
    (void)source_->load();
    source_->watch(io_, [this](const std::vector<Problem>& problems) {
      ++reloads_;
      for (const std::string& text : texts(problems)) said_.push_back(text);
    });
  }

  // Runs the loop until `done`; false after a deadline that leaves room for a very busy machine.
  bool run_until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    io_.restart();
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      io_.run_one_until(deadline);
    }
    return true;
  }

  bool becomes(const std::string& name, const std::string& ip) {
    return run_until([&] {
      return cluster_ips_of(store_, {"default", name}) == std::vector<std::string>{ip};
    });
  }

  bool disappears(const std::string& name) {
    return run_until([&] { return store_.service({"default", name}) == nullptr; });
  }

  boost::asio::io_context io_{1};
  ScratchFolder folder_;
  Store store_;
  std::optional<ManifestSource> source_;
  int reloads_ = 0;
  std::vector<std::string> said_;
};

TEST_F(WatchTest, RenameOver) {
  folder_.write("a.yaml", service("a", "10.96.7.1"));
  start({folder_.path()});
  folder_.replace("a.yaml", service("a", "10.96.7.2"));
  EXPECT_TRUE(becomes("a", "10.96.7.2"));
  folder_.replace("a.yaml", service("a", "10.96.7.3"));
  EXPECT_TRUE(becomes("a", "10.96.7.3"));
}

TEST_F(WatchTest, WrittenInPlace) {
  folder_.write("a.yaml", service("a", "10.96.7.1"));
  start({folder_.path()});
  folder_.write("a.yaml", service("a", "10.96.7.2"));
  EXPECT_TRUE(becomes("a", "10.96.7.2"));
}

TEST_F(WatchTest, WrittenAndNotYetClosed) {
  folder_.write("a.yaml", service("a", "10.96.7.1"));
  start({folder_.path()});
  std::ofstream open_file(folder_ / "a.yaml", std::ios::trunc);
  open_file << service("a", "10.96.7.2") << std::flush;
  EXPECT_TRUE(becomes("a", "10.96.7.2"));
}

// Events that this process has asked the kernel for, of one folder or file.
std::uint32_t watched_events(const fs::path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  std::uint32_t events = 0;
  for (const fs::directory_entry& each : fs::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream in(each.path());
    for (std::string line; std::getline(in, line);) {
      unsigned long inode = 0;
      unsigned mask = 0;
      // inotify wd:1 ino:3ad8 sdev:800001 mask:fce …
      if (std::sscanf(line.c_str(), "inotify wd:%*x ino:%lx sdev:%*x mask:%x", &inode, &mask) ==
              2 &&
          inode == status.st_ino) {
        events |= mask;
      }
    }
  }
  return events;
}

// A log beside it that is written all the time wakes nobody.
TEST_F(WatchTest, WhatIsWrittenToOtherFilesIsNotAskedFor) {
  const fs::path one = folder_.write("one.yaml", service("a", "10.96.0.1"));
  folder_.write("all/b.yaml", service("b", "10.96.0.2"));
  start({one, folder_.path() / "all"});
  EXPECT_EQ(watched_events(folder_.path()) & (IN_MODIFY | IN_CLOSE_WRITE), 0U);
  EXPECT_NE(watched_events(folder_.path()) & IN_MOVED_TO, 0U);
  EXPECT_NE(watched_events(one) & IN_MODIFY, 0U);
  EXPECT_NE(watched_events(folder_.path() / "all") & IN_MODIFY, 0U);
  // As a folder of which everything matters, too, it is asked for all.
  source_->stop();
  start({one, folder_.path()});
  EXPECT_NE(watched_events(folder_.path()) & IN_MODIFY, 0U);
  source_->stop();
  start({folder_.path(), one});
  EXPECT_NE(watched_events(folder_.path()) & IN_MODIFY, 0U);
}

TEST_F(WatchTest, FilesAndFoldersComeAndGo) {
  folder_.write("a.yaml", service("a", "10.96.7.1"));
  start({folder_.path()});
  folder_.write("b.yaml", service("b", "10.96.7.2"));
  EXPECT_TRUE(becomes("b", "10.96.7.2"));
  folder_.write("new/deep/c.yaml", service("c", "10.96.7.3"));
  EXPECT_TRUE(becomes("c", "10.96.7.3"));
  folder_.write("new/deep/d.yaml", service("d", "10.96.7.4"));
  EXPECT_TRUE(becomes("d", "10.96.7.4"));
  fs::remove_all(folder_ / "new");
  EXPECT_TRUE(disappears("c"));
  EXPECT_TRUE(disappears("d"));
  fs::rename(folder_ / "b.yaml", folder_ / "b.txt");
  EXPECT_TRUE(disappears("b"));
  fs::remove(folder_ / "a.yaml");
  EXPECT_TRUE(disappears("a"));
}

// As the kubelet updates a ConfigMap volume: a new folder, then one rename of the `..data` link.
void swap_data(const ScratchFolder& folder, const std::string& version, const std::string& text) {
  folder.write(version + "/a.yaml", text);
  fs::create_directory_symlink(version, folder / "..data_tmp");
  fs::rename(folder / "..data_tmp", folder / "..data");
}

TEST_F(WatchTest, ConfigMapFolder) {
  swap_data(folder_, "..2024_01", service("a", "10.96.7.1"));
  fs::create_symlink("..data/a.yaml", folder_ / "a.yaml");
  start({folder_.path()});
  EXPECT_EQ(source_->file_count(), 1U);
  EXPECT_THAT(cluster_ips_of(store_, {"default", "a"}), ElementsAre("10.96.7.1"));
  swap_data(folder_, "..2024_02", service("a", "10.96.7.2"));
  fs::remove_all(folder_ / "..2024_01");
  EXPECT_TRUE(becomes("a", "10.96.7.2"));
  swap_data(folder_, "..2024_03", service("a", "10.96.7.3"));
  EXPECT_TRUE(becomes("a", "10.96.7.3"));
}

TEST_F(WatchTest, ConfigMapFileByName) {
  swap_data(folder_, "..2024_01", service("a", "10.96.7.1"));
  fs::create_symlink("..data/a.yaml", folder_ / "a.yaml");
  start({folder_ / "a.yaml"});
  swap_data(folder_, "..2024_02", service("a", "10.96.7.2"));
  EXPECT_TRUE(becomes("a", "10.96.7.2"));
}

TEST_F(WatchTest, LinkedFolder) {
  ScratchFolder real;
  real.write("one/a.yaml", service("a", "10.96.7.1"));
  real.write("two/a.yaml", service("a", "10.96.7.2"));
  fs::create_directory_symlink(real / "one", folder_ / "current");
  start({folder_ / "current"});
  EXPECT_THAT(cluster_ips_of(store_, {"default", "a"}), ElementsAre("10.96.7.1"));
  fs::create_directory_symlink(real / "two", folder_ / "next");
  fs::rename(folder_ / "next", folder_ / "current");
  EXPECT_TRUE(becomes("a", "10.96.7.2"));
}

TEST_F(WatchTest, FileThatIsNotThereYet) {
  start({folder_ / "later" / "a.yaml"});
  folder_.write("later/a.yaml", service("a", "10.96.7.1"));
  EXPECT_TRUE(becomes("a", "10.96.7.1"));
}

TEST_F(WatchTest, FolderThatIsReplaced) {
  folder_.write("m/a.yaml", service("a", "10.96.7.1"));
  folder_.write("n/a.yaml", service("a", "10.96.7.2"));
  start({folder_ / "m"});
  fs::remove_all(folder_ / "m");
  fs::rename(folder_ / "n", folder_ / "m");
  EXPECT_TRUE(becomes("a", "10.96.7.2"));
  folder_.write("m/b.yaml", service("b", "10.96.7.3"));
  EXPECT_TRUE(becomes("b", "10.96.7.3"));
}

TEST_F(WatchTest, BrokenEditIsToldAndKeepsWhatWas) {
  folder_.write("a.yaml", service("a", "10.96.7.1"));
  start({folder_.path()});
  folder_.replace("a.yaml", "kind: [\n");
  EXPECT_TRUE(run_until([&] { return !said_.empty(); }));
  EXPECT_THAT(said_, ElementsAre(HasSubstr("kept 1 object of the last good version")));
  EXPECT_THAT(cluster_ips_of(store_, {"default", "a"}), ElementsAre("10.96.7.1"));
  folder_.replace("a.yaml", service("a", "10.96.7.2"));
  EXPECT_TRUE(becomes("a", "10.96.7.2"));
}

TEST_F(WatchTest, ChangesBeforeTheWatchAreSeen) {
  folder_.write("a.yaml", service("a", "10.96.7.1"));
  source_.emplace(ManifestOptions{{folder_.path()}, {}}, store_);
  EXPECT_THAT(source_->load(), IsEmpty());
  folder_.write("b.yaml", service("b", "10.96.7.2"));
  source_->watch(io_, [this](const auto&) { ++reloads_; });
  EXPECT_THAT(cluster_ips_of(store_, {"default", "b"}), ElementsAre("10.96.7.2"));
  EXPECT_EQ(reloads_, 1);
}

TEST_F(WatchTest, BurstsAreReadOnce) {
  folder_.write("a.yaml", service("a", "10.96.7.1"));
  start({folder_.path()});
  for (int i = 0; i < 20; ++i) {
    folder_.replace("a.yaml", service("a", "10.96.8." + std::to_string(i)));
  }
  EXPECT_TRUE(becomes("a", "10.96.8.19"));
  EXPECT_LE(reloads_, 3);  // 1, unless this machine stood still in the middle
}

// The product's promise is 100 ms. The best of several tries, so that a busy machine does not fail.
TEST_F(WatchTest, EditsShowWithin100Milliseconds) {
  folder_.write("a.yaml", service("a", "10.96.7.1"));
  start({folder_.path()});
  auto best = std::chrono::steady_clock::duration::max();
  for (int i = 1; i <= 5; ++i) {
    const std::string ip = "10.96.9." + std::to_string(i);
    const auto begin = std::chrono::steady_clock::now();
    folder_.replace("a.yaml", service("a", ip));
    ASSERT_TRUE(becomes("a", ip));
    best = std::min(best, std::chrono::steady_clock::now() - begin);
  }
  EXPECT_LT(best, 100ms);
}

TEST_F(WatchTest, NothingComesAfterStop) {
  folder_.write("a.yaml", service("a", "10.96.7.1"));
  start({folder_.path()});
  source_->stop();
  folder_.replace("a.yaml", service("a", "10.96.7.2"));
  io_.restart();
  io_.run();  // returns: no work is left behind
  EXPECT_EQ(reloads_, 0);
  EXPECT_THAT(cluster_ips_of(store_, {"default", "a"}), ElementsAre("10.96.7.1"));
}

TEST_F(WatchTest, MayBeStoppedFromTheCallback) {
  folder_.write("a.yaml", service("a", "10.96.7.1"));
  source_.emplace(ManifestOptions{{folder_.path()}, {}}, store_);
  (void)source_->load();
  source_->watch(io_, [this](const auto&) {
    ++reloads_;
    source_->stop();
  });
  folder_.replace("a.yaml", service("a", "10.96.7.2"));
  io_.run_for(60s);  // ends at once when the watch is over
  EXPECT_EQ(reloads_, 1);
  EXPECT_TRUE(io_.stopped());
}

TEST_F(WatchTest, IdleWatchDoesNothing) {
  folder_.write("a.yaml", service("a", "10.96.7.1"));
  int changed = 0;
  FileWatcher watcher(
      io_, {folder_.path()}, [&] { ++changed; }, [](const std::string&) {});
  watcher.start();
  EXPECT_TRUE(watcher.uses_inotify());
  folder_.write(".a.yaml.swp", "an editor's scratch file");
  folder_.write("a.yaml~", "its backup");
  io_.run_for(3 * kWatchLongest);
  EXPECT_EQ(changed, 0);
}

}  // namespace
}  // namespace clusterdns::registry
