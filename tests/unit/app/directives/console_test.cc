// What `console` reads of files.
#include <sys/stat.h>

#include "tests/unit/app/instance/server_fixture.h"

namespace clusterdns::app {
namespace {

using ConsoleFilesTest = ServerFixture;

TEST_F(ConsoleFilesTest, AFifoHoldsNobodyUp) {
  ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  folder_.write("token", "secret\n");
  const std::string fifo = folder_ / "fifo";
  for (const std::string& options :
       {"token " + fifo, "token " + (folder_ / "token") + "\ntls " + fifo + " " + fifo}) {
    try {
      instance_.apply(parse_corefile(
          ".:0 {\nbind 127.0.0.1\nwhoami\nconsole 127.0.0.1:0 {\n" + options + "\n}\n}\n",
          "Corefile"));
      ADD_FAILURE() << options;
    } catch (const ConfigError& e) {
      EXPECT_NE(std::string(e.what()).find("is not a regular file"), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace clusterdns::app
