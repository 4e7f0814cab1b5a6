#include "registry/files/regular_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>

namespace clusterdns::registry {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RegularFileTest : public ::testing::Test {
 protected:
  RegularFileTest() {
    folder_ = std::filesystem::temp_directory_path() /
              ("clusterdns-file-" + std::to_string(::getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  ~RegularFileTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::filesystem::path write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  static std::string content(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }
  std::vector<std::string> names() {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      found.push_back(entry.path().filename().string());
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  static mode_t mode_of(const std::filesystem::path& file) {
    struct stat s {};
    return ::lstat(file.c_str(), &s) == 0 ? s.st_mode & 07777 : 0;
  }

  std::filesystem::path folder_;
};

TEST_F(RegularFileTest, ReadsWhatFitsTheLimit) {
  const auto file = write("a", "content");
  EXPECT_EQ(*read_regular_file(file, 7), "content");
  EXPECT_THAT(read_regular_file(file, 6).error(), HasSubstr("larger than 6 octets"));
  EXPECT_EQ(*read_regular_file(write("empty", ""), 0), "");
  EXPECT_THAT(read_regular_file(folder_ / "none", 7).error(), HasSubstr("No such file"));
  EXPECT_EQ(read_regular_file(folder_, 7).error(), "is a folder");
}

TEST_F(RegularFileTest, ReadsFilesWithoutASizeAndLinks) {
  EXPECT_FALSE(read_regular_file("/proc/self/status", 1 << 20)->empty());
  EXPECT_THAT(read_regular_file("/proc/self/status", 8).error(), HasSubstr("larger"));
  write("a", "content");
  std::filesystem::create_symlink("a", folder_ / "link");
  EXPECT_EQ(*read_regular_file(folder_ / "link", 7), "content");
}

TEST_F(RegularFileTest, DoesNotWaitForAFifoOrReadADevice) {
  ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(read_regular_file(folder_ / "fifo", 7).error(), "is not a regular file");
  EXPECT_EQ(read_regular_file("/dev/zero", 7).error(), "is not a regular file");
}

TEST_F(RegularFileTest, TrustsOnlyWhatOthersCannotWrite) {
  const auto file = write("a", "content");
  ASSERT_EQ(::chmod(file.c_str(), 0664), 0);
  EXPECT_TRUE(read_regular_file(file, 7, Writers::Trusted));
  ASSERT_EQ(::chmod(file.c_str(), 0666), 0);
  EXPECT_EQ(read_regular_file(file, 7, Writers::Trusted).error(), "is writable by every user");
  EXPECT_TRUE(read_regular_file(file, 7));
  if (::geteuid() != 0) return;
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  ASSERT_EQ(::chown(file.c_str(), 12345, 0), 0);
  EXPECT_EQ(read_regular_file(file, 7, Writers::Trusted).error(), "belongs to another user");
}

TEST_F(RegularFileTest, ReplacesAFileWithItsMode) {
  const auto file = write("a", "old");
  EXPECT_EQ(replace_file(file, "new", 0640), "");
  EXPECT_EQ(content(file), "new");
  EXPECT_EQ(mode_of(file), 0640U);
  EXPECT_EQ(replace_file(folder_ / "b", "first", 0600), "");
  EXPECT_EQ(content(folder_ / "b"), "first");
  EXPECT_THAT(names(), ::testing::ElementsAre("a", "b"));
}

TEST_F(RegularFileTest, FollowsNoLink) {
  write("precious", "precious");
  std::filesystem::create_symlink("precious", folder_ / "a");
  std::filesystem::create_symlink("precious", folder_ / "a.new");
  EXPECT_EQ(replace_file(folder_ / "a", "new", 0600), "");
  EXPECT_EQ(content(folder_ / "precious"), "precious");
  EXPECT_FALSE(std::filesystem::is_symlink(folder_ / "a"));
  EXPECT_EQ(content(folder_ / "a"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "a.new"));
}

TEST_F(RegularFileTest, LeavesAloneWhatIsNoFile) {
  std::filesystem::create_directory(folder_ / "d");
  EXPECT_THAT(replace_file(folder_ / "d", "x", 0600), HasSubstr("is a folder"));
  ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(replace_file(folder_ / "fifo", "x", 0600), HasSubstr("is not a regular file"));
  std::filesystem::create_symlink("/dev/null", folder_ / "null");
  EXPECT_THAT(replace_file(folder_ / "null", "x", 0600), HasSubstr("is not a regular file"));
  EXPECT_THAT(names(), ::testing::ElementsAre("d", "fifo", "null"));
  EXPECT_THAT(replace_file(folder_ / "none" / "a", "x", 0600), HasSubstr("No such file"));
}

// Whatever the disk does not take, the file is as it was and nothing lies beside it.
TEST_F(RegularFileTest, ADiskThatFails) {
  const auto file = write("a", "old");
  const auto fails = [](int error) {
    errno = error;
    return -1;
  };
  Disk full = Disk::system();
  full.write = [&](int, const void*, std::size_t) -> ssize_t { return fails(ENOSPC); };
  EXPECT_THAT(replace_file(file, "new", 0600, full), HasSubstr("No space left"));
  Disk odd = Disk::system();
  odd.write = [](int, const void*, std::size_t) -> ssize_t { return 0; };
  EXPECT_THAT(replace_file(file, "new", 0600, odd), HasSubstr("the disk is full"));
  Disk broken = Disk::system();
  broken.sync = [&](int) { return fails(EIO); };
  EXPECT_THAT(replace_file(file, "new", 0600, broken), HasSubstr("Input/output error"));
  Disk read_only = Disk::system();
  read_only.rename = [&](const char*, const char*) { return fails(EROFS); };
  EXPECT_THAT(replace_file(file, "new", 0600, read_only), HasSubstr("Read-only file system"));
  EXPECT_THAT(replace_file(file, "new", 0600, Disk::system(), [] { return false; }),
              HasSubstr("given up"));
  EXPECT_EQ(content(file), "old");
  EXPECT_THAT(names(), ::testing::ElementsAre("a"));
  // One octet at a time, and interrupted.
  Disk slow = Disk::system();
  int calls = 0;
  slow.write = [&](int fd, const void* data, std::size_t) -> ssize_t {
    return ++calls % 2 == 0 ? fails(EINTR) : ::write(fd, data, 1);
  };
  EXPECT_EQ(replace_file(file, "new", 0600, slow), "");
  EXPECT_EQ(content(file), "new");
}

TEST_F(RegularFileTest, RemovesLeftoversAndNothingElse) {
  write("a", "");
  write("a.new.AbCd12", "left");
  write("a.new", "a name of somebody else's");
  write("a.new.toolong", "");
  write("b.new.AbCd12", "");
  std::filesystem::create_symlink("a", folder_ / "a.new.linked");
  const auto busy = write("a.new.locked", "being written");
  const int fd = ::open(busy.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::flock(fd, LOCK_EX), 0);
  remove_leftovers(folder_ / "a");
  EXPECT_THAT(names(), ::testing::UnorderedElementsAre("a", "a.new", "a.new.linked", "a.new.locked",
                                                       "a.new.toolong", "b.new.AbCd12"));
  ::close(fd);
  remove_leftovers(folder_ / "a");
  EXPECT_FALSE(std::filesystem::exists(busy));
  remove_leftovers(folder_ / "none" / "a");
}

}  // namespace
}  // namespace clusterdns::registry
