#include "app/corefile/files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "app/corefile/error.h"

namespace clusterdns::app {
namespace {

// Whoever reads a FIFO without a writer waits for ever: at a reload that would be the control
// thread.
TEST(ReadConfigFile, AFifoHoldsNobodyUp) {
  std::string folder = (std::filesystem::temp_directory_path() / "files-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/Corefile";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  try {
    (void)read_config_file(path, {});
    ADD_FAILURE() << "no error";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("is not a regular file"));
  }
  std::filesystem::remove_all(folder);
}

// The pipe of a shell, `check <(…)`.
TEST(ReadConfigFile, APipeByItsDescriptor) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ASSERT_EQ(::write(ends[1], ".:1053 {\n}\n", 11), 11);
  ::close(ends[1]);
  EXPECT_EQ(read_config_file("/dev/fd/" + std::to_string(ends[0]), {}), ".:1053 {\n}\n");
  ::close(ends[0]);
}

}  // namespace
}  // namespace clusterdns::app
